"""Which learning rate lets AlexNet, and every other rule and variant, learn photographs best?

The search of the study signs-rates, for what it left out: on every fourth class of Tiny ImageNet
and training images that are held out, with seeds that are used nowhere else. There 0.5, the largest
rate, was backpropagation's best; ``bp-above`` looks at what lies above it. A rate that is best at
an end of its grid is taken only where the best rate within is no more than two points worse, twice
the sampling error of 2500 images: else the grid gets the next one first. Where nothing is
normalised, or feedback has no signs, the best rate may lie beside one at which networks diverge: it
is taken only where two more networks do not, and else the best of those at which none did.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, to_see
from bioprop.studies.study import Figure, Runs, Study, rows_at, whole_mean
from bioprop.studies.xiao2018.networks import DIGITS, SMOKE
from bioprop.studies.xiao2018.signs_rates import RateSearch, run

# For steps of one size, with which a trial had 55 % at 0.001 and 64 % at 0.003.
ONE_SIZE = (2e-4, 5e-4, 1e-3, 2e-3)
# The same without normalisation, where one step of 5e-4 moves the outputs by their own size.
ONE_SIZE_BARE = (2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
BARE = (0.002, 0.005, 0.01, 0.02, 0.05)  # without normalisation
LAST = (0.002, 0.005, 0.01, 0.02)  # around what was best in AlexNet with the rule in all layers
MIDDLE = (0.05, 0.1, 0.2, 0.5)  # where the best of the study signs-rates lie, and what is beside
WIDE = (*MIDDLE, 1.0)  # under Dale's law, where backpropagation has as large ones
LARGE = (0.1, 0.2, 0.5, 1.0)  # for a rule that may want backpropagation's, or more
GRIDS: Mapping[str, Mapping[str, Any]] = {
    "alexnet-bp": {"network": "alexnet", "rule": "bp"},
    "alexnet-ss": {"network": "alexnet", "rule": "ss"},
    "alexnet-fa": {"network": "alexnet", "rule": "fa"},
    "bp-above": {"rule": "bp", "rates": (0.5, 1.0, 2.0)},
    "kp": {"rule": "kp", "rates": LARGE},
    "dfa": {"rule": "dfa", "rates": MIDDLE},
    "ss-fixed": {"rule": "ss-fixed", "rates": MIDDLE},
    "ss-redrawn": {"rule": "ss-redrawn", "rates": MIDDLE},
    "sizes": {"rule": "sizes", "rates": MIDDLE},
    **{
        f"share-{percent}": {"rule": f"ss-share:{percent / 100}", "rates": MIDDLE}
        for percent in (50, 60, 70, 80, 90)
    },
    "every-1000": {"rule": "ss-every:1000", "rates": MIDDLE},
    "both": {"rule": "ss", "manhattan": True, "rates": ONE_SIZE},
    "manhattan": {"rule": "ss", "norm": False, "manhattan": True, "rates": ONE_SIZE_BARE},
    "neither": {"rule": "ss", "norm": False, "rates": BARE},
    "bp-neither": {"rule": "bp", "norm": False, "rates": BARE},
    "bp-manhattan": {"rule": "bp", "norm": False, "manhattan": True, "rates": ONE_SIZE_BARE},
    "bp-dale": {"rule": "bp", "dale": True, "rates": LARGE},
    "ss-dale": {"rule": "ss", "dale": True, "rates": WIDE},
    "once-dale": {"rule": "ss-every:10000", "dale": True, "rates": WIDE},
    "fa-dale": {"rule": "fa", "dale": True, "rates": WIDE},
    # with backpropagation in the last layer, whose signal has another size then
    "alexnet-ss-bp": {"network": "alexnet", "rule": "ss", "last": "bp", "rates": LAST},
    "alexnet-fa-bp": {"network": "alexnet", "rule": "fa", "last": "bp", "rates": LAST},
}
# What was best at an end of its grid was tried beyond it, in AlexNet all rules alike.
BEYOND: Mapping[str, tuple[float, ...]] = {
    **{f"alexnet-{rule}-below": (0.005, 0.01) for rule in ("bp", "ss", "fa")},
    **{f"alexnet-{rule}-below-2": (0.001, 0.002) for rule in ("bp", "ss", "fa")},
    "share-50-below": (0.01, 0.02),
    "sizes-below": (0.005, 0.01, 0.02),
    "ss-fixed-beyond": (1.0,),
    "ss-redrawn-beyond": (1.0,),
}
# The best rates of rules whose networks may diverge beside them: two more networks have these.
AGAIN: Mapping[str, float] = {"sizes": 0.05}
PANELS = {
    "AlexNet": ("alexnet-bp", "alexnet-ss", "alexnet-fa", "alexnet-ss-bp", "alexnet-fa-bp"),
    "Other rules": ("bp-above", "kp", "dfa", "bp-dale", "ss-dale", "once-dale", "fa-dale"),
    "Other sizes": ("ss-fixed", "ss-redrawn", "sizes"),
    "Fewer signs": ("share-50", "share-60", "share-70", "share-80", "share-90", "every-1000"),
    "Supports": ("both", "manhattan", "neither", "bp-neither", "bp-manhattan"),
}


def whole(name: str) -> str:
    """Return the variant whose search a variant is a part of: itself, or one that it widens."""
    return re.sub("-(below|beyond|again).*", "", name)


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **GRIDS,
    **{name: {**GRIDS[whole(name)], "rates": rates} for name, rates in BEYOND.items()},
    **{
        f"{name}-again": {**GRIDS[name], "rates": (rate,), "first_seed": 1001, "members": 2}
        for name, rate in AGAIN.items()
    },
}


def searched(runs: Runs) -> dict[str, pd.Series]:
    """Return the error at the end for each rate of each variant, from all parts of its grid.

    It is the mean over networks where several had a rate, NaN where one of them diverged.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for name, part in runs.items():
        parts.setdefault(whole(name), []).append(rows_at(part))
    ends = {name: pd.concat(each).groupby("rate")["error"] for name, each in parts.items()}
    return {name: errors.agg(whole_mean) for name, errors in ends.items()}


def best(runs: Runs) -> dict[str, float]:
    """Return the rate with which each variant leaves the lowest error on held-out images."""
    return {name: float(errors.fillna(np.inf).idxmin()) for name, errors in searched(runs).items()}


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end against the rate, a panel for each kind of network."""
    figure, panels = drawing.some_panels(len(PANELS), 2, (31, 22), narrow=1, sharey=True)
    frames, every, chosen = [], searched(runs), best(runs)
    for axes, (title, names) in zip(panels, PANELS.items(), strict=True):
        for name in names:
            look, errors = drawing.LOOKS[name.removeprefix("alexnet-")], every[name]
            axes.plot(errors, color=look.colour, linestyle=look.line, label=look.name)
            axes.plot(chosen[name], errors[chosen[name]], "o", color=look.colour)
            frames.append(errors.reset_index().assign(variant=name))
        tried = np.unique(np.concatenate([every[name].index for name in names]))
        drawing.log_x(axes, tried, labels=True)
        axes.set(xlabel="learning rate", title=title)
        axes.legend()
    panels[0].set(ylabel="held-out top-1 error (%)")
    return figure, pd.concat(frames)


# What this search found. What it has not found yet has a rate near the best of signs-rates, and for
# steps of one size, or without normalisation, one of short trials; no result is recorded with it.
FOUND: Mapping[str, float] = {
    "alexnet-bp": 0.01,
    "alexnet-ss": 0.005,
    "alexnet-fa": 0.005,
    "alexnet-ss-bp": 0.005,
    "alexnet-fa-bp": 0.005,
    "bp-above": 0.5,
    "kp": 0.5,
    "dfa": 0.05,
    "ss-fixed": 0.5,
    "ss-redrawn": 0.5,
    "share-50": 0.05,
}
RATES: Mapping[str, float] = {
    **dict.fromkeys(("share-60", "share-70", "share-80", "share-90", "every-1000"), 0.2),
    "sizes": 0.2,
    "both": 0.001,
    "manhattan": 0.0002,
    "neither": 0.01,
    "bp-neither": 0.01,
    "bp-manhattan": 0.0002,
    "bp-dale": 0.2,
    "ss-dale": 0.2,
    "once-dale": 0.2,
    "fa-dale": 0.2,
    **FOUND,
}


def cost(name: str) -> float:
    """Return the seconds that a variant takes; of a processor, from some batches on a busy core."""
    rates = VARIANTS[name].get("rates", RateSearch.rates)
    return len(rates) * (190.0 if name.startswith("alexnet-") else 375.0)


def found(*names: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Return variants of the search, each at the rate that was found, with ``more`` settings."""
    fixed = {n: {k: v for k, v in VARIANTS[n].items() if k != "rates"} for n in names}
    return {name: {**fixed[name], "rate": RATES[name], **more} for name in names}


def after(*names: str) -> dict[str, Any]:
    """Return what a study declares whose rates are those of some variants of the search."""
    finders = [name for name in VARIANTS if whole(name) in names]
    return {"after": "rules-rates", "finders": finders, "found": FOUND.keys() >= set(names)}


STUDY = Study(
    name="rules-rates",
    title="The best learning rate of AlexNet and of every other rule",
    paper="xiao2018",
    settings=RateSearch,
    tiers={
        "smoke": SMOKE | {"rates": (0.05, 0.2)},
        "quick": DIGITS | {"held_out": 200, "width": 4, "epochs": 3, "batch": 64},
        "reduced": {},
    },
    variants=VARIANTS,
    cost={"reduced": {name: cost(name) for name in VARIANTS}},
    run=run,
    figures=[
        Figure(
            id="rules-rates",
            title="Error against learning rate, for other networks and rules",
            alt="Five panels with top-1 error in per cent on held-out training images against "
            "the learning rate on a log axis: three rules in AlexNet, two of them also with "
            "backpropagation in the last layer; in ResNet-18 backpropagation at large rates, "
            "Kolen-Pollack, direct feedback alignment and Dale's law; feedback of other sizes; "
            "feedback with a share of the signs or with old ones; sign-symmetry and "
            "backpropagation without batch normalisation or with Batch-Manhattan. Each line has a "
            "dot at the best rate.",
            caption="Top-1 error on the training images that were held out, at the end of a short "
            "run; one network for each rate. The first panel is of AlexNet, the others are of "
            "ResNet-18. A dot marks the best, of which runs on all classes have half. A rate "
            "without a point diverged.",
            look=to_see.ONE_EACH,
            place="ours: the paper's rates were not seen",
            draw=draw,
        )
    ],
)
