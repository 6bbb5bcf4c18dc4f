"""Feedback weights that learn come to agree with the forward weights."""

from typing import Any

import pytest
import torch
from conftest import KINDS, SEEDS
from test_equivalences import OPTIMISERS, STREAMS, close, presentation, same, trained
from torch import Tensor

from bioprop.learning import Network, Streams, angle, rule, sgd
from bioprop.learning.rules import transposes


def to_transposes(network: Network, B: list[Tensor]) -> Tensor:
    """Mean angle between signals through ``B`` and ``W^T``, ``(layer, member)``.

    Of signals and not of weights: those that only ever see padding have no effect to be learnt.
    """
    angles = []
    for layer, b, W in zip(network.layers[1:], B, transposes(network), strict=True):
        signal = STREAMS.normal("probe", (20, layer.outputs))
        angles.append(angle(layer.back(signal, b), layer.back(signal, W)).mean(1))
    return torch.stack(angles)


# Kolen-Pollack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_kolen_pollack_that_starts_as_backprop_stays_backprop(
    training: Any, parameters: Any, optimiser: str, kind: str
) -> None:
    backprop, made = (
        training(name, optimiser=OPTIMISERS[optimiser], kind=kind) for name in ("bp", "kp")
    )
    for B, W in zip(made.state["B"], transposes(made.network), strict=True):
        B.copy_(W)
    same(parameters(trained(made)), parameters(trained(backprop)), **close)
    same(made.state["B"], transposes(made.network), **close)


@pytest.mark.parametrize("kind", KINDS)
def test_under_kolen_pollack_the_difference_to_the_transpose_only_decays(
    training: Any, kind: str
) -> None:
    made = training("kp", optimiser=sgd(0.05, decay=0.01), kind=kind)

    def difference() -> list[Tensor]:
        pairs = zip(made.state["B"], transposes(made.network), strict=True)
        return [B - W for B, W in pairs]

    expected = [0.99**50 * d for d in difference()]
    trained(made)
    same(difference(), expected, **close)


def test_removed_connections_have_no_feedback_under_kolen_pollack(population: Any) -> None:
    network = population(STREAMS)
    network.masks = [STREAMS.kept("weight mask", W.shape[1:], 0.5) for W in network.weights]
    for W, mask in zip(network.weights, network.masks, strict=True):
        W.mul_(mask)
    teaching = rule("kp", optimiser=sgd(0.1))
    state = teaching.init(network, STREAMS)
    trial = network.present(*presentation(network))
    teaching.learn(network, state, trial, teaching.teach(network, state, trial))
    for B, mask in zip(state["B"], network.masks[1:], strict=True):
        assert torch.equal(B != 0, mask.mT != 0)


# Weight mirror


@pytest.mark.parametrize("kind", KINDS)
def test_the_angle_of_the_weight_mirror_to_the_transpose_falls(population: Any, kind: str) -> None:
    network = population(STREAMS, kind=kind)
    teaching = rule("wm", rate=0.02, examples=64)
    state = teaching.init(network, STREAMS)
    trial = network.present(*presentation(network))
    angles = [to_transposes(network, state["B"])]
    for step in range(200):
        trial.step = step
        teaching.learn(network, state, trial, ())
        if step in (49, 199):
            angles.append(to_transposes(network, state["B"]))
    start, middle, end = angles
    assert (start > 45).all() and (middle < start).all() and (end < 25).all()


def test_the_mirror_estimates_the_transpose_itself(population: Any) -> None:
    network = population(STREAMS)
    rate, examples = 0.01, 256
    teaching = rule("wm", rate=rate, examples=examples)
    state = teaching.init(network, STREAMS)
    trial = network.present(*presentation(network))
    for trial.step in range(1000):
        teaching.learn(network, state, trial, ())
    for B, W in zip(state["B"], transposes(network), strict=True):
        # Products of two normal numbers, averaged over examples and, by the decay, over steps.
        spread = W.norm(dim=2, keepdim=True) * (2 * rate / (2 - rate) / examples) ** 0.5
        assert ((B - W) / spread).abs().max() < 4


@pytest.mark.parametrize("name", ["kp", "wm"])
def test_learning_turns_the_feedback_towards_the_transpose(training: Any, name: str) -> None:
    made = training(name, optimiser=sgd(0.1, decay=0.003))
    start = to_transposes(made.network, made.state["B"])
    trained(made, 1000)
    end = to_transposes(made.network, made.state["B"])
    assert (start > 45).all() and (end < 20).all(), (start, end)


@pytest.mark.parametrize("name", ["kp", "wm"])
def test_learnt_feedback_is_saved_and_restored(training: Any, name: str) -> None:
    made = trained(training(name), 20)
    fresh = training(name)
    assert not torch.equal(fresh.state["B"][0], made.state["B"][0])
    fresh.load_state_dict(made.state_dict())
    same(fresh.state["B"], made.state["B"])


def test_feedback_weights_start_in_their_range_whatever_the_rule() -> None:
    streams = Streams(SEEDS)
    assert streams.uniform("feedback", (50, 2, 2, 2), streams.each((0.1, 1.0, 10.0))).abs().amax(
        (1, 2, 3, 4)
    ).tolist() == pytest.approx([0.1, 1.0, 10.0], rel=0.05)
