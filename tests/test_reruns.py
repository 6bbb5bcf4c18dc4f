"""What was run again elsewhere is kept, counted, and done once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bioprop import cli, paths
from bioprop.book import reruns, runs
from bioprop.book.closeness import Verification
from bioprop.book.records import RECORDED, Record, RecordError, Store, read

NAMES = ("small", "anywhere", "backprop")
AGREES = Verification("as closely as rounding lets it")
DIFFERS = Verification(
    "as closely as rounding lets it", ["w differs by 0.5 | (member 0)", "w, too"]
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is kept lies in a folder of the test's own, and no record was made on this processor."""
    monkeypatch.setattr(paths, "RERUNS", tmp_path / "reruns")
    monkeypatch.setattr(runs, "exact", lambda *_: False)
    monkeypatch.setattr(reruns, "exact", lambda *_: False)
    return tmp_path


@pytest.fixture
def records() -> dict[Path, Record]:
    """The records of the smallest network, by their files."""
    found = (RECORDED.path("toy-network", "paper", name) for name in NAMES)
    return {path: read(path) for path in found}


def lasting(record: Record, seconds: float) -> Record:
    """A record that took as long."""
    return record.model_copy(update={"provenance": record.provenance | {"seconds": seconds}})


def test_the_shortest_come_first_and_each_comes_once(records: dict[Path, Record]) -> None:
    small, anywhere, backprop = records
    times = {small: 3.0, anywhere: 1.0, backprop: 2.0}
    taken = {path: lasting(record, times[path]) for path, record in records.items()}
    assert list(reruns.pending(taken)) == [anywhere, backprop, small]
    reruns.keep(anywhere, taken[anywhere], AGREES, 1.0)
    reruns.keep(small, taken[small], DIFFERS, 3.0)
    assert list(reruns.pending(taken)) == [backprop]


def test_what_was_made_on_this_processor_says_nothing_of_another(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = next(iter(records.values()))
    monkeypatch.setattr(reruns, "exact", lambda record: record is mine)
    assert list(reruns.pending(records)) == list(records)[1:]


def test_another_record_in_the_place_of_one_is_run_again(records: dict[Path, Record]) -> None:
    path, record = next(iter(records.items()))
    reruns.keep(path, record, AGREES, 1.0)
    assert path not in reruns.pending(records)
    assert path in reruns.pending({path: lasting(record, 9.0).model_copy(update={"digest": "x"})})


def test_it_is_kept_what_was_said_and_where(records: dict[Path, Record]) -> None:
    path, record = next(iter(records.items()))
    file = reruns.keep(path, record, DIFFERS, 1.5)
    assert file == paths.RERUNS / "toy-network" / "paper" / "small.json"
    assert [each.name for each in file.parent.iterdir()] == ["small.json"]
    content = json.loads(file.read_text())
    assert content["record"] == record.digest and not content["agrees"]
    assert content["said"] == "w differs by 0.5 | (member 0); w, too"
    assert content["provenance"]["seconds"] == 1.5 and content["provenance"]["machine"]


@pytest.mark.parametrize("text", ["", "{", "{}", '{"record": "x", "agrees": "perhaps"}'])
def test_a_file_that_says_nothing_is_named_and_how_to_mend_it(
    text: str, records: dict[Path, Record]
) -> None:
    path, record = next(iter(records.items()))
    file = reruns.keep(path, record, AGREES, 1.0)
    file.write_text(text)
    with pytest.raises(RecordError, match=r"(?s)small.json does not say .*verify --pending"):
        reruns.pending(records)


def test_a_page_counts_what_was_run_again_and_names_what_does_not_agree(
    records: dict[Path, Record], place: Path
) -> None:
    store = Store(place / "runs")
    for path, record in records.items():
        file = store.path(record.study, record.tier, record.variant)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.read_bytes())
    assert reruns.described(store) == (
        "Of 3 files of records 0 have been run again elsewhere so far."
    )
    for (path, record), found in zip(records.items(), (AGREES, DIFFERS, AGREES), strict=True):
        reruns.keep(path, record, found, 1.0)
    text = reruns.described(store)
    assert text.startswith("Of 3 files of records 3 have been run again elsewhere so far (3 on ")
    assert ": 2 agree (2 as closely as rounding lets it), 1 does not.\n\n" in text
    assert text.endswith("| toy-network/paper/anywhere | w differs by 0.5 \\| (member 0); w, too |")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """A function that runs a command of which every record agrees, but for that of ``small``."""

    def again(record: Record, *_: Any, **__: Any) -> Verification:
        return DIFFERS if record.variant == "small" else AGREES

    monkeypatch.setattr(runs, "verify", again)

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["verify", "toy-network", *words])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), " ".join((said.out + said.err).split())

    return run


def test_the_command_goes_on_where_it_stopped(command: Callable[..., tuple[int, str]]) -> None:
    assert command("--pending", "--hours", "0")[1].endswith(
        "0 of 3 run again; the same command goes on"
    )
    assert not paths.RERUNS.exists()
    code, said = command("--pending")
    assert code == 1 and said.count(": agrees as closely") == 2 and "small: w differs" in said
    assert len(list(paths.RERUNS.rglob("*.json"))) == 3
    assert command("--pending") == (
        0,
        "all of it was run again on another processor, or was recorded here",
    )


def test_what_is_not_compared_is_not_kept(
    command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "verify", lambda *_, **__: Verification("", ["other images"]))
    code, said = command("--pending")
    assert code == 1 and said.count("other images") == 3 and not paths.RERUNS.exists()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("--pending --threads 2", "--pending runs records as they were made: leave out --threads"),
        ("--pending --device cpu", "--pending runs records as they were made"),
        ("--hours 1", "--hours is for --pending"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    words: str, refusal: str, command: Callable[..., tuple[int, str]]
) -> None:
    code, said = command(*words.split())
    assert code == 2 and refusal in said
