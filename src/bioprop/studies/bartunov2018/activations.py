"""Bartunov et al. 2018, Methods: tanh, as it serves DTP better than ReLU does.

The paper says so and shows no numbers. Here backpropagation, feedback alignment, DTP and SDTP
teach the fully connected networks of Table 3 with either, at rates that were searched alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.figures import over_epochs
from bioprop.studies.bartunov2018.measures import chosen, excess
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, on_mnist, run
from bioprop.studies.bartunov2018.targets_mnist import QUICK, SMOKE
from bioprop.studies.study import Claim, Figure, Region, Runs, Study, gone, own_claim

TAUGHT = ("bp", "fa", "dtp-alternating", "sdtp-alternating")
UNIT = "points of test error at the epoch that held-out images choose, ReLU minus tanh"


def cost_of_relu(runs: Runs, name: str) -> np.ndarray:
    """Return by how many points a method ends higher with ReLU than with tanh, seed by seed."""
    return excess(runs, f"{name}-relu", name)


def costs_more(runs: Runs, name: str, than: str) -> np.ndarray:
    """Return by how many points ReLU costs one method more than another, seed by seed."""
    return cost_of_relu(runs, name) - cost_of_relu(runs, than)


@dataclass(frozen=True)
class Pairs:
    """Methods that were run twice, plainly and with one thing changed.

    ``ending`` is what the name of a variant with the change ends in; ``words`` name the two.
    """

    taught: tuple[str, ...]
    ending: str
    words: tuple[str, str]

    def of(self, name: str) -> tuple[str, str]:
        """Return the two variants of a method."""
        return name, f"{name}-{self.ending}"


TANH_AND_RELU = Pairs(TAUGHT, "relu", ("tanh", "ReLU"))


def draw_errors(runs: Runs, pairs: Pairs = TANH_AND_RELU) -> tuple[Picture, pd.DataFrame]:
    """Draw the test error that held-out images choose, a row a method, a mark for each of two.

    What was not run is left out; of networks that diverged their number stands in the row.
    """
    taught = pairs.taught
    figure, axes = drawing.panels(figsize=(8, 0.6 * len(taught) + 1.2))
    rows = []
    for place, name in enumerate(taught):
        each = zip(pairs.of(name), (-0.12, 0.12), (None, "white"), pairs.words, strict=True)
        for variant, shift, face, words in each:
            if variant in runs:
                values = chosen(runs[variant])
                drawn = drawing.dot(axes, values, place + shift, name, label=None, mfc=face)
                rows.append({**drawn, "rule": variant})
                if said := drawing.diverged(values):
                    across = axes.get_yaxis_transform()
                    said = f"{words}: {said}"
                    axes.text(0.02, place + 2 * shift, said, va="center", transform=across)
    for words, face in zip(pairs.words, (None, "white"), strict=True):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.set(xlabel="test error (%)", yticks=range(len(taught)), ylim=(len(taught) - 0.5, -0.5))
    axes.set_yticklabels([drawing.LOOKS[name].name for name in taught])
    axes.legend()
    return figure, pd.DataFrame(rows)


def draw_curves(
    runs: Runs, pairs: Pairs = TANH_AND_RELU, logarithmic: bool = True
) -> tuple[Picture, pd.DataFrame]:
    """Draw the test error against epochs, a panel a method, a line for each of two."""
    size = (3 * len(pairs.taught), 3.8)
    figure, each = drawing.panels(1, len(pairs.taught), figsize=size, sharey=True)
    frames = []
    for axes, name in zip(each, pairs.taught, strict=True):
        for variant, words in zip(pairs.of(name), pairs.words, strict=True):
            if variant in runs:
                drawn = over_epochs(axes, runs[variant], "error", variant, band=drawing.ranged)
                frames.append(drawn)
                axes.lines[-1].set_label(words)
        axes.set(xlabel="epochs", title=drawing.LOOKS[name].name)
        if logarithmic:
            drawing.log_y(axes)
            drawing.percent_ticks(axes.yaxis)
        if axes.lines:
            axes.legend()
    each[0].set(ylabel="test error (%)")
    return figure, pd.concat(frames)


def own(id: str, statement: str, holds: Region, reason: str, **measured: Any) -> Claim:
    """Return a claim of ours about what ReLU costs."""
    return own_claim(
        id=f"activations-{id}",
        statement=statement,
        holds=holds,
        reason=reason,
        unit=UNIT,
        figure="activations-errors",
        applies=on_mnist,
        **measured,
    )


WORSE = "worse where the interval of the difference lies above zero"
CLAIMS = [
    Claim(
        id="activations-dtp",
        statement="Alternating DTP is better with tanh than with ReLU.",
        place="Methods",
        measure=partial(cost_of_relu, name="dtp-alternating"),
        unit=UNIT,
        holds=Region(low=0.0),
        reason=WORSE,
        figure="activations-errors",
        applies=on_mnist,
    ),
    own(
        "sdtp",
        "Alternating SDTP is better with tanh than with ReLU.",
        Region(low=0.0),
        WORSE,
        measure=partial(cost_of_relu, name="sdtp-alternating"),
    ),
    *(
        own(
            name,
            f"For {drawing.LOOKS[name].name} tanh and ReLU are within half a point.",
            Region(-0.5, 0.5),
            "half a point is about a third of the error of the paper's networks",
            measure=partial(cost_of_relu, name=name),
        )
        for name in ("bp", "fa")
    ),
    own(
        "dtp-more-than-bp",
        "ReLU costs alternating DTP more than it costs backpropagation.",
        Region(low=0.0),
        "more where the interval of the difference of the two lies above zero",
        measure=partial(costs_more, name="dtp-alternating", than="bp"),
    ),
]

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{name}{ending}": {**METHODS[name], "activation": activation}
    for name in TAUGHT
    for ending, activation in (("", "tanh"), ("-relu", "relu"))
}
# What the study activations-longer-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 0.0004, "eps": 0.0001},
    "bp-relu": {"rate": 0.0008, "eps": 0.0001},
    "fa": {"rate": 0.0008, "eps": 0.0001},
    "fa-relu": {"rate": 0.0002, "eps": 0.0001},
    "dtp-alternating": {"rate": 0.0004, "eps": 0.0001, "inverse_rate": 0.03},
    "dtp-alternating-relu": {"rate": 0.0004, "eps": 0.0001, "inverse_rate": 0.001},
    "sdtp-alternating": {"rate": 0.0008, "eps": 0.0001, "inverse_rate": 0.003},
    # all three diverged there; this is the lowest that was tried
    "sdtp-alternating-relu": {"rate": 0.0002, "eps": 0.0001, "inverse_rate": 0.01},
}

STUDY = Study(
    name="activations",
    title="tanh against ReLU on MNIST",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"epochs": 10, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {"epochs": 40, "members": 3},  # a twelfth of the paper's epochs
    },
    variants={name: {**variant, **FOUND[name]} for name, variant in VARIANTS.items()},
    run=run,
    after="activations-longer-rates",
    cost={"reduced": 150.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=gone("error"),
    figures=[
        Figure(
            id="activations-errors",
            title="tanh against ReLU under four methods",
            alt="A row for each of backpropagation, feedback alignment, DTP and SDTP; along it "
            "the test error in per cent, a filled mark with an interval for tanh and an open one "
            "for ReLU.",
            caption="Test error of 784-5x256-10 networks at the epoch whose error on held-out "
            "training images is lowest, mean and 95 % interval over networks. Filled: tanh. Open: "
            "ReLU.",
            look="To see: in each row, which of the two marks lies further left. If what suits "
            "backpropagation suited all methods, the marks would have the same order in each row.",
            place="Methods: tanh is better with DTP; no figure",
            draw=draw_errors,
        ),
        Figure(
            id="activations-curves",
            title="tanh against ReLU over epochs",
            alt="Four panels with a log axis, one each for backpropagation, feedback alignment, "
            "DTP and SDTP: test error in per cent against epochs, a line with a band for tanh and "
            "one for ReLU.",
            caption="Test error against forward epochs, mean over networks, and from the lowest to "
            "the highest of them; a line ends where one of them diverged. The inverses of DTP and "
            "SDTP have the activation of the network.",
            look="To see: whether the two curves of a panel cross, and whether the higher one is "
            "slower or comes to rest.",
            place="ours",
            draw=draw_curves,
        ),
    ],
)
