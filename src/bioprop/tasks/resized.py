"""ImageNet's folders at one size: every image decoded once and kept as a byte a number, on disk.

ImageNet at 224 x 224 pixels has 200 GB, so the file is mapped into memory and not read: what a
batch needs comes from the disk. An interruption loses a batch; the next call goes on.
"""

import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bioprop import paths
from bioprop.disk import using
from bioprop.learning.memory import words
from bioprop.tasks.datasets import DataError
from bioprop.tasks.decoding import Decoders, Request
from bioprop.tasks.folders import Folders
from bioprop.tasks.imagenet import AHEAD, workers

BATCH = 256  # images that are decoded at a time


def load(
    found: Folders, side: int, usual: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images ``(image, pixel)``, labels ``(image,)``, test images, their labels.

    Images are uint8, the pixels of one in the order (channel, row, column), and cannot be written
    to. They are shown as the whole-ImageNet run shows test images: the middle, ``side`` pixels
    wide, of the image made 8/7 of that on its shorter side. Training images come in turns, see
    :func:`in_turns`. ``usual`` is how many processes decode. Raises ``DataError`` for an image that
    cannot be read, and where the disk has too little room or refuses.
    """
    order, pixels = in_turns(found.train.labels), 3 * side * side
    path = place(found, side)
    if not path.is_file():
        images = [*(found.train.paths[k] for k in order), *found.test.paths]
        with using(path, DataError):
            _write(path, [str(found.root / image) for image in images], side, usual)
    if (there := path.stat().st_size) != size(found, side):
        raise DataError(
            f"{path} has {there} bytes and should have {size(found, side)}: it is damaged. Delete "
            "it, and it is made anew"
        )
    mapped = np.memmap(path, np.uint8, "r").reshape(-1, pixels)
    with warnings.catch_warnings(action="ignore"):  # nobody writes to it
        train, test = torch.from_numpy(mapped).split([len(found.train), len(found.test)])
    labels, answers = found.train.labels[order], found.test.labels
    return train, torch.from_numpy(labels), test, torch.from_numpy(answers)


def place(found: Folders, side: int) -> Path:
    """Return the file of a folder's images at one size; another folder has another."""
    return paths.CACHE / f"imagenet-{side}-{found.digest[:12]}.uint8"


def size(found: Folders, side: int) -> int:
    """Return the bytes of the file."""
    return (len(found.train) + len(found.test)) * 3 * side * side


def room(found: Folders, side: int) -> None:
    """Raise ``DataError`` where the file is not there and the disk has no room for it."""
    path = place(found, side)
    partial, there = _partial(path), next(p for p in path.parents if p.exists())
    wanted = size(found, side) - (partial.stat().st_size if partial.exists() else 0)
    free = shutil.disk_usage(there).free
    if not path.is_file() and wanted > free:
        raise DataError(
            f"the images of {found.root} at {side} x {side} pixels take {words(wanted)} in "
            f"{path.parent}, and {words(free)} are free. Free some space, or let {path.parent} be "
            "a link to a larger disk"
        )


def in_turns(labels: np.ndarray) -> np.ndarray:
    """Return an order ``(image,)`` in which classes take turns, of labels that ascend.

    Classes differ in their number of images, and turns are counted from the end, so that the last
    so many images are a balanced choice.
    """
    left = np.concatenate([np.arange(count, 0, -1) for count in np.bincount(labels)])
    return np.lexsort((labels, -left))


def _partial(path: Path) -> Path:
    return path.with_suffix(".partial")


def _write(path: Path, images: Sequence[str], side: int, usual: int | None) -> None:
    """Decode what is not decoded yet, by one process at a time, and name the file when it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_suffix(".lock")), open(_partial(path), "ab") as file:
        if path.is_file():  # another process made it meanwhile
            return
        done, rest = divmod(file.tell(), 3 * side * side)
        if rest:  # of a write that was cut short
            file.truncate(done * 3 * side * side)
        with tqdm(
            desc="decoding ImageNet", initial=done, total=len(images), disable=None, leave=False
        ) as bar:
            for batch in _decoded(images[done:], side, usual):
                file.write(batch)
                bar.update(len(batch) // (3 * side * side))
        file.flush()
        os.fsync(file.fileno())  # before it has its name
        os.replace(_partial(path), path)


def _decoded(images: Sequence[str], side: int, usual: int | None) -> Iterator[bytes]:
    """Yield the bytes of images, some at a time."""
    count = workers(usual)
    decoders = Decoders(count, AHEAD + 1 if count else 1, BATCH, side)
    parts = [images[k : k + BATCH] for k in range(0, len(images), BATCH)]
    try:
        requests = ([Request(image) for image in part] for part in parts)
        for part, (pixels, faults) in zip(parts, decoders.each(requests), strict=True):
            for k, fault in faults:
                raise DataError(f"{part[k]} cannot be read ({fault}). Put a sound copy there")
            yield pixels.transpose(0, 3, 1, 2).tobytes()
    finally:
        decoders.close()
