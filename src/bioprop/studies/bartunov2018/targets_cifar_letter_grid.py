"""Which learning rates serve SDTP and AO-SDTP to the letter best at first on CIFAR-10?

As in the study targets-cifar-grid, for what the study targets-cifar-letter has.
"""

from bioprop.studies.bartunov2018.targets_cifar_grid import first_stage, in_full
from bioprop.studies.bartunov2018.targets_cifar_letter import LITERAL

STUDY = first_stage(
    "targets-cifar-letter-grid",
    "SDTP and AO-SDTP to the letter on CIFAR-10, fully connected",
    "Two panels, SDTP and AO-SDTP",
    in_full(LITERAL),
)
