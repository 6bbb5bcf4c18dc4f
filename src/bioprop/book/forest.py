"""The forest plot of a paper: each of its numbers beside ours, at one scale.

A row is a claim with a reported number. It is drawn from that number, in half-widths of the claim's
criterion, so that rows of different units can stand beneath each other: the paper is at 0, and a
two-sided criterion ends at -1 and 1. A one-sided criterion ends there on its one side.
"""

import html
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from bioprop.book import figures
from bioprop.book.claims import Ends, word
from bioprop.studies import STUDIES, Figure
from bioprop.studies.drawing import COLOURS, COLUMN
from bioprop.studies.summaries import GEOMETRIC

if TYPE_CHECKING:
    from bioprop.book.index import ClaimEntry

END = 4.0  # of the axis, in half-widths of a criterion; what lies beyond is an arrow
PAPERS = {
    "lillicrap2014": "Lillicrap et al. 2014",
    "bartunov2018": "Bartunov et al. 2018",
    "xiao2018": "Xiao et al. 2018",
}
MARKS = {
    "reproduced": ("✓", COLOURS[2]),
    "partly": ("≈", COLOURS[1]),
    "not reproduced": ("✗", COLOURS[3]),
    "cannot be judged": ("?", "0.4"),
}
ALT = (
    "Forest plot of {count} claims of {paper}, one in a row, grouped by task. A band is the "
    "criterion around the paper's number in the middle, a square with a bar what was recorded and "
    "its interval, and a sign the verdict: {verdicts}."
)
CAPTION = (
    "Each number of {paper} that a claim is about, beside ours. In each row the paper's number is "
    "the line in the middle, the band is the criterion, and the square with its bar is what was "
    "recorded, with its 95 % interval. Rows are drawn in half-widths of their criterion, so a "
    "square within the band is as close as was asked. Where there is no verdict, the bar crosses "
    "an edge, or networks that are compared have learnt too little for one. Arrows lead beyond the "
    "axis. Each row leads to all that is behind it."
)


@dataclass(frozen=True)
class Row:
    """A claim at the scale of its criterion: where it lies, its interval and the criterion."""

    entry: "ClaimEntry"
    recorded: float
    interval: tuple[float, float]
    band: tuple[float, float]


def rows(entries: "Sequence[ClaimEntry]", paper: str) -> list[Row]:
    """Return the claims of a paper that have a reported number and an interval beside it."""
    return [_row(entry) for entry in _numbers(entries, paper) if entry.interval is not None]


def unjudged(entries: "Sequence[ClaimEntry]", paper: str) -> "list[ClaimEntry]":
    """Return the claims of a paper's numbers that were recorded and have no interval to draw."""
    recorded = [each for each in _numbers(entries, paper) if each.verdict != "not attempted"]
    return [entry for entry in recorded if entry.interval is None]


def _numbers(entries: "Sequence[ClaimEntry]", paper: str) -> "list[ClaimEntry]":
    mine = [entry for entry in entries if entry.paper == paper and entry.origin == "paper"]
    return [entry for entry in mine if entry.reported is not None]


def _row(entry: "ClaimEntry") -> Row:
    log = entry.summary == GEOMETRIC.name
    zero = entry.reported or 0.0

    def away(value: float) -> float:
        return math.log10(value / zero) if log else value - zero

    def ends(region: Ends | None) -> list[float]:
        return [away(end) for end in region or () if end is not None]

    def placed(value: float) -> float:
        return away(value) / scale

    distances = [abs(end) for end in ends(entry.holds) if end] or [
        abs(end) for end in ends(entry.partly) if end
    ]
    scale = sum(distances) / len(distances) if distances else 1.0
    low, high = entry.holds
    assert entry.recorded is not None and entry.interval is not None
    band = -math.inf if low is None else placed(low), math.inf if high is None else placed(high)
    interval = placed(entry.interval[0]), placed(entry.interval[1])
    return Row(entry, placed(entry.recorded), interval, band)


def groups(found: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the name of each study and its rows."""
    for name in dict.fromkeys(row.entry.study for row in found):
        yield name, [row for row in found if row.entry.study == name]


def figure(entries: "Sequence[ClaimEntry]", paper: str) -> Figure:
    """Return the forest plot of a paper as a figure."""
    found, others = rows(entries, paper), unjudged(entries, paper)
    counted = {verdict: sum(r.entry.verdict == verdict for r in found) for verdict in MARKS}
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counted.items() if count)
    return Figure(
        id=f"forest-{paper}",
        title=f"The numbers of {PAPERS[paper]}, reported and recorded",
        alt=ALT.format(count=len(found), paper=PAPERS[paper], verdicts=verdicts) + _more(others),
        caption=CAPTION.format(paper=PAPERS[paper]),
        place=f"the numbers of {PAPERS[paper]}, in text, tables and figures",
        draw=lambda _: (_draw(found, others), _table([*(row.entry for row in found), *others])),
    )


def _more(others: "Sequence[ClaimEntry]") -> str:
    return f" {len(others)} more cannot be judged." if others else ""


def publish(entries: "Sequence[ClaimEntry]", paper: str, folder: Path) -> Figure:
    """Write the files of a paper's forest plot into a folder, as those of other figures."""
    chosen = figure(entries, paper)
    figures.write(chosen, {}, folder, _provenance(chosen, paper, entries))
    each = _networks(rows(entries, paper))
    figures.table(folder / f"{chosen.id}-networks.csv", chosen, each, "%.6g")
    return chosen


def _provenance(chosen: Figure, paper: str, entries: "Sequence[ClaimEntry]") -> dict[str, Any]:
    words = {name: getattr(chosen, name) for name in ("id", "title", "alt", "caption", "place")}
    found = [*(row.entry for row in rows(entries, paper)), *unjudged(entries, paper)]
    claims = [{"id": entry.id, "verdict": entry.verdict, "page": entry.page} for entry in found]
    return {**words, "paper": paper, "licence": figures.LICENCE, "claims": claims}


def _table(entries: "Sequence[ClaimEntry]") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "study": entry.study,
                "claim": entry.id,
                "statement": entry.statement,
                "unit": entry.unit,
                "reported": entry.reported,
                "recorded": entry.recorded,
                "low": entry.interval[0] if entry.interval else None,
                "high": entry.interval[1] if entry.interval else None,
                "holds_low": entry.holds[0],
                "holds_high": entry.holds[1],
                "verdict": entry.verdict,
            }
            for entry in entries
        ]
    )


def _networks(found: Sequence[Row]) -> pd.DataFrame:
    """Return the number of each member behind each row, in the unit of its claim."""
    return pd.DataFrame(
        [
            {
                "claim": row.entry.id,
                "unit": row.entry.unit,
                "case": number,
                "member": member,
                "value": value,
            }
            for row in found
            for number, case in enumerate(row.entry.values)
            for member, value in enumerate(case)
        ]
    )


@dataclass(frozen=True)
class _Form:
    """Where the parts of a row stand, in half-widths of a criterion, and letters of a statement."""

    left: float
    right: float
    lines: int  # of a row
    letters: int


WIDE = _Form(-17, 14.5, 1, 54)
NARROW = _Form(-4.6, 16, 2, 62)  # the statement stands above the rest


def _draw(found: Sequence[Row], others: "Sequence[ClaimEntry]") -> Any:
    """Draw rows from the top, a heading above those of each study; count ``others`` below them."""
    width = plt.rcParams["figure.figsize"][0]
    form = WIDE if width > COLUMN else NARROW
    lines: list[tuple[str, Row | None]] = []
    for name, group in groups(found):
        lines += [(STUDIES[name].title, None), *(("", row) for row in group)]
    lines += [(_more(others).strip(), None)] if others else []
    down = [1 if row is None else form.lines for _, row in lines]
    high = 0.145 * sum(down) + 0.6
    picture, axes = plt.subplots(figsize=(width, high))
    for (title, row), y in zip(lines, itertools.accumulate(down, initial=0), strict=False):
        if row is None:
            axes.text(form.left, y, _short(title, 60), fontsize=7, weight="bold", va="center")
        else:
            _draw_row(axes, y, row, form)
    if form is WIDE:
        axes.plot([0, 0], [-0.5, sum(down) - 0.5], color="0.3", lw=0.8, zorder=1)
    axes.set(xlim=(form.left, form.right), ylim=(sum(down) - 0.5, -0.7), yticks=[])
    axes.set_xticks(range(-4, 5, 2))
    axes.tick_params(labelsize=7, length=2, width=0.6)
    axes.set_xlabel("from the paper's number, in half-widths of the criterion", fontsize=7)
    middle = -form.left / (form.right - form.left) if form is WIDE else 0.5
    axes.xaxis.set_label_coords(middle, -0.25 / high)
    axes.spines[["left", "bottom"]].set_visible(False)
    return picture


def _draw_row(axes: Axes, y: int, row: Row, form: _Form) -> None:
    mark, colour = MARKS[row.entry.verdict]
    text: dict[str, Any] = {"fontsize": 6.5, "va": "center"}
    axes.text(form.left + 0.2, y, _short(row.entry.statement, form.letters), **text)
    sign: dict[str, Any] = {"ha": "right", "va": "center", "weight": "bold", "fontsize": 8}
    axes.text(form.right - 0.1, y, mark, color=colour, **sign)
    y += form.lines - 1
    low, high = (min(max(end, -END), END) for end in row.band)
    axes.fill_betweenx([y - 0.42, y + 0.42], low, high, color=COLOURS[2], alpha=0.18, lw=0)
    ends = [min(max(end, -END), END) for end in row.interval]
    axes.plot(ends, [y, y], color="0.15", lw=1, solid_capstyle="butt")
    if abs(row.recorded) < END:
        axes.plot(row.recorded, y, "s", color="0.15", ms=3)
    else:
        axes.plot(math.copysign(END, row.recorded), y, "<>"[row.recorded > 0], color="0.15", ms=4)
    if form is NARROW:
        axes.plot([0, 0], [y - 0.5, y + 0.5], color="0.3", lw=0.8, zorder=1)
    numbers = row.entry.text["paper"], row.entry.text["recorded"].replace("\u00a0", " ")
    axes.text(4.4, y, f"{numbers[0]}; {numbers[1]}", **text)


def _short(text: str, most: int) -> str:
    text = text.rstrip(".")
    return text if len(text) <= most else text[: most - 1].rsplit(" ", 1)[0] + " …"


def strip(row: Row) -> str:
    """Return a row as a small picture for a page, SVG of 200 by 16."""

    def at(value: float) -> float:
        return round(100 + 24 * min(max(value, -END), END), 1)

    low, high = map(at, row.band)
    left, right = map(at, row.interval)
    middle = at(row.recorded)
    sign = 1 if row.recorded > 0 else -1
    mark = (
        f'<rect class="mean" x="{middle - 3}" y="5" width="6" height="6"/>'
        if abs(row.recorded) < END
        else f'<path class="mean" d="M{middle + 4 * sign} 8l{-7 * sign} -5v10z"/>'
    )
    return (
        '<svg class="dots" viewBox="0 0 200 16" aria-hidden="true">'
        f'<rect class="holds" x="{low}" y="1" width="{max(high - low, 1):.1f}" height="14"/>'
        f'<path class="reported" d="M100 0V16"/><path class="interval" d="M{left} 8H{right}"/>'
        f"{mark}</svg>"
    )


def page(row: Row, root: str) -> str:
    """Return a row for a page: a link with statement, picture, both numbers and verdict."""
    entry = row.entry
    kind = entry.verdict.replace(" ", "-")
    return (
        f'<a class="forest-row" href="{root}{entry.page}">'
        f'<span class="what">{html.escape(entry.statement)}</span>{strip(row)}'
        f'<span class="paper"><span class="named">reported</span> {entry.text["paper"]}</span>'
        f'<span class="ours"><span class="named">recorded</span> {entry.text["recorded"]}</span>'
        f'<span class="verdict-{kind}">{word(entry.verdict, entry.origin)}</span></a>'
    )


def last(entries: "Sequence[ClaimEntry]", paper: str, root: str) -> str:
    """Return what stands below the rows on a page: claims that cannot be judged, or wait."""
    others = unjudged(entries, paper)
    links = ", ".join(
        f'<a href="{root}{entry.page}">{html.escape(entry.statement.rstrip("."))}</a>'
        for entry in others
    )
    wait = sum(entry.verdict == "not attempted" for entry in _numbers(entries, paper))
    lines = [
        f"{len(others)} more cannot be judged: {links}." if others else "",
        f"{wait} more wait for their runs." if wait else "",
    ]
    return "".join(f'<p class="forest-task">{line}</p>' for line in lines if line)
