"""Since which commit a criterion stands: told by what it says, not by how it is laid out."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bioprop.book import origins
from bioprop.studies.study import Lines

FIRST = """LIMIT = 0.5


def ends(id, key):
    return Claim(id=id, measure=end, holds=within(LIMIT), reported=key)


CLAIMS = [
    Claim(id="a-falls", statement="It falls.", measure=fall, holds=Region(high=0.0)),
    ends("a-ends", "a-key"),
    *(ends(f"a-{name}", key) for name, key in NAMES.items()),
]
"""
CACHES = origins._versions, origins._at, origins._naming, origins._commit
PLACES = {"a-falls": "a-falls", "a-ends": '"a-ends"', "a-third": "*(ends"}


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A function that commits files of a small package and returns the name of the commit."""
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    monkeypatch.setattr(origins, "PACKAGE", package)
    monkeypatch.setattr(origins.paths, "ROOT", tmp_path)

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
        command = ["git", "-C", str(tmp_path), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(**files: str | None) -> str:
        for name, text in files.items():
            path = package / f"{name}.py"
            path.write_text(text) if text is not None else path.unlink()
        git("add", "--all")
        git("commit", "-q", "-m", "Changed")
        for cached in CACHES:
            cached.cache_clear()
        return git("rev-parse", "HEAD")[:10]

    git("init", "-q")
    yield commit
    for cached in CACHES:
        cached.cache_clear()


def since(id: str, file: str = "one.py") -> str | None:
    """The commit that fixed a claim, which the file declares in a call, or also in its factory."""
    lines = (origins.PACKAGE / file).read_text().splitlines()
    starts = [next(n for n, line in enumerate(lines, 1) if PLACES.get(id, id) in line)]
    if id != "a-falls":
        starts.insert(0, next(n for n, line in enumerate(lines, 1) if "return Claim(" in line))
    declared = []
    for start in starts:
        depth, end = 0, start - 1
        while end < start or depth > 0:
            depth += lines[end].count("(") - lines[end].count(")")
            end += 1
        declared.append(Lines(file, start, end))
    found = origins.fixed(SimpleNamespace(id=id, declared=tuple(declared)))
    return found.name if found else None


def test_a_criterion_stands_since_the_commit_that_declared_it(change: Callable[..., str]) -> None:
    change(other="a = 1\n")
    first = change(one=FIRST)
    change(other="a = 2\n")
    assert [since(id) for id in ("a-falls", "a-ends")] == [first, first]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (", measure=fall, ", ",\n        measure=fall,\n        "),  # broken into lines
        ("It falls.", "It falls, in other words."),
        ("LIMIT = 0.5\n", "LIMIT = 0.5\nOTHER = 1\n\n\n"),  # moved down
        ("measure=fall, holds", "measure=other, decimals=1, holds"),
    ],
)
def test_words_in_another_layout_leave_it_as_it_was(
    old: str, new: str, change: Callable[..., str]
) -> None:
    first = change(one=FIRST)
    change(one=FIRST.replace(old, new))
    assert [since(id) for id in ("a-falls", "a-ends")] == [first, first]


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("high=0.0", "high=0.1", {"a-falls"}),
        ("LIMIT = 0.5", "LIMIT = 0.6", {"a-ends"}),  # the value behind a name
        ("within(LIMIT)", "within(2 * LIMIT)", {"a-ends"}),  # in the factory
        ('"a-key"', '"another-key"', {"a-ends"}),
        ("reported=key", "reported=key, partly=within(1.0)", {"a-ends"}),
    ],
)
def test_other_words_fix_it_anew(
    old: str, new: str, changed: set[str], change: Callable[..., str]
) -> None:
    first = change(one=FIRST)
    second = change(one=FIRST.replace(old, new))
    change(one=FIRST.replace(old, new) + "\n\nLAST = 1\n")
    wanted = {id: second if id in changed else first for id in ("a-falls", "a-ends")}
    assert {id: since(id) for id in wanted} == wanted


def test_it_is_followed_to_the_file_that_it_was_moved_from(change: Callable[..., str]) -> None:
    first = change(one=FIRST)
    change(one=None, two=FIRST)
    assert [since(id, "two.py") for id in ("a-falls", "a-ends")] == [first, first]


def test_what_was_written_in_another_way_before_is_not_dated(change: Callable[..., str]) -> None:
    whole = 'Claim(id="a-ends", measure=end, holds=within(LIMIT), reported="a-key")'
    change(one=FIRST.replace('ends("a-ends", "a-key")', whole))
    change(one=FIRST)
    assert since("a-ends") is None


def test_what_is_not_committed_is_not_dated(change: Callable[..., str]) -> None:
    first = change(one=FIRST)
    (origins.PACKAGE / "one.py").write_text(FIRST.replace("high=0.0", "high=0.2"))
    assert since("a-falls") is None and since("a-ends") == first
