"""Xiao et al. 2018, Fig 1, at a smaller scale: sign-symmetry learns photographs, and FA does not.

Claim: on ImageNet a network whose signals are carried back through the signs of its weights comes
close to backpropagation, where one with fixed random feedback weights stays far behind. Here the
photographs are those of Tiny ImageNet and the network is a ResNet-18 of half the width.
"""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported
from bioprop.studies.journal import Journal
from bioprop.studies.long_runs import LONG_RUNS
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Region,
    Run,
    Runs,
    Study,
    at,
    gone,
    own_claim,
    rows_at,
)
from bioprop.studies.summaries import LARGEST, sampling_error
from bioprop.studies.xiao2018 import rules_rates
from bioprop.studies.xiao2018.networks import (
    CAPTION,
    GAUSSIAN,
    DeepSettings,
    against_layers,
    apart,
    by_layer,
    error_band,
    excess,
    follow,
    highest_third,
    layer_axis,
    layer_lines,
    turned,
)
from bioprop.studies.xiao2018.signs_rates import FOUND

NAMES = ("bp", "ss", "fa")
PERCENTS = (0, 5, 25, 50, 100)  # of the run


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SignsSettings(DeepSettings):
    """Settings of the comparison of rules on photographs."""

    rate: Positive = 0.1  # ours: half of the best of the search for each rule
    probe: Count = 256  # ours: training images on which signals are measured


def run(settings: SignsSettings, journal: Journal) -> None:
    """Train one rule, its networks in turns."""
    journal.label(seed=settings.seeds)
    points = [(seed, settings.rate) for seed in settings.seeds]
    follow(settings, journal, points, settings.probe, sizes=True)


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw errors over epochs: top-1 and top-5 on test images, top-1 on training images."""
    figure, panels = drawing.panels(1, 3, figsize=(12, 4), sharex=True)
    shown = {"error": "top-1 test", "top5": "top-5 test", "training": "top-1 training"}
    frames = []
    for axes, (quantity, words) in zip(panels, shown.items(), strict=True):
        frames += [error_band(axes, runs[name], quantity, name) for name in NAMES]
        axes.set(xlabel="epochs", ylabel=f"{words} error (%)", ylim=(0, 100))
    panels[0].legend()
    return figure, pd.concat(frames)


# Where others let the same rules learn, from the smallest images to the largest: label, and what
# stands before and after the rule in the keys of the reported errors.
ELSEWHERE = {
    "CIFAR-10, ResNet-20\nSanfiz & Akrout 2021": ("xiao2018", "biotorch-cifar10-resnet20-", ""),
    "CIFAR-10, ResNet-56\nSanfiz & Akrout 2021": ("xiao2018", "biotorch-cifar10-resnet56-", ""),
    "CIFAR-10, ResNet-18\nKasprzak et al. 2019": (
        "xiao2018",
        "replication-last-cifar10-resnet18-",
        "",
    ),
    "ImageNet, ResNet-18\nSanfiz & Akrout 2021": ("xiao2018", "biotorch-imagenet-resnet18-", ""),
    "ImageNet, locally connected\nBartunov et al. 2018": ("bartunov2018", "imagenet-lc-", "-top-1"),
}
REPLICATION, BENCHMARK = list(ELSEWHERE)[2:4]
IMAGES = {"tiny-imagenet": "Tiny ImageNet", "digits": "digits"}


def elsewhere(label: str) -> dict[str, float]:
    """Return the errors that are reported at one of these places, by rule."""
    paper, before, after = ELSEWHERE[label]
    known = reported.table(paper)["value"]
    keys = {name: f"{before}{name}{after}" for name in NAMES}
    return {name: float(known[key]) for name, key in keys.items() if key in known}


def draw_beside(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw our final errors beside those that others report for the same rules."""
    figure, axes = drawing.panels(figsize=(8, 4))
    rows = []
    for name in NAMES:
        drawn = drawing.dot(axes, at(runs[name], "error"), 0, name, fmt=drawing.MARKS[name])
        rows.append(drawn | {"where": "here"})
    for place, label in enumerate(ELSEWHERE, start=1):
        for name, value in elsewhere(label).items():
            drawing.reported(axes, value, place, name)
            rows.append({"rule": name, "mean": value, "where": label.replace("\n", ", ")})
    settings = runs["bp"].settings
    images = IMAGES.get(settings.images, settings.images)
    here = f"{images}, ResNet-18\nof {settings.width} channels, here"
    axes.set_yticks(range(len(ELSEWHERE) + 1), [here, *ELSEWHERE])
    axes.set(xlabel="top-1 error (%)", xlim=(0, 100), ylim=(len(ELSEWHERE) + 0.5, -0.5))
    drawing.legend(axes, NAMES, "reported by others")
    return figure, pd.DataFrame(rows)


def draw_angle(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle of the signal layer by layer, from the start of the run to its end."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4.2), sharey=True)
    frames = []
    for axes, name in zip(panels, ("ss", "fa"), strict=True):
        frames.append(layer_lines(axes, runs[name], "angle", PERCENTS).assign(rule=name))
        weights = by_layer(runs[name], "weights")
        places = range(1, len(weights.columns) + 1)
        axes.plot(places, weights.mean(), "x", color="0.4", label="weights, at the end")
        frame = {"rule": name, "quantity": "weights", "layer": places, "mean": weights.mean()}
        frames.append(pd.DataFrame(frame).assign(name=list(weights.columns)))
        if name == "ss":
            axes.axhline(GAUSSIAN, color="0.6", lw=1, ls=":")
        drawing.angle_axis(axes)
        axes.set(title=drawing.LOOKS[name].name)
        axes.label_outer()
    panels[0].legend(ncols=2, loc="lower left")
    return figure, pd.concat(frames)


def draw_sizes(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw how large signals and feedback weights are at the end, layer by layer."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4))
    shown = {"ratio": "signal over backpropagation's", "size": "feedback weights over weights"}
    frames = []
    for axes, (quantity, words) in zip(panels, shown.items(), strict=True):
        for name in ("ss", "fa"):
            values, look = by_layer(runs[name], quantity), drawing.LOOKS[name]
            options = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, against_layers(values), **options)
            frame = {"rule": name, "quantity": quantity, "name": values.columns} | drawn
            frames.append(pd.DataFrame(frame))
        axes.axhline(1, color="0.6", lw=1)
        layer_axis(axes, len(values.columns))
        axes.set(ylabel=words)
        drawing.log_y(axes)
        drawing.plain_ticks(axes.yaxis)
    panels[0].legend()
    return figure, pd.concat(frames)


def draw_agreement(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw in how many of its numbers a signal has backpropagation's sign, layer by layer."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4), sharey=True)
    frames = []
    for axes, name in zip(panels, ("ss", "fa"), strict=True):
        frames.append(layer_lines(axes, runs[name], "agreement", PERCENTS).assign(rule=name))
        axes.axhline(50, color="0.6", lw=1)
        axes.set(ylim=(30, 100), ylabel="numbers of equal sign (%)")
        axes.set(title=drawing.LOOKS[name].name)
        axes.label_outer()
    panels[0].legend()
    return figure, pd.concat(frames)


def reported_gap(runs: Runs, name: str, label: str) -> float:
    """Return how far a rule is behind backpropagation where others let it learn."""
    errors = elsewhere(label)
    return errors[name] - errors["bp"]


def left(run: Run, quantity: str = "error", before: int = 0) -> float:
    """Return an error some epochs before the end of a run, mean over networks."""
    return float(rows_at(run, 100 - 100 * before / run.settings.epochs)[quantity].mean())


def behind(runs: Runs, quantity: str = "error", before: int = 0) -> float:
    """Return by how much sign-symmetry's error is above backpropagation's, as in :func:`left`."""
    return left(runs["ss"], quantity, before) - left(runs["bp"], quantity, before)


def nearest(run: Run) -> tuple[float, int]:
    """Return the smallest angle of the signal, mean over layers and networks, and its epoch."""
    epochs = range(run.settings.epochs + 1)
    share = 100 / run.settings.epochs
    angles = [float(by_layer(run, "angle", share * epoch).mean(axis=None)) for epoch in epochs]
    return min(zip(angles, epochs, strict=True))


TEST_IMAGES = 10_000  # of Tiny ImageNet: the publisher's validation images
OF_ERRORS: Mapping[str, Callable[[Runs], float]] = {
    "last bp": lambda runs: left(runs["bp"], before=1) - left(runs["bp"]),
    "last ss": lambda runs: left(runs["ss"], before=1) - left(runs["ss"]),
    "two epochs before": partial(behind, before=2),
    "training": partial(behind, quantity="training"),
    "fa": lambda runs: left(runs["fa"]),
    "start": lambda runs: left(runs["fa"], before=runs["fa"].settings.epochs),
    "sampling": lambda runs: sampling_error(left(runs["bp"]), TEST_IMAGES),
}
OF_ANGLES: Mapping[str, Callable[[Runs], float]] = {
    "lowest": lambda runs: nearest(runs["ss"])[0],
    "lowest at": lambda runs: nearest(runs["ss"])[1],
    "fa": lambda runs: float(by_layer(runs["fa"], "angle").mean(axis=None)),
    "apart": lambda runs: float(apart(runs, "ss", "fa").mean().max()),
}


def photographs(settings: SignsSettings) -> bool:
    """Whether a run is one that the claims are about."""
    return settings.images == "tiny-imagenet"


CLAIMS = [
    Claim(
        id="tiny-ss-close",
        statement="Sign-symmetry's top-1 error is within 6 points of backpropagation's after as "
        "many epochs.",
        place=CAPTION,
        measure=lambda runs: excess(runs, "ss", "bp"),
        unit="points of top-1 error, sign-symmetry minus backpropagation",
        holds=Region(high=6.0),
        reason="twice what two trial networks lost on a quarter of the classes",
        figure="tiny-error",
        decimals=1,
        applies=photographs,
    ),
    Claim(
        id="tiny-fa-behind",
        statement="Feedback alignment is more than 15 points behind backpropagation.",
        place="abstract, after Bartunov et al. 2018, Table 2: a direction; its numbers were not "
        "seen",
        measure=lambda runs: excess(runs, "fa", "bp"),
        unit="points of top-1 error, feedback alignment minus backpropagation",
        holds=Region(low=15.0),
        reason="more than twice what sign-symmetry may lose; a feedback alignment that does not "
        "learn at all passes, so what it learns stands beside",
        figure="tiny-error",
        decimals=1,
        applies=photographs,
        unlearnt="feedback alignment that hardly learns photographs is what is said of it",
        idle=("fa",),
    ),
    own_claim(
        id="tiny-ss-nearer",
        statement="In every layer the signal of sign-symmetry is nearer to backpropagation's than "
        "that of feedback alignment.",
        measure=lambda runs: apart(runs, "ss", "fa").to_numpy(float).T,
        summary=LARGEST,
        unit="degrees, sign-symmetry minus feedback alignment, in the layer where it is largest",
        holds=Region(high=0.0),
        reason="nearer means a smaller angle, and every layer means the worst one too",
        figure="tiny-angle",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="tiny-ss-angle",
        statement="At the end the signal of sign-symmetry is nearer than 60 degrees to "
        "backpropagation's, on average over layers.",
        measure=lambda runs: by_layer(runs["ss"], "angle").mean(axis="columns").to_numpy(float),
        unit="degrees at the end, mean over layers",
        holds=Region(high=60.0),
        reason="a first trial gave 38 to 54 degrees, from 85 at the lowest layer at the start",
        figure="tiny-angle",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="tiny-fa-turns",
        statement="The signal of feedback alignment turns towards backpropagation's in the last "
        "third of the layers.",
        measure=lambda runs: highest_third(turned(runs["fa"])).mean(axis="columns").to_numpy(float),
        unit="degrees, end minus start, mean over the last third of the layers",
        holds=Region(high=0.0),
        reason="turning towards means a smaller angle at the end than at the start",
        figure="tiny-angle",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="tiny-ss-turns",
        statement="Under sign-symmetry the signals end nearer to backpropagation's than they "
        "started, on average over layers.",
        measure=lambda runs: turned(runs["ss"]).mean(axis="columns").to_numpy(float),
        unit="degrees, end minus start, mean over layers",
        holds=Region(high=0.0),
        reason="turning towards means a smaller angle at the end than at the start",
        figure="tiny-angle",
        decimals=1,
        applies=photographs,
    ),
    own_claim(
        id="tiny-ss-weights",
        statement="Under sign-symmetry the angle of the weights to their signs stays where "
        "Gaussian numbers have it.",
        measure=lambda runs: by_layer(runs["ss"], "weights").mean(axis="columns").to_numpy(float),
        unit="degrees at the end, mean over layers",
        holds=Region(34.0, 40.0),
        reason="arccos sqrt(2 / pi) is 37.1 degrees, give or take a few",
        figure="tiny-angle",
        decimals=1,
        applies=photographs,
    ),
]

FIGURES = [
    Figure(
        id="tiny-error",
        title="Photographs under three rules",
        alt="Three panels, top-1 and top-5 test error and top-1 training error in per cent against "
        "epochs, a line with a band for backpropagation, sign-symmetry and feedback alignment in "
        "each.",
        caption="Error of ResNet-18 with half of its channels on the 200 classes of Tiny ImageNet, "
        "within 20 epochs, on test images and on training images as they "
        "are, neither cropped nor mirrored; mean and 95 % interval over networks; each rule at "
        "half the learning rate that served it best in short runs, on held-out training images.",
        look="To see: beside which of the two other curves sign-symmetry ends, and whether bands "
        "touch. If signs were not enough, it would lie near feedback alignment. Curves may cross "
        "on the way, where each rule has a rate of its own; what is judged is the end.",
        place="Fig 1, which has ImageNet, and no feedback alignment that was seen",
        draw=draw_error,
        numbers=OF_ERRORS,
    ),
    Figure(
        id="tiny-beside",
        title="The same rules elsewhere",
        alt="Top-1 error in per cent along the horizontal axis, one row for each place: ours at "
        "the top with intervals, then five that others report; in each row a mark for "
        "backpropagation, sign-symmetry and feedback alignment.",
        caption="Top-1 error at the end. Filled, with 95 % intervals: measured here. Open: what "
        "others report for other images, networks and numbers of epochs, one run each: BioTorch's "
        "benchmarks (Sanfiz & Akrout 2021), a replication of Xiao et al. (Kasprzak et al. 2019, "
        "at its last epoch), and Table 2 of Bartunov et al. 2018, which has no sign-symmetry. None "
        "of them is a number of Xiao et al.",
        look="To see: whether the marks of each row stand in the order of the first one. Rows are "
        "of different images and networks, so that marks can be compared within a row alone.",
        place="ours",
        draw=draw_beside,
        numbers={
            f"{name} {where}": partial(reported_gap, name=name, label=label)
            for where, label in (("benchmark", BENCHMARK), ("replication", REPLICATION))
            for name in ("ss", "fa")
        },
    ),
    Figure(
        id="tiny-angle",
        title="What a layer is taught, beside backpropagation",
        alt="Two panels, sign-symmetry and feedback alignment: angle to backpropagation's signal "
        "from 0 to 100 degrees against the layer, a line for each of several epochs from dark to "
        "light, crosses for the angle of the weights, a line at 90 and a dotted one at 37 degrees.",
        caption="Angle between the signal that reaches a layer and the one that backpropagation "
        "would send there at the same weights, all images of a probe in one vector; the last "
        "layer, where both are the error itself, is left out. Crosses: angle between the weights "
        "and the feedback weights, the last layer's too, mean over networks. Dotted: the angle "
        "between Gaussian numbers and their signs, which these feedback weights are.",
        look="To see: how far the lines are from 90 degrees at the first layers, and which way "
        "they go from dark to light. If feedback alignment aligned here as in shallow networks, "
        "its light lines would lie far below the dark ones. A signal may also come near first and "
        "part again, so that the lines are not in order.",
        place="ours; the paper's figures of angles were not seen",
        draw=draw_angle,
        numbers=OF_ANGLES,
    ),
    Figure(
        id="tiny-sizes",
        title="How large signals and feedback weights are",
        alt="Two panels with a log axis against the layer, a line with a band for sign-symmetry "
        "and for feedback alignment: on the left the size of the signal over that of "
        "backpropagation's, on the right the size of the feedback weights over that of the "
        "weights; a line at 1 in each.",
        caption="Left: length of the signal that reaches a layer over the length of the one that "
        "backpropagation would send there at the same weights. Right: length of a layer's feedback "
        "weights over that of its weights; the first layer's carry nothing on. Both at the end of "
        "the run, mean and 95 % interval over networks.",
        look="To see: how far the lines are from the grey one. Where a rule's signals are larger "
        "or smaller, it learns as if at a higher or a lower rate there, and a difference of rules "
        "may be one of rates.",
        place="ours",
        draw=draw_sizes,
    ),
    Figure(
        id="tiny-agreement",
        title="Signs that agree",
        alt="Two panels, sign-symmetry and feedback alignment: share of the numbers of a signal "
        "that have backpropagation's sign, from 30 to 100 per cent, against the layer, a line for "
        "each of several epochs from dark to light, and a line at 50.",
        caption="How many of the numbers of a layer's signal have the sign that they would have "
        "under backpropagation at the same weights. Chance is 50 %.",
        look="To see: how far the lines are above the level of chance, and whether light ones are "
        "above dark ones. A signal that keeps nothing of backpropagation's lies on that level.",
        place="ours",
        draw=draw_agreement,
    ),
]

# What was best in short runs; for backpropagation that was the largest rate of signs-rates, and the
# study rules-rates looks above it.
SHORT: Mapping[str, float] = {**FOUND, "bp": rules_rates.RATES["bp-above"]}
RATES: Mapping[str, float] = {name: SHORT[name] * LONG_RUNS for name in NAMES}

STUDY = Study(
    name="signs-tiny",
    title="Sign-symmetry on photographs",
    paper="xiao2018",
    settings=SignsSettings,
    tiers={
        "smoke": {
            "images": "digits",
            "every": 2,
            "held_out": 600,
            "width": 2,
            "stem": "small",
            "epochs": 2,
            "batch": 64,
            "pad": 1,
            "flips": "none",
            "probe": 20,
            "precision": "float32",
        },
        "quick": {
            "images": "digits",
            "width": 8,
            "stem": "small",
            "epochs": 5,
            "batch": 32,
            "pad": 1,
            "flips": "none",
            "probe": 64,
            "precision": "float32",
            "members": 1,
        },
        "reduced": {},  # half the width, smaller photographs, fewer epochs than the paper
    },
    variants={name: {"rule": name, "rate": RATES[name]} for name in NAMES},
    cost={"reduced": 3300.0},  # one core with AMX, nothing beside it
    run=run,
    after="signs-rates",
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
