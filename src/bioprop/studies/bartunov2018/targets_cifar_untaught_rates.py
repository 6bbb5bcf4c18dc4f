"""Which rates serve controls best in longer runs in which only upper layers learn, on CIFAR-10?

As the study targets-cifar-rates: what was best in short runs, its half and its quarter.
"""

from bioprop.studies.bartunov2018.targets_cifar import LAYERS
from bioprop.studies.bartunov2018.targets_cifar_grid import POINTS
from bioprop.studies.bartunov2018.targets_cifar_rates import Found, around_found, second_stage
from bioprop.studies.bartunov2018.targets_cifar_untaught_grid import PANELS, search
from bioprop.studies.bartunov2018.untaught import variants

# What the study targets-cifar-untaught-grid found.
FOUND: Found = {
    "random": {"rate": 1.4e-3, "eps": 1e-8},
    "random-fa": {"rate": 1.4e-3, "eps": 1e-4},
    "shallower": {"rate": 3.5e-4, "eps": 1e-8},
}

STUDY = second_stage(
    "targets-cifar-untaught-rates",
    "upper layers alone on CIFAR-10, fully connected",
    PANELS,
    around_found(
        {name: {**control, **POINTS} for name, control in variants(LAYERS).items()},
        FOUND,
        LAYERS,
        (),
    ),
    FOUND,
    "targets-cifar-untaught-grid",
    search(epochs=14, cost=300.0),  # a third of the result's; of three networks, estimated
    lines="",
)
