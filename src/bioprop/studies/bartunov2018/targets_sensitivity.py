"""Bartunov et al. 2018, Fig 5: how much does a method's error depend on its settings?

Claim: over 60 random settings for each method backpropagation is the most stable, target
propagation the most sensitive, and alternating inverses are more stable than parallel ones. Here
the settings come from the ranges that the paper prints (Table 4), and from the smallest ranges that
also have the settings it found best (Table 5). Networks are the fully connected ones of Table 3 and
learn from a third of MNIST for six epochs, which is far less than the paper's 500 epochs.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported, to_see
from bioprop.studies.bartunov2018 import tables
from bioprop.studies.bartunov2018.measures import lowest
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, follow, nothing, prepare
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    LATER,
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Region,
    Run,
    Runs,
    Seed,
    Study,
    at,
    rows_at,
)
from bioprop.studies.summaries import RANK_CORRELATION
from bioprop.tasks.images import CLASSES

CHANCE = 100 * (1 - 1 / CLASSES)  # per cent wrong of a network that knows nothing
KINDS = {"printed": "ranges of Table 4", "wider": "ranges that Table 5 needs"}
COLUMNS = {"mnist": "mnist-fc", "cifar10": "cifar10-fc"}  # of Table 1, by images
WITH_INVERSES = [name for name in tables.NAMES if name.startswith("inverse_")]
FORMS = {"dtp": "DTP", "sdtp": "SDTP"}  # of target propagation, those that Fig 5 has


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SensitivitySettings(MethodSettings):
    """Settings of a search at random; each member has settings, images and weights of its own."""

    ranges: Literal["printed", "wider"] = "printed"  # Table 4, or ours: with all of Table 5 too
    members: MemberCount = 60  # Appendix 5.3: random settings for each method
    shown: Natural = 20_000  # ours: a third of the images, as many as the time allows
    epochs: Count = 6  # sec. 3: 500; ours: as the time allows, 1200 updates
    measured: Count = 2000  # ours: training images on which the training error is measured
    first_seed: Seed = 3000  # ours: apart from the seeds of the results and of the searches

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        drawn = applicable(self)
        reasons = "it is drawn from its range", "the method has none"
        return {name: reasons[name not in drawn] for name in tables.NAMES}


def applicable(settings: SensitivitySettings) -> list[str]:
    """Return the names of those settings of the search that the method has."""
    names = list(tables.COLUMNS)
    if settings.learns_inverses:
        names += [*WITH_INVERSES, "sigma"]
    return [*names, "alpha"] if settings.rule == "dtp" else names


def drawn(settings: SensitivitySettings) -> dict[str, list[float]]:
    """Return the settings of each member, a list for each name, in the order of the members.

    A member's come from its seed alone. All methods, and both kinds of range, share the chances
    that they are drawn by: at equal seeds they differ in the method, or in the range.
    """
    chances = settings.streams().chances("settings", (len(tables.NAMES),)).double().T.tolist()
    find = tables.searched if settings.ranges == "printed" else tables.needed
    each = dict(zip(tables.NAMES, chances, strict=True))
    ranges = {name: find(tables.NAMES[name]) for name in applicable(settings)}
    return {name: [range.at(chance) for chance in each[name]] for name, range in ranges.items()}


def run(settings: SensitivitySettings, journal: Journal) -> None:
    """Train a network at every setting that is drawn, side by side."""
    values = drawn(settings)
    journal.label(seed=settings.seeds, **values)
    streams = settings.streams()
    each = {name: streams.each(column) for name, column in values.items()}
    follow(settings, journal, *prepare(settings, streams, **each), nothing)


def best_of(run: Run) -> np.ndarray:
    """Return the lowest test error over epochs, as the paper does, ``(member,)``.

    That of a network that diverged is from before it did, if only from the start.
    """
    return lowest(run)


def distances(run: Run) -> np.ndarray:
    """Return how far each member's error is from the median of all, ``(member,)``, in points.

    Levene's test, in the form that uses medians, compares the means of these.
    """
    errors = best_of(run)
    return np.abs(errors - np.median(errors))


def wider(runs: Runs, one: str, other: str) -> np.ndarray:
    """Return how much further from its median a variant is than another, setting by setting."""
    return distances(runs[one]) - distances(runs[other])


def levene(runs: Runs, one: str, other: str) -> str:
    """Return the p value of Levene's test (medians) that two variants spread alike."""
    p = scipy.stats.levene(best_of(runs[one]), best_of(runs[other]), center="median").pvalue
    return f"p = {p:.1g} in Levene's test"


def has_learnt(run: Run) -> np.ndarray:
    """Say of each setting whether a quarter of the error at the start was gone at some epoch."""
    return best_of(run) <= 0.75 * at(run, "error", 0)


def half_learn(run: Run) -> np.ndarray:
    """Say of a method as a whole, for each member, whether half of its settings or more learn."""
    learnt = has_learnt(run)
    return np.full(len(learnt), learnt.mean() >= 0.5)


def diverged(run: Run) -> int:
    """Count the settings at which a network diverged."""
    return int(np.isnan(at(run, "error")).sum())


def unlearnt(run: Run) -> int:
    """Count the settings at which a network has learnt nothing; those that diverged among them."""
    return int((~has_learnt(run)).sum())


def by_kind(runs: Runs) -> Iterator[tuple[str, str, Run]]:
    """Yield the method, the kind of range and the run of every variant."""
    for name, run in runs.items():
        method, _, kind = name.rpartition("-")
        yield method, kind, run


def correlations(run: Run) -> pd.DataFrame:
    """Return the rank correlation of error and setting with its interval, a row for each setting.

    Of the settings that differ from member to member.
    """
    end, errors, rows = rows_at(run), best_of(run), {}
    for name in applicable(run.settings):
        values = end[name].to_numpy(float)
        if np.ptp(values) > 0:
            rows[name] = RANK_CORRELATION.of(np.array([values, errors]))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["correlation", "low", "high"])


def draw_histograms(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 5: how many settings reach which error, a row a method, a column a kind."""
    kinds = [kind for kind in KINDS if kind in {its for _, its, _ in by_kind(runs)}]
    shape, size = (len(METHODS), len(kinds)), (5 * len(kinds), 12)
    figure, panels = drawing.panels(*shape, figsize=size, sharex=True, sharey=True, squeeze=False)
    frames = []
    for method, kind, result in by_kind(runs):
        axes = panels[list(METHODS).index(method), kinds.index(kind)]
        histogram(axes, method, result)
        column = COLUMNS.get(result.settings.images)
        if column and "ao-sdtp" not in method:
            paper = reported.value(tables.PAPER, f"{column}-{method}-test")
            axes.plot(paper, 0, "x", color="0.15", ms=7, mew=2, clip_on=False)
        lasting = np.isfinite(at(result, "error"))
        ends = {"member": range(len(lasting)), "error": best_of(result), "diverged": ~lasting}
        frames.append(pd.DataFrame({"method": method, "ranges": kind} | ends))
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set(title=KINDS[kind], xscale="log")
    for axes, method in zip(panels[:, 0], METHODS, strict=True):
        axes.text(0.02, 0.97, drawing.LOOKS[method].name, transform=axes.transAxes, va="top")
    drawing.percent_ticks(panels[0, 0].xaxis)
    panels[0, 0].set_ylim(0, 1.6 * panels[0, 0].get_ylim()[1])  # room for what is written
    figure.supxlabel("lowest test error over epochs (%)")
    figure.supylabel("settings")
    return figure, pd.concat(frames)


def histogram(axes: Axes, method: str, run: Run) -> None:
    """Draw the errors of one variant; those of networks that diverged are hatched, at chance."""
    edges, errors = np.geomspace(1, 100, 33), np.clip(best_of(run), 1, 100)
    count, far = diverged(run), unlearnt(run)
    lasting = np.histogram(errors[np.isfinite(at(run, "error"))], edges)[0]
    widths, place = np.diff(edges), np.searchsorted(edges, CHANCE) - 1
    colour = drawing.LOOKS[method].colour
    axes.bar(edges[:-1], lasting, widths, align="edge", color=colour)
    if count:
        away = {"bottom": lasting[place], "hatch": "////", "fc": "white", "ec": "0.15"}
        axes.bar(edges[place], count, widths[place], align="edge", **away)
    axes.axvline(np.median(errors), color="0.5", lw=1, ls="--")
    words = f"{far} of {len(errors)} learnt nothing" + (f", {count} diverged" if count else "")
    axes.text(0.99, 0.8, words if far else "", transform=axes.transAxes, ha="right", va="top")


def draw_spread(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the mean distance from the median error of each method, for both kinds of range."""
    figure, axes = drawing.panels(figsize=(8, 5))
    rows = []
    for method, kind, result in by_kind(runs):
        face, shift = (None, -0.12) if kind == "printed" else ("white", 0.12)
        place = list(METHODS).index(method) + shift
        spread = drawing.dot(axes, distances(result), place, method, label=None, mfc=face)
        rows.append({**spread, "ranges": kind, "diverged": diverged(result)})
    two_kinds(axes, runs)
    axes.set(xlabel="mean distance from the median error (points)")
    by_method(axes)
    return figure, pd.DataFrame(rows)


def two_kinds(axes: Axes, runs: Runs) -> None:
    """Put the kinds of range in the legend, where there are two."""
    if len({kind for _, kind, _ in by_kind(runs)}) < len(KINDS):
        return
    for face, words in zip(("0.5", "white"), KINDS.values(), strict=True):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.legend()


def by_method(axes: Axes) -> None:
    """Give each method a row."""
    axes.set(yticks=range(len(METHODS)), ylim=(len(METHODS) - 0.5, -0.5))
    axes.set_yticklabels([drawing.LOOKS[name].name for name in METHODS])


def draw_settings(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the rank correlation of the error with each setting, a row a method."""
    figure, grid = drawing.panels(2, 5, figsize=(13, 8), sharex=True, sharey=True)
    panels: Mapping[str, Axes] = dict(zip(tables.NAMES, grid.flat, strict=True))
    frames = []
    for method, kind, result in by_kind(runs):
        found = correlations(result)
        colour = drawing.LOOKS[method].colour
        face, shift = (colour, -0.15) if kind == "printed" else ("white", 0.15)
        place = list(METHODS).index(method) + shift
        for name, mean, low, high in found.itertuples():
            bar = np.array([[mean - low], [high - mean]]).clip(0)
            panels[name].errorbar([mean], [place], xerr=bar, fmt="s", color=colour, mfc=face)
        frames.append(found.rename_axis("setting").reset_index().assign(method=method, ranges=kind))
    for name, axes in panels.items():
        axes.axvline(0, color="0.6", lw=1)
        axes.set(title=tables.NAMES[name].replace("-", " "), xlim=(-1.15, 1.15))
    by_method(axes)
    two_kinds(panels["sigma"], runs)
    figure.supxlabel("rank correlation of the setting with the error")
    return figure, pd.concat(frames)


WIDER = "wider where the interval of the difference lies above zero; it is between the distances "
WIDER += "from the median that Levene's test compares"


def apart(
    id: str, kind: str, statement: str, one: str, other: str, study: str, reason: str = WIDER
) -> Claim:
    """Return the claim that a method's errors are spread wider than another's."""
    one, other = f"{one}-{kind}", f"{other}-{kind}"
    return Claim(
        id=f"{study}-{id}-{kind}",
        statement=statement,
        place=f"Fig 5; settings from the {KINDS[kind]}",
        measure=partial(wider, one=one, other=other),
        aside=partial(levene, one=one, other=other),
        unit="points of test error: mean distance from the median, a difference",
        holds=Region(low=0.0),
        reason=reason,
        figure=f"{study}-spread",
        applies=of_the_paper,
    )


def of_the_paper(settings: Any) -> bool:
    """Say whether a run is on images of the paper."""
    return settings.images in COLUMNS


def claims(kind: str, study: str = "targets-sensitivity") -> list[Claim]:
    """Return the claims for one kind of range, of the methods that Fig 5 has."""
    return [
        *(
            apart(
                f"{form}-{schedule}",
                kind,
                f"{words}, {schedule}: errors are spread wider over settings than "
                "backpropagation's.",
                f"{form}-{schedule}",
                "bp",
                study,
            )
            for form, words in FORMS.items()
            for schedule in ("alternating", "parallel")
        ),
        *(
            apart(
                f"{form}-fa",
                kind,
                f"{words}, alternating: errors are spread wider over settings than feedback "
                "alignment's, as those of the most sensitive method would be.",
                f"{form}-alternating",
                "fa",
                study,
                WIDER + LATER,
            )
            for form, words in FORMS.items()
        ),
        *(
            apart(
                f"{form}-schedule",
                kind,
                f"{words}: errors are spread less over settings where inverses alternate than "
                "where they learn in parallel.",
                f"{form}-parallel",
                f"{form}-alternating",
                study,
            )
            for form, words in FORMS.items()
        ),
    ]


def weakest(runs: Runs, kind: str) -> float:
    """Return the rank correlation of error and forward rate, of the method where it is smallest."""
    found = [
        correlations(run).loc["rate", "correlation"] for _, its, run in by_kind(runs) if its == kind
    ]
    return float(max(found))


def spread(runs: Runs, variant: str) -> float:
    """Return the mean distance from the median error of a variant, in points."""
    return float(distances(runs[variant]).mean())


def total(runs: Runs, kind: str, count: Callable[[Run], int]) -> int:
    """Return a count of settings over all methods, for one kind of range."""
    return sum(count(run) for _, its, run in by_kind(runs) if its == kind)


FIGURES = [
    Figure(
        id="targets-sensitivity-histograms",
        title="Errors of nine methods at random settings",
        alt="Eighteen histograms of the test error in per cent on a log axis, a row for each of "
        "nine methods; on the left settings come from the ranges that the paper prints, on the "
        "right from the wider ranges that its best settings need. A dashed line at each median.",
        caption="How many settings reach which error, the lowest over epochs on test images: "
        "networks of Table 3, fully connected, one for each random setting. Left: settings from "
        "the ranges of Table 4; right: from the smallest ranges that also have all numbers of "
        "Table 5. Dashed: the median. Hatched: networks that diverged, at the error of a guess. A "
        "cross marks the paper's best error after 500 epochs, on MNIST.",
        look=to_see.HISTOGRAMS,
        place="Fig 5",
        draw=draw_histograms,
        numbers={
            f"{words} {kind}": partial(total, kind=kind, count=count)
            for words, count in (("diverged", diverged), ("unlearnt", unlearnt))
            for kind in KINDS
        },
    ),
    Figure(
        id="targets-sensitivity-spread",
        title="How widely errors are spread over settings",
        alt="A row for each of nine methods; along it the mean distance of the test errors from "
        "their median, in points, with an interval: filled for the ranges that the paper prints, "
        "open for the wider ones.",
        caption="Mean distance of a setting's test error from the median of all settings, with "
        "its 95 % interval over settings. A network that diverged counts with its lowest "
        "error before that. Filled: settings from the ranges of Table 4; open: from those that "
        "Table 5 needs.",
        look=to_see.SPREAD,
        place="Fig 5",
        draw=draw_spread,
        numbers={
            f"{name} {kind}": partial(spread, variant=f"{name}-{kind}")
            for name in METHODS
            for kind in KINDS
        },
    ),
    Figure(
        id="targets-sensitivity-settings",
        title="Which setting matters, by method",
        alt="Ten panels, one for each setting; in each a row for each of nine methods with the "
        "rank correlation of the setting with the test error and an interval, filled for the "
        "ranges that the paper prints, open for the wider ones, and a grey line at zero.",
        caption="Spearman's rank correlation, over settings, of each setting with the lowest "
        "test error over epochs, with a 95 % bootstrap interval. Below zero, larger is better. "
        "Filled: settings from the ranges of Table 4, which has one value of beta1; open: from "
        "those that Table 5 needs.",
        look=to_see.SETTINGS,
        place="ours",
        draw=draw_settings,
        numbers={f"rate {kind}": partial(weakest, kind=kind) for kind in KINDS},
    ),
]

DIGITS = {"images": "digits", "hidden": (16, 16), "held_out": 200, "shown": 0, "auxiliary": 8}

STUDY = Study(
    name="targets-sensitivity",
    title="Nine methods at random settings",
    paper="bartunov2018",
    settings=SensitivitySettings,
    tiers={
        "smoke": DIGITS | {"epochs": 2, "members": 4},
        "quick": DIGITS | {"hidden": (64, 64), "batch": 25, "epochs": 4, "members": 6},
        "reduced": {},  # a third of the images, an eightieth of the paper's epochs
    },
    variants={
        f"{name}-{kind}": {**method, "ranges": kind}
        for kind in KINDS
        for name, method in METHODS.items()
    },
    run=run,
    claims=[claim for kind in KINDS for claim in claims(kind)],
    cost={"reduced": 13.0},  # estimated, from the time of an epoch
    population="settings",
    learnt=half_learn,
    figures=FIGURES,
)
