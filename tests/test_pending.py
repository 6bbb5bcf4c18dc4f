"""Pending runs are planned, made in parts, stopped in time and gone on with, wherever they run."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, wait
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest
from helpers import copy_root, python

from bioprop import paths, studies
from bioprop.book import engines, estimates, pending, runs
from bioprop.book.engines import Here, Processes
from bioprop.book.records import RECORDED, RecordError, Store
from bioprop.learning import Training
from bioprop.learning.memory import TooLarge
from bioprop.studies import Study
from bioprop.studies import journal as journals
from bioprop.tasks.datasets import DataError

LINEAR, TOY = studies.get("linear-task"), studies.get("toy-network")
# As the toy network, with a published tier of five members that takes a second.
TINY = Study(
    **{**vars(TOY), "tiers": {**TOY.tiers, "paper": {"members": 5, "examples": 400, "marks": 20}}}
)


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny study in the place of its namesake, and a cache of one's own."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setitem(studies.STUDIES, "toy-network", TINY)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def names(works: list[pending.Work]) -> list[str]:
    return [work.name for work in works]


def shift(store: Store, engine: Any = None, **how: Any) -> Any:
    """Plan what is missing and work it off; return the shift, with what it told."""
    said: list[str] = []
    made = pending.Shift(
        pending.plan([TINY], store), engine or Here(), store, told=said.append, **how
    )
    made.work()
    made.said = said
    return made


# Plans


def costing(seconds: float, monkeypatch: pytest.MonkeyPatch, **others: float) -> None:
    """Make members cost so many seconds, those of some studies others; 10 checkpoints in each."""

    def cost(study: Study, *_: Any) -> estimates.Estimate:
        took = others.get(study.name.replace("-", "_"), seconds)
        return estimates.Estimate(took, took / 10, "for a test")

    monkeypatch.setattr(pending, "estimate", cost)


def test_cheap_variants_are_made_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    costing(1.0, monkeypatch)
    works = pending.plan([TOY], store)
    assert names(works) == [f"toy-network/paper/{v}" for v in ("small", "anywhere", "backprop")]
    assert all(work.seeds is None and work.seconds == 40.0 for work in works)


def test_a_part_is_at_most_forty_minutes_of_two_cores(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(600.0, monkeypatch)
    works = pending.plan([TOY], store)
    assert {work.seconds for work in works} == {4800.0} and len(works) == 3 * 5
    two = Study(**{**vars(TOY), "threads": 2})
    assert {work.seconds for work in pending.plan([two], store)} == {2400.0}
    costing(3000.0, monkeypatch)
    assert {len(work.seeds or ()) for work in pending.plan([two], store)} == {1}


def test_first_seeds_come_first_and_most_claims_for_the_least_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(1600.0, monkeypatch)  # three seeds in a part
    works = names(pending.plan([TOY, LINEAR], store))
    first = [f"linear-task/paper/{v}, seeds 100-102" for v in LINEAR.variants]
    assert works[:4] == first, "it has more claims"
    assert works[4:7] == [f"toy-network/paper/{v}, seeds 0-2" for v in TOY.variants]
    costing(1600.0, monkeypatch, toy_network=1.0)
    assert names(pending.plan([TOY, LINEAR], store))[0].startswith("toy-network")


def test_a_tier_that_can_be_judged_makes_lesser_ones_needless(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    costing(1.0, monkeypatch)
    both = Study(**{**vars(TINY), "tiers": {**TINY.tiers, "reduced": {"members": 4}}})
    tiers = {work.tier for work in pending.plan([both], store)}
    assert tiers == {"reduced", "paper"}
    assert [work.tier for work in pending.plan([both], store)][:3] == ["reduced"] * 3
    for variant in TINY.variants:
        runs.run(TINY, "paper", variant, seeds=range(3), store=store)
    assert names(pending.plan([both], store)) == [
        f"toy-network/paper/{variant}, seeds 3-4" for variant in TINY.variants
    ]


def test_nothing_of_this_repository_is_asked_for_that_is_there() -> None:
    others = [s for s in studies.STUDIES.values() if s is not TINY and "paper" in s.tiers]
    whole = [
        study
        for study in others
        if not any(RECORDED.missing(study, "paper", variant) for variant in study.variants)
    ]
    assert whole and pending.plan(whole) == []


@pytest.mark.parametrize("refusal", [DataError("mnist is not here"), TooLarge("not one fits")])
def test_a_study_that_cannot_be_made_here_is_left_out_and_the_others_are_planned(
    refusal: Exception, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cost(study: Study, *_: Any) -> estimates.Estimate:
        if study is LINEAR:
            raise refusal
        return estimates.Estimate(1.0, 0.1, "for a test")

    monkeypatch.setattr(pending, "estimate", cost)
    said: list[str] = []
    works = pending.plan([LINEAR, TINY], store, said.append)
    assert {work.study.name for work in works} == {"toy-network"}
    assert said == [f"left out: linear-task: {refusal}"]


# Estimates


def test_an_estimate_comes_from_the_record_or_the_study_or_other_variants_or_a_trial(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def how(study: Study, variant: str) -> tuple[float, str]:
        found = estimates.estimate(study, "paper", variant, store)
        return found.seconds, found.how

    priced = Study(**{**vars(TINY), "cost": {"paper": 7.0}})
    tried, said = how(TINY, "small")
    assert said == "from its first seconds"
    with monkeypatch.context() as patch:
        patch.setattr(estimates, "Trial", None)
        assert how(TINY, "small") == (tried, said), "it is tried once"
    assert how(priced, "small") == (7.0, "as its study says")
    costs = dict.fromkeys(TOY.variants, 7.0) | {"anywhere": 9.0}
    apart = replace(TOY, cost={"paper": costs})
    assert how(apart, "anywhere") == (9.0, "as its study says"), "each variant has its own"
    with pytest.raises(
        ValueError, match="cost is to have each variant, and no other: not so small"
    ):
        replace(TOY, cost={"paper": {name: 7.0 for name in TOY.variants if name != "small"}})
    record = runs.run(TINY, "paper", "small", seeds=range(2), store=store)
    each = record.provenance["seconds"] / 2
    assert how(priced, "small") == (each, "as recorded")
    assert how(priced, "anywhere") == (7.0, "as its study says")
    assert how(TINY, "anywhere") == (each, "as other variants")
    configuration = {**record.configuration, "device": "cuda"}
    store.save(record.model_copy(update={"configuration": configuration}), part=True)
    assert how(priced, "small") == (7.0, "as its study says"), "a card tells nothing of a processor"


def test_an_estimate_leaves_out_what_was_made_on_a_graphics_card(store: Store) -> None:
    priced = Study(**{**vars(TINY), "cost": {"paper": 7.0}})
    for seeds, device in ((range(2), "cuda"), (range(2, 5), "cpu")):
        made = runs.run(TINY, "paper", "small", seeds=seeds, store=store)
        made.provenance["seconds"] = 6.0
        moved = {"configuration": {**made.configuration, "device": device}}
        store.save(made.model_copy(update=moved), part=True)
        found = estimates.estimate(priced, "paper", "small", store)
        known = (7.0, "as its study says") if device == "cuda" else (2.0, "as recorded")
        assert (found.seconds, found.how) == known


@pytest.mark.parametrize("trial", [9.0, 1e9], ids=["some seconds", "to the end"])
def test_a_trial_counts_the_batches_and_the_marks_of_one_seed(
    trial: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    until = Training.until
    members = []

    def slow(training: Training, step: int) -> None:
        clock.now += 2.0 * (step - training.step)
        members.append(training.network.members)
        until(training, step)

    def run(settings: Any, journal: Any) -> None:
        follow = journal.follow

        def measured(*words: Any) -> Any:
            for mark in follow(*words):
                clock.now += 7.0
                yield mark

        journal.follow = measured
        TINY.run(settings, journal)

    monkeypatch.setattr(Training, "until", slow)
    monkeypatch.setattr(estimates, "time", clock)
    monkeypatch.setattr(estimates, "TRIAL", trial)
    watched = Study(**{**vars(TINY), "run": run})
    found = estimates.estimate(watched, "paper", "small", Store(Path("nowhere")))
    assert set(members) == {1}
    assert found.seconds == pytest.approx(400 * 2.0 + 21 * 7.0)
    assert found.checkpoint == pytest.approx(found.seconds / 21)


# Time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that runs a second for each mark of a run, for runs and plans alike."""
    clock = SimpleNamespace(now=0.0)
    clock.time = clock.monotonic = clock.perf_counter = lambda: clock.now
    until = Training.until

    def slow(training: Training, step: int) -> None:
        clock.now += 1.0 if step else 0.0
        until(training, step)

    monkeypatch.setattr(Training, "until", slow)
    for module in (journals, pending):
        monkeypatch.setattr(module, "time", clock)
    costing(4.0, monkeypatch)  # five members: 20 marks, and a checkpoint after two
    return clock


def test_two_calls_end_what_one_longer_call_ends(
    clock: SimpleNamespace, store: Store, tmp_path: Path
) -> None:
    once, twice = Store(tmp_path / "once"), store
    assert shift(once).left == []
    assert clock.now == 60.0
    first = shift(twice, hours=32 / 3600)
    assert clock.now == 60.0 + 32.0, "it stops when its time is over"
    assert first.said[-1] == "toy-network/paper/anywhere: stopped at a checkpoint"
    assert len(list(twice)) == 1 and len(first.left) == 2
    second = shift(twice, hours=32 / 3600)
    assert second.said[0].startswith("toy-network/paper/anywhere: 5 networks in 20 s; 1 of 2 parts")
    assert clock.now == 60.0 + 60.0, "nothing was trained twice"
    assert second.left == [] and pending.plan([TINY], twice) == []
    for one, other in zip(once, twice, strict=True):
        kept = [json.loads(path.read_text()) for path in (one, other)]
        assert kept[0]["values"] == kept[1]["values"]
        assert kept[0]["fingerprint"] == kept[1]["fingerprint"]
        assert kept[0]["provenance"]["seconds"] == kept[1]["provenance"]["seconds"] == 20.0


def test_what_cannot_reach_a_checkpoint_is_not_begun(clock: SimpleNamespace, store: Store) -> None:
    idle = shift(store, hours=1.9 / 3600)
    assert clock.now == 0.0 and idle.said == [] and len(idle.left) == 3
    assert shift(store, hours=2.1 / 3600).said == [
        "toy-network/paper/small: stopped at a checkpoint"
    ]
    assert clock.now == 2.0


def test_a_run_that_was_begun_is_gone_on_with_first_whatever_its_seeds(
    clock: SimpleNamespace, store: Store
) -> None:
    with pytest.raises(journals.OutOfTime):
        runs.run(TINY, "paper", "backprop", seeds=range(2, 4), store=store, deadline=5.0)
    works = pending.plan([TINY], store)
    assert [(work.name, work.seconds) for work in works[:1]] == [
        ("toy-network/paper/backprop, seeds 2-3", 8.0 - 5.0)
    ]
    assert [w.name for w in works if w.variant == "backprop"][1:] == [
        "toy-network/paper/backprop, seeds 0-1",
        "toy-network/paper/backprop, seeds 4-4",
    ]
    shift(store)
    assert store.missing(TINY, "paper", "backprop") == set()


def test_a_part_of_all_seeds_that_was_begun_stays_a_part(
    clock: SimpleNamespace, store: Store
) -> None:
    with pytest.raises(journals.OutOfTime):
        runs.run(TINY, "paper", "small", seeds=range(5), store=store, deadline=5.0)
    work = pending.plan([TINY], store)[0]
    assert work.begun and work.name == "toy-network/paper/small, seeds 0-4"
    assert work.seconds == 20.0 - 5.0
    now = clock.now
    shift(store)
    assert clock.now == now + 15.0 + 2 * 20.0, "it goes on from its checkpoint"


# Failures


class Breaking(Here):
    """Loses the first calls for a variant, and what runs beside them, as when its process dies."""

    def __init__(self, variant: str, times: int, workers: int = 1):
        self.variant, self.times, self.workers = variant, times, workers
        self.beside: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self.most = 0  # calls that ran at once

    def submit(self, function: Callable[..., Any], *words: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.beside.append((future, function, words))
        self.most = max(self.most, len(self.beside))
        return future

    def end(self) -> None:
        """End all that runs."""
        running, self.beside = self.beside, []
        dies = self.times > 0 and self.variant in [words[2] for _, _, words in running]
        self.times -= dies
        for future, function, words in running:
            if dies:
                future.set_exception(BrokenExecutor())
            else:
                future.set_result(function(*words))


def broken(store: Store, engine: Breaking, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work off what is missing on an engine that breaks."""

    def wait_for(flying: Any, *how: Any) -> Any:
        engine.end()
        return wait(flying, *how)

    monkeypatch.setattr(pending, "wait", wait_for)
    return shift(store, engine)


def test_a_part_whose_process_dies_is_made_by_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broken(store, Breaking("small", 1), monkeypatch)
    assert made.said[0] == "toy-network/paper/small: its process died; another goes on"
    assert made.said[1].startswith("toy-network/paper/small: 5 networks in")
    assert made.failed == [] and len(list(store)) == 3


def test_a_part_whose_process_died_twice_goes_last_and_by_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = broken(store, Breaking("small", 2), monkeypatch)
    assert made.said[1] == "toy-network/paper/small: its process died; it goes on last, by itself"
    assert made.said[-1].startswith("toy-network/paper/small: 5 networks in")
    assert made.failed == [] and len(list(store)) == 3


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_part_that_takes_its_process_with_it_is_given_up_and_the_rest_is_made(
    workers: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Breaking("anywhere", 99, workers)
    made = broken(store, engine, monkeypatch)
    assert made.failed == ["toy-network/paper/anywhere: its process died 3 times"]
    assert made.said.count(f"failed: {made.failed[0]}") == 1
    assert {path.stem for path in store} == {"small", "backprop"}
    assert engine.most == workers and engine.times == 99 - 3


def test_a_part_that_fails_is_named_and_the_rest_is_made(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = TINY.run

    def fail(settings: Any, journal: Any) -> None:
        if settings.rule == "bp":
            raise RuntimeError("no luck")
        run(settings, journal)

    monkeypatch.setitem(studies.STUDIES, "toy-network", Study(**{**vars(TINY), "run": fail}))
    made = shift(store)
    assert made.failed == ["toy-network/paper/backprop: RuntimeError: no luck"]
    assert len(list(store)) == 2


def test_what_another_process_is_at_is_left_to_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runs.alone(store.path("toy-network", "paper", "small")):
        made = shift(store)
    assert made.said[0] == "toy-network/paper/small: another process is at it"
    assert names(made.left) == ["toy-network/paper/small"] and made.failed == []
    assert len(list(store)) == 2


def test_what_another_has_made_meanwhile_is_not_made_again(
    clock: SimpleNamespace, store: Store
) -> None:
    works = pending.plan([TINY], store)
    shift(store)
    now = clock.now
    pending.Shift(works, Here(), store, told=str).work()
    assert clock.now == now


def test_a_worker_with_another_version_makes_nothing(store: Store) -> None:
    with pytest.raises(RecordError, match="another version of bioprop"):
        pending.make("toy-network", "paper", "small", None, store.folder, 1e12, "other", False)


def test_processes_are_made_anew_where_one_died() -> None:
    pool = Processes(1)
    try:
        with pytest.raises(BrokenExecutor):
            pool.submit(os._exit, 1).result(timeout=60)
        assert pool.submit(len, "abc").result(timeout=60) == 3
    finally:
        pool.close()


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at 'nowhere'"):
        engines.engine(scheduler="nowhere")


# A cluster

# Makes training slow enough to be interrupted, and saves each checkpoint.
SLOW = """
import time
from bioprop.book import runs
from bioprop.learning import Training

def until(self, step, until=Training.until):
    time.sleep(0.02)
    until(self, step)

Training.until = until
runs.run.__kwdefaults__["every"] = 0.0
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the repository's records in which two of the linear task are missing."""
    root = copy_root(tmp_path / "root")
    for variant in ("bp", "fa"):
        (root / "data" / "runs" / "linear-task" / "paper" / f"{variant}.json").unlink()
    return root


def dask(root: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a scheduler or a worker."""
    command = [str(Path(sys.executable).with_name("dask")), *words]
    quiet = subprocess.DEVNULL
    own = {"BIOPROP_ROOT": str(root), "OMP_NUM_THREADS": "1"}
    env = {**os.environ, **own}
    return subprocess.Popen(command, cwd=root, env=env, stdout=quiet, stderr=quiet)


@pytest.mark.slow
def test_a_worker_that_dies_loses_its_part_only_and_another_makes_it(
    root: Path, tmp_path: Path
) -> None:
    file, slow = tmp_path / "scheduler.json", tmp_path / "slow.py"
    slow.write_text(SLOW)
    words = ["--no-dashboard", "--scheduler-file", str(file)]
    worker = ["worker", *words, "--no-nanny", "--nthreads", "1", "--preload", str(slow)]
    started = [dask(root, "scheduler", *words, "--host", "127.0.0.1", "--port", "0")]
    started += [dask(root, *worker, "--name", name) for name in "ab"]
    try:
        while not file.exists() or not file.read_text():  # it is there before it is written
            time.sleep(0.05)
        line = ["run", "linear-task", "--pending", "--scheduler"]
        line += [json.loads(file.read_text())["address"]]
        with distributed.Client(line[-1], set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)  # or one that is early makes both parts
        with python(f"from bioprop.cli import main\nmain({line!r})", root) as process:
            while len(list((root / "data" / "cache" / "checkpoints").glob("*.pt"))) < 2:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            started[1].kill()
            said, complaint = process.communicate(timeout=60)
    finally:
        for each in started:
            each.kill()
            each.wait()
    assert process.returncode == 0, said + complaint
    assert "2 parts, about" in said and "2 of 2 parts" in said
    store = Store(root / "data" / "runs")
    for variant in ("bp", "fa"):
        record = store.load("linear-task", "paper", variant)
        again = runs.run(LINEAR, "paper", variant, store=Store(tmp_path / "again"))
        assert record.values == again.values and record.fingerprint == again.fingerprint


def test_a_study_waits_for_the_one_that_finds_its_settings(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = replace(TOY, name="search", claims=(), cost={"paper": 1e4})
    result = replace(TOY, name="result", after="search", cost={"paper": 1e4})
    other = replace(TOY, name="other", cost={"paper": 2e4})
    known = {study.name: study for study in (search, result, other)}
    monkeypatch.setattr(studies, "STUDIES", known)
    said: list[str] = []
    works = pending.plan(list(known.values()), store, said.append)
    assert [work.study.name for work in works[:1]] == ["search"]
    assert {work.study.name for work in works} == {"search", "other"}
    assert said == ["left out: result: its settings come from search, once recorded"]
    assert pending.first(result, store) is search
    monkeypatch.setattr(pending, "best_tier", lambda study, store: "paper")
    works = pending.plan(list(known.values()), store, said.append)
    assert "result" in {work.study.name for work in works}
    assert pending.first(result, store) is result
    waiting = replace(result, found=False)
    assert pending.first(waiting, store) is search
    works = pending.plan([waiting], store, said.append)
    assert not works and said[-1].startswith(
        "left out: result: its settings come from search; copy"
    )


@pytest.mark.parametrize("name", [study.name for study in studies.STUDIES.values() if study.after])
def test_a_study_has_found_its_settings_once_its_search_is_recorded_and_not_before(
    name: str,
) -> None:
    study = studies.get(name)
    assert study.after and study.found == pending.searched(study, RECORDED)
