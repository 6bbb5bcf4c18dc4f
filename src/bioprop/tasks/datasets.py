"""Image data sets in their publishers' own files: found, fetched, and checked against digests."""

import hashlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bioprop import paths
from bioprop.choose import choose


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
    """Return the folders to look in: $BIOPROP_DATA, where it is set, and data/cache."""
    named = os.environ.get("BIOPROP_DATA")
    return [*([Path(named).expanduser()] if named else []), paths.CACHE]


def find(name: str) -> Path | None:
    """Return the folder that holds a data set, looked for in $BIOPROP_DATA and data/cache.

    A folder with all the files goes before one with some of them.
    """
    dataset = DATASETS[choose("data set", name, DATASETS)]
    there = [folder for folder in _candidates(dataset) if folder.is_dir()]
    whole = [folder for folder in there if not _missing(folder, dataset)]
    return next(iter(whole + there), None)


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
            f"data set {name!r} is not in $BIOPROP_DATA nor in {paths.CACHE}; there is none of\n  "
            f"{looked}\nFetch it with: bioprop data fetch {name}"
        )
    return _sound(name, folder, dataset.parts)


def fetch(name: str) -> list[Path]:
    """Return the files of a data set, downloading from the publisher what is not there.

    Files that are there but wrong are never replaced unasked: they raise ``DataError``. So does a
    download that fails or brings another file; nothing of it is kept.
    """
    dataset = DATASETS[choose("data set", name, DATASETS)]
    if _archive_at_hand(dataset):
        return check(name)
    folder = _writable(find(name), dataset)
    missing = _missing(folder, dataset)
    _sound(name, folder, [part for part in dataset.parts if part not in missing])
    if dataset.archive and missing:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            where = folder.parent / dataset.archive_name
            archive = _download(dataset.url, dataset.archive, Path(scratch), where)
            _unpack(dataset, archive, folder, missing)
    for file in missing if not dataset.archive else ():
        _download(dataset.url + file, dataset.files[file], folder, folder / file)
    return check(name)


def _candidates(dataset: Dataset) -> list[Path]:
    return [place / name for place in places() for name in (dataset.folder, *dataset.others)]


def _archive_at_hand(dataset: Dataset) -> Path | None:
    """Return the publisher's archive, where somebody has put it."""
    there = [place / dataset.archive_name for place in places()] if dataset.archive else []
    return next((archive for archive in there if archive.is_file()), None)


def _writable(folder: Path | None, dataset: Dataset) -> Path:
    """Return the folder to complete: the one that was found, or one where files can be written."""
    if folder and os.access(folder, os.W_OK):
        return folder
    return paths.CACHE / dataset.folder


def _missing(folder: Path, dataset: Dataset) -> list[str]:
    return [part for part in dataset.parts if not (folder / part).exists()]


def _download(url: str, md5: str, folder: Path, where: Path) -> Path:
    """Fetch a file into ``folder``; ``where`` is the place that a reader can put it at instead."""
    import pooch  # only here: in a notebook its import warns of widgets that nobody needs

    try:
        file = pooch.retrieve(url, f"md5:{md5}", where.name, folder, progressbar=True)
        return Path(file)
    except (OSError, ValueError) as error:  # ValueError: wrong digest
        raise DataError(
            f"could not fetch {url}: {error}. Try again later, or put the published file at "
            f"{where} from a copy you have; its digest is checked"
        ) from error


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
    _unpack(dataset, archive, folder, missing)
    return folder


def _unpack(dataset: Dataset, archive: Path, folder: Path, missing: list[str]) -> None:
    """Unpack an archive beside ``folder``, then move what is missing there, part by part."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            _extract(archive, Path(scratch))
            for part in missing:
                (folder / part).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(scratch) / dataset.folder / part, folder / part)
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
        return f"{folder / lost[0]}: missing, one of {len(lost)} of {len(files)} images"
    for path in files:
        content = hashlib.sha256((folder / path).read_bytes()).digest()
        digest.update(path.encode() + b"\0" + content)
    if digest.hexdigest() == tree.sha256:
        return None
    found = f"the SHA-256 of its {len(files)} images is {digest.hexdigest()}"
    return f"{folder}: {found}, expected {tree.sha256}. Delete the whole folder"
