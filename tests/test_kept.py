"""What a build keeps for the next: taken as it is while all it was made from is the same."""

import shutil
from pathlib import Path

import pydantic
import pytest
from site_fixture import Built, build

from bioprop import paths
from bioprop.book import kept

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
    assert len(set(keys)) == 5


def test_a_thing_is_made_once_and_again_where_it_was_cut_short(folder: Path) -> None:
    made: list[Path] = []

    def make(place: Path) -> Made:
        made.append(place)
        (place / f"half{len(made)}.txt").write_text("half")
        if len(made) == 1:
            raise KeyboardInterrupt
        (place / "picture.txt").write_text("whole")
        return Made(number=len(made))

    with pytest.raises(KeyboardInterrupt):
        kept.take("key", "study", Made, make, folder / "out")
    for _ in range(2):
        assert kept.take("key", "study", Made, make, folder / "out") == Made(number=2)
        assert {p.name for p in (folder / "out").iterdir()} == {"half2.txt", "picture.txt"}
        shutil.rmtree(folder / "out")
    assert len(made) == 2
    kept.take("other", "study", Made, make, folder / "out")
    kept.only("other")
    assert len(made) == 3 and [p.name for p in kept.FOLDER.iterdir()] == ["other"]


def test_a_build_takes_what_the_one_before_kept_and_is_the_same(
    small: Built, tmp_path: Path
) -> None:
    root = tmp_path / "book"
    shutil.copytree(small.root, root)
    files = [path for path in (root / "_build" / "kept").rglob("*") if path.is_file()]
    marked = next(path for path in files if path.name == "toy-flow.csv")
    marked.write_text("taken as it is")
    again = build(root)
    assert (again.html / "figures" / "toy-flow.csv").read_text() == "taken as it is"
    for path in small.html.rglob("*"):
        if path.is_file() and path.name != marked.name:
            assert (again.html / path.relative_to(small.html)).read_bytes() == path.read_bytes()
    with (root / "data" / "reported" / "lillicrap2014.csv").open("a") as table:
        table.write("\n")
    assert (build(root).html / "figures" / "toy-flow.csv").read_text() != "taken as it is"
