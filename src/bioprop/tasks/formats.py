"""The files of MNIST and CIFAR-10, read as their publishers ship them.

Each function returns training images ``(image, pixel)``, their labels ``(image,)``, test images
and their labels, all uint8.
"""

import gzip
import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bioprop.tasks import datasets

Four = tuple[Tensor, Tensor, Tensor, Tensor]


def mnist() -> Four:
    """Read the four IDX files, each checked against its digest first."""
    train, labels, test, answers = map(_idx, datasets.check("mnist"))
    return train, labels, test, answers


def _idx(path: Path) -> Tensor:
    """Read an IDX file: two zero bytes, a type, a rank, the sizes, then the bytes."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    sizes = np.frombuffer(content, ">i4", rank, 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)
    return torch.from_numpy(values.reshape(sizes[0], -1).squeeze().copy())


def cifar10() -> Four:
    """Read the pickles, which are opened only because their digests have been checked."""
    *train, test, _ = datasets.check("cifar10")
    images, labels = zip(*map(_batch, train), strict=True)
    return torch.cat(images), torch.cat(labels), *_batch(test)


def _batch(path: Path) -> tuple[Tensor, Tensor]:
    """Read 10 000 images: a row of 3072 bytes each, red, green, then blue, and a list of labels."""
    with open(path, "rb") as file:
        batch = pickle.load(file, encoding="bytes")
    return torch.from_numpy(batch[b"data"]), torch.tensor(batch[b"labels"], dtype=torch.uint8)
