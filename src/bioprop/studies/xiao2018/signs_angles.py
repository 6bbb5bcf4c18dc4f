"""What the angles say: weights, signals and gradients beside backpropagation's, layer by layer.

Xiao et al. 2018 show angles through training; their figures were not seen. Here three rules teach
a ResNet-18 and an AlexNet on a quarter of the classes of Tiny ImageNet, and after each epoch three
angles of every layer are measured: of its weights to its feedback weights, of the signal that
reaches it to backpropagation's, and of the change of its weights to backpropagation's.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Region,
    Runs,
    Study,
    gone,
    own_claim,
)
from bioprop.studies.summaries import LARGEST
from bioprop.studies.xiao2018 import rules_rates, signs_rates
from bioprop.studies.xiao2018.networks import (
    DIGITS,
    GAUSSIAN,
    SMOKE,
    UNIFORM,
    QuarterSettings,
    apart,
    by_layer,
    follow,
    layer_lines,
    photographs,
)

NETWORKS = {"resnet": "ResNet-18", "alexnet": "AlexNet"}
START = {"resnet": GAUSSIAN, "alexnet": UNIFORM}  # angle of initial weights to their signs
RULES = ("ss", "fa", "kp")
PERCENTS = (0, 12.5, 50, 100)  # of the run
RATES = {
    "resnet": {**signs_rates.FOUND, "kp": rules_rates.RATES["kp"]},
    "alexnet": {rule: rules_rates.RATES[f"alexnet-{rule}"] for rule in ("ss", "fa")}
    | {"kp": rules_rates.RATES["alexnet-bp"]},  # Kolen-Pollack comes to be backpropagation
}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    f"{short}-{rule}": {
        "network": network,
        "rule": rule,
        "rate": RATES[short][rule],
    }
    for short, network in (("resnet", "resnet18"), ("alexnet", "alexnet"))
    for rule in RULES
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AngleSettings(QuarterSettings):
    """Settings of the measurement of angles."""

    probe: Count = 256  # ours: training images on which signals are measured


def run(settings: AngleSettings, journal: Journal) -> None:
    """Train one rule in one network, and measure all angles after each epoch."""
    journal.label(seed=settings.seeds)
    points = [(seed, settings.rate) for seed in settings.seeds]
    follow(settings, journal, points, settings.probe, changes=True, sizes=True)


def draw(runs: Runs, quantity: str, ylabel: str) -> tuple[Picture, pd.DataFrame]:
    """Draw a quantity against the layer, a column for each rule, a row for each network."""
    figure, grid = drawing.panels(2, 3, figsize=(12, 6.6), sharey=True, sharex="row")
    frames = []
    for row, (short, network) in zip(grid, NETWORKS.items(), strict=True):
        for axes, rule in zip(row, RULES, strict=True):
            frame = layer_lines(axes, runs[f"{short}-{rule}"], quantity, PERCENTS)
            frames.append(frame.assign(network=network, rule=rule))
            if quantity == "agreement":
                axes.axhline(50, color="0.6", lw=1)
                axes.set(ylim=(30, 101))
            else:
                drawing.angle_axis(axes)
            if quantity == "weights":
                axes.axhline(START[short], color="0.6", lw=1, ls=":")
            axes.set(title=f"{network}, {drawing.LOOKS[rule].name}", ylabel="")
        row[0].set(ylabel=ylabel)
    grid[0, 0].legend()
    return figure, pd.concat(frames)


def nearer(runs: Runs, network: str, quantity: str) -> np.ndarray:
    """Return by how much sign-symmetry's angle exceeds feedback alignment's, (layer, member)."""
    frame = apart(runs, f"{network}-ss", f"{network}-fa", quantity)
    return frame.to_numpy(float).T


def turned(runs: Runs, variant: str, quantity: str) -> np.ndarray:
    """Return the angle at the end minus that at the start, ``(layer, member)``."""
    run = runs[variant]
    return (by_layer(run, quantity) - by_layer(run, quantity, 0)).to_numpy(float).T


WORST = "degrees, {}, in the layer where it is largest"
NEARER = "nearer means a smaller angle, and every layer means the worst one too"
LITTLE = "of a rule that teaches next to nothing it holds all the same, and is part of the claim"


def signal_claim(short: str, network: str) -> Claim:
    """Return the claim on the signals of one network."""
    return own_claim(
        id=f"angles-signal-{short}",
        statement=f"{network}: in every layer the signal of sign-symmetry is nearer to "
        "backpropagation's than that of feedback alignment.",
        measure=partial(nearer, network=short, quantity="angle"),
        summary=LARGEST,
        unit=WORST.format("sign-symmetry minus feedback alignment"),
        holds=Region(high=0.0),
        reason=NEARER,
        figure="angles-signal",
        decimals=1,
        applies=photographs,
        unlearnt=LITTLE,
    )


def gradient_claim(short: str, network: str) -> Claim:
    """Return the claim on the changes of the weights of one network."""
    return own_claim(
        id=f"angles-gradient-{short}",
        statement=f"{network}: in every layer the change of the weights under sign-symmetry is "
        "nearer to backpropagation's than that under feedback alignment.",
        measure=partial(nearer, network=short, quantity="gradient"),
        summary=LARGEST,
        unit=WORST.format("sign-symmetry minus feedback alignment"),
        holds=Region(high=0.0),
        reason=NEARER,
        figure="angles-gradient",
        decimals=1,
        applies=photographs,
        unlearnt=LITTLE,
    )


def mirror_claim(short: str, network: str) -> Claim:
    """Return the claim on the feedback weights that learn, in one network."""
    return own_claim(
        id=f"angles-mirror-{short}",
        statement=f"{network}: under Kolen-Pollack the feedback weights of every layer turn "
        "towards the weights.",
        measure=partial(turned, variant=f"{short}-kp", quantity="weights"),
        summary=LARGEST,
        unit=WORST.format("end minus start"),
        holds=Region(high=0.0),
        reason="both get the same changes, and decay takes off what they had at the start",
        figure="angles-weights",
        decimals=1,
        applies=photographs,
    )


CLAIMS = [
    make(short, network)
    for make in (signal_claim, gradient_claim, mirror_claim)
    for short, network in NETWORKS.items()
]

# Figures: what is on the vertical axis, title, and what the caption says of it.
DEGREES = "angle (degrees)"
DRAWN = {
    "weights": (
        DEGREES,
        "Weights beside feedback weights",
        "Angle between the weights of a layer and its feedback weights. Dotted: the angle of "
        "the weights to their signs at the start, where ResNet-18 has Gaussian ones and AlexNet "
        "uniform ones.",
    ),
    "angle": (
        DEGREES,
        "Signals beside backpropagation's",
        "Angle between the signal that reaches a layer and the one that backpropagation would send "
        "there at the same weights, all images of a probe in one vector.",
    ),
    "gradient": (
        DEGREES,
        "Changes of weights beside backpropagation's",
        "Angle between the gradient that a layer's weights are given by the rule and "
        "backpropagation's at the same weights and for the same images.",
    ),
    "agreement": (
        "numbers of equal sign (%)",
        "Signs of signals that agree with backpropagation's",
        "How many of the numbers of a layer's signal have the sign that they would have under "
        "backpropagation at the same weights. Chance is 50 %.",
    ),
}
IDS = {quantity: f"angles-{quantity}" for quantity in DRAWN} | {"angle": "angles-signal"}
TO_SEE = {
    "weights": "To see: which lines move from dark to light, and which way. Where they stand "
    "still, weights do not come nearer to their feedback; the rule of Kolen and Pollack makes "
    "them.",
    "angle": "To see: how fast the angle grows from the last layer to the first, and whether light "
    "lines lie below dark ones. A signal that keeps nothing of backpropagation's lies at 90 "
    "degrees.",
    "gradient": "To see: how near the lines come to 90 degrees, at which a change of the weights "
    "has nothing to do with the gradient, and whether light lines lie below dark ones.",
    "agreement": "To see: how far the lines stay above the level of chance towards the image, and "
    "whether light ones lie above dark ones.",
}
SIGNALS = "; the last layer, where signals are the error itself, is left out."
FIGURES = [
    Figure(
        id=IDS[quantity],
        title=title,
        alt="Six panels, ResNet-18 above and AlexNet below, with sign-symmetry, feedback alignment "
        f"and Kolen-Pollack from left to right: {label} against the layer, from the image up, a "
        "line with a band for each of several epochs from dark to light.",
        caption=f"{caption} Mean and 95 % interval over networks"
        + ("." if quantity == "weights" else SIGNALS),
        look=TO_SEE[quantity],
        place="ours, after the paper's figure of angles, which was not seen",
        draw=partial(draw, quantity=quantity, ylabel=label),
    )
    for quantity, (label, title, caption) in DRAWN.items()
]

STUDY = Study(
    name="signs-angles",
    title="What the angles say, layer by layer",
    paper="xiao2018",
    settings=AngleSettings,
    tiers={
        "smoke": SMOKE | {"probe": 20},
        "quick": DIGITS | {"width": 4, "epochs": 4, "batch": 64, "probe": 64, "members": 1},
        "reduced": {},
    },
    variants=VARIANTS,
    cost={"reduced": 350.0},  # processor time of ResNet-18; an AlexNet takes half of it
    run=run,
    **rules_rates.after("kp", "alexnet-bp", "alexnet-ss", "alexnet-fa"),
    claims=CLAIMS,
    learnt=gone("error", 0.05),
    figures=FIGURES,
)
