"""A control for Table 1 on CIFAR-10: what do the upper layers reach when they alone learn?

Of the three hidden layers of the fully connected networks only the highest learns, below the
output: above two that stay as they were drawn, by backpropagation or feedback alignment, or without
these, for as many epochs as the nine methods have.
"""

from collections.abc import Mapping

from bioprop.studies.bartunov2018.search import at_one_point
from bioprop.studies.bartunov2018.targets_cifar import COLUMN, LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.untaught import (
    UntaughtSettings,
    claims,
    figure,
    run,
    variants,
)
from bioprop.studies.study import Study, gone

HOME = "targets-cifar"  # has the methods that teach all layers
# What the study targets-cifar-untaught-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "random": {"rate": 7e-4, "eps": 1e-8},
    "random-fa": {"rate": 7e-4, "eps": 1e-4},
    "shallower": {"rate": 1.75e-4, "eps": 1e-8},
}

STUDY = Study(
    name="targets-cifar-untaught",
    title="The upper layers alone, on CIFAR-10",
    paper="bartunov2018",
    settings=UntaughtSettings,
    tiers={
        "smoke": SMOKE | {"untaught": 1, "rates": (1e-2,)},
        "quick": QUICK | {"epochs": 10, "rates": (3e-3,)},
        "reduced": {},
    },
    variants={
        name: {**control, **at_one_point(FOUND.get(name, {}))}
        for name, control in variants(LAYERS).items()
    },
    run=run,
    after="targets-cifar-untaught-rates",
    found=bool(FOUND),
    cost={"reduced": 300.0},  # estimated, from the time of an epoch
    claims=claims(COLUMN, HOME),
    learnt=gone("error"),
    figures=[figure(COLUMN, HOME, "the fully connected networks of Table 3 on CIFAR-10")],
)
