"""What makes simplified difference target propagation learn? One change at a time.

Bartunov et al. 2018 leave open how far SDTP's top target goes, what the top inverse reads and in
which form, and print rates that do not serve every reading. Each reading is trained here on a
third of MNIST's images, at several steps towards the label; then one number at a time is changed.
All is measured on training images that were held out, but for the claims about test images.
"""

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import Network, Rule, Trial
from bioprop.learning.rules import Deltas
from bioprop.studies import drawing
from bioprop.studies.bartunov2018.measures import by_epoch
from bioprop.studies.bartunov2018.methods import MethodSettings, beside, follow, on_mnist, prepare
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    RuleName,
    Run,
    Runs,
    Seed,
    Some,
    Study,
    at,
    curve,
    gone,
    own_claim,
    rows_at,
)

STEPS = (1.0, 0.5, 0.3, 0.1)
READINGS = {
    "literal": "tanh inverses, probabilities: to the letter",
    "top-linear": "top inverse linear",
    "lower-linear": "lower inverses linear",
    "linear": "all inverses linear",
    "logits": "top inverse reads logits",
}
SIZES = (0, 32, 128, 512)  # auxiliary outputs
KNOBS = {
    "rate": "forward rate",
    "inverse_rate": "inverse rate",
    "eps": "Adam's epsilon",
    "sigma": "noise of the inverses",
    "beta1": "Adam's first memory",
}


Knob = Literal["step", "rate", "inverse_rate", "eps", "sigma", "beta1"]  # what may be changed
Changes = Some[tuple[Knob, Positive]]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ChangeSettings(MethodSettings):
    """Settings; ``members`` counts the networks for each change."""

    rule: RuleName = "sdtp"  # ours: the method that this study is about
    schedule: Literal["alternating", "parallel"] = "alternating"  # Table 1: the better of the two
    changes: Changes  # ours: a setting and its value, one change for each network
    shown: Count = 20_000  # ours: training images that are learnt from
    held_out: Count = 10_000  # ours: training images to measure on
    epochs: Count = 8  # ours: enough to tell what learns from what does not
    rate: Positive = 1e-3  # ours: fast, for a short run
    eps: Positive = 1e-4  # Table 5, SDTP alternating
    inverse_eps: Positive = 1e-3  # Table 5, SDTP alternating
    members: MemberCount = 3  # ours: networks for each change
    switched: bool = False  # ours: whether the whole step is taken from half-way on
    first_seed: Seed = 2000  # ours: apart from the seeds of the results and of the search


def run(settings: ChangeSettings, journal: Journal) -> None:
    """Train every change for every seed, side by side."""
    points = [(knob, value, seed) for knob, value in settings.changes for seed in settings.seeds]
    knobs, values, seeds = zip(*points, strict=True)
    journal.label(seed=seeds, knob=knobs, value=values)
    streams = settings.streams(seeds)
    each = {
        name: streams.each([v if k == name else getattr(settings, name) for k, v, _ in points])
        for name in dict.fromkeys(knobs)
    }
    training, task = prepare(settings, streams, **each)
    if settings.switched:
        whole, _ = prepare(settings, streams, **each | {"step": 1.0})
        half = settings.epochs // 2 * settings.turns * settings.each_epoch // settings.batch
        training.rule = switched(training.rule, whole.rule, half)
    follow(settings, journal, training, task, partial(beside, limits=True))


def switched(first: Rule, second: Rule, step: int) -> Rule:
    """Return ``first``, which from a step on teaches as ``second`` does; they keep the same."""

    def teach(network: Network, state: Any, trial: Trial) -> Deltas:
        return (first if trial.step < step else second).teach(network, state, trial)

    return replace(first, name=f"{first.name}, then {second.name}", teach=teach)


def ends(run: Run, knob: str = "step") -> pd.DataFrame:
    """Return the rows at the end of the run for the changes of one setting."""
    end = rows_at(run)
    return end[end["knob"] == knob]


def best_learn(run: Run) -> np.ndarray:
    """Say of each seed whether a network has learnt at any of the values that are tried."""
    seeds = rows_at(run)["seed"].to_numpy()
    return pd.Series(gone("validation")(run)).groupby(seeds).any().to_numpy()


def where(run: Run, value: float, quantity: str, knob: str = "step") -> np.ndarray:
    """Return a quantity at the end for one change, ``(member,)`` in the order of the seeds."""
    rows = ends(run, knob)
    return rows.loc[np.isclose(rows["value"], value)].sort_values("seed")[quantity].to_numpy(float)


def draw_steps(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error, and the angle to the small-step limit, against the step."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(11, 4.4))
    frames = []
    markers = dict(zip(READINGS, "osD^v", strict=True))
    colours = dict(zip(READINGS, drawing.COLOURS, strict=False))
    for name, words in READINGS.items():
        for axes, quantity in ((left, "validation"), (right, "limit-1")):
            table = ends(runs[name]).pivot(index="value", columns="seed", values=quantity)
            table.index.name = "step"
            options = {"color": colours[name], "marker": markers[name], "label": words}
            drawn = drawing.shaded(axes, table, **options)
            frames.append(pd.DataFrame({"reading": name, "quantity": quantity} | drawn))
    for axes in (left, right):
        drawing.log_x(axes, table.index, labels=True)
        axes.set(xlabel="share of the way to the label")
    left.set(ylabel="held-out error (%)")
    drawing.log_y(left)
    drawing.percent_ticks(left.yaxis)
    right.set(ylabel="lowest layer: angle to a tiny step's\nweight change (degrees)", ylim=(-3, 95))
    left.legend()
    return figure, pd.concat(frames)


def draw_knobs(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error for each value of each number that was changed alone."""
    figure, each = drawing.some_panels(len(KNOBS), 3, (11, 6), sharey=True)
    frames = []
    for axes, (knob, words) in zip(each, KNOBS.items(), strict=True):
        table = ends(runs["knobs"], knob).pivot(index="value", columns="seed", values="validation")
        table.index.name = knob
        drawn = drawing.shaded(axes, table, color=drawing.LOOKS["sdtp"].colour, marker="o")
        frames.append(pd.DataFrame({"knob": knob} | drawn))
        drawing.log_x(axes, table.index, labels=True)
        axes.set(xlabel=words)
    figure.supylabel("held-out error (%)")
    return figure, pd.concat(frames)


def draw_auxiliary(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error against the number of auxiliary outputs."""
    figure, axes = drawing.panels(figsize=(6, 4))
    rows = []
    for place, size in enumerate(SIZES):
        values = where(runs[f"auxiliary-{size}"], 0.1, "validation")
        drawn = drawing.dot(axes, values, place, "ao-sdtp", upright=True, label=None)
        rows.append({**drawn, "auxiliary": size})
    axes.set(xticks=range(len(SIZES)), xlabel="auxiliary outputs", ylabel="held-out error (%)")
    axes.set_xticklabels([str(size) for size in SIZES])
    return figure, pd.DataFrame(rows)


def draw_switch(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error of networks whose step grows half-way, beside others."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    frames = []
    looks = {
        "steady": ("a tenth of the step throughout", drawing.COLOURS[2], "-"),
        "switched": ("the whole step from half-way on", drawing.COLOURS[3], "--"),
    }
    for name, (words, colour, line) in looks.items():
        table = by_epoch(runs[name], curve(runs[name], "validation"))
        drawn = drawing.shaded(axes, table, color=colour, linestyle=line, label=words)
        frames.append(pd.DataFrame({"run": name} | drawn))
    axes.axvline(runs["switched"].settings.epochs / 2, color="0.6", lw=1)
    axes.set(xlabel="epochs", ylabel="held-out error (%)")
    axes.legend()
    return figure, pd.concat(frames)


def linearity(id: str, layer: int, reading: str, step: float, bound: float, words: str) -> Claim:
    """Return the claim about the angle between a step's weight change and a tiny step's."""
    whole = bound > 20
    side = "more" if whole else "less"
    return own_claim(
        id=f"targets-sdtp-limit-{id}-{layer}",
        statement=f"{words} changes the weights of layer {layer} at {side} than {bound:g} degrees "
        "from what a tiny step would.",
        measure=lambda runs: where(runs[reading], step, f"limit-{layer}"),
        unit="degrees at the end",
        holds=Region(low=bound) if whole else Region(high=bound),
        reason="at 40 degrees a target is no longer a gradient step; below 10 it is one",
        unlearnt="a target that is no gradient step need not teach" if whole else None,
        figure="targets-sdtp-steps",
        decimals=1,
        applies=on_mnist,
    )


WHOLE = "The whole step, with tanh inverses that read probabilities,"
CLAIMS = [
    *(linearity("whole", layer, "literal", 1.0, 40.0, WHOLE) for layer in (1, 3)),
    linearity("tenth", 1, "literal", 0.1, 10.0, "A tenth of the step"),
    linearity("logits", 1, "logits", 1.0, 10.0, "The whole step, read from logits,"),
    own_claim(
        id="targets-sdtp-driven-back",
        statement="Networks trained with a tenth of the step are driven back when the whole step "
        "replaces it.",
        measure=lambda runs: after_switch(runs["switched"]) - before_switch(runs["switched"]),
        unit="points of held-out error, at the end minus at the switch",
        holds=Region(low=1.0),
        partly=Region(low=0.0),
        reason="errors at the switch are near five per cent and fall when nothing is changed",
        figure="targets-sdtp-switch",
        applies=on_mnist,
    ),
    own_claim(
        id="targets-sdtp-steady",
        statement="Those that keep it go on learning.",
        measure=lambda runs: after_switch(runs["steady"]) - before_switch(runs["steady"]),
        unit="points of held-out error, over the same epochs",
        holds=Region(high=0.0),
        reason="lower at the end than at the start",
        figure="targets-sdtp-switch",
        applies=on_mnist,
    ),
    own_claim(
        id="targets-sdtp-auxiliary",
        statement="Where the top inverse reads probabilities, and the target goes a tenth of the "
        "way, 512 auxiliary outputs do not do better than none.",
        measure=lambda runs: (
            where(runs["auxiliary-512"], 0.1, "validation")
            - where(runs["auxiliary-0"], 0.1, "validation")
        ),
        unit="points of held-out error, 512 minus none",
        holds=Region(low=-0.2),
        reason="0.2 points are 20 of the 10 000 held-out images; the paper finds more to be better",
        figure="targets-sdtp-auxiliary",
        applies=on_mnist,
    ),
]


def before_switch(run: Run) -> np.ndarray:
    """Return the held-out error half-way, where the step may change, by member."""
    return at(run, "validation", 50)


def after_switch(run: Run) -> np.ndarray:
    """Return the held-out error at the end, by member."""
    return at(run, "validation")


FIGURES = [
    Figure(
        id="targets-sdtp-steps",
        title="How far the top target goes",
        alt="Left: error on held-out images against the share of the way from the output to the "
        "label that the top target goes, a line with a band for each of five readings. Right: "
        "angle of the lowest layer's weight change to that of a tiny step, for the same.",
        caption="SDTP on a third of MNIST, eight epochs, mean and 95 % interval over networks. "
        "Left: error on held-out images. Right: angle between the weight change of the lowest "
        "hidden layer and the one that a tiny step towards the label would make, at the end.",
        look="To see, left: which readings keep their error as the top target goes further, and "
        "which lose it. Right: whether the same ones turn away from a tiny step. If the length of "
        "the step did not matter, all lines would be level.",
        place="ours",
        draw=draw_steps,
    ),
    Figure(
        id="targets-sdtp-knobs",
        title="One number at a time",
        alt="Five panels, one for each of five settings, with the error on held-out images against "
        "the value of the setting on a log axis; a line with a band in each.",
        caption="SDTP with tanh inverses that read probabilities and a tenth of the step; one "
        "setting is changed at a time. Error on held-out images, mean and 95 % interval.",
        look="To see: how steep a curve is, beside its band. A setting that decides the result "
        "has a steep one, and where the lowest point is at an edge, a better value may lie beyond "
        "it.",
        place="ours",
        draw=draw_knobs,
    ),
    Figure(
        id="targets-sdtp-switch",
        title="A long step drives a trained network back",
        alt="Error on held-out images against epochs for two populations, one of which changes "
        "from a tenth of the step to the whole step half-way, at a grey vertical line.",
        caption="Error on held-out images. Both populations learn with a tenth of the step; at the "
        "grey line one of them takes the whole step. Mean and 95 % interval over networks.",
        look="To see: what the dashed curve does after the grey line. If a long step did no more "
        "than make learning slow, a network that has learnt would stay where it is.",
        place="ours",
        draw=draw_switch,
    ),
    Figure(
        id="targets-sdtp-auxiliary",
        title="Auxiliary outputs",
        alt="Error on held-out images for no, 32, 128 and 512 auxiliary outputs, a dot with an "
        "interval for each.",
        caption="AO-SDTP with tanh inverses that read probabilities and a tenth of the step; error "
        "on held-out images against the number of random features beside the output.",
        look="To see: whether the dots go down to the right, beside the length of their "
        "intervals. If auxiliary outputs gave the inverses what they lack, they would.",
        place="Fig 4, on another data set",
        draw=draw_auxiliary,
    ),
]

ALL_STEPS = tuple(("step", step) for step in STEPS)
SMALL_STEP = (("step", 0.1),)
TO_THE_LETTER = {"reads": "output", "changes": ALL_STEPS}
ONE_AT_A_TIME = (
    *(("rate", value) for value in (1e-4, 3e-4, 1e-3, 3e-3)),
    *(("inverse_rate", value) for value in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
    *(("eps", value) for value in (1e-8, 1e-6, 1e-4, 1e-3)),
    *(("sigma", value) for value in (0.03, 0.12, 0.3)),
    *(("beta1", value) for value in (0.8, 0.9, 0.99)),
)
DIGITS = {
    "images": "digits",
    "hidden": (16, 16, 16),
    "shown": 1000,
    "held_out": 300,
    "members": 3,
}

STUDY = Study(
    name="targets-sdtp",
    title="What makes SDTP learn",
    paper="bartunov2018",
    settings=ChangeSettings,
    tiers={
        "smoke": DIGITS | {"epochs": 2},
        "quick": DIGITS | {"batch": 50, "epochs": 4},
        "reduced": {},  # a third of the images, a sixtieth of the paper's epochs
    },
    variants={
        "literal": TO_THE_LETTER,
        "top-linear": TO_THE_LETTER | {"linear": "top"},
        "lower-linear": TO_THE_LETTER | {"linear": "lower"},
        "linear": TO_THE_LETTER | {"linear": "all"},
        "logits": TO_THE_LETTER | {"reads": "logits"},
        "knobs": TO_THE_LETTER | {"changes": ONE_AT_A_TIME, "step": 0.1},
        "steady": TO_THE_LETTER | {"changes": SMALL_STEP, "rate": 5e-4, "epochs": 12},
        "switched": TO_THE_LETTER
        | {"changes": SMALL_STEP, "rate": 5e-4, "epochs": 12, "switched": True},
        **{
            f"auxiliary-{size}": TO_THE_LETTER
            | {"rule": "ao-sdtp", "changes": SMALL_STEP, "auxiliary": size}
            for size in SIZES
        },
    },
    run=run,
    cost={"reduced": 60.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=best_learn,
    figures=FIGURES,
)
