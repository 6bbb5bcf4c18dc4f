"""Deeper networks on digits at every point of a grid of rates, and of ranges of B, side by side.

What the searches share: settings, the run, and the choice by images that were held out. The last
marks of a run are averaged for the choice, as the error jumps from mark to mark.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.axes import Axes

from bioprop.learning import Rule
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import moved, well_learnt
from bioprop.studies.lillicrap2014.mnist_depth import MnistDepthSettings, prepare, turns
from bioprop.studies.study import (
    STRICT,
    Count,
    MemberCount,
    Positive,
    Run,
    Seed,
    Some,
    curve,
    rows_at,
    whole_mean,
)
from bioprop.tasks.classify import error_rate
from bioprop.tasks.images import load

LAST = 4  # marks at the end whose held-out error is averaged for the choice


# On scikit-learn's digits: for tests, and for live runs.
SMOKE = {
    "images": "digits",
    "hidden": (20, 20, 20),
    "held_out": 200,
    "rates": (0.005, 0.02),
    "members": 3,
    "examples": 400,
    "marks": 4,
}
QUICK = {"images": "digits", "hidden": (100, 100, 100), "held_out": 300}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class GridSettings(MnistDepthSettings):
    """Settings of a grid; ``members`` counts the networks for each of its points."""

    rates: Some[Positive] = (0.000625, 0.00125, 0.0025, 0.005, 0.01)  # ours: both rules alike
    feedbacks: Some[Positive] = (0.1, 0.2, 0.4, 0.8)  # ours: ranges of B, where the rule has one
    held_out: Count = 10_000  # ours: training images to choose by
    members: MemberCount = 3  # ours: networks for each point of the grid
    first_seed: Seed = 1000  # ours: apart from the seeds of the study mnist-depth

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {
            "rate": "rates has all that are tried",
            "feedback": "feedbacks has all that are tried",
        }


def follow_grid(
    settings: GridSettings,
    journal: Journal,
    schedule: Callable[[Rule], Rule] = lambda teaching: teaching,
    *,
    tested: bool,
) -> None:
    """Train every point of the grid for every seed, side by side.

    At every mark ``validation`` is the error on held-out images and, where ``tested``, ``error``
    that on test images; ``moved`` says how far the lowest weights have come, in per cent; under
    feedback alignment there are angles.
    """
    feedbacks = settings.feedbacks if settings.rule == "fa" else settings.feedbacks[:1]
    points = list(product(settings.rates, feedbacks, settings.seeds))
    rates, ranges, seeds = zip(*points, strict=True)
    journal.label(seed=seeds, rate=rates, feedback=ranges)
    each = settings.streams(seeds).each
    training, task = prepare(
        settings, schedule, seeds=seeds, rate=each(rates), feedback=each(ranges)
    )
    whole = load(settings.images)
    journal.learns_from(settings.images, whole.parts)
    sets = {"validation": task.test()}
    if tested:
        test = replace(task.images, test=whole.test, test_labels=whole.test_labels)
        sets["error"] = replace(task, images=test).test()
    start = training.network.weights[0].clone()
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        errors = {name: error_rate(training.network, *images) for name, images in sets.items()}
        distance = moved(training.network.weights[0], start)
        angles = turns(settings, training, *sets["validation"])
        journal.write(examples, **errors, moved=distance, **angles)


def scores(run: Run) -> pd.Series:
    """Return the held-out error of each (rate, feedback), mean over the last marks and networks.

    NaN where a network of the point has diverged: such a choice is not usable.
    """
    points = run.table.drop_duplicates("member").set_index("member")[["rate", "feedback"]]
    last = curve(run, "validation").tail(LAST).agg(whole_mean)
    return points.assign(score=last).groupby(["rate", "feedback"])["score"].agg(whole_mean)


def best(run: Run) -> tuple[float, float]:
    """Return the rate and the range of B with the lowest held-out error."""
    found = scores(run).fillna(np.inf)
    return found.index[int(found.argmin())]


def course_at_best(run: Run, quantity: str) -> pd.DataFrame:
    """Return a quantity at the rate and range that held-out images choose.

    A row for each mark, a column for each seed.
    """
    table, (rate, feedback) = run.table, best(run)
    chosen = table[(table["rate"] == rate) & (table["feedback"] == feedback)]
    return chosen.pivot(index="examples", columns="seed", values=quantity)


def at_best(run: Run, quantity: str) -> np.ndarray:
    """Return a quantity at the end, (seed,), at the rate and range that held-out images choose."""
    return course_at_best(run, quantity).iloc[-1].to_numpy(float)


def best_learn(run: Run) -> np.ndarray:
    """Say of each seed whether it has learnt at the rate and range that held-out images choose."""
    rows, (rate, feedback) = rows_at(run).assign(learnt=well_learnt(run)), best(run)
    chosen = rows[(rows["rate"] == rate) & (rows["feedback"] == feedback)]
    return chosen.sort_values("seed")["learnt"].to_numpy()


def layers_at_best(axes: Axes, run: Run) -> pd.DataFrame:
    """Draw the angle at each hidden layer against examples, at the rate and range of the choice."""
    frames = []
    for layer in range(1, len(run.settings.hidden) + 1):
        look = drawing.LOOKS[f"layer-{layer}"]
        values = course_at_best(run, f"angle-{layer}")
        drawn = drawing.shaded(
            axes, values, color=look.colour, linestyle=look.line, label=look.name
        )
        frames.append(pd.DataFrame({"quantity": f"angle-{layer}"} | drawn))
    drawing.angle_axis(axes)
    axes.set(xlabel="examples")
    axes.legend()
    return pd.concat(frames)


def along_rates(axes: Axes, run: Run, look: str, **changes: Any) -> pd.DataFrame:
    """Draw the held-out error against the rate, each at its best range of B, a ring at the best."""
    table, (rate, _) = scores(run), best(run)
    lowest = table.groupby("rate").min()
    style = drawing.LOOKS[look]
    options = {"color": style.colour, "linestyle": style.line, "label": style.name, **changes}
    axes.plot(lowest.index, lowest, marker="o", ms=3, **options)
    axes.plot(rate, lowest[rate], "o", ms=9, mfc="none", color=style.colour)
    return table.reset_index()


def rate_axes(axes: Axes, rates: Sequence[float]) -> None:
    """Give axes of held-out error against learning rate log scales, and ticks at the rates."""
    drawing.log_y(axes)
    drawing.percent_ticks(axes.yaxis)
    drawing.log_x(axes, rates, labels=True)
    axes.set(xlabel="learning rate", ylabel="error on held-out images (%)")
