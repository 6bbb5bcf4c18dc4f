"""Which learning rate serves each method best in longer runs of the locally connected networks?

A second stage of the search, made after the result, which has what the first one found. The study
targets-mnist-local-rates has 1200 updates for a result of 22,000, and what it chose for DTP was too
high: there the error falls for some epochs, and rises again. Here the best setting of each method
is tried anew, on all images, for a third of the epochs that the result has, beside a half and a
quarter of its rate.
"""

import pydantic

from bioprop.studies.bartunov2018.search import RateSettings, around, longer, run
from bioprop.studies.bartunov2018.targets_mnist_local import FOUND, LAYERS, SMALL, VARIANTS
from bioprop.studies.study import STRICT, Count, Study


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LocalLongerSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each rate."""

    epochs: Count = 14  # ours: a third of the epochs that the result has


STUDY = Study(
    name="targets-mnist-local-longer-rates",
    title="The best rates of nine methods on MNIST, locally connected, in longer runs",
    paper="bartunov2018",
    settings=LocalLongerSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2), "auxiliary": 8},
        "quick": SMALL | {"shown": 1000, "epochs": 3, "rates": (1e-3, 3e-3), "auxiliary": 8},
        "reduced": {},
    },
    variants={
        name: {**LAYERS, **method, "members": 1, **around(FOUND[name])}
        for name, method in VARIANTS.items()
    },
    run=run,
    after="targets-mnist-local-rates",
    cost={"reduced": 1400.0},  # processor time of three networks, from that of the result
    population="points of the grid",
    figures=[
        longer(
            "targets-local-longer-rates",
            "Held-out error against the rates, locally connected, in longer runs",
            "Ten panels, one for each of nine methods and the ConvNet",
            place="App 5.3: 60 random settings for each method",
            ring="the lowest; the result was made before, with the largest of the three rates",
        )
    ],
)
