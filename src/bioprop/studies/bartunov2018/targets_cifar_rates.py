"""Which learning rate serves each of the nine methods best in longer runs on CIFAR-10?

The second stage of the search. A rate that is best in the short runs of the study
targets-cifar-grid can be too high for a long one: here the best setting of each method is tried
anew for a third of the epochs that the result has, beside a half and a quarter of its rate, and
where its inverses did best at the lowest rate that was tried, at a third of that as well.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.targets_cifar import LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_grid import LEAST, POINTS
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, around, longer, run
from bioprop.studies.study import STRICT, Count, Study

Found = Mapping[str, Mapping[str, float]]
TWO_LINES = (
    "Two lines where the lowest rate of the inverses was the best one in short runs: that and a "
    "third of it. "
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 14  # ours: a third of the epochs that the result has


def second_stage(
    name: str, words: str, panels: str, methods: Mapping[str, Any], found: Found, after: str
) -> Study:
    """Return the search around what the first stage, the study ``after``, found."""
    return Study(
        name=name,
        title=f"The best rates of {words} on CIFAR-10, fully connected",
        paper="bartunov2018",
        settings=CifarRateSettings,
        tiers={
            "smoke": SMOKE | {"rates": (1e-3, 1e-2), "inverse_rates": ()},
            "quick": QUICK | {"epochs": 4, "rates": (1e-3, 3e-3), "inverse_rates": ()},
            "reduced": {},
        },
        variants={
            method: {**LAYERS, **POINTS, **each, **around(found.get(method, {}), LEAST)}
            for method, each in methods.items()
        },
        run=run,
        after=after,
        found=bool(found),
        cost={"reduced": 1200.0},  # processor time of six networks, from a few batches
        population="points of the grid",
        figures=[
            longer(
                name,
                f"Held-out error against the rates of {words} on CIFAR-10",
                panels,
                place="App 5.3: 60 random settings for each method",
                lines=TWO_LINES,
            )
        ],
    )


# What the study targets-cifar-grid found; nothing is taken from it until it is recorded.
FOUND: Found = {}

STUDY = second_stage(
    "targets-cifar-rates",
    "nine methods",
    "Nine panels, one for each method",
    METHODS,
    FOUND,
    after="targets-cifar-grid",
)
