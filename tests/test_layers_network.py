"""Layers and networks: what does not fit is refused with what would, and bfloat16 only rounds."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import KINDS
from torch import Tensor

from bioprop.learning import Convolution, Dense, LocallyConnected, Network, Streams
from bioprop.learning.layers.products import rounding

MEMBERS = 3
UNIT_ROUNDOFF = 2.0**-8  # of bfloat16, which keeps 8 binary digits


def network(**changes: Any) -> Network:
    """Three networks of 4-6-2 units, with some parts changed."""
    parts = {
        "layers": [Dense(4, 6), Dense(6, 2)],
        "activations": ["tanh", "linear"],
        "weights": [torch.ones(MEMBERS, 4, 6), torch.ones(MEMBERS, 6, 2)],
    }
    return Network(**parts | changes)


def weights(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.ones(shape) for shape in shapes]


# What was given, and what is allowed or needed, in the words of the message.
MISFITS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "transposed weights": (
        {"weights": weights((3, 6, 4), (3, 6, 2))},
        ["(3, 6, 4)", "(3, 4, 6)", "(member, unit_in, unit_out)"],
    ),
    "members that differ between layers": (
        {"weights": weights((3, 4, 6), (2, 6, 2))},
        ["(2, 6, 2)", "(3, 6, 2)"],
    ),
    "weights without members": (
        {"weights": weights((4, 6), (6, 2))},
        ["(4, 6)", "(4, 4, 6)", "(member, unit_in, unit_out)"],
    ),
    "biases that would broadcast over the batch": (
        {"biases": weights((3, 1, 6), (3, 2))},
        ["(3, 2)", "(3, 1, 2)", "(member, 1, unit_out)"],
    ),
    "biases of another layer": (
        {"biases": weights((3, 1, 2), (3, 1, 2))},
        ["(3, 1, 2)", "(3, 1, 6)"],
    ),
    "layers that do not meet": (
        {"layers": [Dense(4, 6), Dense(5, 2)], "weights": weights((3, 4, 6), (3, 5, 2))},
        ["6 units", "5 inputs"],
    ),
    "too few activations": ({"activations": ["linear"]}, ["activations", "equally many"]),
    "too few biases": ({"biases": [None]}, ["biases", "equally many"]),
    "an unknown activation": (
        {"activations": ["tahn", "linear"]},
        ["'tahn'", "linear, tanh, logistic, relu, softmax", "'tanh'?"],
    ),
    "an unknown loss": (
        {"loss": "crossentropy"},
        ["'crossentropy'", "squared, cross-entropy, binary-cross-entropy", "'cross-entropy'?"],
    ),
    "squared loss of softmax": (
        {"activations": ["tanh", "softmax"]},
        ["'squared'", "linear or tanh or logistic or relu", "not softmax"],
    ),
    "cross-entropy of single units": (
        {"activations": ["tanh", "logistic"], "loss": "cross-entropy"},
        ["'cross-entropy'", "softmax", "not logistic"],
    ),
    "binary cross-entropy of tanh": (
        {"activations": ["tanh", "tanh"], "loss": "binary-cross-entropy"},
        ["'binary-cross-entropy'", "logistic", "not tanh"],
    ),
}


def refuses(act: Callable[[], Any], words: list[str]) -> None:
    """Assert that something raises ``ValueError`` in these words, in this order."""
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


@pytest.mark.parametrize("misfit", MISFITS)
def test_parts_that_do_not_fit_are_refused(misfit: str) -> None:
    changes, words = MISFITS[misfit]
    refuses(lambda: network(**changes), words)


def test_parts_that_fit_are_accepted() -> None:
    assert network().biases == [None, None]
    assert network(biases=[torch.zeros(MEMBERS, 1, 6), None]).members == MEMBERS


SQUARE = torch.zeros(3, 4, 4)
BOTH = torch.zeros(3, 32)  # weights of two layers, side by side
SHARING: dict[str, dict[str, Any]] = {
    "members": {"weights": [torch.zeros(1, 4, 4).expand(3, -1, -1), SQUARE]},
    "units": {"weights": [torch.zeros(3, 1, 4).expand(-1, 4, -1), SQUARE]},
    "windows": {"weights": [torch.zeros(3, 7).as_strided((3, 4, 4), (7, 1, 1)), SQUARE]},
    "layers": {"weights": [SQUARE, SQUARE]},
    "layers, transposed": {"weights": [SQUARE, SQUARE.mT]},
    "layers, in part": {"weights": [BOTH[:, :16].view(3, 4, 4), BOTH[:, 15:31].view(3, 4, 4)]},
    "biases of members": {"biases": [torch.zeros(1, 1, 4).expand(3, -1, -1), None]},
    "biases of layers": {"biases": [BOTH[:, None, :4]] * 2},
    "a bias and weights": {
        "weights": [SQUARE, torch.zeros(3, 4, 4)],
        "biases": [SQUARE[:, :1], None],
    },
}
APART: dict[str, dict[str, Any]] = {
    "columns of one tensor": {
        "weights": [BOTH[:, :16].view(3, 4, 4), BOTH[:, 16:].view(3, 4, 4)],
    },
    "every second row": {"weights": [torch.zeros(6, 4, 4)[::2], SQUARE.mT]},
    "one mask for all": {"masks": [torch.ones(1, 4, 4).expand(3, -1, -1)] * 2},
}


def square(**changes: Any) -> Network:
    """A population of three networks of 4-4-4 units, with parts of it exchanged."""
    parts = {"weights": [torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)]} | changes
    return Network([Dense(4, 4), Dense(4, 4)], ["tanh", "linear"], **parts)


@pytest.mark.parametrize("shared", SHARING)
def test_weights_that_lie_in_the_same_memory_are_refused(shared: str) -> None:
    refuses(lambda: square(**SHARING[shared]), ["the same memory", ".clone() or .repeat()"])


@pytest.mark.parametrize("apart", APART)
def test_weights_that_lie_beside_each_other_are_accepted(apart: str) -> None:
    assert square(**APART[apart]).members == 3


@pytest.mark.parametrize("units", [(0, 2), (2, 0), (-1, 2)])
def test_a_layer_without_units_is_refused(units: tuple[int, int]) -> None:
    refuses(lambda: Dense(*units), ["at least one unit", f"{units[0]} and {units[1]}"])


@pytest.mark.parametrize("shape", [(3, 5, 2), (2, 5, 4), (5, 4), (3, 4)])
def test_inputs_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    target = torch.ones(3, 5, 2)
    refuses(lambda: network().present(torch.ones(shape), target), [str(shape), "(3, batch, 4)"])


@pytest.mark.parametrize("shape", [(3, 5, 4), (3, 1, 2), (1, 5, 2), (5, 2), (3, 5)])
def test_targets_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    x = torch.ones(3, 5, 4)
    words = [str(shape), "(3, 5, 2)", "(member, batch, unit)"]
    refuses(lambda: network().present(x, torch.ones(shape)), words)


@pytest.mark.parametrize("name", ["rotated", "rotated-fixed"])
def test_a_rotation_of_an_odd_number_of_units_is_refused(training: Any, name: str) -> None:
    refuses(lambda: training(name, sizes=(4, 7, 2)), ["even number of units", "not 7"])


def test_softmax_in_a_hidden_layer_is_refused_by_rules_that_need_a_slope(training: Any) -> None:
    made = training("bp", hidden="softmax")
    refuses(lambda: made.until(1), ["softmax has no slope", "output only"])


# Precision


def product(kind: str, layer: Dense, h: Tensor, W: Tensor, delta: Tensor) -> Tensor:
    """One of the products of a layer."""
    if kind == "forward":
        return layer.forward(h, W)
    if kind == "back":
        return layer.back(delta, layer.transpose(W))
    if kind == "gradient":
        return layer.gradient(h, delta)
    changed = W.clone()
    layer.add_gradient_(changed, h, delta)
    return changed - W


@pytest.mark.parametrize("kind", ["forward", "back", "gradient", "add_gradient_"])
def test_a_bfloat16_product_differs_by_the_rounding_of_bfloat16(kind: str) -> None:
    streams = Streams((0, 1), torch.float32)
    h, delta = streams.normal("data", (32, 300)), streams.normal("noise", (32, 200))
    W = streams.normal("weights", (300, 200))
    exact = product(kind, Dense(300, 200), h, W, delta)
    rounded = product(kind, Dense(300, 200, torch.bfloat16), h, W, delta)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    # Two factors and the result are rounded once each; the sum within is not. 1.01: higher orders.
    size = product(kind, Dense(300, 200), h.abs(), W.abs(), delta.abs())
    assert ((rounded - exact).abs() <= 1.01 * 3 * UNIT_ROUNDOFF * size).all()


def test_a_long_bfloat16_sum_does_not_stall() -> None:
    layer = Dense(4096, 2, torch.bfloat16)  # summed in bfloat16, ones stall at 256
    assert (layer.forward(torch.ones(1, 3, 4096), torch.ones(1, 4096, 2)) == 4096).all()


@pytest.mark.parametrize("layer", [LocallyConnected, Convolution])
@pytest.mark.parametrize("kind", ["forward", "back", "gradient", "add_gradient_"])
def test_a_bfloat16_product_of_images_differs_by_the_rounding_of_bfloat16(
    layer: Any, kind: str
) -> None:
    streams = Streams((0, 1), torch.float32)
    exact, rounded = (layer((8, 6, 6), 16, 3, 2, "same", compute=c) for c in (None, torch.bfloat16))
    h, delta = streams.normal("data", (32, 288)), streams.normal("noise", (32, 144))
    W = streams.normal("weights", exact.weight_shape)
    ours, theirs = (product(kind, each, h, W, delta) for each in (rounded, exact))
    assert ours.dtype == torch.float32 and not torch.equal(ours, theirs)
    # Overlapping patches are summed after rounding, so a signal carried back is rounded more often.
    size = product(kind, exact, h.abs(), W.abs(), delta.abs())
    assert ((ours - theirs).abs() <= 1.01 * 3 * UNIT_ROUNDOFF * size).all()


@pytest.mark.parametrize("batch", [2, 32, 600])  # by hand where tiny, where large, and between
@pytest.mark.parametrize("kind", ["forward", "back", "gradient", "add_gradient_"])
def test_a_bfloat16_product_rounds_its_factors_on_every_processor(kind: str, batch: int) -> None:
    streams = Streams((0, 1), torch.float32)
    size = (40, 20) if batch > 2 else (8, 4)
    h, delta = streams.normal("data", (batch, size[0])), streams.normal("noise", (batch, size[1]))
    W = streams.normal("weights", size)
    ours = product(kind, Dense(*size, torch.bfloat16), h, W, delta)
    h, delta, factor = (t.bfloat16().double() for t in (h, delta, W))
    kept = W.double() if kind == "add_gradient_" else factor
    theirs = product(kind, Dense(*size), h, kept, delta)
    bound = product(kind, Dense(*size), h.abs(), kept.abs(), delta.abs()) + W.abs().max()
    assert ((ours - theirs).abs() <= UNIT_ROUNDOFF * theirs.abs() + 1e-5 * bound).all()


@pytest.mark.parametrize("keep", [1.0, 0.5, torch.tensor([0.5, 2.0]).view(2, 1, 1)], ids=str)
def test_a_bfloat16_gradient_is_added_to_weights_however_they_lie(keep: float | Tensor) -> None:
    streams = Streams((0, 1), torch.float32)
    layer = Dense(60, 50, torch.bfloat16)
    h, delta = streams.normal("data", (32, 60)), streams.normal("noise", (32, 50))
    W = streams.normal("weights", (60, 50))
    expected = keep * W + layer.gradient(h, delta)
    apart = torch.zeros(2, 60, 100)[..., ::2]
    for lies in (W.clone(), W.mT.contiguous().mT, apart.copy_(W)):
        layer.add_gradient_(lies, h, delta, keep)
        torch.testing.assert_close(
            lies, expected, rtol=0, atol=UNIT_ROUNDOFF * expected.abs().max()
        )


@pytest.mark.skipif(not hasattr(torch.backends.mkldnn, "matmul"), reason="an older PyTorch")
@pytest.mark.parametrize("setting", ["none", "ieee", "tf32"])
def test_rounding_leaves_the_settings_of_pytorch_as_they_were(setting: str) -> None:
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    try:
        matmul.fp32_precision = setting
        with pytest.raises(ZeroDivisionError), rounding():
            assert matmul.fp32_precision == "bf16"
            _ = 1 / 0
        assert matmul.fp32_precision == setting
    finally:
        matmul.fp32_precision = before


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_a_large_bfloat16_gradient_is_added_whole(keep: float) -> None:
    streams = Streams((0, 1), torch.float32)  # more weights than one block holds
    layer = Dense(700, 600, torch.bfloat16)
    h, delta = streams.normal("data", (4, 700)), streams.normal("noise", (4, 600))
    W = streams.normal("weights", (700, 600))
    expected = keep * W + layer.gradient(h, delta)
    layer.add_gradient_(W, h, delta, keep)
    assert torch.equal(W, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule_name", ["bp", "fa"])
def test_bfloat16_training_follows_float32_and_keeps_its_weights_in_float32(
    training: Any, parameters: Any, rule_name: str, kind: str
) -> None:
    made = {
        compute: training(rule_name, rate=0.05, dtype=torch.float32, compute=compute, kind=kind)
        for compute in (None, torch.bfloat16)
    }
    initial = [p.clone() for p in parameters(made[None])]
    for each in made.values():
        each.until(50)
        assert all(p.dtype == torch.float32 for p in parameters(each))
    pairs = zip(initial, *map(parameters, made.values()), strict=True)
    for start, exact, rounded in pairs:
        # Each step's rounding is of either sign, so the whole change is off by about one rounding.
        assert (rounded - exact).norm() < 3 * UNIT_ROUNDOFF * (exact - start).norm()
        assert not torch.equal(rounded, rounded.bfloat16().float())
        assert not torch.equal(rounded, exact)
