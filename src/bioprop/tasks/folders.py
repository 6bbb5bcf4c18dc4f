"""ImageNet as its publisher ships it: a folder of images for each class, found and listed.

Nothing is decoded here, and nothing of PyTorch is needed.
"""

import csv
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bioprop.tasks.datasets import DataError, places

CLASSES = 1000
NAMES = ("imagenet", "ILSVRC2012", "imagenet-1k", "ILSVRC/Data/CLS-LOC", ".")
ENDINGS = (".jpeg", ".jpg", ".png")
DEVKIT = "ILSVRC2012_devkit_t12/data"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True)
class Listed:
    """Images by their paths below the folder, and the class of each, counted from 0."""

    paths: Sequence[str]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Folders:
    """Training and test images of a folder; classes are those of the sorted names of folders."""

    root: Path
    classes: tuple[str, ...]
    train: Listed
    test: Listed

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of every path and class; the images themselves are not read."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            for path, label in zip(part.paths, part.labels.tolist(), strict=True):
                digest.update(f"{path} {label}\n".encode())
        return digest.hexdigest()


def find(classes: int = CLASSES) -> Folders:
    """Return ImageNet from $BIOPROP_DATA or data/cache; ``DataError`` where it is in neither.

    It may have any of the names ``NAMES``; "." is for a variable that names the folder itself.
    """
    if folder := there():
        return read(folder, classes)
    listed = "\n  ".join(map(str, _looked()))
    raise DataError(
        f"ImageNet is not here: no folder with train and val in it is among\n  {listed}\n"
        "It comes from https://image-net.org, once its terms are agreed to; point BIOPROP_DATA at "
        "the folder that holds it"
    )


def there() -> Path | None:
    """Return the folder that holds ImageNet, None where there is none; nothing in it is read."""
    whole = (f for f in _looked() if (f / "train").is_dir() and (f / "val").is_dir())
    return next(whole, None)


def _looked() -> list[Path]:
    """Return the folders that may hold it, in order."""
    return [place / name for place in places() for name in NAMES]


def read(root: Path, classes: int | None = None) -> Folders:
    """List ``train/<class>/*.JPEG`` and the images of ``val``, in folders like these or flat.

    A flat ``val`` needs its classes: the ground truth of the publisher's development kit, Kaggle's
    ``LOC_val_solution.csv`` or Tiny ImageNet's ``val_annotations.txt``, in ``val``, beside it or
    above. Raises ``DataError`` where a class is missing or empty, or unless there are as many
    ``classes``.
    """
    train, test = _by_class(root / "train"), _by_class(root / "val")
    names = sorted(train)
    _complete(root, names, sorted(test) if len(test) > 1 else [], classes)
    if len(test) > 1:
        _none_empty(root / "val", test)
        found = {path: name for name, paths in test.items() for path in paths}
    else:
        found = _annotated(root)
    if strange := sorted(set(found.values()) - set(names)):
        raise DataError(f"{root / 'val'} has images of {strange[0]!r}, which train does not have")
    if unseen := sorted(set(names) - set(found.values())):
        raise DataError(f"{root / 'val'} has no image of {', '.join(unseen[:5])}")
    _none_empty(root / "train", train)
    place = {name: k for k, name in enumerate(names)}
    paths = [path for name in names for path in train[name]]
    labels = np.repeat(np.arange(len(names)), [len(train[name]) for name in names])
    answers = np.array([place[found[path]] for path in sorted(found)], dtype=np.int64)
    return Folders(root, tuple(names), Listed(paths, labels), Listed(sorted(found), answers))


def _by_class(folder: Path) -> dict[str, list[str]]:
    """Return the images below each folder of a folder, by its name."""
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from None
    return {
        name: sorted(_images(folder / name, folder.parent))
        for name in inside
        if not name.startswith(".")
    }


def _images(folder: Path, root: Path) -> Iterator[str]:
    """Yield the images below a folder by their paths below the root."""
    for where, _, files in os.walk(folder):
        below = os.path.relpath(where, root)
        for file in files:
            if file.lower().endswith(ENDINGS) and not file.startswith("."):
                yield f"{below}/{file}"


def _complete(root: Path, names: list[str], test: list[str], classes: int | None) -> None:
    """Refuse a folder that lacks a class, and say which where ``val`` knows it."""
    if missing := sorted(set(test) - set(names)):
        raise DataError(
            f"{root / 'train'} has no folder {', '.join(missing[:5])}, which val has: unpack the "
            "publisher's archive of that class again"
        )
    if missing := sorted(set(names) - set(test)) if test else []:
        raise DataError(f"{root / 'val'} has no folder {', '.join(missing[:5])}, which train has")
    if classes is not None and len(names) != classes:
        raise DataError(f"{root / 'train'} has {len(names)} folders of classes, not {classes}")


def _none_empty(folder: Path, listed: Mapping[str, Sequence[str]]) -> None:
    if empty := [name for name, paths in listed.items() if not paths]:
        raise DataError(f"there is no image in {folder / empty[0]}; endings are {ENDINGS}")


def _annotated(root: Path) -> dict[str, str]:
    """Return the class of each image of a flat ``val``, by its path."""
    images = {Path(path).name: path for path in _images(root / "val", root)}
    if not images:
        raise DataError(f"there is no image in {root / 'val'}; endings are {ENDINGS}")
    above = [root / "val", root, root.parent, *list(root.parents)[1:3]]
    for folder in [each / below for each in above for below in (".", DEVKIT)]:
        for read_from in (_development_kit, _solution, _annotations):
            if answers := _sound(read_from, folder, sorted(images)):
                break
        if answers:
            break
    else:
        raise DataError(
            f"{root / 'val'} holds images without folders of classes, and nothing says which "
            f"classes they are: put {TRUTH} and meta.mat of the publisher's development kit, or "
            f"Kaggle's LOC_val_solution.csv, into {root / 'val'}"
        )
    if unknown := sorted(set(images) - set(answers)):
        raise DataError(f"the file of answers in {folder} names no class of val/{unknown[0]}")
    return {path: answers[name] for name, path in images.items()}


Answers = Callable[[Path, Sequence[str]], dict[str, str]]


def _sound(read_from: Answers, folder: Path, images: Sequence[str]) -> dict[str, str]:
    """Return what a file of answers says; ``DataError`` for one that is not as it was published."""
    try:
        return read_from(folder, images)
    except DataError:
        raise
    except (LookupError, ValueError, TypeError, OSError) as error:
        raise DataError(
            f"the answers to val in {folder} cannot be read ({type(error).__name__}: {error}): "
            f"copy {TRUTH} and meta.mat, or LOC_val_solution.csv, there again"
        ) from error


def _development_kit(folder: Path, images: Sequence[str]) -> dict[str, str]:
    """Read the publisher's own: a number for each image in order, and the class of each number."""
    if not (folder / TRUTH).is_file() or not (folder / "meta.mat").is_file():
        return {}
    import scipy.io  # only here: it takes a while

    try:
        synsets = scipy.io.loadmat(folder / "meta.mat", squeeze_me=True)["synsets"]
    except scipy.io.matlab.MatReadError as error:
        raise ValueError(f"meta.mat: {error}") from error
    named = {int(each["ILSVRC2012_ID"]): str(each["WNID"]) for each in np.atleast_1d(synsets)}
    numbers = [int(word) for word in (folder / TRUTH).read_text("ascii").split()]
    if len(numbers) != len(images):
        raise DataError(
            f"{folder / TRUTH} has answers for {len(numbers)} images, and val has {len(images)}"
        )
    return {image: named[number] for image, number in zip(images, numbers, strict=True)}


def _solution(folder: Path, images: Sequence[str]) -> dict[str, str]:
    """Read Kaggle's answers: ``ImageId,PredictionString``, the class first in the latter."""
    path = folder / "LOC_val_solution.csv"
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="ascii") as file:
        rows = {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}
    return {image: rows[stem] for image in images if (stem := Path(image).stem) in rows}


def _annotations(folder: Path, images: Sequence[str]) -> dict[str, str]:
    """Read the answers of Tiny ImageNet: file name, class, and more."""
    path = folder / "val_annotations.txt"
    if not path.is_file():
        return {}
    pairs = (line.split("\t")[:2] for line in path.read_text("ascii").splitlines())
    return {name: wnid for name, wnid in pairs}
