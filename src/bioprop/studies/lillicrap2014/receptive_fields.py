"""Lillicrap et al. 2014, Fig S1: what do hidden units come to look for?

Shown is what learning MNIST has changed in the input weights of random hidden units. The weights
themselves would show the random ones that they started from: those are as large as the changes.
"""

from typing import Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import generator
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import MnistSettings, images, load, train
from bioprop.studies.study import STRICT, Count, Figure, Runs, Study

DECIMALS = 4  # of a weight, so that a record stays small


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FieldSettings(MnistSettings):
    """Settings; the members of the record are hidden units of one network."""

    units: Count = 36  # Fig S1 shows 100
    examples: Count = 600_000  # ours: ten times through the images
    members: Literal[1] = 1  # ours: one network

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {"probe": "no angle is measured"}


def run(settings: FieldSettings, journal: Journal) -> None:
    """Train one network; a mark is a pixel, a row what changed in its weights to the units."""
    task = images(settings, settings.streams())
    journal.learns_from(settings.images, load(settings.images).parts)
    units = generator(settings.first_seed, "probe").permutation(settings.hidden[0])
    chosen = np.sort(units[: settings.units])
    journal.label(seed=[settings.first_seed] * len(chosen), unit=chosen.tolist())
    training = train(settings, task)
    before = training.network.weights[0].clone()
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for _ in journal.follow(training, marks, settings.batch):
        pass  # marks are for progress and checkpoints; what counts is the end
    changes = (training.network.weights[0] - before)[0][:, chosen]
    for pixel, change in enumerate(changes):
        journal.write(pixel, change=change.double().round(decimals=DECIMALS))


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw what changed in the input weights of each unit, a block of pictures for each rule."""
    figure = drawing.page(0.53)
    blocks, frames = figure.subfigures(1, len(runs), squeeze=False)[0], []
    for block, (name, result) in zip(blocks, runs.items(), strict=True):
        table = result.table
        fields = table.pivot(index="unit", columns="examples", values="change").to_numpy()
        side = round(fields.shape[1] ** 0.5)
        across = int(np.ceil(len(fields) ** 0.5))
        limit = np.quantile(np.abs(fields), 0.999)
        grid = block.subplots(across, across, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
        for axes in grid.flat:
            axes.axis("off")
        for axes, field in zip(grid.flat, fields, strict=False):
            axes.imshow(field.reshape(side, side), cmap="PuOr", vmin=-limit, vmax=limit)
        block.suptitle(drawing.LOOKS[name].name)
        frames.append(table.rename(columns={"examples": "pixel"}).assign(rule=name))
    return figure, pd.concat(frames)[["rule", "unit", "pixel", "change"]]


STUDY = Study(
    name="receptive-fields",
    title="Receptive fields on MNIST",
    paper="lillicrap2014",
    settings=FieldSettings,
    tiers={
        "smoke": {"images": "digits", "hidden": (20,), "examples": 400, "units": 9},
        "quick": {"images": "digits", "hidden": (100,), "examples": 60_000},
        "paper": {},
    },
    variants={"bp": {"rule": "bp"}, "fa": {"rule": "fa"}},
    run=run,
    population="hidden units",
    decimals={"change": DECIMALS},
    figures=[
        Figure(
            id="receptive-fields",
            title="What random hidden units look for",
            alt="Two blocks of small square pictures, one for backpropagation and one for feedback "
            "alignment; each picture shows how the weights from the image to one hidden unit "
            "changed, orange for down and purple for up.",
            caption="Change of the input weights of hidden units, drawn at random from the "
            "thousand, by learning MNIST with backpropagation (left) and feedback alignment "
            "(right). Orange: down, purple: up. Colours have the same scale within a block.",
            look="To see: whether the two blocks could be told apart without their titles. Units "
            "that had not learnt would be pale, without spots or strokes.",
            place="Fig S1",
            draw=draw,
        )
    ],
)
