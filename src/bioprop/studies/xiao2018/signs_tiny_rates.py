"""Which of two learning rates serves each rule best in a run as long as the result?

The second stage of the search: the study signs-rates has a tenth of the images, and a rate that is
best in a short run can be too high for a long one: a first network under sign-symmetry diverged
half-way. Here each rule has two rates, the best of its short runs and half of that. Networks learn
for as long as in the result, on all classes, with training images that are held out and a seed that
is used nowhere else.
"""

from collections.abc import Mapping

import pydantic

from bioprop.studies.study import STRICT, Count, Figure, Seed, Study
from bioprop.studies.xiao2018.networks import DIGITS, SMOKE
from bioprop.studies.xiao2018.signs_rates import FOUND, RateSearch, draw, run

TWO: Mapping[str, tuple[float, float]] = {name: (r, r / 2) for name, r in FOUND.items()}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LongRateSearch(RateSearch):
    """Settings of the second stage; ``members`` counts the networks for each rate."""

    every: Count = 1  # ours: all classes, as in the result
    held_out: Seed = 10_000  # ours: a tenth of the training images, 50 of each class
    epochs: Count = 20  # ours: as in the result


STUDY = Study(
    name="signs-tiny-rates",
    title="The learning rate of each rule in runs as long as the result",
    paper="xiao2018",
    settings=LongRateSearch,
    tiers={
        "smoke": SMOKE | {"rates": (0.05, 0.2)},
        "quick": DIGITS | {"held_out": 200, "width": 4, "epochs": 5, "batch": 64},
        "reduced": {},
    },
    variants={name: {"rule": name, "rates": rates} for name, rates in TWO.items()},
    cost={"reduced": 6000.0},  # both rates, on nine tenths of the images; one core with AMX
    run=run,
    after="signs-rates",
    figures=[
        Figure(
            id="signs-tiny-rates",
            title="Error at two learning rates, in long runs on photographs",
            alt="Top-1 error in per cent on held-out training images against the learning rate on "
            "a log axis, two rates for each of backpropagation, sign-symmetry and feedback "
            "alignment, with a dot at the one that was chosen.",
            caption="Top-1 error on the training images that were held out, at the end of a run as "
            "long as that of the result; one network for each rate. A rate that is missing "
            "diverged. A dot marks the better one.",
            look="To see: whether the dot of each rule is at its larger or its smaller rate. At "
            "the smaller, a short search would have been too bold for a long run.",
            place="ours: the paper's rates were not seen",
            draw=draw,
        )
    ],
)
