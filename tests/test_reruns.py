"""What was run again elsewhere is kept, counted, and done once."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bioprop import cli, paths
from bioprop.book import provenance, reruns, runs, twins
from bioprop.book.closeness import Verification
from bioprop.book.records import RECORDED, Record, RecordError, Store, read
from bioprop.tasks.datasets import DataError

NAMES = ("small", "anywhere", "backprop")
HERE = provenance.describe(1.5, "cpu")
AGREES = Verification("as closely as rounding lets it", provenance=HERE)
DIFFERS = replace(AGREES, faults=["w differs by 0.5 | (member 0)", "w, too"])
NOT_RUN = Verification("", ["the data set is another one"])
Command = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is kept lies in a folder of the test's own; the source is as committed."""
    monkeypatch.setattr(paths, "RERUNS", tmp_path / "reruns")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(reruns, "committed", lambda: None)
    return tmp_path


def made(record: Record, **provenance: Any) -> Record:
    """A record that was made on another processor, or so."""
    elsewhere = {"machine": "another, Linux", "arithmetic": {"model": "another"}, "device": "cpu"}
    return record.model_copy(update={"provenance": record.provenance | elsewhere | provenance})


@pytest.fixture
def records() -> dict[Path, Record]:
    """The records of the smallest network, by their files, made elsewhere."""
    found = (RECORDED.path("toy-network", "paper", name) for name in NAMES)
    return {path: made(read(path), seconds=3.0) for path in found}


def test_the_shortest_come_first_and_each_comes_once(records: dict[Path, Record]) -> None:
    small, anywhere, backprop = records
    times = {small: 3.0, anywhere: 1.0, backprop: 2.0}
    taken = {path: made(record, seconds=times[path]) for path, record in records.items()}
    assert list(reruns.pending(taken)) == [anywhere, backprop, small]
    reruns.keep(anywhere, taken[anywhere], AGREES)
    reruns.keep(small, taken[small], DIFFERS)
    assert list(reruns.pending(taken)) == [backprop]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, False),
        ({"packages": {"torch": "1.0"}}, False),
        ({"arithmetic": {"model": "another"}}, True),
        ({"machine": "another, Linux"}, True),
        ({"device": "a card"}, True),
    ],
)
def test_what_was_made_on_this_processor_says_nothing_of_another(
    changes: dict[str, Any], left: bool, records: dict[Path, Record]
) -> None:
    path, record = next(iter(records.items()))
    mine = made(record, **{key: HERE[key] for key in ("machine", "arithmetic", "device")})
    assert (path in reruns.pending({path: made(mine, **{**mine.provenance, **changes})})) == left


def test_an_old_record_that_names_this_processor_alone_is_not_left(
    records: dict[Path, Record],
) -> None:
    path, record = next(iter(records.items()))
    old = {key: record.provenance[key] for key in ("seconds",)} | {"machine": HERE["machine"]}
    assert not reruns.pending({path: record.model_copy(update={"provenance": old})})


def test_another_record_in_the_place_of_one_is_run_again(records: dict[Path, Record]) -> None:
    path, record = next(iter(records.items()))
    reruns.keep(path, record, AGREES)
    assert path not in reruns.pending(records)
    assert path in reruns.pending({path: record.model_copy(update={"digest": "another"})})


def test_what_did_not_agree_is_run_again_once_the_source_is_another(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed, differed, _ = records
    reruns.keep(agreed, records[agreed], AGREES)
    reruns.keep(differed, records[differed], DIFFERS)
    monkeypatch.setattr(provenance, "code", lambda: "another")
    assert agreed not in reruns.pending(records) and differed in reruns.pending(records)


def test_it_is_kept_what_was_said_and_where(records: dict[Path, Record]) -> None:
    path, record = next(iter(records.items()))
    file = reruns.keep(path, record, DIFFERS)
    assert file == paths.RERUNS / "toy-network" / "paper" / "small.json"
    assert [each.name for each in file.parent.iterdir()] == ["small.json"]
    content = json.loads(file.read_text())
    assert content["record"] == record.digest and not content["agrees"]
    assert content["said"] == "w differs by 0.5 | (member 0); w, too"
    assert content["provenance"] == HERE and content["where"] == HERE["machine"]
    on_a_card = replace(AGREES, provenance=HERE | {"device": "a card"})
    assert json.loads(reruns.keep(path, record, on_a_card).read_text())["where"] == "a card"


def test_a_disk_that_refuses_is_said_in_words_and_leaves_nothing(
    records: dict[Path, Record], place: Path
) -> None:
    path, record = next(iter(records.items()))
    (place / "reruns").write_text("a file in the way")
    with pytest.raises(RecordError, match=r"could not read or write .*Move it away"):
        reruns.keep(path, record, AGREES)


@pytest.mark.parametrize("text", ["", "{", "{}", '{"record": "x", "agrees": "perhaps"}', None])
def test_a_file_that_says_nothing_is_named_and_how_to_mend_it(
    text: str | None, records: dict[Path, Record]
) -> None:
    path, record = next(iter(records.items()))
    file = reruns.keep(path, record, AGREES)
    file.write_text(
        json.dumps(json.loads(file.read_text()) | {"said": ""}) if text is None else text
    )
    with pytest.raises(RecordError, match=r"(?s)small.json does not say .*verify --pending"):
        reruns.pending(records)


def test_a_page_counts_what_was_run_again_and_names_what_does_not_agree(
    records: dict[Path, Record], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(place / "runs")
    for path, record in records.items():
        file = store.path(record.study, record.tier, record.variant)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(path.read_bytes())
    assert reruns.described(store) == "Files of records: 3. Run again elsewhere so far: 0."
    for (path, record), found in zip(records.items(), (AGREES, DIFFERS, AGREES), strict=True):
        reruns.keep(path, record, found)
    text = reruns.described(store)
    assert text.startswith("Files of records: 3. Run again elsewhere so far: 3 (3 on ")
    assert "agree: 2 (2 as closely as rounding lets it). Do not agree: 1.\n\n" in text
    row = "| toy-network/paper/anywhere | w differs by 0.5 \\| (member 0); w, too |"
    assert text.endswith(f"{row} no |")
    monkeypatch.setattr(twins, "amplifying", lambda: {("toy-network", "paper", "anywhere")})
    assert reruns.described(store).endswith(f"{row} yes |")


# Working it off


def work_off(
    records: dict[Path, Record],
    monkeypatch: pytest.MonkeyPatch,
    found: Iterable[Verification | BaseException],
    hours: float = 1.0,
) -> tuple[int, str]:
    """Run records again of which is found what is given, and return what is told, too."""
    results, said = iter(found), list[str]()

    def again(*_: Any, **__: Any) -> Verification:
        result = next(results)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(reruns, "verify", again)
    bad = reruns.work_off(reruns.pending(records), hours=hours, told=said.append)
    assert not list(results), "all that was given was run"
    return bad, "\n".join(said)


def there() -> list[str]:
    """The names of what is kept."""
    return sorted(path.stem for path in paths.RERUNS.rglob("*.json"))


def test_an_interrupted_call_keeps_what_was_done_and_the_next_goes_on(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        work_off(records, monkeypatch, [AGREES, KeyboardInterrupt()])
    assert there() == ["small"]
    assert work_off(records, monkeypatch, [AGREES, DIFFERS])[0] == 1
    assert there() == sorted(NAMES)


def test_none_is_begun_that_would_end_too_late_and_it_is_said_how_long_that_takes(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = dict(zip(records, (2.0, 3.0, 7200.0), strict=True))
    taken = {path: made(record, seconds=times[path]) for path, record in records.items()}
    bad, said = work_off(taken, monkeypatch, [AGREES, AGREES])
    assert not bad and there() == ["anywhere", "small"]
    assert "2 of 3 run again; toy-network/paper/backprop comes next and takes about 2.0 h" in said


def test_one_that_cannot_be_run_keeps_none_of_the_others_from_it(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [DataError("no images"), ValueError("needs more memory"), AGREES]
    bad, said = work_off(records, monkeypatch, found)
    assert bad == 2 and there() == ["backprop"]
    assert "small: left out: no images" in said and "anywhere: left out: needs more" in said


def test_a_run_that_does_not_fit_its_record_is_kept_and_one_on_other_images_is_not(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    misfit = replace(AGREES, how="", faults=["labels differ"])
    bad, said = work_off(records, monkeypatch, [NOT_RUN, misfit, AGREES])
    assert bad == 2 and there() == ["anywhere", "backprop"]
    assert "small: the data set is another one" in said and "anywhere: labels differ" in said


def test_what_another_process_is_at_is_left_to_that(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    with runs.alone(reruns.place(next(iter(records)))):
        assert work_off(records, monkeypatch, [AGREES, AGREES])[0] == 0
    assert there() == ["anywhere", "backprop"]


def test_what_another_process_has_done_meanwhile_is_not_done_again(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = reruns.pending(records)
    for path, record in records.items():
        reruns.keep(path, record, AGREES)
    monkeypatch.setattr(reruns, "verify", lambda *_, **__: pytest.fail("it was run again"))
    assert reruns.work_off(left, hours=1.0, told=pytest.fail) == 0


def test_source_that_is_not_committed_makes_no_evidence(
    records: dict[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(provenance, "commit", lambda: "0123456789+")
    with pytest.raises(RecordError, match="changes that are not committed"):
        reruns.work_off(records, hours=1.0, told=print)


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A function that runs a command elsewhere, of which every record agrees but for ``small``."""

    def again(record: Record, *_: Any, **__: Any) -> Verification:
        return DIFFERS if record.variant == "small" else AGREES

    monkeypatch.setattr(reruns, "verify", again)
    monkeypatch.setattr(reruns, "here", lambda _: HERE | {"machine": "another, Linux"})

    def run(line: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            cli.main(["verify", *line.split()])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), " ".join((said.out + said.err).split())

    return run


def test_the_command_goes_on_where_it_stopped(command: Command) -> None:
    code, said = command("toy-network --pending --hours 0")
    assert code == 0 and said.startswith("3 records, about ") and "ends after" in said
    assert "0 of 3 run again; toy-network/paper/" in said and not there()
    code, said = command("toy-network --pending")
    assert code == 1 and said.count(": agrees as closely") == 2 and "small: w differs" in said
    assert len(there()) == 3
    code, said = command("toy-network --pending")
    assert code == 1 and "nothing is left" in said
    assert said.endswith("these do not agree, as is kept: toy-network/paper/small")
    assert command("toy-network --variant anywhere --pending")[0] == 0


def test_what_was_made_on_a_card_is_left_out_where_there_is_none(command: Command) -> None:
    code, said = command("mnist-depth --variant bp-2 --pending")
    assert code == 0 and "made on a device that is not here: mnist-depth/paper/bp-2" in said
    assert "--device" not in said


def test_nothing_to_verify_is_no_success(command: Command) -> None:
    code, said = command("toy-network --part 90-99 --pending")
    assert code == 1 and "nothing is recorded to verify" in said


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("--pending --threads 2", "--pending runs records as they were made: leave out --threads"),
        ("--pending --device cpu", "--pending runs records as they were made"),
        ("--hours 1", "--hours is for --pending"),
    ],
)
def test_what_makes_no_sense_together_is_refused(
    words: str, refusal: str, command: Command
) -> None:
    code, said = command(f"toy-network {words}")
    assert code == 2 and refusal in said
