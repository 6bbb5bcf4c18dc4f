"""Bartunov et al. 2018, section 2.4: what do shared weights buy each method? On MNIST.

The paper compares its locally connected networks with ConvNets, which have the same weights at
every place, under backpropagation alone: no neurons share their weights. Here feedback alignment
and DTP teach both networks too. Under feedback alignment the feedback weights of a ConvNet are
shared as well; the inverse of a shared layer is the transposed convolution. A sixth of the images
is learnt from, where weights that are fewer should help most.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.activations import Pairs, draw_curves, draw_errors
from bioprop.studies.bartunov2018.figures import TURNS
from bioprop.studies.bartunov2018.measures import by_seed, paired
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, layers, on_mnist, run
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL
from bioprop.studies.study import Claim, Figure, Region, Runs, Study, gone, own_claim
from bioprop.tasks.images import CLASSES

TAUGHT = ("bp", "fa", "dtp-alternating")
PAIRS = Pairs(TAUGHT, "convnet", ("locally connected", "shared weights (ConvNet)"))
FEW: Mapping[str, Any] = {"shown": 10_000, "epochs": 18, "members": 3}
UNIT = "points of test error at the epoch that held-out images choose"


def gaps(runs: Runs, name: str, study: str = "") -> pd.Series:
    """Return by how many points a method is better with shared weights, for each seed.

    Runs that are not there under their own names are those of another ``study``.
    """
    pair = (runs[v] if v in runs else runs[f"{study}/{v}"] for v in PAIRS.of(name))
    return paired(*map(by_seed, pair))


def bought(runs: Runs, name: str, study: str = "") -> np.ndarray:
    """Return by how many points a method is better with shared weights, seed by seed."""
    return gaps(runs, name, study).to_numpy()


def less(runs: Runs, name: str, study: str = "") -> np.ndarray:
    """Return how many points more sharing buys backpropagation than a method, seed by seed."""
    return paired(gaps(runs, "bp", study), gaps(runs, name, study)).to_numpy()


def weights() -> pd.DataFrame:
    """Return the weights of each layer of the network for MNIST, and of all, shared and not.

    In thousands; biases aside.
    """
    columns = {}
    for words, variant in zip(PAIRS.words, PAIRS.of("bp"), strict=True):
        settings = STUDY.configure("reduced", variant)
        assert isinstance(settings, MethodSettings)
        built = layers(settings, (1, 28, 28), CLASSES)
        each = [math.prod(layer.weight_shape) / 1000 for layer in built]
        columns[words] = [*each, sum(each)]
    index = pd.Index([*(f"layer {place}" for place in range(1, len(built) + 1)), "all"])
    return pd.DataFrame(columns, index=index).round(1)


def claims(prefix: str, gained: tuple[str, ...], **where: Any) -> list[Claim]:
    """Return the claims on what sharing buys: each method something, and others less than bp."""
    study = where.get("beside", "")
    common = {"figure": f"{prefix}-errors", **where}
    gains = [
        own_claim(
            id=f"{prefix}-{name}",
            statement=f"{drawing.LOOKS[name].name}: a ConvNet, which shares its weights, is better "
            "than the locally connected network.",
            measure=partial(bought, name=name, study=study),
            unit=f"{UNIT}, locally connected minus ConvNet",
            holds=Region(low=0.0),
            reason="better where the interval of the difference lies above zero",
            **common,
        )
        for name in gained
    ]
    return gains + [
        own_claim(
            id=f"{prefix}-{name}-less",
            statement=f"Shared weights buy {drawing.LOOKS[name].name} less than backpropagation.",
            measure=partial(less, name=name, study=study),
            unit=f"{UNIT}, what sharing takes off under backpropagation minus under the method",
            holds=Region(low=0.0),
            reason="less where the interval of the difference of the two lies above zero",
            **common,
        )
        for name in TAUGHT[1:]
    ]


Draw = Callable[[Runs], tuple[Picture, pd.DataFrame]]
ERRORS: Draw = partial(draw_errors, pairs=PAIRS)
CURVES: Draw = partial(draw_curves, pairs=PAIRS)


def figures(
    prefix: str,
    words: str,
    errors: Draw = ERRORS,
    curves: Draw = CURVES,
    beside: tuple[str, ...] = (),
) -> list[Figure]:
    """Return the figures of the comparison on images that ``words`` name."""
    return [
        Figure(
            id=f"{prefix}-errors",
            title=f"What shared weights buy, {words}",
            alt="A row for each of backpropagation, feedback alignment and DTP; along it the test "
            "error in per cent, a filled mark with an interval for locally connected networks and "
            "an open one for ConvNets.",
            caption=f"Test error on {words} at the epoch whose error on held-out training images "
            "is lowest, mean and 95 % interval over networks. Filled: locally connected. Open: the "
            "ConvNet of the same shape, whose weights are shared by all places.",
            look="To see: how far the open mark lies to the left of the filled one in each row. If "
            "a method could not use shared weights, its two marks would lie together.",
            place="sec. 2.4: backpropagation alone",
            draw=errors,
            beside=beside,
        ),
        Figure(
            id=f"{prefix}-curves",
            title=f"Shared weights over epochs, {words}",
            alt="Three panels, backpropagation, feedback alignment and DTP: test error in per cent "
            "against epochs, a line with a band for locally connected networks and a dotted or "
            "dashed one for ConvNets.",
            caption=f"Test error on {words} against forward epochs, mean over networks, and from "
            f"the lowest to the highest of them. {TURNS}",
            look="To see: whether the curves of a panel part early or late, and whether they end "
            "as far apart under the other methods as under backpropagation.",
            place="ours",
            draw=curves,
            beside=beside,
        ),
    ]


VARIANTS: Mapping[str, Mapping[str, Any]] = {
    variant: {**METHODS[name], "shared": variant != name}
    for name in TAUGHT
    for variant in PAIRS.of(name)
}
# What the study sharing-mnist-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 3.2e-3, "eps": 1e-4},
    "bp-convnet": {"rate": 3.2e-3, "eps": 1e-4},
    "fa": {"rate": 1.6e-3, "eps": 1e-4},
    "fa-convnet": {"rate": 1.6e-3, "eps": 1e-4},
    "dtp-alternating": {"rate": 3.2e-3, "eps": 1e-4, "inverse_rate": 1e-2},
    "dtp-alternating-convnet": {"rate": 1.6e-3, "eps": 1e-4, "inverse_rate": 3e-2},
}

STUDY = Study(
    name="sharing-mnist",
    title="What shared weights buy, on MNIST",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "members": 3},
        "quick": SMALL
        | {"shown": 500, "batch": 50, "epochs": 8, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": FEW,  # 10 000 images, 18 epochs; the paper has 60 000 and 500
    },
    variants={name: {**LAYERS, **each, **FOUND[name]} for name, each in VARIANTS.items()},
    run=run,
    after="sharing-mnist-rates",
    cost={"reduced": 235.0},  # processor time of DTP, from 0.065 s a step; 90 s under the others
    claims=claims("sharing-mnist", TAUGHT, applies=on_mnist),
    learnt=gone("error"),
    figures=figures("sharing-mnist", "MNIST"),
)
