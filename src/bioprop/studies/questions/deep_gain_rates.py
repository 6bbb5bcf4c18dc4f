"""Which learning rate makes each deep linear network fastest?

The search for deep_gain.py: every rate on a grid, for networks whose seeds are used nowhere else,
for each rule, depth and start. Fastest means the fewest examples to one per cent of the error,
among rates at which no network diverges and all get there.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pydantic
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.alignment_needed import examples_needed
from bioprop.studies.questions.deep_gain import DEPTHS, RULES, STARTS, ChainSettings, train
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    Run,
    Runs,
    Seed,
    Study,
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class GainSearch(ChainSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    lowest: Positive  # ours: below every best rate of trials at this depth
    highest: Positive  # ours: every network diverges here or nearly there, in trials
    examples: Count  # ours: from trials, about twice what was needed at the best rate
    rates: Count = 8  # ours: neighbours differ by a quarter to a third
    marks: Count = 25  # ours: in geometric progression; the crossing is interpolated
    members: MemberCount = 10  # ours: networks for each rate
    first_seed: Seed = 6000  # ours: apart from the seeds of the result itself


def run(settings: GainSearch, journal: Journal) -> None:
    """Train every rate for every seed, side by side."""
    grid = np.geomspace(settings.lowest, settings.highest, settings.rates)
    rates, seeds = zip(*itertools.product(grid, settings.seeds), strict=True)
    journal.label(seed=seeds, rate=rates)
    marks = np.geomspace(settings.examples / 100, settings.examples, settings.marks)
    train(settings, journal, seeds, rates, marks)


def means(run: Run) -> pd.Series:
    """Return the geometric mean of the examples needed, for each rate.

    NaN where a network diverged, infinite where one did not get there: such a rate is not usable.
    """
    logs = np.log(examples_needed(run, ["rate", "seed"])).unstack("seed")
    return np.exp(logs.mean(axis="columns", skipna=False))


def best(runs: Runs) -> Mapping[str, float]:
    """Return the rate at which each network needs the fewest examples; NaN where none serves."""
    usable = {name: means(run).replace(np.inf, np.nan).dropna() for name, run in runs.items()}
    return {name: v.idxmin() if len(v) else float("nan") for name, v in usable.items()}


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw examples needed against the rate: a column for each start, a row for each rule."""
    figure, grid = drawing.panels(2, 3, figsize=(10, 6), sharex=True, sharey=True)
    chosen, frames = best(runs), []
    for row, name in zip(grid, RULES, strict=True):
        for axes, start in zip(row, STARTS, strict=True):
            for depth in DEPTHS:
                variant = f"{start}-{name}-{depth}"
                frames.append(curve(axes, runs[variant], chosen[variant], depth))
                frames[-1] = frames[-1].assign(start=start, rule=name)
    for axes, title in zip(grid[0], STARTS.values(), strict=True):
        axes.set_title(title)
    for axes, name in zip(grid[:, 0], RULES, strict=True):
        axes.set(ylabel=f"examples to 1 % error\n{drawing.LOOKS[name].name}")
    for axes in grid[1]:
        axes.set(xlabel="learning rate", xscale="log")
    drawing.log_y(grid[0, 0])
    grid[0, 2].legend(title="hidden layers", ncols=2)
    return figure, pd.concat(frames)


def curve(axes: Axes, run: Run, rate: float, depth: int) -> pd.DataFrame:
    """Draw one network's examples at the rates that serve, with a dot at the one chosen."""
    found = means(run).replace(np.inf, np.nan)
    colour, line = drawing.COLOURS[depth - 1], ("-", "--", "-.", ":")[depth - 1]
    axes.plot(found, color=colour, linestyle=line, label=f"{depth}")
    axes.plot(rate, found.get(rate, np.nan), "o", color=colour)
    return pd.DataFrame({"layers": depth, "rate": found.index, "examples": found.to_numpy()})


# Of each number of hidden layers: lowest and highest rate, examples.
GRIDS = {
    1: {"lowest": 4e-3, "highest": 1.6e-2, "examples": 1500},
    2: {"lowest": 2.4e-3, "highest": 9.6e-3, "examples": 3000},
    3: {"lowest": 1.2e-3, "highest": 7.2e-3, "examples": 8000},
    4: {"lowest": 6e-4, "highest": 4.8e-3, "examples": 18_000},
}

# ours: within 18 000 examples one network in ten did not get there at any rate that served the rest
LONGER = {"gain-fa-4": {"examples": 40_000}}

STUDY = Study(
    name="deep-gain-rates",
    title="The fastest learning rate of each deep linear network",
    paper="lillicrap2014",
    settings=GainSearch,
    tiers={
        "smoke": {"members": 2, "rates": 3, "examples": 100, "marks": 3},
        "quick": {"members": 2},
        "paper": {},
    },
    variants={
        f"{start}-{name}-{depth}": {
            "start": start,
            "rule": name,
            "layers": depth,
            **GRIDS[depth],
            **LONGER.get(f"{start}-{name}-{depth}", {}),
        }
        for start, name, depth in itertools.product(STARTS, RULES, DEPTHS)
    },
    run=run,
    figures=[
        Figure(
            id="deep-gain-rates",
            title="Examples needed against learning rate in deep linear networks",
            alt="Six panels of the examples needed to one per cent of the error against the "
            "learning rate, both on log axes, a curve for each of one to four hidden layers with a "
            "dot at the rate chosen. Columns: three ways to start the weights. Rows: "
            "backpropagation and feedback alignment.",
            caption="Examples until one per cent of the error is left, geometric mean over the "
            "networks of the search. A curve ends where a network diverges or does not get there; "
            "a dot marks the rate that was chosen.",
            look="To see: whether a dot lies where its curve turns up or where it stops, because "
            "larger rates diverge, and how far the dots move to the left as layers are added.",
            place="a control to chains of random matrices; experiment ours",
            draw=draw,
        )
    ],
)
