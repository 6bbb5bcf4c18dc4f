"""Target propagation, step by step: what its four forms teach, on digits that are always at hand.

Bartunov et al. 2018, section 2, and Lee et al. 2015: an inverse of each layer carries a target
down. Question: how good do the inverses become, and is the signal that they make backpropagation's,
or the Gauss-Newton step that the theory of target propagation expects of exact inverses?
"""

from functools import partial

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Training, Trial, angle
from bioprop.learning.rules.inverses import reconstruction
from bioprop.learning.rules.steps import gauss_newton_gaps
from bioprop.learning.rules.targets import TargetPropagation
from bioprop.studies import drawing
from bioprop.studies.bartunov2018.figures import over_epochs
from bioprop.studies.bartunov2018.methods import MethodSettings, follow, prepare
from bioprop.studies.journal import Journal
from bioprop.studies.signals import steepest
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    Runs,
    Seed,
    Some,
    Study,
    at,
    gone,
    own_claim,
)
from bioprop.studies.summaries import LARGEST

HIDDEN = (32, 32, 32)
FORMS = ("tp", "dtp", "sdtp", "ao-sdtp")


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ExplainedSettings(MethodSettings):
    """Settings of the small task; all inverses learn in parallel with the network."""

    images: str = "digits"  # ours: 8 x 8 digits of scikit-learn, which every reader has
    hidden: Some[Count] = HIDDEN  # ours: small, so that it runs live
    held_out: Count = 300  # ours: as the digits are few
    batch: Count = 50  # ours: as the digits are few
    epochs: Count = 60  # ours: until the training error is near zero
    rate: Positive = 1e-3  # ours: a usual rate of Adam
    eps: Positive = 1e-4  # Table 4 has it among three
    inverse_rate: Positive = 3e-3  # ours: inverses have to keep up
    auxiliary: Count = 32  # ours: as many as hidden units
    probe: Count = 200  # ours: held-out images on which signals are compared
    members: MemberCount = 10  # ours: enough to tell the forms apart
    first_seed: Seed = 200  # ours: apart from the seeds of all trials


def run(settings: ExplainedSettings, journal: Journal) -> None:
    """Train one form, or backpropagation."""
    journal.label(seed=settings.seeds)
    follow(settings, journal, *prepare(settings, settings.streams()), compare)


@torch.no_grad()
def compare(training: Training, trial: Trial) -> dict[str, Tensor]:
    """Return the angles of the signal at each hidden activity, and how good the inverses are.

    In degrees, over all units and examples at once, so that examples count by their error:
    ``bp-<layer>`` to backpropagation's signal, ``gn-<layer>`` to the Gauss-Newton step, and
    ``bp-gn-<layer>`` of backpropagation's signal at the same weights to that step.
    """
    network, rule = training.network, training.rule
    exact, newton = steepest(network, trial), gauss_newton_gaps(network, trial)
    ours, found = exact, {}
    if isinstance(rule, TargetPropagation):
        ours = rule.gaps(network, training.state, trial)
        errors = reconstruction(network, training.state, trial)
        found["reconstruction"] = torch.stack(list(errors.values())).mean(0)
    for layer, (own, bp, gn) in enumerate(zip(ours, exact, newton, strict=True), start=1):
        found[f"bp-{layer}"] = angle(own.flatten(1), bp.flatten(1))
        found[f"gn-{layer}"] = angle(own.flatten(1), gn.flatten(1))
        found[f"bp-gn-{layer}"] = angle(bp.flatten(1), gn.flatten(1))
    return found


def lower(runs: Runs, name: str, quantity: str) -> np.ndarray:
    """Return a quantity at the end, averaged over the layers below the penultimate, by member."""
    layers = range(1, len(runs[name].settings.hidden))
    return np.mean([at(runs[name], f"{quantity}-{layer}") for layer in layers], axis=0)


def angles(runs: Runs, name: str) -> np.ndarray:
    """Return the angle to backpropagation's signal at each layer at the end, (layer, member)."""
    layers = range(1, len(runs[name].settings.hidden) + 1)
    return np.array([at(runs[name], f"bp-{layer}") for layer in layers])


def draw_signals(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angles of each form's signal at the lowest layer, and the error of its inverses."""
    figure, each = drawing.panels(1, 3, figsize=(12, 4))
    panels = {
        "bp-1": "lowest layer: angle to\nbackprop's signal (degrees)",
        "gn-1": "lowest layer: angle to the\nGauss-Newton step (degrees)",
        "reconstruction": "error of the inverses\n(decades; 0: that of the mean)",
    }
    frames = []
    for axes, (quantity, words) in zip(each, panels.items(), strict=True):
        for name, result in runs.items():
            if quantity in result.table:
                logarithm = quantity == "reconstruction"  # it spans decades
                frames.append(over_epochs(axes, result, quantity, name, logarithm))
        axes.set(xlabel="epochs", ylabel=words)
    for axes in each[:2]:
        axes.axhline(90, color="0.6", lw=1)
        axes.set(ylim=(-3, 110), yticks=range(0, 91, 15))
    each[1].legend()
    return figure, pd.concat(frames)


def draw_error(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the test error of each form against epochs."""
    figure, axes = drawing.panels(figsize=(7, 4))
    frames = [over_epochs(axes, result, "error", name) for name, result in runs.items()]
    axes.set(xlabel="epochs", ylabel="test error (%)")
    drawing.log_y(axes)
    drawing.percent_ticks(axes.yaxis)
    axes.legend()
    return figure, pd.concat(frames)


CLAIMS = [
    own_claim(
        id="targets-explained-vanilla",
        statement="Without the difference correction target propagation learns worse.",
        measure=lambda runs: at(runs["tp"], "error") - at(runs["dtp"], "error"),
        unit="points of test error, vanilla minus difference",
        holds=Region(low=0.0),
        reason="worse where the interval of the difference lies above zero",
        figure="targets-explained-error",
        unlearnt="that vanilla target propagation hardly learns is what it says",
    ),
    own_claim(
        id="targets-explained-inverses",
        statement="The inverses of DTP become good: they leave less than half of the variance of "
        "the activities.",
        measure=lambda runs: at(runs["dtp"], "reconstruction"),
        unit="squared distance, over that of the mean",
        holds=Region(high=0.5),
        reason="half-way between no inverse and an exact one",
        figure="targets-explained-signals",
    ),
    *(
        own_claim(
            id=f"targets-explained-{name}-below-90",
            statement=f"The signal of {name.upper()} lies within 90 degrees of backpropagation's "
            "at every layer.",
            measure=partial(angles, name=name),
            summary=LARGEST,
            unit="degrees at the end, at the layer where it is largest",
            holds=Region(high=90.0),
            reason="beyond 90 degrees a step goes uphill",
            figure="targets-explained-signals",
            decimals=1,
        )
        for name in FORMS[1:]
    ),
    own_claim(
        id="targets-explained-newton-sdtp",
        statement="Below the penultimate layer the signal of SDTP is closer to the Gauss-Newton "
        "step than backpropagation's at the same weights.",
        measure=lambda runs: lower(runs, "sdtp", "gn") - lower(runs, "sdtp", "bp-gn"),
        unit="degrees at the end, SDTP minus backpropagation at its weights",
        holds=Region(high=0.0),
        reason="closer where the interval of the difference lies below zero",
        figure="targets-explained-signals",
        decimals=1,
    ),
    own_claim(
        id="targets-explained-newton",
        statement="Below the penultimate layer the signal of DTP is closer to the Gauss-Newton "
        "step than backpropagation's signal at the same weights.",
        measure=lambda runs: lower(runs, "dtp", "gn") - lower(runs, "dtp", "bp-gn"),
        unit="degrees at the end, DTP minus backpropagation",
        holds=Region(high=0.0),
        reason="closer where the interval of the difference lies below zero",
        figure="targets-explained-signals",
        decimals=1,
    ),
]

STUDY = Study(
    name="targets-explained",
    title="Target propagation, step by step",
    paper="bartunov2018",
    settings=ExplainedSettings,
    tiers={
        "smoke": {"hidden": (16, 16), "epochs": 2, "members": 3, "auxiliary": 8},
        "quick": {"epochs": 20, "members": 3},
        "paper": {},  # all of it: the task is ours
    },
    variants={name: {"rule": name} for name in ("bp", *FORMS)},
    run=run,
    claims=CLAIMS,
    learnt=gone("error"),
    figures=[
        Figure(
            id="targets-explained-signals",
            title="What target propagation teaches",
            alt="Three panels against epochs, a line with a band for each of backpropagation and "
            "four forms of target propagation: the angle at the lowest layer to backpropagation's "
            "signal, the angle to the Gauss-Newton step, and the error of the inverses.",
            caption="Signals at the lowest hidden activity of 64-32-32-32-10 networks, on held-out "
            "digits. Left: angle between a form's signal, activity minus target, and "
            "backpropagation's. Middle: angle to the Gauss-Newton step $J^+ e$. Right: squared "
            "distance between an activity and what its inverse returns, over that of the mean "
            "activity, averaged over inverses, in powers of ten. Mean and 95 % interval over "
            "networks.",
            look="To see, left: which curves come down from 90 degrees, and whether one that "
            "stays there has a bad inverse on the right. Middle: whether forms of target "
            "propagation are nearer to the Gauss-Newton step than backpropagation is.",
            place="ours",
            draw=draw_signals,
        ),
        Figure(
            id="targets-explained-error",
            title="Four forms of target propagation on small digits",
            alt="Test error in per cent on a log axis against epochs, a line with a band for "
            "backpropagation and each of four forms of target propagation.",
            caption="Test error of 64-32-32-32-10 networks on the digits of scikit-learn, mean and "
            "95 % interval over networks.",
            look="To see: which forms end beside backpropagation and how many epochs later they "
            "are there, and whether any goes up again. A form whose targets led nowhere would not "
            "come down.",
            place="ours",
            draw=draw_error,
        ),
    ],
)
