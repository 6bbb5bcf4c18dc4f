"""Images of handwriting, kept in memory as bytes: MNIST, and the digits that scikit-learn ships."""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning import Streams, generator
from bioprop.tasks import datasets

CLASSES = 10


@dataclass(frozen=True)
class Images:
    """Training and test images ``(image, pixel)``, bytes from 0 to 255, and labels ``(image,)``."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All that was read, in a fixed order."""
        return self.train, self.train_labels, self.test, self.test_labels

    @property
    def pixels(self) -> int:
        """Number of inputs of a network."""
        return self.train.shape[1]

    def held_out(self, count: int) -> "Images":
        """Return images whose test images are the last ``count`` training images, to choose by.

        Raises ``ValueError`` unless some training images are left.
        """
        if not 0 < count < len(self.train):
            raise ValueError(
                f"{count} images cannot be held out of {len(self.train)}: hold out 1 to "
                f"{len(self.train) - 1}"
            )
        train, labels = self.train, self.train_labels
        return Images(train[:-count], labels[:-count], train[-count:], labels[-count:])


def load(name: str, held_out: int = 0) -> Images:
    """Return the images called ``mnist`` (needs the files) or ``digits`` (always there).

    With ``held_out`` that many training images stand in for the test images.
    """
    images = SETS[choose("image set", name, SETS)]()
    return images.held_out(held_out) if held_out else images


@cache
def _mnist() -> Images:
    """The publisher's four files, each checked against its digest before it is read."""
    paths = datasets.check("mnist")
    return Images(*(_idx(path) for path in paths))


def _idx(path: Path) -> Tensor:
    """Read an IDX file: two zero bytes, a type, a rank, the sizes, then the bytes."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    sizes = np.frombuffer(content, ">i4", rank, 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)
    return torch.from_numpy(values.reshape(sizes[0], -1).squeeze().copy())


@cache
def _digits() -> Images:
    """The 1797 8 x 8 digits of scikit-learn, every fifth one held out as test images."""
    import sklearn.datasets  # here, as it takes a while and reading MNIST needs none of it

    pixels, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(pixels * 255 / 16).astype(np.uint8))
    answers = torch.from_numpy(labels.astype(np.uint8))
    test = torch.arange(len(images)) % 5 == 0
    return Images(images[~test], answers[~test], images[test], answers[test])


SETS = {"mnist": _mnist, "digits": _digits}


@dataclass
class Classification:
    """Images in an order of its own for each member, each image once in every epoch.

    Calling the task with a step returns inputs ``(member, batch, pixel)`` and 1-hot targets
    ``(member, batch, class)``. Inputs are pixels from 0 to 1 (``unit``), or have mean 0 and
    standard deviation 1 over all pixels of the training images (``standardised``).
    """

    images: Images
    streams: Streams
    batch: int
    inputs: str = "unit"

    def __post_init__(self) -> None:
        choose("kind of input", self.inputs, ("unit", "standardised"))
        self._epoch: tuple[int, Tensor] | None = None
        self._shift, self._scale = 0.0, 1 / 255
        if self.inputs == "standardised":
            spread, mean = torch.std_mean(self.images.train.double())
            self._shift, self._scale = float(-mean / spread), float(1 / spread)
        self._hot = torch.eye(CLASSES, dtype=self.streams.dtype, device=self.streams.device)
        self._train = self.images.train.to(self.streams.device)
        self._labels = self.images.train_labels.long().to(self.streams.device)
        self._each_epoch = len(self._train) // self.batch
        if not self._each_epoch:
            raise ValueError(f"a batch of {self.batch} needs more than {len(self._train)} images")

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self._each_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, self._shuffled(epoch))
        chosen = self._epoch[1][:, place * self.batch : (place + 1) * self.batch]
        return self._scaled(self._train[chosen]), self._hot[self._labels[chosen]]

    def test(self, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Return test inputs ``(image, pixel)`` and labels ``(image,)``, the first ``count``."""
        x = self._scaled(self.images.test[:count].to(self.streams.device))
        return x, self.images.test_labels[:count].long().to(self.streams.device)

    def _scaled(self, pixels: Tensor) -> Tensor:
        return pixels.to(self.streams.dtype).mul_(self._scale).add_(self._shift)

    def _shuffled(self, epoch: int) -> Tensor:
        """Return the order of one epoch, ``(member, image)``."""
        orders = {
            seed: torch.from_numpy(generator(seed, "order", epoch).permutation(len(self._train)))
            for seed in dict.fromkeys(self.streams.seeds)
        }
        return torch.stack([orders[s] for s in self.streams.seeds]).to(self.streams.device)
