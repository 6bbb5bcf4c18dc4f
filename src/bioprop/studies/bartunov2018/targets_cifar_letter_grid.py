"""Which learning rates serve SDTP and AO-SDTP to the letter best at first on CIFAR-10?

As in the study targets-cifar-grid, for what the study targets-cifar-letter has. The
methods with targets recorded there were best at the lowest rate, and none of them learnt at the
largest; the rates here are lower.
"""

from typing import Any

from bioprop.studies.bartunov2018.targets_cifar_grid import FULL, first_stage, in_full
from bioprop.studies.bartunov2018.targets_cifar_letter import LITERAL

RATES = (3e-5, 1e-4, 3e-4)
COST: dict[str, Any] = {"reduced": 2700.0}  # as recorded there, for 18 networks of 24

STUDY = first_stage(
    "targets-cifar-letter-grid",
    "SDTP and AO-SDTP to the letter on CIFAR-10, fully connected",
    "Two panels, SDTP and AO-SDTP",
    {name: {**grid, "rates": RATES} for name, grid in in_full(LITERAL).items()},
    {**FULL, "cost": COST},
)
