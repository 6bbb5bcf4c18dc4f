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

from bioprop.book import launch
from bioprop.book.home import Home

pytest_plugins = ["site_fixture"]

REPOSITORY = "https://github.com/someone/copy"
CHAPTER = "chapters/one/tiny.ipynb"
TELL = "\nimport bioprop\nprint(bioprop.__file__)"


def first_cell(place: Home) -> str:
    """The code that stands before all other code of a prepared notebook."""
    cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("import bioprop")]
    notebook = launch.prepare(nbformat.v4.new_notebook(cells=cells), CHAPTER, place)
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
def source(tmp_path: Path) -> Path:
    """A repository with a package of the book's name."""
    root = tmp_path / "source"
    (root / "src" / "bioprop").mkdir(parents=True)
    (root / "src" / "bioprop" / "__init__.py").write_text("")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], check=True)
    return root


def test_in_colab_the_first_cell_gets_the_book(source: Path, tmp_path: Path) -> None:
    done = run(first_cell(Home(REPOSITORY)) + TELL, tmp_path, "google.colab")
    assert done.returncode == 0, done.stderr
    copy = tmp_path / launch.COPY
    assert done.stdout.strip() == str(copy / "src" / "bioprop" / "__init__.py")
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
    place: Home, modules: list[str], said: str, source: Path, tmp_path: Path
) -> None:
    done = run(first_cell(place), tmp_path, *modules)
    assert done.returncode
    [error] = [part for part in done.stderr.split("ModuleNotFoundError: ")[1:]]
    assert said in error and CHAPTER in error and "make book" in error
    assert not (tmp_path / "pip.json").exists() and not (tmp_path / launch.COPY).exists()


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
