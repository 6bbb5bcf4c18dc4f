"""A reader's notes on Lillicrap et al. 2014: a chain of random matrices in a deep linear network.

Question: backpropagation carries the error down through W_1^T W_2^T ... W_L^T, feedback alignment
through random matrices B_1 B_2 ... B_L. Does the product still align, and how does depth slow it?
"""

import itertools
from functools import partial

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.learning import Training, angle, sgd
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.alignment_needed import LEARNT, examples_needed
from bioprop.studies.signals import beside_backprop
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    Positive,
    Region,
    RuleName,
    Run,
    Runs,
    Seed,
    Settings,
    Study,
    at,
    gone,
    own_claim,
    rule_with,
)
from bioprop.studies.summaries import GEOMETRIC, LARGEST
from bioprop.tasks.linear import LinearTask, linear_network

DEPTHS = (1, 2, 3, 4)
LINES = ("-", "--", "-.", ":")
PLACE = "a reader's note: chains of random matrices; experiment ours"
noted = partial(own_claim, place=PLACE)  # a claim about that note


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepLinearSettings(Settings):
    """Settings: the paper's linear task, for networks with more hidden layers than the paper's."""

    rule: RuleName  # ours: backpropagation for comparison
    layers: Count  # ours: hidden layers; the paper's network has one
    width: Count = 20  # Methods, task 1: units of a hidden layer
    rate: Positive = 7e-4  # ours: one for all; from trials, half of where four layers diverge
    bound: Positive = 0.2  # ours: W ~ U(-0.2, 0.2); far smaller ones stall backpropagation
    gain: Positive = 1.0  # ours: each B keeps the length of a signal, root mean square
    examples: Count = 30_000  # ours: in a first run half as long some did not come to 1 %
    marks: Count = 150  # ours: one for each 200 examples
    probe: Count = 100  # ours: examples on which angles are measured
    first_seed: Seed = 4000  # ours: fresh, apart from those of the first run


def run(settings: DeepLinearSettings, journal: Journal) -> None:
    """Train one rule at one depth; seeds share teacher and data across rules and depths."""
    streams = settings.streams()
    task = LinearTask(streams)
    sizes = (task.inputs, *[settings.width] * settings.layers, task.outputs)
    network = linear_network(streams, sizes, settings.bound, settings.compute)
    bound = settings.gain * (3 / settings.width) ** 0.5  # U(-b, b) has variance b^2 / 3
    teaching = rule_with(settings.rule, bound=bound)
    training = Training(network, teaching, sgd(settings.rate), task, streams)
    journal.label(seed=settings.seeds)
    x, target = task.probe(settings.probe)
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks):
        measured = {"log_nse": torch.log10(task.normalised_squared_error(network))}
        if settings.rule == "fa":
            measured |= angles(training, x, target)
        journal.write(examples, **measured)


def angles(training: Training, x: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return each hidden layer's angle to backpropagation's signal in degrees, ``(member,)`` each.

    ``angle_1`` is that of the layer next to the output; a higher number is further down the chain.
    """
    signals = beside_backprop(training, training.network.present(x, target))[::-1]
    return {f"angle_{k}": angle(*pair).mean(-1) for k, pair in enumerate(signals, start=1)}


def final_angles(run: Run) -> np.ndarray:
    """Return the angles at the end in degrees, ``(layer, member)``, next to the output first."""
    layers = range(1, run.settings.layers + 1)
    return np.array([at(run, f"angle_{steps}") for steps in layers])


def slowing(runs: Runs, name: str) -> np.ndarray:
    """Return how many times as many examples the deepest network needs as the shallowest.

    NaN where one of the two does not come to one per cent of the error.
    """
    one, most = (
        examples_needed(runs[f"{name}-{depth}"], ["member"]).replace(np.inf, np.nan).to_numpy()
        for depth in (1, DEPTHS[-1])
    )
    return most / one


def over_backprop(runs: Runs, depth: int) -> float:
    """Return the examples feedback alignment needs over backprop's, geometric mean by network."""
    fa, bp = (
        examples_needed(runs[f"{name}-{depth}"], ["member"]).replace(np.inf, np.nan).to_numpy()
        for name in ("fa", "bp")
    )
    return float(np.exp(np.log(fa / bp).mean()))


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error against examples: a panel for each rule, a line for each depth."""
    figure, panels = drawing.panels(1, 2, figsize=(9, 4), sharey=True)
    frames = []
    for axes, name in zip(panels, ("bp", "fa"), strict=True):
        for depth in DEPTHS:
            looks = {"color": drawing.COLOURS[depth - 1], "linestyle": LINES[depth - 1]}
            drawn = drawing.band(
                axes, runs[f"{name}-{depth}"], "log_nse", name, label=f"{depth}", **looks
            )
            frames.append(drawn.assign(layers=depth))
        axes.axhline(LEARNT, color="0.6", lw=1)
        axes.set(xlabel="examples", title=drawing.LOOKS[name].name, ylim=(-8, 0.3))
        axes.locator_params(axis="x", nbins=4)
    panels[0].set(ylabel="log10 normalised squared error")
    panels[1].legend(title="hidden layers")
    return figure, pd.concat(frames)


def draw_angles(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw each layer's angle: on the way in the deepest network, and at the end of all."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(9, 4), sharey=True)
    frames = [along_the_way(left, runs[f"fa-{DEPTHS[-1]}"])]
    for depth in DEPTHS:
        mean, low, high = drawing.interval(final_angles(runs[f"fa-{depth}"]))
        steps = np.arange(1, depth + 1)
        style = {"color": drawing.COLOURS[depth - 1], "linestyle": LINES[depth - 1]}
        right.errorbar(
            steps + 0.05 * depth, mean, [mean - low, high - mean], fmt="o", label=depth, **style
        )
        right.plot(steps + 0.05 * depth, mean, **style)
        frame = {"layers": depth, "steps from output": steps, "mean": mean, "low": low}
        frames.append(pd.DataFrame(frame | {"high": high, "quantity": "angle at the end"}))
    right.axhline(90, color="0.6", lw=1)
    right.set(xticks=DEPTHS, xlabel="random matrices passed through", title="at the end")
    right.legend(title="hidden layers")
    return figure, pd.concat(frames)


def along_the_way(axes: Axes, run: Run) -> pd.DataFrame:
    """Draw the angles of one network's layers against examples."""
    frames = []
    for steps in range(1, run.settings.layers + 1):
        looks = {"color": drawing.COLOURS[steps + 3], "linestyle": LINES[(steps - 1) % len(LINES)]}
        frames.append(drawing.band(axes, run, f"angle_{steps}", "fa", label=f"{steps}", **looks))
    drawing.angle_axis(axes)
    axes.set(xlabel="examples")
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(f"{run.settings.layers} hidden layers")
    axes.legend(title="matrices passed", ncols=2, loc="lower left")
    return pd.concat(frames)


CLAIMS = [
    noted(
        id="deep-linear-aligns",
        statement="Through up to four random matrices the signal still aligns, in every hidden "
        "layer.",
        measure=lambda runs: np.concatenate([final_angles(runs[f"fa-{n}"]) for n in DEPTHS]),
        summary=LARGEST,
        unit="degrees at the end, largest over hidden layers and depths",
        holds=Region(high=75.0),
        partly=Region(high=85.0),
        reason="random directions stand at 90 degrees; 75 leaves no doubt that these do not",
        figure="deep-linear-angles",
        decimals=1,
    ),
    noted(
        id="deep-linear-angle-grows",
        statement="With four random matrices the angle at the lower end is larger than with one.",
        measure=lambda runs: (
            final_angles(runs[f"fa-{DEPTHS[-1]}"])[-1] - final_angles(runs["fa-1"])[-1]
        ),
        unit="degrees in the lowest hidden layer at the end, four hidden layers minus one",
        holds=Region(low=0.0),
        reason="larger means a positive difference; seeds share teacher and data",
        figure="deep-linear-angles",
        decimals=1,
    ),
    noted(
        id="deep-linear-learns",
        statement="Feedback alignment learns the task at every depth.",
        measure=lambda runs: np.array([at(runs[f"fa-{n}"], "log_nse") for n in DEPTHS]),
        summary=LARGEST,
        unit="log10 NSE at the end, largest over depths",
        holds=Region(high=-2.0),
        reason="one per cent of the error, as where learning is called fast or slow in this book",
        figure="deep-linear-nse",
    ),
    noted(
        id="deep-linear-slows",
        statement="Depth slows feedback alignment.",
        measure=lambda runs: slowing(runs, "fa"),
        summary=GEOMETRIC,
        unit="examples to 1 % error, four hidden layers over one, at one rate",
        holds=Region(low=1.0),
        reason="slower means more examples; in trials with other seeds it was so",
        figure="deep-linear-nse",
    ),
    noted(
        id="deep-linear-slows-less",
        statement="From weights that shrink what passes through them depth slows feedback "
        "alignment no more than it slows backpropagation.",
        measure=lambda runs: slowing(runs, "fa") / slowing(runs, "bp"),
        summary=GEOMETRIC,
        unit="the same of feedback alignment over that of backpropagation",
        holds=Region(high=1.0),
        reason="no more means a ratio of 1 or less; in trials with other seeds it was so",
        figure="deep-linear-nse",
    ),
]

STUDY = Study(
    name="deep-linear",
    title="Chains of random matrices",
    paper="lillicrap2014",
    settings=DeepLinearSettings,
    tiers={
        "smoke": {"members": 3, "examples": 60, "marks": 4},
        "quick": {"members": 3, "examples": 10_000, "marks": 40},
        "paper": {},
    },
    variants={
        f"{name}-{depth}": {"rule": name, "layers": depth}
        for name, depth in itertools.product(("bp", "fa"), DEPTHS)
    },
    run=run,
    claims=CLAIMS,
    learnt=gone("log_nse"),
    figures=[
        Figure(
            id="deep-linear-nse",
            title="Error of deep linear networks",
            alt="Two panels, backpropagation and feedback alignment: logarithm of the normalised "
            "squared error against examples, a line with a band for each of one to four hidden "
            "layers, and a grey line at one per cent.",
            caption="Error of linear networks with one to four hidden layers, all at one learning "
            "rate; mean and 95 % interval over networks. Grey: one per cent of the error.",
            look="To see: how far apart the curves of few and of many layers cross the grey line, "
            "left and right. If depth cost both rules the same, the two panels would have like "
            "distances.",
            place="a reader's note; experiment ours",
            draw=draw_error,
            numbers={f"over backprop {n}": partial(over_backprop, depth=n) for n in DEPTHS},
        ),
        Figure(
            id="deep-linear-angles",
            title="Angles along a chain of random matrices",
            alt="Angle to backpropagation's signal from 0 to 100 degrees, in two panels. Left: "
            "against examples, a line for each hidden layer of the deepest network. Right: at the "
            "end, against the number of random matrices passed, a line for each depth.",
            caption="Angle between the signals of feedback alignment and backpropagation in each "
            "hidden layer, by how many random matrices the error has passed through on its way "
            "there. Left: during learning with four hidden layers. Right: at the end, for one to "
            "four. Mean and 95 % interval over networks.",
            look="To see, right: whether the lines climb. If each random matrix added an angle of "
            "its own, they would go towards 90 degrees.",
            place="a reader's note; experiment ours",
            draw=draw_angles,
        ),
    ],
)
