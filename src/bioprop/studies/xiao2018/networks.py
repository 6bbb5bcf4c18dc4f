"""What the studies of sign-symmetry share: ResNet-18 on images, and what is measured of it."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from torch import nn
from torch.nn import functional as F

from bioprop.choose import choose
from bioprop.deep import RULES, convert, resnet18
from bioprop.deep.recipes import RECIPES, Recipe, recipe
from bioprop.deep.signals import (
    agreement,
    beside_backprop,
    converted,
    signal_angle,
    weight_angle,
)
from bioprop.deep.training import Members, Training
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    MemberCount,
    Precision,
    Run,
    Runs,
    Seed,
    Settings,
    rows_at,
)
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.images import Images, load
from bioprop.tasks.photographs import Photographs

DeepRule = Annotated[
    str, pydantic.AfterValidator(lambda name: choose("learning rule", name, RULES))
]
RecipeName = Annotated[str, pydantic.AfterValidator(lambda name: choose("recipe", name, RECIPES))]
Flips = Literal["none", "horizontal", "vertical", "both"]
GAUSSIAN = float(np.degrees(np.arccos(np.sqrt(2 / np.pi))))  # from Gaussian numbers to their signs
STRIDE = 20  # batches between two chances to save a checkpoint


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepSettings(Settings):
    """Settings of a ResNet-18 that learns images, and where each value comes from."""

    rule: DeepRule  # Fig 1: sign-symmetry; ours: beside backpropagation and feedback alignment
    last: Literal["rule", "bp"] = "rule"  # ours: the rule in the last layer too; the paper has both
    images: str = "tiny-imagenet"  # ours: the paper has ImageNet; digits are for quick runs
    every: Count = 1  # ours: all classes; 4 keeps every fourth
    held_out: Seed = 0  # ours: training images that stand in for the test images, to choose by
    width: Count = 32  # ours: half of ResNet-18's 64 channels
    stem: Literal["imagenet", "small"] = "imagenet"  # ours: as in the official code
    recipe: RecipeName = "short"  # ours: SGD, momentum 0.9, weight decay 5e-4, a ramp up and down
    epochs: Count = 20  # ours: 90 in the official code
    batch: Count = 128  # ours: 256 in the official code
    pad: Seed = 8  # ours: border for random crops, an eighth of 64 pixels
    flips: Flips = "horizontal"  # ours: as in the official code
    precision: Precision = "bfloat16"  # ours: of products alone; twice as fast with AMX
    members: MemberCount = 3  # ours: the fewest that a claim is judged by

    @property
    def marks(self) -> int:
        """Return how often a run is measured: after each epoch."""
        return self.epochs

    def plan(self, rate: float) -> Recipe:
        """Return the recipe with the changes of these settings."""
        return dataclasses.replace(
            recipe(self.recipe),
            rate=rate,
            epochs=self.epochs,
            batch=self.batch,
            pad=self.pad,
            flips=self.flips,
        )


def train(settings: DeepSettings, images: Images, seed: int, rate: float) -> Training:
    """Return one network, ready to be trained; ``batches`` of it is its :class:`Photographs`."""
    plan = settings.plan(rate)
    augmentation = Augmentation(plan.pad, plan.flips)
    task = Photographs(images, seed, plan.batch, augmentation, settings.dtype, settings.device)
    model = resnet18(images.classes, settings.width, settings.stem, seed)
    convert(model, settings.rule, last=settings.last, seed=seed)
    named = {"rule": settings.rule, "last": settings.last, "seed": seed, "images": settings.images}
    return Training(
        model.to(settings.device, settings.dtype),
        task,
        plan,
        task.each_epoch,
        autocast=settings.compute,
        named=named,
    )


def follow(
    settings: DeepSettings,
    journal: Journal,
    points: Sequence[tuple[int, float]],
    probe: int | None = None,
) -> None:
    """Train a network for each (seed, rate), and measure after each epoch.

    Errors on the test images in per cent; on the first ``probe`` training images also, for rules
    that differ from backpropagation, what each layer is taught.
    """
    journal.learns_from(settings.images, load(settings.images).parts)
    images = load(settings.images, settings.held_out, settings.every)
    networks = Members([train(settings, images, seed, rate) for seed, rate in points])
    epoch = networks.trainings[0].each_epoch * settings.batch
    marks = range(0, settings.epochs * epoch + 1, epoch)
    for examples in journal.follow(networks, marks, settings.batch, STRIDE):
        rows = [measured(each, settings, probe) for each in networks.trainings]
        together = {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
        journal.write(examples, **together)


def measured(training: Training, settings: DeepSettings, probe: int | None) -> dict[str, float]:
    """Return the errors of a network, and of each layer three numbers, keyed ``angle <layer>``."""
    task = training.batches
    assert isinstance(task, Photographs)
    top1, top5 = training.errors(task.test())
    found = {"error": float(top1), "top5": float(top5)}
    if probe is None or settings.rule == "bp":
        return found
    layers, pairs = converted(training.model), taught(training.model, *task.probe(probe))
    for name, pair in pairs.items():
        found[f"angle {name}"] = float(signal_angle(*pair))
        found[f"agreement {name}"] = float(agreement(*pair))
        found[f"weights {name}"] = float(weight_angle(layers[name]))
    return found


def taught(
    model: nn.Module, images: torch.Tensor, classes: torch.Tensor
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return each layer's own signal and backpropagation's, in training mode, the lowest first.

    At the last layer every rule has the error itself, so it is left out.
    """
    model.train()
    pairs = beside_backprop(model, lambda: F.cross_entropy(model(images), classes))
    return {name: pairs[name] for name in list(converted(model))[:-1]}


def by_layer(run: Run, quantity: str, percent: float = 100.0) -> pd.DataFrame:
    """Return a quantity with a row for each seed and a column for each layer, the lowest first.

    That is the order in which the names of ResNet's layers sort.
    """
    columns = sorted(name for name in run.table if str(name).startswith(f"{quantity} "))
    frame = rows_at(run, percent).set_index("seed")[columns]
    return frame.rename(columns=lambda name: str(name).removeprefix(f"{quantity} "))


def excess(runs: Runs, variant: str, reference: str) -> np.ndarray:
    """Return by how many points of top-1 error a variant ends above another, seed by seed."""
    a, b = (rows_at(runs[name]).set_index("seed")["error"] for name in (variant, reference))
    both = a.index.intersection(b.index)
    return (a[both] - b[both]).to_numpy(float)


def apart(runs: Runs, variant: str, reference: str) -> pd.DataFrame:
    """Return the angle of a variant's signal minus another's at the end, by seed and layer."""
    a, b = (by_layer(runs[name], "angle") for name in (variant, reference))
    both = a.index.intersection(b.index)
    return a.loc[both] - b.loc[both]


def turned(run: Run) -> pd.DataFrame:
    """Return the angle of the signal at the end minus that at the start, by seed and layer."""
    return by_layer(run, "angle") - by_layer(run, "angle", 0)


def highest_third(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the last third of the layers."""
    return frame.iloc[:, len(frame.columns) * 2 // 3 :]


def error_band(axes: Axes, run: Run, quantity: str, name: str) -> pd.DataFrame:
    """Draw an error against epochs, mean and 95 % interval over networks."""
    look = drawing.LOOKS[name]
    epochs = run.table.assign(epoch=epochs_of(run))
    values = epochs.pivot(index="epoch", columns="member", values=quantity)
    options = {"color": look.colour, "linestyle": look.line, "label": look.name}
    drawn = drawing.shaded(axes, values, **options)
    return pd.DataFrame({"rule": name, "quantity": quantity} | drawn)


def epochs_of(run: Run) -> pd.Series:
    """Return the epochs seen at each row of a run."""
    examples = run.table["examples"]
    return (examples * run.settings.epochs / examples.max()).round().astype(int)


def layer_lines(axes: Axes, run: Run, quantity: str, percents: Sequence[float]) -> pd.DataFrame:
    """Draw a quantity against the layer, a line for each percentage of the run, dark to light."""
    frames, last = [], run.settings.epochs
    epochs = sorted({round(percent / 100 * last) for percent in percents})
    for epoch, colour in zip(epochs, drawing.shades(len(epochs)), strict=True):
        values = by_layer(run, quantity, 100 * epoch / last)
        options = {"color": colour, "label": f"epoch {epoch}", "marker": "."}
        drawn = drawing.shaded(axes, against_layers(values), **options)
        frame = pd.DataFrame({"quantity": quantity, "epoch": epoch, "name": values.columns} | drawn)
        frames.append(frame)
    layer_axis(axes, len(values.columns))
    return pd.concat(frames)


def against_layers(values: pd.DataFrame) -> pd.DataFrame:
    """Turn a frame of seeds and layers into one with a row for each layer, counted from 1."""
    return values.T.set_axis(pd.RangeIndex(1, len(values.columns) + 1, name="layer"))


def layer_axis(axes: Axes, layers: int) -> None:
    """Give the horizontal axis the number of the layer."""
    axes.set(xlabel="layer, from the image up", xticks=[1, *range(5, layers + 1, 5)])
