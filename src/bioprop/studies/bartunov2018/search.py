"""Searching for rates on held-out images: grids, what they leave, and their figures.

The points of a grid are trained side by side, with seeds that no result uses.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.methods import (
    Errors,
    Measure,
    MethodSettings,
    Prepare,
    follow,
    nothing,
    prepare,
)
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    Run,
    Runs,
    Seed,
    Some,
    curve,
    whole_mean,
)
from bioprop.tasks.classify import error_rate

INVERSES = ("inverse_rate", "inverse_rates")
ABOVE = "-above"  # what the name of a variant ends in that adds larger rates to a method's grid
SHARES = (0.25, 0.5, 1.0)  # of the rate that was best in short runs, in a second stage
QUARTERS = "its half and its quarter"  # these in words
LAST = 3  # epochs at the end over which the held-out error is averaged, as it jumps


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class RateSettings(MethodSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = (2e-4, 4e-4, 8e-4, 1.6e-3)  # ours: Table 5 has 1.5e-4 to 2.5e-3
    inverse_rates: tuple[Positive, ...] = ()  # ours: Table 5 has 1.4e-4 to 9.6e-3
    epsilons: Some[Positive] = (1e-4,)  # ours: Table 5 has 1e-8 to 1e-3
    epochs: Count = 12  # ours: a ranking needs no more, though the runs themselves go on falling
    members: MemberCount = 1  # ours: networks for each point of the grid
    first_seed: Seed = 1000  # ours: apart from the seeds of the result itself

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        lists = {"rate": "rates", "eps": "epsilons"}
        if self.learns_inverses and self.inverse_rates:
            lists["inverse_rate"] = "inverse_rates"
        tried = {name: f"{values} has all that are tried" for name, values in lists.items()}
        none = "the method has no inverses"
        inverses = {} if self.learns_inverses else dict.fromkeys(INVERSES, none)
        return super().unread() | tried | inverses


def grid(settings: RateSettings) -> dict[str, tuple[float, ...]]:
    """Return the points of the grid as columns ``seed``, ``rate``, ``eps``, ``inverse_rate``."""
    axes = {"rate": settings.rates, "eps": settings.epsilons}
    inverse_rates = settings.inverse_rates or (settings.inverse_rate,)
    if settings.learns_inverses:
        axes["inverse_rate"] = inverse_rates
    points = product(*axes.values(), settings.seeds)
    return dict(zip((*axes, "seed"), zip(*points, strict=True), strict=True))


def run(
    settings: RateSettings,
    journal: Journal,
    prepare: Prepare = prepare,
    error: Errors = error_rate,
    measure: Measure | None = None,
    kinds: Collection[str] = ("error", "validation", "training"),
) -> None:
    """Train every point of the grid side by side, of networks that ``prepare`` returns.

    What is measured is as in :func:`follow`.
    """
    points = grid(settings)
    journal.label(**points)
    seeds = points.pop("seed")
    streams = settings.streams([int(seed) for seed in seeds])
    each = {name: streams.each(values) for name, values in points.items()}
    follow(settings, journal, *prepare(settings, streams, **each), measure, error, kinds=kinds)


# A search that measures what it is chosen by and nothing else, where all of it takes long.
choose_only = partial(run, measure=nothing, kinds=("validation",))


def scores(run: Run, last: int = LAST) -> pd.DataFrame:
    """Return the held-out error of each point over the ``last`` epochs, ``validation``.

    NaN where a network of the point has diverged: such a choice is not usable.
    """
    end = curve(run, "validation").tail(last).agg(whole_mean)
    points = run.table.drop_duplicates("member").set_index("member")
    names = [name for name in ("rate", "eps", "inverse_rate") if name in points]
    found = points[names].assign(validation=end)
    return found.groupby(names)["validation"].agg(whole_mean).reset_index()


def searched(runs: Runs, last: int = LAST) -> dict[str, pd.DataFrame]:
    """Return the scores of each method; those of ``<method>-above`` are a part of its grid."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for name, result in runs.items():
        parts.setdefault(name.removesuffix(ABOVE), []).append(scores(result, last))
    return {name: pd.concat(each, ignore_index=True) for name, each in parts.items()}


def best(runs: Runs, last: int = LAST) -> Mapping[str, Mapping[str, float]]:
    """Return the settings with which each method leaves the lowest held-out error.

    Where all of a method's points diverged, the first of them: that of its lowest rate. It is a
    place to look on from, and not usable.
    """
    found = {}
    for name, points in searched(runs, last).items():
        row = points.loc[points["validation"].fillna(np.inf).idxmin()]
        found[name] = row.drop("validation").to_dict()
    return found


def around(
    point: Mapping[str, float], least: float = 0.0, shares: Sequence[float] = SHARES
) -> dict[str, Any]:
    """Return the grid of a second stage: the best point of a first, its half and its quarter.

    Or other ``shares`` of its rate. A rate that is best in short runs can be too high for longer
    ones. Where the rate of the inverses is the ``least`` that the first stage tried, a third of it
    is tried too. Of no point nothing.
    """
    if not point:
        return {}
    grid: dict[str, Any] = {"rates": tuple(share * point["rate"] for share in shares)}
    grid["epsilons"] = (point["eps"],)
    if "inverse_rate" in point:
        rate = point["inverse_rate"]
        grid["inverse_rates"] = (rate / 3, rate) if rate <= least else (rate,)
    return grid


def at_one_point(point: Mapping[str, float]) -> dict[str, Any]:
    """Return the grid that has a point alone; nothing of none."""
    grid = {"rates": (point["rate"],), "epsilons": (point["eps"],)} if point else {}
    return grid | ({"inverse_rates": (point["inverse_rate"],)} if "inverse_rate" in point else {})


def draw(
    runs: Runs, columns: int = 3, unit: str = "%", percent: bool = True, last: int = LAST
) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error, in its unit, against the rate, a panel for each method."""
    methods = searched(runs, last)
    rows = -(-len(methods) // columns)
    size = (10 / 3 * columns, 2.8 * rows)
    figure, panels = drawing.some_panels(len(methods), columns, size, sharey=True, sharex=True)
    frames = []
    tried = {rate for points in methods.values() for rate in points["rate"]}
    for axes, (name, points) in zip(panels, methods.items(), strict=True):
        other = "inverse_rate" if "inverse_rate" in points else "eps"
        best_of = points.groupby(["rate", other], as_index=False)["validation"].min()  # over others
        groups = list(best_of.groupby(other))
        for colour, (value, rows_of) in zip(drawing.shades(len(groups)), groups, strict=True):
            label = f"{other.replace('_', ' ')} {value:.2g}"
            axes.plot(rows_of["rate"], rows_of["validation"], "o-", color=colour, ms=3, label=label)
        lowest = points.loc[[points["validation"].fillna(np.inf).idxmin()]]
        axes.plot(lowest["rate"], lowest["validation"], "o", ms=10, mfc="none", color="0.15")
        drawing.log_x(axes, tried, labels=True)
        axes.tick_params("x", rotation=45)
        axes.set(title=drawing.LOOKS[name].name)
        drawing.log_y(axes)
        if percent:
            drawing.percent_ticks(axes.yaxis)
        axes.legend()
        frames.append(points.assign(method=name))
    figure.supxlabel("learning rate")
    figure.supylabel(f"error on held-out images ({unit})")
    return figure, pd.concat(frames)


BOLD = "whether the ring of a panel is at its largest rate. At a smaller one, short runs were too "
BOLD += "bold for longer ones"


def longer(
    id: str,
    title: str,
    panels: str,
    place: str = "ours",
    lines: str = "",
    last: int = LAST,
    ring: str = "the setting that was taken",
    look: str = BOLD,
    shares: str = QUARTERS,
    **how: Any,
) -> Figure:
    """Return the figure of a second stage; ``how`` says how to draw it.

    ``panels`` are its panels in words, ``lines`` a sentence on lines where a panel has two, and
    ``ring`` what the ring in a panel is, ``look`` what to see and ``shares`` what is tried beside
    the best rate. The ``last`` epochs count.
    """
    counted = "at the end" if last == 1 else "mean over the last three epochs"
    return Figure(
        id=id,
        title=title,
        alt=f"{panels}: error on held-out images against the learning rate, both on log axes, a "
        f"point each for the best rate of short runs, {shares}. {lines}A ring "
        "marks the lowest.",
        caption=f"Error on held-out training images, {counted} of a run a "
        "third as long as that of the result, against the rate of the forward weights: the one "
        f"that was best in short runs, {shares}. {panels}. {lines}A ring marks "
        f"{ring}; a point that is missing diverged.",
        look=f"To see: {look}.",
        place=place,
        draw=partial(draw, last=last, **how),
    )


ALONE = {"rates": (1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3, 3.2e-3), "epsilons": (1e-8, 1e-4)}
WITH_INVERSES = {"inverse_rates": (3e-4, 1e-3, 3e-3, 1e-2)}  # Table 5 has up to 9.6e-3


def over_grid(
    method: Mapping[str, Any],
    alone: Mapping[str, Any] = ALONE,
    with_inverses: Mapping[str, Any] = WITH_INVERSES,
) -> Mapping[str, Any]:
    """Return a method with its grid: that of methods with inverses, or that of all others."""
    return {**method, **(alone if method["rule"] in ("bp", "fa", "dfa") else with_inverses)}
