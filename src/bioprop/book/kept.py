"""What a build made of the records, for the next one: it takes as it is what would be made again.

All of it goes when anything changes that it was made from: a source, a record, a reported number, a
verdict that changed, the commit, a package. What chapters run live is made anew by each build.
"""

import hashlib
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from bioprop import paths
from bioprop.book import provenance

FOLDER = paths.BUILD / "kept"
PACKAGE = Path(__file__).parents[1]
Model = TypeVar("Model", bound=pydantic.BaseModel)


def key(*more: Any) -> str:
    """Return the SHA-256 of all that records are judged and drawn with, and of what is given."""
    packages = sorted(f"{each.name} {each.version}" for each in importlib.metadata.distributions())
    facts = json.dumps([sys.version, packages, provenance.commit(), more], sort_keys=True)
    digest = hashlib.sha256(facts.encode())
    for name, path in _sources():
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


def _sources() -> Iterable[tuple[str, Path]]:
    """Yield each file with a name that does not tell where the book lies."""
    for folder in (PACKAGE, paths.RUNS, paths.TWINS, paths.REPORTED):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(folder.parent).as_posix(), path
    yield from ((p.name, p) for p in (paths.CHANGES, paths.HOME, paths.CITATION) if p.is_file())


def only(key: str) -> None:
    """Remove what was kept under any other key."""
    if FOLDER.is_dir():
        for folder in FOLDER.iterdir():
            if folder.name != key:
                shutil.rmtree(folder)


def take(
    key: str, name: str, model: type[Model], make: Callable[[Path], Model], folder: Path
) -> Model:
    """Return what ``make`` does, and have in ``folder`` the files that it writes into one.

    It is called where nothing is kept under this key and name.
    """
    place = FOLDER / key / name
    if not place.is_dir():
        partial = place.with_name(f"{name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "files").mkdir(parents=True)
        text = make(partial / "files").model_dump_json()
        (partial / "made.json").write_text(text, encoding="utf-8")
        partial.rename(place)
    shutil.copytree(place / "files", folder, dirs_exist_ok=True)
    return model.model_validate_json((place / "made.json").read_text(encoding="utf-8"))
