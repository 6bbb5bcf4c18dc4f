"""Which learning rate serves tanh best, and which ReLU, in longer runs on all images?

The second stage of the search. A rate that is best in the short runs of the study activations-rates
can be too high for a long one: here the best setting of each variant is tried anew, on all images,
for a third of the epochs that the result has, beside a half and a quarter of its rate.
"""

from collections.abc import Mapping

import pydantic

from bioprop.studies.bartunov2018.activations import VARIANTS
from bioprop.studies.bartunov2018.search import RateSettings, around, longer, run
from bioprop.studies.bartunov2018.targets_mnist import QUICK, SMOKE
from bioprop.studies.study import STRICT, Count, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ActivationLongerSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 14  # ours: a third of the epochs that the result has


# What the study activations-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 8e-4, "eps": 1e-4},
    "bp-relu": {"rate": 8e-4, "eps": 1e-4},
    "fa": {"rate": 8e-4, "eps": 1e-4},
    "fa-relu": {"rate": 2e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 3e-2},
    "dtp-alternating-relu": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "sdtp-alternating": {"rate": 1.6e-3, "eps": 1e-4, "inverse_rate": 3e-3},
    "sdtp-alternating-relu": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-2},
}

STUDY = Study(
    name="activations-longer-rates",
    title="The best rates for tanh and ReLU on MNIST, in longer runs",
    paper="bartunov2018",
    settings=ActivationLongerSettings,
    tiers={
        "smoke": SMOKE | {"shown": 1000, "members": 1, "rates": (1e-3, 1e-2)},
        "quick": QUICK | {"shown": 1000, "members": 1, "epochs": 4, "rates": (1e-3, 3e-3)},
        "reduced": {},
    },
    variants={name: {**each, **around(FOUND[name])} for name, each in VARIANTS.items()},
    run=run,
    after="activations-rates",
    cost={"reduced": 150.0},  # processor time of three networks, from the time of an epoch
    population="points of the grid",
    figures=[
        longer(
            "activations-longer-rates",
            "Held-out error against the rates, tanh and ReLU, in longer runs",
            "Eight panels, backpropagation, feedback alignment, DTP and SDTP, each with tanh on "
            "the left and with ReLU on the right",
            columns=2,
        )
    ],
)
