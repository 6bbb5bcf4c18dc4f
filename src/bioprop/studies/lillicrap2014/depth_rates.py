"""Which learning rate and feedback scales make each network best on the nonlinear task?

Lillicrap et al. 2014 print neither for Fig 2d; the scales of B were "selected manually". This
study searches them as a population, for networks whose seeds are used nowhere else, and measures
on points of its own: the result's test points play no part in the choice.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pydantic
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.depth import NonlinearSettings, follow
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
    Study,
    rows_at,
    whole_mean,
)

RATES = (0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
SCALES = (0.125, 0.25, 0.5, 1.0)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DepthSearch(NonlinearSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = RATES  # ours: from far below the best to where most diverge
    feedbacks: tuple[tuple[Positive, ...], ...] = ()  # ours: scales to try, a grid for each B
    members: MemberCount = 4  # ours: networks for each point of the grid
    first_seed: Seed = 1000  # ours: apart from the seeds of the result itself
    block: Seed = 1  # ours: points apart from those of the result
    marks: Count = 8  # ours: the end matters


def run(settings: DepthSearch, journal: Journal) -> None:
    """Train every point of the grid for every seed, side by side."""
    grid = itertools.product(settings.rates, *settings.feedbacks, settings.seeds)
    rate, *feedback, seeds = zip(*grid, strict=True)
    scales = {f"feedback_{layer}": values for layer, values in enumerate(feedback, start=1)}
    journal.label(seed=seeds, rate=rate, **scales)
    follow(settings, journal, seeds, rate, feedback)


def means(run: Run) -> pd.DataFrame:
    """Return the mean error at the end, ``nse``, for each rate and choice of scales.

    NaN where a network of the point has diverged: such a choice is not usable.
    """
    end = rows_at(run)
    return end.groupby(["rate", *scales_of(end)])["nse"].agg(whole_mean).reset_index()


def scales_of(frame: pd.DataFrame) -> list[str]:
    """Return the columns that hold feedback scales, that of the lowest matrix first."""
    return sorted(name for name in frame if str(name).startswith("feedback_"))


def best(runs: Runs) -> Mapping[str, tuple[float, tuple[float, ...]]]:
    """Return the rate and the scales with which each network leaves the lowest error at the end."""
    found = {}
    for name, run in runs.items():
        errors = means(run)
        chosen = errors.loc[errors["nse"].fillna(np.inf).idxmin()]  # the first, if all diverged
        found[name] = chosen["rate"], tuple(chosen[scales_of(errors)])
    return found


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end against the rate, and against both scales where there are two."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(11, 4.2), width_ratios=(3, 2))
    frames = [
        along_rates(left, row, name, runs[name], *found)
        for row, (name, found) in enumerate(best(runs).items())
    ]
    left.plot([], [], "x", color="0.5", label="a network diverged")
    drawing.log_y(left)
    left.set(xscale="log", xlabel="learning rate", ylabel="NSE at the end")
    left.legend()
    frames.append(across_scales(right, means(runs["fa-4"])))
    return figure, pd.concat(frames)


def along_rates(
    axes: Axes, row: int, name: str, run: Run, rate: float, scales: tuple[float, ...]
) -> pd.DataFrame:
    """Draw a network's error at its chosen scales; crosses stand where a network diverged.

    The crosses of each network have a ``row`` of their own.
    """
    errors = means(run)
    for column, scale in zip(scales_of(errors), scales, strict=True):
        errors = errors[errors[column] == scale]
    look, curve = drawing.LOOKS[name], errors.set_index("rate")["nse"]
    axes.plot(curve, color=look.colour, linestyle=look.line, label=look.name)
    axes.plot(rate, curve[rate], "o", color=look.colour)
    lost = curve.index[curve.isna()]
    top = row * 0.04 + 0.82
    axes.plot(lost, [top] * len(lost), "x", color=look.colour, transform=axes.get_xaxis_transform())
    return errors.assign(network=name)


def across_scales(axes: Axes, errors: pd.DataFrame) -> pd.DataFrame:
    """Draw the error at the best rate for each pair of scales."""
    import seaborn  # here, as it takes a second that only this figure needs

    lowest = errors.groupby(["feedback_1", "feedback_2"])["nse"].min()
    table = lowest.unstack("feedback_1").iloc[::-1]
    norm = LogNorm() if lowest.notna().any() else None  # there is no logarithm of nothing
    seaborn.heatmap(table, ax=axes, annot=True, fmt=".4f", norm=norm, cmap="viridis_r", cbar=False)
    axes.set(xlabel="scale of the lower matrix", ylabel="scale of the upper matrix")
    axes.set_title(drawing.LOOKS["fa-4"].name)
    return lowest.reset_index().assign(network="fa-4, best rate")


STUDY = Study(
    name="depth-rates",
    title="The best learning rate of each network on the nonlinear task",
    paper="lillicrap2014",
    settings=DepthSearch,
    tiers={
        "smoke": {"members": 2, "examples": 200, "rates": (0.02, 0.1), "marks": 2, "test": 100},
        "quick": {"members": 2, "examples": 10_000, "rates": (0.02, 0.05, 0.1, 0.2)},
        "paper": {},
    },
    variants={
        "shallow": {"rule": "shallow", "rates": (0.0005, 0.0007, 0.001, *RATES)},
        "bp-3": {"rule": "bp"},
        "bp-4": {"rule": "bp", "hidden": (20, 10)},
        "fa-3": {"rule": "fa", "feedbacks": (SCALES,), "rates": RATES[4:]},
        "fa-4": {
            "rule": "fa",
            "hidden": (20, 10),
            "feedbacks": (SCALES, SCALES),
            "rates": RATES[6:13],
        },
    },
    run=run,
    figures=[
        Figure(
            id="depth-rates",
            title="Error against learning rate and feedback scales on the nonlinear task",
            alt="Left: error at the end against the learning rate, both on log axes, a curve for "
            "each of five networks, with a dot at the rate chosen and crosses at rates where a "
            "network diverged. Right: a grid of errors of the four-layer network under feedback "
            "alignment, one for each pair of feedback scales.",
            caption="Error at the end of the run on the search's own points, mean over the "
            "networks of the search. Left: against the learning rate, at the feedback scales that "
            "served best; a dot marks the choice, crosses the rates at which a network diverged. "
            "Right: feedback alignment with four layers, for each pair of scales at its best rate.",
            look="To see, left: whether each dot lies at the bottom of its curve. Right: how flat "
            "the grid is around its lowest number; on a steep one the choice of scales would be "
            "part of the result.",
            place="Full methods, task 3: rates not printed, scales of B selected manually",
            draw=draw,
        )
    ],
)
