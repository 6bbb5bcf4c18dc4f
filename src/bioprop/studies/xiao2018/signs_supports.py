"""Does sign-symmetry need batch normalisation, or Batch-Manhattan?

Liao et al. 2016 found one or the other indispensable, and the code of Xiao et al. 2018 carries
both. Here sign-symmetry learns a quarter of the classes of Tiny ImageNet with either, with both and
with neither, each at the learning rate that served it best on held-out images. Backpropagation
without normalisation, with Batch-Manhattan and without, is the control: a deep network without
normalisation is hard to train by any rule, and steps of one size may help any.
"""

import numpy as np
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
    error_band,
    excess,
    photographs,
    rows_of_dots,
    run,
)

HOME = "signs-worth"  # its sign-symmetry has batch normalisation alone
NAMES = ("both", "manhattan", "neither", "bp-manhattan", "bp-neither")
VARIANTS = rules_rates.found(*NAMES, members=MORE)
LEARNT = gone("error", 0.05)


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error over epochs, and at the end beside sign-symmetry with normalisation alone."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(11, 4), width_ratios=(3, 4))
    frames = [error_band(left, runs[name], "error", name) for name in VARIANTS]
    left.set(xlabel="epochs", ylabel="top-1 test error (%)", ylim=(0, 100))
    left.legend()
    rows = [(f"{HOME}/bp", "backpropagation,\nbatch normalisation")]
    rows += [(f"{HOME}/ss", "batch normalisation")]
    rows += [(name, drawing.LOOKS[name].name.replace(" and ", "\nand ")) for name in VARIANTS]
    frames.append(rows_of_dots(right, runs, rows))
    right.set(xlabel="top-1 test error at the end (%)", xlim=(0, 100))
    return figure, pd.concat(frames)


def cost_without(runs: Runs) -> np.ndarray:
    """Return by how many points the best of the two without normalisation ends above with it.

    The best by its mean: a choice between two, made once for all seeds.
    """
    each = [excess(runs, name, f"{HOME}/ss") for name in ("manhattan", "neither")]
    return min(each, key=lambda values: float(np.nan_to_num(values.mean(), nan=np.inf)))


def more_than_backpropagation(runs: Runs) -> np.ndarray:
    """Return by how many points more than backpropagation it loses with neither, seed by seed.

    NaN where backpropagation learns nothing without normalisation: then neither has more to lose.
    """
    names = ("neither", f"{HOME}/ss", "bp-neither", f"{HOME}/bp")
    ends = {name: rows_at(runs[name]).set_index("seed")["error"] for name in names}
    ends["learnt"] = pd.Series(LEARNT(runs["bp-neither"]), ends["bp-neither"].index)
    each = pd.concat(ends, axis=1, join="inner")
    more = each[list(names)].to_numpy(float) @ (1, -1, -1, 1)
    return np.where(each["learnt"], more, np.nan)


def more_from_manhattan(runs: Runs) -> np.ndarray:
    """Return by how many points more Batch-Manhattan lowers its error, seed by seed."""
    names = ("neither", "manhattan", "bp-neither", "bp-manhattan")
    ends = {name: rows_at(runs[name]).set_index("seed")["error"] for name in names}
    return pd.concat(ends, axis=1, join="inner").to_numpy(float) @ (1, -1, -1, 1)


CLAIMS = [
    own_claim(
        id="supports-either",
        statement="With batch normalisation, Batch-Manhattan is not needed: with both the error is "
        "no more than 2 points lower than with batch normalisation alone.",
        measure=lambda runs: excess(runs, "both", f"{HOME}/ss"),
        unit=f"{UNIT}, both minus batch normalisation alone",
        holds=Region(low=-2.0),
        reason="two points are twice the sampling error of 2500 test images; a trial had either "
        "order",
        figure="supports-error",
        decimals=1,
        applies=photographs,
        beside=HOME,
    ),
    own_claim(
        id="supports-norm",
        statement="Without batch normalisation sign-symmetry ends more than 5 points higher, with "
        "Batch-Manhattan or without.",
        measure=cost_without,
        unit=f"{UNIT}, the better of the two without it minus with it",
        holds=Region(low=5.0),
        partly=Region(low=0.0),
        reason="five points are about what sign-symmetry lost to backpropagation in the search "
        "of rates",
        figure="supports-error",
        decimals=1,
        applies=photographs,
        beside=HOME,
        unlearnt="a network that cannot learn without it is what the claim is about",
    ),
    own_claim(
        id="supports-manhattan",
        statement="Without batch normalisation Batch-Manhattan helps: the error is more than 2 "
        "points lower with it than with neither.",
        measure=lambda runs: excess(runs, "neither", "manhattan"),
        unit=f"{UNIT}, neither minus Batch-Manhattan alone",
        holds=Region(low=2.0),
        partly=Region(low=0.0),
        reason="Liao et al. 2016 found one of the two indispensable; two points are twice the "
        "sampling error of 2500 test images",
        figure="supports-error",
        decimals=1,
        applies=photographs,
        unlearnt="a network that cannot learn with neither is what the claim is about",
    ),
    own_claim(
        id="supports-manhattan-more",
        statement="It helps sign-symmetry more than it helps backpropagation.",
        measure=more_from_manhattan,
        unit=f"{UNIT}, what Batch-Manhattan takes off under sign-symmetry minus under "
        "backpropagation, both without normalisation",
        holds=Region(low=0.0),
        reason="were it the same, the network would need steps of one size and not the rule",
        figure="supports-error",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="supports-more",
        statement="With neither, sign-symmetry loses more than backpropagation does without "
        "normalisation.",
        measure=more_than_backpropagation,
        unit=f"{UNIT}, what sign-symmetry loses minus what backpropagation loses",
        holds=Region(low=0.0),
        reason="were it the same, the network would need normalisation and not the rule",
        figure="supports-error",
        decimals=1,
        applies=photographs,
        beside=HOME,
        unlearnt="a network that cannot learn with neither is what the claim is about",
    ),
]

STUDY = Study(
    name="signs-supports",
    title="Sign-symmetry with and without batch normalisation and Batch-Manhattan",
    paper="xiao2018",
    settings=QuarterSettings,
    tiers=QUARTER_TIERS,
    variants=VARIANTS,
    cost={"reduced": 330.0},  # processor time, as in the study signs-rates
    run=run,
    **rules_rates.after(*VARIANTS),
    claims=CLAIMS,
    learnt=LEARNT,
    figures=[
        Figure(
            id="supports-error",
            title="Sign-symmetry with and without its supports",
            alt="On the left the top-1 test error in per cent against epochs, a line with a band "
            "for batch normalisation with Batch-Manhattan, Batch-Manhattan alone, and neither, and "
            "for backpropagation with the last two; on the right a row for each, and for batch "
            "normalisation alone, with the error at the end.",
            caption="Top-1 error of sign-symmetry, and of backpropagation where it is named, in "
            "ResNet-18 of half the width on a quarter of the classes, mean and 95 % interval over "
            "networks, each at the learning rate that served it best on held-out images. "
            "Batch-Manhattan: a gradient is replaced by its sign.",
            look="To see: whether the curve with neither support falls at all, and whether one "
            "support does what both do. If both were needed, each alone would lie beside neither.",
            place="ours, after Liao et al. 2016",
            draw=draw,
            beside=(HOME,),
        )
    ],
)
