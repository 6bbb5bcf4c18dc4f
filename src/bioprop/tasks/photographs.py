"""Images for one deep network: kept on its device as bytes, cropped and normalised in batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning import Streams, generator
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.images import Images


@dataclass
class Photographs:
    """Images in an order that the seed decides, each image once in every epoch.

    Calling the task with a step returns inputs ``(batch, channel, row, column)`` with the channels
    last in memory, and classes ``(batch,)``. Each channel has mean 0 and standard deviation 1 over
    the training images; grey images get three equal ones. Training images are cropped and mirrored
    by ``augmentation``.
    """

    images: Images
    seed: int
    batch: int
    augmentation: Augmentation | None = None
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    def __post_init__(self) -> None:
        self._streams = Streams((self.seed,), device=self.device)
        self._train = self.images.train.to(self.device)
        self._labels = self.images.train_labels.to(self.device)
        self._epoch: tuple[int, Tensor] | None = None
        self.each_epoch = len(self._train) // self.batch  # steps
        if not self.each_epoch:
            raise ValueError(f"a batch of {self.batch} needs more than {len(self._train)} images")
        mean, deviation = (v.view(-1, 1, 1).to(self.device) for v in self.images.normalisation())
        self._mean, self._deviation = mean.to(self.dtype), deviation.to(self.dtype)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self.each_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = generator(self.seed, "order", epoch).permutation(len(self._train))
            self._epoch = (epoch, torch.from_numpy(order).to(self.device))
        chosen = self._epoch[1][place * self.batch : (place + 1) * self.batch]
        pixels = self._train[chosen].view(-1, *self.images.shape)
        if self.augmentation:
            pixels = self.augmentation(pixels[None], self._streams, step)[0]
        return self._normalised(pixels), self._labels[chosen].long()

    def test(self, count: int | None = None, chunk: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
        """Return inputs and classes of the first ``count`` test images, a chunk at a time."""
        return self._chunks(self.images.test[:count], self.images.test_labels[:count], chunk)

    def learnt(self, count: int, chunk: int = 500) -> Iterator[tuple[Tensor, Tensor]]:
        """Return those of the first ``count`` training images, as they are, a chunk at a time."""
        return self._chunks(self._train[:count], self._labels[:count], chunk)

    def probe(self, count: int) -> tuple[Tensor, Tensor]:
        """Return inputs and classes of the first ``count`` training images, as they are."""
        shown = self._train[:count].view(-1, *self.images.shape)
        return self._normalised(shown), self._labels[:count].long()

    def _chunks(
        self, images: Tensor, labels: Tensor, chunk: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for pixels, answers in zip(images.split(chunk), labels.split(chunk), strict=True):
            shown = pixels.to(self.device).view(-1, *self.images.shape)
            yield self._normalised(shown), answers.to(self.device).long()

    def _normalised(self, pixels: Tensor) -> Tensor:
        x = pixels.to(self.dtype, memory_format=torch.channels_last)
        x = x.div_(255).sub_(self._mean).div_(self._deviation)
        return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
