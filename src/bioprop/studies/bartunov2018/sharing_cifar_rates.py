"""Which learning rates serve feedback alignment and DTP best in the ConvNet for CIFAR-10?

As in the study targets-cifar-local-rates, on the same grids and for as many epochs.
"""

from functools import partial

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.sharing_cifar import VARIANTS
from bioprop.studies.bartunov2018.targets_cifar_grid import POINTS
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SMALL
from bioprop.studies.bartunov2018.targets_cifar_local_rates import (
    ALONE,
    WITH_INVERSES,
    CifarLocalRateSettings,
)
from bioprop.studies.bartunov2018.targets_mnist_rates import draw, over_grid, run
from bioprop.studies.study import Figure, Study

STUDY = Study(
    name="sharing-cifar-rates",
    title="The best rates with shared weights on CIFAR-10",
    paper="bartunov2018",
    settings=CifarLocalRateSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": SMALL | {"epochs": 3, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},  # twelve settings for each method; the paper has 60
    },
    variants={
        name: {**LAYERS, **POINTS, **over_grid(each, ALONE, WITH_INVERSES)}
        for name, each in VARIANTS.items()
    },
    run=run,
    after="targets-cifar-readings",
    cost={"reduced": 29_500.0},  # processor time of DTP, from 0.45 s a step of a network
    population="points of the grid",
    figures=[
        Figure(
            id="sharing-cifar-rates",
            title="Held-out error against the rates on CIFAR-10, with shared weights",
            alt="Two panels, feedback alignment and DTP in a ConvNet: error on held-out images "
            "against the learning rate, both on log axes, a line for each rate of the inverses or "
            "each epsilon of Adam; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a run "
            "half as long as that of the result, against the rate of the forward weights. Lines: "
            "the rate of the inverses, or Adam's epsilon where there are none. A ring marks the "
            "setting that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=2),
        )
    ],
)
