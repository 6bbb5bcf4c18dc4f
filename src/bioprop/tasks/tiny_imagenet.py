"""Tiny ImageNet: 200 classes of 64 x 64 photographs, decoded once and kept as one file of bytes.

Decoding the 110 000 JPEGs takes the better part of a minute. What was decoded lies in the folder of
caches behind a SHA-256 of its content; a file that does not match it is made anew.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from bioprop import paths
from bioprop.tasks import datasets

SHAPE = (3, 64, 64)  # channels, rows, columns
CLASSES = 200
TRAIN, TEST = 100_000, 10_000  # images; the publisher's validation images, as only they have labels
SEAL = 32  # bytes of the SHA-256 that comes first


def load() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images ``(image, pixel)``, labels ``(image,)``, test images, their labels.

    All uint8; the pixels of an image in the order of ``SHAPE``. Classes are those of the sorted
    names of the folders, and training images come in turns, one of each class: the last so many of
    them are a balanced choice. Memory is shared between processes that read the same file.
    """
    path = paths.CACHE / "tiny-imagenet-200.uint8"
    sizes = [TRAIN * int(np.prod(SHAPE)), TRAIN, TEST * int(np.prod(SHAPE)), TEST]
    if not _sound(path, sum(sizes)):
        _write(path)
    content = torch.from_file(str(path), size=SEAL + sum(sizes), dtype=torch.uint8)[SEAL:]
    train, labels, test, answers = content.split(sizes)
    return train.view(TRAIN, -1), labels, test.view(TEST, -1), answers


def _sound(path: Path, size: int) -> bool:
    if not path.is_file() or path.stat().st_size != SEAL + size:
        return False
    with open(path, "rb") as file:
        seal = file.read(SEAL)
        return hashlib.file_digest(file, "sha256").digest() == seal


def _write(path: Path) -> None:
    """Decode the publisher's files, once they are checked, and replace ``path`` in one step."""
    datasets.check("tiny-imagenet")
    folder = datasets.find("tiny-imagenet")
    assert folder is not None
    digest = hashlib.sha256()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(bytes(SEAL))
            for part in _parts(folder):
                digest.update(part)
                file.write(part)
            file.seek(0)
            file.write(digest.digest())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _parts(folder: Path) -> Iterator[bytes]:
    """Return what the file holds: training images and labels, test images and labels."""
    classes, each = sorted((folder / "wnids.txt").read_text("ascii").split()), TRAIN // CLASSES
    files = datasets.tiny_imagenet_paths(folder)
    train = [files[k * each + turn] for turn in range(each) for k in range(CLASSES)]
    with tqdm(desc="decoding Tiny ImageNet", total=len(files), disable=None, leave=False) as bar:
        for path in train:
            yield _decoded(folder / path)
            bar.update()
        yield bytes(range(CLASSES)) * each
        for path in files[TRAIN:]:
            yield _decoded(folder / path)
            bar.update()
    lines = (folder / "val" / "val_annotations.txt").read_text("ascii").splitlines()
    answers = dict(line.split("\t")[:2] for line in lines)
    yield bytes(classes.index(answers[Path(path).name]) for path in files[TRAIN:])


def _decoded(path: Path) -> bytes:
    """Decode one JPEG; a grey one, as 1 in 50 is, gets three equal channels."""
    from PIL import Image  # here, as nothing else needs it

    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    if pixels.shape != (*SHAPE[1:], SHAPE[0]):
        raise datasets.DataError(f"{path} is of shape {pixels.shape}, not 64 x 64 pixels")
    return pixels.transpose(2, 0, 1).tobytes()
