"""Xiao et al. 2018: does it matter whether backpropagation teaches the last layer?

Claim: to sign-symmetry it makes no difference, whereas feedback alignment does better with it. The
code of the paper has backpropagation there unless it is told otherwise. A ResNet-18 of half the
width learns all classes of Tiny ImageNet, an AlexNet of half the width a quarter of them.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import (
    STRICT,
    Claim,
    Figure,
    Positive,
    Region,
    Runs,
    Study,
    at,
    gone,
)
from bioprop.studies.xiao2018 import rules_rates, signs_tiny
from bioprop.studies.xiao2018.networks import (
    DIGITS,
    MORE,
    SMOKE,
    OpenSettings,
    excess,
    photographs,
    run,
)

HOME = "signs-tiny"  # has the rule in every layer of ResNet-18, at equal settings
QUARTER = {"every": 4, "epochs": 8, "members": MORE}  # AlexNet: 50 of the 200 classes, for time


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LastSettings(OpenSettings):
    """Settings of the comparison of what teaches the last layer."""

    rate: Positive = 0.2  # ours: from signs-rates and rules-rates, halved for all classes


def alexnet(rule: str, last: str, own: str = "") -> dict[str, Any]:
    """Return the settings of an AlexNet at the rate of its rule, or at one of its ``own``."""
    rate = rules_rates.RATES[f"alexnet-{rule}{own}"]
    return {**QUARTER, "network": "alexnet", "rule": rule, "last": last, "rate": rate}


# Rules of which AlexNet wants another rate with backpropagation in the last layer.
OWN = [rule for rule in ("ss", "fa") if alexnet(rule, "bp") != alexnet(rule, "bp", "-bp")]


def own(rule: str) -> str:
    """Return the AlexNet with backpropagation in the last layer at the rate that serves it best."""
    return f"alexnet-{rule}-bp-own" if rule in OWN else f"alexnet-{rule}-bp"


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **{
        f"resnet-{rule}-bp": {"rule": rule, "last": "bp", "rate": signs_tiny.RATES[rule]}
        for rule in ("ss", "fa")
    },
    **{
        f"alexnet-{rule}{ending}": alexnet(rule, last)
        for rule in ("ss", "fa")
        for ending, last in (("", "rule"), ("-bp", "bp"))
    },
    **{own(rule): alexnet(rule, "bp", "-bp") for rule in OWN},
}
# Rows of the picture: label, the variant with the rule in all layers, the look of the two.
ROWS = {
    "ResNet-18": {"ss": f"{HOME}/ss", "fa": f"{HOME}/fa"},
    "AlexNet": {"ss": "alexnet-ss", "fa": "alexnet-fa"},
}


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end, a pair of marks for each rule, a panel for each network."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 2.8), sharey=True)
    rows = []
    for axes, (network, rules) in zip(panels, ROWS.items(), strict=True):
        for place, (rule, whole) in enumerate(rules.items()):
            part = f"{network.lower().removesuffix('-18')}-{rule}-bp"
            marks = [(whole, -0.12, "s", None), (part, 0.12, "s", "white")]
            if network == "AlexNet" and rule in OWN:
                marks += [(own(rule), 0.24, "D", "white")]
            for name, shift, shape, face in marks:
                if name in runs and runs[name].settings.images == runs[part].settings.images:
                    errors = at(runs[name], "error")
                    options: dict[str, Any] = {"label": None, "fmt": shape, "mfc": face}
                    drawn = drawing.dot(axes, errors, place + shift, rule, **options)
                    rows.append(drawn | {"network": network, "variant": name})
        axes.set(xlabel="top-1 test error (%)", title=network)
    panels[0].set(yticks=(0, 1), ylim=(1.5, -0.5))
    panels[0].set_yticklabels([drawing.LOOKS[rule].name for rule in ("ss", "fa")])
    legend = [("s", None, "the rule in the last layer"), ("s", "white", "backpropagation there")]
    legend += [("D", "white", "the same at its own best rate")] if OWN else []
    for shape, face, words in legend:
        panels[0].plot([], [], shape, color="0.5", mfc=face, label=words)
    panels[0].legend(loc="lower left")
    return figure, pd.DataFrame(rows)


UNIT = "points of top-1 error, backpropagation in the last layer minus the rule in it"
UNLEARNT = "feedback alignment that learns next to nothing is the case that the claim is about"


def claim(network: str, rule: str, whole: str, part: str = "", each: str = "") -> Claim:
    """Return the claim about one rule in one network; ``whole`` has the rule in all layers.

    ``each`` says of ``part``, with backpropagation in the last layer, at which rate it is.
    """
    part = part or f"{network}-{rule}-bp"
    words = {"resnet": "ResNet-18", "alexnet": "AlexNet"}[network]
    same = rule == "ss"
    return Claim(
        id=f"last-{rule}-{network}" + ("-own" if each else ""),
        statement=f"{words}{each}: backpropagation in the last layer changes the error of "
        "sign-symmetry by less than 2 points."
        if same
        else f"{words}{each}: backpropagation in the last layer lowers the error of feedback "
        "alignment by more than 2 points.",
        place="text, known from notes on the paper alone; its numbers were not seen",
        measure=lambda runs: excess(runs, part, whole),
        unit=UNIT,
        holds=Region(-2.0, 2.0) if same else Region(high=-2.0),
        reason="two points are small beside what the rules differ by, and twice the sampling error "
        "on a quarter of the classes",
        figure="last-layer-error",
        decimals=1,
        applies=photographs,
        beside=HOME if network == "resnet" else None,
        unlearnt=None if same else UNLEARNT,
    )


CLAIMS = [
    claim("resnet", "ss", f"{HOME}/ss"),
    claim("resnet", "fa", f"{HOME}/fa"),
    claim("alexnet", "ss", "alexnet-ss"),
    claim("alexnet", "fa", "alexnet-fa"),
    *(
        claim("alexnet", rule, f"alexnet-{rule}", own(rule), ", each at its own best rate")
        for rule in ("ss", "fa")
    ),
]

STUDY = Study(
    name="last-layer",
    title="The last layer, by backpropagation or by the rule",
    paper="xiao2018",
    settings=LastSettings,
    tiers={
        "smoke": SMOKE | {"members": 3},
        "quick": DIGITS | {"width": 4, "epochs": 5, "batch": 64, "members": 1},
        "reduced": {},
    },
    variants=VARIANTS,
    # processor time: ResNet-18 on all classes, AlexNet on a quarter of them
    cost={"reduced": {name: 3300.0 if "resnet" in name else 180.0 for name in VARIANTS}},
    run=run,
    **rules_rates.after("alexnet-ss", "alexnet-fa", "alexnet-ss-bp", "alexnet-fa-bp"),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id="last-layer-error",
            title="Who teaches the last layer",
            alt="Two panels, ResNet-18 and AlexNet; in each a row for sign-symmetry and one for "
            "feedback alignment with the top-1 test error in per cent, a filled mark with an "
            "interval for the rule in the last layer and an open one for backpropagation there.",
            caption="Top-1 error at the end, mean and 95 % interval over networks of half the "
            "width: ResNet-18 on all classes, AlexNet on a quarter of them. Filled: the rule in "
            "all layers. Open: backpropagation in the last one. Numbers of the two networks are "
            "not comparable.",
            look="To see: how far the open mark lies to the left of the filled one, in each row. "
            "If the last layer were what holds a rule back, they would lie far apart.",
            place="ours; the paper reports the comparison, and its numbers were not seen",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
