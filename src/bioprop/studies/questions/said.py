"""How much must be said? The error passes a channel that does not carry all of it.

A reader's note asks how errors could be communicated. Here what the output knows of its error
reaches the hidden layers as fewer numbers (their part in some random directions), as numbers of few
bits, or with a share of them lost. Feedback weights are fixed and random behind the channel. The
output layer is taught by the error itself.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Training, Trial, rule
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.searched import (
    AXES,
    Point,
    TaskSettings,
    edges,
    follow,
    own,
    points,
    problem,
    some_point_learns,
    turned,
    with_choices,
)
from bioprop.studies.study import (
    LATER,
    STRICT,
    Claim,
    Figure,
    Positive,
    Region,
    Runs,
    Some,
    Study,
    own_claim,
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SaidSettings(TaskSettings):
    """Settings of the channels; all but the linear task's own are ours."""

    channel: Literal["rank", "bits", "loss"] = "rank"  # ours: what is lost
    amounts: Some[float] = tuple(map(float, range(1, 11)))  # ours: numbers, bits, or share lost
    weights: Literal["fixed", "direct"] = "fixed"  # ours: which way back
    each: bool = True  # ours: has each layer a channel of its own?
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)


def run(settings: SaidSettings, journal: Journal) -> None:
    """Train a network for every amount and rate, and every seed, side by side."""
    grid = points(settings, amount=settings.amounts, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    amount = streams.each(grid["amount"])
    teaching = rule(
        "channel",
        channel=settings.channel,
        amount=amount,
        weights=settings.weights,
        bound=settings.feedback,
        each=settings.each,
    )
    for examples, training, error in follow(
        settings, journal, made, teaching, streams, grid["rate"]
    ):
        journal.write(
            examples, **error, angle=taught_angle(training), heard=heard(training, amount)
        )


def taught_angle(training: Training) -> Tensor:
    """Return the angle of what the rule tells the lowest layer to backpropagation's signal."""

    def signal(trial: Trial) -> Tensor:
        ours = training.rule.teach(training.network, training.state, trial)[0]
        assert ours is not None
        return ours

    return turned(training.network, training.batches, signal)


def heard(training: Training, amount: Tensor) -> Tensor:
    """Return the share of the output weights' squares in the directions that the channel says.

    ``(member,)``; 1 where a channel says something of all directions.
    """
    W, state = training.network.weights[-1], training.state
    if not state["basis"]:
        return torch.ones(len(W), dtype=W.dtype)
    basis = state["basis"][-1]
    kept = torch.arange(basis.shape[-1]) < amount
    said = torch.bmm(W, basis).square() * kept
    return (said.sum((1, 2)) / W.square().sum((1, 2))).round(decimals=4)


def end(runs: Runs, name: str, amount: float, what: str = "") -> np.ndarray:
    """Return a quantity at the end where so much is said, ``(seed,)``, at its own best rate."""
    return own(runs, name, what, amount=amount)


def cost(runs: Runs, name: str, amount: float, whole: float) -> np.ndarray:
    """Return by how much the error is larger at the end than where the whole is said."""
    return end(runs, name, amount) - end(runs, name, whole)


def share(runs: Runs, name: str, amount: float, whole: float) -> np.ndarray:
    """Return what share of the decades that the whole channel learns is learnt."""
    return end(runs, name, amount) / end(runs, name, whole)


def unsaid(numbers: float) -> float:
    """Return the error that must be left where so many of ten numbers are said, as a share.

    What is unsaid of ten equal directions of the output is 1 - r / 10. Of that the hidden units,
    which see r random directions of the 30 of the input, know r / 30.
    """
    return (1 - numbers / 10) * (1 - numbers / 30)


def beside_formula(runs: Runs) -> np.ndarray:
    """Return log10 of the error over that which must be left, ``(seed,)``.

    At the number of numbers, fewer than ten, where their mean is farthest from 0.
    """
    found = [end(runs, "rank", r) - np.log10(unsaid(r)) for r in runs["rank"].settings.amounts[:-1]]
    apart = [np.nan_to_num(abs(each.mean()), nan=np.inf) for each in found]
    return found[int(np.argmax(apart))]


def best_of(runs: Runs, name: str, what: str = "") -> pd.DataFrame:
    """Return a quantity at the end: a row for each amount, a column for each seed."""
    rows = {amount: end(runs, name, amount, what) for amount in runs[name].settings.amounts}
    return pd.DataFrame(rows).T.rename_axis("amount")


def draw_errors(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end against what is said: a column a channel, a row a task."""
    figure, panels = drawing.panels(2, 3, figsize=(11, 6.5), sharey="row")
    frames = []
    for row, task in zip(panels, ("linear", "images"), strict=True):
        for axes, (channel, label) in zip(row, LABELS.items(), strict=True):
            name = channel if task == "linear" else f"images-{channel}"
            look = drawing.LOOKS["fa"]
            style = {"color": look.colour, "marker": "o", "label": "feedback alignment"}
            drawn = drawing.shaded(axes, best_of(runs, name), **style)
            frames.append(pd.DataFrame({"task": task, "channel": channel} | drawn))
            axes.set(xlabel=label)
        row[0].set(ylabel=f"{AXES[task]}\nat the end")
    frames.append(draw_formula(panels[0, 0]))
    panels[0, 0].legend()
    return figure, pd.concat(frames)


def draw_formula(axes: Axes) -> pd.DataFrame:
    """Draw the error that must be left where some of the numbers are not said."""
    numbers = range(1, 10)
    must = np.log10([unsaid(r) for r in numbers])
    axes.plot(numbers, must, ":", color="0.4", label="must be left")
    return pd.DataFrame({"task": "linear", "channel": "formula", "amount": numbers, "mean": must})


def draw_turned(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle to backpropagation's signal, and what the weights have in what is said."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4.2))
    frames = []
    for name, (label, colour, line) in {
        "rank": ("linear task", drawing.COLOURS[0], "-"),
        "images-rank": ("images", drawing.COLOURS[1], "--"),
    }.items():
        for axes, what in ((left, "angle"), (right, "heard")):
            style = {"color": colour, "linestyle": line, "marker": "o", "label": label}
            drawn = drawing.shaded(axes, best_of(runs, name, what), **style)
            frames.append(pd.DataFrame({"variant": name, "quantity": what} | drawn))
    drawing.angle_axis(left)
    right.plot([0, 10], [0, 1], ":", color="0.4", label="by chance")
    right.set(ylabel="share of the output weights' squares\nin the directions that are said")
    for axes in (left, right):
        axes.set(xlabel=LABELS["rank"])
        axes.legend()
    return figure, pd.concat(frames)


def searched_points(runs: Runs) -> Iterator[Point]:
    """Yield every point for which a rate was chosen."""
    for name in VARIANTS:
        for amount in runs[name].settings.amounts:
            yield name, ("rate",), {"amount": amount}


LABELS = {
    "rank": "numbers that are said, of 10",
    "bits": "bits of each number",
    "loss": "share of numbers lost",
}
OWN = "each at its best rate of those tried"
BEST = 12.0  # bits that are as good as all
POINT = "a point is 100 of the 10 000 test images of MNIST"


def images_cost(
    id: str, statement: str, channel: str, amount: float, whole: float, most: float
) -> Claim:
    """Return the claim that saying less costs few points on images."""
    return own_claim(
        id=f"said-{id}-images",
        statement=statement,
        measure=partial(cost, name=f"images-{channel}", amount=amount, whole=whole),
        unit=f"points of test error beside all that could be said; {OWN}",
        holds=Region(high=most),
        partly=Region(high=2 * most),
        reason=POINT,
        figure="said-errors",
        decimals=1,
    )


CLAIMS = [
    own_claim(
        id="said-nine-of-ten",
        statement="On the linear task nine of the ten numbers of the error are not enough: there "
        "is no knee.",
        measure=partial(cost, name="rank", amount=9.0, whole=10.0),
        unit=f"decades of NSE at the end, nine numbers beside ten; {OWN}",
        holds=Region(low=4.0),
        partly=Region(low=2.0),
        reason="half of what ten numbers teach, or more, would then be lost",
        figure="said-errors",
    ),
    own_claim(
        id="said-formula",
        statement="Of r numbers of ten the error that is left is (1 - r/10)(1 - r/30): what is not "
        "said, less what the hidden units know of it by chance.",
        measure=beside_formula,
        unit="decades, the error left over that, at the r where their mean is farthest from 0",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason="a tenth of a decade is a quarter of the error",
        figure="said-errors",
        unlearnt="of one number or two it says that little is learnt",
    ),
    own_claim(
        id="said-four-bits",
        statement="On the linear task four bits for each number are as good as all.",
        measure=partial(cost, name="bits", amount=4.0, whole=BEST),
        unit=f"decades of NSE at the end, four bits beside twelve; {OWN}",
        holds=Region(-0.5, 0.5),
        partly=Region(-1.0, 1.0),
        reason="half a decade is a twentieth of what is learnt",
        figure="said-errors",
    ),
    own_claim(
        id="said-one-bit",
        statement="One bit for each number, its sign, teaches more than half as fast.",
        measure=partial(share, name="bits", amount=1.0, whole=BEST),
        unit=f"decades learnt over those learnt with twelve bits; {OWN}",
        holds=Region(low=0.5),
        partly=Region(low=0.25),
        reason="decades are in proportion to speed, as the error falls exponentially",
        figure="said-errors",
    ),
    own_claim(
        id="said-signs-of-all",
        statement="The signs of ten numbers say more than nine numbers in full.",
        measure=lambda runs: end(runs, "bits", 1.0) - end(runs, "rank", 9.0),
        unit=f"decades of NSE at the end, ten signs minus nine numbers; {OWN}",
        holds=Region(high=-1.0),
        partly=Region(high=0.0),
        reason="a decade; both learn",
        figure="said-errors",
    ),
    own_claim(
        id="said-half-lost",
        statement="With half of the numbers lost at random learning is more than half as fast.",
        measure=partial(share, name="loss", amount=0.5, whole=0.0),
        unit=f"decades learnt over those learnt with none lost; {OWN}",
        holds=Region(low=0.5),
        partly=Region(low=0.25),
        reason="half of the signal arrives; decades are in proportion to speed",
        figure="said-errors",
    ),
    images_cost("five", "On images five of ten numbers cost little.", "rank", 5.0, 10.0, 2.0),
    images_cost("one-bit", "So does one bit for each number.", "bits", 1.0, 8.0, 2.0),
    images_cost("two-bits", "Two bits cost nearly nothing.", "bits", 2.0, 8.0, 0.5),
    images_cost("half-lost", "So does the loss of half of the numbers.", "loss", 0.5, 0.0, 2.0),
    own_claim(
        id="said-signs-of-all-images",
        statement="On images, too, the signs of ten numbers say more than seven numbers in full.",
        measure=lambda runs: end(runs, "images-bits", 1.0) - end(runs, "images-rank", 7.0),
        unit=f"points of test error at the end, ten signs minus seven numbers; {OWN}",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason="half a point is 50 of the 10 000 test images of MNIST; seven of ten is the most "
        f"that was tried but all{LATER}",
        figure="said-errors",
    ),
    own_claim(
        id="said-heard-linear",
        statement="Training moves the output weights towards what the channel can say.",
        measure=partial(end, name="rank", amount=5.0, what="heard"),
        unit="share of their squares in five said directions of ten, at the end",
        holds=Region(low=0.65),
        partly=Region(low=0.5),
        reason="by chance it is a half; 0.65 is nearly twice the square of the other directions",
        figure="said-turned",
    ),
    own_claim(
        id="said-heard-images",
        statement="It does on images, too.",
        measure=partial(end, name="images-rank", amount=5.0, what="heard"),
        unit="share of their squares in five said directions of ten, at the end",
        holds=Region(low=0.65),
        partly=Region(low=0.5),
        reason="by chance it is a half; 0.65 is nearly twice the square of the other directions",
        figure="said-turned",
    ),
    own_claim(
        id="said-each",
        statement="Whether each layer has a channel of its own or both share one matters little.",
        measure=lambda runs: end(runs, "each", 5.0) - end(runs, "one", 5.0),
        unit="decades of NSE at the end on the nonlinear task, five numbers, own minus shared",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason="a tenth of a decade is a quarter of the error",
        figure="said-each",
    ),
]


def draw_each(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error on the nonlinear task: a channel for each layer, and one for both."""
    figure, axes = drawing.panels(figsize=(7, 4))
    frames = []
    for name, label, colour, line in (
        ("each", "a channel for each layer", drawing.COLOURS[2], "--"),
        ("one", "one channel for both", drawing.COLOURS[4], "-."),
    ):
        style = {"color": colour, "linestyle": line, "marker": "o", "label": label}
        drawn = drawing.shaded(axes, best_of(runs, name), **style)
        frames.append(pd.DataFrame({"variant": name} | drawn))
    axes.set(xlabel=LABELS["rank"], ylabel=f"{AXES['nonlinear']}\nat the end")
    axes.legend()
    return figure, pd.concat(frames)


LOST = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
LINEAR: dict[str, Any] = {"rates": (0.002, 0.004, 0.0057, 0.008, 0.0095, 0.0113)}
NONLINEAR: dict[str, Any] = {
    "task": "nonlinear",
    "weights": "direct",
    "hidden": (20, 10),
    "bound": 0.1,
    "amounts": (1.0, 2.0, 3.0, 5.0, 7.0, 10.0),
    "rates": (0.025, 0.05, 0.1),
    "examples": 10_000,
    "precision": "float32",
    "members": 10,
}
IMAGES: dict[str, Any] = {
    "task": "images",
    "hidden": (100,),
    "bound": 0.1,
    "feedback": 1.0,
    "batch": 20,
    "rates": (0.1, 0.2, 0.4),
    "examples": 20_000,
    "precision": "float32",
    "members": 5,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "rank": LINEAR,
    "bits": LINEAR | {"channel": "bits", "amounts": (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, BEST)},
    "loss": LINEAR | {"channel": "loss", "amounts": LOST},
    "each": NONLINEAR,
    "one": NONLINEAR | {"each": False},
    "images-rank": IMAGES | {"amounts": (1.0, 2.0, 3.0, 5.0, 7.0, 10.0)},
    "images-bits": IMAGES | {"channel": "bits", "amounts": (1.0, 2.0, 4.0, 8.0)},
    "images-loss": IMAGES | {"channel": "loss", "amounts": (0.0, 0.5, 0.7, 0.9, 0.97)},
}
DIGITS = {"images": "digits", "held_out": 300}
STUDY = Study(
    name="said",
    title="How much must be said?",
    paper="lillicrap2014",
    settings=SaidSettings,
    tiers={
        "smoke": DIGITS | {"rates": (0.008,), "members": 2, "examples": 40, "marks": 2},
        "quick": DIGITS | {"rates": (0.004, 0.008), "members": 3, "examples": 1300},
        "paper": {},
    },
    kept=("rates",),
    variants=with_choices(VARIANTS),
    run=run,
    claims=CLAIMS,
    learnt=some_point_learns,
    decimals={"log_nse": 4, "angle": 2, "heard": 4},
    figures=[
        Figure(
            id="said-errors",
            title="What is left unsaid is not learnt",
            alt="Six panels, a row for the linear task and one for images: the error at the end "
            "against the numbers said, the bits of each number, and the share of numbers lost.",
            caption="Error at the end where the hidden layer hears of some numbers of the error "
            "(left), of few bits of each (middle), or with a share of them lost (right), each at "
            "its best rate of those tried; mean and 95 % interval. Dotted: what must be left, "
            "as the text says.",
            look="To see: how soon a curve leaves the level that it has where nothing is lost, at "
            "the right edge for numbers and bits and at the left for losses. If the hidden layer "
            "needed the whole error, any loss would show at once.",
            place="ours",
            draw=draw_errors,
            rules=("fa",),
            numbers=edges(searched_points),
        ),
        Figure(
            id="said-turned",
            title="Weights move towards what can be said",
            alt="Two panels against the numbers that are said, a line for the linear task and one "
            "for images: the angle to backpropagation's signal, and the share of the output "
            "weights' squares in the directions that are said, with a dotted line for chance.",
            caption="At the end of training, against how many numbers are said: the angle of what "
            "reaches the hidden layer to backpropagation's signal, and what share of the squares "
            "of the output weights lies in the directions that are said; mean and 95 % interval.",
            look="To see: how far the angles stay below 90 degrees where few numbers are said, "
            "and how far the share lies from its dotted line. If weights did not move towards what "
            "is said, it would lie on that line.",
            place="ours",
            draw=draw_turned,
            rules=("fa",),
        ),
        Figure(
            id="said-each",
            title="A channel for each layer, or one for all",
            alt="The error at the end on the nonlinear task against the numbers that are said, a "
            "line with a band where each hidden layer has a channel of its own, and one where both "
            "share one.",
            caption="Error at the end of the nonlinear task under direct feedback, where the two "
            "hidden layers hear different numbers, and where they hear the same; mean and 95 % "
            "interval.",
            look="To see: whether the bands part between their ends. If layers that hear "
            "different numbers made up for each other's gaps, channels of their own would lie "
            "lower.",
            place="ours",
            draw=draw_each,
            rules=("dfa",),
        ),
    ],
)
