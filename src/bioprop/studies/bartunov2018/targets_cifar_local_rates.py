"""Which learning rate serves each method best in longer runs of the locally connected networks?

The second stage of the search on CIFAR-10, as in the study targets-cifar-rates: the best setting of
each method in the study targets-cifar-local-grid is tried anew on all images, for a third of the
epochs that the result has, beside a half and a quarter of its rate, and a third of the lowest rate
of the inverses.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.targets_cifar_grid import LEAST, POINTS
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SMALL, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_rates import TWO, Found
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, around, longer, run
from bioprop.studies.study import STRICT, Count, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 4  # ours: a third of the epochs that the result has


def second_stage(
    name: str,
    words: str,
    panels: str,
    methods: Mapping[str, Any],
    found: Found,
    after: str,
    cost: float,
    columns: int = 3,
) -> Study:
    """Return the search around what the first stage, the study ``after``, found."""
    return Study(
        name=name,
        title=f"The best rates of {words} on CIFAR-10",
        paper="bartunov2018",
        settings=CifarLocalRateSettings,
        tiers={
            "smoke": SMALL
            | {"shown": 400, "epochs": 2, "auxiliary": 8, "rates": (1e-3, 1e-2)}
            | {"inverse_rates": ()},
            "quick": SMALL
            | {"epochs": 3, "auxiliary": 8, "rates": (1e-3, 3e-3), "inverse_rates": ()},
            "reduced": {},
        },
        variants={
            method: {**LAYERS, **POINTS, **each, **around(found.get(method, {}), LEAST)}
            for method, each in methods.items()
        },
        run=run,
        after=after,
        found=bool(found),
        cost={"reduced": cost},
        population="points of the grid",
        figures=[
            longer(
                name,
                f"Held-out error against the rates of {words} on CIFAR-10",
                panels,
                place="App 5.3: 60 random settings for each method",
                lines=TWO,
                columns=columns,
            )
        ],
    )


# What the study targets-cifar-local-grid found; nothing is taken from it until it is recorded.
FOUND: Found = {}

STUDY = second_stage(
    "targets-cifar-local-rates",
    "nine methods, locally connected,",
    "Ten panels, one for each of nine methods and the ConvNet",
    VARIANTS,
    FOUND,
    after="targets-cifar-local-grid",
    cost=4200.0,  # processor time of DTP, from benchmarks/cifar.py: an epoch of 344 s
)
