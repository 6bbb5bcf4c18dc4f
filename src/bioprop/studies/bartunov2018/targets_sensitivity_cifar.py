"""Bartunov et al. 2018, Fig 5, on CIFAR-10: how much does a method's error depend on its settings?

Claim: as in the study targets-sensitivity, in the fully connected networks for CIFAR-10, with a
third of the settings for each method, from the ranges that the paper prints, and 1200 updates:
after 400 fewer than half of backpropagation's settings may have learnt anything.
"""

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.targets_cifar import LAYERS
from bioprop.studies.bartunov2018.targets_sensitivity import (
    DIGITS,
    SensitivitySettings,
    claims,
    draw_histograms,
    draw_settings,
    draw_spread,
    half_learn,
    run,
)
from bioprop.studies.study import STRICT, Count, Figure, MemberCount, Study

NAME = "targets-sensitivity-cifar"
KIND = "printed"  # the ranges of Table 4
SMALL = {"pad": 1, "flips": "none"}
HERE = {name: value for name, value in LAYERS.items() if name != "members"}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class CifarSensitivitySettings(SensitivitySettings):
    """Settings of the search at random on CIFAR-10."""

    members: MemberCount = 20  # ours: a third of the paper's settings for each method
    epochs: Count = 6  # ours: 1200 updates


FIGURES = [
    Figure(
        id=f"{NAME}-spread",
        title="How widely errors are spread over settings, CIFAR-10",
        alt="A row for each of nine methods; along it the mean distance of the test errors from "
        "their median, in points, with an interval.",
        caption="Mean distance of a setting's test error from the median of all settings, with "
        "its 95 % interval over settings from the ranges of Table 4. A network that diverged "
        "counts with its lowest error before that.",
        look=to_see.SPREAD,
        place="Fig 5",
        draw=draw_spread,
    ),
    Figure(
        id=f"{NAME}-histograms",
        title="Errors of nine methods at random settings, CIFAR-10",
        alt="Nine histograms of the test error in per cent on a log axis, a row for each method; "
        "settings come from the ranges that the paper prints. A dashed line at each median.",
        caption="How many settings reach which error, the lowest over epochs on test images: "
        "fully connected networks of Table 3 on CIFAR-10, one for each random setting from the "
        "ranges of Table 4. Dashed: the median. Hatched: networks that diverged, at the error of a "
        "guess. A cross marks the paper's best error after 500 epochs.",
        look=to_see.HISTOGRAMS,
        place="Fig 5",
        draw=draw_histograms,
    ),
    Figure(
        id=f"{NAME}-settings",
        title="Which setting matters, by method, on CIFAR-10",
        alt="Ten panels, one for each setting; in each a row for each of nine methods with the "
        "rank correlation of the setting with the test error and an interval, and a grey line at "
        "zero.",
        caption="Spearman's rank correlation, over settings from the ranges of Table 4, of each "
        "setting with the lowest test error over epochs, with a 95 % bootstrap interval. Below "
        "zero, larger is better.",
        look=to_see.SETTINGS,
        place="ours",
        draw=draw_settings,
    ),
]

STUDY = Study(
    name=NAME,
    title="Nine methods at random settings, on CIFAR-10",
    paper="bartunov2018",
    settings=CifarSensitivitySettings,
    tiers={
        "smoke": DIGITS | SMALL | {"epochs": 2, "members": 4},
        "quick": DIGITS | SMALL | {"batch": 25, "epochs": 4, "members": 6},
        "reduced": {},  # six of the paper's 500 epochs, on less than half of the images
    },
    variants={f"{name}-{KIND}": {**HERE, **method} for name, method in METHODS.items()},
    run=run,
    claims=claims(KIND, NAME),
    cost={"reduced": 105.0},  # processor time of one setting, from the time of an epoch
    population="settings",
    learnt=half_learn,
    figures=FIGURES,
)
