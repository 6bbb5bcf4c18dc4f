"""Which layers must learn for a deep network to make use of depth?

Lillicrap et al. 2016 froze layers and trained them alternately; how, and what came of it, is not
known here. Claim (ours): under feedback alignment any hidden layer can be frozen, and the layers
can learn one at a time, because the signal aligns at just those layers that learn from it.
"""

from collections.abc import Sequence
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture
from pydantic import Field

from bioprop.learning import Rule
from bioprop.learning.rules import in_turn
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.mnist_depth import (
    MnistDepthSettings,
    excess,
    follow,
    layers,
    on_mnist,
    prepare,
)
from bioprop.studies.study import STRICT, Claim, Count, Figure, Region, Runs, Study, at

Turn = Annotated[str, Field(pattern=r"^[1-9]+$")]
# Which layers learn, in turn: 1, 2, 3 are the hidden layers and 4 is the output.
TURNS = {
    "together": ("1234",),
    "without-1": ("234",),
    "without-2": ("134",),
    "without-3": ("124",),
    "only-1": ("14",),
    "only-2": ("24",),
    "only-3": ("34",),
    "output": ("4",),
    "upwards": ("1", "2", "3", "4"),
    "downwards": ("4", "3", "2", "1"),
}
NAMES = {
    "together": "all layers together",
    "without-1": "hidden layer 1 frozen",
    "without-2": "hidden layer 2 frozen",
    "without-3": "hidden layer 3 frozen",
    "only-1": "2 and 3 frozen",
    "only-2": "1 and 3 frozen",
    "only-3": "1 and 2 frozen",
    "output": "1, 2 and 3 frozen",
    "upwards": "in turn, upwards",
    "downwards": "in turn, downwards",
}
COMPARED = ("together", "only-1", "only-3", "upwards", "downwards")  # under backpropagation too


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FreezingSettings(MnistDepthSettings):
    """Settings of the frozen networks: the deepest ones of the study mnist-depth."""

    turns: tuple[Turn, ...] = ("1234",)  # ours: layers that learn, turn by turn; 4 is the output
    turn: Count = 15_000  # ours: examples in a turn; four turns are an epoch
    examples: Count = 900_000  # ours: each training image fifteen times
    marks: Count = 30  # ours: one for each half epoch
    members: Count = 5  # ours: differences of half a point and more matter here


def run(settings: FreezingSettings, journal: Journal) -> None:
    """Train three hidden layers, of which only those whose turn it is learn."""
    turns = [[int(layer) - 1 for layer in turn] for turn in settings.turns]
    steps = max(settings.turn // settings.batch, 1)

    def schedule(teaching: Rule) -> Rule:
        return in_turn(teaching, turns, steps)

    follow(settings, journal, *prepare(settings, schedule))


def gained(runs: Runs, schedules: Sequence[str]) -> np.ndarray:
    """Return the points of test error that the worst of some schedules gains, (member,).

    Gained over a network whose output alone learns, under feedback alignment.
    """
    return np.min([excess(runs, "fa-output", f"fa-{name}") for name in schedules], axis=0)


def frozen_angle(runs: Runs) -> np.ndarray:
    """Return the angle at the end at a frozen layer, mean over which of three it is, (member,)."""
    return np.mean([at(runs[f"fa-without-{k}"], f"angle-{k}") for k in (1, 2, 3)], axis=0)


def learning_angle(runs: Runs) -> np.ndarray:
    """Return the largest angle at the end at a layer that learns beside a frozen one, (member,)."""
    angles = [
        at(runs[f"fa-without-{frozen}"], f"angle-{layer}")
        for frozen in (1, 2, 3)
        for layer in {1, 2, 3} - {frozen}
    ]
    return np.max(angles, axis=0)


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the final error of every schedule, a dot for each rule."""
    figure, axes = plt.subplots(figsize=(7, 5))
    rows = []
    for place, (schedule, title) in enumerate(NAMES.items()):
        for name, shift in (("fa", 0.12), ("bp", -0.12)):
            if f"{name}-{schedule}" in runs:
                label = drawing.LOOKS[name].name if place == 0 else None
                values = at(runs[f"{name}-{schedule}"], "error")
                row = drawing.dot(axes, values, place + shift, name, label=label)
                rows.append({**row, "quantity": "error at the end", "schedule": title})
    axes.set(xlabel="test error (%)", yticks=range(len(NAMES)), xscale="log")
    axes.set_yticklabels(NAMES.values())
    axes.set_xticks([2, 3, 5, 10, 20], labels=["2", "3", "5", "10", "20"])
    axes.minorticks_off()
    axes.grid(axis="y", color="0.9")
    axes.invert_yaxis()
    axes.legend()
    return figure, pd.DataFrame(rows)


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle at each hidden layer against examples, a panel for each of four schedules."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 6.5), sharex=True, sharey=True)
    frames = []
    for axes, schedule in zip(
        panels.flat, ("together", "upwards", "without-2", "only-1"), strict=True
    ):
        drawn = layers(axes, runs[f"fa-{schedule}"])
        frames += [frame.assign(schedule=NAMES[schedule]) for frame in drawn]
        axes.set(title=NAMES[schedule])
    panels[0, 0].legend()
    for axes in panels[1]:
        axes.set(xlabel="examples")
    figure.supylabel("angle to backprop's signal (degrees)")
    return figure, pd.concat(frames)


def enough(id: str, statement: str, schedules: Sequence[str]) -> Claim:
    """Return the claim that each of some schedules beats a network whose output alone learns."""
    return Claim(
        id=id,
        statement=statement,
        place="ours",
        measure=lambda runs: gained(runs, schedules),
        unit="points of test error, output alone minus the worst of three",
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="a point is far more than networks differ by",
        figure="freezing-error",
        origin="ours",
        applies=on_mnist,
    )


def turn_by_turn(name: str, rule: str, order: str, words: str) -> Claim:
    """Return the claim that layers trained in turn end close to layers trained together."""
    return Claim(
        id=f"freezing-{name}-{order}",
        statement=f"Under {rule} layers that learn in turn, {words}, end close to layers that "
        "learn together.",
        place="ours",
        measure=lambda runs: excess(runs, f"{name}-{order}", f"{name}-together"),
        unit="points of test error, in turn minus together",
        holds=Region(high=1.0),
        partly=Region(high=2.0),
        reason="each layer learns from a quarter of the examples",
        figure="freezing-error",
        origin="ours",
        applies=on_mnist,
    )


CLAIMS = [
    enough(
        "freezing-one-frozen",
        "With any one hidden layer frozen, feedback alignment does better than when the output "
        "alone learns.",
        ("without-1", "without-2", "without-3"),
    ),
    enough(
        "freezing-one-learns",
        "So it does when any one hidden layer learns and the other two are frozen.",
        ("only-1", "only-2", "only-3"),
    ),
    turn_by_turn("fa", "feedback alignment", "upwards", "the lowest first"),
    turn_by_turn("fa", "feedback alignment", "downwards", "the output first"),
    turn_by_turn("bp", "backpropagation", "upwards", "the lowest first"),
    turn_by_turn("bp", "backpropagation", "downwards", "the output first"),
    Claim(
        id="freezing-frozen-angle",
        statement="At a frozen layer the signal stays at a right angle to backpropagation's.",
        place="ours",
        measure=frozen_angle,
        unit="degrees at the end, mean over which layer is frozen",
        holds=Region(85.0, 95.0),
        partly=Region(80.0, 100.0),
        reason="by symmetry the mean over feedback weights is 90 exactly; there are few networks",
        figure="freezing-angle",
        decimals=1,
        origin="ours",
        applies=on_mnist,
    ),
    Claim(
        id="freezing-learning-angle",
        statement="At the layers that learn it turns, whichever layer is frozen.",
        place="ours",
        measure=learning_angle,
        unit="degrees at the end, largest of six",
        holds=Region(high=80.0),
        partly=Region(high=90.0),
        reason="below the 90 degrees of a random signal",
        figure="freezing-angle",
        decimals=1,
        origin="ours",
        applies=on_mnist,
    ),
    Claim(
        id="freezing-through-frozen",
        statement="It turns at hidden layer 1 with both layers above it frozen.",
        place="ours",
        measure=lambda runs: at(runs["fa-only-1"], "angle-1"),
        unit="degrees at the end",
        holds=Region(high=75.0),
        partly=Region(high=85.0),
        reason="nearer to the 55 degrees that a linear argument gives than to 90",
        figure="freezing-angle",
        decimals=1,
        origin="ours",
        applies=on_mnist,
    ),
]

STUDY = Study(
    name="freezing",
    title="Frozen layers, and layers that learn in turn",
    paper="lillicrap2014",
    settings=FreezingSettings,
    tiers={
        "smoke": {"images": "digits", "members": 3, "examples": 400, "marks": 4, "turn": 40},
        "quick": {"images": "digits", "members": 3, "examples": 12_000, "marks": 10, "turn": 300},
        "paper": {},
    },
    variants={
        **{
            f"fa-{schedule}": {"rule": "fa", "rate": 0.0025, "turns": turns}
            for schedule, turns in TURNS.items()
        },
        **{f"bp-{schedule}": {"rule": "bp", "turns": TURNS[schedule]} for schedule in COMPARED},
    },
    run=run,
    claims=CLAIMS,
    figures=[
        Figure(
            id="freezing-error",
            title="Frozen layers, and layers that learn in turn",
            alt="Test error in per cent at the end on a log axis, a row for each of ten choices of "
            "the layers that learn and when; a square for feedback alignment and, in five rows, a "
            "circle for backpropagation, with bars.",
            caption="Test error at the end of networks with three hidden layers. The output "
            "learns in all of them. Mean and 95 % interval over networks.",
            place="Ours, after Lillicrap et al. 2016",
            draw=draw_error,
        ),
        Figure(
            id="freezing-angle",
            title="The signal at layers that learn and at layers that do not",
            alt="Four panels: all layers together, in turn upwards, hidden layer 2 frozen, 2 and 3 "
            "frozen. In each the angle to backpropagation's signal, from 0 to 105 degrees with a "
            "line at 90, against examples, a line with a band for each of three hidden layers.",
            caption="Angle between the teaching signals of feedback alignment and of "
            "backpropagation at each hidden layer. Mean and 95 % interval over networks.",
            place="Ours, after Lillicrap et al. 2016",
            draw=draw_angle,
        ),
    ],
)
