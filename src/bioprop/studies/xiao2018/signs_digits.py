"""Is it the signs that count? Sign-symmetry and what lies on either side of it, on small digits.

Claim of Xiao et al. 2018, after Liao et al. 2016: feedback weights need the signs of the forward
weights and not their sizes. Here a small ResNet-18 learns the digits that scikit-learn ships, in
seconds: with the sizes all equal, with random sizes, with signs that are kept from the start, and
with feedback weights that share nothing with the weights.
"""

from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Natural,
    Positive,
    Precision,
    Region,
    Runs,
    Seed,
    Study,
    at,
    gone,
    own_claim,
)
from bioprop.studies.xiao2018.networks import (
    DeepSettings,
    Flips,
    against_layers,
    by_layer,
    error_band,
    excess,
    follow,
    layer_axis,
)

NAMES = ("bp", "ss", "ss-fixed", "fa-signed", "fa")


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DigitsSettings(DeepSettings):
    """Settings of the small comparison; all of them are ours, but for the rules."""

    images: str = "digits"  # ours: at hand wherever scikit-learn is
    width: Count = 16  # ours: a quarter of ResNet-18's channels
    stem: Literal["imagenet", "small"] = "small"  # ours: the images have 8 x 8 pixels
    epochs: Count = 10  # ours: backpropagation has learnt nearly all digits by then
    batch: Count = 32  # ours: there are 1437 training images
    pad: Seed = 1  # ours: border for random crops, an eighth of 8 pixels
    flips: Flips = "none"  # ours: a mirrored digit is another sign
    precision: Precision = "float32"  # ours: such small products gain nothing from less
    measured: Natural = 0  # ours: none
    members: MemberCount = 5  # ours: a network takes a minute
    rate: Positive = 0.1  # ours: the official code's, for all rules alike
    probe: Count = 256  # ours: training images on which signals are measured


def run(settings: DigitsSettings, journal: Journal) -> None:
    """Train one rule, its networks in turns."""
    journal.label(seed=settings.seeds)
    points = [(seed, settings.rate) for seed in settings.seeds]
    follow(settings, journal, points, settings.probe)


def between(runs: Runs) -> np.ndarray:
    """Return how much nearer sign-symmetry is to feedback alignment than to backpropagation.

    In points of test error; below 0 where it is nearer to backpropagation.
    """
    return excess(runs, "ss", "bp") - excess(runs, "fa", "ss")


def final(runs: Runs, name: str) -> float:
    """Return a rule's test error at the end, mean over networks."""
    return float(at(runs[name], "error").mean())


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error over epochs."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    frames = [error_band(axes, runs[name], "error", name) for name in NAMES]
    axes.set(xlabel="epochs", ylabel="test error (%)", ylim=(0, 100))
    axes.legend()
    return figure, pd.concat(frames)


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle of the signal at the start and at the end, layer by layer."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4.2), sharey=True)
    frames = []
    for axes, percent, when in zip(panels, (0, 100), ("at the start", "at the end"), strict=True):
        for name in NAMES[1:]:
            values = by_layer(runs[name], "angle", percent)
            look = drawing.LOOKS[name]
            options = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, against_layers(values), **options)
            frame = {"rule": name, "when": when, "name": values.columns} | drawn
            frames.append(pd.DataFrame(frame))
        drawing.angle_axis(axes)
        layer_axis(axes, len(values.columns))
        axes.set(title=when)
        axes.label_outer()
    panels[0].legend()
    return figure, pd.concat(frames)


CLAIMS = [
    own_claim(
        id="digits-ss-near",
        statement="Sign-symmetry ends nearer to backpropagation than to feedback alignment.",
        measure=between,
        unit="points of test error: what it loses to backpropagation minus what it gains on "
        "feedback alignment",
        holds=Region(high=0.0),
        reason="to approach the one means to be nearer to it than to the other; all rules have "
        "one learning rate here, which was searched for none of them",
        figure="digits-error",
        decimals=1,
    ),
    own_claim(
        id="digits-sizes",
        statement="Random sizes do as well as equal ones.",
        measure=lambda runs: excess(runs, "ss-fixed", "ss"),
        unit="points of test error, random sizes minus equal sizes",
        holds=Region(-2.0, 2.0),
        partly=Region(-4.0, 4.0),
        reason="2 points are 7 of the 360 test images",
        figure="digits-error",
        decimals=1,
    ),
    own_claim(
        id="digits-signs-follow",
        statement="The signs have to follow the weights: those that the weights had at the start "
        "do not serve as well.",
        measure=lambda runs: excess(runs, "fa-signed", "ss"),
        unit="points of test error, signs of the start minus signs of now",
        holds=Region(low=2.0),
        partly=Region(low=0.0),
        reason="2 points are 7 of the 360 test images",
        figure="digits-error",
        decimals=1,
    ),
]

FIGURES = [
    Figure(
        id="digits-error",
        title="Signs, sizes, or neither",
        alt="Test error in per cent against epochs, a line with a band for backpropagation, "
        "sign-symmetry with equal and with random sizes, feedback alignment that starts with the "
        "signs of the weights, and feedback alignment.",
        caption="Test error on 8 by 8 digits of a small ResNet-18, mean and 95 % interval over "
        "networks. All rules have the learning rate of the official code.",
        look="To see: whether sign-symmetry ends beside backpropagation or beside feedback "
        "alignment, and what random sizes, and signs that are not kept up, cost. If sizes mattered "
        "as signs do, the two kinds of sign-symmetry would lie far apart.",
        place="ours, after the abstract",
        draw=draw_error,
        numbers={name: partial(final, name=name) for name in NAMES},
    ),
    Figure(
        id="digits-angle",
        title="What the signs keep of the signal",
        alt="Two panels, at the start and at the end: angle to backpropagation's signal from 0 to "
        "100 degrees against the layer, a line with a band for each rule but backpropagation, and "
        "a line at 90 degrees.",
        caption="Angle between the signal that reaches a layer and the one that backpropagation "
        "would send there at the same weights, all images of a probe in one vector. Mean and 95 % "
        "interval over networks. The last layer, where both are the error itself, is left out.",
        look="To see: how fast a curve climbs to the line at 90 degrees from the last layers to "
        "the first, at the start and at the end. A signal that keeps nothing of backpropagation's "
        "lies on that line.",
        place="ours",
        draw=draw_angle,
    ),
]

STUDY = Study(
    name="signs-digits",
    title="Signs, sizes, or neither, on digits",
    paper="xiao2018",
    settings=DigitsSettings,
    tiers={
        "smoke": {
            "every": 2,
            "held_out": 600,
            "width": 2,
            "epochs": 2,
            "batch": 64,
            "probe": 20,
            "members": 3,
        },
        "quick": {"width": 8, "epochs": 6, "batch": 64, "probe": 64, "members": 1},
        "reduced": {},  # other images and a smaller network than the paper's
    },
    variants={name: {"rule": name} for name in NAMES},
    run=run,
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
