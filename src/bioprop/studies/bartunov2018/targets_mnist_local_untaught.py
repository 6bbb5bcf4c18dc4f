"""A control for Table 1 on MNIST: what do the dense layers reach when they alone learn?

In the locally connected networks a layer of a thousand units learns above two local ones. Here it
learns alone: above local layers that stay as they were drawn, by backpropagation or feedback
alignment, or without local layers, for as many epochs as the nine methods have.
"""

from collections.abc import Mapping
from dataclasses import replace

from bioprop.studies.bartunov2018.search import at_one_point
from bioprop.studies.bartunov2018.targets_mnist_local import COLUMN as LOCAL
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL
from bioprop.studies.bartunov2018.untaught import (
    UntaughtSettings,
    claims,
    figure,
    run,
    variants,
)
from bioprop.studies.study import Study, gone

COLUMN = replace(LOCAL, words="MNIST, locally connected")
HOME = "targets-mnist-local"  # has the methods that teach all layers
AFTER = ". The claim was made when the methods' records were there, and before the control's"
# What the study targets-mnist-local-untaught-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "random": {"rate": 3.2e-3, "eps": 1e-8},
    "random-fa": {"rate": 1.6e-3, "eps": 1e-8},
    "shallower": {"rate": 1.6e-3, "eps": 1e-8},
}

STUDY = Study(
    name="targets-mnist-local-untaught",
    title="The dense layers alone, on MNIST",
    paper="bartunov2018",
    settings=UntaughtSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-2,)},
        "quick": SMALL | {"batch": 50, "epochs": 6, "rates": (3e-3,)},
        "reduced": {},
    },
    variants={
        name: {**control, **at_one_point(FOUND.get(name, {}))}
        for name, control in variants(LAYERS).items()
    },
    run=run,
    after="targets-mnist-local-untaught-rates",
    found=bool(FOUND),
    cost={"reduced": 800.0},  # estimated, from the time of an epoch of the whole network
    claims=claims(COLUMN, HOME, AFTER),
    learnt=gone("error"),
    figures=[figure(COLUMN, HOME, "the locally connected networks of Table 3 on MNIST")],
)
