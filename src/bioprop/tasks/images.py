"""Images with classes, kept in memory as bytes: of handwriting and of things."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning import Streams
from bioprop.tasks import folders, formats, imagenet, resized, tiny_imagenet
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.folders import Folders
from bioprop.tasks.order import shuffled

CLASSES = 10  # of MNIST, of the digits and of CIFAR-10
STAYS = 2**33  # bytes of training images from which on they stay where they are, memory or disk
IMAGENET_SIDE = 224  # pixels, as in the papers
PARTS = 2**28  # bytes of test images from which on only parts of them are made numbers


@dataclass(frozen=True)
class Images:
    """Training and test images ``(image, pixel)``, bytes from 0 to 255, and labels ``(image,)``.

    ``shape`` is that of one image, (channels, rows, columns); its pixels lie in that order.
    Classes are counted from 0 to ``classes`` - 1. ``digest`` is what images are known by where
    there are too many to read them all for that.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    shape: tuple[int, int, int]
    classes: int = CLASSES
    digest: str | None = None

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
        kept, last = (train[:-count], labels[:-count]), (train[-count:], labels[-count:])
        return Images(*kept, *last, self.shape, self.classes)

    def every(self, step: int) -> "Images":
        """Return the images of every ``step``-th class, starting at 0, their classes counted anew.

        Raises ``ValueError`` unless two classes are left.
        """
        if not 0 < step < self.classes:
            raise ValueError(
                f"every {step}th of {self.classes} classes is no choice: give 1 to "
                f"{self.classes - 1}"
            )
        halves = (self.train, self.train_labels), (self.test, self.test_labels)
        chosen = [
            (images[labels % step == 0], labels[labels % step == 0] // step)
            for images, labels in halves
        ]
        return Images(*chosen[0], *chosen[1], self.shape, -(-self.classes // step))

    def normalisation(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel of the training images, from 0 to 1.

        Shape ``(channel,)`` each, float64; from the counts of the 256 values, so exact.
        """
        channels = self.train.view(len(self.train), self.shape[0], -1)
        each = [_moments(channels[:, channel]) for channel in range(self.shape[0])]
        mean, deviation = zip(*each, strict=True)
        return torch.stack(mean) / 255, torch.stack(deviation) / 255


def _moments(values: Tensor, chunk: int = 10_000) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of bytes ``(image, pixel)`` without a copy as numbers."""
    counts = sum(
        torch.bincount(part.flatten(), minlength=256).double() for part in values.split(chunk)
    )
    assert isinstance(counts, Tensor)
    value = torch.arange(256, dtype=torch.float64)
    mean = (counts * value).sum() / counts.sum()
    return mean, ((counts * (value - mean).square()).sum() / (counts.sum() - 1)).sqrt()


@dataclass(frozen=True)
class Parts:
    """Inputs ``(image, pixel)`` of so many images that all of them would fill the memory.

    What is taken of them is a tensor: a slice, or the parts of ``split``, one after another.
    """

    images: Tensor
    numbers: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> Tensor:
        return self.numbers(self.images[part])

    def split(self, count: int) -> Iterator[Tensor]:
        """Yield the inputs of so many images after another."""
        return map(self.numbers, self.images.split(count))


def load(name: str, held_out: int = 0, every: int = 1) -> Images:
    """Return the images called ``digits`` (always there) or of a data set (needs its files).

    With ``held_out`` that many training images stand in for the test images; with ``every`` only
    the images of every so-manieth class are there.
    """
    images = SETS[choose("image set", name, SETS)]()
    if every != 1:
        images = images.every(every)
    return images.held_out(held_out) if held_out else images


@cache
def _mnist() -> Images:
    return Images(*formats.mnist(), shape=(1, 28, 28))


@cache
def _cifar10() -> Images:
    return Images(*formats.cifar10(), shape=(3, 32, 32))


@cache
def _tiny_imagenet() -> Images:
    return Images(*tiny_imagenet.load(), shape=tiny_imagenet.SHAPE, classes=tiny_imagenet.CLASSES)


def from_folders(found: Folders, side: int, workers: int | None = None) -> Images:
    """Return the images of ImageNet's folders at one size, as :mod:`bioprop.tasks.resized` does."""
    read = resized.load(found, side, workers)
    return Images(*read, (3, side, side), classes=len(found.classes), digest=found.digest)


@cache
def _imagenet() -> Images:
    return from_folders(folders.find(), IMAGENET_SIDE)


@cache
def _generated_imagenet() -> Images:
    return from_folders(imagenet.load("generated"), 32, workers=0)


@cache
def _digits() -> Images:
    """The 1797 8 x 8 digits of scikit-learn, every fifth one held out as test images."""
    import sklearn.datasets  # here, as it takes a while and reading MNIST needs none of it

    pixels, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = torch.from_numpy(np.rint(pixels * 255 / 16).astype(np.uint8))
    answers = torch.from_numpy(labels.astype(np.uint8))
    test = torch.arange(len(images)) % 5 == 0
    return Images(images[~test], answers[~test], images[test], answers[test], (1, 8, 8))


SETS: dict[str, Callable[[], Images]] = {
    "mnist": _mnist,
    "cifar10": _cifar10,
    "tiny-imagenet": _tiny_imagenet,
    "imagenet": _imagenet,
    "generated-imagenet": _generated_imagenet,
    "digits": _digits,
}


@dataclass
class Classification:
    """Images in an order of its own for each member, each image once in every epoch.

    Calling the task with a step returns inputs ``(member, batch, pixel)``, the channels of a pixel
    beside each other as layers want them, and 1-hot targets ``(member, batch, class)``. Inputs are
    pixels from 0 to 1 (``unit``), or have mean 0 and standard deviation 1 over all pixels of the
    training images (``standardised``). With an ``augmentation`` each training image is cropped and
    mirrored anew each time; test images never.
    """

    images: Images
    streams: Streams
    batch: int
    inputs: str = "unit"
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        choose("kind of input", self.inputs, ("unit", "standardised"))
        if self.augmentation:
            self.augmentation.fits(self.images.shape)
        self._epoch: tuple[int, Tensor] | None = None
        self._shift, self._scale = 0.0, 1 / 255
        if self.inputs == "standardised":
            mean, spread = _moments(self.images.train)
            self._shift, self._scale = float(-mean / spread), float(1 / spread)
        hot = torch.eye(self.images.classes, dtype=self.streams.dtype)
        self._hot = hot.to(self.streams.device)
        stays = self.images.train.nbytes >= STAYS
        self._train = self.images.train.to("cpu" if stays else self.streams.device)
        self._labels = self.images.train_labels.long().to(self.streams.device)
        self._each_epoch = len(self._train) // self.batch
        if not self._each_epoch:
            raise ValueError(f"a batch of {self.batch} needs more than {len(self._train)} images")

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self._each_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, shuffled(self.streams, len(self._train), epoch))
        chosen = self._epoch[1][:, place * self.batch : (place + 1) * self.batch]
        pixels = self._train[chosen.to(self._train.device)].to(self.streams.device)
        if self.augmentation:
            shown = pixels.view(*chosen.shape, *self.images.shape)
            pixels = self.augmentation(shown, self.streams, step).view(pixels.shape)
        return self._scaled(pixels), self._hot[self._labels[chosen]]

    def test(self, count: int | None = None) -> tuple[Any, Tensor]:
        """Return test inputs ``(image, pixel)`` and labels ``(image,)``, the first ``count``.

        Inputs are a tensor, or of very many images :class:`Parts`.
        """
        x = Parts(self.images.test[:count], self._scaled)
        labels = self.images.test_labels[:count].long().to(self.streams.device)
        return x[:] if x.images.nbytes < PARTS else x, labels

    def _scaled(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.streams.device)
        channels_last = pixels.unflatten(-1, (self.images.shape[0], -1)).mT.flatten(-2)
        return channels_last.to(self.streams.dtype).mul_(self._scale).add_(self._shift)
