"""Dale's law: where all weights that leave a unit have one sign, which one is known for good.

An idea of ours, not of the paper: a unit either excites or inhibits, so the signs of the weights
are fixed, and what feedback has to be told at each batch is which connections are there. What does
the law cost, and does sign-symmetry still come close to backpropagation under it? Feedback that was
told at the start alone, and feedback alignment under the law, which is told nothing, are the
controls.
"""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import Figure, Region, Runs, Study, gone, own_claim, rows_at
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    MORE,
    QUARTER_TIERS,
    UNIT,
    QuarterSettings,
    excess,
    photographs,
    rows_of_dots,
    run,
)

HOME = "signs-worth"  # has the same rules without the law
VARIANTS = {
    **rules_rates.found("bp-dale", "ss-dale", "once-dale", members=MORE),
    **rules_rates.found("fa-dale"),
}
ROWS = (f"{HOME}/bp", "bp-dale", f"{HOME}/ss", "ss-dale", "once-dale", f"{HOME}/fa", "fa-dale")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end with and without the law."""
    figure, axes = drawing.panels(figsize=(8, 3.6))
    drawn = rows_of_dots(axes, runs, [(n, drawing.LOOKS[n.rpartition("/")[2]].name) for n in ROWS])
    axes.set(xlabel="top-1 test error (%)", xlim=(0, 100))
    return figure, drawn


def zeros(runs: Runs, percent: float) -> float:
    """Return the per cent of the weights that are zero under sign-symmetry and the law, a mean."""
    return float(rows_at(runs["ss-dale"], percent)["zeros"].mean())


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
        reason="feedback alignment, which transports nothing, was some 26 points behind in a trial",
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
    own_claim(
        id="dale-once",
        statement="Under the law it is not enough to look up at the start which weights are there: "
        "the error is more than 2 points higher.",
        measure=lambda runs: excess(runs, "once-dale", "ss-dale"),
        unit=f"{UNIT}, looked up at the start alone minus at every batch, both under the law",
        holds=Region(low=2.0),
        partly=Region(low=0.0),
        reason="if it were, nothing would have to be transported; two points are twice the "
        "sampling error of 2500 test images",
        figure="dale-error",
        decimals=1,
        applies=photographs,
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
            alt="Seven rows: backpropagation without and with Dale's law, sign-symmetry without "
            "and with it and with the signs of the start, and feedback alignment likewise; along "
            "each the top-1 test error in per cent as a mark with an interval.",
            caption="Top-1 error at the end of ResNet-18 of half the width on a quarter of the "
            "classes, mean and 95 % interval over networks. Under the law every other channel "
            "excites and the rest inhibit, and a weight that would cross zero stays at zero, as "
            "does a gain of batch normalisation; the layer that reads the image is free.",
            look="To see: how far each rule's mark moves to the right under the law. If the law "
            "suited sign-symmetry, whose signs it fixes, its two marks would be the closer ones.",
            place="ours",
            draw=draw,
            beside=(HOME,),
            numbers={
                f"zeros {when}": partial(zeros, percent=percent)
                for when, percent in (("start", 0.0), ("end", 100.0))
            },
        )
    ],
)
