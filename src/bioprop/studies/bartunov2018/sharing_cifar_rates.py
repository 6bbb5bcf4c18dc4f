"""Which learning rate serves feedback alignment and DTP best in longer runs of the ConvNet?

On CIFAR-10, as in the study targets-cifar-local-rates and for as many epochs.
"""

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.sharing_cifar import STEP, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_cifar_local_rates import (
    HALF,
    LOCAL,
    SHARES,
    UPDATES,
    in_local,
)
from bioprop.studies.bartunov2018.targets_cifar_rates import Found, second_stage

# What the study sharing-cifar-grid found; nothing is taken from it until it is recorded.
FOUND: Found = {}

STUDY = second_stage(
    "sharing-cifar-rates",
    "feedback alignment and DTP with shared weights on CIFAR-10",
    "Two panels, feedback alignment and DTP in a ConvNet",
    in_local(VARIANTS, FOUND),
    FOUND,
    "sharing-cifar-grid",
    {
        **LOCAL,
        "cost": {"reduced": costs(VARIANTS, len(SHARES) * UPDATES, **STEP)},
    },
    place="ours",
    last=LAST,
    lines="",
    shares=HALF,
    columns=2,
)
