"""Which rates serve tanh best, and which ReLU?

As in the study targets-mnist-rates, on a third of the images: for each of four methods the same
grid for both activations, measured on training images that were held out. Three of the four methods
with inverses did best with the largest rate of the inverses; ``<method>-above`` adds larger ones.
"""

from functools import partial

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.activations import VARIANTS
from bioprop.studies.bartunov2018.search import ABOVE, RateSettings, draw, run
from bioprop.studies.bartunov2018.targets_mnist import QUICK, SMOKE
from bioprop.studies.study import STRICT, Count, Figure, Positive, Some, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ActivationRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = (1e-4, 2e-4, 4e-4, 8e-4, 1.6e-3, 3.2e-3)  # ours: Table 5 and beyond
    inverse_rates: tuple[Positive, ...] = (3e-4, 1e-3, 3e-3)  # ours: Table 5 has up to 9.6e-3
    shown: Count = 20_000  # ours: training images that are learnt from
    epochs: Count = 8  # ours: a ranking needs no more


STUDY = Study(
    name="activations-rates",
    title="The best rates for tanh and for ReLU on MNIST",
    paper="bartunov2018",
    settings=ActivationRateSettings,
    tiers={
        "smoke": SMOKE | {"shown": 1000, "members": 1, "rates": (1e-3, 1e-2)},
        "quick": QUICK | {"shown": 1000, "members": 1, "epochs": 4, "rates": (1e-3, 3e-3)},
        "reduced": {},  # six settings, or thirty where there are inverses; the paper has 60
    },
    variants={
        **VARIANTS,
        **{
            f"{name}{ABOVE}": {**each, "inverse_rates": (1e-2, 3e-2)}
            for name, each in VARIANTS.items()
            if each["rule"] not in ("bp", "fa")
        },
    },
    run=run,
    cost={"reduced": 250.0},  # estimated, from the time of an epoch
    population="points of the grid",
    figures=[
        Figure(
            id="activations-rates",
            title="Held-out error against the rates, tanh and ReLU",
            alt="Eight panels, backpropagation, feedback alignment, DTP and SDTP, each with tanh "
            "and with ReLU: error on held-out images against the learning rate, both on log axes, "
            "a line for each rate of the inverses; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a short "
            "run on a third of the images, against the rate of the forward weights. Left: tanh. "
            "Right: ReLU. Lines: the rate of the inverses. A ring marks the setting "
            "that longer runs were made from; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=2),
        )
    ],
)
