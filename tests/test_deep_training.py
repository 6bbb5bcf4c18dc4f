"""Deep networks train by any rule, resume bit for bit, and say why where they cannot go on."""

import dataclasses
import io
import itertools
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import python
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep import convert
from bioprop.deep.recipes import RECIPES, Recipe, recipe
from bioprop.deep.training import Members, OutOfMemory, Training
from bioprop.studies import journal as journals
from bioprop.studies.journal import Journal, fingerprint
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.images import load
from bioprop.tasks.photographs import Photographs

SHORT = Recipe(epochs=2, batch=100, rate=0.05, decay=5e-4, schedule="ramp")


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def task(seed: int = 0, batch: int = 100) -> Photographs:
    return Photographs(load("digits"), seed, batch, Augmentation(1, "none"))


def training(seed: int = 0, recipe: Recipe = SHORT, **changes: Any) -> Training:
    digits = task(seed, recipe.batch)
    return Training(network(seed), digits, recipe, digits.each_epoch, **changes)


def bits(trained: Training) -> str:
    return fingerprint(list(trained.model.state_dict().values()))


# The step


@pytest.mark.parametrize("manhattan", ["none", "all", "last", "others"])
@pytest.mark.parametrize("last_rate", [None, 0.001])
def test_a_step_is_momentum_with_weight_decay(manhattan: str, last_rate: float | None) -> None:
    signs = {"manhattan": True, "manhattan_in": manhattan} if manhattan != "none" else {}
    plan = dataclasses.replace(SHORT, last_rate=last_rate, **signs)
    ours, model = training(recipe=plan), network().train()
    momentum = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    digits = task()
    for step in range(5):
        x, classes = digits(step)
        model.zero_grad()
        F.cross_entropy(model(x), classes).backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                assert p.grad is not None
                last = name.startswith("5")
                signed = manhattan in ("all", "last" if last else "others")
                g = p.grad.sign() if signed else p.grad
                momentum[name] = 0.9 * momentum[name] + g + 5e-4 * p
                rate = last_rate if last_rate and last else 0.05
                p -= rate * plan.factor(step, digits.each_epoch) * momentum[name]
    ours.until(5)
    for p, q in zip(ours.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


def test_learning_lowers_the_error() -> None:
    trained = training(recipe=dataclasses.replace(SHORT, rate=0.2, epochs=10))
    before = trained.errors(trained.batches.test())  # type: ignore[attr-defined]
    trained.until(10 * 14)
    after = trained.errors(trained.batches.test())  # type: ignore[attr-defined]
    assert before[0] > 80 and after[0] < 50 and after[1] < 10


def test_errors_count_what_is_not_among_the_best() -> None:
    trained = training()
    trained.model = nn.Identity()
    trained.model.register_parameter("any", nn.Parameter(torch.zeros(())))
    y = torch.tensor([[5.0, 1, 2], [1, 5, 2], [1, 2, 5], [5, 2, 1]])
    shown = [(y[:3], torch.tensor([0, 2, 0])), (y[3:], torch.tensor([1]))]
    assert [float(e) for e in trained.errors(iter(shown), (1, 2, 5))] == [75, 25, 0]
    y[0, 1] = torch.nan
    assert all(e.isnan() for e in trained.errors(iter(shown), (1, 2, 5)))


# Recipes


def test_a_ramp_goes_up_and_down_to_zero() -> None:
    factors = [RECIPES["short"].factor(step, 10) for step in range(200)]
    assert factors[0] == 1 / 40 and max(factors) == factors[39] == factors[40] == 1
    assert all(a < b for a, b in itertools.pairwise(factors[:40]))
    assert all(a > b for a, b in itertools.pairwise(factors[40:]))
    assert factors[-1] == 1 / 160


@pytest.mark.parametrize("name, drops", [("xiao", 8), ("biotorch-cifar", 3)])
def test_a_rate_drops_by_ten_where_the_recipe_says(name: str, drops: int) -> None:
    plan = recipe(name)
    factors = [plan.factor(step, 3) for step in range(3 * plan.epochs)]
    assert len(set(factors)) == drops + 1
    for place, epoch in enumerate(plan.drops):
        assert math.isclose(factors[3 * epoch - 1], 0.1**place, rel_tol=1e-9)
        assert math.isclose(factors[3 * epoch], 0.1 ** (place + 1), rel_tol=1e-9)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"schedule": "rampp"}, "Did you mean 'ramp'"),
        ({"warm_up": 1.0}, "warm_up is a share"),
        ({"epochs": 0}, "1 epoch"),
        ({"batch": 0}, "1 image in a batch"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SHORT, **change)


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'shrot'.*Did you mean 'short'"):
        recipe("shrot")


# Images


def test_an_epoch_shows_each_image_once_and_depends_on_the_seed_alone() -> None:
    plain = Photographs(load("digits"), 3, 100)
    shown = torch.cat([plain(step)[0] for step in range(plain.each_epoch)])
    assert shown.shape == (1400, 3, 8, 8) and torch.equal(shown[:, 0], shown[:, 2])
    assert len(shown.unique(dim=0)) > 1390  # a few digits are equal in all pixels
    for a, b in zip(plain(17), Photographs(load("digits"), 3, 100)(17), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(plain(0)[0], Photographs(load("digits"), 4, 100)(0)[0])


def test_inputs_have_mean_0_and_deviation_1_and_test_images_are_not_cropped() -> None:
    digits = task()
    x = torch.cat([images for images, _ in Photographs(load("digits"), 0, 1437).test()])
    assert torch.equal(x, torch.cat([images for images, _ in digits.test(chunk=7)]))
    whole, _ = digits.probe(1437)
    torch.testing.assert_close(whole.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.std(), torch.tensor(1.0), atol=1e-4, rtol=0)


# Going on


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_a_training_goes_on_with_the_same_bits(autocast: torch.dtype | None) -> None:
    whole, first = training(autocast=autocast), training(autocast=autocast)
    whole.until(20)
    first.until(9)
    saved = io.BytesIO()
    torch.save(first.state_dict(), saved)
    first.until(13)  # what was saved is a copy
    saved.seek(0)
    second = training(autocast=autocast)
    second.until(2)
    second.load_state_dict(torch.load(saved, weights_only=True))
    assert second.step == 9
    second.until(20)
    assert bits(second) == bits(whole)


def test_members_are_as_each_of_them_alone() -> None:
    both = Members([training(1), training(2)])
    both.until(3)
    saved = both.state_dict()
    again = Members([training(1), training(2)])
    again.load_state_dict(saved)
    again.until(6)
    for seed, member in zip((1, 2), again.trainings, strict=True):
        alone = training(seed)
        alone.until(6)
        assert bits(alone) == bits(member)
    with pytest.raises(ValueError, match="has 2 members, not 1"):
        Members([training(1)]).load_state_dict(saved)


@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: training(named={"rule": "ss"}), "rule was 'fa' and is 'ss'"),
        (
            lambda: training(named={"rule": "fa"}, recipe=dataclasses.replace(SHORT, rate=0.1)),
            "recipe was .*rate=0.05.* and is .*rate=0.1",
        ),
    ],
)
def test_the_state_of_another_training_is_refused_and_changes_nothing(
    other: Any, words: str
) -> None:
    saved = training(named={"rule": "fa"})
    saved.until(3)
    given = other()
    before = bits(given)
    with pytest.raises(ValueError, match=words):
        given.load_state_dict(saved.state_dict())
    assert bits(given) == before and given.step == 0


def spoil(state: dict[str, Any], name: str, value: Any) -> None:
    """Replace a part of a state, or take it out where the value is None."""
    state.pop(name)
    if value is not None:
        state[name] = value


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another shape": (
        lambda s: spoil(s["model"], "0.weight", torch.zeros(9, 3, 3, 3)),
        r"another model: 0\.weight is .* shape \(9, 3, 3, 3\) and .* shape \(8, 3, 3, 3\)",
    ),
    "another type": (
        lambda s: spoil(s["model"], "5.bias", torch.zeros(10).double()),
        r"another model.*5\.bias.*float64.*float32",
    ),
    "another rule": (
        lambda s: spoil(s["model"], "5._extra_state", torch.tensor(list(b"ss"), dtype=torch.uint8)),
        "another model: 5._extra_state is 'ss' and has to be 'fa'",
    ),
    "a layer less": (
        lambda s: s["model"].pop("5.bias"),
        r"another model: 5\.bias is missing and has to be .* of shape \(10,\)",
    ),
    "a parameter less": (
        lambda s: s["momentum"].pop(),
        r"momentum is that of \d parameters, and \d learn",
    ),
    "momentum of another shape": (
        lambda s: s["momentum"].__setitem__(-1, torch.zeros(3)),
        r"momentum of 5\.bias is of shape \(3,\) and has to be of \(10,\)",
    ),
    "no step": (lambda s: spoil(s, "step", None), "'step' is missing"),
    "no model": (lambda s: spoil(s, "model", None), "'model' is missing"),
    "no name": (lambda s: spoil(s, "named", "fa"), "'named' is missing"),
    "no end": (lambda s: spoil(s, "finite", True), "'finite' is missing"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(case: str) -> None:
    def made(seed: int) -> Training:
        deep = training(seed)
        convert(deep.model, "fa")
        return deep

    act, words = SPOILT[case]
    saved, given = Members([made(0), made(1)]), Members([made(2), made(3)])
    saved.until(1)
    state = saved.state_dict()
    act(state["members"][1])  # the first would fit
    before = [bits(each) for each in given.trainings]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        given.load_state_dict(state)
    assert [bits(each) for each in given.trainings] == before and given.step == 0
    for no_state in (None, [], {}, {"members": 2}):
        with pytest.raises(ValueError, match="is missing"):
            given.load_state_dict(no_state)  # type: ignore[arg-type]


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_deep_training import journalled
def progress(done, total):
    print(done, flush=True)
    if done >= 1900 and sys.argv[3] == "stop":
        sys.stdin.read()
print(journalled(Path(sys.argv[1]), progress), flush=True)
"""


def error(trained: Training) -> Tensor:
    return trained.errors(task().test())[0]


def journalled(checkpoint: Path, progress: Any = None) -> str:
    """Train in a journal that saves after every third batch; return what identifies the end.

    On one thread, as another number of them takes sums in another order.
    """
    torch.set_num_threads(1)
    journal = Journal(checkpoint, progress, every=0.0)
    journal.label(seed=(1, 2))
    both = Members([training(1), training(2)])
    for examples in journal.follow(both, [0, 1400, 2800], 100, stride=3):
        journal.write(examples, error=torch.stack([error(each) for each in both.trainings]))
    return journal.fingerprint + str(journal.rows)


def test_a_run_killed_in_mid_epoch_ends_with_the_same_weights(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    words = str(tmp_path / "killed.pt"), tests
    with python(KILLED, tmp_path, *words, "stop") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 1900:
                break
        os.kill(process.pid, signal.SIGKILL)
    state = torch.load(io.BytesIO((tmp_path / "killed.pt").read_bytes()[:-32]), weights_only=True)
    assert state["mark"] == 1400 and 1400 < 100 * state["training"]["members"][0]["step"] < 2800
    threads = torch.get_num_threads()
    try:
        assert journalled(tmp_path / "killed.pt") == journalled(tmp_path / "whole.pt")
    finally:
        torch.set_num_threads(threads)


def test_saving_takes_no_more_than_a_twentieth_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, saved = 0.0, []

    def save(*_: object) -> None:
        nonlocal now
        now += 3.0
        saved.append(now)

    def tell(done: int, total: int) -> None:
        nonlocal now
        now += 1.0

    monkeypatch.setattr(journals.time, "monotonic", lambda: now)
    journal = Journal(tmp_path / "slow.pt", tell, every=2.0)
    monkeypatch.setattr(journal, "_save", save)
    plan = dataclasses.replace(SHORT, epochs=10)
    for examples in journal.follow(training(recipe=plan), [0, 14_000], 100, stride=1):
        journal.write(examples, any=torch.zeros(1))
    assert saved == [5.0, 68.0, 131.0]


# What can go wrong


def test_a_training_that_diverges_says_so_and_stops_learning() -> None:
    trained = training(recipe=dataclasses.replace(SHORT, rate=1e30, epochs=20))
    trained.until(41)
    assert trained.diverged and trained.step == 41
    assert all(error.isnan() for error in trained.errors(task().test()))
    again = training(recipe=dataclasses.replace(SHORT, rate=1e30, epochs=20))
    again.load_state_dict(trained.state_dict())
    assert again.diverged


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_which_batch_to_try(error: Exception) -> None:
    def full(step: int) -> tuple[Tensor, Tensor]:
        raise error

    with pytest.raises(OutOfMemory, match=r"batch of 100 images .* of cpu: try batch = 50"):
        Training(network(), full, SHORT, 14).until(1)


def test_another_error_stays_what_it_is() -> None:
    def broken(step: int) -> tuple[Tensor, Tensor]:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        Training(network(), broken, SHORT, 14).until(1)


def test_a_batch_larger_than_the_images_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 2000 needs more than 1437 images"):
        task(batch=2000)
