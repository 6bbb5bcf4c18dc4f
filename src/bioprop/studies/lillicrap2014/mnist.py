"""Lillicrap et al. 2014, Fig 2a, b: MNIST with logistic units.

Claim: on handwritten digits a network taught through random feedback is as good as one taught by
backpropagation, also when half of the output weights and of the feedback weights are removed.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Streams, Training, Trial, angle, sgd
from bioprop.learning.optimisers import Number, Rates
from bioprop.studies import drawing, reported
from bioprop.studies.journal import Journal
from bioprop.studies.signals import beside_backprop
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Part,
    Positive,
    Precision,
    Region,
    RuleName,
    Runs,
    Settings,
    Share,
    Some,
    Study,
    at,
    gone,
    own_claim,
    rule_with,
    sized,
    within,
)
from bioprop.studies.summaries import sampling_error
from bioprop.tasks.classify import dense_network, error_rate
from bioprop.tasks.images import CLASSES, Classification, load

MOVED = 1.0  # per cent that hidden weights move at least where a rule has moved them at all
Measure = Callable[[Training, Tensor, Tensor], dict[str, Tensor]]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class MnistSettings(Settings):
    """Settings of the MNIST task, and where each value stands in the paper."""

    rule: RuleName  # p. 4, p. 5, Fig 2a: BP, FA, shallow, and with connections removed
    images: str = "mnist"  # Methods, task 2; "digits" are scikit-learn's, for quick runs
    hidden: Some[Count] = (1000,)  # Methods, task 2: 784-1000-10, logistic, biases
    rate: Positive = 1e-3  # Methods, task 2: for each example
    batch: Count = 20  # ours: the updates of 20 examples are summed; the paper gives none
    decay: Part = 1e-6  # Methods, task 2
    decay_with: Literal["rate", "example"] = "rate"  # ours: times the rate, or for each example?
    slope: bool = False  # ours: is the error multiplied by the slope of the output units?
    inputs: Literal["unit", "standardised"] = "standardised"  # ours; the paper does not say
    bound: Positive = 0.2  # W0, W ~ U(-w, w), not printed; ours: a few trials on test images
    feedback: Positive = 1.0  # B ~ U(-b, b), not printed; ours: a few trials on test images
    removed: Share = 0.0  # p. 5: half of the elements of W and of B removed
    examples: Count = 1_800_000  # ours: the end of Fig 2a if its unit is that of Fig 2d
    marks: Count = 36  # ours: one for each 50 000 examples
    probe: Count = 200  # ours: test images on which angles are measured
    precision: Precision = "float32"  # ours: as on the paper's graphics cards
    members: MemberCount = 20  # p. 4: n = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.removed and self.rule not in ("bp", "fa", "shallow"):
            raise ValueError(
                f"removed = {self.removed}: rule {self.rule!r} would keep all of its feedback "
                "weights; choose the rule 'bp', 'fa' or 'shallow', or remove nothing"
            )


def images(settings: MnistSettings, streams: Streams, held_out: int = 0) -> Classification:
    """Return the task: images in an order of its own for each member.

    With ``held_out`` that many training images stand in for the test images.
    """
    shown = load(settings.images, held_out)
    return Classification(shown, streams, settings.batch, settings.inputs)


def train(
    settings: MnistSettings,
    task: Classification,
    *,
    bound: Number | None = None,
    feedback: Number | None = None,
    removed: Number | None = None,
    removed_back: Number | None = None,
    rate: Rates | None = None,
) -> Training:
    """Return a population, ready to be trained.

    What is None is as the settings have it. Where given, ``bound`` and ``feedback`` (the ranges of
    W and B), ``removed`` and ``removed_back`` (the shares taken from W and B) and ``rate`` (for
    each example; may be a sequence, one for each layer) are numbers or have shape ``(member, 1,
    1)``.
    """
    bound, feedback = default(bound, settings.bound), default(feedback, settings.feedback)
    removed = default(removed, settings.removed)
    network = dense_network(
        task.streams,
        (task.images.pixels, *settings.hidden, CLASSES),
        bound,
        loss="squared" if settings.slope else "binary-cross-entropy",
        removed=removed,
        compute=settings.compute,
    )
    removed_back = default(removed_back, removed)
    teaching = rule_with(settings.rule, bound=feedback, removed=removed_back)
    of_batch = settings.rate * settings.batch
    decay = settings.decay * (of_batch if settings.decay_with == "rate" else settings.batch)
    rates: Rates = of_batch
    if rate is not None:
        each = rate if isinstance(rate, Sequence) else [rate]
        rates = [settings.batch * number for number in each]
    return Training(network, teaching, sgd(rates, decay), task, task.streams)


def default(value: Number | None, otherwise: Number) -> Number:
    """Return a value where it is given."""
    return otherwise if value is None else value


def turn(training: Training, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the angle of the signal under feedback alignment, nothing under another rule."""
    fa = training.rule.name == "fa"
    return {"angle": signal_angles(training, x, labels)[0]} if fa else {}


def follow(
    settings: MnistSettings,
    journal: Journal,
    task: Classification,
    measure: Measure = turn,
    **changes: Rates,
) -> None:
    """Train; at every mark the test error, and what ``measure`` finds on the probe's images.

    ``measure(training, x, labels)`` returns quantities of shape ``(member,)``. ``changes`` are
    those of :func:`train`.
    """
    training = train(settings, task, **changes)  # type: ignore[arg-type]
    journal.learns_from(settings.images, load(settings.images).parts)
    x, labels = task.test()
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        error = error_rate(training.network, x, labels)
        journal.write(examples, error=error, **measure(training, x[: settings.probe], labels))


def run(settings: MnistSettings, journal: Journal) -> None:
    """Train one rule."""
    journal.label(seed=settings.seeds)
    follow(settings, journal, images(settings, settings.streams()))


def signal_angles(training: Training, x: Tensor, labels: Tensor) -> list[Tensor]:
    """Return the mean angle in degrees of FA's signal to BP's, (member,) for each hidden layer.

    ``x`` holds images ``(image, pixel)`` and ``labels`` at least as many classes.
    """
    pairs = beside_backprop(training, shown(training, x, labels))
    return [angle(*pair).mean(-1) for pair in pairs]


def shown(training: Training, x: Tensor, labels: Tensor) -> Trial:
    """Show all members the same images ``(image, pixel)``; of the classes as many are taken."""
    network = training.network
    target = torch.nn.functional.one_hot(labels[: len(x)], CLASSES).to(x)
    shape = network.members, len(x), -1
    return network.present(x.expand(shape), target.expand(shape), training.step)


def excess(runs: Runs, variant: str, reference: str, percent: float = 100.0) -> np.ndarray:
    """Return by how many points of test error a variant is above another, seed by seed.

    At the end, or at another percentage of the examples.
    """
    return at(runs[variant], "error", percent) - at(runs[reference], "error", percent)


# Who has learnt, in the controls: whoever gets fewer than half of the images wrong.
well_learnt = gone("error", 0.45)


def moved(W: Tensor, start: Tensor) -> Tensor:
    """Return how far weights are from where they started, in per cent of their norm, (member,)."""
    return 100 * (W - start).flatten(1).norm(dim=1) / start.flatten(1).norm(dim=1)


def where_moved(values: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return ``values`` (member,), NaN where hidden weights have hardly moved, in per cent."""
    return np.where(distance >= MOVED, values, np.nan)


SHOWN = ("shallow", "bp", "fa", "fa-sparse", "bp-sparse")


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 2a: test error against examples, the paper's points in the same axes; its end."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(9, 4.5), width_ratios=(4, 3))
    return figure, pd.concat([error_axes(left, runs), end_axes(right, runs)])


def error_axes(axes: Axes, runs: Runs) -> pd.DataFrame:
    """Draw test error against examples, and the paper's points; return what was drawn."""
    frames = []
    for name in SHOWN:
        frames.append(drawing.band(axes, runs[name], "error", name))
        if "sparse" in name or runs[name].settings.images != "mnist":
            continue  # the paper draws no such curve
        points = reported.curve("lillicrap2014", f"fig2a-{name}")
        places = drawing.on_axis(points, runs[name].settings)
        drawing.reported(axes, places, points, name)
        paper = {"rule": name, "quantity": "error, paper", "examples": places, "mean": points}
        frames.append(pd.DataFrame(paper))
    axes.set(xlabel="examples", ylabel="test error (%)")
    drawing.up_to(axes, 12.5)
    if len(frames) > len(SHOWN):
        drawing.legend(axes, ("shallow", "bp", "fa"), "paper's curves, digitised")
    else:  # no images of the paper's: its curves are about others
        axes.set_ylim(0, None)
        axes.legend()
    return pd.concat(frames)


def end_axes(axes: Axes, runs: Runs) -> pd.DataFrame:
    """Draw the error at the end, at a scale that shows a tenth of a point; return what was drawn.

    Without the shallow network, which ends far away.
    """
    rows, names = [], SHOWN[1:]
    for place, name in enumerate(names):
        rows.append(drawing.dot(axes, at(runs[name], "error"), place, name, label=None))
        if runs[name].settings.images == "mnist" and name != "bp-sparse":
            paper = reported.value("lillicrap2014", f"{name}-mean-error-n-20")
            drawing.reported(axes, paper, place + 0.25, name)
            rows.append({"rule": name, "mean": paper, "quantity": "error at the end, paper"})
    words = [drawing.LOOKS[name].name.replace(", ", ",\n") for name in names]
    axes.set_yticks(range(len(names)), labels=words)
    axes.margins(x=0.1)
    axes.set(xlabel="test error at the end (%)", ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="x", which="both")
    return pd.DataFrame(rows).fillna({"quantity": "error at the end"})


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 2b: the angle between the two teaching signals."""
    figure, axes = drawing.panels(figsize=(7, 4))
    return figure, angle_axes(axes, runs)


def angle_axes(axes: Axes, runs: Runs) -> pd.DataFrame:
    """Draw the angle of the signal against examples; return what was drawn."""
    frames = [drawing.band(axes, runs[name], "angle", name) for name in ("fa", "fa-sparse")]
    drawing.angle_axis(axes)
    axes.set(xlabel="examples")
    axes.legend()
    return pd.concat(frames)


TEST = 10_000  # test images of MNIST
CALIBRATED = "the ranges of W and of B were chosen in a few trials on the test images"


def ends_at(variant: str, reported_key: str, tolerance: float, statement: str, id: str) -> Claim:
    """Return the claim that a variant's final test error is the paper's, within a tolerance."""
    return Claim(
        id=id,
        statement=statement,
        place="p. 4, p. 5, Fig 2a",
        measure=lambda runs: at(runs[variant], "error"),
        unit="% test error",
        holds=within(tolerance),
        partly=within(2 * tolerance),
        reason="half a point is about a fifth of the error; the shallow network has one network's "
        "curve to compare with, so a point",
        reported=reported_key,
        figure="mnist-error",
        applies=lambda settings: settings.images == "mnist",
        calibrated=CALIBRATED,
    )


SHALLOW_WORSE = Claim(
    id="mnist-shallow-worse",
    statement="A shallow network does much worse than feedback alignment.",
    place="Fig 2a; this row was added when the others had been recorded with five networks",
    measure=lambda runs: excess(runs, "shallow", "fa"),
    unit="points of test error, shallow minus FA",
    holds=Region(low=2.0),
    partly=Region(low=1.0),
    reason="as much again as feedback alignment's own error in the paper",
    reported="shallow-error - fa-mean-error-n-20",
    figure="mnist-error",
    calibrated=CALIBRATED,
)
AS_GOOD = Claim(
    id="mnist-fa-as-good",
    statement="Feedback alignment is not worse than backpropagation by more than 0.2 points.",
    place="p. 4",
    measure=lambda runs: excess(runs, "fa", "bp"),
    unit="points of test error, FA minus BP",
    holds=Region(high=0.2),
    partly=Region(high=0.5),
    reason="0.2 points are 20 of the 10 000 test images",
    reported="fa-mean-error-n-20 - bp-mean-error-n-20",
    figure="mnist-error",
    calibrated=CALIBRATED,
)
SPARSE_COST = Claim(
    id="mnist-sparse-cost",
    statement="Removing half of W and of B costs little.",
    place="p. 5",
    measure=lambda runs: excess(runs, "fa-sparse", "fa"),
    unit="points of test error, sparse minus dense",
    holds=Region(high=1.0),
    partly=Region(high=2.0),
    reason="a point is small beside what a shallow network loses",
    reported="fa-sparse-mean-error-n-20 - fa-mean-error-n-20",
    figure="mnist-error",
    calibrated=CALIBRATED,
)

CLAIMS = [
    ends_at(
        "bp", "bp-mean-error-n-20", 0.5, "Backpropagation reaches the paper's error.", "mnist-bp"
    ),
    ends_at(
        "fa", "fa-mean-error-n-20", 0.5, "Feedback alignment reaches the paper's error.", "mnist-fa"
    ),
    ends_at(
        "fa-sparse",
        "fa-sparse-mean-error-n-20",
        0.5,
        "So does feedback alignment with half of W and B removed.",
        "mnist-fa-sparse",
    ),
    ends_at(
        "shallow",
        "shallow-error",
        1.0,
        "A shallow network ends at the paper's error.",
        "mnist-shallow",
    ),
    SHALLOW_WORSE,
    sized(SHALLOW_WORSE, 1.0, "It does worse by as much as in the paper."),
    AS_GOOD,
    dataclasses.replace(
        sized(AS_GOOD, 0.3, "It ends below backpropagation, by about as much as in the paper."),
        holds=Region(-0.6, -0.1),
    ),
    Claim(
        id="mnist-fa-speed",
        statement="Feedback alignment learns as quickly as backpropagation.",
        place="Fig 2a; this row was added when the others had been recorded",
        measure=lambda runs: excess(runs, "fa", "bp", 5),
        unit="points of test error at 5 % of the axis, FA minus BP",
        holds=within(0.5),
        partly=Region(high=0.75),
        reason="half a point is a tenth of the errors there, and the paper draws one network for "
        "each rule; partly where feedback alignment is quicker",
        reported="fig2a-fa-5 - fig2a-bp-5",
        figure="mnist-error",
        calibrated=CALIBRATED,
    ),
    SPARSE_COST,
    sized(SPARSE_COST, 0.15, "It costs as much as in the paper."),
    own_claim(
        id="mnist-sparse-extra",
        statement="It costs feedback alignment no more than backpropagation, give or take 0.1 "
        "points.",
        place="ours; this row was added when the others had been recorded",
        measure=lambda runs: excess(runs, "fa-sparse", "fa") - excess(runs, "bp-sparse", "bp"),
        unit="points of test error that half the connections cost, FA minus BP",
        holds=Region(high=0.1),
        partly=Region(high=0.3),
        reason="0.1 points are 10 of the 10 000 test images; 0.3 are what the paper has FA lose",
        figure="mnist-error",
        calibrated=CALIBRATED,
    ),
    Claim(
        id="mnist-angle",
        statement="The teaching signal turns towards backpropagation's.",
        place="p. 4, Fig 2b",
        measure=lambda runs: at(runs["fa"], "angle"),
        unit="degrees at the end",
        holds=Region(high=60.0),
        partly=Region(high=80.0),
        reason="well below the 90 degrees of a random signal",
        figure="mnist-angle",
        decimals=1,
    ),
    Claim(
        id="mnist-angle-falls",
        statement="It falls in the second half of the run.",
        place="ours; Fig 2b was not seen",
        measure=lambda runs: at(runs["fa"], "angle") - at(runs["fa"], "angle", 50),
        unit="degrees, end minus half-way",
        holds=Region(high=0.0),
        reason="falling means lower at the end than half-way",
        figure="mnist-angle",
        decimals=1,
        origin="ours",
    ),
]

FIGURES = [
    Figure(
        id="mnist-error",
        title="Test error on MNIST",
        alt="Two panels. Left: test error in per cent against examples, a line with a band for "
        "each of five: backpropagation and feedback alignment, whole and with half of their "
        "connections removed, and shallow. Open marks in the same colours: the paper's curves. "
        "Right: the error at the end of four of them, a dot with a bar in a row each, with open "
        "marks for the errors that the paper prints.",
        caption="Test error of 784-1000-10 networks with logistic units, mean and 95 % interval "
        "over networks. Left, open marks: the paper's Fig 2a, digitised, one network for each "
        "rule; their places assume that the paper's axis ends at 1.8 million examples. Right: the "
        "end, at a scale where a tenth of a point can be seen; the shallow network ends far to "
        "the right of it. Open marks: the means that the paper prints.",
        look="To see, right: how close the two rules end. Feedback alignment's error minus "
        "backpropagation's is {recorded}`mnist-fa-as-good` points; to remove half of the "
        "connections adds {recorded}`mnist-sparse-cost`.",
        place="Fig 2a",
        draw=draw_error,
        numbers={
            "sampling": lambda runs: sampling_error(float(at(runs["fa"], "error").mean()), TEST)
        },
    ),
    Figure(
        id="mnist-angle",
        title="The teaching signal turns on MNIST",
        alt="Angle to backpropagation's signal, from 0 to 100 degrees with a line at 90, against "
        "examples; a line with a band for feedback alignment, whole and with half removed.",
        caption="Angle between the teaching signals of feedback alignment, $Be$, and "
        "backpropagation, $W^T e$, at the hidden layer. Mean and 95 % interval over networks.",
        look="To see: where the angle ends, with all connections at {recorded}`mnist-angle` "
        "degrees; 90 would be no relation.",
        place="Fig 2b",
        draw=draw_angle,
    ),
]

STUDY = Study(
    name="mnist",
    title="MNIST",
    paper="lillicrap2014",
    settings=MnistSettings,
    tiers={
        "smoke": {"images": "digits", "hidden": (20,), "members": 3, "examples": 400, "marks": 4},
        "quick": {"images": "digits", "hidden": (100,), "members": 5, "examples": 60_000},
        "reduced": {"members": 5},  # a quarter of the paper's networks, all of its examples
        "paper": {},
    },
    variants={
        "bp": {"rule": "bp"},
        "fa": {"rule": "fa"},
        "shallow": {"rule": "shallow"},
        "fa-sparse": {"rule": "fa", "removed": 0.5},
        "bp-sparse": {"rule": "bp", "removed": 0.5},
    },
    run=run,
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
