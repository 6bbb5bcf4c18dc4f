"""Data that people have go in as they are, and what cannot be meant is refused in words."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from bioprop.learning import Dense, LocallyConnected, Streams, Training, rule, sgd
from bioprop.tasks import Examples, Loaded
from bioprop.tasks.classify import error_rate, layered_network
from bioprop.tasks.images import Classification, load
from bioprop.tasks.own import inputs

STREAMS = Streams((3, 1, 3), torch.float32)
X = torch.arange(24.0).view(8, 3)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
IMAGES = torch.arange(96.0).view(8, 2, 3, 2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.int8])
@pytest.mark.parametrize("of", [lambda t: t, lambda t: t.numpy()], ids=["tensor", "array"])
def test_each_member_sees_every_example_once_an_epoch_in_its_own_order(
    of: Callable[[Tensor], Any], dtype: torch.dtype
) -> None:
    task = Examples(of(X.double()), of(LABELS.to(dtype)), STREAMS, 2)
    assert (task.each_epoch, task.classes) == (4, 3)
    x, y = (torch.cat(parts, 1) for parts in zip(*map(task, range(4)), strict=True))
    assert x.shape == (3, 8, 3) and y.shape == (3, 8, 3) and x.dtype == y.dtype == torch.float32
    for member in range(3):
        seen = (x[member, :, 0] / 3).long()
        assert sorted(seen.tolist()) == list(range(8))
        assert torch.equal(y[member].argmax(-1), LABELS[seen]) and (y[member].sum(-1) == 1).all()
    assert torch.equal(x[0], x[2]) and not torch.equal(x[0], x[1])  # by their seeds
    again = Examples(X, LABELS, STREAMS, 2)
    assert torch.equal(again(5)[0], task(5)[0])  # the step alone decides
    assert not torch.equal(again(4)[0], task(0)[0])


def test_targets_and_images_with_channels_first_go_in() -> None:
    task = Examples(IMAGES, X.double(), STREAMS, 8)
    x, y = task(0)
    shown = x.unflatten(2, (3, 2, 2)).movedim(-1, 2)  # (member, batch, channel, height, width)
    for member in range(3):
        order = (y[member, :, 0] / 3).long()
        assert torch.equal(shown[member], IMAGES[order]) and torch.equal(y[member], X[order])


def test_bytes_are_pixels_from_0_to_1() -> None:
    x, _ = Examples(torch.full((2, 4, 4), 255, dtype=torch.uint8), LABELS[:2], STREAMS, 2)(0)
    assert x.shape == (3, 2, 16) and (x == 1).all()


def test_own_digits_are_shown_as_the_books_are() -> None:
    digits = load("digits")
    book = Classification(digits, STREAMS, 50)
    mine = Examples(digits.train.view(-1, 1, 8, 8), digits.train_labels, STREAMS, 50)
    for step in (0, 40):
        for ours, theirs in zip(mine(step), book(step), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_networks_learn_from_ones_own_images_and_go_on_where_they_were() -> None:
    digits = load("digits")
    local = LocallyConnected((1, 8, 8), 4, 3, 2)
    streams = Streams((0, 1), torch.float32)
    made = []
    for _ in range(2):
        network = layered_network(streams, [local, Dense(local.outputs, 10)])
        task = Examples(digits.train.view(-1, 1, 8, 8), digits.train_labels, streams, 20)
        made.append(Training(network, rule("fa"), sgd(0.2), task, streams))
    made[0].until(300)
    made[1].load_state_dict(made[0].state_dict())
    for each in made:
        each.until(350)
    assert all(map(torch.equal, made[0].network.weights, made[1].network.weights))
    test = inputs(digits.test.view(-1, 1, 8, 8), streams)
    assert (error_rate(made[0].network, test, digits.test_labels) < 30).all()


def loader(x: Tensor = X, y: Tensor = LABELS, **settings: Any) -> DataLoader:
    return DataLoader(TensorDataset(x, y), **{"batch_size": 3, **settings})


def test_errors_are_counted_from_labels_of_any_kind_and_raw_images_are_refused() -> None:
    network = layered_network(STREAMS, [Dense(3, 3)])
    x = inputs(X, STREAMS)
    for labels in (LABELS.numpy(), LABELS.tolist()):
        assert (error_rate(network, x, labels) == error_rate(network, x, LABELS)).all()
    with pytest.raises(ValueError, match=r"images of type ndarray; turn them with inputs\("):
        error_rate(network, X.numpy(), LABELS)


def test_a_data_loader_is_shown_to_all_members_again_and_again() -> None:
    task = Loaded(loader(), STREAMS, 3)
    seen = [task(step) for step in range(6)]
    assert [x.shape[1] for x, _ in seen] == [3, 3, 2] * 2
    for member in range(3):
        assert torch.equal(torch.cat([x[member] for x, _ in seen]), torch.cat([X, X]))
        labels = torch.cat([y[member] for _, y in seen]).argmax(-1)
        assert torch.equal(labels, torch.cat([LABELS, LABELS]))
    assert seen[0][0].dtype == seen[0][1].dtype == torch.float32
    with pytest.raises(ValueError, match="batch 9 asked for where 6 is next"):
        task(9)


def test_networks_learn_from_a_data_loader() -> None:
    streams = Streams((0, 1), torch.float32)
    network = layered_network(streams, [Dense(3, 6), Dense(6, 3)])
    task = Loaded(loader(X / 24, drop_last=True), streams, 3)
    training = Training(network, rule("bp"), sgd(0.1), task, streams)
    training.until(4)
    assert training.step == 4


def examples(x: Any = X, y: Any = LABELS, batch: Any = 2, **more: Any) -> Examples:
    return Examples(x, y, STREAMS, batch, **more)


def test_labels_of_every_integer_type_and_arrays_of_every_layout_go_in() -> None:
    x, y = X.double().numpy(), LABELS.numpy()
    locked = x.copy()
    locked.setflags(write=False)
    expected = examples()(1)
    same = [examples(x, y.astype(kind)) for kind in ("uint16", "uint32", "uint64", "int16")]
    same += [examples(each, y) for each in (locked, x.astype(">f4"), x[::-1].copy()[::-1])]
    same += [examples(list(x), list(y)), examples(pd.DataFrame(x), pd.Series(y))]
    for task in same:
        assert all(map(torch.equal, task(1), expected))


def test_data_that_know_a_gradient_are_shown_without_it() -> None:
    known = X.clone().requires_grad_()
    tasks = examples(known, known), Loaded([(known, known)], STREAMS)
    assert not any(shown.requires_grad for task in tasks for shown in task(0))


REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "whole inputs": (lambda: examples(X.long()), ["x of torch.int64", "torch.uint8 for pixels"]),
    "nothing": (lambda: examples(None), ["x is a NoneType", "tensor, or an array of numbers"]),
    "words": (lambda: examples(y=np.array(["a"] * 8)), ["y is a ndarray of <U1"]),
    "rows of other lengths": (lambda: examples([[1.0], [1.0, 2.0]]), ["x is a list where"]),
    "truths": (lambda: examples(X > 1), ["x of torch.bool"]),
    "five axes": (lambda: examples(X.view(8, 3, 1, 1, 1)), ["(8, 3, 1, 1, 1)", "channel"]),
    "one axis": (lambda: examples(X[:, 0]), ["x of shape (8,)", "(example, unit)"]),
    "no examples": (lambda: examples(X[:0], LABELS[:0]), ["shape (0,)", "labels (example,)"]),
    "no inputs": (lambda: examples(X[:, :0]), ["x of shape (8, 0)"]),
    "no numbers": (lambda: examples(X / 0), ["x holds NaN or Infinity", "float32"]),
    "too large for the type": (lambda: examples(X.double() * 1e300), ["Infinity"]),
    "targets that are no numbers": (lambda: examples(y=X / 0), ["y holds NaN"]),
    "other lengths": (lambda: examples(y=LABELS[:5]), ["8 examples x", "5 examples y"]),
    "floating labels": (lambda: examples(y=LABELS.float()), ["float32", "(8,)", "whole numbers"]),
    "labels in a column": (lambda: examples(y=LABELS[:, None]), ["int64", "(8, 1)", "(example,)"]),
    "labels below 0": (lambda: examples(y=LABELS - 1), ["from -1 to 1", "counted from 0"]),
    "more labels than classes": (lambda: examples(classes=2), ["from 0 to 2", "2 classes"]),
    "half a class": (lambda: examples(classes=3.5), ["number of classes", "3.5"]),
    "no batch": (lambda: examples(batch=0), ["batch of 0", "1 to 8"]),
    "a batch of more than all": (lambda: examples(batch=9), ["batch of 9", "1 to 8"]),
    "half a batch": (lambda: examples(batch=2.5), ["the batch", "2.5"]),
    "a loader without classes": (lambda: Loaded(loader(), STREAMS)(0), ["how many classes"]),
    "a loader of inputs alone": (
        lambda: Loaded(DataLoader(TensorDataset(X)), STREAMS)(0),
        ["pairs (x, y)", "list"],
    ),
    "a loader that is empty": (
        lambda: Loaded(loader(batch_size=9, drop_last=True), STREAMS, 3)(0),
        ["yields no batch"],
    ),
    "an iterator that ends": (
        lambda: [task(k) for task in [Loaded(iter([(X, LABELS)]), STREAMS, 3)] for k in range(2)],
        ["none a second time"],
    ),
    "a pair that does not fit": (
        lambda: Loaded([(X, LABELS[:3])], STREAMS, 3)(0),
        ["8 examples x", "3 examples y"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_cannot_be_meant_are_refused_in_words(case: str) -> None:
    act, words = REFUSED[case]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


kinds = st.sampled_from([np.float16, np.float32, np.float64, np.uint8, np.int64, np.bool_])
shapes = st.lists(st.integers(0, 3), max_size=5).map(tuple)


@settings(max_examples=80)
@given(shapes, kinds, shapes, kinds, st.integers(0, 3))
def test_any_arrays_give_batches_or_are_refused_in_words(
    x: tuple[int, ...], x_kind: Any, y: tuple[int, ...], y_kind: Any, batch: int
) -> None:
    try:
        task = Examples(np.ones(x, x_kind), np.ones(y, y_kind), STREAMS, batch)
    except ValueError as error:
        assert "given" in str(error) or "is not" in str(error) or "of torch" in str(error)
        return
    shown, target = task(task.each_epoch)
    assert shown.shape == (3, batch, np.prod(x[1:])) and target.shape[:2] == (3, batch)
    assert shown.dtype == target.dtype == torch.float32
