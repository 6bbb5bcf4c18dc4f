"""Runs end with the same bits whatever interrupts them, and what is kept can be verified."""

import dataclasses
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import papermill
import pytest
import torch
from helpers import TOY, python, way
from rich.console import Console

from bioprop import paths, studies
from bioprop.book import claims, progress, provenance, runs
from bioprop.book.closeness import ROUNDING, compare
from bioprop.book.page import open_page
from bioprop.book.records import RECORDED, Record, RecordError, Store, differences
from bioprop.deep.training import Training as DeepTraining
from bioprop.learning import Training
from bioprop.studies import journal as journals
from bioprop.studies.journal import CheckpointError, Journal

# These are solved at once, without steps that could be interrupted.
SOLVED = {("theorems", variant) for variant in studies.get("theorems").variants}
SOLVED |= {("two-thirds", variant) for variant in studies.get("two-thirds").variants}
SOLVED = SOLVED - {("two-thirds", "learnt")} | {("linear-scales", "theory")}
EVERY = [(s.name, variant) for s in studies.STUDIES.values() for variant in s.variants]


# One for each way through the code: a run of other numbers is interrupted in the same way.
VARIANTS = list({way(*each): each for each in EVERY if each not in SOLVED}.values())
LINEAR = studies.get("linear-task")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test, so that no checkpoint or lock outlives it."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "TWINS", tmp_path / "twins")
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


class Interruption(Exception):
    """Stands for whatever may stop a run."""


def stop_after(mark: int) -> Callable[[int, int], None]:
    """Return a progress function that stops the run once it has come to a mark."""

    def progress(done: int, total: int) -> None:
        if done >= mark:
            raise Interruption(done)

    return progress


def marks_run(study: studies.Study, variant: str, store: Store) -> list[int]:
    """Run a study and return the marks that were trained to, without those of a checkpoint."""
    told: list[int] = []
    runs.run(study, "smoke", variant, store=store, progress=lambda done, _: told.append(done))
    return told


# Interruptions


@pytest.mark.parametrize("name, variant", VARIANTS)
def test_an_interrupted_run_goes_on_and_gives_the_same_record_bit_for_bit(
    name: str, variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studies.get(name)
    once, parts = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    told = marks_run(study, variant, once)
    whole = once.load(name, "smoke", variant)
    stop = stop_after(told[2])
    with pytest.raises(Interruption):
        runs.run(study, "smoke", variant, store=parts, progress=stop, every=0.0)
    assert not parts.has(name, "smoke", variant)
    steps: list[int] = []

    for kind in (Training, DeepTraining):

        def until(training: Any, step: int, until: Any = kind.until) -> None:
            steps.append(training.step)
            until(training, step)

        monkeypatch.setattr(kind, "until", until)
    assert marks_run(study, variant, parts) == told[2:]
    # What was trained before, such as another network, is trained anew.
    assert steps[-len(told[2:])] > 0, "it began anew"
    again = parts.load(name, "smoke", variant)
    assert again.values == whole.values and again.fingerprint == whole.fingerprint
    assert differences(whole, again) == []


# Runs the linear task and tells each mark; from the mark in its second word on it waits for a
# line before it goes on. With a third word it waits while the checkpoint of that mark is written.
CHILD = """
import os
from bioprop import studies
from bioprop.book import runs
from bioprop.book.records import Store
from pathlib import Path

folder, hold, *writing = sys.argv[1:]
state = {"mark": 0, "replace": os.replace}

def tell_and_wait():
    print(state["mark"], flush=True)
    if state["mark"] >= int(hold):
        sys.stdin.readline()

def told(done, total):
    state["mark"] = done
    if not writing:
        tell_and_wait()

def replace(old, new):
    if writing and str(new).endswith(".pt"):
        tell_and_wait()
    state["replace"](old, new)

os.replace = replace
study = studies.get("linear-task")
runs.run(study, "smoke", "fa", store=Store(Path(folder)), progress=told, every=0.0)
print("done", flush=True)
"""


def wait_for(process: subprocess.Popen[str], mark: str) -> None:
    """Read what a child tells until it is at a mark."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == mark:
            return
    assert process.stderr is not None
    raise AssertionError(f"the child ended before {mark}: {process.stderr.read()}")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that starts a run in a process whose root, cache and store are the test's."""
    yield lambda *words: python(CHILD, tmp_path, str(tmp_path / "runs"), *words)


@pytest.mark.parametrize("moment", ["while training", "while writing a checkpoint"])
def test_a_killed_run_goes_on_and_gives_the_same_record_bit_for_bit(
    moment: str, child: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CACHE", tmp_path / "data" / "cache")
    words = ["writing"] if "writing" in moment else []
    with child("50", *words) as process:
        wait_for(process, "50")
        process.kill()
        process.wait()
    assert not store.has("linear-task", "smoke", "fa")
    scraps = list((paths.CACHE / "checkpoints").glob("*.partial"))
    assert len(scraps) == len(words), "killed at another moment than was meant"
    assert marks_run(LINEAR, "fa", store)[0] == 50
    whole = runs.run(LINEAR, "smoke", "fa", store=Store(tmp_path / "whole"))
    again = store.load("linear-task", "smoke", "fa")
    assert again.values == whole.values and again.fingerprint == whole.fingerprint
    assert not list((paths.CACHE / "checkpoints").glob("*.[!l]*")), "scraps are left"


def test_a_second_process_at_the_same_run_is_refused_and_the_first_ends_well(
    child: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CACHE", tmp_path / "data" / "cache")
    with child("50") as process:
        wait_for(process, "50")
        with pytest.raises(RecordError, match=r"another process is making .*fa\.json\. Wait") as no:
            runs.run(LINEAR, "smoke", "fa", store=store, threads=2)
        assert str(store.path("linear-task", "smoke", "fa")) in str(no.value)
        runs.run(LINEAR, "smoke", "bp", store=store)  # another variant is another run
        said, complaint = process.communicate("\n" * 100, timeout=30)
    assert said.endswith("done\n"), complaint
    assert store.load("linear-task", "smoke", "fa").settings.members == 3
    runs.run(LINEAR, "smoke", "fa", store=store)  # and the way is free again


OTHERWISE: dict[str, Callable[[pytest.MonkeyPatch], dict[str, Any]]] = {
    "other source": lambda patch: patch.setattr(provenance, "code", lambda: "other") or {},
    "other torch": lambda patch: patch.setattr(torch, "__version__", "0") or {},
    "other threads": lambda _: {"threads": 2},
    "other settings": lambda _: {"changes": {"rate": 0.005}},
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_no_run_goes_on_from_a_checkpoint_that_was_made_otherwise(
    what: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_mark(**how: Any) -> int:
        with pytest.raises(Interruption) as stopped:
            runs.run(LINEAR, "smoke", "fa", store=store, **how)
        return stopped.value.args[0]

    first_mark(progress=stop_after(50), every=0.0)
    assert first_mark(progress=stop_after(0)) == 50
    changed = OTHERWISE[what](monkeypatch)
    assert first_mark(progress=stop_after(0), **changed) == 0


def test_the_seconds_of_a_record_include_those_before_an_interruption(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = clock.monotonic = clock.time = lambda: clock.now
    monkeypatch.setattr(journals, "time", clock)

    def slow(done: int, total: int) -> None:
        clock.now += 1.0
        if done == 50:
            raise Interruption

    with pytest.raises(Interruption):
        runs.run(LINEAR, "smoke", "fa", store=store, progress=slow, every=0.0)
    clock.now = 1000.0
    record = runs.run(LINEAR, "smoke", "fa", store=store)
    assert record.provenance["seconds"] == 50.0


# Checkpoints that fail


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The checkpoint of an interrupted run of the linear task."""
    path = tmp_path / "run.pt"
    with pytest.raises(Interruption):
        LINEAR.run(LINEAR.configure("smoke", "fa"), Journal(path, stop_after(50), 0.0))
    return path


def flip(content: bytes, place: float) -> bytes:
    index = int(place * len(content))
    return content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[:-100],
    "cut to its seal": lambda content: content[:32],
    "a bit flipped at the start": lambda content: flip(content, 0.0),
    "a bit flipped in the middle": lambda content: flip(content, 0.5),
    "a bit flipped near the end": lambda content: flip(content, 0.99),
    "another file": lambda content: b"to be continued",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_with_what_to_do(damage: str, checkpoint: Path) -> None:
    checkpoint.write_bytes(DAMAGES[damage](checkpoint.read_bytes()))
    with pytest.raises(CheckpointError, match=r"damaged.*Delete it to start") as refused:
        LINEAR.run(LINEAR.configure("smoke", "fa"), Journal(checkpoint))
    assert str(checkpoint) in str(refused.value)


def test_a_checkpoint_of_before_has_its_seal_in_front_and_is_read(checkpoint: Path) -> None:
    content, settings = checkpoint.read_bytes(), LINEAR.configure("smoke", "fa")
    LINEAR.run(settings, new := Journal(checkpoint))
    checkpoint.write_bytes(content[-32:] + content[:-32])
    assert journals.spent(checkpoint) > 0.0
    LINEAR.run(settings, old := Journal(checkpoint))
    assert old.rows == new.rows and old.fingerprint == new.fingerprint
    checkpoint.write_bytes(content[-32:] + flip(content[:-32], 0.5))
    with pytest.raises(CheckpointError, match="damaged"):
        LINEAR.run(settings, Journal(checkpoint))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_checkpoint_needs_no_memory_for_a_copy_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, seen = [torch.ones(2**22) for _ in range(4)], list[int]()  # 64 MiB in all

    def look() -> None:
        words = Path("/proc/self/status").read_text().split()
        seen.append(2**10 * int(words[words.index("RssAnon:") + 1]))

    def state_dict(copy: bool = True) -> dict[str, Any]:
        return {"kept": [t.clone() if copy else t for t in kept]}

    def load_state_dict(state: dict[str, Any]) -> None:
        for tensor, saved in zip(kept, state["kept"], strict=True):
            tensor.copy_(saved)
        look()

    def write(sealing: Any, content: bytes, own: Any = journals.Sealing.write) -> int:
        look()
        return own(sealing, content)

    monkeypatch.setattr(journals.Sealing, "write", write)
    training: Any = SimpleNamespace(state_dict=state_dict, load_state_dict=load_state_dict)
    journal = Journal(tmp_path / "run.pt")
    look()
    journal._save(training, 7)
    assert journal._resume(training) == 7
    assert len(seen) > 6 and max(seen) - seen[0] < 2**24, "a quarter of the state"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_costs_the_checkpoint_but_not_the_run(checkpoint: Path) -> None:
    kept = checkpoint.read_bytes()
    checkpoint.with_suffix(".partial").symlink_to("/dev/full")
    settings = LINEAR.configure("smoke", "fa")
    words = r"no checkpoint could be saved .*disk is full\. Free some space.* the checkpoint before"
    with pytest.warns(UserWarning, match=words):
        LINEAR.run(settings, hindered := Journal(checkpoint, every=0.0))
    LINEAR.run(settings, free := Journal())
    assert hindered.rows == free.rows and hindered.fingerprint == free.fingerprint
    assert checkpoint.read_bytes() != kept, "once there is space again, checkpoints are saved"


def test_a_read_only_folder_costs_the_checkpoint_but_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    journal = Journal(tmp_path / "no" / "run.pt", every=0.0)
    with pytest.warns(UserWarning, match="read-only.* if it is interrupted meanwhile, it is lost"):
        LINEAR.run(LINEAR.configure("smoke", "bp"), journal)
    assert len(journal.rows) == 101


# Where runs are kept


@pytest.mark.parametrize("tier", studies.TIERS)
@pytest.mark.parametrize("changes", [{}, {"rate": 0.1}, {"members": 5}, {"device": "cuda"}])
def test_only_unchanged_runs_of_a_published_tier_are_kept_with_the_published_records(
    tier: str, changes: dict[str, Any], cache: Path
) -> None:
    store = runs.store_for(tier, changes)
    if tier in ("reduced", "paper") and (not changes or "device" in changes):
        assert store is RECORDED
    else:
        assert store.folder.is_relative_to(cache)


def test_runs_with_other_changes_are_kept_apart() -> None:
    changes: list[dict[str, Any]] = [{}, {"rate": 0.1}, {"rate": 0.2}, {"members": 1}]
    assert len({runs.store_for("quick", each).folder for each in changes}) == len(changes)
    one, same = {"rate": 0.1, "members": 1}, {"members": 1, "rate": 0.1}
    assert runs.store_for("quick", one).folder == runs.store_for("quick", same).folder


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(
    store: Store, cache: Path
) -> None:
    with pytest.raises(ValueError, match=r"'cuda:99' is not here.*--device cpu"):
        runs.run(LINEAR, "smoke", "fa", {"device": "cuda:99"}, store=store)
    assert not store.folder.exists() and not cache.exists()


def test_nothing_runs_or_is_written_where_the_library_is_installed_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CACHE", "BUILD", "REPORTED"):
        monkeypatch.setattr(paths, name, tmp_path / name)
    with pytest.raises(ValueError, match=r"is no copy of the book, .*: clone the book"):
        open_page("toy-network", tier="smoke")
    with pytest.raises(ValueError, match=r"is no copy of the book, .*: clone the book"):
        runs.run(studies.get(TOY[0]), *TOY[1:])
    assert not list(tmp_path.iterdir())


FAR_TOO_LARGE: dict[str, Callable[[], object]] = {
    "PyTorch": lambda: torch.empty(2**60, dtype=torch.uint8),
    "PyTorch, too large to count": lambda: torch.empty(2**62, 2**62),
    "NumPy": lambda: np.empty(2**60, dtype=np.uint8),
    "NumPy, too large to count": lambda: np.empty((2**40, 2**40)),
    "Python": lambda: bytearray(2**60),
}


@pytest.mark.parametrize("library", FAR_TOO_LARGE)
def test_a_run_that_needs_too_much_memory_says_so_in_words(library: str, store: Store) -> None:
    greedy = dataclasses.replace(studies.get(TOY[0]), run=lambda *_: FAR_TOO_LARGE[library]())
    with pytest.raises(ValueError, match="'toy-network' needs more memory than is here"):
        runs.run(greedy, *TOY[1:], store=store)


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("no such axis")])
def test_other_errors_of_a_run_are_left_as_they_are(error: Exception, store: Store) -> None:
    def fail(*_: object) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        runs.run(dataclasses.replace(studies.get(TOY[0]), run=fail), *TOY[1:], store=store)


def test_a_record_says_on_which_device_it_was_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    describe = provenance.describe

    def spy(seconds: float, device: str) -> dict[str, Any]:
        asked.append(device)
        return describe(seconds, "cpu")

    def without_device(settings: Any, journal: Journal) -> None:
        LINEAR.run(LINEAR.configure("smoke", "bp"), journal)

    monkeypatch.setattr(provenance, "describe", spy)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    pretended = studies.Study(**{**vars(LINEAR), "run": without_device})
    runs.run(pretended, "smoke", "bp", {"device": "cuda"}, store=store)
    assert asked == ["cuda"]


@pytest.mark.parametrize("asked, used", [(None, 3), (2, 2)])
def test_a_run_has_the_threads_of_its_study_unless_others_are_asked_for(
    asked: int | None, used: int, store: Store
) -> None:
    def count(settings: Any, journal: Journal) -> None:
        raise Interruption(torch.get_num_threads())

    before = torch.get_num_threads()
    pretended = studies.Study(**{**vars(LINEAR), "run": count, "threads": 3})
    with pytest.raises(Interruption) as stopped:
        runs.run(pretended, "smoke", "bp", store=store, threads=asked)
    assert stopped.value.args == (used,)
    assert torch.get_num_threads() == before


# Verifying


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A run of the linear task, made here and now."""
    folder = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", folder)
        return runs.run(LINEAR, "smoke", "fa", store=Store(folder))


def moved(record: Record, by: float, **provenance: Any) -> Record:
    """Return the record with its last angles moved by a fraction of 90, sealed anew."""
    values = {name: [list(row) for row in rows] for name, rows in record.values.items()}
    values["angle"][-1] = [value + 90 * by for value in values["angle"][-1] if value is not None]
    known = {**record.provenance, **provenance}
    return record.model_copy(update={"values": values, "provenance": known}).sealed()


def test_a_record_agrees_bit_for_bit_on_its_own_thread_count(record: Record) -> None:
    assert runs.exact(record)
    assert str(runs.verify(record, LINEAR)) == "agrees bit for bit"
    other = record.model_copy(update={"fingerprint": "0" * 64})
    assert "not in the last bits" in str(compare(other, record, LINEAR))


def test_a_record_agrees_within_the_tolerance_on_another_thread_count(record: Record) -> None:
    before = torch.get_num_threads()
    assert not runs.exact(record, threads=2)
    assert not runs.verify(record, LINEAR, threads=2).faults
    assert torch.get_num_threads() == before


ELSEWHERE: dict[str, tuple[int | None, dict[str, Any]]] = {
    "here": (None, {}),
    "another thread count": (1, {"threads": 2}),
    "another machine": (None, {"machine": "abacus"}),
    "another instruction set": (None, {"arithmetic": {"instructions": "abacus"}}),
    "a machine that was not described": (None, {"arithmetic": None}),
    "another device": (None, {"device": "slide rule"}),
    "another torch": (None, {"packages": {"numpy": "0", "torch": "0"}}),
}


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("by", [1e-8, 1e-3])
def test_a_record_sealed_anew_with_other_values_is_noticed(
    place: str, by: float, record: Record
) -> None:
    threads, provenance = ELSEWHERE[place]
    edited = moved(record, by, **provenance)
    found = runs.verify(edited, LINEAR, threads=threads)
    if place == "here" or by == 1e-3:
        assert [words.split(" by ")[0] for words in found.faults] == ["angle differs"]
    else:
        assert not found.faults and "angle differs by 9e-07 (member" in str(found)


def test_a_record_made_on_a_graphics_card_is_verified_where_there_is_none(record: Record) -> None:
    made = {"configuration": {**record.configuration, "device": "cuda:7"}}
    known = {"provenance": {**record.provenance, "device": "a card"}}
    elsewhere = record.model_copy(update=made | known).sealed()
    with pytest.raises(ValueError, match=r"'cuda:7' is not here.*--device cpu"):
        runs.verify(elsewhere, LINEAR)
    assert not runs.exact(elsewhere, device="cpu")
    near = runs.verify(moved(elsewhere, 1e-8), LINEAR, device="cpu")
    assert not near.faults and near.how == "as closely as rounding lets it"
    assert runs.verify(moved(elsewhere, 1e-3), LINEAR, device="cpu").faults


def test_a_record_made_on_one_card_agrees_in_every_bit_on_another_of_its_kind(
    record: Record,
) -> None:
    elsewhere = record.model_copy(
        update={"configuration": {**record.configuration, "device": "cuda:1"}}
    )
    assert differences(record, elsewhere) == []
    other = {"configuration": {**record.configuration, "rate": 0.5}}
    assert differences(record, record.model_copy(update=other)) == ["configuration differ"]


def test_a_record_older_than_a_setting_is_verified_with_its_default(record: Record) -> None:
    older = {k: v for k, v in record.configuration.items() if k != "rate"}
    assert not runs.verify(record.model_copy(update={"configuration": older}), LINEAR).faults
    other = {"configuration": {**record.configuration, "rate": 0.5}}
    assert runs.verify(record.model_copy(update=other), LINEAR).faults


@pytest.mark.parametrize("precision", ROUNDING)
def test_a_record_of_any_precision_can_be_verified(precision: str, store: Store) -> None:
    record = runs.run(LINEAR, "smoke", "fa", {"precision": precision}, store=store)
    record.provenance["threads"] = 2
    assert not runs.verify(record, LINEAR, threads=1).faults


def test_the_smallest_committed_records_can_be_made_again() -> None:
    study = studies.get("toy-network")
    for record in RECORDED.runs(study, "paper").values():
        assert not runs.verify(record, study).faults


def test_a_record_names_the_images_it_learnt_from_and_other_images_are_noticed_at_once(
    store: Store,
) -> None:
    study = studies.get("mnist")
    record = runs.run(study, "smoke", "shallow", store=store)
    assert list(record.provenance["data"]) == ["digits"]
    assert not runs.verify(record, study).faults
    record.provenance["data"]["digits"] = "0" * 64

    def never(settings: Any, journal: Journal) -> None:
        raise AssertionError("trained on other images")

    assert runs.verify(record, dataclasses.replace(study, run=never)).faults == [
        "the data set digits is not the one the record was made from"
    ]


SETTINGS = {
    "MKL_CBWR": True,
    "ONEDNN_MAX_CPU_ISA": True,
    "ATEN_CPU_CAPABILITY": True,
    "OPENBLAS_CORETYPE": True,
    "NPY_DISABLE_CPU_FEATURES": True,
    "ONEDNN_VERBOSE": False,
    "OPENBLAS_NUM_THREADS": False,
    "KMP_INIT_AT_FORK": False,  # scikit-learn sets it
    "HOME": False,
}


@pytest.mark.parametrize("variable", SETTINGS)
def test_a_setting_that_changes_the_bits_makes_another_machine(
    variable: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "COMPATIBLE")
    assert (variable in provenance.arithmetic()["settings"]) == SETTINGS[variable]
    assert runs.exact(record) != SETTINGS[variable]


def test_the_precision_of_products_is_a_setting_too(record: Record) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert not runs.exact(record)
    finally:
        torch.set_float32_matmul_precision(before)
    assert runs.exact(record)


@pytest.mark.skipif(sys.platform != "linux", reason="where the system tells")
def test_the_processor_is_named_with_its_instructions() -> None:
    known = provenance.arithmetic()
    assert known["model"] and known["instructions"] and known["capability"]


# Diverging


def test_a_run_that_diverges_is_kept_as_diverged_and_cannot_be_judged(store: Store) -> None:
    made = {
        variant: runs.run(LINEAR, "smoke", variant, {"rate": 10.0}, store=store)
        for variant in LINEAR.variants
    }
    for variant in ("bp", "fa", "np"):
        kept = store.load("linear-task", "smoke", variant)
        assert list(kept.diverged) == [0, 1, 2] and kept.members == 3
        assert len(kept.table) == 3 * 101
    judged = {j.claim.id: j for j in claims.judge_all(LINEAR, made, "smoke")}
    for id in ("linear-fa-final", "linear-np-end", "linear-angle-end", "linear-helpful"):
        assert judged[id].verdict == "cannot be judged"
        assert judged[id].members == 3 and judged[id].why == (
            "there is no value for 3 of 3 networks; "
            "in all runs of the study 9 of 12 networks diverged"
        )


def test_a_claim_about_the_way_notices_that_a_network_diverged_on_it(store: Store) -> None:
    toy = studies.get("toy-network")
    made = {v: runs.run(toy, "smoke", v, {"rate": 10.0}, store=store) for v in toy.variants}
    assert all(len(record.diverged) == 3 for record in made.values())
    for judgement in claims.judge_all(toy, made, "smoke"):
        assert judgement.verdict == "cannot be judged", judgement.claim.id


# Telling how far a run is


@pytest.mark.parametrize(
    "building, lines",
    [
        (
            False,
            [
                "fa: 700 of 3000 examples",
                "fa: 2000 of 3000 examples, 20 a second, 50 s left",
                "fa: 3000 of 3000 examples, 17.7 a second",
            ],
        ),
        (True, []),
    ],
)
def test_a_log_gets_a_line_now_and_then_unless_the_book_is_built(
    building: bool,
    lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = iter((0.0, 61.0, 70.0, 126.0, 191.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.delenv("BIOPROP_BUILD", raising=False)
    if building:
        monkeypatch.setenv("BIOPROP_BUILD", "1")
    # Other libraries import ipykernel outside of notebooks too: only what stderr is may decide.
    import ipykernel  # noqa: F401

    told = progress.progress("fa")
    for done in (700, 900, 2000, 3000):
        told(done, 3000)
    assert capsys.readouterr().err.splitlines() == lines


def test_a_log_hears_once_a_minute_of_work_of_which_no_more_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    threads = threading.active_count()
    with pytest.raises(KeyError), progress.working(Console(), "executing depth"):
        time.sleep(0.2)
        raise KeyError
    lines = capsys.readouterr().err.splitlines()
    assert threading.active_count() == threads
    assert len(lines) > 1 and lines[0].startswith("executing depth: ")
    assert all(line.endswith(" so far") for line in lines)
    monkeypatch.undo()
    with progress.working(Console(), "executing depth"):
        pass
    assert not capsys.readouterr().err


def test_a_notebook_shows_a_bar_unless_the_book_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from bioprop.book import progress\ntold = progress.progress('fa')\ntold(10, 30)"
    cell = nbformat.v4.new_code_cell(code)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    path = tmp_path / "notebook.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)

    def shown() -> str:
        executed = papermill.execute_notebook(path, None, progress_bar=False)
        return "".join(o.text for o in executed.cells[-1].outputs if o.name == "stderr")

    monkeypatch.delenv("BIOPROP_BUILD", raising=False)
    assert "fa: 0 examples" in shown()
    monkeypatch.setenv("BIOPROP_BUILD", "1")
    assert shown() == ""
