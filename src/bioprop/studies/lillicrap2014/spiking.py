"""After Lillicrap et al. 2016: units that integrate over time and spike, taught by one volley.

The article has an experiment with such units; its body was not available to us. Design, settings
and criteria are our own: does learning through random feedback survive spikes?
"""

import dataclasses
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import MaxNLocator
from pydantic import Field
from torch import Tensor

from bioprop.learning import Training, angle, sgd
from bioprop.learning.spiking import Neurons, SpikingNetwork
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import excess
from bioprop.studies.signals import beside_backprop
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Part,
    Positive,
    Precision,
    Region,
    RuleName,
    Runs,
    Settings,
    Some,
    Study,
    at,
    gone,
    own_claim,
    rule_with,
)
from bioprop.studies.summaries import LARGEST
from bioprop.tasks.classify import dense_network, error_rate
from bioprop.tasks.images import CLASSES, Classification, load

# What an extension is called in a figure and in a sentence, and what it changes.
EXTENSIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "refractory": ("refractory period", "a refractory period", {"refractory": 2}),
    # A threshold of 1: of 0.2, 0.5 and 1 the best for both rules together in trials.
    "threshold": ("threshold", "a fixed threshold", {"threshold": 1.0}),
    "dropout": ("dropout", "dropout", {"silenced": 0.5}),
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SpikingSettings(Settings):
    """Settings of the spiking networks; all are ours, as the paper's are not known to us."""

    rule: RuleName  # ours: BP, FA, and shallow for comparison
    images: str = "mnist"  # ours; "digits" are scikit-learn's, for quick runs
    hidden: Some[Count] = (200,)  # ours: small, as a presentation takes many steps
    steps: Count = 20  # ours: time steps of one presentation
    settle: Natural = 5  # ours: the first steps, in which spikes are not counted; see decay
    decay: Part = 0.8  # ours: of the membrane in one step, a time constant of 4.5 steps
    refractory: Natural = 0  # ours: steps after a spike without another; 2 in the extension
    threshold: Annotated[float, Field(ge=0)] = 0.0  # ours: fixed; 0: spikes are drawn instead
    silenced: Part = 0.0  # ours: share of hidden units silent in a presentation; 0.5 in dropout
    volley: Literal["spikes", "graded"] = "spikes"  # ours: what the error units send
    rate: Positive = 0.02  # ours: for each example; trials on held-out images, other seeds
    batch: Count = 20  # ours: the updates of 20 examples are summed
    bound: Positive = 0.2  # ours: weights ~ U(-0.2, 0.2), biases 0; 0.1 and 0.3 did alike
    feedback: Positive = 1.0  # ours: B ~ U(-1, 1); of 0.1, 0.3 and 1 the best for FA in the trials
    examples: Count = 120_000  # ours: twice through the images, in all ten variants
    marks: Count = 12  # ours: one for each 10 000 examples
    every: Count = 5  # ours: every fifth test image is shown, 2000 of MNIST's
    probe: Count = 200  # ours: of these, images on which angles are measured
    precision: Precision = "float32"  # ours: spikes are far coarser
    members: MemberCount = 5  # ours

    @property
    def neurons(self) -> Neurons:
        """Return how the units integrate and spike."""
        return Neurons(
            steps=self.steps,
            settle=self.settle,
            decay=self.decay,
            refractory=self.refractory,
            threshold=self.threshold or None,
            silenced=self.silenced,
            volley=self.volley,
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.neurons  # noqa: B018  refuses values that do not go together


def build(settings: SpikingSettings) -> tuple[Training, Classification, SpikingNetwork]:
    """Return the population, ready to be trained, its task, and its network."""
    streams = settings.streams()
    task = Classification(load(settings.images), streams, settings.batch)
    sizes = task.images.pixels, *settings.hidden, CLASSES
    # With this loss the error is rate minus target, without a slope.
    dense = dense_network(
        streams, sizes, settings.bound, loss="binary-cross-entropy", compute=settings.compute
    )
    network = SpikingNetwork(
        dense.layers,
        dense.activations,
        dense.weights,
        dense.biases,
        dense.loss,
        streams=streams,
        neurons=settings.neurons,
    )
    teaching = rule_with(settings.rule, bound=settings.feedback)
    optimiser = sgd(settings.rate * settings.batch)
    return Training(network, teaching, optimiser, task, streams), task, network


def run(settings: SpikingSettings, journal: Journal) -> None:
    """Train one variant; test error, hidden firing rate and angle at every mark."""
    training, task, network = build(settings)
    x, labels = (part[:: settings.every] for part in task.test())
    target = torch.nn.functional.one_hot(labels, CLASSES).to(x)
    journal.label(seed=settings.seeds)
    journal.learns_from(settings.images, task.images.parts)
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        shown = x[: settings.probe].expand(settings.members, -1, -1)
        measured = {
            "error": error_rate(network, x, labels, chunk=100),
            "hidden_rate": network.forward(shown)[1].mean((1, 2)),
        }
        if settings.rule == "fa":
            wanted = target[: settings.probe].expand(settings.members, -1, -1)
            measured["angle"] = signal_angle(training, shown, wanted)
        journal.write(examples, **measured)


def signal_angle(training: Training, x: Tensor, target: Tensor) -> Tensor:
    """Return the mean angle in degrees between B e and W^T e at the first hidden layer, (member,).

    Both are taken from the mean of the volley. Images without an error have no angle and are left
    out; a member with none left gives NaN.
    """
    trial = training.network.present(x, target)
    trial.error = trial.activities[-1] - target
    return angle(*beside_backprop(training, trial)[0]).nanmean(-1)


def above_shallow(runs: Runs) -> np.ndarray:
    """Return FA's error minus that of shallow under each extension, (extension, member)."""
    return np.array([excess(runs, f"fa-{name}", "shallow") for name in EXTENSIONS])


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error, and the angle between the two teaching signals, against examples."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(9, 4), width_ratios=(3, 2))
    frames = [drawing.band(left, runs[name], "error", name) for name in ("shallow", "bp", "fa")]
    drawing.log_y(left)
    left.set(xlabel="examples", ylabel="test error (%)", yticks=(3, 5, 10, 20, 50, 100))
    left.yaxis.set_major_formatter("{x:g}")
    left.legend()
    frames.append(drawing.band(right, runs["fa"], "angle", "fa"))
    drawing.angle_axis(right)
    right.set(xlabel="examples")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return figure, pd.concat(frames)


def firing(runs: Runs, name: str) -> float:
    """Return the share of the steps in which hidden units fire at the end, mean over networks."""
    return float(at(runs[name], "hidden_rate").mean())


def draw_extensions(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the final error of both rules, without an extension and under each."""
    figure, axes = drawing.panels(figsize=(7, 4))
    titles = {name: title for name, (title, _, _) in EXTENSIONS.items()}
    names = {"": "none", **titles, "graded": "graded volley"}
    rows = []
    for place, (extension, title) in enumerate(names.items()):
        for name, shift in (("bp", -0.1), ("fa", 0.1)):
            variant = f"{name}-{extension}".rstrip("-")
            if variant in runs:  # a graded volley was run under feedback alignment only
                label = None if extension else drawing.LOOKS[name].name
                values = at(runs[variant], "error")
                row = drawing.dot(axes, values, place + shift, name, upright=True, label=label)
                rows.append({"extension": title, **row})
    axes.set_xticks(range(len(names)), list(names.values()))
    axes.set(ylabel="test error at the end (%)", ylim=(0, None))
    axes.legend()
    return figure, pd.DataFrame(rows)


def one_presentation(settings: SpikingSettings) -> tuple[list[Tensor], Tensor]:
    """Return the spikes ``(step, unit)`` of each layer in one presentation, and the volley.

    The network is one of 30 hidden units with the given settings that has seen 1000 digits.
    """
    small: dict[str, Any] = {"images": "digits", "hidden": (30,), "members": 1, "device": "cpu"}
    training, task, network = build(dataclasses.replace(settings, **small))
    training.until(1000 // settings.batch)
    step = training.step
    x, target = task(step)
    trains = network.trains(x, "spikes", step, network.not_silenced(x, step))
    volley = network.present(x, target, step).error
    shown = int(volley[0].abs().sum(-1).argmax())  # the image with the most spikes in the volley
    return [spikes[0, :, shown] for spikes in trains], volley[0, shown]


def draw_raster(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the spikes of one presentation, and the volley at its end."""
    settings = runs["fa"].settings
    trains, volley = one_presentation(settings)
    figure, panels = drawing.panels(
        3, 1, figsize=(7, 6), sharex=True, height_ratios=[len(s[0]) + 5 for s in trains]
    )
    frames = []
    for axes, spikes, layer in zip(panels, trains, ("input", "hidden", "output"), strict=True):
        frames.append(raster(axes, spikes, layer))
        axes.axvspan(0.5, settings.settle + 0.5, color="0.92", lw=0)
        axes.axvline(settings.steps + 1, color=drawing.COLOURS[3], lw=8, alpha=0.2)
    for sign, marker, colour in ((1, "^", drawing.COLOURS[3]), (-1, "v", drawing.COLOURS[0])):
        units = torch.nonzero(volley * sign > 0)[:, 0].numpy()
        time = np.full(len(units), settings.steps + 1)
        panels[-1].plot(time, units, marker, color=colour, ms=5)
        frames.append(pd.DataFrame({"layer": "volley", "step": time, "unit": units, "sign": sign}))
    panels[0].set_title("volley", loc="right", color=drawing.COLOURS[3])
    panels[0].set_title("not counted", loc="left", color="0.4")
    panels[-1].set(xlabel="time step", xlim=(0.5, settings.steps + 1.8))
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, pd.concat(frames)


def raster(axes: Axes, spikes: Tensor, layer: str) -> pd.DataFrame:
    """Draw the spikes ``(step, unit)`` of one layer as ticks; return where they are."""
    step, unit = torch.nonzero(spikes, as_tuple=True)
    axes.plot(step + 1, unit, "|", color="0.15", ms=3.5 if layer == "input" else 5)
    axes.set(ylabel=f"{layer} unit", ylim=(-1, spikes.shape[1]))
    return pd.DataFrame({"layer": layer, "step": step + 1, "unit": unit, "sign": 1})


def as_good(id: str, statement: str, variant: str, reference: str, figure: str) -> Claim:
    """Return the claim that a variant ends at most a point of test error above another."""
    return own_claim(
        id=id,
        statement=statement,
        measure=lambda runs: excess(runs, variant, reference),
        unit=f"points of test error, {variant} minus {reference}",
        holds=Region(high=1.0),
        partly=Region(high=3.0),
        reason="a point is small beside what a shallow network loses",
        figure=figure,
    )


CLAIMS = [
    own_claim(
        id="spiking-fa-learns",
        statement="Feedback alignment teaches hidden units that spike.",
        measure=lambda runs: excess(runs, "fa", "shallow"),
        unit="points of test error, fa minus shallow",
        holds=Region(high=0.0),
        reason="better than a network whose hidden layer does not learn",
        figure="spiking-error",
    ),
    as_good(
        "spiking-fa-as-good",
        "With spikes, feedback alignment is not worse than backpropagation by more than a point.",
        "fa",
        "bp",
        "spiking-error",
    ),
    own_claim(
        id="spiking-angle",
        statement="With spikes, too, the teaching signal turns towards backpropagation's.",
        measure=lambda runs: at(runs["fa"], "angle"),
        unit="degrees at the end",
        holds=Region(high=80.0),
        partly=Region(high=90.0),
        reason="below the 90 degrees of a random signal",
        figure="spiking-error",
        decimals=1,
    ),
    own_claim(
        id="spiking-extensions-learn",
        statement="Under each extension feedback alignment does better than a shallow network "
        "without it.",
        measure=above_shallow,
        summary=LARGEST,
        unit="points of test error, fa under the worst extension minus shallow",
        holds=Region(high=0.0),
        reason="better than a network whose hidden layer does not learn",
        figure="spiking-extensions",
    ),
    *(
        as_good(
            f"spiking-{name}",
            f"Nor is it by more than a point with {words}.",
            f"fa-{name}",
            f"bp-{name}",
            "spiking-extensions",
        )
        for name, (_, words, _) in EXTENSIONS.items()
    ),
    as_good(
        "spiking-volley",
        "A volley of spikes teaches as well as a graded one.",
        "fa",
        "fa-graded",
        "spiking-extensions",
    ),
]

FIGURES = [
    Figure(
        id="spiking-error",
        title="Networks that spike",
        alt="Two panels against examples. Left: test error in per cent on a log axis, a line with "
        "a band for each of shallow, backpropagation and feedback alignment. Right: the angle "
        "to backpropagation's signal, from 0 to 100 degrees with a line at 90.",
        caption="Networks whose units integrate over time and spike. Left: test error on part of "
        "the test images. Right: angle between the signals of feedback alignment, $Be$, and "
        "backpropagation, $W^T e$, at the hidden layer. Mean and 95 % interval over networks.",
        look="To see: whether feedback alignment goes with backpropagation or with the shallow "
        "network, and how far its angle falls below 90 degrees. If spikes spoilt the signal, it "
        "would stay there.",
        place="ours",
        draw=draw_error,
        numbers={f"fires under {name}": partial(firing, name=name) for name in ("bp", "fa")},
    ),
    Figure(
        id="spiking-extensions",
        title="Refractory periods, thresholds, dropout, and the kind of volley",
        alt="Test error in per cent at the end as dots with intervals, circles for backpropagation "
        "and squares for feedback alignment, in five columns: without an extension, with a "
        "refractory period, a threshold, dropout, and a graded volley (feedback alignment only).",
        caption="Final test error of both rules without and with each extension. Mean and 95 % "
        "interval over networks.",
        look="To see: whether circle and square move together from the first column to the "
        "others. An extension that broke the teaching by random feedback would lift the square "
        "alone.",
        place="ours",
        draw=draw_extensions,
    ),
    Figure(
        id="spiking-raster",
        title="One presentation",
        alt="Three panels above each other, input, hidden and output units, with a tick for each "
        "spike in twenty time steps. The first steps are shaded. After the last step a band marks "
        "the volley; in the panel of the output units triangles in it point up or down.",
        caption="Spikes of one presentation, then the volley: upward triangles where an output "
        "fired too much, downward ones where too little. A small network that has seen 1000 of "
        "scikit-learn's digits, with the settings of the recorded run; it is simulated anew when "
        "the picture is made.",
        look="To see: which output units fired in the steps that count, and which of them the "
        "volley corrects. A unit without a triangle needs no correction.",
        place="ours",
        draw=draw_raster,
    ),
]

STUDY = Study(
    name="spiking",
    title="Neurons that integrate and spike",
    paper="lillicrap2014",
    settings=SpikingSettings,
    tiers={
        "smoke": {
            "images": "digits",
            "hidden": (20,),
            "bound": 0.5,  # ours, and so below: digits have few pixels, so weights must be larger
            "members": 3,
            "examples": 200,
            "marks": 4,
            "probe": 40,
        },
        "quick": {
            "images": "digits",
            "hidden": (50,),
            "bound": 0.5,
            "rate": 0.05,
            "members": 3,
            "examples": 4000,
            "marks": 8,
            "every": 1,
            "probe": 100,
        },
        "paper": {},  # the scale is ours, as the paper's is not known to us
    },
    variants={
        "bp": {"rule": "bp"},
        "fa": {"rule": "fa"},
        "shallow": {"rule": "shallow"},
        **{
            f"{name}-{extension}": {"rule": name, **change}
            for extension, (_, _, change) in EXTENSIONS.items()
            for name in ("bp", "fa")
        },
        "fa-graded": {"rule": "fa", "volley": "graded"},
    },
    run=run,
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
