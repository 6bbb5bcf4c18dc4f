"""Do long turns cost feedback alignment more than backpropagation at rates of their own?

The study freezing has one rate for each rule, chosen for layers that learn together. Here each rule
and each schedule has the rate that serves it best, of one grid for all, chosen on images that were
held out. Claim (ours): layers that learn alone for long still cost feedback alignment more.
"""

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.lillicrap2014.freezing import SCHEDULES
from bioprop.studies.lillicrap2014.mnist_grid import (
    QUICK,
    SMOKE,
    along_rates,
    at_best,
    best_learn,
    rate_axes,
)
from bioprop.studies.lillicrap2014.output_frozen import TurnGridSettings, run
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

COMPARED = ("together", "upwards", "downwards")


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FreezingRateSettings(TurnGridSettings):
    """Settings of the study freezing, on a grid of rates."""

    rates: Some[Positive] = (0.000625, 0.00125, 0.0025, 0.005, 0.01)  # ours: 0.0025 and 0.005 there
    examples: Count = 600_000  # ours: as in the study freezing
    marks: Count = 20  # ours: as in the study freezing
    members: MemberCount = 5  # ours: differences of half a point and more matter here


def cost(runs: Runs, rule: str, schedule: str) -> np.ndarray:
    """Return the points of test error that turns cost a rule, (seed,), each at its best rate."""
    return at_best(runs[f"{rule}-{schedule}"], "error") - at_best(runs[f"{rule}-together"], "error")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error against the rate, a panel for each schedule."""
    figure, panels = drawing.panels(1, len(COMPARED), figsize=(11, 4), sharey=True)
    frames = []
    for axes, schedule in zip(panels, COMPARED, strict=True):
        for rule in ("bp", "fa"):
            drawn = along_rates(axes, runs[f"{rule}-{schedule}"], rule)
            frames.append(drawn.assign(rule=rule, schedule=SCHEDULES[schedule][0]))
        rate_axes(axes, runs["bp-together"].settings.rates)
        axes.set_title(SCHEDULES[schedule][0])
    for axes in panels[1:]:
        axes.set(ylabel="")
    panels[0].set(ylim=(1.5, 110))
    panels[-1].legend()
    return figure, pd.concat(frames)


def costs_more(schedule: str, order: str) -> Claim:
    """Return the claim that turns cost feedback alignment more than backpropagation."""
    return own_claim(
        id=f"freezing-rates-{schedule}",
        statement=f"All layers in long turns, {order}, cost feedback alignment more than "
        "backpropagation, each at a rate of its own.",
        measure=lambda runs: cost(runs, "fa", schedule) - cost(runs, "bp", schedule),
        unit="points of test error, what turns cost, FA minus BP",
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="a point is far more than networks differ by",
        figure="freezing-rates",
    )


STUDY = Study(
    name="freezing-rates",
    title="Layers that learn in long turns, each at its own rate",
    paper="lillicrap2014",
    settings=FreezingRateSettings,
    tiers={
        "smoke": SMOKE | {"examples": 800},
        "quick": QUICK | {"rates": (0.0025, 0.01), "members": 3, "examples": 9600, "marks": 8},
        "paper": {},
    },
    variants={
        f"{rule}-{schedule}": {"rule": rule, "turns": SCHEDULES[schedule][1]}
        for rule in ("bp", "fa")
        for schedule in COMPARED
    },
    run=run,
    learnt=best_learn,
    cost={"paper": 90.0},  # all rates; estimated, from some batches on a busy core
    claims=[costs_more("upwards", "the lowest first"), costs_more("downwards", "the output first")],
    figures=[
        Figure(
            id="freezing-rates",
            title="Layers that learn in long turns, at every rate",
            alt="Three panels, all layers together, in turn upwards, in turn downwards: error in "
            "per cent on held-out images against the learning rate, both on log axes, a line for "
            "backpropagation and for feedback alignment; a ring marks the lowest of each.",
            caption="Error on held-out training images of three hidden layers that learn together "
            "or in long turns, mean over the last marks and over networks. A ring marks the rate "
            "at which the rules are compared on test images; a point that is missing diverged.",
            look="To see: whether the rings lie inside the rates tried, and how wide the gap "
            "between the rules is in turns, beside that of layers that learn together. If the rate "
            "made the difference, it would close at some rate.",
            place="Ours: a control",
            draw=draw,
        )
    ],
)
