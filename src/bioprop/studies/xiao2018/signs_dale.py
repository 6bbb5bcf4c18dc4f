"""Dale's law: where all weights that leave a unit have one sign, signs need no transport at all.

An idea of ours, not of the paper: a unit either excites or inhibits, so the signs of the weights
are fixed for good, and feedback weights that share them are, too. What does the law cost, and does
sign-symmetry still come close to backpropagation under it?
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
VARIANTS = rules_rates.found("bp-dale", "ss-dale")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end with and without the law."""
    figure, axes = drawing.panels(figsize=(8, 2.8))
    names = (f"{HOME}/bp", "bp-dale", f"{HOME}/ss", "ss-dale")
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
    after="rules-rates",
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=[
        Figure(
            id="dale-error",
            title="Units of one sign",
            alt="Four rows: backpropagation without and with Dale's law, sign-symmetry without and "
            "with it; along each the top-1 test error in per cent as a mark with an interval.",
            caption="Top-1 error at the end of ResNet-18 of half the width on a quarter of the "
            "classes, mean and 95 % interval over networks. Under the law every other channel "
            "excites and the rest inhibit, and a weight that would cross zero stays at its edge; "
            "the layer that reads the image is free.",
            look="To see: how far each rule's mark moves to the right under the law. If the law "
            "suited sign-symmetry, whose signs it fixes, its two marks would be the closer ones.",
            place="ours",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
