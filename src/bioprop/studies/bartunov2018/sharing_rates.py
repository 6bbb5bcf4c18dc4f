"""Which rates serve locally connected networks best, and which ConvNets? On a sixth of MNIST.

As in the study targets-mnist-rates: for each of three methods the same grid for both networks,
measured on training images that were held out.
"""

from functools import partial

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.search import RateSettings, draw, over_grid, run
from bioprop.studies.bartunov2018.sharing import VARIANTS
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL
from bioprop.studies.study import STRICT, Count, Figure, Positive, Some, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SharingRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = (4e-4, 8e-4, 1.6e-3, 3.2e-3, 6.4e-3)  # ours: as locally connected
    shown: Count = 10_000  # ours: training images that are learnt from
    epochs: Count = 6  # ours: a third of the result's


STUDY = Study(
    name="sharing-mnist-rates",
    title="The best rates with shared weights and without, on MNIST",
    paper="bartunov2018",
    settings=SharingRateSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": SMALL | {"shown": 1000, "epochs": 3, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},  # five settings, or fifteen where there are inverses; the paper has 60
    },
    variants={
        name: {**LAYERS, **over_grid(each, {}, {"inverse_rates": (1e-3, 1e-2, 3e-2)})}
        for name, each in VARIANTS.items()
    },
    run=run,
    cost={"reduced": 1170.0},  # processor time of DTP for fifteen networks, from 0.065 s a step
    population="points of the grid",
    figures=[
        Figure(
            id="sharing-mnist-rates",
            title="Held-out error against the rates, with shared weights and without",
            alt="Six panels, backpropagation, feedback alignment and DTP, each locally connected "
            "and with shared weights: error on held-out images against the learning rate, both on "
            "log axes, a line for each rate of the inverses; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a short "
            "run on a sixth of MNIST, against the rate of the forward weights. Left: locally "
            "connected. Right: shared weights. Lines: the rate of the inverses. A ring marks the "
            "setting that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=2),
        )
    ],
)
