"""Bartunov et al. 2018, Fig 4, locally connected: error against the number of auxiliary outputs.

Claim: as in the study targets-auxiliary-cifar, in the locally connected network for CIFAR-10, in
shorter runs still, and with three numbers of auxiliary outputs.
"""

from bioprop.studies.bartunov2018.targets_auxiliary_cifar import MORE, on_network
from bioprop.studies.bartunov2018.targets_cifar import EPOCH
from bioprop.studies.bartunov2018.targets_cifar_local import FOUND, LAYERS, SMALL, STEP

STUDY = on_network(
    "cifar-local",
    {**LAYERS, "epochs": 4, "members": MORE},  # ours: as the time allows
    FOUND,  # what the study targets-cifar-local-rates found, in runs as short as these
    (128, 512, 1000),
    SMALL,
    cost=4 * EPOCH * STEP["targets"],
)
