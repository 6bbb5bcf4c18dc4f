"""Locally connected layers and convolutions equal what PyTorch computes, in float64."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SEEDS
from test_equivalences import HIDDEN, PAIRS, close, objective, presentation, same, steps_of
from torch import Tensor
from torch.nn import functional as F

from bioprop.learning import Convolution, Dense, Layer, LocallyConnected, Network, Streams, rule
from bioprop.learning.layers.modules import LocallyConnected2d, LocallyConnectedTranspose2d

STREAMS = Streams(SEEDS)
IMAGE = (2, 6, 5)  # channels, height, width
WIDE = (64, 6, 5)  # of so many channels that no run of memory under a kernel is narrow
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"kernel": 3},
    "kernel of one": {"kernel": 1},
    "oblong kernel": {"kernel": (2, 3)},
    "whole image": {"kernel": (6, 5)},
    "stride": {"kernel": 3, "stride": (2, 1)},
    "stride that leaves a rest": {"kernel": 2, "stride": 3},
    "padding": {"kernel": 3, "padding": 1},
    "oblong padding": {"kernel": 3, "padding": (2, 0), "stride": 2},
    "uneven padding": {"kernel": 3, "padding": (2, 0, 0, 1)},
    "same": {"kernel": 3, "padding": "same"},
    "same, even kernel": {"kernel": (4, 2), "padding": "same"},
    "same, stride": {"kernel": 3, "padding": "same", "stride": 2},
    "columns that overlap twice": {"kernel": (2, 5), "stride": 2, "padding": (0, 0, 2, 1)},
    "a place in each row": {"kernel": (3, 5), "stride": 2},
    "groups": {"kernel": 3, "groups": 2},
    "dilation": {"kernel": 2, "dilation": (3, 2)},
    "dilation of rows": {"kernel": 2, "dilation": (4, 1), "padding": (1, 0)},
    "all": {"kernel": 2, "stride": 2, "padding": (1, 2, 0, 1), "dilation": 2, "groups": 2},
    "same, dilation": {"kernel": 3, "padding": "same", "stride": 2, "dilation": 2, "groups": 2},
}


@dataclass(frozen=True)
class AtOnce(LocallyConnected):
    """Makes its products as on a graphics card: one for all places."""

    def _at_once(self, units: Tensor) -> bool:
        return self.groups == 1


LAYERS: dict[str, Layer] = {
    **{f"at once, {name}": AtOnce(IMAGE, 4, **s) for name, s in SETTINGS.items()},
    **{f"local, {name}": LocallyConnected(IMAGE, 4, **s) for name, s in SETTINGS.items()},
    **{f"wide, {name}": LocallyConnected(WIDE, 4, **s) for name, s in SETTINGS.items()},
    "local, a group for each channel": LocallyConnected((8, 6, 5), 8, 3, groups=8),
    "wide, many groups": LocallyConnected((256, 5, 4), 16, 3, groups=8),
    **{f"convolution, {name}": Convolution(IMAGE, 4, **s) for name, s in SETTINGS.items()},
}
SOME: list[Layer] = [
    LocallyConnected(IMAGE, 4, 3, 2, "same"),
    AtOnce(IMAGE, 4, 3, 2, "same"),
    Convolution(IMAGE, 4, 3, 2, "same", groups=2),
]


def kind(layer: Layer) -> str:
    return type(layer).__name__


def by_torch(layer: Any, h: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """The input of a layer's units by PyTorch, member by member, place by place."""
    if isinstance(layer, Dense):
        return torch.einsum("mbi,mio->mbo", h, W) + b
    top, bottom, left, right = layer.pads
    channels_first = h.unflatten(2, (*layer.image[1:], layer.image[0])).movedim(-1, 2)
    images = F.pad(channels_first, (left, right, top, bottom))
    if isinstance(layer, Convolution):
        settings = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
        each = zip(images, W, b, strict=True)
        convolved = torch.stack([F.conv2d(x, w, c[0], **settings) for x, w, c in each])
        return convolved.movedim(2, -1).flatten(2)
    (high, wide), (tall, broad), (sh, sw) = layer.places, layer.reach, layer.strides
    grouped = images.unflatten(2, (layer.groups, -1))
    a = []
    for row, column in itertools.product(range(high), range(wide)):
        rows = slice(row * sh, row * sh + tall, layer.dilated[0])
        columns = slice(column * sw, column * sw + broad, layer.dilated[1])
        patch = grouped[..., rows, columns].movedim(3, -1).flatten(3)
        kernel = W[:, row * wide + column].unflatten(2, (layer.groups, -1))
        a.append(torch.einsum("mbgi,migo->mbgo", patch, kernel).flatten(2))
    return torch.cat(a, -1) + b


def made(layer: Layer, hidden: str = "tanh", output: str = "linear", loss: str = "squared") -> Any:
    """A population with one hidden layer, weights and biases drawn, and a batch."""
    layers = [layer, Dense(layer.outputs, 3)]
    weights = [STREAMS.uniform("weights", x.weight_shape, 0.5, k) for k, x in enumerate(layers)]
    biases = [STREAMS.uniform("weights", x.bias_shape, 0.5, 9 + k) for k, x in enumerate(layers)]
    network = Network(layers, [hidden, output], weights, biases, loss)
    return network, *presentation(network)


def equals_autograd(network: Network, x: Tensor, target: Tensor) -> None:
    """Assert that activities, deltas and gradients are those of autograd."""
    parameters = [p.clone().requires_grad_() for p in (*network.weights, *network.biases)]
    h, units = x.clone().requires_grad_(), []
    inputs = h
    for k, layer in enumerate(network.layers):
        units.append(by_torch(layer, h, parameters[k], parameters[2 + k]))
        h = network.functions[k].function(units[-1])
    loss = objective(network.activations[-1], network.loss, units[-1], target).sum()
    signals = torch.autograd.grad(loss, [*units, *parameters, inputs])

    trial = network.present(x, target)
    same([trial.activities[-1]], [h.detach()], **close)
    deltas = rule("bp").teach(network, None, trial)
    same(deltas, signals[:2], **close)
    first = network.layers[0]
    carried = first.back(deltas[0], first.transpose(network.weights[0]))
    same([carried], signals[6:], **close)
    pairs = zip(network.layers, trial.activities, deltas, strict=False)
    same([layer.gradient(h, delta) for layer, h, delta in pairs], signals[2:4], **close)
    changes = steps_of(network, trial, deltas)
    same([*changes[0], *changes[1]], signals[2:6], **close)


@pytest.mark.parametrize("name", LAYERS)
def test_signals_and_gradients_equal_autograd_in_every_geometry(name: str) -> None:
    equals_autograd(*made(LAYERS[name]))


@pytest.mark.parametrize("layer", SOME, ids=kind)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_signals_and_gradients_equal_autograd_for_every_activation_and_loss(
    layer: Layer, hidden: str, output: str, loss: str
) -> None:
    equals_autograd(*made(layer, hidden, output, loss))


# Geometry


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "places", "before", "after"),
    [  # as TensorFlow's documentation of padding "SAME" gives them
        (5, 3, 1, 5, 1, 1),
        (5, 3, 2, 3, 1, 1),
        (4, 3, 2, 2, 0, 1),
        (28, 5, 2, 14, 1, 2),
        (5, 2, 1, 5, 0, 1),
        (5, 1, 2, 3, 0, 0),
        (6, 2, 3, 2, 0, 0),
    ],
)
def test_same_padding_is_that_of_tensorflow(
    size: int, kernel: int, stride: int, places: int, before: int, after: int
) -> None:
    layer = Convolution((1, size, 1), 1, (kernel, 1), (stride, 1), "same")
    assert (layer.places, layer.pads) == ((places, 1), (before, after, 0, 0))


def test_units_list_the_channels_of_the_first_pixel_first() -> None:
    layer = Convolution((1, 2, 2), 2, 1)
    W = torch.tensor([1.0, 10.0]).view(1, 2, 1, 1, 1)
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    assert layer.forward(x, W).tolist() == [[[1, 10, 2, 20, 3, 30, 4, 40]]]


MISFITS: dict[str, tuple[Any, list[str]]] = {
    "no channels": (lambda: Convolution((0, 4, 4), 2, 3), ["(0, 4, 4)", "channel, height, width"]),
    "no kernel": (lambda: LocallyConnected(IMAGE, 2, 0), ["kernel", "1 or more", "(0, 0)"]),
    "no stride": (lambda: LocallyConnected(IMAGE, 2, 3, (1, 0)), ["stride", "(1, 0)"]),
    "a kernel too large": (
        lambda: Convolution(IMAGE, 2, (3, 4), dilation=2),
        ["(5, 7)", "does not fit", "(6, 5)", "(0, 0, 0, 0)"],
    ),
    "padding by another name": (
        lambda: Convolution(IMAGE, 2, 3, padding="valid"),
        ["'valid'", "allowed: 'same'"],
    ),
    "padding of three sides": (
        lambda: Convolution(IMAGE, 2, 3, padding=(1, 1, 1)),  # type: ignore[arg-type]
        ["(1, 1, 1)", "four (top, bottom, left, right)"],
    ),
    "negative padding": (lambda: LocallyConnected(IMAGE, 2, 3, padding=-1), ["-1", "0 or more"]),
    "groups that do not divide": (
        lambda: Convolution(IMAGE, 3, 3, groups=2),
        ["2 groups", "2 channels below", "3 above"],
    ),
    "no groups": (
        lambda: LocallyConnected(IMAGE, 4, 3, groups=0),
        ["0 groups", "2 channels below", "4 above"],
    ),
    "no dilation": (lambda: Convolution(IMAGE, 2, 3, dilation=0), ["dilation", "1 or more"]),
    "a local kernel that reaches too far": (
        lambda: LocallyConnected(IMAGE, 2, 3, dilation=(1, 3)),
        ["(3, 7)", "does not fit"],
    ),
    "weights of another kind": (
        lambda: Network([Convolution(IMAGE, 2, 3)], ["linear"], [torch.ones(3, 2, 3, 3)]),
        ["(3, 2, 3, 3)", "(3, 2, 2, 3, 3)", "channel_out, channel_in / groups"],
    ),
    "a bias for each unit of a convolution": (
        lambda: Network(
            [Convolution(IMAGE, 2, 3)],
            ["linear"],
            [torch.ones(3, 2, 2, 3, 3)],
            [torch.ones(3, 1, 24)],
        ),
        ["(3, 1, 24)", "(3, 1, 2)", "(member, 1, channel_out)"],
    ),
    "images of another size": (
        lambda: LocallyConnected2d(2, 4, (6, 5), 3)(torch.ones(1, 2, 5, 6)),
        ["(1, 2, 5, 6)", "(batch, 2, 6, 5)"],
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_refused(misfit: str) -> None:
    act, words = MISFITS[misfit]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


def test_pseudobackprop_of_other_layers_than_dense_is_refused(training: Any) -> None:
    with pytest.raises(ValueError, match=r"dense layers only; layer 1 is a Convolution"):
        training("pbp", kind="convolution")


# Tied weights


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_locally_connected_layer_with_shared_weights_is_the_convolution(
    settings: dict[str, Any],
) -> None:
    local, shared = LocallyConnected(IMAGE, 4, **settings), Convolution(IMAGE, 4, **settings)
    kernel = STREAMS.normal("weights", shared.weight_shape)
    h = STREAMS.normal("data", (3, shared.inputs))
    delta = STREAMS.normal("noise", (3, shared.outputs))
    W = local.tied(kernel)
    same([local.forward(h, W)], [shared.forward(h, kernel)], **close)
    same([local.back(delta, local.transpose(W))], [shared.back(delta, kernel)], **close)
    summed = local.gradient(h, delta).sum(1).mT.unflatten(2, (*local.window, local.features))
    same([summed.movedim(4, 2)], [shared.gradient(h, delta)], **close)


# As on a graphics card


def test_members_that_lie_apart_in_memory_learn_at_once_too() -> None:
    layer = AtOnce(IMAGE, 4, 3, 2, "same")
    h = STREAMS.normal("data", (5, layer.inputs))
    delta = STREAMS.normal("noise", (5, layer.outputs))
    W = torch.ones(len(h), layer.positions + 1, *layer.weight_shape[1:], dtype=h.dtype)[:, 1:]
    expected = W * 0.5 + layer.gradient(h, delta)
    layer.add_gradient_(W, h, delta, 0.5)
    same([W], [expected], **close)


@pytest.mark.parametrize("kind", [LocallyConnected, AtOnce])
def test_what_is_carried_back_is_summed_in_float32_and_rounded_once(
    kind: type[LocallyConnected],
) -> None:
    layer = kind((1, 9, 9), 1, 9, 1, 8)
    delta = torch.full((1, 2, layer.outputs), 1.0, dtype=torch.bfloat16)
    B = torch.full((1, *layer.feedback_shape), 1 / 64, dtype=torch.bfloat16)
    B[..., 0] = 256.0  # beside which each of the others is lost
    exact = layer.back(delta.double(), B.double())
    assert torch.equal(layer.back(delta, B), exact.bfloat16())


# Arguments and batches

EMPTY: dict[str, Layer] = {
    "dense": Dense(60, 3),
    "local": LocallyConnected(WIDE, 4, 3, 2, "same"),
    "narrow": LocallyConnected(IMAGE, 4, 3, 2, "same"),
    "at once": AtOnce(IMAGE, 4, 3, 2, "same"),
    "convolution": Convolution(IMAGE, 4, 3, 2, "same", groups=2),
}


@pytest.mark.parametrize("compute", [None, torch.bfloat16])
@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_batch_leaves_weights_as_they_are(kind: str, compute: torch.dtype | None) -> None:
    layer = replace(EMPTY[kind], compute=compute)  # type: ignore[type-var]
    h, delta = torch.ones(2, 0, layer.inputs), torch.ones(2, 0, layer.outputs)
    W = torch.ones(2, *layer.weight_shape)
    assert layer.forward(h, W).shape == delta.shape
    assert layer.back(delta, layer.transpose(W)).shape == h.shape
    assert (layer.gradient(h, delta) == 0).all()
    assert (layer.bias_gradient(delta) == 0).all()
    layer.add_gradient_(W, h, delta, 0.5)
    assert (W == 0.5).all()


THREE = np.int64(3)


def test_numbers_of_numpy_are_numbers() -> None:
    image = np.array(IMAGE)
    settings: dict[str, Any] = {"kernel": THREE, "stride": np.array([1, 2]), "padding": np.int8(1)}
    plain: dict[str, Any] = {"kernel": 3, "stride": (1, 2), "padding": 1}
    local = LocallyConnected(image, np.int32(4), **settings)  # type: ignore[arg-type]
    assert local == LocallyConnected(IMAGE, 4, **plain)
    assert repr(local) == repr(LocallyConnected(IMAGE, 4, **plain))
    two = np.uint8(2)
    for kind in (Convolution, LocallyConnected):
        ours = kind(image, np.int32(4), **settings, groups=two, dilation=two)  # type: ignore
        assert ours == kind(IMAGE, 4, **plain, groups=2, dilation=2)
    assert Dense(THREE, two) == Dense(3, 2)  # type: ignore[arg-type]
    made = LocallyConnected2d(two, THREE, image[1:], THREE, two, two)  # type: ignore[arg-type]
    assert made(torch.ones(1, *IMAGE)).shape == (1, 3, *made.layer.places)
    back = LocallyConnectedTranspose2d(two, THREE, image[1:], THREE, two, two, two - 1)
    assert back(torch.ones(1, *IMAGE)).shape == (1, *back.layer.image)


NO_NUMBERS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "units": (lambda: Dense(3.0, 2), ["inputs", "whole number", "3.0"]),  # type: ignore[arg-type]
    "image": (lambda: LocallyConnected(8, 2, 3), ["image", "tuple", "8"]),  # type: ignore[arg-type]
    "channels": (
        lambda: LocallyConnected(IMAGE, "4", 3),  # type: ignore[arg-type]
        ["number of channels", "whole number", "'4'"],
    ),
    "kernel": (
        lambda: LocallyConnected(IMAGE, 4, 3.0),  # type: ignore[arg-type]
        ["a kernel", "whole number or a pair", "3.0"],
    ),
    "stride": (
        lambda: Convolution(IMAGE, 4, 3, (1, 2, 3)),  # type: ignore[arg-type]
        ["a stride", "pair", "(1, 2, 3)"],
    ),
    "padding": (lambda: Convolution(IMAGE, 4, 3, 1, 0.5), ["0.5", "allowed"]),  # type: ignore
    "dilation": (
        lambda: Convolution(IMAGE, 4, 3, dilation="2"),  # type: ignore[arg-type]
        ["a dilation", "'2'"],
    ),
    "groups": (
        lambda: Convolution(IMAGE, 4, 3, groups=2.0),  # type: ignore[arg-type]
        ["number of groups", "2.0"],
    ),
    "compute": (
        lambda: Dense(3, 2, "bfloat16"),  # type: ignore[arg-type]
        ["compute", "floating dtype", "'bfloat16'"],
    ),
    "whole precision": (
        lambda: Convolution(IMAGE, 4, 3, compute=torch.int8),
        ["compute", "torch.int8"],
    ),
    "image size": (
        lambda: LocallyConnected2d(2, 4, "6", 3),  # type: ignore[arg-type]
        ["image_size", "whole number or a pair", "'6'"],
    ),
    "output padding": (
        lambda: LocallyConnectedTranspose2d(2, 4, 6, 3, output_padding=0.5),  # type: ignore
        ["output_padding", "0.5"],
    ),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
def test_what_is_no_whole_number_is_refused_in_a_sentence(case: str) -> None:
    act, words = NO_NUMBERS[case]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


@pytest.mark.parametrize("image", [IMAGE, WIDE])
def test_members_in_a_batch_equal_members_one_by_one(image: tuple[int, int, int]) -> None:
    layer = LocallyConnected(image, 4, 3, (2, 1))
    many = Streams(tuple(range(layer.places[1] + 2)))  # more than the places in a row
    h, W = many.normal("data", (3, layer.inputs)), many.normal("weights", layer.weight_shape)
    delta = many.normal("noise", (3, layer.outputs))
    products = (
        lambda h, W, delta: layer.forward(h, W),
        lambda h, W, delta: layer.back(delta, layer.transpose(W)),
        lambda h, W, delta: layer.gradient(h, delta),
    )
    for act in products:
        singles = [act(*(t[k : k + 1] for t in (h, W, delta))) for k in range(len(h))]
        same([act(h, W, delta)], [torch.cat(singles)], **close)
