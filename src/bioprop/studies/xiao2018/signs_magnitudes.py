"""Other sizes, and other rules, beside sign-symmetry on photographs.

Xiao et al. 2018 have feedback weights of one size; their code also has sizes drawn at random, and
benchmarks of others draw them for each batch. Beside them here: the sizes of the weights without
their signs, direct feedback alignment, and Kolen-Pollack, whose feedback weights learn.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import Claim, Figure, Region, Runs, Study, gone
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    MORE,
    QUARTER_TIERS,
    QuarterSettings,
    excess,
    photographs,
    rows_of_dots,
    run,
)

HOME = "signs-worth"  # has backpropagation, sign-symmetry and feedback alignment at equal settings
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **rules_rates.found("ss-fixed", "ss-redrawn", members=MORE),
    **rules_rates.found("sizes", "dfa", "kp"),
}
ROWS = [f"{HOME}/bp", "kp", f"{HOME}/ss", "ss-fixed", "ss-redrawn", "sizes", "dfa", f"{HOME}/fa"]


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end, a row for each rule."""
    figure, axes = drawing.panels(figsize=(8, 4))
    rows = [(name, drawing.LOOKS[name.rpartition("/")[2]].name) for name in ROWS]
    drawn = rows_of_dots(axes, runs, rows)
    axes.set(xlabel="top-1 test error (%)", xlim=(0, 100))
    return figure, drawn


def beside_home(
    id: str, statement: str, unit: str, measure: Callable[[Runs], np.ndarray], holds: Region,
    reason: str, place: str = "ours", **more: Any,
) -> Claim:  # fmt: skip
    """Return a claim about this study's runs beside those of its home."""
    return Claim(
        id=f"magnitudes-{id}",
        statement=statement,
        place=place,
        origin="ours",
        measure=measure,
        unit=f"points of top-1 error, {unit}",
        holds=holds,
        reason=reason,
        figure="magnitudes-error",
        decimals=1,
        applies=photographs,
        beside=HOME,
        **more,
    )


OPTION = "official code: an option, without a number; Sanfiz & Akrout 2021: 1.5 points on ImageNet"
REDRAWN = "not in the official code; Sanfiz & Akrout 2021: 2.2 points on ImageNet"
CLAIMS = [
    *(
        beside_home(
            id,
            f"Sizes that are {words} do as well as equal ones.",
            f"sizes {words} minus equal sizes",
            lambda runs, name=name: excess(runs, name, f"{HOME}/ss"),  # type: ignore[misc]
            Region(-3.0, 3.0),
            "three times the sampling error of 2500 test images",
            place=place,
        )
        for id, name, words, place in (
            ("fixed", "ss-fixed", "random and fixed", OPTION),
            ("redrawn", "ss-redrawn", "drawn for each batch", REDRAWN),
        )
    ),
    beside_home(
        "sizes",
        "The sizes of the weights without their signs are worth little: such a network ends nearer "
        "to feedback alignment than to sign-symmetry.",
        "what it gains on feedback alignment minus what it loses to sign-symmetry",
        lambda runs: excess(runs, f"{HOME}/fa", "sizes") - excess(runs, "sizes", f"{HOME}/ss"),
        Region(high=0.0),
        "nearer to the one means a smaller difference from it than from the other",
        unlearnt="that feedback without signs teaches next to nothing is what is said of it",
    ),
    beside_home(
        "kp",
        "Kolen-Pollack ends no more than 6 points above backpropagation.",
        "Kolen-Pollack minus backpropagation",
        lambda runs: excess(runs, "kp", f"{HOME}/bp"),
        Region(high=6.0),
        "as much as sign-symmetry is allowed on all classes",
    ),
    beside_home(
        "dfa",
        "Direct feedback alignment ends more than 15 points above backpropagation.",
        "direct feedback alignment minus backpropagation",
        lambda runs: excess(runs, "dfa", f"{HOME}/bp"),
        Region(low=15.0),
        "as much as feedback alignment is behind on all classes",
        unlearnt="a network that learns nothing under the rule is as far behind as can be",
    ),
]

STUDY = Study(
    name="signs-magnitudes",
    title="Other sizes and other rules beside sign-symmetry",
    paper="xiao2018",
    settings=QuarterSettings,
    tiers=QUARTER_TIERS,
    variants=VARIANTS,
    cost={"reduced": 330.0},  # processor time, as in the study signs-rates
    run=run,
    **rules_rates.after(*VARIANTS),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id="magnitudes-error",
            title="Sizes, signs, both, or neither, on photographs",
            alt="A row for each of backpropagation, Kolen-Pollack, sign-symmetry with equal sizes, "
            "with random ones and with sizes drawn for each batch, sizes without signs, direct "
            "feedback alignment and feedback alignment; along it the top-1 test error in per cent "
            "as a mark with an interval.",
            caption="Top-1 error at the end of ResNet-18 of half the width on a quarter of the "
            "classes, mean and 95 % interval over networks.",
            look="To see: which rows lie with backpropagation and which with feedback alignment. "
            "If sizes counted as signs do, sizes without signs would lie with sign-symmetry.",
            place="ours; the official code has the random sizes as an option",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
