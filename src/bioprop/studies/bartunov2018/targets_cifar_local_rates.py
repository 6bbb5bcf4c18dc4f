"""Which learning rate serves each method best in longer runs of the locally connected networks?

As in the study targets-cifar-rates, the best setting of each method in targets-cifar-local-grid is
tried anew on all images, for a third of the epochs that the result has, beside a half of its rate.
A quarter, which served none of the fully connected networks best, is left out: it would cost as
much again. The epochs are few, so the last one counts.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.search import RateSettings, choose_only
from bioprop.studies.bartunov2018.targets_cifar import EPOCH
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, STEP, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_local_grid import QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_rates import (
    Found,
    around_found,
    second_stage,
)
from bioprop.studies.study import STRICT, Count

SHARES = (0.5, 1.0)  # of the rate that was best in short runs
HALF = "and its half"  # these in words
UPDATES = 4 * EPOCH  # of a network; two learn
# What the study targets-cifar-local-grid found; nothing is taken from it until it is recorded.
FOUND: Found = {}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 4  # ours: a third of the epochs that the result has


LOCAL: Mapping[str, Any] = {
    "settings": CifarLocalRateSettings,
    "run": choose_only,
    "tiers": {"smoke": SMOKE | {"inverse_rates": ()}, "quick": QUICK, "reduced": {}},
}


def in_local(methods: Mapping[str, Any], found: Found) -> Mapping[str, Any]:
    """Return the grids of methods in the locally connected network around what was found."""
    return around_found(methods, found, LAYERS, (), SHARES)


STUDY = second_stage(
    "targets-cifar-local-rates",
    "nine methods on CIFAR-10, locally connected",
    "Ten panels, one for each of nine methods and the ConvNet",
    in_local(VARIANTS, FOUND),
    FOUND,
    "targets-cifar-local-grid",
    {
        **LOCAL,
        "cost": {"reduced": costs(VARIANTS, len(SHARES) * UPDATES, **STEP)},
    },
    last=LAST,
    lines="",
    shares=HALF,
)
