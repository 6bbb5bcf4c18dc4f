"""Recipes for training: rates and their schedules, batches, what is done to the images."""

from dataclasses import dataclass

from bioprop.choose import choose

SCHEDULES = ("drops", "ramp")
LAYERS = ("all", "last", "others")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stochastic gradient descent with momentum, and a learning rate that changes.

    ``schedule`` is ``drops`` (the rate is divided by 10 at each epoch of ``drops``) or ``ramp``
    (from 0 to the rate over the share ``warm_up`` of the run, then down to 0, both linearly).
    ``decay`` times the weights is added to every gradient. With ``manhattan`` a gradient is
    replaced by its sign before that (Liao et al. 2016), in all layers, the ``last`` or the
    ``others``. Images are padded by ``pad`` pixels, cropped, and mirrored by ``flips``.
    """

    rate: float = 0.1
    last_rate: float | None = None  # of the last layer, where it differs
    epochs: int
    batch: int
    momentum: float = 0.9
    decay: float
    schedule: str
    drops: tuple[int, ...] = ()
    warm_up: float = 0.2
    manhattan: bool = False
    manhattan_in: str = "all"
    pad: int = 4
    flips: str = "horizontal"

    def __post_init__(self) -> None:
        choose("schedule", self.schedule, SCHEDULES)
        choose("part of the layers", self.manhattan_in, LAYERS)
        if not 0 <= self.warm_up < 1:
            raise ValueError(
                f"warm_up is a share of the run, from 0 to below 1, not {self.warm_up}"
            )
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(
                f"a run has 1 epoch and 1 image in a batch at least, not {self.epochs} and "
                f"{self.batch}"
            )

    def factor(self, step: int, each_epoch: int) -> float:
        """Return what the rate is multiplied by at a step, of ``each_epoch`` in an epoch."""
        if self.schedule == "drops":
            return 0.1 ** sum(step >= drop * each_epoch for drop in self.drops)
        total = self.epochs * each_epoch
        up = self.warm_up * total
        return min((step + 1) / max(up, 1), (total - step) / max(total - up, 1), 1.0)


# Each with its source; a study may change epochs, batch and rate, and says so.
RECIPES = {
    # defaults of train.py, not the paper's text; its crops of ImageNet are those of
    # bioprop.tasks.imagenet, and those of CIFAR-10 are from the replication of Kasprzak et al. 2019
    "xiao": Recipe(
        epochs=90, batch=256, decay=1e-4, schedule="drops", drops=tuple(range(10, 90, 10))
    ),
    # Sanfiz & Akrout 2021, Benchmarks.md: CIFAR-10, and ImageNet with ResNet-18
    "biotorch-cifar": Recipe(
        epochs=250, batch=128, decay=1e-4, schedule="drops", drops=(100, 150, 200)
    ),
    "biotorch-imagenet": Recipe(
        epochs=75, batch=256, decay=1e-4, schedule="drops", drops=(20, 40, 60)
    ),
    # ours, for a small budget: the rate falls all the way, so that a short run ends well
    "short": Recipe(epochs=20, batch=128, decay=5e-4, schedule="ramp", pad=8),
}


def recipe(name: str) -> Recipe:
    """Return the recipe called ``name``; an unknown name raises ``ValueError``."""
    return RECIPES[choose("recipe", name, RECIPES)]
