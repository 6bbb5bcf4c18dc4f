"""Which learning rates serve each method best in the paper's network for ImageNet?

On Tiny ImageNet, on held-out images, with seeds that the result does not use: a fifth of the images
for four epochs. All methods are tried at the same rates, those with inverses at three of theirs
each, the lowest of them below what the paper has: on CIFAR-10 SDTP wanted one so low. The networks
of a method learn side by side; nine with inverses keep five gigabytes. What counts is the top-5
error: near chance, where the paper has target propagation, the top-1 error tells settings from each
other least. The results, which see up to ten times as many images, have half of the rates found.
"""

from functools import partial

import pydantic

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.methods import Kernel, costs
from bioprop.studies.bartunov2018.search import RateSettings, choose_only, draw, over_grid
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.towards_imagenet import DIGITS, LOCAL, STEP, VARIANTS
from bioprop.studies.study import STRICT, Count, Figure, Positive, Some, Study
from bioprop.tasks.classify import error_rate

ALONE = {"epsilons": (1e-8,)}  # Table 5, backpropagation
INVERSE_RATES = (3e-5, 1e-4, 1e-3)  # Table 5: 6e-5 to 2.3e-4
WITH_INVERSES = {**ALONE, "inverse_rates": INVERSE_RATES}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageNetRateSettings(RateSettings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    images: str = "tiny-imagenet"  # ours: as in the result
    local: tuple[Kernel, ...] = LOCAL  # Table 3
    hidden: tuple[Count, ...] = ()  # Table 3
    rates: Some[Positive] = (5e-5, 1.5e-4, 5e-4)  # ours: Table 5 has 1.1e-5 to 2.2e-4
    shown: Count = 20_000  # ours: a fifth of the images
    epochs: Count = 4  # ours: half of the result's, on fewer images


STUDY = Study(
    name="towards-imagenet-rates",
    title="The best rates of seven methods on Tiny ImageNet",
    paper="bartunov2018",
    settings=ImageNetRateSettings,
    tiers={
        "smoke": DIGITS | {"shown": 200, "probe": 100, "rates": (1e-3, 1e-2), "inverse_rates": ()},
        "quick": DIGITS | {"epochs": 3, "rates": (1e-3, 3e-3), "inverse_rates": ()},
        "reduced": {},  # three settings for each method, nine with inverses; the paper has 60
    },
    variants={name: over_grid(method, ALONE, WITH_INVERSES) for name, method in VARIANTS.items()},
    run=partial(choose_only, error=partial(error_rate, top=5)),
    # three networks learn, nine with inverses, for four epochs of 200 batches
    cost={"reduced": costs(VARIANTS, 3 * 4 * 200, STEP["alone"], 3 * STEP["targets"])},
    population="points of the grid",
    figures=[
        Figure(
            id="towards-imagenet-rates",
            title="Held-out error against the rates on Tiny ImageNet",
            alt="Seven panels, one for each of six methods and the ConvNet: top-5 error on "
            "held-out images against the learning rate, both on log axes, a line for each rate of "
            "the inverses or for Adam's epsilon; a ring marks the lowest.",
            caption="Top-5 error on held-out training images at the end of a short run on a fifth "
            "of the images, against the rate of the forward weights. Lines: "
            "the rate of the inverses, where there are any. A ring marks the best setting; "
            "the result, a longer run, has half of its rates. A point that is missing diverged.",
            look=to_see.RATES,
            place="App 5.3: 60 random settings for each method, ten epochs",
            draw=partial(draw, columns=4, unit="top-5, %", last=LAST),
        )
    ],
)
