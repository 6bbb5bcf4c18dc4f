"""Which layers must learn for a deep network to make use of depth?

Lillicrap et al. 2016 froze layers and trained them alternately; how, and what came of it, is not
known here. Claim (ours): under feedback alignment any hidden layer can be frozen, because the
signal aligns at just those layers that learn from it.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import MaxNLocator

from bioprop.learning import Rule
from bioprop.learning.rules import in_turn
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import excess
from bioprop.studies.lillicrap2014.mnist_depth import MnistDepthSettings, follow, layers, prepare
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Region,
    Runs,
    Some,
    Study,
    at,
    gone,
    own_claim,
)
from bioprop.studies.summaries import LARGEST, SMALLEST


def _turn(layers: str) -> str:
    """Refuse layers that are not there."""
    if not layers or set(layers) - set("1234"):
        raise ValueError("a turn names the layers that learn by their numbers, such as 12 or 4")
    return layers


Turn = Annotated[str, pydantic.AfterValidator(_turn)]
# What a schedule is called, and which layers learn, turn by turn: hidden layers 1, 2, 3, output 4.
SCHEDULES = {
    "together": ("all layers together", ("1234",)),
    "without-1": ("1 frozen", ("234",)),
    "without-2": ("2 frozen", ("134",)),
    "without-3": ("3 frozen", ("124",)),
    "only-1": ("2 and 3 frozen", ("14",)),
    "only-2": ("1 and 3 frozen", ("24",)),
    "only-3": ("1 and 2 frozen", ("34",)),
    "output": ("1, 2 and 3 frozen", ("4",)),
    "hidden-upwards": ("hidden layers in turn, upwards", ("14", "24", "34")),
    "hidden-downwards": ("hidden layers in turn, downwards", ("34", "24", "14")),
    "upwards": ("all layers in turn, upwards", ("1", "2", "3", "4")),
    "downwards": ("all layers in turn, downwards", ("4", "3", "2", "1")),
    "short": ("all in turn, upwards, short turns", ("1", "2", "3", "4")),
}
# Those that are run under backpropagation too.
COMPARED = ("together", "only-1", "only-3", "hidden-upwards", "upwards", "downwards")
ADDED = "ours, added after trials with other seeds"
SHORT = 1500  # ours: cycles of short turns, which then last 100 examples, five batches


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FreezingSettings(MnistDepthSettings):
    """Settings of the frozen networks: the deepest ones of the study mnist-depth."""

    turns: Some[Turn] = ("1234",)  # ours: layers that learn, turn by turn; 4 is the output
    cycles: Count = 10  # ours: how often every turn comes; 10 make a cycle an epoch
    examples: Count = 600_000  # ours: each training image ten times
    marks: Count = 20  # ours: one for each half epoch
    members: MemberCount = 5  # ours: differences of half a point and more matter here


def run(settings: FreezingSettings, journal: Journal) -> None:
    """Train three hidden layers, of which only those whose turn it is learn."""
    follow(settings, journal, *prepare(settings, lambda teaching: taking_turns(settings, teaching)))


def taking_turns(settings: FreezingSettings, teaching: Rule) -> Rule:
    """Return a rule that teaches only the layers whose turn it is."""
    turns = [[int(layer) - 1 for layer in turn] for turn in settings.turns]
    steps = max(settings.examples // (settings.batch * settings.cycles * len(turns)), 1)
    return in_turn(teaching, turns, steps)


def gained(runs: Runs, schedules: Sequence[str]) -> np.ndarray:
    """Return the points of test error that each of some schedules gains, (schedule, member).

    Gained over a network whose output alone learns, under feedback alignment.
    """
    return np.array([excess(runs, "fa-output", f"fa-{name}") for name in schedules])


def frozen_angles(runs: Runs) -> np.ndarray:
    """Return the angle at the end at the layer that was frozen, (which of three, member)."""
    return np.array([at(runs[f"fa-without-{k}"], f"angle-{k}") for k in (1, 2, 3)])


def learning_angles(runs: Runs) -> np.ndarray:
    """Return the angle at the end at each layer that learns beside a frozen one, (case, member)."""
    angles = [
        at(runs[f"fa-without-{frozen}"], f"angle-{layer}")
        for frozen in (1, 2, 3)
        for layer in {1, 2, 3} - {frozen}
    ]
    return np.array(angles)


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the final error of every schedule, a dot for each rule."""
    figure, axes = drawing.panels(figsize=(7, 5))
    rows = []
    for place, (schedule, (title, _)) in enumerate(SCHEDULES.items()):
        for name, shift in (("fa", 0.12), ("bp", -0.12)):
            if f"{name}-{schedule}" in runs:
                label = drawing.LOOKS[name].name if place == 0 else None
                values = at(runs[f"{name}-{schedule}"], "error")
                row = drawing.dot(axes, values, place + shift, name, label=label)
                rows.append({**row, "quantity": "error at the end", "schedule": title})
    axes.set(xlabel="test error (%)", yticks=range(len(SCHEDULES)), xscale="log")
    axes.set_yticklabels([title for title, _ in SCHEDULES.values()])
    drawing.percent_ticks(axes.xaxis)
    axes.grid(axis="y", color="0.9")
    axes.invert_yaxis()
    axes.legend()
    return figure, pd.DataFrame(rows)


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle at each hidden layer against examples, a panel for each of four schedules."""
    figure, panels = drawing.panels(2, 2, figsize=(9, 6.5), sharex=True, sharey=True)
    frames = []
    for axes, schedule in zip(
        panels.flat, ("together", "upwards", "without-2", "only-1"), strict=True
    ):
        drawn = layers(axes, runs[f"fa-{schedule}"])
        frames += [frame.assign(schedule=SCHEDULES[schedule][0]) for frame in drawn]
        axes.set(title=SCHEDULES[schedule][0])
    panels[0, 0].legend()
    for axes in panels[1]:
        axes.set(xlabel="examples")
        axes.xaxis.set_major_locator(MaxNLocator(4))
    figure.supylabel("angle to backprop's signal (degrees)")
    return figure, pd.concat(frames)


def enough(id: str, statement: str, schedules: Sequence[str]) -> Claim:
    """Return the claim that each of some schedules beats a network whose output alone learns."""
    return own_claim(
        id=id,
        statement=statement,
        measure=lambda runs: gained(runs, schedules),
        summary=SMALLEST,
        unit="points of test error, output alone minus the worst of three",
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="a point is far more than networks differ by",
        figure="freezing-error",
    )


def close(variant: str, statement: str, share: str, place: str = "ours") -> Claim:
    """Return the claim that layers that learn in turn end close to layers that learn together."""
    rule = variant.partition("-")[0]
    return own_claim(
        id=f"freezing-{variant}",
        statement=statement,
        place=place,
        measure=lambda runs: excess(runs, variant, f"{rule}-together"),
        unit="points of test error, in turn minus together",
        holds=Region(high=1.0),
        partly=Region(high=2.0),
        reason=f"a hidden layer learns from a {share} of the examples",
        figure="freezing-error",
    )


def long_turns(runs: Runs) -> np.ndarray:
    """Return how much more turns cost feedback alignment than backpropagation, (member,)."""
    fa, bp = (excess(runs, f"{name}-upwards", f"{name}-together") for name in ("fa", "bp"))
    return fa - bp


CLAIMS = [
    enough(
        "freezing-one-frozen",
        "With any one hidden layer frozen, feedback alignment does better than when the output "
        "alone learns.",
        ("without-1", "without-2", "without-3"),
    ),
    enough(
        "freezing-one-learns",
        "So it does with any two hidden layers frozen.",
        ("only-1", "only-2", "only-3"),
    ),
    close(
        "fa-hidden-upwards",
        "Under feedback alignment hidden layers in turn beside an output that always learns, the "
        "lowest first, end close to layers that learn together.",
        "third",
        ADDED,
    ),
    close(
        "fa-hidden-downwards",
        "Hidden layers in turn beside the output, the highest first, end close too.",
        "third",
        ADDED,
    ),
    close(
        "fa-upwards",
        "Under feedback alignment all layers in turn, the output too, the lowest first, end close "
        "to layers that learn together.",
        "quarter",
    ),
    close(
        "fa-downwards",
        "Under feedback alignment all layers in turn, the output first, end close.",
        "quarter",
    ),
    close(
        "fa-short",
        "Under feedback alignment all layers in turn, in short turns, end close.",
        "quarter",
        ADDED,
    ),
    close(
        "bp-upwards",
        "Under backpropagation all layers in turn, the lowest first, end close.",
        "quarter",
    ),
    close(
        "bp-downwards",
        "Under backpropagation all layers in turn, the output first, end close.",
        "quarter",
    ),
    own_claim(
        id="freezing-long-turns",
        statement="All layers in turn, in long turns, cost feedback alignment more than "
        "backpropagation, at the rates that serve them best together.",
        place=ADDED,
        measure=long_turns,
        unit="points of test error, what turns cost, FA minus BP",
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="a point is far more than networks differ by",
        figure="freezing-error",
    ),
    own_claim(
        id="freezing-frozen-angle",
        statement="At a frozen layer the signal stays at a right angle to backpropagation's.",
        measure=lambda runs: frozen_angles(runs).mean(0),
        unit="degrees at the end, mean over which layer is frozen",
        holds=Region(85.0, 95.0),
        partly=Region(80.0, 100.0),
        reason="by symmetry the mean over feedback weights is 90 exactly; there are few networks",
        figure="freezing-angle",
        decimals=1,
    ),
    own_claim(
        id="freezing-frozen-spread",
        statement="It does so in single networks, not only on average over both sides of 90.",
        place="ours, added after trials",
        measure=lambda runs: np.abs(frozen_angles(runs) - 90).mean(0),
        unit="degrees from 90 at the end, mean over which layer is frozen",
        holds=Region(high=10.0),
        partly=Region(high=20.0),
        reason="random signals of 200 units stand some four degrees from a right angle",
        figure="freezing-angle",
        decimals=1,
    ),
    own_claim(
        id="freezing-learning-angle",
        statement="At the layers that learn the signal turns, whichever layer is frozen.",
        measure=learning_angles,
        summary=LARGEST,
        unit="degrees at the end, largest of six",
        holds=Region(high=80.0),
        partly=Region(high=90.0),
        reason="below the 90 degrees of a random signal",
        figure="freezing-angle",
        decimals=1,
    ),
    own_claim(
        id="freezing-through-frozen",
        statement="The signal turns at hidden layer 1 with both layers above it frozen.",
        measure=lambda runs: at(runs["fa-only-1"], "angle-1"),
        unit="degrees at the end",
        holds=Region(high=75.0),
        partly=Region(high=85.0),
        reason="clearly below 90; a linear argument gives 55 at best",
        figure="freezing-angle",
        decimals=1,
    ),
]

STUDY = Study(
    name="freezing",
    title="Frozen layers, and layers that learn in turn",
    paper="lillicrap2014",
    settings=FreezingSettings,
    tiers={
        "smoke": {"images": "digits", "members": 3, "examples": 400, "marks": 4},
        "quick": {
            "images": "digits",
            "hidden": (100, 100, 100),
            "members": 3,
            "examples": 9600,
            "marks": 8,
        },
        "paper": {},
    },
    variants={
        **{
            f"fa-{schedule}": {"rule": "fa", "rate": 0.0025, "turns": turns}
            for schedule, (_, turns) in SCHEDULES.items()
        },
        "fa-short": {"rule": "fa", "rate": 0.0025, "turns": SCHEDULES["short"][1], "cycles": SHORT},
        **{
            f"bp-{schedule}": {"rule": "bp", "turns": SCHEDULES[schedule][1]}
            for schedule in COMPARED
        },
    },
    run=run,
    claims=CLAIMS,
    learnt=gone("error"),
    figures=[
        Figure(
            id="freezing-error",
            title="Frozen layers, and layers that learn in turn",
            alt="Test error in per cent at the end on a log axis, a row for each of 13 choices of "
            "the layers that learn and when; a square for feedback alignment and, in six rows, a "
            "circle for backpropagation, with bars.",
            caption="Test error at the end of networks with hidden layers 1, 2 and 3 and an "
            "output, which is never frozen but has a turn of its own where all layers learn in "
            "turn. Mean and 95 % interval over networks.",
            look="To see: how far a square is to the right of the one in the first row, and of "
            "the circle in its own. If layers had to learn together, each row with a frozen layer "
            "or with turns would be far to the right.",
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
            "backpropagation at each hidden layer. In turn, marks fall at the end of layer 2's "
            "turn and of the output's. Mean and 95 % interval over "
            "networks.",
            look="To see: the curves of frozen layers beside those of layers that learn. If a "
            "layer's signal turned whether or not that layer learns, all of them would fall alike.",
            place="Ours, after Lillicrap et al. 2016",
            draw=draw_angle,
        ),
    ],
)
