"""The book, built by its own command in a folder of its own: once for all tests that look at it.

A test module takes these fixtures with ``pytest_plugins = ["site_fixture"]``.
PYTEST_DONT_REWRITE: the module is also imported by name, before pytest could rewrite its asserts.
"""

import functools
import http.server
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import nbformat
import pytest

SOURCES = Path(__file__).parent.parent
PAGES = ("_config.yml", "_toc.yml", "_static", "vendor", "references.bib")
SMALL = """# Small

A fourth layer: {recorded}`depth-fa-deeper`, {aside}`depth-fa-deeper`.
Rates: {number}`linear-rates compared`.

```{scorecard}
```

```{costs}
```

```{reruns}
```

```{amplifying}
```

```{gallery}
```

```{cite-book}
```

```{changed}
```

```{intervals}
```

```{result-figure} toy-flow
```

```{result-figure} linear-nse
```
"""
TOC = "format: jb-book\nroot: index\nchapters:\n  - file: chapters/one/tiny\n"


@dataclass(frozen=True)
class Built:
    """A folder of sources with the site that was built there."""

    root: Path
    said: str  # by the command
    seconds: float  # of processor time

    @property
    def html(self) -> Path:
        """The site."""
        return self.root / "_build" / "html"

    @property
    def index(self) -> dict[str, Any]:
        """What the site says of itself in ``index.json``; NaN and Infinity are no JSON."""
        text = (self.html / "index.json").read_text("utf-8")
        return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in index.json"))

    @property
    def pages(self) -> dict[str, Path]:
        """Every page by its address in the site."""
        found = sorted(self.html.rglob("*.html"))
        names = {str(path.relative_to(self.html)): path for path in found}
        return {name: p for name, p in names.items() if not name.startswith(("_static", "mathjax"))}


def bioprop(root: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a reader does, on the sources in a folder, in this environment."""
    command = [str(Path(sys.executable).with_name("bioprop")), *words]
    plain = {"COLUMNS": "200", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    environment = os.environ | plain | {"BIOPROP_ROOT": str(root)} | more
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)


def build(root: Path, **more: str) -> Built:
    """Build the book of a folder at tier smoke; a build that fails fails the test."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = bioprop(root, "book", "--tier", "smoke", **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Built(root, done.stdout, spent)


def of_a_stranger(root: Path) -> dict[str, str]:
    """Return the environment of a reader whose settings are none of ours; a site is the same."""
    rc = root.with_name(f"{root.name}-matplotlibrc")  # not in the folder that it works in
    rc.write_text("axes.titlepad: 40\nsvg.fonttype: path\n")
    return {"MATPLOTLIBRC": str(rc), "PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland"}


def copy_book(root: Path) -> None:
    """Lay out all that the book is built from."""
    _copy(root, *PAGES, "chapters", "data/runs", "data/twins", "data/reruns")
    for page in SOURCES.glob("*.md"):
        _copy(root, page.name)


def copy_small_book(root: Path) -> None:
    """Lay out a cover and a chapter of two cells, with the records of one study."""
    _copy(root, *PAGES, "data/runs/toy-network")
    (root / "index.md").write_text(SMALL)
    (root / "_toc.yml").write_text(TOC)
    write_chapter(root / "chapters" / "one" / "tiny.ipynb", "print(tier, members)")
    for name, said in {"small": "agrees", "backprop": "w differs | by 0.5\n    none moves"}.items():
        place = Path("toy-network", "paper", f"{name}.json")
        record = json.loads((root / "data" / "runs" / place).read_text())
        rerun = {
            "record": record["digest"],
            "code": "",
            "agrees": said == "agrees",
            "how": "as closely as rounding lets it",
            "said": said,
            "where": "a processor",
            "provenance": {},
        }
        (root / "data" / "reruns" / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / "reruns" / place).write_text(json.dumps(rerun))


def write_chapter(path: Path, *code: str) -> None:
    """Write a notebook with a heading, the parameters that chapters have, and cells of code."""
    heading = nbformat.v4.new_markdown_cell("# A tiny chapter")
    given = 'tier: str = "quick"  # how much to run\nmembers: int = 0  # networks for each rule'
    parameters = nbformat.v4.new_code_cell(given, metadata={"tags": ["parameters"]})
    cells = [heading, parameters, *map(nbformat.v4.new_code_cell, code)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def _copy(root: Path, *names: str) -> None:
    for name in (
        *names,
        "data/reported",
        "data/costs.json",
        "CITATION.cff",
        "data/changed-verdicts.yaml",
    ):
        source, target = SOURCES / name, root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns(".ipynb_checkpoints")
            shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Built]:
    """A function that builds a book once, whichever of the processes under test asks first."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder in the one that all share
        shared = shared.parent

    def make(name: str, lay_out: Callable[[Path], None]) -> Built:
        root, done = shared / name, shared / f"{name}.json"
        with filelock.FileLock(shared / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(root, ignore_errors=True)
                lay_out(root)
                fresh = build(root, **of_a_stranger(root))
                done.write_text(json.dumps([fresh.said, fresh.seconds]))
        return Built(root, *json.loads(done.read_text()))

    return make


@pytest.fixture(scope="session")
def built(once: Callable[..., Built]) -> Built:
    """The whole book, built at tier smoke. Tests read it and leave it as it is."""
    return once("book", copy_book)


@pytest.fixture(scope="session")
def small(once: Callable[..., Built]) -> Built:
    """A small book, built at tier smoke. Tests read it and leave it as it is."""
    return once("small", copy_small_book)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and keeps no log."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def address(built: Built) -> Iterator[str]:
    """The address of the book, served on this machine only."""
    handler = functools.partial(Quiet, directory=str(built.html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()
