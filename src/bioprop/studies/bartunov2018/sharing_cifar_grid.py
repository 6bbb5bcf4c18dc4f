"""Which learning rates serve feedback alignment and DTP best at first in the ConvNet for CIFAR-10?

As in the study targets-cifar-local-grid, on the same grids and for as many updates.
"""

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.sharing_cifar import STEP, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_grid import first_stage
from bioprop.studies.bartunov2018.targets_cifar_local_grid import (
    FIFTH,
    LOCAL,
    POINTS_EACH,
    UPDATES,
    in_local,
)

STUDY = first_stage(
    "sharing-cifar-grid",
    "feedback alignment and DTP with shared weights on CIFAR-10",
    "Two panels, feedback alignment and DTP in a ConvNet",
    in_local(VARIANTS),
    {**LOCAL, "cost": {"reduced": costs(VARIANTS, POINTS_EACH * UPDATES, **STEP)}},
    images=FIFTH,
    place="ours",
    columns=2,
)
