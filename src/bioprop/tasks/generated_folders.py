"""A small tree of made-up photographs in the layout of ImageNet, with its odd files among them."""

import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np

from bioprop import paths
from bioprop.learning import generator

CLASSES, EACH, TEST = 8, 24, 8  # classes, training and test images of each
SIZE = (54, 72)  # rows and columns of most


def root() -> Path:
    """Return the tree, made anew where it is not there."""
    return _made(paths.CACHE / f"generated-imagenet-{CLASSES}-{EACH}-{TEST}")


@cache
def _made(folder: Path) -> Path:
    if not folder.is_dir():
        partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
        try:
            write(partial)
            os.replace(partial, folder)
        except OSError:
            if not folder.is_dir():  # another process was faster
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def write(folder: Path, classes: int = CLASSES, each: int = EACH, test: int = TEST) -> None:
    """Write the tree. Class ``k`` has stripes of its own direction and colour under noise.

    Among the training images of the first class are a grey one, a CMYK one, a PNG that is named
    JPEG and one that a camera held upright: what ImageNet has too.
    """
    from PIL import Image

    for k in range(classes):
        name = f"n{k:08d}"
        for part, count in (("train", each), ("val", test)):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                odd = i if part == "train" and k == 0 else -1
                image = Image.fromarray(_photograph(k, classes, (part == "val") * 10**6 + i))
                _save(image, folder / part / name / f"{name}_{i}.JPEG", odd)


def _save(image: "Image.Image", path: Path, odd: int) -> None:  # type: ignore[name-defined]  # noqa: F821
    if odd == 1:
        image.convert("L").save(path, "JPEG")
    elif odd == 2:
        image.convert("CMYK").save(path, "JPEG")
    elif odd == 3:
        image.save(path, "PNG")
    elif odd == 4:
        exif = image.getexif()
        exif[0x0112] = 6  # orientation: to be turned clockwise
        image.save(path, "JPEG", exif=exif)
    else:
        image.save(path, "JPEG", quality=85)


def _photograph(k: int, classes: int, i: int) -> np.ndarray:
    """Return stripes ``(row, column, 3)`` of some phase, width and strength."""
    numbers = generator(k, "data", i)
    turn = np.pi * (k + numbers.uniform(-0.3, 0.3)) / classes
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    width, phase = numbers.uniform(5, 12), numbers.uniform(0, 2 * np.pi)
    stripes = np.sin(2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / width + phase)
    colour = np.cos(2 * np.pi * (k / classes + np.arange(3) / 3))
    noise = 40 * numbers.standard_normal((*SIZE, 3), np.float32)
    return np.clip(128 + 60 * colour + 40 * stripes[..., None] + noise, 0, 255).astype(np.uint8)
