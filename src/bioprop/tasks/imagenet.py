"""ImageNet for a deep network: decoded ahead of it by workers, batch by batch, in shares."""

import os
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning import generator
from bioprop.processes import whole
from bioprop.tasks import folders, generated_folders
from bioprop.tasks.datasets import DataError
from bioprop.tasks.decoding import CHANCES, Decoders, Request, Taken, Ticket
from bioprop.tasks.folders import Folders, Listed

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the official code
AHEAD = 3  # batches that are decoded before they are needed


def load(name: str) -> Folders:
    """Return ``imagenet``, which needs its files, or ``generated``, which is always there."""
    choose("ImageNet", name, ("imagenet", "generated"))
    return folders.find() if name == "imagenet" else folders.read(generated_folders.root())


def workers(usual: int | None = None) -> int:
    """Return how many processes decode: $BIOPROP_WORKERS, or ``usual``, or one for each core.

    Processes that train together on one machine divide its cores.
    """
    named = os.environ.get("BIOPROP_WORKERS")
    if named is None and usual is not None:
        return usual
    if named is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return max(1, (cores or 1) // max(1, whole("LOCAL_WORLD_SIZE", 1)))
    if not named.isdecimal():
        raise ValueError(f"BIOPROP_WORKERS is a number of processes, 0 or more, not {named!r}")
    return int(named)


class Crops:
    """Images in an order that the seed decides, each once in every epoch, cropped at random.

    A batch comes in ``shares`` of equal size. Of them the process of place ``rank`` among ``size``
    has its own; calling the task with a step returns those, a list of images ``(image, 3, side,
    side)``, channels last in memory, with classes ``(image,)``. What happens to an image depends on
    the seed, the step and its place in the batch, so it is the same however many processes decode
    and however many train. An image that cannot be read raises ``DataError``, or with ``skip`` is
    left out of its share: ``left_out`` counts these since it was last asked.
    """

    def __init__(
        self,
        images: Folders,
        seed: int,
        batch: int,
        side: int,
        *,
        shares: int = 1,
        rank: int = 0,
        size: int = 1,
        workers: int = 0,
        decoder: str = "pillow",
        skip: bool = False,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ):
        if batch % shares or shares % size:
            raise ValueError(
                f"a batch of {batch} in {shares} shares cannot be divided among {size} processes: "
                "the shares must divide the batch, and the processes the shares"
            )
        if len(images.train) < batch:
            raise ValueError(f"a batch of {batch} needs more than {len(images.train)} images")
        self.images, self.seed, self.batch, self.side = images, seed, batch, side
        self.rank, self.size, self.skip = rank, size, skip
        self.dtype, self.device = dtype, device
        self.each_epoch = len(images.train) // batch  # steps
        self._share, self._own = batch // shares, batch // size
        slots = AHEAD + 1 if workers else 1
        self._ahead = slots - 1
        self._decoders = Decoders(workers, slots, self._own, side, decoder)
        self._tickets: dict[int, Ticket] = {}
        self._epoch: tuple[int, np.ndarray] | None = None
        self._told: set[str] = set()
        self._missed = 0
        shape = (1, 3, 1, 1)
        self._mean, self._deviation = (
            torch.tensor(v, dtype=dtype, device=device).view(shape) for v in (MEAN, DEVIATION)
        )

    def __call__(self, step: int) -> list[tuple[Tensor, Tensor]]:
        if step not in self._tickets:
            self._drop()
        for k in range(step, step + self._ahead + 1):
            if k not in self._tickets:
                slot = k % self._decoders.slots
                self._tickets[k] = self._decoders.begin(slot, self._requests(k))
        chosen = self._chosen(step)
        taken = self._decoders.take(self._tickets.pop(step))
        x, kept = self._taken(taken, self.images.train, chosen)
        classes = torch.from_numpy(self.images.train.labels[chosen]).to(self.device)
        return [
            (x[mine], classes[mine])
            for k in range(0, self._own, self._share)
            for mine in [torch.arange(k, k + self._share)[kept[k : k + self._share]]]
        ]

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Return images and classes of the test images that this process has, a part at a time."""
        self._drop()
        listed = self.images.test
        parts = [
            np.arange(k, min(k + self._own, len(listed)))
            for k in range(self.rank * self._own, len(listed), self._own * self.size)
        ]
        requests = ([Request(self._path(listed, k)) for k in part.tolist()] for part in parts)
        for part, taken in zip(parts, self._decoders.each(requests), strict=True):
            x, kept = self._taken(taken, listed, part)
            classes = torch.from_numpy(listed.labels[part]).to(self.device)
            if kept.any():
                yield x[kept], classes[kept]

    def left_out(self) -> int:
        """Return how many images could not be shown since this was last asked."""
        missed, self._missed = self._missed, 0
        return missed

    def close(self) -> None:
        """End the workers."""
        self._decoders.close()

    def _requests(self, step: int) -> Sequence[Request]:
        chances = generator(self.seed, "augmentation", step).random((self.batch, CHANCES))
        own = chances[self.rank * self._own : (self.rank + 1) * self._own].tolist()
        paths = (self._path(self.images.train, place) for place in self._chosen(step).tolist())
        return [Request(path, each) for path, each in zip(paths, own, strict=True)]

    def _path(self, listed: Listed, place: int) -> str:
        return str(self.images.root / listed.paths[place])

    def _chosen(self, step: int) -> np.ndarray:
        """Return which training images this process has at a step."""
        epoch, place = divmod(step, self.each_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = generator(self.seed, "order", epoch).permutation(len(self.images.train))
            self._epoch = (epoch, order)
        first = place * self.batch + self.rank * self._own
        return self._epoch[1][first : first + self._own]

    def _taken(self, taken: Taken, listed: Listed, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return images, and which of them could be read."""
        pixels, faults = taken
        kept = torch.ones(len(places), dtype=torch.bool)
        for place, fault in faults:
            self._refuse(listed.paths[places[place]], fault)
            kept[place] = False
        x = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).to(self.dtype)
        return x.div_(255).sub_(self._mean).div_(self._deviation), kept

    def _refuse(self, path: str, fault: str) -> None:
        """Raise ``DataError`` for an image that cannot be read; with ``skip`` name it once."""
        whole = self.images.root / path
        if not self.skip:
            raise DataError(
                f"{whole} cannot be read ({fault}). Put a sound copy there, or set skip = true to "
                "leave it out; the record counts what is left out"
            )
        self._missed += 1
        if path not in self._told:
            self._told.add(path)
            warnings.warn(f"left out: {whole} cannot be read ({fault})", stacklevel=2)

    def _drop(self) -> None:
        for ticket in self._tickets.values():
            self._decoders.drop(ticket)
        self._tickets.clear()
