"""Deeper networks on digits: one, two and three hidden layers under both rules.

Claim (ours, after the three hidden layers of Lillicrap et al. 2016): feedback alignment carries a
useful signal through several random matrices, so that depth costs it no more than backpropagation.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pydantic
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Rule, Training, sgd
from bioprop.learning.optimisers import Number
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import default, excess, signal_angles
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Positive,
    Precision,
    Region,
    RuleName,
    Run,
    Runs,
    Settings,
    Some,
    Study,
    at,
    gone,
    own_claim,
    rule_with,
)
from bioprop.studies.summaries import LARGEST
from bioprop.tasks.classify import dense_network, error_rate
from bioprop.tasks.images import CLASSES, Classification, load

DEPTHS = (1, 2, 3)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class MnistDepthSettings(Settings):
    """Settings of deeper networks on digits; the article of 2016 was not seen, so all are ours."""

    rule: RuleName  # ours: backpropagation and feedback alignment
    hidden: Some[Count] = (200, 200, 200)  # ours: one to three hidden layers of tanh units
    images: str = "mnist"  # ours; "digits" are scikit-learn's, for quick runs
    held_out: Natural = 0  # ours: training images to test on, to choose by
    rate: Positive = 0.005  # ours: for each example; from a few trials on held-out images
    batch: Count = 20  # ours: the updates of 20 examples are summed, as in the study mnist
    bound: Positive = 0.1  # ours: W ~ U(-0.1, 0.1), small, and alike for all layers
    feedback: Positive = 0.2  # ours: B ~ U(-b, b); from the same trials
    examples: Count = 1_200_000  # ours: each training image twenty times
    marks: Count = 40  # ours: one for each half epoch
    probe: Count = 200  # ours: test images on which angles are measured
    precision: Precision = "float32"  # ours: as in the study mnist
    members: MemberCount = 10  # ours: enough to see differences of a tenth of a point


def prepare(
    settings: MnistDepthSettings,
    schedule: Callable[[Rule], Rule] = lambda teaching: teaching,
    *,
    seeds: Sequence[int] | None = None,
    rate: Number | None = None,
    feedback: Number | None = None,
) -> tuple[Training, Classification]:
    """Return the population, ready to be trained, and its task; ``schedule`` changes the rule.

    What is None is as the settings have it; ``rate`` and ``feedback`` are numbers or have shape
    ``(member, 1, 1)``.
    """
    streams = settings.streams(seeds)
    images = load(settings.images, settings.held_out)
    task = Classification(images, streams, settings.batch, "standardised")
    network = dense_network(
        streams,
        (images.pixels, *settings.hidden, CLASSES),
        settings.bound,
        hidden="tanh",
        loss="binary-cross-entropy",
        compute=settings.compute,
    )
    teaching = schedule(rule_with(settings.rule, bound=default(feedback, settings.feedback)))
    optimiser = sgd(default(rate, settings.rate) * settings.batch)
    return Training(network, teaching, optimiser, task, streams), task


def follow(
    settings: MnistDepthSettings, journal: Journal, training: Training, task: Classification
) -> None:
    """Train; test error at every mark, and under feedback alignment the angle at each layer."""
    journal.label(seed=settings.seeds)
    journal.learns_from(settings.images, load(settings.images).parts)
    x, labels = task.test()
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        error = error_rate(training.network, x, labels)
        journal.write(examples, error=error, **turns(settings, training, x, labels))


def turns(
    settings: MnistDepthSettings, training: Training, x: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Return the angle at each hidden layer under feedback alignment, else nothing."""
    if settings.rule != "fa":
        return {}
    angles = signal_angles(training, x[: settings.probe], labels)
    return {f"angle-{layer}": each for layer, each in enumerate(angles, start=1)}


def run(settings: MnistDepthSettings, journal: Journal) -> None:
    """Train networks of one depth under one rule."""
    follow(settings, journal, *prepare(settings))


def all_angles(runs: Runs) -> np.ndarray:
    """Return the angle at the end, (case, member), at every hidden layer of every depth."""
    angles = [
        at(runs[f"fa-{depth}"], f"angle-{layer}")
        for depth in DEPTHS
        for layer in range(1, depth + 1)
    ]
    return np.array(angles)


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the final error against the number of hidden layers, and its course for three."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4), width_ratios=(2, 3))
    rows, frames = [], []
    for name, shift in (("bp", -0.08), ("fa", 0.08)):
        for depth in DEPTHS:
            values = at(runs[f"{name}-{depth}"], "error")
            row = drawing.dot(left, values, depth + shift, name, upright=True)
            rows.append({**row, "quantity": "error at the end", "hidden": depth})
        frames.append(drawing.band(right, runs[f"{name}-3"], "error", name).assign(hidden=3))
    left.set(xlabel="hidden layers", xticks=DEPTHS, xlim=(0.5, 3.5), ylabel="test error (%)")
    drawing.log_y(right)
    right.set(xlabel="examples", ylabel="test error (%)", title="three hidden layers")
    drawing.percent_ticks(right.yaxis)
    right.legend()
    return figure, pd.concat([pd.DataFrame(rows), *frames])


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle at each of three hidden layers against examples."""
    figure, axes = drawing.panels(figsize=(7, 4))
    frames = layers(axes, runs["fa-3"])
    axes.set(xlabel="examples", ylabel="angle to backprop's signal (degrees)")
    axes.legend()
    return figure, pd.concat(frames)


def layers(axes: Axes, result: Run) -> list[pd.DataFrame]:
    """Draw the angle at each hidden layer of one run, beside a line at 90 degrees."""
    axes.axhline(90, color="0.6", lw=1)
    axes.set(ylim=(0, 105), yticks=range(0, 91, 15))
    return [
        drawing.band(axes, result, f"angle-{layer}", f"layer-{layer}")
        for layer in range(1, len(result.settings.hidden) + 1)
    ]


def as_good(depth: int) -> Claim:
    """Return the claim that feedback alignment is not worse than backpropagation at a depth."""
    words = {1: "one hidden layer", 2: "two hidden layers", 3: "three hidden layers"}[depth]
    return own_claim(
        id=f"mnist-depth-{depth}",
        statement=f"With {words} feedback alignment is not worse than backpropagation by more than "
        "half a point.",
        measure=lambda runs: excess(runs, f"fa-{depth}", f"bp-{depth}"),
        unit="points of test error, FA minus BP",
        holds=Region(high=0.5),
        partly=Region(high=1.0),
        reason="half a point is small beside what a network loses whose hidden layers do not learn",
        figure="mnist-depth-error",
    )


def deeper(name: str, title: str) -> Claim:
    """Return the claim that three hidden layers are not worse than one under a rule."""
    return own_claim(
        id=f"mnist-depth-{name}-deeper",
        statement=f"Under {title} three hidden layers are not worse than one by more than 0.2 "
        "points.",
        measure=lambda runs: excess(runs, f"{name}-3", f"{name}-1"),
        unit="points of test error, three minus one",
        holds=Region(high=0.2),
        partly=Region(high=0.5),
        reason="0.2 points are 20 of the 10 000 test images",
        figure="mnist-depth-error",
    )


STUDY = Study(
    name="mnist-depth",
    title="Deeper networks on digits",
    paper="lillicrap2014",
    settings=MnistDepthSettings,
    tiers={
        "smoke": {"images": "digits", "members": 3, "examples": 400, "marks": 4},
        "quick": {"images": "digits", "members": 3, "examples": 10_000, "marks": 10},
        "paper": {},
    },
    variants={  # what the study mnist-depth-rates found
        "bp-1": {"rule": "bp", "hidden": (200,), "rate": 0.005},
        "bp-2": {"rule": "bp", "hidden": (200, 200), "rate": 0.0025},
        "bp-3": {"rule": "bp", "rate": 0.005},
        "fa-1": {"rule": "fa", "hidden": (200,), "rate": 0.005, "feedback": 0.2},
        "fa-2": {"rule": "fa", "hidden": (200, 200), "rate": 0.005, "feedback": 0.2},
        "fa-3": {"rule": "fa", "rate": 0.0025, "feedback": 0.2},
    },
    run=run,
    after="mnist-depth-rates",
    learnt=gone("error"),
    claims=[
        *(as_good(depth) for depth in DEPTHS),
        deeper("bp", "backpropagation"),
        deeper("fa", "feedback alignment"),
        own_claim(
            id="mnist-depth-angle",
            statement="The signal turns towards backpropagation's at every hidden layer of every "
            "depth.",
            measure=all_angles,
            summary=LARGEST,
            unit="degrees at the end, largest of all layers",
            holds=Region(high=80.0),
            partly=Region(high=90.0),
            reason="below the 90 degrees of a random signal",
            figure="mnist-depth-angle",
            decimals=1,
        ),
    ],
    figures=[
        Figure(
            id="mnist-depth-error",
            title="One, two and three hidden layers on MNIST",
            alt="Two panels. Left: test error in per cent at the end against the number of hidden "
            "layers, from one to three, a circle for backpropagation and a square for feedback "
            "alignment, with bars. Right: test error on a log axis against examples for three "
            "hidden layers, a line with a band for each of the two.",
            caption="Left: test error at the end for networks with one, two and three hidden "
            "layers. Right: its course for three. Mean and 95 % interval over networks.",
            look="To see, left: for each rule, whether the marks go down to the right, beside the "
            "length of their bars. If depth helped, they would.",
            place="Ours, after Lillicrap et al. 2016",
            draw=draw_error,
        ),
        Figure(
            id="mnist-depth-angle",
            title="The teaching signal turns at every layer",
            alt="Angle to backpropagation's signal, from 0 to 105 degrees with a line at 90, "
            "against examples; a line with a band for each of three hidden layers.",
            caption="Angle between the teaching signals of feedback alignment and of "
            "backpropagation at each hidden layer of the deepest network, each carried all the "
            "way down from the same error. Mean and 95 % interval over networks.",
            look="To see: the order of the curves, and how far each is below the line at 90 "
            "degrees. A layer to which the error comes as noise would stay on that line.",
            place="Ours, after Lillicrap et al. 2016",
            draw=draw_angle,
        ),
    ],
)
