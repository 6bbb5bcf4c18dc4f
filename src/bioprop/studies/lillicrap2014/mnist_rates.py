"""Which rates for the output and for the hidden layer serve each rule best on MNIST?

Lillicrap et al. 2014 print one rate for both layers and both rules. Here each rule has a rate for
each layer, searched on one grid for both, with seeds of their own, on training images that were
held out. With one hidden layer its rate and the range of B are one number under feedback
alignment: what the search finds for the first holds for the second.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import MnistSettings, follow, images
from bioprop.studies.lillicrap2014.mnist_matched import of_layers
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


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class MnistRateSearch(MnistSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = (1e-3, 2e-3, 4e-3, 8e-3)  # ours: of the output; printed: 1e-3
    factors: Some[Positive] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # ours: hidden layer's
    held_out: Count = 10_000  # ours: training images to choose by
    examples: Count = 300_000  # ours: a sixth of the result's
    marks: Count = 6  # ours: the end matters
    members: MemberCount = 3  # ours: networks for each point of the grid
    first_seed: Seed = 1000  # ours: apart from the seeds of the result itself

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {"rate": "rates has all that are tried"}


def run(settings: MnistRateSearch, journal: Journal) -> None:
    """Train every point of the grid for every seed, side by side."""
    points = list(product(settings.rates, settings.factors, settings.seeds))
    rates, factors, seeds = zip(*points, strict=True)
    journal.label(seed=seeds, rate=rates, factor=factors)
    streams = settings.streams(seeds)
    layers = of_layers(settings, streams.each(rates), streams.each(factors))
    follow(settings, journal, images(settings, streams, settings.held_out), rate=layers)


def means(run: Run) -> pd.Series:
    """Return the mean held-out error at the end for each (rate, factor).

    NaN where a network of the point has diverged: such rates are not usable.
    """
    return rows_at(run).groupby(["rate", "factor"])["error"].agg(whole_mean)


def best(runs: Runs) -> Mapping[str, tuple[float, float]]:
    """Return the output's rate and the hidden factor that leave each rule the lowest error."""
    errors = {name: means(result).fillna(np.inf) for name, result in runs.items()}
    return {name: each.index[int(each.argmin())] for name, each in errors.items()}


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error against the hidden factor, a curve for each rate of the output."""
    figure, panels = drawing.panels(1, len(runs), figsize=(10, 4.2), sharey=True)
    frames = []
    for axes, (name, (rate, factor)) in zip(panels, best(runs).items(), strict=True):
        table = means(runs[name]).unstack("factor")
        shades = drawing.shades(len(table))
        for colour, (each, errors) in zip(shades, table.iterrows(), strict=True):
            axes.plot(errors.index, errors, "o-", color=colour, ms=3, label=f"{each:g}")
        lowest = table.loc[rate, factor]
        axes.plot(factor, lowest, "o", ms=10, mfc="none", color="0.15")
        drawing.log_y(axes)
        drawing.log_x(axes, table.columns, labels=True)
        axes.set(title=drawing.LOOKS[name].name)
        frames.append(means(runs[name]).reset_index().assign(rule=name))
    drawing.percent_ticks(panels[0].yaxis)
    panels[0].set(ylabel="error on held-out images (%)")
    panels[-1].legend(title="rate of the output")
    figure.supxlabel("rate of the hidden layer, in multiples of the output's")
    return figure, pd.concat(frames)


STUDY = Study(
    name="mnist-rates",
    title="The best rate of each layer on MNIST",
    paper="lillicrap2014",
    settings=MnistRateSearch,
    tiers={
        "smoke": {
            "images": "digits",
            "hidden": (20,),
            "held_out": 200,
            "rates": (1e-3, 4e-3),
            "factors": (1.0, 8.0),
            "examples": 400,
            "marks": 2,
        },
        "quick": {
            "images": "digits",
            "hidden": (100,),
            "held_out": 300,
            "rates": (1e-3, 4e-3),
            "factors": (1.0, 8.0, 64.0),
            "examples": 20_000,
        },
        "paper": {},
    },
    variants={"bp": {"rule": "bp"}, "fa": {"rule": "fa"}},
    run=run,
    cost={"paper": 1000.0},  # all 32 points; estimated, from some batches on a busy core
    population="points of the grid",
    figures=[
        Figure(
            id="mnist-rates",
            title="Held-out error on MNIST against the rate of each layer",
            alt="Two panels, backpropagation and feedback alignment: error in per cent on held-out "
            "images against the rate of the hidden layer in multiples of the output's, both on log "
            "axes, a line for each rate of the output; a ring marks the lowest error.",
            caption="Error on held-out training images at the end of a run of a sixth of the "
            "length, mean over the networks of the search, against the rate of the hidden layer "
            "in multiples of the output's. Lines: the rate of the output. A ring marks the rates "
            "that were taken; a point that is missing diverged.",
            look="To see: whether each ring has points on all sides or lies at an edge, beyond "
            "which a better rate may lie, and how much lower it is than the points at the left "
            "edge, where both layers have one rate.",
            place="Methods, task 2: one rate printed for both layers and both rules",
            draw=draw,
        )
    ],
)
