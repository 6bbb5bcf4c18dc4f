"""Which learning rates serve each method best at first in locally connected networks on CIFAR-10?

As in the study targets-cifar-grid, on a fifth of the images. The networks of a method learn side by
side, and keep ten gigabytes where there are inverses. So there are fewer rates than in that study,
up to 1e-3, as at 3e-3 none learnt there, and one epsilon, which mattered little. On MNIST locally
connected networks did best at larger rates than fully connected ones. Rates of inverses begin lower
than in that study: there SDTP did best at the lowest, and in longer runs at a third of it; at 1e-2
no method did. Held-out errors are all that is measured. The study targets-cifar-local-rates goes on
from here in longer runs.
"""

from collections.abc import Mapping
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.search import RateSettings, choose_only, over_grid
from bioprop.studies.bartunov2018.targets_cifar_grid import POINTS, first_stage
from bioprop.studies.bartunov2018.targets_cifar_local import CHOSEN, LAYERS, SMALL, STEP, VARIANTS
from bioprop.studies.study import STRICT, Count

ALONE = {"rates": (6e-5, 9e-5, 1.2e-4, 1.8e-4, 2.5e-4, 3.5e-4, 5e-4, 7e-4, 1e-3)}
WITH_INVERSES = {"rates": (1e-4, 3e-4, 1e-3), "inverse_rates": (3e-5, 1e-4, 1e-3)}
SMOKE = SMALL | {"shown": 400, "epochs": 2, "auxiliary": 8, "rates": (1e-3, 1e-2)}
QUICK = SMALL | {"epochs": 3, "auxiliary": 8, "rates": (1e-3, 3e-3), "inverse_rates": ()}
FIFTH = " on a fifth of the images,"  # between a run and its updates


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalGridSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    shown: Count = 9000  # ours: a fifth of the training images
    epochs: Count = 6  # ours: a tenth of the updates that the result has


LOCAL: Mapping[str, Any] = {
    "settings": CifarLocalGridSettings,
    "run": choose_only,
    "tiers": {
        "smoke": SMOKE | {"inverse_rates": ()},
        "quick": QUICK | {"shown": 1000},
        "reduced": {},  # nine settings for each method; the paper has 60
    },
    "after": "targets-cifar-readings",
    "found": CHOSEN,
}
UPDATES = 6 * 90  # of a network
POINTS_EACH = 9  # of a grid


def in_local(methods: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the grids of methods in the locally connected network, or the ConvNet of its shape."""
    return {
        name: {**LAYERS, **POINTS, **over_grid(method, ALONE, WITH_INVERSES)}
        for name, method in methods.items()
    }


STUDY = first_stage(
    "targets-cifar-local-grid",
    "nine methods on CIFAR-10, locally connected",
    "Ten panels, one for each of nine methods and the ConvNet",
    in_local(VARIANTS),
    {**LOCAL, "cost": {"reduced": costs(VARIANTS, POINTS_EACH * UPDATES, **STEP)}},
    images=FIFTH,
)
