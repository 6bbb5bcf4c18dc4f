"""Bartunov et al. 2018, Table 1, MNIST, fully connected: nine methods with seeds and intervals.

Claim: on digits target propagation and feedback alignment come close to backpropagation, and the
two forms of target propagation that need no gradient anywhere (SDTP, AO-SDTP) come close to DTP.
The rates are those that the study targets-mnist-rates found; the paper's own values
are in the study targets-mnist-table5.
"""

from collections.abc import Mapping
from functools import partial

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
)
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, run
from bioprop.studies.bartunov2018.table_claims import (
    Column,
    helped,
    near_backprop,
    schedules,
    sizes,
    table_claims,
)
from bioprop.studies.study import (
    LATER,
    Figure,
    Study,
    gone,
)

COLUMN = Column(
    prefix="targets-mnist",
    key="mnist-fc",
    words="fully connected",
    place="Table 1a",
    holds=0.5,
    partly=1.0,
    holds_why="half a point is a seventh to a half of the errors in the table",
    size=0.3,
)


CLAIMS = [
    *table_claims(COLUMN, list(METHODS), "dtp-alternating"),
    *near_backprop(COLUMN),
    *sizes(COLUMN),
    *schedules(COLUMN),
    helped(COLUMN, "ao-sdtp", "alternating"),
    helped(COLUMN, "ao-sdtp-parallel-sdtp", "parallel", LATER),
]


FIGURES = [
    Figure(
        id="targets-mnist-table",
        title="Table 1 on MNIST, fully connected",
        alt="A row for each of nine methods; along it the test error in per cent: a cross for the "
        "paper's, a filled mark with an interval for ours at the lowest over epochs, an open one "
        "for ours at the epoch that held-out images choose.",
        caption="Test error of 784-5x256-10 networks, mean and 95 % interval over networks. "
        f"{CROSSES} {READ}",
        look=to_see.TABLE,
        place="Table 1a",
        draw=partial(draw_table, "mnist-fc"),
    ),
    Figure(
        id="targets-mnist-curves",
        title="Nine methods on MNIST over epochs",
        alt="Two panels with log axes, test error and training error in per cent against epochs, "
        "each with a line and a band for each of nine methods.",
        caption=f"{CURVES}. {TURNS}",
        look=to_see.CURVES,
        place="Fig 8",
        draw=draw_curves,
    ),
    Figure(
        id="targets-mnist-angles",
        title="Each method's weight change beside backpropagation's",
        alt="Five panels, one for each hidden layer, with the angle in degrees against epochs; a "
        "line with a band for each of eight methods, and a grey line at 90 degrees.",
        caption=f"{BESIDE} Layer 1 is the lowest.",
        look=to_see.ANGLES,
        place="ours",
        draw=draw_angles,
    ),
]

# On scikit-learn's digits: for tests, and for live runs.
SMOKE = {
    "images": "digits",
    "hidden": (16, 16),
    "held_out": 200,
    "epochs": 2,
    "members": 3,
    "auxiliary": 8,
}
QUICK = SMOKE | {"hidden": (32, 32, 32), "batch": 50, "auxiliary": 16}

# What the study targets-mnist-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 2e-4, "eps": 1e-4},
    "fa": {"rate": 4e-4, "eps": 1e-8},
    "dfa": {"rate": 8e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-2},
    "sdtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "ao-sdtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "dtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-2},
    "sdtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 3e-4},
    "ao-sdtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 3e-3},
}

STUDY = Study(
    name="targets-mnist",
    title="Nine methods on MNIST, fully connected",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"epochs": 12, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {},  # a third of the paper's epochs
    },
    variants={name: {**method, **FOUND[name]} for name, method in METHODS.items()},
    run=run,
    after="targets-mnist-rates",
    cost={"reduced": 450.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
