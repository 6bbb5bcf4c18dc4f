"""What a population takes of memory: counted before it is made, and refused with numbers."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
import torch
from torch import Tensor

from bioprop import studies
from bioprop.book import runs
from bioprop.book.records import Store
from bioprop.learning import (
    Dense,
    Layer,
    LocallyConnected,
    Rule,
    Streams,
    Training,
    adam,
    memory,
    sgd,
)
from bioprop.learning.memory import TooLarge, Undrawn, size, tensors
from bioprop.learning.rules import RULES, rule
from bioprop.studies import journal
from bioprop.tasks.classify import dense_network, layered_network

STREAMS = Streams((0, 1, 2), torch.float32)
LAYERS: list[Layer] = [LocallyConnected((1, 6, 6), 4, 3, 2, "same"), Dense(36, 12), Dense(12, 10)]


def no_batches(step: int) -> tuple[Tensor, Tensor]:
    """Return nothing: no step is taken here."""
    raise AssertionError


OPTIONS: dict[str, dict[str, Any]] = {
    "kp": {"optimiser": adam()},
    "rotated": {"degrees": 30.0},
    "rotated-fixed": {"degrees": 30.0},
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("optimiser", [sgd(0.1), adam()], ids=["sgd", "adam"])
def test_what_is_counted_is_what_is_kept(name: str, optimiser: Any) -> None:
    network = layered_network(STREAMS, LAYERS)
    try:
        training = Training(
            network, rule(name, **OPTIONS.get(name, {})), optimiser, no_batches, STREAMS
        )
    except ValueError:
        pytest.skip("a rule for networks of dense layers")
    kept = network.weights, network.biases, training.state, training.averages
    counted = memory.needed(network, training.rule, optimiser, STREAMS)
    assert counted == size(tensors(kept))
    undrawn = layered_network(Undrawn(STREAMS), LAYERS)
    assert memory.needed(undrawn, training.rule, optimiser, Undrawn(STREAMS)) == counted


def give(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    """Let so many bytes be free, and count however small a network is."""
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "free", lambda device: int(count))


@pytest.mark.parametrize(
    "share, words", [(0.99, "2 fit$"), (0.5, "1 fits$"), (0.3, "not one fits$")]
)
def test_a_training_larger_than_memory_is_refused_with_the_members_that_fit(
    share: float, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = layered_network(STREAMS, LAYERS)
    means = rule("dtp"), adam()
    whole = memory.needed(network, *means, STREAMS)
    give(monkeypatch, share * whole - size(network.weights))  # which are there by then
    with pytest.raises(
        TooLarge, match=f"training by 'dtp' takes at least .* MB for 3 members .*{words}"
    ):
        Training(network, *means, no_batches, STREAMS)
    give(monkeypatch, whole - size(network.weights))
    Training(network, *means, no_batches, STREAMS)


MAKERS: dict[str, Callable[[], object]] = {
    "layers": lambda: layered_network(STREAMS, LAYERS),
    "dense": lambda: dense_network(STREAMS, (36, 12, 10), 0.1),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_weights_larger_than_memory_are_refused_before_any_is_drawn(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("drawn")

    give(monkeypatch, 2000)
    monkeypatch.setattr(Streams, "uniform", fail)
    with pytest.raises(TooLarge, match=r"weights alone take .* and cpu has 0\.002 MB: "):
        MAKERS[kind]()


def test_a_run_larger_than_memory_says_how_to_make_it_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, 40_000)
    words = "'targets-mnist': training by 'dtp.* fits?. Make fewer networks at a time, with --seeds"
    with pytest.raises(ValueError, match=words):
        runs.run(studies.get("targets-mnist"), "smoke", "dtp-parallel", store=Store(tmp_path))


def test_a_rule_that_looks_at_numbers_as_it_begins_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(network: Any, streams: Streams) -> float:
        return float(network.weights[0].max())

    own = Rule("own", init, lambda network, state, trial: [])
    network = layered_network(STREAMS, LAYERS)
    give(monkeypatch, 0)
    Training(network, own, sgd(0.1), no_batches, STREAMS)


@pytest.mark.parametrize("limit, expected", [("max", None), ("5000", 3000), ("1000", 0)])
def test_a_container_has_no_more_than_its_limit(
    limit: str, expected: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.stat").write_text("anon 2000\nfile 9000\n")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("", (), {"available": 10**6}))
    assert memory.free() == (10**6 if expected is None else expected)


FAULTS = """
import resource, torch
from bioprop.book.runs import on_threads
from bioprop.learning import memory

def taken():
    return memory.psutil.Process().memory_info().rss

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB, 16,384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
found = [faults()]
with on_threads(1):
    found.append(min(faults() for _ in range(4)))
    for leave in (memory.free, memory.give_back, lambda: None):
        large = torch.ones(2**26)
        del large
        held = taken()
        leave()
        found.append(held - taken())
print(*found, held - taken())
"""


@pytest.mark.skipif(memory._glibc() is None, reason="another C library than glibc")
def test_a_run_takes_the_memory_that_it_freed_and_gives_it_back_at_its_end() -> None:
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    outside, within, counted, asked, nothing, ended = map(int, done.stdout.split())
    assert outside > 16_000 or outside < 200  # 4 KiB each, unless the system has larger pages
    assert within < 200
    assert min(counted, asked, ended) > 200e6 > 20e6 > nothing


@pytest.mark.parametrize("seconds", [-1.0, 3600.0])
def test_what_measuring_took_is_given_back_now_and_then(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    given = Mock()
    monkeypatch.setattr(journal, "TIDY", seconds)
    monkeypatch.setattr(journal, "give_back", given)
    x = torch.ones(3, 4, 5)
    network = layered_network(STREAMS, [Dense(5, 2)])
    training = Training(network, rule("bp"), sgd(0.1), lambda _: (x, x[..., :2]), STREAMS)
    marks = list(journal.Journal().follow(training, (0, 4, 8), 4))
    assert given.call_count == (len(marks) if seconds < 0 else 0)
