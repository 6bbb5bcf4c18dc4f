"""Where does the gap open? Error against the number of classes, at equal updates.

Between the ten digits, where feedback alignment and target propagation come close to
backpropagation, and ImageNet, where they do not, lie other images and a larger network, but also a
hundred times as many classes. Here the network stays and the kind of images: those of the study
towards-imagenet, with 10, 50 and all 200 classes of Tiny ImageNet, each for as many updates. With
fewer classes there are fewer images, which are seen more often.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.measures import chosen
from bioprop.studies.bartunov2018.methods import costs, run
from bioprop.studies.bartunov2018.towards_imagenet import (
    DIGITS,
    EPOCH,
    FOUND,
    STEP,
    VARIANTS,
    ImageNetSettings,
    on_photographs,
)
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Region,
    Run,
    Runs,
    Study,
    gone,
    own_claim,
)
from bioprop.studies.summaries import interval
from bioprop.tasks.images import Images, load

TAUGHT = ("bp", "fa", "dtp-alternating")
PARTS = ("few", "some", "all")  # of the classes
BY_PART: Mapping[str, Mapping[str, Any]] = {
    f"{name}-{part}": {**VARIANTS[name], **FOUND.get(name, {}), "part": part}
    for part in PARTS
    for name in TAUGHT
}
Three = tuple[Count, Count, Count]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ClassesSettings(ImageNetSettings):
    """Settings of one method and a number of classes, evenly spaced among those there are."""

    part: Literal["few", "some", "all"] = "all"  # ours: of the classes
    counts: Three = (10, 50, 200)  # ours: how many these are
    held_out: Count = 5000  # ours: of all classes; of fewer a share
    epochs: Count = 3  # ours: of all classes; as many updates with fewer

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.counts[PARTS.index(self.part)]

    def pictures(self, held_out: int = 0) -> Images:
        """Return the images of the classes, with their share of those held out."""
        images = some_classes(self.images, self.classes)
        share = held_out * self.classes // self.counts[-1]
        return images.held_out(share) if share else images

    @property
    def each_epoch(self) -> int:
        """Examples of one epoch of all classes: updates are counted in those."""
        images = load(self.images, self.held_out)
        return (self.shown or len(images.train)) // self.batch * self.batch


@cache
def some_classes(name: str, count: int) -> Images:
    """Return the images of so many classes; raise ``ValueError`` where they cannot be spaced so."""
    whole = load(name)
    if whole.classes % count:
        raise ValueError(
            f"{count} of {whole.classes} classes cannot be evenly spaced; give a divisor of "
            f"{whole.classes}"
        )
    return load(name, every=whole.classes // count)


def chance(run: Run) -> float:
    """Return the error of a network that knows nothing, in per cent."""
    return 100 * (1 - 1 / run.settings.classes)


def share_kept(runs: Runs, name: str, part: str) -> np.ndarray:
    """Return which share of backpropagation's way from chance a method goes, seed by seed."""
    other, bp = runs[f"{name}-{part}"], runs[f"bp-{part}"]
    return (chance(other) - chosen(other)) / (chance(bp) - chosen(bp))


def share_lost(runs: Runs, name: str) -> np.ndarray:
    """Return how much larger that share is with few classes than with all, seed by seed."""
    return share_kept(runs, name, "few") - share_kept(runs, name, "all")


def opens(name: str) -> Claim:
    """Return the claim that a method falls behind as classes are added."""
    return own_claim(
        id=f"towards-imagenet-classes-{name}",
        statement=f"{drawing.LOOKS[name].name} goes a smaller share of backpropagation's way from "
        "chance with 200 classes than with 10.",
        measure=partial(share_lost, name=name),
        unit="share of backpropagation's way from chance, with 10 classes minus with 200",
        holds=Region(low=0.0),
        reason="smaller where the interval of the difference lies above zero; a share, as chance "
        "itself moves with the number of classes",
        figure="towards-imagenet-classes",
        applies=on_photographs,
        unlearnt="a method that stays at chance goes no share of the way",
    )


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error against the number of classes, and the share of backpropagation's way."""
    figure, (errors, shares) = drawing.panels(1, 2, figsize=(10, 4.2))
    rows = []
    counts = [runs[f"bp-{part}"].settings.classes for part in PARTS]
    for name in TAUGHT:
        found = np.array([chosen(runs[f"{name}-{part}"]) for part in PARTS])
        rows += against(errors, counts, found, name, "error")
        if name != "bp":
            kept = np.array([share_kept(runs, name, part) for part in PARTS])
            rows += against(shares, counts, 100 * kept, name, "error, share")
    guesses = [chance(runs[f"bp-{part}"]) for part in PARTS]
    errors.plot(counts, guesses, color="0.6", lw=1, ls=":", label="chance")
    shares.axhline(100, color="0.6", lw=1)
    for axes, words in ((errors, "test error (%)"), (shares, "backprop's way from chance (%)")):
        drawing.log_x(axes, counts, labels=True)
        axes.set(xlabel="classes", ylabel=words)
        axes.legend()
    return figure, pd.DataFrame(rows)


def against(
    axes: Any, counts: list[int], values: np.ndarray, name: str, quantity: str
) -> list[dict[str, Any]]:
    """Draw mean and interval of ``values``, ``(count, member)``; return what was drawn."""
    mean, low, high = interval(values)
    look = drawing.LOOKS[name]
    ends = np.nan_to_num([mean - low, high - mean])  # one network has no interval
    options = {"color": look.colour, "linestyle": look.line, "label": look.name}
    axes.errorbar(counts, mean, yerr=ends, marker="o", capsize=3, **options)
    numbers = zip(counts, mean, low, high, strict=True)
    row = {"rule": name, "quantity": quantity}
    return [{**row, "classes": c, "mean": m, "low": lo, "high": hi} for c, m, lo, hi in numbers]


STUDY = Study(
    name="towards-imagenet-classes",
    title="Error against the number of classes",
    paper="bartunov2018",
    settings=ClassesSettings,
    tiers={
        "smoke": DIGITS | {"counts": (2, 5, 10), "shown": 100, "epochs": 2, "probe": 50},
        "quick": DIGITS
        | {"counts": (2, 5, 10), "batch": 50, "epochs": 5, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {},  # three epochs of all classes, or as many updates with fewer
    },
    variants=BY_PART,
    run=run,
    after="towards-imagenet-rates",
    found=bool(FOUND),
    cost={"reduced": costs(BY_PART, 3 * EPOCH, **STEP)},
    claims=[opens(name) for name in TAUGHT[1:]],
    learnt=gone("error", 0.02),
    figures=[
        Figure(
            id="towards-imagenet-classes",
            title="Error against the number of classes",
            alt="Two panels against the number of classes on a log axis, 10, 50 and 200: test "
            "error in per cent for backpropagation, feedback alignment and alternating DTP beside "
            "a dotted line for chance; and the share of backpropagation's way from chance that the "
            "other two go.",
            caption="The paper's network for ImageNet on classes of Tiny ImageNet, after equally "
            "many updates: test error at the epoch whose error on held-out training images is "
            "lowest, and how far below chance it is, as a share of backpropagation's. Mean and "
            "95 % interval over networks.",
            look="To see, right: whether the lines fall as classes are added. A method that copes "
            "with more classes as backpropagation does has a level line.",
            place="ours",
            draw=draw,
        )
    ],
)
