"""Bartunov et al. 2018, Fig 4, locally connected: error against the number of auxiliary outputs.

Claim: as in the study targets-auxiliary-cifar, in the locally connected network for CIFAR-10, in
shorter runs still, and with three numbers of auxiliary outputs.
"""

from bioprop.studies.bartunov2018.targets_auxiliary_cifar import on_network
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SMALL, STEP
from bioprop.studies.bartunov2018.targets_cifar_local_rates import FOUND

STUDY = on_network(
    "cifar-local",
    {**LAYERS, "epochs": 4, "shown": 10_000},  # ours: as the time allows
    FOUND,  # what the study targets-cifar-local-grid found, in runs as short as these
    (0, 128, 512),
    SMALL,
    cost=400 * STEP["targets"],
)
