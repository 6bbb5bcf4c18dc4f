"""Feedback that is plastic for a part of the run."""

import itertools
from typing import Any

import pytest
import torch

from bioprop.learning import Training, rule, sgd
from bioprop.learning.rules import plastic_within
from bioprop.studies import get


def held(training: Any, first: int, last: int) -> Training:
    made = training("kp")
    teaching = plastic_within(rule("kp", optimiser=sgd(0.1)), first, last)
    return Training(made.network, teaching, made.optimiser, made.batches, made.streams)


def test_feedback_learns_within_its_time_and_not_outside(training: Any) -> None:
    made = held(training, 3, 6)
    seen = []
    for step in range(1, 10):
        made.until(step)
        seen.append(made.state["B"][0].clone())
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]
    assert changed == [False, False, True, True, True, False, False, False]


@pytest.mark.parametrize(("first", "last", "like"), [(0, 100, "kp"), (50, 100, "fa")])
def test_plastic_throughout_is_the_rule_and_plastic_too_late_is_feedback_alignment(
    training: Any, first: int, last: int, like: str
) -> None:
    made, other = held(training, first, last), training(like)
    for each in (made, other):
        each.until(20)
    assert all(map(torch.equal, made.network.weights, other.network.weights))


def test_no_time_and_nothing_plastic_are_refused() -> None:
    with pytest.raises(ValueError, match="'fa' keeps nothing that learns"):
        plastic_within(rule("fa"), 0, 1)
    with pytest.raises(ValueError, match="no batch lies between 5 and 5"):
        plastic_within(rule("kp", optimiser=sgd(0.1)), 5, 5)
    with pytest.raises(ValueError, match="let first be less than last"):
        get("plastic-feedback").configure("smoke", "linear-kp", first=0.5, last=0.5)
