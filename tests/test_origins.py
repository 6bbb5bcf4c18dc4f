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
CACHES = (
    *(
        origins._versions,
        origins._followed,
        origins._with_borrowed,
        origins._at,
        origins._now,
        origins._naming,
        origins._time,
        origins._last,
        origins._source,
    ),
    *(origins._tree, origins._imported, origins._stands, origins._defined, origins._shrunk),
)
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
    """The name of the commit that fixed a claim."""
    found = fixed(id, file)
    return found.name if found else None


def reworded(id: str) -> bool:
    """Whether a claim was written in another way before."""
    found = fixed(id, "one.py")
    assert found
    return found.reworded


def fixed(id: str, file: str) -> origins.Commit | None:
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
    return origins.fixed(SimpleNamespace(id=id, declared=tuple(declared)))


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


def test_what_was_written_in_another_way_before_has_the_commit_of_its_words(
    change: Callable[..., str],
) -> None:
    whole = 'Claim(id="a-ends", measure=end, holds=within(LIMIT), reported="a-key")'
    first = change(one=FIRST.replace('ends("a-ends", "a-key")', whole))
    second = change(one=FIRST)
    assert (since("a-falls"), since("a-ends")) == (first, second)
    assert (reworded("a-falls"), reworded("a-ends")) == (False, True)


FACTORY = """LIMIT = 0.5


def ends(id, key):
    return Claim(id=id, measure=end, holds=within(LIMIT), reported=key, partly=WIDE.region)
"""
SEVERAL = {
    "one": 'from package.studies.two import ends\nCLAIMS = [ends("a-ends", "a-key")]\n',
    "two": f"from bioprop.studies.three import WIDE\n\n{FACTORY}",
    "three": "HALF = 0.5\nWIDE = Wide(region=within(2 * HALF))\nOTHER = 1\n",
}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("one", '"a-key"', '"another-key"'),
        ("two", "LIMIT = 0.5", "LIMIT = 0.6"),
        ("three", "2 * HALF", "3 * HALF"),
        ("three", "HALF = 0.5", "HALF = 0.6"),
        ("three", "OTHER = 1", "OTHER = 2"),  # which nothing stands for
    ],
)
def test_a_claim_of_several_files_stands_since_the_last_of_its_words(
    file: str, old: str, new: str, change: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "_imported", lambda file: IMPORTED.get(file, {}))
    first = change(**SEVERAL)
    second = change(**SEVERAL | {file: SEVERAL[file].replace(old, new)})
    change(**SEVERAL | {file: SEVERAL[file].replace(old, new)}, later="a = 1\n")
    lines = Lines("two.py", 7, 7), Lines("one.py", 2, 2)
    found = origins.fixed(SimpleNamespace(id="a-ends", declared=lines))
    assert found and found.name == (first if "OTHER" in old else second)


def test_what_is_borrowed_is_followed_to_the_file_that_it_was_moved_from(
    change: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "_imported", lambda file: imported.get(file, {}))
    imported = IMPORTED
    first = change(**SEVERAL)
    imported = {"two.py": {"WIDE": ("four.py", "WIDE")}}
    two = SEVERAL["two"].replace("three", "four")
    change(two=two, three="OTHER = 1\n", four=SEVERAL["three"])
    lines = Lines("two.py", 7, 7), Lines("one.py", 2, 2)
    claim = SimpleNamespace(id="a-ends", declared=lines)
    found = origins.fixed(claim)
    assert found and found.name == first
    second = change(four=SEVERAL["three"].replace("2 * HALF", "3 * HALF"))
    found = origins.fixed(claim)
    assert found and found.name == second


def test_a_factory_is_followed_though_what_it_borrowed_was_moved_beside_it(
    change: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins, "_imported", lambda file: {})
    monkeypatch.setattr(origins, "_imports", lambda tree: {"WIDE": ("three.py", "WIDE")})
    wide = "WIDE = Wide(region=within(2.0))\n"
    first = change(one=SEVERAL["one"], two=FACTORY, three=wide)
    change(one=SEVERAL["one"] + "\n", two="OTHER = 1\n", three="OTHER = 1\n", four=wide + FACTORY)
    claim = SimpleNamespace(id="a-ends", declared=(Lines("four.py", 6, 6), Lines("one.py", 2, 2)))
    found = origins.fixed(claim)
    assert found and found.name == first
    second = change(four=wide.replace("2.0", "3.0") + FACTORY)
    found = origins.fixed(claim)
    assert found and found.name == second


IMPORTED = {"two.py": {"WIDE": ("three.py", "WIDE")}}


def test_what_is_not_committed_is_not_dated(change: Callable[..., str]) -> None:
    first = change(one=FIRST)
    (origins.PACKAGE / "one.py").write_text(FIRST.replace("high=0.0", "high=0.2"))
    assert since("a-falls") is None and since("a-ends") == first
