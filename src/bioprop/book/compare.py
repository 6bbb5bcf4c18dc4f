"""A reader's own execution of a chapter beside the published result."""

import ast
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from rich.table import Column, Table

from bioprop import studies
from bioprop.book import chapters, claims
from bioprop.book.page import open_page
from bioprop.book.records import OWN, RECORDED, seconds

UNKNOWN = "cannot be judged"


def studies_of(chapter: str) -> list[studies.Study]:
    """Return the studies that a chapter opens."""
    cells = nbformat.read(chapters.find(chapter), as_version=4).cells
    names = [n for cell in cells for n in re.findall(r'open_page\(\s*"([\w-]+)"', cell.source)]
    return [studies.get(name) for name in names]


def check(chapter: str, given: Mapping[str, Any]) -> None:
    """Refuse what the chapter or a study that it opens does not take, before anything runs.

    The studies are opened as the chapter opens them; one that it opens with what its other cells
    make is left to it.
    """
    source = chapters.find(chapter)
    known = chapters.parameters(source)
    there = {name: ast.literal_eval(known[name]["default"]) for name in known}
    there |= chapters.check(source, given)
    for call in _openings(source):
        with suppress(NameError):
            eval(
                compile(ast.Expression(call), str(source), "eval"), {"open_page": open_page}, there
            )


def _openings(source: Path) -> list[ast.Call]:
    """Return the calls by which a chapter opens the pages of its studies."""
    cells = [cell for cell in nbformat.read(source, as_version=4).cells if cell.cell_type == "code"]
    return [
        node
        for cell in cells
        if "open_page(" in cell.source
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "open_page"
    ]


def recorded_seconds(chapter: str, given: Mapping[str, Any]) -> float:
    """Return how long the runs of a chapter took when they were recorded at the tier given.

    0 where nothing is recorded there.
    """
    tier = str(given.get("tier", "quick"))
    chosen = studies_of(chapter)
    there = [
        each for each in chosen if all(RECORDED.has(each.name, tier, v) for v in each.variants)
    ]
    return sum(seconds(RECORDED.runs(each, tier)) for each in there)


def with_published(chapter: str, executed: Path) -> Table:
    """Return a table: each claim's recorded number, the reader's own, and both verdicts."""
    tier = _tier(executed)
    first = Column("claim", no_wrap=True)
    table = Table(first, "recorded", f"yours, tier {tier}", "verdict", "your verdict")
    for study in studies_of(chapter):
        _, _, published = claims.recorded(study)
        there = all(OWN.has(study.name, tier, variant) for variant in study.variants)
        own = claims.judge_all(study, OWN.runs(study, tier) if there else None, tier)
        for kept, mine in zip(published, own, strict=True):
            was, now = (claims.word(each.verdict, kept.claim.origin) for each in (kept, mine))
            told = f"{now}: {mine.why}" if mine.verdict == UNKNOWN else now
            table.add_row(kept.claim.id, kept.measured, mine.measured, was, told)
    return table


def _tier(executed: Path) -> str:
    """Read the tier that a chapter was executed at from its own parameter cells."""
    found = "quick"
    for cell in nbformat.read(executed, as_version=4).cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            match = re.search(r'^tier\b.*?=\s*["\'](\w+)', cell.source, re.MULTILINE)
            found = match[1] if match else found
    return found
