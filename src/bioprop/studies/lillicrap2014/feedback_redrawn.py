"""Does random feedback teach because it is random, or because it stays the same?

In Lillicrap et al. 2014 B is drawn once, so that W can come to agree with it. Here B is drawn anew
for every batch. Claim (ours): then there is nothing to agree with, the signal stays at a right
angle to backpropagation's, and the hidden layer learns nothing of use.
"""

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Training, angle
from bioprop.learning.rules import carry_back, transposes
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import (
    CALIBRATED,
    MnistSettings,
    excess,
    follow,
    images,
    moved,
    shown,
    train,
    well_learnt,
    where_moved,
)
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Region,
    Runs,
    Study,
    at,
    curve,
    own_claim,
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class RedrawnSettings(MnistSettings):
    """Settings of the MNIST task, for a shorter run."""

    examples: Count = 300_000  # ours: a sixth of the run on MNIST, five times through the images
    marks: Count = 12  # ours: one for each 25 000 examples
    members: MemberCount = 10  # ours: the mean angle of a few is known to a degree


def run(settings: RedrawnSettings, journal: Journal) -> None:
    """Train one rule; test error, angle, and how far the hidden weights have come."""
    journal.label(seed=settings.seeds)
    task = images(settings, settings.streams())
    start = train(settings, task).network.weights[0]

    def measure(training: Training, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found = {"moved": moved(training.network.weights[0], start)}
        if settings.rule.startswith("fa"):
            found["angle"] = angle_now(training, x, labels)
        return found

    follow(settings, journal, task, measure)


def angle_now(training: Training, x: Tensor, labels: Tensor) -> Tensor:
    """Return the mean angle of the signal that the next batch would get to BP's, (member,)."""
    network, trial = training.network, shown(training, x, labels)
    ours = training.rule.teach(network, training.state, trial)[0]
    assert ours is not None
    return angle(ours, carry_back(network, transposes(network), trial)[0]).mean(-1)


def mean_angle(runs: Runs) -> np.ndarray:
    """Return the mean angle over the marks of the second half, (member,).

    NaN where the hidden weights have hardly moved: then nothing could have turned.
    """
    angles = curve(runs["fa-redrawn"], "angle").to_numpy()
    return where_moved(angles[len(angles) // 2 :].mean(0), at(runs["fa-redrawn"], "moved"))


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error and angle against examples."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4.2))
    frames = [drawing.band(left, result, "error", name) for name, result in runs.items()]
    frames += [drawing.band(right, runs[name], "angle", name) for name in ("fa", "fa-redrawn")]
    drawing.log_y(left)
    drawing.percent_ticks(left.yaxis)
    left.set(xlabel="examples", ylabel="test error (%)", ylim=(2, 100))
    left.legend()
    drawing.angle_axis(right)
    right.set(xlabel="examples")
    return figure, pd.concat(frames)


STUDY = Study(
    name="feedback-redrawn",
    title="Feedback weights drawn anew for every batch",
    paper="lillicrap2014",
    settings=RedrawnSettings,
    tiers={
        "smoke": {"images": "digits", "hidden": (20,), "members": 3, "examples": 400, "marks": 4},
        "quick": {"images": "digits", "hidden": (100,), "members": 5, "examples": 30_000},
        "paper": {},
    },
    variants={
        "fa": {"rule": "fa"},
        "fa-redrawn": {"rule": "fa-redrawn"},
        "shallow": {"rule": "shallow"},
    },
    run=run,
    learnt=well_learnt,  # under a B that is drawn anew the output does
    cost={"paper": 25.0},  # estimated, from some batches on a busy core
    claims=[
        own_claim(
            id="redrawn-angle",
            statement="With B drawn anew for every batch the signal stays at a right angle to "
            "backpropagation's.",
            measure=mean_angle,
            unit="degrees, mean over the second half of the run",
            holds=Region(87.0, 93.0),
            partly=Region(84.0, 96.0),
            reason="by symmetry the mean over B is 90 exactly; one B of 1000 units is two degrees "
            "from it",
            figure="feedback-redrawn",
            decimals=1,
        ),
        own_claim(
            id="redrawn-no-better",
            statement="What is learnt through it is no better than what the output learns alone.",
            measure=lambda runs: excess(runs, "fa-redrawn", "shallow"),
            unit="points of test error, B drawn anew minus shallow",
            holds=Region(low=0.0),
            reason="no better is a difference of zero or more, interval included",
            figure="feedback-redrawn",
            calibrated=CALIBRATED,
        ),
        own_claim(
            id="redrawn-fixed",
            statement="Through a B that stays the same it is better, in the same run.",
            measure=lambda runs: excess(runs, "fa", "shallow"),
            unit="points of test error, B fixed minus shallow",
            holds=Region(high=-1.0),
            partly=Region(high=0.0),
            reason="a point is far more than networks differ by",
            figure="feedback-redrawn",
            calibrated=CALIBRATED,
        ),
    ],
    figures=[
        Figure(
            id="feedback-redrawn",
            title="Test error and angle with feedback weights drawn anew for every batch",
            alt="Two panels against examples, a line with a band for feedback alignment with a "
            "fixed B, with a B drawn anew for every batch and, on the left, a shallow network. "
            "Left: test error in per cent on a log axis. Right: the angle to backpropagation's "
            "signal, from 0 to 100 degrees with a line at 90.",
            caption="Test error (left) and angle between the teaching signals of feedback "
            "alignment and backpropagation (right), where B is drawn once and where it is drawn "
            "anew for every batch. Mean and 95 % interval over networks.",
            look="To see: whether the curve with $B$ drawn anew goes with the shallow network's "
            "or with that of a fixed $B$, and whether its angle leaves 90 degrees. If any random "
            "signal would do, both curves of feedback alignment would fall together.",
            place="Ours: a control",
            draw=draw,
        )
    ],
)
