"""Which learning rate serves each method best in longer runs of the locally connected networks?

A control of the rates of targets-cifar-local, which are a share of what was best in short runs. It
takes up to two thirds as long as that study, and no study waits for it. As in targets-cifar-rates,
the best setting of each method in targets-cifar-local-grid is tried anew on all images, for a third
of the epochs that the result has, beside a half and a quarter of its rate, and where its inverses
did best at the lowest rate that was tried, at a third of that as well. The epochs are few, so the
last one counts.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.search import RateSettings
from bioprop.studies.bartunov2018.targets_cifar import EPOCH
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SHORT, STEP, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_local_grid import QUICK, SMOKE, WITH_INVERSES
from bioprop.studies.bartunov2018.targets_cifar_rates import (
    WHICH,
    Found,
    around_found,
    second_stage,
)
from bioprop.studies.study import STRICT, Count

OWN = f"whether the ring of a panel is at the rate that the result has, {WHICH} of its three"
CONTROL = f"the lowest; the result has {WHICH} of the three rates, the same for every method"
UPDATES = 4 * EPOCH  # of a network; three learn, or up to twice as many with inverses


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 4  # ours: a third of the epochs that the result has


LOCAL: Mapping[str, Any] = {
    "settings": CifarLocalRateSettings,
    "tiers": {"smoke": SMOKE | {"inverse_rates": ()}, "quick": QUICK, "reduced": {}},
}


def in_local(methods: Mapping[str, Any], found: Found) -> Mapping[str, Any]:
    """Return the grids of methods in the locally connected network around what was found."""
    return around_found(methods, found, LAYERS, WITH_INVERSES["inverse_rates"])


STUDY = second_stage(
    "targets-cifar-local-rates",
    "nine methods on CIFAR-10, locally connected",
    "Ten panels, one for each of nine methods and the ConvNet",
    in_local(VARIANTS, SHORT),
    SHORT,
    "targets-cifar-local-grid",
    {
        **LOCAL,
        "cost": {"reduced": costs(VARIANTS, 3 * UPDATES, STEP["alone"], 2 * STEP["targets"])},
    },
    last=LAST,
    ring=CONTROL,
    look=OWN,
)
