"""Do long runs want half the learning rate that is best in short ones, whatever the rule?

The study signs-rates searches in short runs, and a rate that is best there can be too high for a
long one: a first network under sign-symmetry diverged half-way. So the study signs-tiny gives every
rule half of its best. Here each rule has both rates, in networks that learn for as long as those of
signs-tiny, on all classes, with training images that are held out and a seed that is used nowhere
else: a control, made after that choice.
"""

from collections.abc import Mapping

import pydantic

from bioprop.studies.long_runs import LONG_RUNS
from bioprop.studies.study import STRICT, Count, Figure, Seed, Study
from bioprop.studies.xiao2018.networks import DIGITS, SMOKE
from bioprop.studies.xiao2018.signs_rates import RateSearch, draw, run
from bioprop.studies.xiao2018.signs_tiny import SHORT

TWO: Mapping[str, tuple[float, float]] = {name: (r, r * LONG_RUNS) for name, r in SHORT.items()}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LongRateSearch(RateSearch):
    """Settings of the control; ``members`` counts the networks for each rate."""

    every: Count = 1  # ours: all classes, as in the result
    held_out: Seed = 10_000  # ours: a tenth of the training images, 50 of each class
    epochs: Count = 20  # ours: as in the result


STUDY = Study(
    name="signs-tiny-rates",
    title="The best rate of short runs and half of it, in long runs",
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
            "alignment, with a dot at the better one.",
            caption="Top-1 error on the training images that were held out, at the end of a run as "
            "long as that of the result, which has the smaller rate of each rule; one network for "
            "each rate. A rate that is missing diverged. A dot marks the better one.",
            look="To see: whether the dot of each rule is at its smaller rate. At the larger, the "
            "result has a rate that is too careful for that rule.",
            place="ours: the paper's rates were not seen",
            draw=draw,
        )
    ],
)
