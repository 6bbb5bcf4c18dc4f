"""Records come back as they were written, or are refused with words that help."""

import errno
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from helpers import ROOT, TOY, edit, made, python

from bioprop import studies
from bioprop.book import parts, runs
from bioprop.book.records import RECORDED, Record, RecordError, Store, differences, read

COMMITTED = [str(path.relative_to(RECORDED.folder)) for path in RECORDED]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and /proc")
AGAIN = "bioprop run toy-network --tier smoke --variant small --again"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def path(store: Store) -> Path:
    """A sound record on disk."""
    return store.save(made([0.1, -0.2, 0.3], [1e-7, -3.25, 2.0]))


# What is written


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_record_is_read_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    store = Store(tmp_path_factory.getbasetemp() / "round-trip")
    record = made(*rows)
    path = store.save(record)
    text = path.read_bytes()
    back = store.load(*TOY)
    assert back == record.sealed()
    store.save(back)
    assert path.read_bytes() == text


@pytest.mark.parametrize("value", [1 / 3, -0.0, 1e-40, 3.4e38, -1.2345678912345e-7, 0.0])
def test_a_measurement_is_kept_to_the_precision_of_float32(store: Store, value: float) -> None:
    store.save(made([value] * 3))
    [kept, *_] = store.load(*TOY).table["w"]
    assert np.float32(kept).tobytes() == np.float32(value).tobytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300, -1e39])
def test_what_is_not_finite_is_kept_as_null_and_reported_as_diverged(
    store: Store, value: float
) -> None:
    record = made([1.0, 2.0, 3.0], [1.0, value, 3.0], [1.0, 2.0, value])
    path = store.save(record)
    assert "NaN" not in path.read_text() and "Infinity" not in path.read_text()
    back = store.load(*TOY)
    assert back.diverged == {1: 10, 2: 20}
    assert back.members == 3 and len(back.table) == 9
    finite = np.isfinite(back.table.pivot(index="examples", columns="member", values="w"))
    assert finite.to_numpy().tolist() == [[True] * 3, [True, False, True], [True, False, False]]


def test_from_its_divergence_on_a_member_has_no_measurement_of_any_kind() -> None:
    table = made([1.0, 2.0, 3.0], [1.0, float("nan"), 3.0], [1.0, 2.0, 3.0]).table
    lost = table[table["w0"].isna()]
    assert list(zip(lost["member"], lost["examples"], strict=True)) == [(1, 10), (1, 20)]


def test_the_table_has_a_row_for_each_member_and_mark() -> None:
    table = made([0.1, 0.2], [0.3, 0.4], seeds=(7, 8)).table
    assert table.to_dict("list") == {
        "member": [0, 1, 0, 1],
        "seed": [7, 8, 7, 8],
        "examples": [0, 0, 10, 10],
        "w0": [0.0] * 4,
        "w": pytest.approx([0.1, 0.2, 0.3, 0.4]),
    }


# What is refused


def truncate(path: Path) -> None:
    path.write_text(path.read_text()[:-40])


def hand_edit(path: Path) -> None:
    text = path.read_text()
    assert "-3.25" in text
    path.write_text(text.replace("-3.25", "-3.35"))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def move_into_unknown_study(path: Path) -> None:
    edit(path, study="toy-networks")
    target = path.parents[2] / "toy-networks" / "smoke" / "small.json"
    target.parent.mkdir(parents=True)
    path.rename(target)


def configuration(**changes: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        known = json.loads(path.read_text())["configuration"]
        edit(path, configuration=known | changes)

    return damage


FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "edited by hand": (hand_edit, "does not match its digest"),
    "another digest": (lambda p: edit(p, sealed=False, digest="0" * 64), "its digest"),
    "no digest": (lambda p: edit(p, sealed=False, digest=None), "its digest"),
    "truncated": (truncate, "truncated or damaged"),
    "empty": (lambda p: p.write_text(""), "truncated or damaged"),
    "zeros": (lambda p: p.write_bytes(bytes(4096)), "truncated or damaged"),
    "not UTF-8": (lambda p: p.write_bytes(b'{"study": "\xff"}'), "truncated or damaged"),
    "prose": (lambda p: p.write_text("to be measured"), "truncated or damaged"),
    "a list": (lambda p: p.write_text("[1, 2]"), "holds no JSON object"),
    "a number": (lambda p: p.write_text("1"), "holds no JSON object"),
    "a folder": (replace_by_folder, "cannot be read (Is a directory)"),
    "no schema": (lambda p: edit(p, schema_version=None), "schema version None"),
    "future schema": (lambda p: edit(p, schema_version=2), "2; this bioprop reads version 1"),
    "unknown field": (lambda p: edit(p, mood="good"), "is not a record"),
    "missing field": (lambda p: edit(p, marks=None), "is not a record"),
    "no members": (lambda p: edit(p, labels={"seed": []}), "is not a record"),
    "no labels": (lambda p: edit(p, labels={}), "is not a record"),
    "no marks": (lambda p: edit(p, marks=[]), "is not a record"),
    "no quantity": (lambda p: edit(p, values={}), "is not a record"),
    "a value less": (lambda p: edit(p, labels={"seed": [0, 1, 2, 3]}), "is not a record"),
    "nested": (lambda p: p.write_text("[" * 100_000), "is truncated or damaged"),
    "another variant's": (lambda p: edit(p, variant="anywhere"), "of toy-network/smoke/anywhere"),
    "another tier's": (lambda p: edit(p, tier="paper"), "is that of toy-network/paper/small"),
    "unknown setting": (configuration(rates=1.0), "no setting 'rates'"),
    "impossible setting": (configuration(members=0), "members = 0"),
    "unknown rule": (configuration(rule="fb"), "rule = 'fb'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_record_is_refused_with_its_name_the_fault_and_the_cure(
    fault: str, store: Store, path: Path
) -> None:
    damage, words = FAULTS[fault]
    damage(path)
    with pytest.raises(RecordError) as refused:
        store.load(*TOY)
    assert words in str(refused.value)
    assert str(path) in str(refused.value) and AGAIN in str(refused.value)


def test_a_missing_record_is_named_with_the_command_that_makes_it(store: Store) -> None:
    with pytest.raises(RecordError) as refused:
        store.load(*TOY)
    assert str(store.path(*TOY)) in str(refused.value)
    assert str(refused.value).endswith("bioprop run toy-network --tier smoke --variant small")


def test_a_record_of_a_study_that_is_gone_is_refused(store: Store, path: Path) -> None:
    move_into_unknown_study(path)
    with pytest.raises(RecordError, match=r"no study 'toy-networks'.*Did you mean 'toy-network'"):
        store.load("toy-networks", "smoke", "small")


def test_no_digit_of_a_record_can_change_unnoticed(path: Path) -> None:
    text = path.read_text()
    places = [match.start() for match in re.finditer(r"\d", text)]
    assert len(places) > 100
    for place in places:
        other = "1" if text[place] != "1" else "2"
        path.write_text(text[:place] + other + text[place + 1 :])
        with pytest.raises(RecordError):
            read(path)


# Interrupted writing


KILLED = """
import os, random, signal, time
from pathlib import Path
from helpers import made
from bioprop.book import records

store = records.Store(Path(sys.argv[1]))
both = [made(*[[value] * 60] * 60, seeds=tuple(range(60))).sealed() for value in (0.0, 1.0)]
texts = {record.digest: records._text(record) for record in both}
path = store.save(both[0])

# From here on a writer spends its time on writing, not on preparing what it writes.
records._text = lambda record: texts[record.digest]
records.Record.sealed = lambda record: record
found = set()
for seed in range(25):
    child = os.fork()
    if child == 0:
        while True:
            for record in reversed(both):
                store.save(record)
    time.sleep(random.Random(seed).uniform(0.002, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found.add(records.read(path).digest)
    assert list(store) == [path]
assert found == set(texts), "no writer lived to write"
assert list(path.parent.glob(".*.partial")), "no writer was killed in the middle"
print("whole")
"""


def test_a_writer_killed_at_any_moment_leaves_the_old_record_or_the_new_one(
    tmp_path: Path,
) -> None:
    with python(KILLED, ROOT, str(tmp_path)) as process:
        said, complaint = process.communicate(timeout=60)
    assert said == "whole\n", complaint


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("stop", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_write_that_stops_before_its_end_leaves_the_old_record_and_no_scrap(
    function: str, stop: BaseException, store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = path.read_bytes()

    def fail(*_: Any) -> None:
        raise stop

    monkeypatch.setattr(os, function, fail)
    with pytest.raises((RecordError, KeyboardInterrupt)):
        store.save(made([9.0, 9.0, 9.0]))
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def test_what_a_killed_writer_left_is_never_read(store: Store, path: Path) -> None:
    (path.parent / ".small.json.123.partial").write_text("{")
    (path.parent / ".anywhere.json.123.partial").write_text("{")
    assert list(store) == [path]
    assert not store.has("toy-network", "smoke", "anywhere")
    assert store.load(*TOY).members == 3


# Disks that refuse


@linux
def test_a_full_disk_is_named_and_neither_record_is_lost(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = path.read_bytes(), tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(other))
    (path.parent / f".{path.name}.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(RecordError, match=r"disk is full\. Free some space") as refused:
        store.save(made([9.0, 9.0, 9.0]))
    assert str(path) in str(refused.value)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]
    [made_there] = other.iterdir()
    assert f"then move {made_there} there" in str(refused.value)
    made_there.replace(path)
    assert store.load(*TOY).values == made([9.0, 9.0, 9.0]).values
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    (path.parent / f".{path.name}.{os.getpid()}.partial").symlink_to("/dev/full")
    with pytest.raises(RecordError, match=r"then run the same command"):
        store.save(made([9.0, 9.0, 9.0]))


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.EROFS, "the file system is read-only. Point BIOPROP_ROOT at a copy"),
        (errno.EACCES, "permission was refused"),
        (errno.EDQUOT, "your share of the disk is used up"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(
    number: int, words: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RecordError, match=words) as refused:
        store.save(made([9.0, 9.0, 9.0]))
    assert str(store.path(*TOY)) in str(refused.value)


@linux
def test_a_place_where_nothing_can_be_written_is_named() -> None:
    with pytest.raises(RecordError, match="could not write record /proc/self/nowhere/toy-network"):
        Store(Path("/proc/self/nowhere")).save(made([9.0, 9.0, 9.0]))


# Comparing


NAN = float("nan")
BASE = made([1.0, 2.0, 3.0], [1.0, NAN, 4.0])
CHANGES: dict[str, tuple[Record, str]] = {
    "settings": (
        BASE.model_copy(update={"configuration": {**BASE.configuration, "rate": 0.5}}),
        "configuration differ",
    ),
    "labels": (made([1.0, 2.0, 3.0], [1.0, NAN, 4.0], seeds=(0, 1, 3)), "labels differ"),
    "marks": (made([1.0, 2.0, 3.0]), "marks differ"),
    "divergence": (made([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]), "diverged differ"),
    "quantities": (
        BASE.model_copy(update={"values": {"w": BASE.values["w"]}}),
        "other quantities were measured",
    ),
    "a value": (
        made([1.0, 2.0, 3.0], [1.0, NAN, 4.4]),
        "w differs by up to 0.4",
    ),
    "a gap": (
        BASE.model_copy(update={"values": {**BASE.values, "w": [[1.0, 2.0, 3.0], [None] * 3]}}),
        "w is missing in other places",
    ),
    "final weights": (BASE.model_copy(update={"fingerprint": "0"}), "the final weights differ"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_kind_of_difference_is_found(change: str) -> None:
    other, words = CHANGES[change]
    assert words in differences(BASE, other)


def test_equal_runs_do_not_differ() -> None:
    assert differences(BASE, made([1.0, 2.0, 3.0], [1.0, NAN, 4.0])) == []


def test_a_quantity_that_was_never_finite_can_be_compared() -> None:
    lost = made([NAN] * 3)
    assert differences(lost, made([NAN] * 3)) == []


# The records of this repository


def test_there_are_records_and_each_is_of_a_known_study() -> None:
    assert {Path(name).parts[0] for name in COMMITTED} <= set(studies.STUDIES)
    assert COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_record_is_whole_and_made_with_the_settings_that_the_study_declares(
    name: str,
) -> None:
    record = read(RECORDED.folder / name)
    study = studies.get(record.study)
    _, seeds = parts.split(Path(name).stem)
    where = {"device": record.settings.device}
    assert record.settings == runs.configure(study, record.tier, record.variant, where, seeds)
    assert set(record.labels["seed"]) == set(record.settings.seeds)
    assert record.members % record.settings.members == 0
    assert {len(column) for column in record.labels.values()} == {record.members}
    for rows in record.values.values():
        assert [len(row) for row in rows] == [record.members] * len(record.marks)
    # On the flow from zero weights there is no angle at the start.
    flow = record.study == "two-thirds" and record.variant in ("white", "uniform", "single-pair")
    assert record.marks == sorted(set(record.marks)) and record.marks[0] == int(flow)
    assert {"commit", "packages", "machine", "threads", "seconds", "date"} <= set(record.provenance)


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_record_is_laid_out_as_this_version_lays_records_out(
    name: str, tmp_path: Path
) -> None:
    path = RECORDED.folder / name
    part = parts.split(path.stem)[1] is not None
    again = Store(tmp_path).save(read(path), part=part)
    assert again.name == path.name and again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda study: study.name)
def test_the_committed_parts_of_a_variant_belong_together(study: studies.Study) -> None:
    for tier in study.tiers:
        for variant in study.variants:
            if RECORDED.has(study.name, tier, variant):
                record = RECORDED.load(study.name, tier, variant)
                declared = study.configure(tier, variant).seeds
                assert set(record.seeds) <= set(declared) and record.wanted == len(declared)
