"""Chapters away from their book: the first cell gets it in Colab, and says how elsewhere."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from site_fixture import Built, copy_small_book

from bioprop.book import launch, provenance
from bioprop.book.home import Home

pytest_plugins = ["site_fixture"]

REPOSITORY = "https://github.com/someone/copy"
CHAPTER = "chapters/one/tiny.ipynb"
TELL = "\nimport bioprop\nprint(bioprop.__file__, bioprop.EDITION)"
EDITIONS = ("old", "new")  # a commit each


def first_cell(place: Home, commit: str = "") -> str:
    """The code that stands before all other code of a prepared notebook."""
    cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("import bioprop")]
    notebook = launch.prepare(nbformat.v4.new_notebook(cells=cells), CHAPTER, place, commit)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code"]
    return notebook.cells[1].source


def run(code: str, folder: Path, *modules: str) -> subprocess.CompletedProcess[str]:
    """Run code with a Python that has no packages but a stand-in for pip, and those modules."""
    stand_ins = folder / "stand-ins"
    (stand_ins / "pip").mkdir(parents=True)
    told = f"import json, sys\njson.dump(sys.argv[1:], open({str(folder / 'pip.json')!r}, 'w'))"
    (stand_ins / "pip" / "__init__.py").write_text("")
    (stand_ins / "pip" / "__main__.py").write_text(told)
    for name in modules:
        target = stand_ins.joinpath(*name.split(".")) / "__init__.py"
        target.parent.mkdir(parents=True)
        target.write_text("")
    begin = "".join(f"import {name}\n" for name in modules)
    source = folder / "source"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment = kept | {
        "PYTHONPATH": str(stand_ins),
        "GIT_CONFIG_COUNT": "1",  # git fetches the repository from a folder
        "GIT_CONFIG_KEY_0": f"url.{source.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": REPOSITORY,
    }
    command = [sys.executable, "-S", "-c", begin + code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


@pytest.fixture
def source(tmp_path: Path) -> dict[str, str]:
    """A repository with a package of the book's name: the commit of each of its editions."""
    root = tmp_path / "source"
    module = root / "src" / "bioprop" / "__init__.py"
    module.parent.mkdir(parents=True)

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        command = ["git", "-C", str(root), *who, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    commits = {}
    for edition in EDITIONS:
        module.write_text(f"EDITION = {edition!r}\n")
        git("add", ".")
        git("commit", "-q", "-m", edition)
        commits[edition] = git("rev-parse", "HEAD")
    return commits


@pytest.mark.parametrize(("at", "got"), [("old", "old"), ("new", "new"), (None, "new")])
def test_in_colab_the_first_cell_gets_the_book_as_it_was_built(
    at: str | None, got: str, source: dict[str, str], tmp_path: Path
) -> None:
    commit = source[at] if at else ""
    done = run(first_cell(Home(REPOSITORY), commit) + TELL, tmp_path, "google.colab")
    assert done.returncode == 0, done.stderr
    copy = tmp_path / launch.COPY
    assert done.stdout.strip() == f"{copy / 'src' / 'bioprop' / '__init__.py'} {got}"
    asked = json.loads((tmp_path / "pip.json").read_text())
    assert asked[0] == "install" and asked[-2:] == ["--editable", launch.COPY]


@pytest.mark.parametrize(
    ("place", "modules", "said"),
    [
        (Home(REPOSITORY), [], f"git clone {REPOSITORY} {launch.COPY}"),
        (Home(), [], "get a copy of the book"),
        (Home(), ["google.colab"], "get a copy of the book"),
    ],
)
def test_elsewhere_it_says_how_and_installs_nothing(
    place: Home, modules: list[str], said: str, source: dict[str, str], tmp_path: Path
) -> None:
    done = run(first_cell(place, source["old"]), tmp_path, *modules)
    assert done.returncode
    [error] = [part for part in done.stderr.split("ModuleNotFoundError: ")[1:]]
    assert said in error and CHAPTER in error and "make book" in error
    assert (f"git checkout {source['old']}" in error) == bool(place.repository)
    assert not (tmp_path / "pip.json").exists() and not (tmp_path / launch.COPY).exists()


@pytest.mark.parametrize(("changes", "known"), [("", "3f" * 20), (" M src/a.py", "")])
def test_code_that_differs_from_its_commit_is_at_none(
    changes: str, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"rev-parse --short=10 HEAD": "3f" * 5, "rev-parse HEAD": "3f" * 20}
    monkeypatch.setattr(provenance, "git", lambda *words: said.get(" ".join(words), changes))
    assert provenance.revision() == known


def test_where_there_is_a_bioprop_the_first_cell_does_nothing(tmp_path: Path) -> None:
    done = run(first_cell(Home(REPOSITORY)), tmp_path, "bioprop", "google.colab")
    assert done.returncode == 0 and not done.stdout + done.stderr
    assert not (tmp_path / "pip.json").exists() and not (tmp_path / launch.COPY).exists()


def test_a_site_offers_notebooks_with_that_cell_and_does_not_show_it(
    small: Built, once: Callable[..., Built], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("BIOPROP_REPOSITORY", REPOSITORY)
        patch.setenv("BIOPROP_ADDRESS", "https://someone.example/copy")
        published = once("published", copy_small_book)
    for built, said in ((small, ""), (published, REPOSITORY)):
        [cell] = [
            cell
            for cell in nbformat.read(built.html / "_sources" / CHAPTER, as_version=4).cells
            if cell.get("id") == "get-bioprop"
        ]
        assert f"REPOSITORY = {said!r}" in cell.source
        page = (built.html / CHAPTER).with_suffix(".html").read_text("utf-8")
        assert "find_spec" not in page
    assert not (small.root / "_build" / "launch").exists()
    launched = nbformat.read(published.root / "_build" / "launch" / CHAPTER, as_version=4)
    assert [cell.get("id") for cell in launched.cells].count("get-bioprop") == 1
    assert not [cell for cell in launched.cells if cell.get("outputs")]
