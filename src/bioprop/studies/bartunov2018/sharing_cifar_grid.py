"""Which learning rates serve feedback alignment and DTP best at first in the ConvNet for CIFAR-10?

As in the study targets-cifar-local-grid, on the same grids and for as many updates.
"""

from bioprop.studies.bartunov2018.sharing_cifar import VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_local_grid import first_stage

STUDY = first_stage(
    "sharing-cifar-grid",
    "feedback alignment and DTP with shared weights",
    "Two panels, feedback alignment and DTP in a ConvNet",
    VARIANTS,
    place="ours",
    cost=5900.0,  # processor time of DTP, from 0.45 s a step of a network
    columns=2,
)
