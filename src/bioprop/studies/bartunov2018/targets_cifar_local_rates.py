"""Which learning rates serve each method best in the locally connected networks on CIFAR-10?

As in the study targets-cifar-grid, up to the same rates, for half as many epochs as the result
has. All twelve networks of a method learn side by side, which takes about twenty gigabytes where
there are inverses: so rates are fewer than in that study, and beside inverses one epsilon is tried.
"""

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.targets_cifar_grid import EPSILONS, POINTS
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SMALL, VARIANTS
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, draw, over_grid, run
from bioprop.studies.study import STRICT, Count, Figure, Study

ALONE = {"rates": (6e-5, 1.2e-4, 2.5e-4, 5e-4, 1e-3, 3e-3), "epsilons": EPSILONS}
WITH_INVERSES = {"rates": (1e-4, 3e-4, 1e-3, 3e-3), "inverse_rates": (1e-4, 1e-3, 1e-2)}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    epochs: Count = 6  # ours: half of the epochs that the result has


STUDY = Study(
    name="targets-cifar-local-rates",
    title="The best rates of nine methods on CIFAR-10, locally connected",
    paper="bartunov2018",
    settings=CifarLocalRateSettings,
    tiers={
        "smoke": SMALL
        | {"shown": 400, "epochs": 2, "auxiliary": 8, "rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": SMALL | {"epochs": 3, "auxiliary": 8, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},  # twelve settings for each method; the paper has 60
    },
    variants={
        name: {**LAYERS, **POINTS, **over_grid(method, ALONE, WITH_INVERSES)}
        for name, method in VARIANTS.items()
    },
    run=run,
    after="targets-cifar-readings",
    cost={"reduced": 42_000.0},  # processor time, from a few batches on a busy machine
    population="points of the grid",
    figures=[
        Figure(
            id="targets-cifar-local-rates",
            title="Held-out error against the rates on CIFAR-10, locally connected",
            alt="Ten panels, one for each of nine methods and the ConvNet: error on held-out "
            "images against the learning rate, both on log axes, a line for each rate of the "
            "inverses or each epsilon of Adam; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a run "
            "half as long as that of the result, against the rate of the forward weights. Lines: "
            "the rate of the inverses, or Adam's epsilon where there are none. A ring marks the "
            "setting that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="App 5.3: 60 random settings for each method",
            draw=draw,
        )
    ],
)
