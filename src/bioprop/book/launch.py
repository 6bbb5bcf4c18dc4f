"""Chapters away from their book: what their first cell does where there is no ``bioprop``.

The sources have no such cell. A notebook that the site offers for download has it, and so have the
chapters in ``_build/launch``, which the publishing workflow puts on a branch for Colab to open.
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from bioprop import paths
from bioprop.book.chapters import chapters
from bioprop.book.home import Home

FOLDER = paths.BUILD / "launch"
BRANCH = "launch"
COPY = "bioprop-book"  # folder that the book is fetched into
CELL = """\
# Colab has no bioprop: there this fetches it, with the records of its book.
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = {repository!r}
COPY = Path({copy!r})
if importlib.util.find_spec("bioprop") is None:
    if not REPOSITORY or "google.colab" not in sys.modules:
        raise ModuleNotFoundError({message})
    if not COPY.exists():
        clone = ["git", "clone", "--quiet", "--depth=1", REPOSITORY, str(COPY)]
        subprocess.run(clone, check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--editable"]
    subprocess.run([*pip, str(COPY)], check=True)
    sys.path.insert(0, str(COPY.resolve() / "src"))
"""
MESSAGE = (
    "This chapter needs bioprop and the records of its book. In a terminal:",
    "    {get}",
    "    {copy}$ make book",
    "Then open {chapter} there, with the Python of its .venv.",
)
GET = "git clone {repository} {copy}"
UNKNOWN = "(get a copy of the book that this notebook is from, as {copy})"


def prepare(notebook: NotebookNode, chapter: str, place: Home) -> NotebookNode:
    """Put the cell that gets ``bioprop`` behind the title of a notebook; a page does not show it.

    In Colab it installs the book from its repository, where that is known; elsewhere it says how.
    """
    get = GET if place.repository else UNKNOWN
    known = {"repository": place.repository or "", "copy": COPY, "chapter": chapter}
    lines = [line.format(get=get.format(**known), **known) for line in MESSAGE]
    message = "".join(f"\n            {line + chr(10)!r}" for line in lines) + "\n        "
    cell = nbformat.v4.new_code_cell(
        CELL.format(message=message, **known), id="get-bioprop", metadata={"tags": ["remove-cell"]}
    )
    notebook.cells.insert(1, cell)
    return notebook


def lay_out(executed: Path, place: Home) -> None:
    """Prepare the chapters under a folder, and those to launch where there is a repository."""
    for source in chapters().values():
        name = source.relative_to(paths.ROOT)
        _write(executed / name, executed / name, name.as_posix(), place)
        if place.repository:
            _write(source, FOLDER / name, name.as_posix(), place)


def _write(source: Path, target: Path, chapter: str, place: Home) -> None:
    notebook = prepare(nbformat.read(source, as_version=4), chapter, place)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
