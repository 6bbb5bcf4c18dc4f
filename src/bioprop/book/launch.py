"""Chapters away from their book: what their first cell does where there is no ``bioprop``.

The sources have no such cell. A notebook that the site offers for download has it, and so have the
chapters in ``_build/launch``, which the publishing workflow puts on a branch for Colab to open.
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from bioprop import paths
from bioprop.book import provenance
from bioprop.book.chapters import chapters
from bioprop.book.home import Home

FOLDER = paths.BUILD / "launch"
BRANCH = "launch"
COPY = "bioprop-book"  # folder that the book is fetched into
CELL = """\
# Colab has no bioprop: there this fetches it, with the records of its book as it was built.
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = {repository!r}
COMMIT = {commit!r}
COPY = Path({copy!r})
if importlib.util.find_spec("bioprop") is None:
    if not REPOSITORY or "google.colab" not in sys.modules:
        raise ModuleNotFoundError({message})
    if not (COPY / "src").exists():
        subprocess.run(["git", "init", "--quiet", str(COPY)], check=True)
        for words in (["fetch", "--depth=1", REPOSITORY, COMMIT], ["checkout", "FETCH_HEAD"]):
            subprocess.run(["git", "-C", str(COPY), words[0], "--quiet", *words[1:]], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--editable"]
    subprocess.run([*pip, str(COPY)], check=True)
    sys.path.insert(0, str(COPY.resolve() / "src"))
"""
MESSAGE = (
    "This chapter needs bioprop and the records of its book. In a terminal:",
    "    {get}",
    "    {copy}$ git checkout {commit}",
    "    {copy}$ make book",
    "Then open {chapter} there, with the Python of its .venv.",
)
GET = "git clone {repository} {copy}"
NEWEST = "HEAD"  # where no commit is known
UNKNOWN = "(get a copy of the book that this notebook is from, as {copy})"


def prepare(notebook: NotebookNode, chapter: str, place: Home, commit: str = "") -> NotebookNode:
    """Put the cell that gets ``bioprop`` behind the title of a notebook; a page does not show it.

    In Colab it installs the book from its repository, where that is known, as it was at ``commit``,
    given by its whole name; without one as it is. Elsewhere it says how.
    """
    get = GET if place.repository else UNKNOWN
    known = {"repository": place.repository or "", "copy": COPY, "chapter": chapter}
    known["commit"] = commit or NEWEST
    there = place.repository and commit
    needed = [line for line in MESSAGE if there or "{commit}" not in line]
    lines = [line.format(get=get.format(**known), **known) for line in needed]
    message = "".join(f"\n            {line + chr(10)!r}" for line in lines) + "\n        "
    cell = nbformat.v4.new_code_cell(
        CELL.format(message=message, **known), id="get-bioprop", metadata={"tags": ["remove-cell"]}
    )
    notebook.cells.insert(1, cell)
    return notebook


def lay_out(executed: Path, place: Home) -> None:
    """Prepare the chapters under a folder, and those to launch where there is a repository."""
    commit = provenance.revision()
    for source in chapters().values():
        name = source.relative_to(paths.ROOT)
        _write(executed / name, executed / name, name.as_posix(), place, commit)
        if place.repository:
            _write(source, FOLDER / name, name.as_posix(), place, commit)


def _write(source: Path, target: Path, chapter: str, place: Home, commit: str) -> None:
    notebook = prepare(nbformat.read(source, as_version=4), chapter, place, commit)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
