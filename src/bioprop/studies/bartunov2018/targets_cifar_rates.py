"""Which learning rate serves each of the nine methods best in longer runs on CIFAR-10?

The second stage of the search. A rate that is best in the short runs of the study
targets-cifar-grid can be too high for a long one: here the best setting of each method is tried
anew for a third of the epochs that the result has, beside a half and a quarter of its rate, and
where its inverses did best at the lowest rate that was tried, at a third of that as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.search import SHARES, RateSettings, around, longer, run
from bioprop.studies.bartunov2018.targets_cifar import LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_grid import POINTS, THEIRS, WITH_INVERSES
from bioprop.studies.study import STRICT, Count, Study

Found = Mapping[str, Mapping[str, float]]
TWO_LINES = (
    "Two lines where the lowest rate of the inverses was the best one in short runs: that and a "
    "third of it. "
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 14  # ours: a third of the epochs that the result has


FULL: Mapping[str, Any] = {
    "settings": CifarRateSettings,
    "tiers": {
        "smoke": SMOKE | {"rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": QUICK | {"epochs": 4, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},
    },
    "cost": {"reduced": 1200.0},  # processor time of six networks, from a few batches
}


def second_stage(
    name: str,
    title: str,
    panels: str,
    variants: Mapping[str, Any],
    found: Found,
    after: str,
    declared: Mapping[str, Any] = FULL,
    *,
    place: str = THEIRS,
    lines: str = TWO_LINES,
    **how: Any,
) -> Study:
    """Return the search around what the first stage, the study ``after``, found.

    ``declared`` is what else the study is declared with, ``lines`` a sentence on the lines of its
    figure, and ``how`` says how that is made.
    """
    return Study(
        name=name,
        title=f"The best rates of {title}",
        paper="bartunov2018",
        variants=variants,
        after=after,
        found=bool(found),
        population="points of the grid",
        figures=[
            longer(
                name,
                f"Held-out error against the rates of {title}",
                panels,
                place=place,
                lines=lines,
                **how,
            )
        ],
        **{"run": run, **declared},
    )


def around_found(
    methods: Mapping[str, Any],
    found: Found,
    layers: Mapping[str, Any],
    inverse_rates: Sequence[float],
    shares: Sequence[float] = SHARES,
) -> Mapping[str, Any]:
    """Return the grids of methods around what was found among those rates of the inverses."""
    least = min(inverse_rates, default=0.0)
    return {
        name: {**layers, **POINTS, **method, **around(found.get(name, {}), least, shares)}
        for name, method in methods.items()
    }


def in_full(methods: Mapping[str, Any], found: Found) -> Mapping[str, Any]:
    """Return the grids of methods in the fully connected network around what was found."""
    return around_found(methods, found, LAYERS, WITH_INVERSES["inverse_rates"])


# What the study targets-cifar-grid found.
FOUND: Found = {
    "bp": {"rate": 1.2e-4, "eps": 1e-8},
    "fa": {"rate": 6e-5, "eps": 1e-8},
    "dfa": {"rate": 2.5e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "dtp-parallel": {"rate": 1e-4, "eps": 1e-8, "inverse_rate": 1e-3},
    "sdtp-alternating": {"rate": 1e-4, "eps": 1e-8, "inverse_rate": 1e-4},
    "sdtp-parallel": {"rate": 1e-4, "eps": 1e-8, "inverse_rate": 1e-4},
    "ao-sdtp-alternating": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "ao-sdtp-parallel": {"rate": 1e-4, "eps": 1e-4, "inverse_rate": 1e-3},
}

STUDY = second_stage(
    "targets-cifar-rates",
    "nine methods on CIFAR-10, fully connected",
    "Nine panels, one for each method",
    in_full(METHODS, FOUND),
    FOUND,
    after="targets-cifar-grid",
)
