"""Image data sets in their publishers' own files: found, fetched, and checked against digests."""

import hashlib
import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from bioprop import paths
from bioprop.choose import choose
from bioprop.disk import why

PAUSES = (2.0, 8.0)  # seconds before a download that broke off is tried again


class DataError(Exception):
    """A data file that is missing or not what its publisher ships."""


@dataclass(frozen=True)
class Tree:
    """Many small files that share one digest.

    ``sha256`` is that of every path, a zero byte and the SHA-256 of its file, in the order of
    ``paths(folder)``; ``folders`` are those that the files lie in.
    """

    folders: tuple[str, ...]
    paths: Callable[[Path], list[str]]
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """Files of a data set with their published MD5 digests, and where the publisher has them.

    ``url`` ends in a slash for single files, else it names an archive with digest ``archive``.
    ``folder`` is the publisher's name of it, ``others`` are names that other tools give it.
    """

    folder: str
    files: Mapping[str, str]
    url: str
    archive: str | None = None
    tree: Tree | None = None
    others: tuple[str, ...] = ()

    @property
    def archive_name(self) -> str:
        """The name of the publisher's archive."""
        return self.url.rpartition("/")[2]

    @property
    def parts(self) -> list[str]:
        """The files and folders that are there once the data set is complete."""
        return [*self.files, *(self.tree.folders if self.tree else ())]


def tiny_imagenet_paths(folder: Path) -> list[str]:
    """Return the images of Tiny ImageNet: training images by class, then validation images."""
    wnids = sorted((folder / "wnids.txt").read_text(encoding="ascii").split())
    train = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in wnids for i in range(500)]
    return train + [f"val/images/val_{i}.JPEG" for i in range(10_000)]


DATASETS = {
    "mnist": Dataset(
        folder="mnist",
        files={
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        others=("MNIST/raw",),  # as torchvision leaves it
    ),
    "cifar10": Dataset(
        folder="cifar-10-batches-py",
        files={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        archive="c58f30108f718f92721af3b95e74349a",
    ),
    # The publisher prints no digest. That of the archive is the one which loaders in many places
    # ask for; the others were made from copies of different origin that agree byte for byte.
    "tiny-imagenet": Dataset(
        folder="tiny-imagenet-200",
        files={
            "wnids.txt": "6c81990e2d7ae3bd3c88dceb97b46342",
            "words.txt": "56b81e64546942b54a5946f584dba635",
            "val/val_annotations.txt": "e9a8a28f9975223592f4c6da9fd2369b",
        },
        url="https://cs231n.stanford.edu/tiny-imagenet-200.zip",
        archive="90528d7ca1a48142e341f4ef8d21d0de",
        tree=Tree(
            folders=("train", "val/images"),
            paths=tiny_imagenet_paths,
            sha256="060a57ce60db795912c6301a51563a7999d081aca35819652f2634c166738e9b",
        ),
    ),
}


def places() -> list[Path]:
    """Return the folders to look in: $BIOPROP_DATA, where it is set, and data/cache of the book.

    Raises ``DataError`` where there is neither, or no home that a ``~`` could stand for.
    """
    named = os.environ.get("BIOPROP_DATA")
    if not (named or paths.is_book()):
        raise DataError("set BIOPROP_DATA to a folder for data sets: there is no copy of the book")
    try:
        Path(named or "").expanduser()
    except RuntimeError:
        raise DataError(
            f"BIOPROP_DATA is {named!r}, and nobody knows that home folder; name the folder whole"
        ) from None
    return [*([Path(named).expanduser()] if named else []), *([paths.CACHE] * paths.is_book())]


def find(name: str) -> Path | None:
    """Return the folder that holds a data set, looked for in $BIOPROP_DATA and data/cache.

    A folder with all the files goes before one with some of them.
    """
    dataset = DATASETS[choose("data set", name, DATASETS)]
    named = [folder for folder in _candidates(dataset) if folder.is_dir()]
    there = [*named, *(folder for folder in _inside(dataset) if _some(folder, dataset))]
    whole = [folder for folder in there if not _missing(folder, dataset)]
    return next(iter(whole + there), None)


def complete(name: str, folder: Path) -> bool:
    """Say whether a folder has all parts of a data set; none of them is read."""
    return not _missing(folder, DATASETS[name])


def check(name: str) -> list[Path]:
    """Return the files of a data set; raises ``DataError`` naming each that is not as published.

    Nothing is downloaded; a publisher's archive that lies where data sets are looked for is
    unpacked.
    """
    folder, dataset = find(name), DATASETS[name]
    archive = _archive_at_hand(dataset)
    if archive and (folder is None or _missing(folder, dataset)):
        folder = _unpacked(name, folder, archive)
    if folder is None:
        looked = "\n  ".join(map(str, _candidates(dataset)))
        raise DataError(
            f"data set {name!r} is not here ({_variable()}); there is none of\n  {looked}\n"
            f"Fetch it with: bioprop data fetch {name}"
        )
    return _sound(name, folder, dataset.parts)


def fetch(name: str) -> list[Path]:
    """Return the files of a data set, downloading from the publisher what is not there.

    What is missing is put where the rest of it is, or into $BIOPROP_DATA, or data/cache: the first
    of them that can be written. Files that are there but wrong are never replaced unasked: they
    raise ``DataError``. So does a download that fails or brings another file; nothing of it is
    kept.
    """
    dataset = DATASETS[choose("data set", name, DATASETS)]
    if _archive_at_hand(dataset):
        return check(name)
    folder = _writable(find(name), dataset)
    missing = _missing(folder, dataset)
    _sound(name, folder, [part for part in dataset.parts if part not in missing])
    with _scratch(folder) as scratch:
        if dataset.archive and missing:
            by_hand = f"{dataset.archive_name} into {folder.parent}"
            archive = _download(dataset.url, dataset.archive, scratch, by_hand)
            _unpack(dataset, archive, folder, missing, scratch)
        for file in missing if not dataset.archive else ():
            by_hand = f"{', '.join(_missing(folder, dataset))} into {folder}"
            arrived = _download(dataset.url + file, dataset.files[file], scratch, by_hand)
            os.replace(arrived, folder / file)
    return check(name)


def _variable() -> str:
    named = os.environ.get("BIOPROP_DATA")
    return f"BIOPROP_DATA is {named!r}" if named else "BIOPROP_DATA is not set"


def _candidates(dataset: Dataset) -> list[Path]:
    return [place / name for place in places() for name in (dataset.folder, *dataset.others)]


def _inside(dataset: Dataset) -> list[Path]:
    """Return where the files may lie when the variable names the data set's own folder."""
    tails = [Path(*Path(name).parts[1:]) for name in (dataset.folder, *dataset.others)]
    return [place / tail for place in places() for tail in dict.fromkeys([Path(), *tails])]


def _some(folder: Path, dataset: Dataset) -> bool:
    return any((folder / file).is_file() for file in dataset.files)


def _archive_at_hand(dataset: Dataset) -> Path | None:
    """Return the publisher's archive, where somebody has put it."""
    there = [place / dataset.archive_name for place in places()] if dataset.archive else []
    return next((archive for archive in there if archive.is_file()), None)


def _writable(folder: Path | None, dataset: Dataset) -> Path:
    """Return the folder to complete: the one that was found, or the first that can be written."""
    wanted = [folder] if folder else []
    wanted += [place / dataset.folder for place in places()]
    return next((each for each in wanted if _can_be_written(each)), wanted[-1])


def _can_be_written(folder: Path) -> bool:
    """Say whether files can be put into a folder that is there, or that could be made."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _missing(folder: Path, dataset: Dataset) -> list[str]:
    return [part for part in dataset.parts if not (folder / part).exists()]


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Yield an empty folder inside of another, for one process; it goes, and what was left in it.

    Where a process was killed its files lie there, until the next one comes.
    """
    scratch, made = folder / ".partial", not folder.exists()
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(scratch / "lock", timeout=0):
            for left in scratch.iterdir():
                if left.name != "lock":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except filelock.Timeout:
        raise DataError(
            f"another process is putting files into {folder}; wait for it to end"
        ) from None
    except OSError as error:
        raise DataError(f"could not write in {folder}: {why(error)}") from error
    finally:
        if made:
            with suppress(OSError):  # there is something in it
                folder.rmdir()


def _download(url: str, md5: str, folder: Path, by_hand: str) -> Path:
    """Fetch a file into ``folder``; ``by_hand`` says what a reader can put where instead."""
    import pooch  # only here: in a notebook its import warns of widgets that nobody needs
    import requests

    file = folder / url.rpartition("/")[2]
    for pause in (*PAUSES, None):
        try:
            pooch.HTTPDownloader(progressbar=True)(url, str(file), None)
            break
        except requests.RequestException as error:
            if pause is None or not _passes(error):
                raise DataError(
                    f"could not fetch {url}: {error}. Try again later, or put {by_hand} from a "
                    f"copy you have ({_variable()}); digests are checked"
                ) from error
            time.sleep(pause)
    if fault := _fault(file, md5):
        with open(file, "rb") as opened:
            begins = opened.read(40)
        raise DataError(
            f"{url} gave something else than the data set: {file.stat().st_size} bytes that begin "
            f"with {begins!r} ({fault.rpartition(': ')[2]}). A proxy or a page to log in may stand "
            f"between. Try again later, or put {by_hand} from a copy you have ({_variable()})"
        )
    return file


def _passes(error: Any) -> bool:
    """Say whether it may help to ask again: not where the server says what it will not do."""
    return error.response is None or error.response.status_code in (408, 425, 429, *range(500, 600))


def _unpacked(name: str, folder: Path | None, archive: Path) -> Path:
    """Complete a folder from an archive that was found, once its digest is checked."""
    dataset = DATASETS[name]
    assert dataset.archive is not None
    if fault := _fault(archive, dataset.archive):
        raise DataError(
            f"data set {name!r} is not as published:\n  {fault}\nDelete it, then fetch what is "
            f"missing with: bioprop data fetch {name}"
        )
    folder = _writable(folder, dataset)
    missing = _missing(folder, dataset)
    _sound(name, folder, [part for part in dataset.parts if part not in missing])
    with _scratch(folder) as scratch:
        _unpack(dataset, archive, folder, missing, scratch)
    return folder


def _unpack(
    dataset: Dataset, archive: Path, folder: Path, missing: list[str], scratch: Path
) -> None:
    """Unpack an archive in ``scratch``, then move what is missing to ``folder``, part by part."""
    try:
        _extract(archive, scratch)
        for part in missing:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            os.replace(scratch / dataset.folder / part, folder / part)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"could not unpack {dataset.url}: {error}") from error


def _extract(archive: Path, folder: Path) -> None:
    """Extract a tar or zip archive; a member that would land outside of ``folder`` is refused."""
    if not zipfile.is_zipfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return
    with zipfile.ZipFile(archive) as packed:
        for member in packed.namelist():
            if not (folder / member).resolve().is_relative_to(folder.resolve()):
                raise zipfile.BadZipFile(f"{member!r} would be extracted outside the destination")
        packed.extractall(folder)


def _sound(name: str, folder: Path, parts: list[str]) -> list[Path]:
    dataset = DATASETS[name]
    files = [part for part in parts if part in dataset.files]
    faults = [fault for file in files if (fault := _fault(folder / file, dataset.files[file]))]
    tree = dataset.tree
    if tree and not faults and {*tree.folders, *dataset.files} <= set(parts):
        faults = [fault for fault in (_tree_fault(folder, tree),) if fault]
    if faults:
        listed = "\n  ".join(faults)
        raise DataError(
            f"data set {name!r} is not as published:\n  {listed}\nDelete what is wrong, then fetch "
            f"what is missing with: bioprop data fetch {name}"
        )
    return [folder / part for part in parts]


def _fault(path: Path, md5: str) -> str | None:
    if not path.exists():
        return f"{path}: missing"
    if path.is_dir():
        return f"{path}: a folder where a file should be"
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return None if found == md5 else f"{path}: MD5 is {found}, expected {md5}"


def _tree_fault(folder: Path, tree: Tree) -> str | None:
    digest, files = hashlib.sha256(), tree.paths(folder)
    lost = [path for path in files if not (folder / path).is_file()]
    if lost:
        missing = f"missing, one of {len(lost)} of {len(files)} images"
        return f"{folder / lost[0]}: {missing}. Delete the whole folder"
    for path in files:
        content = hashlib.sha256((folder / path).read_bytes()).digest()
        digest.update(path.encode() + b"\0" + content)
    if digest.hexdigest() == tree.sha256:
        return None
    found = f"the SHA-256 of its {len(files)} images is {digest.hexdigest()}"
    return f"{folder}: {found}, expected {tree.sha256}. Delete the whole folder"
