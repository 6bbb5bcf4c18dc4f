"""Which image sets are known: what they are, where they come from, and which are here."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bioprop.tasks import datasets, folders

State = Literal["here", "here in part", "not here"]


@dataclass(frozen=True)
class Known:
    """An image set: ``name`` is that of studies' settings, ``size`` the bytes of the download.

    ``licence`` is what its publisher says of use, as far as anything is said. ``size`` is None
    where nothing is downloaded.
    """

    name: str
    what: str
    source: str
    licence: str
    size: int | None = None

    @property
    def fetched(self) -> bool:
        """Whether ``bioprop data fetch`` brings it."""
        return self.name in datasets.DATASETS

    def found(self) -> tuple[State, Path | None]:
        """Return whether it is here, and where; no file is opened, so ``check`` may know better.

        Raises ``DataError`` where there is no place to look.
        """
        if self.name == "imagenet":
            folder = folders.there()
            whole = folder and len(os.listdir(folder / "train")) >= folders.CLASSES
        elif self.fetched:
            folder = datasets.find(self.name)
            whole = folder and datasets.complete(self.name, folder)
        else:
            return "here", None
        return ("not here" if folder is None else "here" if whole else "here in part"), folder


KNOWN = (
    Known(
        "mnist",
        "70 000 handwritten digits, 28 x 28, grey",
        datasets.DATASETS["mnist"].url,
        "CC BY-SA 3.0",
        11_594_722,
    ),
    Known(
        "cifar10",
        "60 000 photographs of 10 classes, 32 x 32",
        datasets.DATASETS["cifar10"].url,
        "none is stated; its page asks to be cited",
        170_498_071,
    ),
    Known(
        "tiny-imagenet",
        "110 000 photographs of 200 classes, 64 x 64",
        datasets.DATASETS["tiny-imagenet"].url,
        "none is stated; the photographs are ImageNet's",
        248_100_043,
    ),
    Known(
        "imagenet",
        "1 331 167 photographs of 1000 classes",
        "https://image-net.org, once its terms are agreed to",
        "for research and teaching that is not commercial",
        147_897_477_120 + 6_744_924_160,
    ),
    Known(
        "digits",
        "1797 handwritten digits, 8 x 8, grey",
        "scikit-learn, with which they come",
        "CC BY 4.0",
    ),
    Known(
        "generated-imagenet",
        "256 made-up photographs of 8 classes, 32 x 32, in folders as ImageNet's",
        "this machine, which draws them when they are first asked for",
        "free of any",
    ),
)
