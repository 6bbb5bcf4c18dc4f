"""Which learning rate lets each rule learn photographs best?

A search on every fourth class of Tiny ImageNet and a tenth of the training images that is held out,
with seeds that are used nowhere else. What the study signs-tiny is tested on plays no part in it.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, to_see
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Natural,
    Positive,
    Run,
    Runs,
    Seed,
    Some,
    Study,
    rows_at,
    whole_mean,
)
from bioprop.studies.xiao2018.networks import OpenSettings, follow


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class RateSearch(OpenSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    rates: Some[Positive] = (0.02, 0.05, 0.1, 0.2, 0.5)  # ours: a trial had its best near 0.1
    every: Count = 4  # ours: 50 of the 200 classes
    held_out: Seed = 2500  # ours: a tenth of their training images, 50 of each class
    epochs: Count = 8  # ours: as in the trial, a tenth of the images that the result sees
    members: MemberCount = 1  # ours: one network for each rate
    first_seed: Seed = 1000  # ours: apart from the seeds of the result itself
    measured: Natural = 0  # ours: none; the images held out decide


def run(settings: RateSearch, journal: Journal) -> None:
    """Train a network at each rate, in turns."""
    points = [(seed, rate) for rate in settings.rates for seed in settings.seeds]
    journal.label(seed=[seed for seed, _ in points], rate=[rate for _, rate in points])
    follow(settings, journal, points)


def means(run: Run) -> pd.Series:
    """Return the mean error at the end for each rate; NaN where a network diverged."""
    return rows_at(run).groupby("rate")["error"].agg(whole_mean)


def best(runs: Runs) -> Mapping[str, float]:
    """Return the rate with which each rule leaves the lowest error on the held-out images."""
    errors = {name: means(run).fillna(np.inf) for name, run in runs.items()}
    return {name: float(each.index[each.argmin()]) for name, each in errors.items()}


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end against the rate."""
    figure, axes = drawing.panels(figsize=(7, 4))
    frames = []
    for name, chosen in best(runs).items():
        look, errors = drawing.LOOKS[name], means(runs[name])
        axes.plot(errors, color=look.colour, linestyle=look.line, label=look.name)
        axes.plot(chosen, errors[chosen], "o", color=look.colour)
        frames.append(errors.reset_index().assign(rule=name))
    tried = np.unique(np.concatenate([means(run).index for run in runs.values()]))
    drawing.log_x(axes, tried, labels=True)
    axes.set(xlabel="learning rate", ylabel="held-out top-1 error (%)")
    axes.legend()
    return figure, pd.concat(frames)


FOUND: Mapping[str, float] = {"bp": 0.5, "ss": 0.2, "fa": 0.1}  # what this search found

STUDY = Study(
    name="signs-rates",
    title="The best learning rate of each rule on photographs",
    paper="xiao2018",
    settings=RateSearch,
    tiers={
        "smoke": {
            "images": "digits",
            "every": 2,
            "held_out": 600,
            "width": 2,
            "stem": "small",
            "epochs": 2,
            "batch": 64,
            "pad": 1,
            "flips": "none",
            "precision": "float32",
            "rates": (0.05, 0.2),
        },
        "quick": {
            "images": "digits",
            "every": 1,
            "held_out": 200,
            "width": 8,
            "stem": "small",
            "epochs": 3,
            "batch": 32,
            "pad": 1,
            "flips": "none",
            "precision": "float32",
            "rates": (0.05, 0.1, 0.2),
        },
        "reduced": {},
    },
    variants={name: {"rule": name} for name in ("bp", "ss", "fa")},
    cost={"reduced": 1500.0},  # all rates; one core with AMX, nothing beside it
    run=run,
    figures=[
        Figure(
            id="signs-rates",
            title="Error against learning rate on photographs",
            alt="Top-1 error in per cent on held-out training images against the learning rate on "
            "a log axis, a line for backpropagation, sign-symmetry and feedback alignment, each "
            "with a dot at the best rate.",
            caption="Top-1 error on the training images that were held out, at the end of a short "
            "run; one network for each rate. A dot marks the best of a rule, of which the result, "
            "a longer run, has half.",
            look=to_see.ONE_EACH,
            place="ours: the paper's rates were not seen",
            draw=draw,
        )
    ],
)
