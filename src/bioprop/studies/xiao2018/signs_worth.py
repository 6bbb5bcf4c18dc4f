"""What is a sign worth? Some of the signs, and old signs, on photographs.

Xiao et al. 2018 carry signals back through the signs that the weights have at every batch. Here a
share of them is wrong for good, or they are looked up again now and then only. The network is
a ResNet-18 of half the width; it learns a quarter of the classes.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.study import Figure, Region, Runs, Study, at, gone, own_claim
from bioprop.studies.summaries import LARGEST
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    DIGITS,
    MORE,
    SMOKE,
    UNIT,
    QuarterSettings,
    excess,
    photographs,
    run,
)
from bioprop.studies.xiao2018.signs_rates import FOUND

SHARES = {50: "share-50", 60: "share-60", 70: "share-70", 80: "share-80", 90: "share-90", 100: "ss"}
BATCHES = {1: "ss", 10: "every-10", 100: "every-100", 1000: "every-1000"}
RULES = {
    **{name: f"ss-share:{share / 100}" for share, name in SHARES.items() if share < 100},
    **{name: f"ss-every:{every}" for every, name in BATCHES.items() if every > 1},
}
# Shares and old signs whose best rate is not sign-symmetry's, and that rate.
OWN = {
    name: rules_rates.RATES[name]
    for name in RULES
    if rules_rates.RATES.get(name, FOUND["ss"]) != FOUND["ss"]
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "bp": {"rule": "bp", "rate": rules_rates.RATES["bp-above"]},
    "ss": {"rule": "ss"},
    **{name: {"rule": rule} for name, rule in RULES.items()},
    **{f"{name}-own": {"rule": RULES[name], "rate": rate} for name, rate in OWN.items()},
    "fa": {"rule": "fa", "rate": FOUND["fa"]},
}


# Those of which differences of two or three points are asked.
CLOSE = {*SHARES.values(), *(f"{name}-own" for name in OWN), "every-10", "every-1000", "fa"}


def own(name: str) -> str:
    """Return the variant that has the rate that serves a share of the signs, or old ones, best."""
    return f"{name}-own" if name in OWN else name


def steps(runs: Runs, names: Mapping[int, str]) -> np.ndarray:
    """Return by how many points the error falls from each variant to the one before, by seed.

    Shape ``(step, member)``, below zero where it rises along ``names``.
    """
    ordered = list(names.values())
    return np.array([excess(runs, b, a) for a, b in pairwise(ordered)])


def along(axes: Axes, runs: Runs, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Draw the errors at the end against a number, and those of two rules as lines across."""
    rows = []
    for number, name in names.items():
        errors = at(runs[name], "error")
        drawn = drawing.dot(axes, errors, number, "ss", upright=True, label=None)
        rows.append(drawn | {"variant": name, "number": number})
        if name in OWN:
            errors = at(runs[own(name)], "error")
            drawn = drawing.dot(axes, errors, number, "ss", upright=True, label=None, mfc="white")
            rows.append(drawn | {"variant": own(name), "number": number})
    for name in ("bp", "fa"):
        look, mean = drawing.LOOKS[name], at(runs[name], "error").mean()
        axes.axhline(mean, color=look.colour, linestyle=look.line, label=look.name)
        rows.append({"variant": name, "rule": name, "mean": mean})
    axes.set(ylabel="top-1 test error (%)")
    axes.legend()
    return rows


def draw_shares(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error against the share of signs that agree."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    rows = along(axes, runs, SHARES)
    axes.set(xlabel="signs that agree with the weights' (%)", xticks=list(SHARES))
    return figure, pd.DataFrame(rows)


def draw_refreshed(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error against how rarely signs are looked up."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    rows = along(axes, runs, BATCHES)
    drawing.log_x(axes, BATCHES, labels=True)
    axes.set(xlabel="batches from one look at the signs to the next")
    return figure, pd.DataFrame(rows)


CLAIMS = [
    own_claim(
        id="worth-monotone",
        statement="The error falls with the share of signs that agree, at every tenth from a half "
        "to all.",
        measure=lambda runs: steps(runs, SHARES),
        summary=LARGEST,
        unit=f"{UNIT}, from one share to the next, where it is largest",
        holds=Region(high=0.0),
        reason="to fall monotonically means that no step goes up",
        figure="worth-shares",
        decimals=1,
        applies=photographs,
        unlearnt="that a network learns next to nothing with half of the signs is part of it",
    ),
    own_claim(
        id="worth-monotone-own",
        statement="It falls likewise where each share has the learning rate that serves it best.",
        measure=lambda runs: steps(runs, {share: own(name) for share, name in SHARES.items()}),
        summary=LARGEST,
        unit=f"{UNIT}, from one share to the next, where it is largest, each at its own best rate",
        holds=Region(high=0.0),
        reason="with one rate for all, that of all signs, smaller shares lose by the rate, too",
        figure="worth-shares",
        decimals=1,
        applies=photographs,
        unlearnt="that a network learns next to nothing with half of the signs is part of it",
    ),
    own_claim(
        id="worth-half",
        statement="Half of the signs, as many as chance has, serve no better than feedback "
        "alignment does.",
        measure=lambda runs: excess(runs, own("share-50"), "fa"),
        unit=f"{UNIT}, half of the signs minus feedback alignment",
        holds=Region(low=-3.0),
        reason="weights that agree by chance start as under random feedback; give or take three "
        "points",
        figure="worth-shares",
        decimals=1,
        applies=photographs,
        unlearnt="that such a network learns next to nothing is what is said of it",
    ),
    own_claim(
        id="worth-refreshed",
        statement="Signs that are looked up at every tenth batch serve as well as those of every "
        "batch.",
        measure=lambda runs: excess(runs, "every-10", "ss"),
        unit=f"{UNIT}, every tenth batch minus every batch",
        holds=Region(-2.0, 2.0),
        partly=Region(-4.0, 4.0),
        reason="few weights cross zero within ten batches; two points are twice the sampling error "
        "of 2500 test images",
        figure="worth-refreshed",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="worth-stale",
        statement="Signs that are looked up twice in a whole run do not.",
        measure=lambda runs: excess(runs, "every-1000", "ss"),
        unit=f"{UNIT}, every thousandth batch minus every batch",
        holds=Region(low=2.0),
        partly=Region(low=0.0),
        reason="two points are twice the sampling error of 2500 test images",
        figure="worth-refreshed",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="worth-stale-own",
        statement="Nor do they at the learning rate that serves them best.",
        measure=lambda runs: excess(runs, own("every-1000"), "ss"),
        unit=f"{UNIT}, every thousandth batch minus every batch, each at its own best rate",
        holds=Region(low=2.0),
        partly=Region(low=0.0),
        reason="old signs may want another rate than those of every batch",
        figure="worth-refreshed",
        decimals=1,
        applies=photographs,
    ),
]

LINES = (
    "Lines across: the means of backpropagation and of feedback alignment, which have the rates "
    "that served them best on held-out images. Filled: at sign-symmetry's rate. Open: at the rate "
    "that served this one best, where it is another."
)
FIGURES = [
    Figure(
        id="worth-shares",
        title="Error against the share of signs that agree",
        alt="Top-1 test error in per cent against the share of signs that agree with the "
        "weights', from 50 to 100 per cent, a square with an interval for each, an open one at "
        "its own best learning rate, and a horizontal line for backpropagation and for feedback "
        "alignment.",
        caption="Top-1 error at the end of ResNet-18 of half the width on a quarter of the "
        f"classes, mean and 95 % interval over networks. {LINES}",
        look="To see: whether the squares fall evenly to the right, and where they leave the "
        "level of feedback alignment. If half of the signs were enough, they would be level from "
        "there on.",
        place="ours",
        draw=draw_shares,
    ),
    Figure(
        id="worth-refreshed",
        title="Error against how rarely signs are looked up",
        alt="Top-1 test error in per cent against the number of batches from one look at the "
        "signs to the next, 1 to 1000 on a log axis, a square with an interval for each, and a "
        "horizontal line for backpropagation and for feedback alignment.",
        caption="Top-1 error at the end where the signs of the weights are looked up before the "
        f"first batch and before each so many later ones, and kept in between. {LINES}",
        look="To see: how far to the right the squares stay level, and where they come near to "
        "the line of feedback alignment. If signs had to be exact at each step, the squares would "
        "rise at once.",
        place="ours",
        draw=draw_refreshed,
    ),
]

STUDY = Study(
    name="signs-worth",
    title="What a sign is worth",
    paper="xiao2018",
    settings=QuarterSettings,
    tiers={
        "smoke": SMOKE | {"members": 3},
        "quick": DIGITS | {"width": 4, "epochs": 3, "batch": 64, "members": 1},
        "reduced": {},
    },
    variants={n: {**v, "members": MORE} if n in CLOSE else v for n, v in VARIANTS.items()},
    cost={"reduced": 320.0},  # processor time, as in the study signs-rates
    run=run,
    **rules_rates.after("bp-above", *(name for name in RULES if name in rules_rates.GRIDS)),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=FIGURES,
)
