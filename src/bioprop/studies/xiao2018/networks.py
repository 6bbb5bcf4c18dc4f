"""What the studies of sign-symmetry share: two networks on images, what is measured of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from torch import nn
from torch.nn import functional as F

from bioprop.choose import choose
from bioprop.deep import alexnet, convert, resnet18
from bioprop.deep.dale import obey
from bioprop.deep.layers import feedback_of
from bioprop.deep.recipes import RECIPES, Recipe, recipe
from bioprop.deep.rules import called
from bioprop.deep.signals import (
    agreement,
    converted,
    signal_angle,
    signals_and_changes,
    weight_angle,
)
from bioprop.deep.training import Members, Training
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    MemberCount,
    Natural,
    Positive,
    Precision,
    Run,
    Runs,
    Seed,
    Settings,
    at,
    rows_at,
)
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.images import Images, load
from bioprop.tasks.photographs import Photographs

DeepRule = Annotated[str, pydantic.AfterValidator(lambda name: called(name).name)]
RecipeName = Annotated[str, pydantic.AfterValidator(lambda name: choose("recipe", name, RECIPES))]
Flips = Literal["none", "horizontal", "vertical", "both"]
Layers = Literal["all", "last", "others"]  # of a network
NO_SIGNS = "gradients stay as they are; with manhattan = True they become signs"
GAUSSIAN = float(np.degrees(np.arccos(np.sqrt(2 / np.pi))))  # from Gaussian numbers to their signs
UNIFORM = 30.0  # from numbers of equal chance between two ends to their signs: arccos sqrt(3 / 4)
MORE = 5  # networks of a rule where a difference of two or three points is asked
STRIDE = 20  # batches between two chances to save a checkpoint


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepSettings(Settings):
    """Settings of a network that learns images, and where each value comes from."""

    network: Literal["resnet18", "alexnet"] = "resnet18"  # Fig 1: both
    rule: DeepRule  # Fig 1: sign-symmetry; ours: beside backpropagation and feedback alignment
    last: Literal["rule", "bp"] = "rule"  # ours: the rule in the last layer too; the paper has both
    images: str = "tiny-imagenet"  # ours: the paper has ImageNet; digits are for quick runs
    every: Count = 1  # ours: all classes; 4 keeps every fourth
    held_out: Seed = 0  # ours: training images that stand in for the test images, to choose by
    width: Count = 32  # ours: half of the 64 channels that either network begins with
    stem: Literal["imagenet", "small"] = "imagenet"  # ours: as in the official code
    recipe: RecipeName = "short"  # ours: SGD, momentum 0.9, weight decay 5e-4, a ramp up and down
    epochs: Count = 20  # ours: 90 in the official code
    batch: Count = 128  # ours: 256 in the official code
    pad: Seed = 8  # ours: border for random crops, an eighth of 64 pixels
    flips: Flips = "horizontal"  # ours: as in the official code
    precision: Precision = "bfloat16"  # ours: of products alone; twice as fast with AMX
    measured: Natural = 5000  # ours: training images whose errors are measured too, as they are
    members: MemberCount = 3  # ours: the fewest that a claim is judged by

    @property
    def marks(self) -> int:
        """Return how often a run is measured: after each epoch."""
        return self.epochs

    def build(self, images: Images, seed: int) -> nn.Module:
        """Return the network as it starts."""
        if self.network == "alexnet":
            return alexnet(images.classes, self.width, images.shape[1], seed, self.stem)
        return resnet18(images.classes, self.width, self.stem, seed)

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


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class OpenSettings(DeepSettings):
    """Settings of networks with and without what the paper's code has beside its rule."""

    norm: bool = True  # ours: batch normalisation, as in the official code
    manhattan: bool = False  # ours: Batch-Manhattan, an option of the official code
    manhattan_in: Layers = "all"  # ours: the code has one switch for the last layer, one for others
    dale: bool = False  # ours: all weights that leave a unit have one sign

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "alexnet" and not self.norm:
            raise ValueError("norm = False: an AlexNet has batch normalisation here, leave it True")

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {} if self.manhattan else {"manhattan_in": NO_SIGNS}

    def build(self, images: Images, seed: int) -> nn.Module:
        """Return the network as it starts."""
        if self.norm:
            return super().build(images, seed)
        return resnet18(images.classes, self.width, self.stem, seed, norm=False)

    def plan(self, rate: float) -> Recipe:
        """Return the recipe with the changes of these settings."""
        plan = super().plan(rate)
        return dataclasses.replace(plan, manhattan=self.manhattan, manhattan_in=self.manhattan_in)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class QuarterSettings(OpenSettings):
    """Settings of a comparison on a quarter of the classes, with a network in five minutes."""

    every: Count = 4  # ours: 50 of the 200 classes, for time
    epochs: Count = 8  # ours: as the search of rates has
    measured: Natural = 0  # ours: none; test images are what these studies are about
    rate: Positive = 0.2  # ours: of sign-symmetry the best in signs-rates; others have their own


def run(settings: QuarterSettings, journal: Journal) -> None:
    """Train one network for each seed, in turns, and measure errors alone."""
    journal.label(seed=settings.seeds)
    follow(settings, journal, [(seed, settings.rate) for seed in settings.seeds])


# Where in the paper what is claimed stands; its text was not read.
CAPTION = "abstract, and Fig 1 by its caption: a direction; its numbers were not seen"
BEHIND = "abstract, after Bartunov et al. 2018, Table 2: a direction, and of another network"


def photographs(settings: DeepSettings) -> bool:
    """Whether a run is one that claims are about."""
    return settings.images == "tiny-imagenet"


# On scikit-learn's digits: for tests, and for live runs. A mirrored digit is another sign.
DIGITS = {
    "images": "digits",
    "every": 1,
    "stem": "small",
    "pad": 1,
    "flips": "none",
    "precision": "float32",
}
SMOKE = DIGITS | {"every": 2, "held_out": 600, "width": 2, "epochs": 2, "batch": 64}
QUARTER_TIERS: Mapping[str, Mapping[str, Any]] = {
    "smoke": SMOKE | {"members": 3},
    "quick": DIGITS | {"width": 4, "epochs": 4, "batch": 64, "members": 1},
    "reduced": {},
}
UNIT = "points of top-1 error"


def train(settings: DeepSettings, images: Images, seed: int, rate: float) -> Training:
    """Return one network, ready to be trained; ``batches`` of it is its :class:`Photographs`."""
    plan = settings.plan(rate)
    augmentation = Augmentation(plan.pad, plan.flips)
    task = Photographs(images, seed, plan.batch, augmentation, settings.dtype, settings.device)
    model = settings.build(images, seed)
    convert(model, settings.rule, last=settings.last, seed=seed)
    model = model.to(settings.device, settings.dtype)
    lawful = isinstance(settings, OpenSettings) and settings.dale
    named = {"rule": settings.rule, "last": settings.last, "seed": seed, "images": settings.images}
    return Training(
        model,
        task,
        plan,
        task.each_epoch,
        autocast=settings.compute,
        named={**named, "network": settings.network, "dale": lawful},
        keep=obey(model) if lawful else None,
    )


def follow(
    settings: DeepSettings,
    journal: Journal,
    points: Sequence[tuple[int, float]],
    probe: int | None = None,
    changes: bool = False,
    sizes: bool = False,
) -> None:
    """Train a network for each (seed, rate), and measure after each epoch.

    Errors in per cent, on the test images and on the first ``measured`` training images as they
    are; on the first ``probe`` training images also, for rules that differ from backpropagation,
    what each layer is taught, with ``changes`` how its weights would change, and with ``sizes`` how
    large signals and feedback weights are beside backpropagation's and the weights.
    """
    journal.learns_from(settings.images, load(settings.images).parts)
    images = load(settings.images, settings.held_out, settings.every)
    networks = Members([train(settings, images, seed, rate) for seed, rate in points])
    epoch = networks.trainings[0].each_epoch * settings.batch
    marks = range(0, settings.epochs * epoch + 1, epoch)
    for examples in journal.follow(networks, marks, settings.batch, STRIDE):
        rows = [measured(each, settings, probe, changes, sizes) for each in networks.trainings]
        together = {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
        journal.write(examples, **together)


def measured(
    training: Training,
    settings: DeepSettings,
    probe: int | None,
    changes: bool = False,
    sizes: bool = False,
) -> dict[str, float]:
    """Return the errors of a network, and of each layer some numbers, keyed ``angle <layer>``.

    Under Dale's law also the per cent of its weights that are zero, ``zeros``.
    """
    task = training.batches
    assert isinstance(task, Photographs)
    top1, top5 = training.errors(task.test())
    found = {"error": float(top1), "top5": float(top5)}
    if settings.measured:
        found["training"] = float(training.errors(task.learnt(settings.measured))[0])
    if isinstance(settings, OpenSettings) and settings.dale:
        weights = [each.detach() for each in training.model.parameters() if each.ndim > 1]
        lost = torch.cat([(each == 0).flatten() for each in weights])
        found["zeros"] = 100 * float(lost.float().mean())
    if probe is None or settings.rule == "bp":
        return found
    model, (images, classes) = training.model, task.probe(probe)
    model.train()
    both = signals_and_changes(model, lambda: F.cross_entropy(model(images), classes))
    # at the last layer every rule has the error itself, so it is left out
    layers = list(converted(model).items())
    for name, _ in layers[:-1]:
        signals, gradients = (pairs[name] for pairs in both)
        found[f"angle {name}"] = float(signal_angle(*signals))
        found[f"agreement {name}"] = float(agreement(*signals))
        if changes:
            found[f"gradient {name}"] = float(signal_angle(*gradients))
        if sizes:
            found[f"ratio {name}"] = float(signals[0].norm() / signals[1].norm())
    for name, layer in layers if sizes else layers[:-1]:
        found[f"weights {name}"] = float(weight_angle(layer))
        if sizes:
            found[f"size {name}"] = float(feedback_of(layer).norm() / layer.weight.detach().norm())
    return found


def by_layer(run: Run, quantity: str, percent: float = 100.0) -> pd.DataFrame:
    """Return a quantity with a row for each seed and a column for each layer, the lowest first.

    That is the order in which the names of layers sort, but that AlexNet has its linear layers,
    ``classifier``, after its ``features``, and ResNet-18 its last one, ``fc``, after all others.
    """
    columns = [str(name) for name in run.table if str(name).startswith(f"{quantity} ")]
    columns.sort(key=lambda name: ("classifier" in name or name.endswith(" fc"), name))
    frame = rows_at(run, percent).set_index("seed")[columns]
    return frame.rename(columns=lambda name: str(name).removeprefix(f"{quantity} "))


def excess(runs: Runs, variant: str, reference: str) -> np.ndarray:
    """Return by how many points of top-1 error a variant ends above another, seed by seed."""
    a, b = (rows_at(runs[name]).set_index("seed")["error"] for name in (variant, reference))
    both = a.index.intersection(b.index)
    return (a[both] - b[both]).to_numpy(float)


def apart(runs: Runs, variant: str, reference: str, quantity: str = "angle") -> pd.DataFrame:
    """Return the angle of a variant's signal minus another's at the end, by seed and layer."""
    a, b = (by_layer(runs[name], quantity) for name in (variant, reference))
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


def rows_of_dots(
    axes: Axes, runs: Runs, rows: Sequence[tuple[str, str]], quantity: str = "error"
) -> pd.DataFrame:
    """Draw a quantity at the end, a row for each (variant, label); one that is not there is empty.

    A variant of another study is called ``<study>/<variant>``. Where a network diverged there is no
    mean, and the label says so.
    """
    drawn, labels = [], []
    for place, (name, label) in enumerate(rows):
        values = at(runs[name], quantity) if name in runs else np.empty(0)
        labels.append("\n".join(filter(None, (label, drawing.diverged(values)))))
        if len(values):
            look = name.rpartition("/")[2]
            drawn.append(drawing.dot(axes, values, place, look, label=None))
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticklabels(labels)
    return pd.DataFrame(drawn)


def layer_axis(axes: Axes, layers: int) -> None:
    """Give the horizontal axis the number of the layer."""
    axes.set(xlabel="layer, from the image up", xticks=[1, *range(5, layers + 1, 5)])
