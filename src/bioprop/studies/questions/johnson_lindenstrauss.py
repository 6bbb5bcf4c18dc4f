"""A reader's note on Lillicrap et al. 2014: does random feedback work because it keeps distances?

The lemma of Johnson and Lindenstrauss says that a random map into n dimensions keeps all distances
among a set of points up to a factor that comes closer to 1 as 1 / sqrt(n). Question: is that why
B teaches? If so, B that keeps distances exactly should teach better, most of all in few dimensions.
"""

from functools import partial
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from pydantic import Field
from torch import Tensor

from bioprop.learning import Network, Streams, Training, sgd
from bioprop.learning.rules import Rule, carry_back
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.alignment_needed import examples_needed
from bioprop.studies.study import (
    MOST,
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    Run,
    Runs,
    Settings,
    Some,
    Study,
    gone,
    own_claim,
    rows_at,
)
from bioprop.studies.summaries import GEOMETRIC, LARGEST, RANK_CORRELATION, bootstrapped
from bioprop.tasks.linear import LinearTask, linear_network

Width = Annotated[int, Field(ge=10, le=MOST)]  # an orthonormal B needs a unit for each output
Several = Annotated[int, Field(ge=2, le=MOST)]
PAPER = 20  # Methods, task 1: hidden units of the paper's network
PLACE = "a reader's note: the lemma of Johnson and Lindenstrauss; experiment ours"
noted = partial(own_claim, place=PLACE)  # a claim about that note
LOOKS = {
    "random": drawing.Look("random", drawing.COLOURS[2], "--"),
    "orthonormal": drawing.Look("orthonormal", drawing.COLOURS[0], "-"),
    "stretched": drawing.Look("stretched", drawing.COLOURS[1], "-."),
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ProjectionSettings(Settings):
    """Settings: the paper's linear task, for hidden layers of many widths."""

    kind: Literal["random", "orthonormal", "stretched"]  # ours: how B is made
    widths: Some[Width] = (10, 14, 20, 28, 40, 80, 160, 320)  # ours; the paper's is 20
    stretch: Positive = 10.0  # ours: largest singular value of a stretched B over its smallest
    rate: Positive = 3e-3  # ours: from trials, at which all kinds learn at all widths
    bound: Positive = 0.01  # Methods, task 1: W0, W ~ U(-0.01, 0.01)
    examples: Count = 6000  # ours: from trials, time enough for the slowest
    marks: Count = 40  # ours: in geometric progression; the crossing is interpolated
    points: Several = 50  # ours: errors whose pairwise distances B is to keep
    members: MemberCount = 20  # ours: networks for each width


def run(settings: ProjectionSettings, journal: Journal) -> None:
    """Train every width for every seed, side by side; write error and distortion."""
    pairs = [(width, seed) for width in settings.widths for seed in settings.seeds]
    widths, seeds = zip(*pairs, strict=True)
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network = linear_network(
        streams, (task.inputs, max(widths), task.outputs), settings.bound, settings.compute
    )
    silence(network, widths)
    B = feedback(settings, streams, widths, task.outputs)
    teaching = Rule(settings.kind, lambda network, streams: [B], carry_back)
    training = Training(network, teaching, sgd(settings.rate), task, streams)
    kept = distortion(B, streams.normal("probe", (settings.points, task.outputs)))
    journal.label(seed=seeds, width=widths)
    marks = np.geomspace(settings.examples / 100, settings.examples, settings.marks)
    for examples in journal.follow(training, [0, *marks]):
        error = torch.log10(task.normalised_squared_error(network))
        journal.write(examples, log_nse=error, **kept)


def silence(network: Network, widths: tuple[int, ...]) -> None:
    """Cut hidden units beyond a member's width from input and output.

    Where B does not reach them either, they stay silent: the network is one of that width.
    """
    below, above = network.weights
    for weights, width in zip(below, widths, strict=True):
        weights[:, width:] = 0
    for weights, width in zip(above, widths, strict=True):
        weights[width:] = 0


def feedback(
    settings: ProjectionSettings, streams: Streams, widths: tuple[int, ...], outputs: int
) -> Tensor:
    """Return B, ``(member, output, hidden)``: zero beyond a width, of unit mean-square gain.

    ``random`` has elements from U(-b, b); ``orthonormal`` keeps every length; ``stretched`` has
    singular values in geometric progression.
    """
    drawn = streams.uniform("feedback", (max(widths), outputs), 1.0, 1).mT
    turn, _ = torch.linalg.qr(streams.normal("feedback", (outputs, outputs), 2))
    values = torch.logspace(0, 1, outputs, settings.stretch, dtype=streams.dtype).to(drawn)
    values = values / values.square().mean().sqrt()
    B = torch.zeros_like(drawn)
    for member, width in enumerate(widths):
        part = drawn[member, :, :width]
        if settings.kind == "random":
            B[member, :, :width] = part * (3 / width) ** 0.5  # U(-b, b) has variance b^2 / 3
            continue
        basis = torch.linalg.qr(part.mT)[0].mT  # orthonormal rows
        if settings.kind == "stretched":
            basis = turn[member] @ (values[:, None] * basis)
        B[member, :, :width] = basis
    return B


def distortion(B: Tensor, points: Tensor) -> dict[str, Tensor]:
    """Return by how much B changes distances between points ``(member, point, output)``.

    Over all pairs, of the factor by which the squared distance changes: its standard deviation
    ``spread`` and its ``largest`` deviation from 1. ``weakest`` is the smallest singular value of
    B, the factor of the distance that shrinks most. Shape ``(member,)`` each.
    """
    i, j = torch.triu_indices(points.shape[1], points.shape[1], offset=1)
    apart = points[:, i] - points[:, j]
    factor = (apart @ B).square().sum(-1) / apart.square().sum(-1)
    return {
        "spread": factor.std(-1),
        "largest": (factor - 1).abs().amax(-1),
        "weakest": torch.linalg.svdvals(B)[:, -1],
    }


def needed(run: Run) -> pd.DataFrame:
    """Return the examples until one per cent of the error is left: seeds by width."""
    return examples_needed(run, ["seed", "width"]).unstack("width")


def excess(runs: Runs, kind: str) -> pd.DataFrame:
    """Return examples needed over those of the orthonormal control: seeds by width.

    The control of the same seed has the same teacher, data and initial weights.
    """
    return needed(runs[kind]) / needed(runs["orthonormal"])


def of_feedback(run: Run, quantity: str) -> pd.DataFrame:
    """Return what B of each network does to distances, a quantity of :func:`distortion`.

    Seeds by width.
    """
    return rows_at(run, 0).pivot(index="seed", columns="width", values=quantity)


def slopes(runs: Runs) -> np.ndarray:
    """Return the power of the width with which each seed's distortion falls, ``(seed,)``."""
    values = of_feedback(runs["random"], "spread")
    return np.polyfit(np.log(values.columns.to_numpy(float)), np.log(values.to_numpy()).T, 1)[0]


def most_over_fewest(examples: np.ndarray) -> np.ndarray:
    """Return the largest over the smallest of the geometric means of ``(width, ..., member)``."""
    means = np.log(examples).mean(-1)
    return np.exp(means.max(0) - means.min(0))


def beside_excess(runs: Runs, quantity: str) -> np.ndarray:
    """Return ``quantity`` of B, and the excess, at the paper's width, ``(2, seed)``."""
    return np.array([of_feedback(runs["random"], quantity)[PAPER], excess(runs, "random")[PAPER]])


def stretched(runs: Runs) -> np.ndarray:
    """Return the error at the end with stretched B, log10 NSE, ``(width, seed)``."""
    rows = rows_at(runs["stretched"])
    return rows.pivot(index="width", columns="seed", values="log_nse").to_numpy()


def ticks(axes: Axes, widths: pd.Index) -> None:
    """Give an axis of widths log scale and plain numbers."""
    axes.set(xscale="log", xlabel="hidden units")
    axes.set_xticks([width for width in widths if width % 10 == 0])
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")


def draw_distortion(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw distortion against width on log axes, beside the lemma's one over the root."""
    figure, panels = drawing.panels(1, 2, figsize=(9, 4))
    frames = []
    labels = {"spread": "spread of squared distances", "largest": "largest deviation from 1"}
    for axes, (quantity, label) in zip(panels, labels.items(), strict=True):
        for kind in ("random", "stretched"):
            values, look = of_feedback(runs[kind], quantity).T, LOOKS[kind]
            style = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, values, marker="o", **style)
            frames.append(pd.DataFrame({"quantity": quantity, "kind": kind} | drawn))
        random = frames[-2].set_index("width")["mean"]
        guide = random.iloc[-1] * (random.index[-1] / random.index.to_numpy()) ** 0.5
        axes.plot(random.index, guide, color="0.6", lw=1, label="one over the root of the width")
        drawing.log_y(axes)
        axes.set(ylabel=label)
        ticks(axes, random.index)
    panels[0].legend()
    return figure, pd.concat(frames)


def draw_speed(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw examples needed against width, and at the paper's width against two measures of B."""
    figure, (left, *others) = drawing.panels(1, 3, figsize=(11, 4))
    frames = []
    for place, (kind, run) in enumerate(runs.items()):
        examples, look = needed(run), LOOKS[kind]
        found = {"examples": examples, "relative": excess(runs, kind)}
        found |= {name: of_feedback(run, name) for name in ("spread", "weakest")}
        found = {name: frame.replace(np.inf, np.nan) for name, frame in found.items()}
        dots = {"color": look.colour, "alpha": 0.5}
        there = np.isfinite(examples.median()).any()  # a short run may get nobody there
        style = {"color": look.colour, "ls": look.line, "label": look.name if there else None}
        left.plot(examples.columns, examples.median(), **style)
        beside = examples.columns.to_numpy(float) * 1.05 ** (place - 1)
        left.plot(beside, found["examples"].T, "o", ms=3, **dots)
        for axes, measure in zip(others, ("spread", "weakest"), strict=True):
            axes.plot(found[measure][PAPER], found["relative"][PAPER], "o", ms=5, **dots)
        long = pd.concat(found, axis="columns").stack("width", future_stack=True)
        frames.append(long.reset_index().assign(kind=kind))
    ticks(left, examples.columns)
    drawing.log_y(left)
    left.set(ylabel="examples to 1 % error")
    if left.get_legend_handles_labels()[0]:
        left.legend(title="feedback")
    else:
        left.text(0.5, 0.5, "in none of these\nruns", ha="center", transform=left.transAxes)
    others[0].set(ylabel="examples, over those of orthonormal $B$")
    for axes, label in zip(
        others, ("spread of squared distances", "smallest singular value of $B$"), strict=True
    ):
        axes.set(xlabel=label)
        axes.set_title(f"{PAPER} hidden units")
    return figure, pd.concat(frames)


STUDY = Study(
    name="johnson-lindenstrauss",
    title="Is it Johnson-Lindenstrauss?",
    paper="lillicrap2014",
    settings=ProjectionSettings,
    tiers={
        "smoke": {"members": 3, "widths": (10, 20), "examples": 60, "marks": 4},
        "quick": {"members": 5, "widths": (10, 20, 40, 80), "examples": 2000, "marks": 50},
        "paper": {},
    },
    variants={kind: {"kind": kind} for kind in LOOKS},
    run=run,
    learnt=gone("log_nse"),
    claims=[
        noted(
            id="jl-distortion-falls",
            statement="The average distortion of a random B falls with width as the lemma says.",
            measure=slopes,
            unlearnt="it is about B, which does not learn",
            unit="power of the width",
            holds=Region(-0.6, -0.4),
            reason="the lemma gives one over the root, a power of -0.5",
            figure="jl-distortion",
        ),
        noted(
            id="jl-width-without-distortion",
            statement="Without distortion width makes no difference to the speed of learning.",
            measure=lambda runs: needed(runs["orthonormal"]).to_numpy().T,
            summary=bootstrapped("most over fewest", most_over_fewest),
            unit="most over fewest examples to 1 % error, of the means at each width, orthonormal "
            "B",
            holds=Region(1.0, 1.1),
            reason="a tenth; the same teacher and data at every width. In trials it was so",
            figure="jl-speed",
        ),
        noted(
            id="jl-paper-width",
            statement="At the paper's width a random B teaches nearly as fast as an orthonormal "
            "one.",
            measure=lambda runs: excess(runs, "random")[PAPER].to_numpy(),
            summary=GEOMETRIC,
            unit="examples to 1 % error, random over orthonormal B",
            holds=Region(1 / 1.5, 1.5),
            reason="nearly means within a factor of 1.5",
            figure="jl-speed",
        ),
        noted(
            id="jl-correlation",
            statement="At the paper's width, networks whose B distorts more on average learn more "
            "slowly.",
            measure=lambda runs: beside_excess(runs, "spread"),
            summary=RANK_CORRELATION,
            unit="rank correlation of the spread of squared distances and examples over the "
            "control's",
            holds=Region(low=0.5),
            reason="half or more has a p below 0.03 with twenty networks",
            figure="jl-speed",
        ),
        noted(
            id="jl-weakest",
            statement="What slows them is the direction that B shrinks most.",
            measure=lambda runs: beside_excess(runs, "weakest"),
            summary=RANK_CORRELATION,
            unit="rank correlation of B's smallest singular value and examples over the control's",
            holds=Region(high=-0.5),
            reason="as above; added after a trial in which the spread told little",
            figure="jl-speed",
        ),
        noted(
            id="jl-stretched-teaches",
            statement="A B that distorts distances a lot still teaches the whole task.",
            measure=stretched,
            summary=LARGEST,
            unit="log10 NSE at the end with stretched B, largest over widths",
            holds=Region(high=-2.0),
            reason="one per cent of the error; Theorem 1 asks for full rank, not for equal lengths",
            figure="jl-speed",
        ),
    ],
    figures=[
        Figure(
            id="jl-distortion",
            title="Distortion of random feedback against width",
            alt="Two panels against the number of hidden units, all axes log: the spread of the "
            "change of squared distances, and its largest deviation. A line that falls for random "
            "feedback beside a grey guide, and a level one for stretched feedback.",
            caption="How unevenly $B$ changes squared distances between error vectors. The factor "
            "of change is 1 on average. Left: its standard deviation over pairs. Right: its "
            "largest deviation from 1. Mean and 95 % interval over networks. An orthonormal $B$ "
            "distorts nothing.",
            look="To see: whether random feedback falls as the grey guide does. Stretched "
            "feedback, which is made to distort as much at each width, is there to compare with.",
            place="a reader's note; experiment ours",
            draw=draw_distortion,
            rules=("fa",),
        ),
        Figure(
            id="jl-speed",
            title="Learning speed against width and against distortion",
            alt="Three panels. First: examples needed against hidden units, both on log axes, a "
            "dot for each network and a line for each of three kinds of feedback: random, "
            "orthonormal, stretched. Others, for 20 hidden units: examples relative to "
            "orthonormal feedback against the spread of squared distances, and against the "
            "smallest singular value of the feedback.",
            caption="Examples until one per cent of the error is left. Left: against width; dots "
            "are networks, lines their medians. Middle and right: at the paper's width, over "
            "those of the orthonormal $B$ with the same seed, against two measures of each "
            "network's own $B$. Networks that do not get there within the run have no dot.",
            look="To see, left: how far random feedback is above orthonormal feedback where "
            "hidden units are few and where they are many. If the spread of distances decided the "
            "speed, the dots of the middle panel would lie on one curve.",
            place="a reader's note; experiment ours",
            draw=draw_speed,
            rules=("fa",),
        ),
    ],
)
