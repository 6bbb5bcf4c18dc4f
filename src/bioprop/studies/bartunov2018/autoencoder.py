"""Bartunov et al. 2018, Figs 6 and 7: target propagation where the target is an image.

A check that the methods do more than classify: 784-512-64-512-784 networks that give MNIST's
digits back through 64 units, under backpropagation, DTP and SDTP. The paper draws curves and
pictures and prints no number, so the claims are ours.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture

from bioprop.learning import Streams, Training, Trial
from bioprop.learning.optimisers import Number
from bioprop.studies import drawing, to_see
from bioprop.studies.bartunov2018.figures import draw_angles, over_epochs
from bioprop.studies.bartunov2018.measures import chosen
from bioprop.studies.bartunov2018.methods import (
    METHODS,
    MethodSettings,
    augmentation,
    beside,
    follow,
    layers,
    learnt_from,
    on_mnist,
    taught,
)
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Region,
    RuleName,
    Runs,
    Some,
    Study,
    at,
    gone,
    own_claim,
)
from bioprop.studies.summaries import GEOMETRIC
from bioprop.tasks.images import Classification, load
from bioprop.tasks.reconstruct import Reconstruction, autoencoder, pixel_error, references


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AutoencoderSettings(MethodSettings):
    """Settings of one method in the autoencoder."""

    rule: RuleName  # Fig 6, Fig 7; ours: an output layer that learns alone
    schedule: Literal["alternating", "parallel"] = "parallel"  # ours: not named for these networks
    images: str = "mnist"  # Fig 6, Fig 7; "digits" are scikit-learn's, for quick runs
    hidden: Some[Count] = (256, 256, 256, 256, 256)  # Fig 6, Fig 7
    epochs: Count = 150  # ours: not stated


REFERENCES = {"mean-image": "the mean image", "components": "principal components"}


def prepare(
    settings: MethodSettings, streams: Streams, **each: Number
) -> tuple[Training, Classification]:
    """Return a population of autoencoders, ready to be trained, and its task.

    ``each`` has settings that differ from member to member, shape ``(member, 1, 1)``.
    """
    images = learnt_from(settings)
    shown = augmentation(settings)
    task = Reconstruction(images, streams, settings.batch, augmentation=shown)
    built = layers(settings, images.shape, images.pixels)
    network = autoencoder(streams, built, settings.activation)
    return taught(settings, network, task, streams, **each), task


def run(settings: MethodSettings, journal: Journal) -> None:
    """Train one method; beside its errors stand those of the references, the same at each mark."""
    journal.label(seed=settings.seeds)
    known, new = learnt_from(settings).train, load(settings.images).test
    constant = references(known, new, min(settings.hidden))
    columns = {name: torch.full((settings.members,), value) for name, value in constant.items()}

    def measure(training: Training, trial: Trial) -> dict[str, torch.Tensor]:
        return columns | beside(training, trial)

    prepared = prepare(settings, settings.streams())
    follow(settings, journal, *prepared, measure=measure, error=pixel_error)


def over_reference(runs: Runs, name: str, reference: str) -> np.ndarray:
    """Return the test error of a method over that of a reference, ``(member,)``."""
    return chosen(runs[name]) / at(runs[name], reference)


def factor(runs: Runs, one: str, other: str) -> np.ndarray:
    """Return the test error of one method over that of another, seed by seed."""
    return chosen(runs[one]) / chosen(runs[other])


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test and training error against epochs, with the references."""
    figure, both = drawing.panels(1, 2, figsize=(11, 4.6), sharey=True)
    frames = []
    for axes, (quantity, words) in zip(
        both, {"error": "test images", "training": "training images"}.items(), strict=True
    ):
        frames += [over_epochs(axes, result, quantity, name) for name, result in runs.items()]
        axes.set(xlabel="epochs", title=words)
    some = next(iter(runs.values()))
    for (reference, words), line in zip(REFERENCES.items(), ("-", "--"), strict=True):
        value = at(some, reference)[0]
        both[0].axhline(value, color="0.7", lw=1, linestyle=line, label=words)
        frames.append(pd.DataFrame({"rule": reference, "quantity": ["error"], "mean": value}))
    drawing.log_y(both[0])
    drawing.plain_ticks(both[0].yaxis)
    both[0].set(ylabel="mean squared error of a pixel")
    named = both[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(3))
    return figure, pd.concat(frames)


def versus(
    id: str, statement: str, one: str, other: str, holds: Region, reason: str, **more: Any
) -> Claim:
    """Return a claim about the error of one method over that of another."""
    return own_claim(
        id=f"autoencoder-{id}",
        statement=statement,
        measure=partial(factor, one=one, other=other),
        unit="test error over test error, at the epochs that held-out images choose",
        summary=GEOMETRIC,
        holds=holds,
        reason=reason,
        figure="autoencoder-errors",
        applies=on_mnist,
        **more,
    )


def against(reference: str, name: str, holds: Region, reason: str, **more: Any) -> Claim:
    """Return the claim that a method's error is below a share of a reference's."""
    short, words = name.partition("-")[0], drawing.LOOKS[name].name
    share = f"{holds.high:g} times " if holds.high < 1 else ""
    return own_claim(
        id=f"autoencoder-{short}-{reference}",
        statement=f"{words}: the error is below {share}that of {REFERENCES[reference]}.",
        measure=partial(over_reference, name=name, reference=reference),
        unit=f"test error over that of {REFERENCES[reference]}",
        holds=holds,
        reason=reason,
        figure="autoencoder-errors",
        applies=on_mnist,
        **more,
    )


DEEP = ("bp", "dtp-alternating", "sdtp-alternating")
LEVEL = (
    "above where the interval of the ratio lies above one; the order is that of the paper's Table "
    "1 on digits, as it prints none for autoencoders"
)
CLAIMS = [
    *(
        against(
            "mean-image",
            name,
            Region(high=0.25),
            "a digit is there to be seen where three quarters of what sets it apart from the mean "
            "image come back; partly where half of it does",
            partly=Region(high=0.5),
        )
        for name in DEEP
    ),
    *(
        against(
            "components",
            name,
            Region(high=1.0),
            "principal components are the best that a linear network with as narrow a layer can "
            "do: below it the bent layers are of use",
        )
        for name in DEEP
    ),
    versus(
        "dtp-above-bp",
        "DTP ends above backpropagation.",
        "dtp-alternating",
        "bp",
        Region(low=1.0),
        LEVEL,
    ),
    versus(
        "sdtp-above-dtp",
        "SDTP ends above DTP.",
        "sdtp-alternating",
        "dtp-alternating",
        Region(low=1.0),
        LEVEL,
    ),
    *(
        versus(
            f"{name.partition('-')[0]}-hidden",
            f"{drawing.LOOKS[name].name}: with hidden layers that are taught the error is below "
            "half of that of a network whose output layer alone learns.",
            name,
            "shallow",
            Region(high=0.5),
            "half leaves no doubt that the hidden layers learn; partly where it is below at all",
            partly=Region(high=1.0),
        )
        for name in DEEP[1:]
    ),
]

# Figs 6 and 7: 784-512-64-512-784. The image itself is SDTP's target, all of the way (ours).
LAYERS = {"hidden": (512, 64, 512), "reads": "output", "step": 1.0}
# The paper has the first three; it does not say which schedule (ours: the better one of Table 1).
# What the output layer learns alone, over hidden layers left at random, is beside them (ours).
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    **{name: {**LAYERS, **METHODS[name]} for name in DEEP},
    "shallow": {**LAYERS, "rule": "shallow"},
}
SMALL = {"images": "digits", "hidden": (32, 8, 32), "held_out": 200}

# What the study autoencoder-longer-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 0.0005, "eps": 0.0001},
    "dtp-alternating": {"rate": 0.001, "eps": 0.0001, "inverse_rate": 0.01},
    "sdtp-alternating": {"rate": 0.001, "eps": 0.0001, "inverse_rate": 0.003},
    "shallow": {"rate": 0.008, "eps": 0.0001},
}

STUDY = Study(
    name="autoencoder",
    title="Autoencoders on MNIST",
    paper="bartunov2018",
    settings=AutoencoderSettings,
    tiers={
        "smoke": SMALL | {"epochs": 2, "members": 3},
        "quick": SMALL | {"batch": 50, "epochs": 40, "members": 3, "rate": 3e-3},
        "reduced": {"epochs": 25, "members": 3},  # the paper prints no number of epochs
    },
    variants={name: {**variant, **FOUND[name]} for name, variant in VARIANTS.items()},
    run=run,
    after="autoencoder-longer-rates",
    cost={"reduced": 170.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=gone("error"),
    figures=[
        Figure(
            id="autoencoder-errors",
            title="Reconstruction error of autoencoders on MNIST",
            alt="Two panels with a common log axis, mean squared error of a pixel against epochs, "
            "on test and on training images; a line with a band for each of backpropagation, DTP, "
            "SDTP and a network whose output layer alone learns; grey lines for the mean image and "
            "for principal components.",
            caption="Mean squared error of a pixel of 784-512-64-512-784 networks, mean and 95 % "
            "interval over networks. Grey lines: what answering with the mean training image "
            "leaves, and what as many principal components as the narrowest layer has units leave, "
            "the least for a linear network.",
            look="To see: between which of the grey lines a curve ends. A method that taught the "
            "hidden layers nothing would end with the network whose output layer alone learns.",
            place="Fig 6",
            draw=draw,
        ),
        Figure(
            id="autoencoder-angles",
            title="Each method's weight change in an autoencoder beside backpropagation's",
            alt="Three panels, one for each hidden layer, with the angle in degrees against "
            "epochs; a line with a band for DTP and one for SDTP, and a grey line at 90 degrees.",
            caption="Angle between the change of each hidden layer's weights under a method and "
            "under backpropagation at the same weights, on held-out images. Layer 1 reads the "
            "image, layer 2 is the narrow one.",
            look=to_see.ANGLES,
            place="ours",
            draw=draw_angles,
        ),
    ],
)
