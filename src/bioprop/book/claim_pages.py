"""The place of each claim in the site: a section of the page of its study."""

import html
from collections.abc import Iterable, Sequence

import numpy as np

from bioprop.book import claims, explain
from bioprop.book.home import Home, home
from bioprop.book.index import ClaimEntry, Index, RecordEntry
from bioprop.studies.summaries import GEOMETRIC

WIDTH, EDGE, ROW, TOP, FOOT = 640, 14, 13, 12, 34  # of a picture, in its own units


def badge(verdict: str, origin: str) -> str:
    """Return a verdict as pages show it."""
    kind = verdict.replace(" ", "-")
    return f'<span class="verdict-{kind}">{claims.word(verdict, origin)}</span>'


def section(entry: ClaimEntry, index: Index, root: str) -> str:
    """Return the inside of a claim's section, all but its heading; ``root`` leads to the site's."""
    place = home()
    mine = explain.records(entry, index.studies)
    rows = [
        ("verdict", [badge(entry.verdict, entry.origin), *_drawn(entry, index, root)]),
        (
            "stands",
            [_esc(entry.place) if entry.origin == "paper" else "a claim that this book adds"],
        ),
        ("reported", [_number(entry, entry.text["paper"]), *map(_esc, explain.reported(entry))]),
        ("recorded", [_number(entry, entry.text["recorded"]), _esc(entry.text["members"])]),
        ("beside it", [_esc(entry.aside)] if entry.aside else []),
        ("criterion", [*map(_esc, filter(None, [entry.criterion, explain.breadth(entry)]))]),
        ("arithmetic", list(map(_esc, explain.arithmetic(entry)))),
        ("to know", list(map(_esc, claims.remarks(entry.calibrated, entry.changed)))),
        ("since", [committed(line, place) for line in explain.origin(entry, mine)]),
        ("measure", [_measure(entry, index, place)]),
        ("records", [_record(record, root) for record in mine]),
        ("check it", [f"<code>{_esc(line)}</code>" for line in explain.commands(entry)]),
    ]
    facts = "".join(
        f"<dt>{name}</dt><dd>{''.join(f'<div>{line}</div>' for line in lines)}</dd>"
        for name, lines in rows
        if lines
    )
    return (
        f'<p class="claim-id"><code>{entry.id}</code> · <a href="#{entry.id}">link to {entry.id}'
        f'</a></p>{picture(entry)}<dl class="claim-facts">{facts}</dl>'
    )


def picture(entry: ClaimEntry) -> str:
    """Return each member as a dot, the interval, the criterion and the paper's number, as SVG.

    Members that are not in the unit of the claim have no place on its axis and no dots.
    """
    known = np.atleast_2d(np.array(entry.values, dtype=float))
    if not known.size or not np.isfinite(known).any() or not entry.interval:
        return ""
    cases = known if entry.in_unit else known[:0]
    axis = Axis(entry, cases)
    height = TOP + ROW * (len(cases) + 2) + FOOT
    floor = height - FOOT
    parts = [
        _band(axis, entry.partly, "partly", floor) if entry.partly else "",
        _band(axis, entry.holds, "holds", floor),
        *_ticks(axis, floor),
    ]
    if entry.reported is not None and axis.shows(entry.reported):
        parts.append(
            f'<path class="reported" d="M{axis.at(entry.reported)} {TOP}V{floor}"/>'
            f'<path class="reported" d="M{axis.at(entry.reported)} {TOP - 8}l4 4 -4 4 -4 -4z"/>'
        )
    for row, case in enumerate(cases):
        y = TOP + ROW * (row + 0.6)
        parts += [
            f'<circle cx="{axis.at(value)}" cy="{y + 4 * (k % 3 - 1) / 1.5:.1f}" r="2.6"/>'
            for k, value in enumerate(case)
            if np.isfinite(value) and axis.shows(value)
        ]
    low, high = (axis.at(end) for end in entry.interval)
    y = floor - ROW
    parts.append(f'<path class="interval" d="M{low} {y}H{high}M{low} {y - 4}v8M{high} {y - 4}v8"/>')
    if entry.recorded is not None and axis.shows(entry.recorded):
        parts.append(f'<rect class="mean" x="{axis.at(entry.recorded) - 4}" y="{y - 4}" '
                     'width="8" height="8"/>')  # fmt: skip
    said = "; ".join(explain.values(entry))
    dots = f"Each of {entry.members} {entry.counted} of {entry.id} as a dot, beneath them "
    return (
        f'<svg class="dots" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{dots if entry.in_unit else f"For {entry.id} "}'
        f'{_esc(entry.summary)} and interval, on the criterion as a band.">{"".join(parts)}'
        f'<text x="{WIDTH / 2}" y="{height - 4:.0f}">{_esc(entry.unit)}</text></svg>'
        f"<details><summary>{explain.listed(entry)}</summary>"
        f"<p>{_esc(said)}</p></details>"
    )


def committed(line: str, place: Home) -> str:
    """Make a link of a commit's name, where the book has a repository."""
    words = [
        f'<a href="{place.commit(bare)}">{word}</a>' if place.commit(bare) else _esc(word)
        for word in line.split(" ")
        for bare in [word.strip(",.")]
    ]
    return " ".join(words)


class Axis:
    """The horizontal axis of a claim's picture: logarithmic where its mean is geometric."""

    def __init__(self, entry: ClaimEntry, cases: np.ndarray):
        self.log = entry.summary == GEOMETRIC.name and bool(np.nanmin(cases) > 0)
        marks = [*cases[np.isfinite(cases)], *(entry.interval or ())]
        marks += [end for end in (*entry.holds, entry.reported) if end is not None]
        inside = [mark for mark in marks if self.shows(mark)]
        low, high = min(map(self._scaled, inside)), max(map(self._scaled, inside))
        room = 0.06 * (high - low) or 1.0
        self.low, self.high = low - room, high + room

    def shows(self, value: float) -> bool:
        """Say whether a value has a place on the axis."""
        return not self.log or value > 0

    def at(self, value: float) -> float:
        """Return the place of a value, at an end for what lies beyond."""
        share = (self._scaled(value) - self.low) / (self.high - self.low)
        return round(EDGE + (WIDTH - 2 * EDGE) * min(max(share, 0), 1), 1)

    def _scaled(self, value: float) -> float:
        return float(np.log10(value)) if self.log else float(value)

    def ticks(self) -> list[float]:
        """Return round values, four to eight of them, or so."""
        if self.log:
            powers = range(int(np.floor(self.low)), int(np.ceil(self.high)) + 1)
            tried = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            return [v for v in tried if self.low <= np.log10(v) <= self.high]
        rough = (self.high - self.low) / 5
        step = min((s * 10 ** np.floor(np.log10(rough)) for s in (1, 2, 5, 10)),
                   key=lambda step: abs(step - rough))  # fmt: skip
        first = np.ceil(self.low / step)
        return [float(step * k) for k in np.arange(first, np.floor(self.high / step) + 1)]


def _band(axis: Axis, ends: claims.Ends, kind: str, floor: float) -> str:
    low, high = ends
    left = EDGE if low is None or not axis.shows(low) else axis.at(low)
    right = WIDTH - EDGE if high is None else axis.at(high)
    wide = max(right - left, 1.5)
    return f'<rect class="{kind}" x="{left}" y="{TOP}" width="{wide:.1f}" height="{floor - TOP}"/>'


def _ticks(axis: Axis, floor: float) -> Iterable[str]:
    yield f'<path class="axis" d="M{EDGE} {floor}H{WIDTH - EDGE}"/>'
    for value in axis.ticks():
        shown = f"{value + 0.0:.6g}".replace("-", "−")
        yield f'<path class="axis" d="M{axis.at(value)} {floor}v4"/>'
        yield f'<text x="{axis.at(value)}" y="{floor + 16:.0f}">{shown}</text>'


def _drawn(entry: ClaimEntry, index: Index, root: str) -> Sequence[str]:
    """Link to where a claim is drawn, if it is."""
    homes = {figure.id: figure.page for figure in index.figures}
    page = homes.get(entry.figure)
    return [f'drawn in <a href="{root}{page}">figure {entry.figure}</a>'] if page else []


def _number(entry: ClaimEntry, shown: str) -> str:
    return f"<strong>{shown}</strong> {_esc(entry.unit)}"


def _measure(entry: ClaimEntry, index: Index, place: Home) -> str:
    lines = entry.measure
    name = explain.placed(lines)
    link = place.lines(lines.file, lines.first, lines.last, index.built.commit)
    shown = f'<a href="{link}">{name}</a>' if link else f"<code>{name}</code>"
    return (
        f"{shown}<details><summary>The measure of {entry.id}</summary>"
        f'<div class="highlight"><pre>{_esc(lines.text)}</pre></div></details>'
    )


def _record(record: RecordEntry, root: str) -> str:
    name = record.file.removeprefix("runs/")
    return (
        f'<a href="{root}{record.file}" download>{name}</a> '
        f'<span class="digest">sealed <code>{record.digest[:16]}</code></span>'
    )


def _esc(text: str) -> str:
    return html.escape(text)
