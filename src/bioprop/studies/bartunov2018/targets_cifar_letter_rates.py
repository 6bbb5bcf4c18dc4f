"""Which learning rate serves SDTP and AO-SDTP to the letter best in longer runs on CIFAR-10?

As in the study targets-cifar-rates, for what the study targets-cifar-letter has.
"""

from bioprop.studies.bartunov2018.targets_cifar_letter import LITERAL
from bioprop.studies.bartunov2018.targets_cifar_rates import Found, in_full, second_stage

# What the study targets-cifar-letter-grid found; nothing is taken from it until it is recorded.
FOUND: Found = {}

STUDY = second_stage(
    "targets-cifar-letter-rates",
    "SDTP and AO-SDTP to the letter on CIFAR-10, fully connected",
    "Two panels, SDTP and AO-SDTP",
    in_full(LITERAL, FOUND),
    FOUND,
    after="targets-cifar-letter-grid",
)
