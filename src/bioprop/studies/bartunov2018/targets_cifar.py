"""Bartunov et al. 2018, Table 1b, CIFAR-10, fully connected: nine methods with seeds and intervals.

Claim: on photographs the methods are no longer alike. Feedback alignment and alternating DTP still
come close to backpropagation; SDTP and parallel DTP are far behind, and auxiliary outputs bring
SDTP part of the way back, by fitting the training images.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.figures import (
    BESIDE,
    CROSSES,
    CURVES,
    READ,
    TURNS,
    draw_angles,
    draw_curves,
    draw_table,
    each_layer,
)
from bioprop.studies.bartunov2018.measures import excess, lowest
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, costs, run
from bioprop.studies.bartunov2018.table_claims import (
    Column,
    differing,
    ordering,
    orders,
    schedules,
    sizes,
    table_claims,
    with_training,
)
from bioprop.studies.drawing import LOOKS
from bioprop.studies.study import LATER, Figure, Region, Run, Runs, Study, at, gone, own_claim
from bioprop.studies.summaries import LARGEST

COLUMN = Column(
    prefix="targets-cifar",
    key="cifar10-fc",
    words="CIFAR-10, fully connected",
    place="Table 1b",
    holds=3.0,
    partly=6.0,
    holds_why="three points are a tenth or less of the errors in the table, and a quarter of the "
    "largest differences between alternating methods",
    size=3.0,
)
# What all networks on CIFAR-10 are trained with.
CIFAR: Mapping[str, Any] = {
    "images": "cifar10",
    "pad": 4,  # sec. 3: random crops; ours: an eighth of 32 pixels
    "flips": "vertical",  # sec. 3, so written; the study targets-cifar-readings tries others
    "auxiliary": 512,  # sec. 3.2
    "precision": "bfloat16",  # ours: of products alone; what that changes is measured
    "members": 3,  # ours: the fewest that have an interval
}
LAYERS = {**CIFAR, "hidden": (1024, 1024, 1024)}  # Table 3
EPOCH = 450  # batches of an epoch
STEP = {"alone": 0.025, "targets": 0.05}  # seconds of a batch, measured on a busy core, no AMX
FAR = 10.0  # points of training error
ROUNDING = "rounding-"  # what the names of its angles begin with


def fitted(runs: Runs, schedule: str) -> np.ndarray:
    """Return by how many points of training error AO-SDTP ends below SDTP, seed by seed."""
    training = partial(lowest, quantity="training")
    return excess(runs, f"sdtp-{schedule}", f"ao-sdtp-{schedule}", training)


def gap(run: Run) -> np.ndarray:
    """Return by how much the test error exceeds the training error, each the lowest, by member."""
    return lowest(run) - lowest(run, "training")


def rounded(runs: Runs) -> np.ndarray:
    """Return by how many degrees rounding turns each method's change of each layer, by seed."""
    own = (run for name, run in runs.items() if name in METHODS)
    return np.array([at(run, name) for run in own for name in run.table if ROUNDING in name])


def draw_rounding(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw by how many degrees rounding turns each method's change of each layer."""
    return each_layer(runs, "rounding", "angle to the change in float32 (degrees)")


def in_few_digits(settings: MethodSettings) -> bool:
    """Say whether a run is one whose products are rounded."""
    return COLUMN.about(settings) and settings.precision == "bfloat16"


CLAIMS = [
    own_claim(
        id="targets-cifar-rounding",
        statement="Products of bfloat16 turn no method's change of the weights of a hidden layer "
        "by more than five degrees (CIFAR-10, fully connected).",
        measure=rounded,
        summary=LARGEST,
        unit="degrees at the end, between changes with products of bfloat16 and of float32 at "
        "equal weights, in the method and the layer where the angle is largest",
        holds=Region(high=5.0),
        reason="methods that reach nearly the same error differ from backpropagation by tens of "
        "degrees",
        figure="targets-cifar-rounding",
        decimals=2,
        applies=in_few_digits,
        unlearnt="what rounding does to a change is the same question before any is made",
    ),
    *with_training(table_claims(COLUMN, list(METHODS), "fa"), list(METHODS)),
    *(
        differing(
            COLUMN,
            f"{name}-near-bp",
            f"{LOOKS[name].name} is within three points of backpropagation ({COLUMN.words}).",
            name,
            "bp",
            holds=Region(-3.0, 3.0),
            reason="three points are what a cell is held to, and what locally connected networks "
            f"are to differ by{LATER}",
        )
        for name in ("fa", "dtp-alternating")
    ),
    *sizes(COLUMN),
    *orders(COLUMN),
    *schedules(COLUMN),
    *(
        ordering(
            COLUMN,
            f"ao-sdtp-{schedule}-overfits",
            f"AO-SDTP overfits: its training error falls far below that of SDTP, both {schedule} "
            f"({COLUMN.words}).",
            partial(fitted, schedule=schedule),
            (f"sdtp-{schedule}", f"ao-sdtp-{schedule}"),
            "ten points are more than the paper's two methods differ by on test images, so that "
            "what is gained beyond them is fit to the training images alone",
            holds=Region(low=FAR),
            part="train",
            unit="points of training error, SDTP minus AO-SDTP, each the lowest over epochs",
        )
        for schedule in ("alternating", "parallel")
    ),
    *(
        own_claim(
            id=f"{COLUMN.prefix}-ao-sdtp-{schedule}-gap",
            statement="AO-SDTP fits what does not carry over: its test error stands far higher "
            f"above its training error than that of SDTP does, both {schedule} ({COLUMN.words}).",
            measure=partial(
                excess, worse=f"ao-sdtp-{schedule}", better=f"sdtp-{schedule}", error=gap
            ),
            unit="points of test error minus training error, AO-SDTP minus SDTP, each error the "
            "lowest over epochs",
            holds=Region(low=FAR),
            reason="a method that is better on all images has a lower training error, too; ten "
            "points as where training errors are compared; 39 to 40 in the paper",
            figure="targets-cifar-curves",
            applies=COLUMN.about,
        )
        for schedule in ("alternating", "parallel")
    ),
]

WHOLE = "Training errors are of whole training images, neither cropped nor mirrored."
FIGURES = [
    Figure(
        id="targets-cifar-table",
        title="Table 1 on CIFAR-10, fully connected",
        alt="A row for each of nine methods; along it the test error in per cent: a cross for the "
        "paper's, a filled mark with an interval for ours at the lowest over epochs, an open one "
        "for ours at the epoch that held-out images choose.",
        caption="Test error of 3072-3x1024-10 networks, within 40 epochs, with training images "
        "cropped and turned upside down, mean and 95 % interval over networks. "
        f"{CROSSES} {READ}",
        look=to_see.TABLE,
        place="Table 1b",
        draw=partial(draw_table, "cifar10-fc"),
    ),
    Figure(
        id="targets-cifar-curves",
        title="Nine methods on CIFAR-10 over epochs",
        alt="Two panels, test error and training error in per cent against epochs, each with a "
        "line and a band for each of nine methods.",
        caption=f"{CURVES}. {WHOLE} {TURNS}",
        look=to_see.CURVES,
        place="Table 1b",
        draw=partial(draw_curves, logarithmic=False),
    ),
    Figure(
        id="targets-cifar-angles",
        title="Each method's weight change beside backpropagation's, on CIFAR-10",
        alt="Three panels, one for each hidden layer, with the angle in degrees against epochs; a "
        "line with a band for each of eight methods, and a grey line at 90 degrees.",
        caption=f"{BESIDE} Layer 1 is the lowest.",
        look=to_see.ANGLES,
        place="ours",
        draw=draw_angles,
    ),
    Figure(
        id="targets-cifar-rounding",
        title="What rounding does to a change of the weights, on CIFAR-10",
        alt="Three panels, one for each hidden layer, with an angle in degrees against epochs; a "
        "line with a band for each of nine methods.",
        caption="Angle between the change of each hidden layer's weights with products of bfloat16 "
        "and with products of float32, at the same weights and for the same held-out images, mean "
        "and 95 % interval over networks. Layer 1 is the lowest.",
        look="To see: whether any line comes near the angles by which the methods differ, which "
        "are tens of degrees. If rounding drowned targets, theirs would.",
        place="ours",
        draw=draw_rounding,
    ),
]

# On scikit-learn's digits: for tests, and for live runs. A mirrored digit is another sign.
DIGITS = {"images": "digits", "pad": 1, "flips": "none", "held_out": 200}
SMOKE = DIGITS | {"hidden": (16, 16), "epochs": 2, "auxiliary": 8}
QUICK = DIGITS | {"hidden": (32, 32, 32), "batch": 50, "auxiliary": 16}

# What the study targets-cifar-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 1.2e-4, "eps": 1e-8},
    "fa": {"rate": 6e-5, "eps": 1e-8},
    "dfa": {"rate": 1.25e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "dtp-parallel": {"rate": 1e-4, "eps": 1e-8, "inverse_rate": 1e-3},
    "sdtp-alternating": {"rate": 1e-4, "eps": 1e-8, "inverse_rate": 1e-4 / 3},
    "sdtp-parallel": {"rate": 5e-5, "eps": 1e-8, "inverse_rate": 1e-4 / 3},
    "ao-sdtp-alternating": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "ao-sdtp-parallel": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
}

STUDY = Study(
    name="targets-cifar",
    title="Nine methods on CIFAR-10, fully connected",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"epochs": 10, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {"epochs": 40},  # a twelfth of the paper's epochs
    },
    variants={
        name: {**LAYERS, **method, **FOUND.get(name, {})} for name, method in METHODS.items()
    },
    run=run,
    after="targets-cifar-rates",
    found=bool(FOUND),
    cost={"reduced": costs(METHODS, 40 * EPOCH, **STEP)},
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
