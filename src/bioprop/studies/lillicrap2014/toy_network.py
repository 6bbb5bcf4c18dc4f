"""Lillicrap et al. 2014, Fig 3: the smallest network that can align.

Three units in a chain, y = w w0 x, learn y* = T x with T = 1 through the feedback weight B = 1.
Claim: learning drives the forward weight w to agree with the feedback weight.
"""

from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.learning import Dense, Network, Rule, Streams, Training, rule, sgd
from bioprop.learning.rules import carry_back
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    Run,
    Runs,
    Settings,
    Study,
    at,
    curve,
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ToySettings(Settings):
    """Settings of the 1-1-1 network; the paper gives T, B and a drawing."""

    rule: Literal["bp", "fa"]  # Fig 3: feedback alignment; backprop is ours, for comparison
    target: float = 1.0  # Fig 3: T = 1
    feedback: float = 1.0  # Fig 3: B = 1
    start: Positive  # ours: w0, w ~ U(-start, start)
    rate: Positive = 1e-3  # ours: small enough to follow the flow, whose lines are continuous
    examples: Count = 20000  # ours: time 20 of the flow
    marks: Count = 100  # ours: points of a drawn path
    members: MemberCount = 40  # ours: enough starts to fill the picture


def run(settings: ToySettings, journal: Journal) -> None:
    """Follow the weights of one rule from every start."""
    streams = settings.streams()
    layer = Dense(1, 1, settings.compute)
    starts = [streams.uniform("weights", (1, 1), settings.start, block) for block in (0, 1)]
    network = Network([layer, layer], ["linear", "linear"], starts)
    x = torch.ones_like(starts[0])
    teaching = rule(settings.rule) if settings.rule == "bp" else through(settings.feedback)
    training = Training(
        network, teaching, sgd(settings.rate), lambda step: (x, settings.target * x), streams
    )
    journal.label(seed=settings.seeds)
    marks = np.linspace(0, settings.examples, settings.marks + 1).astype(int)
    for examples in journal.follow(training, marks):
        w0, w = (weights.flatten().clone() for weights in network.weights)
        journal.write(examples, w0=w0, w=w)


def through(B: float) -> Rule:
    """Feedback alignment with one given feedback weight instead of a random one."""

    def init(network: Network, streams: Streams) -> list[torch.Tensor]:
        return [torch.full_like(network.weights[1], B)]

    return Rule("fa", init, carry_back)


def aligned(runs: Runs) -> np.ndarray:
    """Return 100 for each network that ends solved with w of the sign of B, else 0 (percent).

    NaN for a network that has diverged.
    """
    run = runs["small"]
    w0, w = at(run, "w0"), at(run, "w")
    solved = np.abs(run.settings.target - w * w0) < 0.01
    aligned = 100.0 * (solved & (w * run.settings.feedback > 0))
    return np.where(np.isfinite(w * w0), aligned, np.nan)


def solving(run: Run) -> np.ndarray:
    """Say of each network whether it comes closer to a solution, or was there from the start."""
    start, end = (
        np.abs(run.settings.target - at(run, "w", percent) * at(run, "w0", percent))
        for percent in (0, 100)
    )
    return end <= np.maximum(0.75 * start, 0.01)


def drift(runs: Runs) -> np.ndarray:
    """Return each network's largest change of w0^2 - 2 B w, which the flow conserves; or NaN."""
    run = runs["anywhere"]
    conserved = curve(run, "w0") ** 2 - 2 * run.settings.feedback * curve(run, "w")
    return (conserved - conserved.iloc[0]).abs().max(skipna=False).to_numpy()


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 3: the flow of the two weights, and paths through it, for both rules."""
    figure, panels = drawing.panels(1, 2, figsize=(9, 4.4), sharey=True)
    names = {"backprop": "bp", "anywhere": "fa"}
    frames = []
    for axes, (variant, name) in zip(panels, names.items(), strict=True):
        _flow(axes, runs[variant].settings, name)
        w0, w = curve(runs[variant], "w0"), curve(runs[variant], "w")
        axes.plot(w0, w, color=drawing.LOOKS[name].colour, lw=1)
        axes.plot(w0.iloc[-1], w.iloc[-1], "o", ms=4, color=drawing.LOOKS[name].colour)
        axes.set(title=drawing.LOOKS[name].name, xlabel="input weight $w_0$")
        frame = w0.melt(ignore_index=False, value_name="w0").assign(variant=variant)
        frames.append(frame.assign(w=w.melt()["value"].to_numpy()).reset_index())
    panels[0].set(ylabel="output weight $w$")
    return figure, pd.concat(frames)


def _flow(axes: Axes, settings: ToySettings, name: str) -> None:
    grid = np.linspace(-2, 2, 25)
    w0, w = np.meshgrid(grid, grid)
    e = settings.target - w * w0
    carried = w if name == "bp" else settings.feedback
    axes.streamplot(grid, grid, carried * e, w0 * e, color="0.8", density=0.6, linewidth=0.7)
    for side in (np.linspace(-2, -0.5, 50), np.linspace(0.5, 2, 50)):
        axes.plot(side, settings.target / side, color=drawing.COLOURS[1], lw=2.5, alpha=0.6)
    axes.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")


STUDY = Study(
    name="toy-network",
    title="The smallest network that can align",
    paper="lillicrap2014",
    settings=ToySettings,
    tiers={
        "smoke": {"members": 3, "examples": 200, "marks": 10},
        "quick": {"examples": 10000, "rate": 2e-3},
        "paper": {},
    },
    variants={
        "small": {"rule": "fa", "start": 0.1},
        "anywhere": {"rule": "fa", "start": 2.0},
        "backprop": {"rule": "bp", "start": 2.0},
    },
    run=run,
    learnt=solving,
    claims=[
        Claim(
            id="toy-aligns",
            statement="From small weights, learning through the random weight B solves the task "
            "with a forward weight that agrees with B.",
            place="Fig 3",
            measure=aligned,
            unit="% of networks",
            holds=Region(100.0, 100.0),
            partly=Region(80.0, 100.0),
            reason="the flow near the origin leads nowhere else, so every network should follow it",
            figure="toy-flow",
            decimals=0,
        ),
        Claim(
            id="toy-conserved",
            statement="Along each path w₀² − 2Bw stays the same, so what the input weight "
            "learns is written into the alignment of the output weight.",
            place="conserved relation BW + WᵀBᵀ = AAᵀ + C, for one unit",
            measure=drift,
            unit="largest change of w₀² − 2Bw",
            holds=Region(0.0, 0.01),
            partly=Region(0.0, 0.1),
            reason="exact in continuous time; steps of a thousandth leave a drift of their order",
            figure="toy-flow",
            decimals=4,
        ),
    ],
    figures=[
        Figure(
            id="toy-flow",
            title="How two weights learn, with and without weight transport",
            alt="Two flow fields over the input weight and the output weight, from -2 to 2 each, "
            "one for backpropagation and one for feedback alignment, with learning paths that end "
            "in dots, and the two branches of the hyperbola of solutions.",
            caption="Flow of the weights of a 1-1-1 network that learns $y^* = x$. Thick: the "
            "solutions $w w_0 = 1$. Thin: paths from random starts, each with a dot at its end. "
            "With backpropagation (left) paths end on both branches; with the feedback weight "
            "$B = 1$ (right) they follow parabolas.",
            look="To see: on which branch the paths end at the right. In per cent of networks from "
            "small starts, $w$ ends with the sign of $B$ in {recorded}`toy-aligns`.",
            place="Fig 3",
            draw=draw,
        )
    ],
)
