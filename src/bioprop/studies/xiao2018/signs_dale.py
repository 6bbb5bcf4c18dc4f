"""Dale's law: where all weights that leave a unit have one sign, signs need no transport at all.

An idea of ours, not of the paper: a unit either excites or inhibits, so the signs of the weights
are fixed for good, and what feedback follows is which connections are there. What does the law
cost, and does sign-symmetry still come close to backpropagation under it? Feedback alignment under
the law, whose feedback follows nothing, is the control.
"""

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import Figure, Region, Runs, Study, gone, own_claim
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    QUARTER_TIERS,
    UNIT,
    QuarterSettings,
    excess,
    photographs,
    rows_of_dots,
    run,
)

HOME = "signs-worth"  # has the same rules without the law
VARIANTS = rules_rates.found("bp-dale", "ss-dale", "fa-dale")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end with and without the law."""
    figure, axes = drawing.panels(figsize=(8, 3.6))
    names = (f"{HOME}/bp", "bp-dale", f"{HOME}/ss", "ss-dale", f"{HOME}/fa", "fa-dale")
    drawn = rows_of_dots(axes, runs, [(n, drawing.LOOKS[n.rpartition("/")[2]].name) for n in names])
    axes.set(xlabel="top-1 test error (%)", xlim=(0, 100))
    return figure, drawn


CLAIMS = [
    own_claim(
        id="dale-close",
        statement="Under Dale's law sign-symmetry ends within 6 points of backpropagation under "
        "the same law.",
        measure=lambda runs: excess(runs, "ss-dale", "bp-dale"),
        unit=f"{UNIT}, sign-symmetry minus backpropagation, both under the law",
        holds=Region(high=6.0),
        reason="as much as it may lose without the law, on all classes",
        figure="dale-error",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="dale-cost",
        statement="The law costs sign-symmetry less than 10 points.",
        measure=lambda runs: excess(runs, "ss-dale", f"{HOME}/ss"),
        unit=f"{UNIT}, with the law minus without it",
        holds=Region(high=10.0),
        reason="feedback alignment, the other rule that transports nothing, was some 26 points "
        "behind in a trial",
        figure="dale-error",
        decimals=1,
        applies=photographs,
        beside=HOME,
    ),
    own_claim(
        id="dale-signs",
        statement="Under the law sign-symmetry ends more than 10 points below feedback alignment.",
        measure=lambda runs: excess(runs, "ss-dale", "fa-dale"),
        unit=f"{UNIT}, sign-symmetry minus feedback alignment, both under the law",
        holds=Region(high=-10.0),
        reason="feedback that follows nothing is what it has to beat; ten points are a third of "
        "what the two differ by without the law",
        figure="dale-error",
        decimals=1,
        applies=photographs,
        idle=("fa-dale",),
        unlearnt="that feedback alignment hardly learns photographs is part of it",
    ),
]

STUDY = Study(
    name="signs-dale",
    title="Sign-symmetry under Dale's law",
    paper="xiao2018",
    settings=QuarterSettings,
    tiers=QUARTER_TIERS,
    variants=VARIANTS,
    cost={"reduced": 340.0},  # processor time, as in the study signs-rates
    run=run,
    **rules_rates.after(*VARIANTS),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id="dale-error",
            title="Units of one sign",
            alt="Six rows: backpropagation without and with Dale's law, sign-symmetry without and "
            "with it, and feedback alignment likewise; along each the top-1 test error in per cent "
            "as a mark with an interval.",
            caption="Top-1 error at the end of ResNet-18 of half the width on a quarter of the "
            "classes, mean and 95 % interval over networks. Under the law every other channel "
            "excites and the rest inhibit, and a weight that would cross zero stays at zero, as "
            "does a gain of batch normalisation; the layer that reads the image is free.",
            look="To see: how far each rule's mark moves to the right under the law. If the law "
            "suited sign-symmetry, whose signs it fixes, its two marks would be the closer ones.",
            place="ours",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
