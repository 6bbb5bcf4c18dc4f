"""What a build made of the records, for the next one: it takes as it is what would be made again.

All of it goes when anything changes that it was made from: a source, a record, a reported number, a
verdict that changed, the history, a package, the processor, where the book is published. What
chapters run live is made anew by each build.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from bioprop import paths
from bioprop.book import home, provenance
from bioprop.start import BEGAN

FOLDER = paths.BUILD / "kept"
PACKAGE = Path(__file__).parents[1]
NEW = "new"  # folder of what is made now: nothing is taken from there
Model = TypeVar("Model", bound=pydantic.BaseModel)


def key(*more: Any) -> str:
    """Return the SHA-256 of all that records are judged and drawn with, and of what is given."""
    facts = {
        "python": sys.version,
        "packages": sorted(f"{p.name} {p.version}" for p in importlib.metadata.distributions()),
        "arithmetic": provenance.arithmetic(),
        "commit": provenance.commit(),
        "cut short": provenance.git("rev-parse", "--is-shallow-repository"),
        "of the package": PACKAGE.is_relative_to(paths.ROOT),  # else that history tells nothing
        "home": {name: os.environ.get(name) for name in home.VARIABLES},
        "given": more,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, path in _sources():
        digest.update(f"{name}\0{_sha256(path)}\0".encode())
    return digest.hexdigest()


def _sources() -> Iterable[tuple[str, Path]]:
    """Yield each file with a name that does not tell where the book lies."""
    for folder in (PACKAGE, paths.RUNS, paths.TWINS, paths.REPORTED):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(folder.parent).as_posix(), path
    yield from ((p.name, p) for p in (paths.CHANGES, paths.HOME, paths.CITATION) if p.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def keeping(*more: Any) -> Iterator[str]:
    """Give the :func:`key` to :func:`take` with, and keep what is made meanwhile for the next.

    It is not kept where a source changed since this process began: whether it was made from the
    old one or from the new one nobody knows.
    """
    now = key(*more)
    if FOLDER.is_dir():
        for folder in FOLDER.iterdir():
            if folder.name != now:
                shutil.rmtree(folder)
    yield now
    made = list(FOLDER.glob(f"{NEW}/*"))
    if made and key(*more) == now and not _changed():
        (FOLDER / now).mkdir(exist_ok=True)
        for each in made:
            shutil.rmtree(FOLDER / now / each.name, ignore_errors=True)
            each.rename(FOLDER / now / each.name)
    shutil.rmtree(FOLDER / NEW, ignore_errors=True)


def _changed() -> bool:
    """Say whether a source was written, or came, since this process began to load its code."""
    return any(path.stat().st_ctime >= BEGAN for _, path in _sources())


def take(
    key: str, name: str, model: type[Model], make: Callable[[Path], Model], folder: Path
) -> Model:
    """Return what ``make`` does, and have in ``folder`` the files that it writes into one.

    It is called where nothing is kept under this key and name, or not as it was written.
    """
    place = FOLDER / key / name
    if not _whole(place):
        place = FOLDER / NEW / name
        (place / "files").mkdir(parents=True)
        text = make(place / "files").model_dump_json()
        (place / "made.json").write_text(text, encoding="utf-8")
        (place / "digest").write_text(digest(place), encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (place / "files").iterdir():  # not copytree, whose errors do not say what is wrong
        shutil.copyfile(path, folder / path.name)
    return model.model_validate_json((place / "made.json").read_text(encoding="utf-8"))


def _whole(place: Path) -> bool:
    """Say whether all is there that was kept: a machine may have stopped before it was written."""
    try:
        return (place / "digest").read_text(encoding="utf-8") == digest(place)
    except (OSError, ValueError):
        return False


def digest(place: Path) -> str:
    """Return the SHA-256 of what is kept in a folder, names and content."""
    kept = [place / "made.json", *sorted((place / "files").iterdir())]
    lines = "".join(f"{_sha256(path)}  {path.name}\n" for path in kept)
    return hashlib.sha256(lines.encode()).hexdigest()
