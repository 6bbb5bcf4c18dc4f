"""How depth slows each rule in a deep linear network, for three ways to start its weights.

A control to deep_linear.py. There the weights start so small that each layer of W shrinks what
passes through it, where B does not, and all networks have one learning rate. Question: does depth
still slow feedback alignment no more than backpropagation where W carries a signal back at its
length, as B does, or at exactly its length, and where each network has the rate that serves it?
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Network, Streams, Training, rule, sgd
from bioprop.learning.rules import Matrices, Rule, carry_back
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.alignment_needed import examples_needed
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    Positive,
    Region,
    Run,
    Runs,
    Seed,
    Settings,
    Study,
    gone,
    own_claim,
)
from bioprop.tasks.linear import LinearTask, linear_network

DEPTHS = (1, 2, 3, 4)
RULES = ("bp", "fa")
STARTS = {
    "small": "W from U(−0.2, 0.2)",
    "gain": "W of gain 1, as B",
    "orthogonal": "W and B orthonormal",
}
CHOICES = {"equal": "one rate for all", "own": "each network's own rate"}
noted = partial(own_claim, figure="deep-gain")  # a claim about the one figure


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ChainSettings(Settings):
    """What the networks of this study and of the search for their rates have in common."""

    start: Literal["small", "gain", "orthogonal"]  # ours: the weights that learning starts from
    rule: Literal["bp", "fa"]  # ours: the two that are compared
    layers: Count  # ours: hidden layers; the paper's network has one
    width: Count = 20  # Methods, task 1: units of a hidden layer
    small: Positive = 0.2  # ours: as in the study deep-linear


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepGainSettings(ChainSettings):
    """Settings: those of the study deep-linear, and a second learning rate for each network."""

    own: Positive  # ours: the fastest of the study deep-gain-rates
    equal: Positive = 7e-4  # ours: one for all, as in the study deep-linear
    examples: Count  # ours: from the search and trials, time enough at both rates
    marks: Count = 120  # ours: in geometric progression; the crossing is interpolated
    first_seed: Seed = 7000  # ours: apart from those of trials and of the search


def chain(settings: ChainSettings, streams: Streams) -> tuple[Network, Rule]:
    """Return networks at their start, and the rule that teaches them.

    A range of (3 / width)^(1/2) gives every matrix above the first a gain of 1 on the way back,
    root mean square: W in ``gain``, and B wherever it is not orthonormal.
    """
    unit = (3 / settings.width) ** 0.5  # U(-b, b) has variance b^2 / 3
    sizes = (30, *[settings.width] * settings.layers, 10)  # Methods, task 1: inputs, outputs
    bound = settings.small if settings.start == "small" else unit
    network = linear_network(streams, sizes, bound, settings.compute)
    if settings.start == "orthogonal":
        for W in network.weights:
            W.copy_(orthonormal(W))
    if settings.rule == "bp":
        return network, rule("bp")
    even = settings.start == "orthogonal"
    return network, Rule("fa", partial(feedback, bound=unit, even=even), carry_back)


def feedback(network: Network, streams: Streams, bound: float, even: bool) -> Matrices:
    """Draw B from U(-bound, bound); ``even`` then makes its singular values equal 1."""
    drawn = rule("fa", bound=bound).init(network, streams)
    return [orthonormal(B) for B in drawn] if even else drawn


def orthonormal(matrices: Tensor) -> Tensor:
    """Return the nearest matrices, ``(member, a, b)``, whose singular values are all 1."""
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    return left @ right


def train(
    settings: ChainSettings,
    journal: Journal,
    seeds: Sequence[int],
    rates: Sequence[float],
    marks: np.ndarray,
) -> None:
    """Train a network for each seed and its rate, and write the error at the marks."""
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network, teaching = chain(settings, streams)
    training = Training(network, teaching, sgd(streams.each(rates)), task, streams)
    for examples in journal.follow(training, [0, *marks]):
        journal.write(examples, log_nse=torch.log10(task.normalised_squared_error(network)))


def run(settings: DeepGainSettings, journal: Journal) -> None:
    """Train one rule from one start at one depth, at both rates, side by side."""
    given = {"equal": settings.equal, "own": settings.own}
    choices, seeds = zip(*itertools.product(given, settings.seeds), strict=True)
    rates = [given[choice] for choice in choices]
    journal.label(seed=seeds, choice=choices, rate=rates)
    marks = np.geomspace(settings.examples / 1000, settings.examples, settings.marks)
    train(settings, journal, seeds, rates, marks)


def needed(run: Run, choice: str) -> np.ndarray:
    """Return the examples until one per cent of the error is left, ``(seed,)``, at a rate.

    NaN for a network that diverges or does not get there.
    """
    examples = examples_needed(run, ["choice", "seed"]).replace(np.inf, np.nan)
    return examples[choice].to_numpy()


def slowing(runs: Runs, start: str, name: str, choice: str) -> np.ndarray:
    """Return how often the examples double from one hidden layer to four, ``(seed,)``."""
    one, most = (needed(runs[f"{start}-{name}-{n}"], choice) for n in (1, DEPTHS[-1]))
    return np.log2(most / one)


def slowed_more(start: str, choice: str) -> Callable[[Runs], np.ndarray]:
    """Return a measure: the doublings of feedback alignment minus those of backpropagation."""

    def measure(runs: Runs) -> np.ndarray:
        return slowing(runs, start, "fa", choice) - slowing(runs, start, "bp", choice)

    return measure


def factor(start: str, choice: str) -> Callable[[Runs], float]:
    """Return a number for the text: the same as a factor, geometric mean over networks."""
    return lambda runs: float(2 ** slowed_more(start, choice)(runs).mean())


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw examples needed against depth: a column for each start, a row for each choice."""
    figure, grid = drawing.panels(2, 3, figsize=(10, 6), sharex=True, sharey=True)
    frames = [
        panel(axes, runs, start, choice).assign(start=start, rates=choice)
        for row, choice in zip(grid, CHOICES, strict=True)
        for axes, start in zip(row, STARTS, strict=True)
    ]
    for axes, title in zip(grid[0], STARTS.values(), strict=True):
        axes.set_title(title)
    for axes, name in zip(grid[:, 0], CHOICES.values(), strict=True):
        axes.set(ylabel=f"examples to 1 % error\n{name}")
    for axes in grid[1]:
        axes.set(xlabel="hidden layers", xticks=DEPTHS)
    drawing.log_y(grid[0, 0])
    grid[0, 0].legend()
    return figure, pd.concat(frames)


def panel(axes: Axes, runs: Runs, start: str, choice: str) -> pd.DataFrame:
    """Draw geometric mean and 95 % interval over networks, a line for each rule."""
    frames = []
    for name in RULES:
        examples = [needed(runs[f"{start}-{name}-{n}"], choice) for n in DEPTHS]
        mean, low, high = np.exp(drawing.interval(np.log(examples)))
        look = drawing.LOOKS[name]
        style = {"color": look.colour, "linestyle": look.line, "label": look.name}
        axes.errorbar(DEPTHS, mean, [mean - low, high - mean], fmt="o", capsize=3, **style)
        drawn = {"rule": name, "layers": DEPTHS, "mean": mean, "low": low, "high": high}
        frames.append(pd.DataFrame(drawn))
    return pd.concat(frames)


UNIT = "doublings of the examples to 1 % error, from one to four hidden layers, FA's minus BP's"
CLAIMS = [
    noted(
        id=f"deep-{start}-{choice}-slows-more",
        statement=f"{words} depth slows feedback alignment more than backpropagation, by a factor "
        f"of two or more, {rates}.",
        measure=slowed_more(start, choice),
        unit=UNIT,
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="one doubling more is a factor of two; partly where depth slows it more at all",
    )
    for start, words in {
        "gain": "Where the weights start at gain 1",
        "orthogonal": "Where weights and feedback start orthonormal",
    }.items()
    for choice, rates in {
        "equal": "at one rate for all",
        "own": "each network at its own rate",
    }.items()
]
CLAIMS.append(
    noted(
        id="deep-small-own-slows-more",
        statement="From small weights too, depth slows feedback alignment more than "
        "backpropagation once each network has its own rate.",
        measure=slowed_more("small", "own"),
        unit=UNIT,
        holds=Region(low=0.0),
        reason="more means a difference above 0; in a trial on four other seeds it was so",
    )
)

# ours: of networks that need more at one of the rates, by the search and trials
LONGER = {
    "small-bp-3": 10_000,
    "small-bp-4": 30_000,
    "small-fa-2": 8000,
    "small-fa-3": 12_000,
    "small-fa-4": 30_000,
    "gain-bp-4": 16_000,
    "gain-fa-1": 9000,
    "gain-fa-2": 12_000,
    "gain-fa-3": 16_000,
    "gain-fa-4": 40_000,
}

# Found by the study deep-gain-rates: the rate of each network that needs the fewest examples.
OWN: dict[str, tuple[float, ...]] = {
    "small-bp": (8.83e-3, 6.46e-3, 4.32e-3, 3.57e-3),
    "small-fa": (1.08e-2, 5.30e-3, 2.59e-3, 1.09e-3),
    "gain-bp": (8.83e-3, 5.30e-3, 3.34e-3, 2.65e-3),
    "gain-fa": (1.08e-2, 4.35e-3, 2.00e-3, 8.08e-4),
    "orthogonal-bp": (8.83e-3, 5.30e-3, 3.34e-3, 2.65e-3),
    "orthogonal-fa": (1.08e-2, 5.30e-3, 2.59e-3, 1.46e-3),
}

STUDY = Study(
    name="deep-gain",
    title="Depth from weights of gain 1",
    paper="lillicrap2014",
    settings=DeepGainSettings,
    tiers={
        "smoke": {"members": 3, "examples": 60, "marks": 4},
        "quick": {"members": 3, "examples": 10_000, "marks": 60},
        "paper": {},
    },
    variants={
        f"{start}-{name}-{depth}": {
            "start": start,
            "rule": name,
            "layers": depth,
            "own": own,
            "examples": LONGER.get(f"{start}-{name}-{depth}", 6000),
        }
        for start, name in itertools.product(STARTS, RULES)
        for depth, own in zip(DEPTHS, OWN[f"{start}-{name}"], strict=True)
    },
    run=run,
    after="deep-gain-rates",
    claims=CLAIMS,
    learnt=gone("log_nse"),
    figures=[
        Figure(
            id="deep-gain",
            title="How depth slows learning, by the weights that it starts from",
            alt="Six panels of the examples needed to one per cent of the error, on a log axis, "
            "against one to four hidden layers, a line each for backpropagation and feedback "
            "alignment. Columns: small weights, weights of gain 1, orthonormal weights. Rows: one "
            "learning rate for all, each network's own.",
            caption="Examples until one per cent of the error is left in deep linear networks, for "
            "three ways to start the weights. Upper row: one learning rate for all networks. "
            "Lower row: each network at the rate that serves it best, found on other seeds. "
            "Geometric mean and 95 % interval over networks.",
            look="To see: how steep the dashed line is beside the solid one, in each panel. A "
            "level line pays nothing for depth, and two lines that stay at one distance pay alike.",
            place="a control to chains of random matrices; experiment ours",
            draw=draw,
            numbers={
                f"{start} {choice}": factor(start, choice) for start in STARTS for choice in CHOICES
            },
        )
    ],
)
