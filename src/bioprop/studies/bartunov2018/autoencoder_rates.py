"""Which rates serve backpropagation, DTP and SDTP best in an autoencoder on MNIST?

As in the study targets-mnist-rates: short runs, on a third of the images, measured on training
images that were held out. All methods have the same rates to choose from, and those with inverses
three rates for these besides.
"""

from functools import partial

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.autoencoder import SMALL, VARIANTS, prepare
from bioprop.studies.bartunov2018.search import RateSettings, draw, run
from bioprop.studies.study import STRICT, Count, Figure, Positive, Some, Study
from bioprop.tasks.reconstruct import pixel_error


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AutoencoderRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    # ours: doublings, as the best of a first search lay at its edges, 5e-4 and 8e-3.
    rates: Some[Positive] = tuple(1.25e-4 * 2**k for k in range(9))
    inverse_rates: tuple[Positive, ...] = (1e-3, 3e-3, 1e-2)  # ours: as in Table 5
    shown: Count = 20_000  # ours: training images that are learnt from
    epochs: Count = 6  # ours: a ranking needs no more


STUDY = Study(
    name="autoencoder-rates",
    title="The best rates for autoencoders on MNIST",
    paper="bartunov2018",
    settings=AutoencoderRateSettings,
    tiers={
        "smoke": SMALL | {"shown": 1000, "epochs": 2, "rates": (1e-3, 1e-2)},
        "quick": SMALL | {"shown": 1000, "epochs": 5, "rates": (1e-3, 3e-3)},
        "reduced": {},  # nine settings, or 27 where there are inverses; the paper gives none
    },
    variants=VARIANTS,
    run=partial(run, prepare=prepare, error=pixel_error),
    cost={"reduced": 486.0},  # estimated, from the time of an epoch
    population="points of the grid",
    figures=[
        Figure(
            id="autoencoder-rates",
            title="Held-out error of autoencoders against the rates",
            alt="Four panels, one each for backpropagation, DTP, SDTP and a network whose output "
            "layer alone learns: error on held-out images against the learning rate, both on log "
            "axes, a line for each rate of the inverses; a ring marks the lowest.",
            caption="Mean squared error of a pixel of held-out training images, mean over the last "
            "three epochs of a short run on a third of the images, against the rate of the "
            "network's weights. Lines: the rate of the inverses. A ring marks the setting "
            "that longer runs were made from; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=2, unit="mean square of a pixel", percent=False),
        )
    ],
)
