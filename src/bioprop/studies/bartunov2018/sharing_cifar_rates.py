"""Which learning rate serves feedback alignment and DTP best in longer runs of the ConvNet?

On CIFAR-10, as in the study targets-cifar-local-rates and for as many epochs: a control.
"""

from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.sharing_cifar import SHORT, STEP, VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_cifar_local_rates import (
    CONTROL,
    LOCAL,
    OWN,
    UPDATES,
    in_local,
)
from bioprop.studies.bartunov2018.targets_cifar_rates import second_stage

STUDY = second_stage(
    "sharing-cifar-rates",
    "feedback alignment and DTP with shared weights on CIFAR-10",
    "Two panels, feedback alignment and DTP in a ConvNet",
    in_local(VARIANTS, SHORT),
    SHORT,
    "sharing-cifar-grid",
    {
        **LOCAL,
        "cost": {"reduced": costs(VARIANTS, 3 * UPDATES, STEP["alone"], 2 * STEP["targets"])},
    },
    place="ours",
    last=LAST,
    ring=CONTROL,
    look=OWN,
    columns=2,
)
