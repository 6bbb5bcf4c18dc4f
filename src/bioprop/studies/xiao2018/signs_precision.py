"""Do products of bfloat16 lead to the same errors as float32, in ResNet-18 on photographs?

The other studies of photographs make products of bfloat16, which a processor with AMX makes twice
as fast. Here backpropagation and sign-symmetry learn a quarter of the classes of Tiny ImageNet in
either precision, in short runs: factors of products are rounded, weights and sums are float32.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Region,
    Runs,
    Study,
    at,
    gone,
    own_claim,
)
from bioprop.studies.xiao2018.networks import (
    DIGITS,
    SMOKE,
    QuarterSettings,
    excess,
    photographs,
    run,
)
from bioprop.studies.xiao2018.signs_rates import FOUND

NAME = "signs-precision"
RULES = ("bp", "ss")
PRECISIONS = {"float32": None, "bfloat16": "white"}  # and how their marks are filled
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{rule}-{precision}": {"rule": rule, "rate": FOUND[rule], "precision": precision}
    for rule in RULES
    for precision in PRECISIONS
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class PrecisionSettings(QuarterSettings):
    """Settings of the comparison of two precisions."""

    epochs: Count = 4  # ours: enough for both rules to be far from the start
    members: MemberCount = 5  # ours: the claim is a small difference


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end, a row a rule, a mark for each precision."""
    figure, axes = drawing.panels(figsize=(8, 2.4))
    rows = []
    for place, rule in enumerate(RULES):
        for shift, (precision, face) in zip((-0.12, 0.12), PRECISIONS.items(), strict=True):
            errors = at(runs[f"{rule}-{precision}"], "error")
            drawn = drawing.dot(axes, errors, place + shift, rule, label=None, mfc=face)
            rows.append({**drawn, "precision": precision})
    for precision, face in PRECISIONS.items():
        axes.plot([], [], "s", color="0.5", mfc=face, label=precision)
    axes.set(xlabel="top-1 test error (%)", yticks=range(len(RULES)), ylim=(1.5, -0.5))
    axes.set_yticklabels([drawing.LOOKS[rule].name for rule in RULES])
    axes.legend()
    return figure, pd.DataFrame(rows)


STUDY = Study(
    name=NAME,
    title="Products of bfloat16 on photographs",
    paper="xiao2018",
    settings=PrecisionSettings,
    tiers={
        "smoke": SMOKE | {"members": 3},
        "quick": DIGITS | {"width": 4, "epochs": 5, "batch": 64, "members": 1},
        "reduced": {},
    },
    variants=VARIANTS,
    run=run,
    kept=("precision",),
    after="signs-rates",
    cost={"reduced": 320.0},  # processor time of float32, twice that of bfloat16
    claims=[
        own_claim(
            id=f"{NAME}-{rule}",
            statement=f"{drawing.LOOKS[rule].name.capitalize()}: products of bfloat16 lead to the "
            "same error as float32, within three points.",
            measure=partial(excess, variant=f"{rule}-bfloat16", reference=f"{rule}-float32"),
            unit="points of top-1 test error at the end, bfloat16 minus float32",
            holds=Region(-3.0, 3.0),
            reason="half of what sign-symmetry may lose to count as close to backpropagation",
            figure=NAME,
            decimals=1,
            applies=photographs,
        )
        for rule in RULES
    ],
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id=NAME,
            title="Products of bfloat16 beside float32, photographs",
            alt="A row for each of backpropagation and sign-symmetry; along it the top-1 test "
            "error in per cent, a filled mark with an interval for float32 and an open one for "
            "bfloat16.",
            caption="Top-1 test error of ResNet-18 of half the width on a quarter of the classes "
            "of Tiny ImageNet after a short run, mean and 95 % interval over networks. Filled: "
            "float32. Open: products of bfloat16.",
            look="To see: whether the open mark of a row lies within the interval of the filled "
            "one. If shorter products cost anything, it would lie to the right of it.",
            place="ours",
            draw=draw,
        )
    ],
)
