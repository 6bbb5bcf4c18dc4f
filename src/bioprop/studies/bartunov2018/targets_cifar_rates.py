"""Which learning rate serves each of the nine methods best in longer runs on CIFAR-10?

The second stage of the search. A rate that is best in the short runs of the study
targets-cifar-grid can be too high for a long one: here the best setting of each method is tried
anew for a third of the epochs that the result has, beside a half and a quarter of its rate.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.targets_cifar import LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_grid import POINTS
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, draw, run
from bioprop.studies.study import STRICT, Count, Figure, Study

SHARES = (0.25, 0.5, 1.0)  # of the rate that was best in short runs


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 14  # ours: a third of the epochs that the result has


# What the study targets-cifar-grid found; nothing is taken from it until it is recorded.
FOUND: Mapping[str, Mapping[str, float]] = {}


def around(point: Mapping[str, float]) -> dict[str, Any]:
    """Return the settings to try around the best point of the first stage."""
    if not point:
        return {}
    found: dict[str, Any] = {"rates": tuple(share * point["rate"] for share in SHARES)}
    found["epsilons"] = (point["eps"],)
    if "inverse_rate" in point:
        found["inverse_rates"] = (point["inverse_rate"],)
    return found


STUDY = Study(
    name="targets-cifar-rates",
    title="The best rates of nine methods on CIFAR-10, fully connected",
    paper="bartunov2018",
    settings=CifarRateSettings,
    tiers={
        "smoke": SMOKE | {"rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": QUICK | {"epochs": 4, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},
    },
    variants={
        name: {**LAYERS, **POINTS, **method, **around(FOUND.get(name, {}))}
        for name, method in METHODS.items()
    },
    run=run,
    after="targets-cifar-grid",
    cost={"reduced": 600.0},  # processor time of three networks, from a few batches
    population="points of the grid",
    figures=[
        Figure(
            id="targets-cifar-rates",
            title="Held-out error against the rates of nine methods on CIFAR-10",
            alt="Nine panels, one for each method: error on held-out images against the learning "
            "rate, both on log axes, a point each for the best rate of short runs, its half and "
            "its quarter; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a run a "
            "third as long as that of the result, against the rate of the forward weights: the "
            "one that was best in short runs, its half and its quarter. A ring marks the setting "
            "that was taken; a point that is missing diverged.",
            look="To see: whether the ring of a method is at its largest rate. At a smaller one, "
            "short runs were too bold for longer ones.",
            place="App 5.3: 60 random settings for each method",
            draw=draw,
        )
    ],
)
