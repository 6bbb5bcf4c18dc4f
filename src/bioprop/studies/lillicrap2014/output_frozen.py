"""Can hidden layers learn below an output that does not?

Where the output weights stay as they were drawn, feedback alignment has nothing to align: what
they would have to agree with is random, and stays so. Claim (ours): backpropagation's network
learns below a random output, feedback alignment's does not, and its signals stay at right angles
to backpropagation's. Each rule has the rate that serves it best, of a grid for both.
"""

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.freezing import FreezingSettings, Turn, taking_turns
from bioprop.studies.lillicrap2014.mnist import where_moved
from bioprop.studies.lillicrap2014.mnist_grid import (
    QUICK,
    SMOKE,
    GridSettings,
    along_rates,
    at_best,
    best_learn,
    follow_grid,
    layers_at_best,
    rate_axes,
)
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    Runs,
    Some,
    Study,
    own_claim,
)

HIDDEN = (1, 2, 3)
UNLEARNT = "that feedback alignment fails here is what it says; its weights must have moved"


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class TurnGridSettings(GridSettings, FreezingSettings):
    """Settings of the deepest networks of the study mnist-depth, on a grid of rates."""

    turns: Some[Turn] = ("1234",)  # ours: layers that learn, turn by turn; 4 is the output
    cycles: Count = 10  # ours: how often every turn comes
    feedbacks: Some[Positive] = (0.2,)  # ours: as in the study mnist-depth; the rate scales it too
    rates: Some[Positive] = (0.0025, 0.005, 0.01, 0.02, 0.04)  # ours: a short trial went to 0.01
    examples: Count = 300_000  # ours: six times through the images that are not held out
    marks: Count = 10  # ours: as many for an epoch as in the study freezing
    members: MemberCount = 20  # ours: the mean angle of fewer is not known to a degree


def run(settings: TurnGridSettings, journal: Journal) -> None:
    """Train layers that learn when it is their turn, at every rate; errors and angles."""
    follow_grid(settings, journal, lambda teaching: taking_turns(settings, teaching), tested=True)


def controlled(runs: Runs, quantity: str) -> np.ndarray:
    """Return a quantity under feedback alignment at the end, (seed,), at its best rate.

    NaN where its hidden weights have hardly moved, or backpropagation has not learnt: a network
    that fails is to have tried, below an output that can be learnt below.
    """
    tried = where_moved(at_best(runs["fa"], quantity), at_best(runs["fa"], "moved"))
    return np.where(best_learn(runs["bp"]), tried, np.nan)


def over_shallow(runs: Runs) -> np.ndarray:
    """Return by how many points backpropagation ends above a network whose output alone learns.

    Each at its own best rate, (seed,).
    """
    return at_best(runs["bp"], "error") - at_best(runs["shallow"], "error")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error against the rate, and the angle at each hidden layer."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4.2))
    frames = [
        along_rates(left, result, name).assign(rule=name, quantity="validation")
        for name, result in runs.items()
    ]
    rate_axes(left, runs["bp"].settings.rates)
    left.set(ylim=(1.5, 110))
    left.legend(loc="center", bbox_to_anchor=(0.5, 0.8))
    return figure, pd.concat([*frames, layers_at_best(right, runs["fa"])])


def right_angle(layer: int) -> Claim:
    """Return the claim that the signal at a hidden layer stays at a right angle."""
    return own_claim(
        id=f"output-frozen-angle-{layer}",
        statement=f"With the output frozen, feedback alignment's signal at hidden layer {layer} "
        "stays at a right angle to backpropagation's.",
        measure=lambda runs: controlled(runs, f"angle-{layer}"),
        unlearnt=UNLEARNT,
        unit="degrees at the end",
        holds=Region(87.0, 93.0),
        partly=Region(84.0, 96.0),
        reason="what the signal would have to turn to is random and does not change",
        figure="output-frozen",
        decimals=1,
    )


STUDY = Study(
    name="output-frozen",
    title="Hidden layers that learn below a frozen output",
    paper="lillicrap2014",
    settings=TurnGridSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"rates": (0.01, 0.04), "members": 5, "examples": 10_000, "marks": 5},
        "paper": {},
    },
    variants={
        "bp": {"rule": "bp", "turns": ("123",)},
        "fa": {"rule": "fa", "turns": ("123",)},
        "shallow": {"rule": "shallow"},
    },
    run=run,
    learnt=best_learn,
    cost={"paper": 45.0},  # all rates; estimated, from some batches on a busy core
    claims=[
        *(right_angle(layer) for layer in HIDDEN),
        own_claim(
            id="output-frozen-fa",
            statement="Its network does not learn.",
            measure=lambda runs: controlled(runs, "error"),
            unlearnt=UNLEARNT,
            unit="% test error",
            holds=Region(low=70.0),
            partly=Region(low=50.0),
            reason="a network that has learnt nothing gets 90 % wrong",
            figure="output-frozen",
        ),
        own_claim(
            id="output-frozen-bp",
            statement="Below the same frozen output backpropagation's network learns.",
            measure=lambda runs: at_best(runs["bp"], "error"),
            unit="% test error",
            holds=Region(high=20.0),
            partly=Region(high=50.0),
            reason="far below the 90 % of a random output above hidden layers of the start",
            figure="output-frozen",
        ),
        own_claim(
            id="output-frozen-shallow",
            statement="It ends below a network whose output alone learns.",
            measure=over_shallow,
            unit="points of test error, hidden layers alone minus output alone",
            holds=Region(high=-1.0),
            partly=Region(high=0.0),
            reason="a point is far more than networks differ by",
            figure="output-frozen",
        ),
    ],
    figures=[
        Figure(
            id="output-frozen",
            title="Hidden layers that learn below a frozen output",
            alt="Two panels. Left: error in per cent on held-out images against the learning rate, "
            "both on log axes, a line for backpropagation and for feedback alignment below a "
            "frozen output and for a shallow network; a ring marks the lowest of each. Right: "
            "angle to backpropagation's signal, from 0 to 100 degrees with a line at 90, against "
            "examples, a line with a band for each of three hidden layers under feedback "
            "alignment.",
            caption="Left: error on held-out training images, mean over the last marks and over "
            "networks, where three hidden layers learn and the output stays as it was drawn, and "
            "where the output alone learns (shallow). A ring marks the rate that was taken; a "
            "point that is missing diverged. Right: angle between the teaching signals of feedback "
            "alignment and backpropagation at each hidden layer, output frozen, at the rate that "
            "was taken. Mean and 95 % interval over networks.",
            look="To see, left: on which side of the shallow network's ring the two others lie. "
            "Right: whether the angles leave 90 degrees; if alignment came from the hidden layers "
            "alone, they would.",
            place="Ours: a control",
            draw=draw,
        )
    ],
)
