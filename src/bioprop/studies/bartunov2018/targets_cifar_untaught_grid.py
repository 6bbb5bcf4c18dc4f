"""Which rates serve controls best at first in which only upper layers learn, on CIFAR-10?

As the study targets-cifar-grid, on the grid that backpropagation and feedback alignment have there.
"""

from typing import Any

from bioprop.studies.bartunov2018.targets_cifar import LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_grid import ALONE, POINTS, first_stage
from bioprop.studies.bartunov2018.untaught import UntaughtSearch, run, variants

PANELS = "Three panels, backpropagation and feedback alignment above random layers and "
PANELS += "backpropagation in a shallower network"


def search(epochs: int, cost: float) -> dict[str, Any]:
    """Return how a stage of the search is declared, of so many epochs; ``cost`` is in seconds."""
    return {
        "settings": UntaughtSearch,
        "run": run,
        "tiers": {
            "smoke": SMOKE | {"untaught": 1, "rates": (1e-3, 1e-2)},
            "quick": QUICK | {"epochs": 4, "rates": (1e-3, 3e-3)},
            "reduced": {"epochs": epochs},
        },
        "cost": {"reduced": cost},
    }


STUDY = first_stage(
    "targets-cifar-untaught-grid",
    "upper layers alone on CIFAR-10, fully connected",
    PANELS,
    {name: {**control, **POINTS, **ALONE} for name, control in variants(LAYERS).items()},
    search(epochs=4, cost=700.0),  # a tenth of the result's; of 24 networks, from a few batches
    place="ours",
)
