"""What arrives through each channel, and what no channel can be."""

import math
import re
from typing import Any

import pytest
import torch

from bioprop.learning import Streams, rule
from bioprop.learning.rules.channels import CHANNELS, size

STREAMS = Streams((0, 1, 2))
S = STREAMS.normal("probe", (40, 6))
Z = STREAMS.normal("noise", (40, 6))


def arriving(name: str, amount: Any, s: torch.Tensor = S, z: torch.Tensor = Z) -> torch.Tensor:
    return CHANNELS[name].send(s, z, amount)


def test_a_channel_of_some_rank_lets_as_many_directions_through() -> None:
    basis = torch.linalg.qr(STREAMS.normal("weights", (6, 6)))[0]
    ranks = STREAMS.each((1.0, 3.0, 6.0))
    arrived = arriving("rank", ranks, z=basis)
    assert torch.linalg.matrix_rank(arrived).tolist() == [1, 3, 6]
    torch.testing.assert_close(arriving("rank", ranks, arrived, basis), arrived)


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_numbers_of_some_bits_have_as_many_levels_and_are_near(bits: int) -> None:
    arrived, largest = arriving("bits", float(bits)), S.abs().amax(-1, keepdim=True)
    levels = ((arrived / largest + 1) * 2**bits / 2 - 0.5).round(decimals=6)
    assert set(levels.unique().tolist()) == set(range(2**bits))
    assert ((arrived - S).abs() <= largest / 2**bits + 1e-12).all()


def test_the_share_that_is_lost_is_the_one_set() -> None:
    arrived = arriving("loss", STREAMS.each((0.0, 0.25, 0.75)))
    lost = (arrived == 0).double().mean((1, 2))
    assert lost.tolist() == pytest.approx([0.0, 0.25, 0.75], abs=0.09)
    assert ((arrived == 0) | (arrived == S)).all()


def test_nonlinear_channels_do_what_their_names_say() -> None:
    assert torch.equal(arriving("rectifier", 1.0), S.clamp(min=0))
    torch.testing.assert_close(arriving("sign", 1.0), size(S) * S.sign())
    far = S.abs() >= size(S)
    assert torch.equal(arriving("threshold", 1.0), S * far)
    assert torch.equal(arriving("noise", 0.5), S + 0.5 * size(S) * Z)
    torch.testing.assert_close(
        arriving("tanh", 2.0), size(S) * torch.tanh(2 * S / size(S)) / math.tanh(2)
    )
    even = size(S).expand_as(S)
    torch.testing.assert_close(arriving("tanh", 10.0, even), even)
    torch.testing.assert_close(arriving("tanh", 1e9), arriving("sign", 1.0))


@pytest.mark.parametrize("name", CHANNELS)
def test_no_signal_arrives_as_none_and_a_larger_one_as_much_larger(name: str) -> None:
    basis = torch.linalg.qr(STREAMS.normal("weights", (6, 6)))[0]
    z = basis if name == "rank" else Z
    assert not arriving(name, 1.0, torch.zeros_like(S), z).any()
    torch.testing.assert_close(arriving(name, 1.0, 4 * S, z), 4 * arriving(name, 1.0, z=z))


REFUSED = {
    "an unknown channel": ({"channel": "tan"}, "'tan'.*Did you mean 'tanh'"),
    "no rank": ({"channel": "rank", "amount": 0}, "'rank' is a whole number of 1 or more, not 0"),
    "half a bit": ({"channel": "bits", "amount": 0.5}, "'bits' is a whole number of 1 or more"),
    "a rank between": ({"channel": "rank", "amount": 1.5}, "is a whole number"),
    "more than all lost": ({"channel": "loss", "amount": 1.1}, "at most 1"),
    "less than none": ({"channel": "noise", "amount": -0.1}, "0 or more"),
    "no bit for one of two": (
        {"channel": "bits", "amount": torch.tensor([4.0, 0.0])},
        "'bits' is a whole number of 1 or more, not 0$",
    ),
    "too much lost for one of two": (
        {"channel": "loss", "amount": torch.tensor([[[0.5]], [[1.5]]])},
        "0 or more and at most 1, not 1.5$",
    ),
    "unknown weights": ({"weights": "random"}, "'random'"),
    "a negative bound": ({"bound": -1.0}, "0 or more"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED)
def test_what_no_channel_can_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rule("channel", **options)


def test_a_rank_wider_than_the_error_is_refused_where_the_network_is_known(training: Any) -> None:
    words = "a channel of rank 4 is wider than a signal of 3 numbers; give 3 or less"
    with pytest.raises(ValueError, match=re.escape(words)):
        training("channel", options={"channel": "rank", "amount": 4, "weights": "direct"})
    with pytest.raises(ValueError, match="one channel for signals of"):
        training("channel", options={"channel": "rank", "amount": 2, "each": False})
    one = {"channel": "rank", "amount": 2, "weights": "direct", "each": False}
    first, second = training("channel", options=one).state["basis"]
    assert torch.equal(first, second)


@pytest.mark.parametrize("channel", ["loss", "noise"])
def test_what_is_lost_differs_from_batch_to_batch_and_from_layer_to_layer(
    training: Any, channel: str
) -> None:
    made = training("channel", options={"channel": channel, "amount": 0.5, "weights": "direct"})
    trial = made.network.present(*made.batches(0))

    def taught(step: int) -> list[torch.Tensor]:
        trial.step = step
        return list(made.rule.teach(made.network, made.state, trial)[:-1])

    first, other, again = taught(0), taught(1), taught(0)
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))
