"""Which learning rate serves autoencoders best in longer runs on all images?

The second stage of the search. A rate that is best in the short runs of the study autoencoder-rates
can be too high for a long one: here the best setting of each variant is tried anew, on all images,
for a third of the epochs that the result has, beside a half and a quarter of its rate.
"""

from collections.abc import Mapping
from functools import partial

import pydantic

from bioprop.studies.bartunov2018.autoencoder import SMALL, VARIANTS, prepare
from bioprop.studies.bartunov2018.search import RateSettings, around, longer, run
from bioprop.studies.study import STRICT, Count, Study
from bioprop.tasks.reconstruct import pixel_error


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AutoencoderLongerSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 9  # ours: a third of the epochs that the result has


# What the study autoencoder-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 5e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 1e-3, "eps": 1e-4, "inverse_rate": 1e-2},
    "sdtp-alternating": {"rate": 2e-3, "eps": 1e-4, "inverse_rate": 3e-3},
    "shallow": {"rate": 1.6e-2, "eps": 1e-4},
}

STUDY = Study(
    name="autoencoder-longer-rates",
    title="The best rates for autoencoders on MNIST, in longer runs",
    paper="bartunov2018",
    settings=AutoencoderLongerSettings,
    tiers={
        "smoke": SMALL | {"shown": 1000, "epochs": 2, "rates": (1e-3, 1e-2)},
        "quick": SMALL | {"shown": 1000, "epochs": 5, "rates": (1e-3, 3e-3)},
        "reduced": {},
    },
    variants={name: {**each, **around(FOUND[name])} for name, each in VARIANTS.items()},
    run=partial(run, prepare=prepare, error=pixel_error),
    after="autoencoder-rates",
    cost={"reduced": 150.0},  # processor time of three networks, from the time of an epoch
    population="points of the grid",
    figures=[
        longer(
            "autoencoder-longer-rates",
            "Held-out error of autoencoders against the rates, in longer runs",
            "Four panels, one each for backpropagation, DTP, SDTP and a network whose output layer "
            "alone learns",
            columns=2,
            unit="mean square of a pixel",
            percent=False,
        )
    ],
)
