"""Bartunov et al. 2018, Fig 7: what autoencoders give back.

The first test image of each class, and what a network of each method makes of it: the network of
seed 0 of the study autoencoder, trained anew.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.autoencoder import STUDY as AUTOENCODER
from bioprop.studies.bartunov2018.autoencoder import prepare
from bioprop.studies.bartunov2018.methods import MethodSettings, marks
from bioprop.studies.journal import Journal
from bioprop.studies.study import STRICT, Figure, Run, Runs, Study
from bioprop.tasks.images import Images, load

DECIMALS = 3  # of a pixel from 0 to 1: finer than a byte, and a record stays small


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class PictureSettings(MethodSettings):
    """Settings; the members of the record are images that one network gives back."""

    members: Literal[1] = 1  # ours: one network

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {"probe": "no angle is measured", "measured": "no error is measured"}


def first_of_each(images: Images) -> Images:
    """Return images whose test images are the first of each class, in the order of classes."""
    places = [int((images.test_labels == k).nonzero()[0]) for k in range(images.classes)]
    return replace(images, test=images.test[places], test_labels=images.test_labels[places])


def run(settings: PictureSettings, journal: Journal) -> None:
    """Train one network; a mark is a pixel, a row that pixel of each image and as given back."""
    training, task = prepare(settings, settings.streams())
    whole = load(settings.images)
    journal.learns_from(settings.images, whole.parts)
    journal.label(seed=[settings.first_seed] * whole.classes, digit=list(range(whole.classes)))
    for _ in journal.follow(training, marks(settings), settings.batch):
        pass  # marks are for progress and checkpoints; what counts is the end
    x, _ = replace(task, images=first_of_each(whole)).test()
    with torch.no_grad():
        y = training.network.forward(x[None])[-1][0]
    shown = {"original": x, "reconstruction": y}
    rounded = {name: part.double().round(decimals=DECIMALS) for name, part in shown.items()}
    for pixel in range(x.shape[1]):
        journal.write(pixel, **{name: part[:, pixel] for name, part in rounded.items()})


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the images in a row, and below them what each method gives back."""
    frames = []
    rows = {"image": pictures(next(iter(runs.values())), "original")}
    for name, result in runs.items():
        rows[drawing.LOOKS[name].name] = pictures(result, "reconstruction")
        table = result.table.rename(columns={"examples": "pixel"})
        frames.append(table.assign(rule=name))
    across = len(rows["image"])
    size = (0.9 * across + 1.6, 0.9 * len(rows))
    figure, grid = drawing.panels(len(rows), across, figsize=size, squeeze=False)
    for line, (words, shown) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, shown, strict=True):
            show(axes, picture)
        line[0].set_ylabel(words, rotation=0, ha="right", va="center")
    return figure, pd.concat(frames)[["rule", "digit", "pixel", "original", "reconstruction"]]


def pictures(run: Run, quantity: str) -> np.ndarray:
    """Return the images that a run wrote, ``(image, pixel)``."""
    return run.table.pivot(index="digit", columns="examples", values=quantity).to_numpy()


def show(axes: Axes, picture: np.ndarray) -> None:
    """Draw one square image, dark on white, without ticks."""
    side = round(len(picture) ** 0.5)
    axes.imshow(picture.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


STUDY = Study(
    name="autoencoder-pictures",
    title="What autoencoders give back",
    paper="bartunov2018",
    settings=PictureSettings,
    tiers={tier: {**changes, "members": 1} for tier, changes in AUTOENCODER.tiers.items()},
    variants=AUTOENCODER.variants,
    run=run,
    after="autoencoder-longer-rates",
    cost=AUTOENCODER.cost,
    population="images",
    decimals={"original": DECIMALS, "reconstruction": DECIMALS},
    figures=[
        Figure(
            id="autoencoder-pictures",
            title="What autoencoders give back",
            alt="A row of ten handwritten digits, 0 to 9, and below it a row for each of "
            "backpropagation, DTP, SDTP and a network whose output layer alone learns, with the "
            "same digits as the network gives them back.",
            caption="The first test image of each class, and what a 784-512-64-512-784 network "
            "makes of it after learning by each method. White is 0 and black 1 throughout.",
            look="To see: whether a row shows ten digits with strokes of their own. A network "
            "that answered with the mean image would show one blur ten times.",
            place="Fig 7",
            draw=draw,
        )
    ],
)
