"""The pages about the library: their code runs, and the reference lists every module."""

import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest
from helpers import ROOT

import bioprop.deep
import bioprop.learning
import bioprop.studies
import bioprop.tasks
from bioprop.book.reference import shown

PAGES = ("own-data.md", "own-network.md")
CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = CODE.findall((ROOT / page).read_text("utf-8"))
    scope: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), scope)
    assert len(blocks) > 5 and capsys.readouterr().out


def modules() -> list[str]:
    """All modules of the library, packages included, and what studies and chapters share."""
    shared = pkgutil.iter_modules(bioprop.studies.__path__, "bioprop.studies.")
    found = ["bioprop.studies", *(module.name for module in shared if not module.ispkg)]
    found += ["bioprop.book.page"]
    for package in (bioprop.learning, bioprop.deep, bioprop.tasks):
        inside = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        found += [package.__name__, *(module.name for module in inside)]
    return found


def test_the_reference_lists_every_module_once() -> None:
    pages = sorted(ROOT.glob("reference-*.md"))
    listed = [
        name
        for page in pages
        for name in re.findall(r"^\.\. automodule:: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    assert sorted(listed) == sorted(modules())
    contents = (ROOT / "_toc.yml").read_text("utf-8")
    assert not [page.stem for page in pages if f"file: {page.stem}\n" not in contents]


@pytest.mark.parametrize("name", modules())
def test_what_is_public_has_words_in_the_reference(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for word, thing in vars(module).items():
        if getattr(thing, "__module__", None) == name and not word.startswith("_"):
            assert inspect.getdoc(thing), thing


@pytest.mark.parametrize(
    "raw, read",
    [
        ("(cost: dict = <factory>)", "(cost: dict = ...)"),
        ("(f: Any = <function Claim.<lambda>>, b: int = 1)", "(f: Any = ..., b: int = 1)"),
        ("(f: Any = S(of=<function outer.<locals>.inner>))", "(f: Any = S(of=...))"),
        ("(low: float = -inf)", "(low: float = -inf)"),
        (None, None),
    ],
)
def test_a_signature_shows_no_code_that_is_a_default(raw: str | None, read: str | None) -> None:
    nothing: Any = None
    assert shown(nothing, "class", "C", nothing, nothing, raw, "C") == (read, "C")
