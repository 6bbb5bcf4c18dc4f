"""Which learning rates serve each method best in the locally connected networks on MNIST?

As in the study targets-mnist-rates, on a third of the images, as these networks take ten times as
long. In a first search on the same grid the methods with targets were best at their highest rate,
1.6e-3; so theirs go up to 6.4e-3. The others were best within their grid, which is as it was.
"""

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.search import RateSettings, draw, over_grid, run
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL, VARIANTS
from bioprop.studies.study import STRICT, Count, Figure, Positive, Some, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LocalRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rates: Some[Positive] = (4e-4, 8e-4, 1.6e-3, 3.2e-3, 6.4e-3)  # ours: with targets
    shown: Count = 20_000  # ours: training images that are learnt from
    epochs: Count = 6  # ours: a ranking needs no more


STUDY = Study(
    name="targets-mnist-local-rates",
    title="The best rates of nine methods on MNIST, locally connected",
    paper="bartunov2018",
    settings=LocalRateSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2), "auxiliary": 8},
        "quick": SMALL | {"shown": 1000, "epochs": 3, "rates": (1e-3, 3e-3), "auxiliary": 8},
        "reduced": {},  # twelve or twenty settings for each method; the paper has 60
    },
    variants={name: {**LAYERS, **over_grid(method)} for name, method in VARIANTS.items()},
    run=run,
    cost={"reduced": 900.0},  # estimated, from the time of an epoch
    population="points of the grid",
    figures=[
        Figure(
            id="targets-local-rates",
            title="Held-out error against the rates, locally connected",
            alt="Ten panels, one for each of nine methods and the ConvNet: error on held-out "
            "images against the learning rate, both on log axes, a line for each rate of the "
            "inverses or each epsilon of Adam; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a short "
            "run on a third of the images, against the rate of the forward weights. Lines: the "
            "rate of the inverses, or Adam's epsilon where there are none. A ring marks the "
            "setting that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="App 5.3: 60 random settings for each method",
            draw=draw,
        )
    ],
)
