"""Bartunov et al. 2018, section 2.4: what do shared weights buy each method? On CIFAR-10.

As in the study sharing-mnist, on all images: feedback alignment and DTP teach the ConvNet of
Table 3. What they make of the locally connected network, and backpropagation of both, is recorded
by the study targets-cifar-local.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies.bartunov2018.activations import draw_curves, draw_errors
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, costs, run
from bioprop.studies.bartunov2018.sharing import PAIRS, TAUGHT, claims, figures
from bioprop.studies.bartunov2018.targets_cifar import EPOCH
from bioprop.studies.bartunov2018.targets_cifar_local import COLUMN, LAYERS, SMALL
from bioprop.studies.study import Runs, Study, gone

BESIDE = "targets-cifar-local"
STEP = {"alone": 0.23, "targets": 0.66}  # seconds of a batch, measured on a busy core, no AMX
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    PAIRS.of(name)[1]: {**METHODS[name], "shared": True} for name in TAUGHT[1:]
}


def joined(runs: Runs, draw: Callable[..., Any], **how: Any) -> tuple[Picture, pd.DataFrame]:
    """Draw the runs of this study and those beside it that are on the same images."""
    images = next(iter(runs.values())).settings.images
    own = {
        name.removeprefix(f"{BESIDE}/"): run
        for name, run in runs.items()
        if run.settings.images == images
    }
    return draw(own, PAIRS, **how)


# What the study sharing-cifar-rates found; nothing is taken from it until it is recorded.
FOUND: Mapping[str, Mapping[str, float]] = {}

STUDY = Study(
    name="sharing-cifar",
    title="What shared weights buy, on CIFAR-10",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2},
        "quick": SMALL | {"batch": 50, "epochs": 6, "rate": 3e-3},
        "reduced": {"epochs": 12},  # as the study beside it
    },
    variants={name: {**LAYERS, **each, **FOUND.get(name, {})} for name, each in VARIANTS.items()},
    run=run,
    after="sharing-cifar-rates",
    found=bool(FOUND),
    cost={"reduced": costs(VARIANTS, 12 * EPOCH, **STEP)},
    claims=claims("sharing-cifar", TAUGHT[1:], applies=COLUMN.about, beside=BESIDE),
    learnt=gone("error"),
    figures=figures(
        "sharing-cifar",
        "CIFAR-10",
        errors=partial(joined, draw=draw_errors),
        curves=partial(joined, draw=draw_curves, logarithmic=False),
        beside=(BESIDE,),
    ),
)
