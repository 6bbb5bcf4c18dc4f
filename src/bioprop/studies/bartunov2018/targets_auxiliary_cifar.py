"""Bartunov et al. 2018, Fig 4: error against the number of auxiliary outputs, on CIFAR-10.

Claim: as in the study targets-auxiliary, on the images that the figure is about, in fully connected
networks and short runs: a part of the images, a fiftieth of the paper's epochs. The rates are those
that were best at 512 auxiliary outputs in runs of about as many updates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from bioprop.studies.bartunov2018 import targets_cifar, targets_cifar_rates
from bioprop.studies.bartunov2018.measures import chosen
from bioprop.studies.bartunov2018.methods import MethodSettings, run
from bioprop.studies.bartunov2018.targets_auxiliary import (
    SIZES,
    WORDS,
    Found,
    no_cost,
    not_digits,
    variants,
)
from bioprop.studies.bartunov2018.targets_auxiliary import STUDY as ON_MNIST
from bioprop.studies.study import Claim, Figure, Region, Runs, Study, gone

MORE = 6  # ours: networks, as a point is asked of every two numbers of outputs


def gained(runs: Runs, network: str) -> np.ndarray:
    """Return how many points 512 auxiliary outputs take off the error of SDTP, by seed.

    Each of the two is at its own best rates; those of AO-SDTP serve badly where there are none.
    """
    return chosen(runs[f"{network}-sdtp"]) - chosen(runs[f"{network}-512"])


def gains(network: str, study: str) -> Claim:
    """Return the claim that the paper's number of auxiliary outputs helps."""
    return Claim(
        id=f"targets-auxiliary-{network}-gain",
        statement="512 auxiliary outputs gain more than two points on SDTP, which has "
        f"none ({WORDS[network]}).",
        place="Fig 4; its values are not printed",
        measure=partial(gained, network=network),
        unit="points of test error at the epoch that held-out images choose, SDTP minus AO-SDTP",
        holds=Region(low=2.0),
        reason="the paper's AO-SDTP is five to nine points better than SDTP after 500 epochs",
        figure=study,
        applies=not_digits,
        unlearnt="that next to nothing is learnt without auxiliary outputs is a gain by them",
        idle=(f"{network}-sdtp",),
    )


def on_cifar(figure: Figure, study: str, network: str) -> Figure:
    """Return a figure of the study on MNIST for another one, which has one network."""
    return replace(
        figure,
        id=figure.id.replace(ON_MNIST.name, study),
        title=f"{figure.title}, {WORDS[network]}",
        alt=figure.alt.replace("Two panels, a fully and a locally connected network: ", "Plot of "),
        caption=figure.caption.replace("MNIST", "CIFAR-10"),
        place="Fig 4" if figure.id == ON_MNIST.name else figure.place,
    )


def on_network(
    network: str,
    settings: Mapping[str, Any],
    found: Found,
    sizes: Sequence[int],
    small: Mapping[str, Any],
    cost: float,
) -> Study:
    """Return the study of one network on CIFAR-10; ``small`` are changes for quick runs."""
    name = f"targets-auxiliary-{network}"
    return Study(
        name=name,
        title=f"Auxiliary outputs: {WORDS[network]}",
        paper="bartunov2018",
        settings=MethodSettings,
        tiers={
            "smoke": {**small, "shown": 200, "epochs": 2, "members": 3},
            "quick": {
                **small,
                **{"shown": 0, "epochs": 2, "members": 3},
                **{"rate": 3e-3, "inverse_rate": 3e-3},
            },
            "reduced": {},  # a fiftieth of the paper's epochs or less
        },
        variants=variants(network, settings, found, sizes),
        run=run,
        kept=("auxiliary",),
        after="targets-cifar-local-rates" if "local" in settings else "targets-cifar-grid",
        found=bool(found),
        cost={"reduced": cost},
        claims=[no_cost(network, name), gains(network, name)],
        learnt=gone("error"),
        figures=[on_cifar(figure, name, network) for figure in ON_MNIST.figures],
    )


STUDY = on_network(
    "cifar",
    {**targets_cifar.LAYERS, "epochs": 10, "shown": 20_000, "members": MORE},  # ours: for time
    targets_cifar_rates.FOUND,  # what the study targets-cifar-grid found
    SIZES,
    targets_cifar.DIGITS | {"hidden": (16,)},
    cost=170.0,  # processor time, from the time of an epoch
)
