"""Where a claim stands in the code: its criterion, the commit that fixed it, its measure."""

import ast
import datetime
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from bioprop.book.provenance import git
from bioprop.studies import Claim
from bioprop.studies.study import Lines

PACKAGE = Path(__file__).parents[1]
# What decides a verdict, of all that a claim declares.
CRITERION = ("holds", "partly", "summary", "reported")
UNCOMMITTED = "0" * 10


@dataclass(frozen=True)
class Commit:
    """A commit by its short name, and its day in words."""

    name: str
    day: str


def fixed(claim: Claim) -> Commit | None:
    """Return the last commit that changed the lines of a claim's criterion.

    None where that is not known: in sources without their history, or where they are changed since.
    """
    found = [
        commit
        for lines in claim.declared
        for part in _criterion(lines)
        for commit in _blame(part.file)[part.first - 1 : part.last]
    ]
    if not found or None in found:
        return None
    when, name = max(commit for commit in found if commit)
    day = datetime.datetime.fromtimestamp(when, datetime.UTC)
    return Commit(name, f"{day.day} {day:%B %Y}")


def measured(claim: Claim) -> Lines:
    """Return the lines of the function that measures for a claim."""
    code = _code(claim.measure)
    file = Path(code.co_filename).relative_to(PACKAGE)
    numbers = [line for _, _, line in code.co_lines() if line]
    return Lines(str(file), code.co_firstlineno, max([*numbers, code.co_firstlineno]))


def text(lines: Lines) -> str:
    """Return the text of some lines, moved to the left."""
    source = (PACKAGE / lines.file).read_text(encoding="utf-8").splitlines()
    return inspect.cleandoc("\n".join(["", *source[lines.first - 1 : lines.last]]))


def _code(measure: Callable[..., Any]) -> CodeType:
    while isinstance(measure, functools.partial):
        measure = measure.func
    code = getattr(measure, "__code__", None) or type(measure).__call__.__code__
    assert isinstance(code, CodeType)
    return code


def _criterion(lines: Lines) -> Iterator[Lines]:
    """Yield the lines of what decides a verdict in a call; all of them where it names none."""
    calls = [
        call
        for call in _calls(lines.file)
        if (call.lineno, call.end_lineno) == (lines.first, lines.last)
    ]
    words = [word.value for call in calls for word in call.keywords if word.arg in CRITERION]
    nodes: Sequence[ast.expr] = words or calls
    for node in nodes:
        yield Lines(lines.file, node.lineno, node.end_lineno or node.lineno)
    if not nodes:
        yield lines


@functools.cache
def _calls(file: str) -> list[ast.Call]:
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@functools.cache
def _blame(file: str) -> list[tuple[int, str] | None]:
    """Return for each line of a file when it was committed, and in what; None where nobody knows.

    A history that was cut short holds the first commit that is left responsible for all before it,
    so nothing is believed of it.
    """
    if git("rev-parse", "--is-shallow-repository") != "false":
        return []
    said = git("blame", "-w", "--root", "--line-porcelain", "--", str(PACKAGE / file))
    found: list[tuple[int, str] | None] = []
    name, when = "", 0
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        if line.startswith("\t"):
            found.append((when, name) if name != UNCOMMITTED else None)
            name = ""
        elif not name:
            name = word[:10]
        elif word == "committer-time":
            when = int(rest)
    return found
