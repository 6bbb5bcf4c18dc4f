"""Xiao et al. 2018, Fig 1: AlexNet under three rules, beside ResNet-18, on photographs.

Claim: what holds for ResNet-18 holds for AlexNet, too: sign-symmetry comes close to
backpropagation, and feedback alignment does not. Here AlexNet has half of its width and batch
normalisation before each ReLU, as in the official code, and learns Tiny ImageNet for as many
epochs as the ResNet-18 of the study signs-tiny.
"""

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.long_runs import LONG_RUNS
from bioprop.studies.study import (
    STRICT,
    Claim,
    Figure,
    Positive,
    Region,
    Runs,
    Study,
    gone,
)
from bioprop.studies.summaries import SMALLEST
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    BEHIND,
    CAPTION,
    DIGITS,
    SMOKE,
    UNIT,
    OpenSettings,
    error_band,
    excess,
    photographs,
    run,
)

HOME = "signs-tiny"
NAMES = ("bp", "ss", "fa")


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AlexNetSettings(OpenSettings):
    """Settings of AlexNet on all classes."""

    rate: Positive = 0.1  # ours: half of the best of rules-rates for each rule


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw top-1 error over epochs, of AlexNet and, where that is recorded, of ResNet-18."""
    homes = {"AlexNet": "", "ResNet-18": f"{HOME}/"}
    there = {net: home for net, home in homes.items() if all(f"{home}{n}" in runs for n in NAMES)}
    size = (5 * len(there), 4)
    figure, panels = drawing.panels(1, len(there), figsize=size, sharey=True, squeeze=False)
    frames = []
    for axes, (network, home) in zip(panels[0], there.items(), strict=True):
        for name in NAMES:
            frame = error_band(axes, runs[f"{home}{name}"], "error", name)
            frames.append(frame.assign(network=network))
        axes.set(xlabel="epochs", title=network, ylim=(0, 100))
    panels[0, 0].set(ylabel="top-1 test error (%)")
    panels[0, 0].legend()
    return figure, pd.concat(frames)


def order(runs: Runs) -> np.ndarray:
    """Return the two gaps between neighbours, by seed: from backpropagation up to the last rule."""
    return np.array([excess(runs, "ss", "bp"), excess(runs, "fa", "ss")])


CLAIMS = [
    Claim(
        id="alexnet-order",
        statement="In AlexNet backpropagation ends lowest, then sign-symmetry, then "
        "feedback alignment.",
        place=CAPTION,
        measure=order,
        summary=SMALLEST,
        unit=f"{UNIT} from one rule to the next, the smaller one",
        holds=Region(low=0.0),
        reason="an order is one where both differences have the same sign",
        figure="alexnet-error",
        decimals=1,
        applies=photographs,
    ),
    Claim(
        id="alexnet-ss-close",
        statement="In AlexNet sign-symmetry's top-1 error is within 8 points of backpropagation's.",
        place=CAPTION,
        measure=lambda runs: excess(runs, "ss", "bp"),
        unit=f"{UNIT}, sign-symmetry minus backpropagation",
        holds=Region(high=8.0),
        reason="two points more than in ResNet-18, as sizes differ more from one of its layers to "
        "the next",
        figure="alexnet-error",
        decimals=1,
        applies=photographs,
    ),
    Claim(
        id="alexnet-fa-behind",
        statement="In AlexNet feedback alignment is more than 15 points behind backpropagation.",
        place=BEHIND,
        measure=lambda runs: excess(runs, "fa", "bp"),
        unit=f"{UNIT}, feedback alignment minus backpropagation",
        holds=Region(low=15.0),
        reason="as for ResNet-18",
        figure="alexnet-error",
        decimals=1,
        applies=photographs,
        unlearnt="a network that learns nothing under the rule is as far behind as can be",
        idle=("fa",),
    ),
]

STUDY = Study(
    name="alexnet-tiny",
    title="AlexNet under three rules on photographs",
    paper="xiao2018",
    settings=AlexNetSettings,
    tiers={
        "smoke": SMOKE,
        "quick": DIGITS | {"width": 4, "epochs": 8, "batch": 64, "members": 1},
        "reduced": {},  # half the width, smaller photographs, fewer epochs than the paper
    },
    variants={
        name: {
            "network": "alexnet",
            "rule": name,
            "rate": rules_rates.RATES[f"alexnet-{name}"] * LONG_RUNS,
        }
        for name in NAMES
    },
    cost={"reduced": 1700.0},  # processor time, from some batches on a busy core
    run=run,
    **rules_rates.after("alexnet-bp", "alexnet-ss", "alexnet-fa"),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id="alexnet-error",
            title="AlexNet and ResNet-18 under three rules",
            alt="Two panels, AlexNet and ResNet-18: top-1 test error in per cent against epochs, a "
            "line with a band for backpropagation, sign-symmetry and feedback alignment in each.",
            caption="Test error on Tiny ImageNet of networks of half the width, mean and 95 % "
            "interval over networks; each rule at half the learning rate that served it best "
            "in short runs, on held-out training images.",
            look="To see: whether the curves have one order in both networks, and how far sign- "
            "symmetry ends from backpropagation in each. If its success hung on the shape of "
            "ResNet-18, AlexNet would show it.",
            place="Fig 1, which has ImageNet; its numbers were not seen",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
