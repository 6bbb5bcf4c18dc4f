"""Which learning rates serve each of the nine methods best at first on CIFAR-10, fully connected?

The first of two stages of a search, as in the study targets-mnist-rates: on held-out images, with
seeds that the result does not use. Methods with inverses are all tried on one grid and all others
on another, with more and lower rates; the highest is the same. A rate that is best at first can be
too high for a long run; the study targets-cifar-rates goes on from here in longer ones.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.search import RateSettings, draw, over_grid, run
from bioprop.studies.bartunov2018.targets_cifar import LAYERS, QUICK, SMOKE
from bioprop.studies.study import STRICT, Count, Figure, Study

# Table 5 has 1.2e-5 to 1.3e-4 for 500 epochs; fewer epochs want larger steps.
EPSILONS = (1e-8, 1e-4)
ALONE = {
    "rates": (
        *(3e-5, 6e-5, 1.2e-4, 1.8e-4, 2.5e-4, 3.5e-4),
        *(5e-4, 7e-4, 1e-3, 1.4e-3, 2e-3, 3e-3),
    ),
    "epsilons": EPSILONS,
}
WITH_INVERSES = {
    "rates": (1e-4, 3e-4, 1e-3, 3e-3),
    "inverse_rates": (1e-4, 1e-3, 1e-2),  # Table 5 has 1.1e-5 to 8.5e-4
    "epsilons": EPSILONS,
}
THEIRS = "App 5.3: 60 random settings for each method"


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarGridSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    epochs: Count = 4  # ours: a tenth of the epochs that the result has


LAST = 1  # epochs that count: the mean over more of so few would favour those that start fast
# One network for each point of the grid.
POINTS = {"members": 1}
FULL: Mapping[str, Any] = {
    "settings": CifarGridSettings,
    "tiers": {
        "smoke": SMOKE | {"rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": QUICK | {"epochs": 4, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},  # 24 settings for each method; the paper has 60
    },
    "cost": {"reduced": 1300.0},  # processor time of 24 networks, from a few batches
}


def first_stage(
    name: str,
    title: str,
    panels: str,
    variants: Mapping[str, Any],
    declared: Mapping[str, Any] = FULL,
    *,
    images: str = "",
    place: str = THEIRS,
    columns: int = 3,
    ring: str = "the setting that longer runs were made from",
) -> Study:
    """Return the search over some variants; ``panels`` says what its figure has one for each of.

    ``declared`` is what else the study is declared with, ``images`` says which it has, if not all,
    and ``ring`` what the ring in a panel is.
    """
    return Study(
        name=name,
        title=f"A grid of rates for {title}",
        paper="bartunov2018",
        variants=variants,
        population="points of the grid",
        figures=[
            Figure(
                id=name,
                title=f"Held-out error against the rates of {title}, at first",
                alt=f"{panels}: error on held-out images against the learning rate, both on log "
                "axes, a line for each rate of the inverses or each epsilon of Adam; a ring marks "
                "the lowest.",
                caption=f"Error on held-out training images at the end of a run{images} with a "
                "tenth of the updates that the result has, against the rate of the forward "
                "weights. Lines: the rate of the inverses, at the better epsilon of Adam where two "
                "were tried, or that epsilon where there are none. A ring marks "
                f"{ring}; a point that is missing diverged.",
                look=to_see.RATES,
                place=place,
                draw=partial(draw, columns=columns, last=LAST),
            )
        ],
        **{"run": run, **declared},
    )


def in_full(methods: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the grids of methods in the fully connected network."""
    return {
        name: {**LAYERS, **POINTS, **over_grid(method, ALONE, WITH_INVERSES)}
        for name, method in methods.items()
    }


STUDY = first_stage(
    "targets-cifar-grid",
    "nine methods on CIFAR-10, fully connected",
    "Nine panels, one for each method",
    in_full(METHODS),
)
