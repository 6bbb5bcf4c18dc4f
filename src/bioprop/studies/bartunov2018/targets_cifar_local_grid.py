"""Which learning rates serve each method best at first in locally connected networks on CIFAR-10?

The first of two stages of a search, as in the study targets-cifar-grid: up to the same rates, on a
fifth of the images. All twelve networks of a method learn side by side, which takes about twenty
gigabytes where there are inverses: so rates are fewer than in that study, and beside inverses one
epsilon is tried. The study targets-cifar-local-rates goes on from here.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.targets_cifar_grid import EPSILONS, LAST, POINTS
from bioprop.studies.bartunov2018.targets_cifar_local import LAYERS, SMALL, VARIANTS
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, draw, over_grid, run
from bioprop.studies.study import STRICT, Count, Figure, Study

ALONE = {"rates": (6e-5, 1.2e-4, 2.5e-4, 5e-4, 1e-3, 3e-3), "epsilons": EPSILONS}
THEIRS = "App 5.3: 60 random settings for each method"
WITH_INVERSES = {"rates": (1e-4, 3e-4, 1e-3, 3e-3), "inverse_rates": (1e-4, 1e-3, 1e-2)}
SMOKE = SMALL | {"shown": 400, "epochs": 2, "auxiliary": 8, "rates": (1e-3, 1e-2)}
QUICK = SMALL | {"epochs": 3, "auxiliary": 8, "rates": (1e-3, 3e-3), "inverse_rates": ()}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarLocalGridSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    shown: Count = 9000  # ours: a fifth of the training images
    epochs: Count = 6  # ours: a tenth of the updates that the result has


def first_stage(
    name: str,
    words: str,
    panels: str,
    methods: Mapping[str, Any],
    place: str,
    cost: float,
    columns: int = 3,
) -> Study:
    """Return the search of some methods; ``panels`` says what its figure has one for each of."""
    return Study(
        name=name,
        title=f"A grid of rates for {words} on CIFAR-10",
        paper="bartunov2018",
        settings=CifarLocalGridSettings,
        tiers={
            "smoke": SMOKE | {"inverse_rates": ()},
            "quick": QUICK | {"shown": 1000},
            "reduced": {},  # twelve settings for each method; the paper has 60
        },
        variants={
            method: {**LAYERS, **POINTS, **over_grid(each, ALONE, WITH_INVERSES)}
            for method, each in methods.items()
        },
        run=run,
        after="targets-cifar-readings",
        cost={"reduced": cost},
        population="points of the grid",
        figures=[
            Figure(
                id=name,
                title=f"Held-out error against the rates of {words} on CIFAR-10, at first",
                alt=f"{panels}: error on held-out images against the learning rate, both on log "
                "axes, a line for each rate of the inverses or each epsilon of Adam; a ring marks "
                "the lowest.",
                caption="Error on held-out training images at the end of a run on a fifth of the "
                "images, with a tenth of the updates that the result has, against the rate of the "
                "forward weights. Lines: the rate of the inverses, or Adam's epsilon where there "
                "are none. A ring marks the setting that longer runs were made from; a point that "
                "is missing diverged.",
                look=to_see.RATES,
                place=place,
                draw=partial(draw, columns=columns, last=LAST),
            )
        ],
    )


STUDY = first_stage(
    "targets-cifar-local-grid",
    "nine methods, locally connected,",
    "Ten panels, one for each of nine methods and the ConvNet",
    VARIANTS,
    place=THEIRS,
    cost=5000.0,  # processor time of DTP, from benchmarks/cifar.py: an epoch of 344 s in full
)
