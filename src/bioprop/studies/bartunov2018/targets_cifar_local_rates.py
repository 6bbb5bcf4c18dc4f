"""Which learning rate serves each method best in longer runs of the locally connected networks?

The second stage of the search on CIFAR-10, as in the study targets-cifar-rates: the best setting of
each method in the study targets-cifar-local-grid is tried anew on all images, for a third of the
epochs that the result has, beside a half and a quarter of its rate, and where its inverses did best
at the lowest rate that was tried, at a third of that as well. The epochs are few, so the last one
counts.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.targets_cifar_grid import LAST, POINTS
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_local_grid import (
    QUICK,
    SMOKE,
    THEIRS,
    WITH_INVERSES,
)
from bioprop.studies.bartunov2018.targets_cifar_rates import TWO_LINES, Found
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
    place: str,
    cost: float,
    columns: int = 3,
) -> Study:
    """Return the search around what the first stage, the study ``after``, found."""
    least = min(WITH_INVERSES["inverse_rates"])
    return Study(
        name=name,
        title=f"The best rates of {words} on CIFAR-10",
        paper="bartunov2018",
        settings=CifarLocalRateSettings,
        tiers={
            "smoke": SMOKE | {"inverse_rates": ()},
            "quick": QUICK,
            "reduced": {},
        },
        variants={
            method: {**LAYERS, **POINTS, **each, **around(found.get(method, {}), least)}
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
                place=place,
                lines=TWO_LINES,
                last=LAST,
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
    place=THEIRS,
    cost=8300.0,  # processor time of six networks of DTP: an epoch takes 344 s, benchmarks/cifar.py
)
