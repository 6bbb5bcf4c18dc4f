"""What a build keeps for the next: taken as it is while all it was made from is the same."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import NoReturn

import pydantic
import pytest
from site_fixture import Built, build

from bioprop import disk, paths
from bioprop.book import chapters, index, kept

pytest_plugins = ["site_fixture"]


class Made(pydantic.BaseModel):
    """Something that is made."""

    number: int


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for what is kept, and for all that it is made from."""
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(kept, "PACKAGE", tmp_path / "package")
    for name in ("RUNS", "TWINS", "REPORTED"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    for name in ("CHANGES", "HOME", "CITATION"):
        monkeypatch.setattr(paths, name, tmp_path / f"{name.lower()}.yaml")
    return tmp_path


SOURCES = (
    "package/a.py",
    "package/studies/look.mplstyle",
    "runs/study/paper/bp.json",
    "twins/one.json",
    "reported/paper.csv",
    "changes.yaml",
    "home.yaml",
    "citation.yaml",
)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_comes_or_changes_or_goes_gives_another_key(
    source: str, folder: Path
) -> None:
    keys = [kept.key("given")]
    path = folder / source
    path.parent.mkdir(parents=True, exist_ok=True)
    for text in ("one", "two"):
        path.write_text(text)
        keys.append(kept.key("given"))
    assert len(set(keys)) == 3 and kept.key("given") == keys[-1]
    path.unlink()
    assert kept.key("given") == keys[0]


def test_a_file_of_another_name_a_package_or_a_commit_gives_another_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "package").mkdir()
    (folder / "package" / "a.py").write_text("same")
    keys = [kept.key(), kept.key("given")]
    (folder / "package" / "a.py").rename(folder / "package" / "b.py")
    keys.append(kept.key())
    monkeypatch.setattr(kept.provenance, "commit", lambda: "another")
    keys.append(kept.key())
    monkeypatch.setattr(kept.importlib.metadata, "distributions", list)
    keys.append(kept.key())
    monkeypatch.setattr(kept.provenance, "arithmetic", lambda: {"capability": "another"})
    keys.append(kept.key())
    monkeypatch.setattr(kept.provenance, "git", lambda *_: "true")
    keys.append(kept.key())
    monkeypatch.setattr(paths, "ROOT", folder)
    keys.append(kept.key())
    for name in ("BIOPROP_REPOSITORY", "BIOPROP_ADDRESS"):
        monkeypatch.setenv(name, "https://example.org/book")
        keys.append(kept.key())
    assert len(set(keys)) == len(keys) == 10


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process have begun after all that has been written so far."""
    time.sleep(0.02)  # a file's time is that of the last tick
    monkeypatch.setattr(kept, "BEGAN", time.time())
    time.sleep(0.02)


def write(place: Path, number: int = 1) -> Made:
    """Make something."""
    (place / "picture.txt").write_text(f"whole {number}")
    return Made(number=number)


def test_a_thing_is_made_once_and_again_where_it_was_cut_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(place: Path) -> Made:
        made.append(place)
        (place / f"half{len(made)}.txt").write_text("half")
        if len(made) == 1:
            raise KeyboardInterrupt
        return write(place, len(made))

    later(monkeypatch)
    with pytest.raises(KeyboardInterrupt), kept.keeping("given") as key:
        kept.take(key, "study", Made, make, folder / "out")
    for _ in range(2):
        with kept.keeping("given") as key:
            assert kept.take(key, "study", Made, make, folder / "out") == Made(number=2)
        assert {p.name for p in (folder / "out").iterdir()} == {"half2.txt", "picture.txt"}
        assert [p.name for p in kept.FOLDER.iterdir()] == [key]
        shutil.rmtree(folder / "out")
    assert len(made) == 2
    with kept.keeping("other") as key:
        assert kept.take(key, "study", Made, make, folder / "out") == Made(number=3)
    assert [p.name for p in kept.FOLDER.iterdir()] == [key]


@pytest.mark.parametrize("file", ["made.json", "files/picture.txt", "digest"])
@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_what_is_kept_but_not_as_it_was_written_is_made_again(
    file: str, how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    with kept.keeping() as key:
        kept.take(key, "study", Made, write, folder / "out")
    path = kept.FOLDER / key / "study" / file
    path.write_text("") if how == "emptied" else path.unlink()
    with kept.keeping() as key:
        again = kept.take(key, "study", Made, lambda place: write(place, 2), folder / "out")
    assert again == Made(number=2)
    with kept.keeping() as key:
        assert kept.take(key, "study", Made, write, folder / "out") == Made(number=2)
    assert (folder / "out" / "picture.txt").read_text() == "whole 2"


@pytest.mark.parametrize("when", ["before", "meanwhile", "meanwhile and back"])
def test_nothing_is_kept_where_a_source_changed_since_the_process_began(
    when: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder / "package" / "a.py"
    source.parent.mkdir()
    source.write_text("old")
    later(monkeypatch)
    if when == "before":
        source.write_text("new")
    with kept.keeping() as key:
        made = kept.take(key, "study", Made, write, folder / "out")
        if when != "before":
            source.write_text("new")
        if when == "meanwhile and back":
            source.write_text("old")
    assert made == Made(number=1) and (folder / "out" / "picture.txt").exists()
    assert not list(kept.FOLDER.rglob("made.json"))


def test_a_record_that_goes_meanwhile_leaves_nothing_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = folder / "runs" / "bp.json"
    record.parent.mkdir()
    record.write_text("old")
    later(monkeypatch)
    with kept.keeping() as key:
        kept.take(key, "study", Made, write, folder / "out")
        record.unlink()
    assert not list(kept.FOLDER.rglob("made.json"))


def test_a_full_disk_is_said_in_words_and_leaves_what_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    with kept.keeping() as key:
        kept.take(key, "study", Made, write, folder / "out")

    def full(_: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(RuntimeError) as error, disk.using(folder, RuntimeError):
            kept.take(key, "study", Made, write, folder / "more")
    picture = folder / "more" / "picture.txt"
    said = f"could not read or write {picture}: the disk is full. Free some space"
    assert str(error.value) == said
    assert kept.take(key, "study", Made, lambda place: write(place, 2), folder / "more").number == 1


def mark(root: Path, words: str) -> None:
    """Put other words into a table that a build kept, as if it had been made with these."""
    table = next((root / "_build" / "kept").rglob("toy-flow.csv"))
    table.write_text(words)
    place = table.parents[1]
    (place / "digest").write_text(kept.digest(place))


@pytest.mark.slow
def test_a_build_takes_what_the_one_before_kept_and_is_the_same(
    small: Built, tmp_path: Path
) -> None:
    root, words = tmp_path / "book", "taken as it is"
    shutil.copytree(small.root, root)
    mark(root, words)
    again = build(root)
    assert (again.html / "figures" / "toy-flow.csv").read_text() == words
    for path in small.html.rglob("*"):
        if path.is_file() and path.name != "toy-flow.csv":
            assert (again.html / path.relative_to(small.html)).read_bytes() == path.read_bytes()
    with (root / "data" / "reported" / "lillicrap2014.csv").open("a") as table:
        table.write("\n")
    assert (build(root).html / "figures" / "toy-flow.csv").read_text() != words


def test_a_chapter_in_another_folder_gives_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def keeping(*more: object) -> NoReturn:
        given.append(more)
        raise KeyboardInterrupt

    monkeypatch.setattr(kept, "keeping", keeping)
    monkeypatch.setattr(chapters, "homes", lambda: {"figure": "tiny"})
    for part in ("one", "other"):
        monkeypatch.setattr(chapters, "page", f"chapters/{part}/{{}}".format)
        with pytest.raises(KeyboardInterrupt):
            index.compile("smoke", tmp_path, map, print)
    assert given[0] != given[1]
