"""Locally connected layers and convolutions equal what PyTorch computes, in float64."""

import re
from collections.abc import Callable
from dataclasses import replace
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
WIDE = (16, 6, 5)  # of so many channels that no row of a kernel is narrow
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
}
ONLY_CONVOLUTION: dict[str, dict[str, Any]] = {
    "groups": {"kernel": 3, "groups": 2},
    "dilation": {"kernel": 2, "dilation": (3, 2)},
    "all": {"kernel": 2, "stride": 2, "padding": (1, 2, 0, 1), "dilation": 2, "groups": 2},
    "same, dilation": {"kernel": 3, "padding": "same", "stride": 2, "dilation": 2, "groups": 2},
}
LAYERS: dict[str, Layer] = {
    **{f"local, {name}": LocallyConnected(IMAGE, 4, **s) for name, s in SETTINGS.items()},
    **{f"wide, {name}": LocallyConnected(WIDE, 4, **s) for name, s in SETTINGS.items()},
    **{
        f"convolution, {name}": Convolution(IMAGE, 4, **s)
        for name, s in (SETTINGS | ONLY_CONVOLUTION).items()
    },
}
SOME: list[Layer] = [
    LocallyConnected(IMAGE, 4, 3, 2, "same"),
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
    (high, wide), (kh, kw), (sh, sw) = layer.places, layer.window, layer.strides
    a = [
        torch.einsum(
            "mbi,mio->mbo",
            images[..., row * sh : row * sh + kh, column * sw : column * sw + kw]
            .movedim(2, -1)
            .flatten(2),
            W[:, row * wide + column],
        )
        for row in range(high)
        for column in range(wide)
    ]
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
    "no dilation": (lambda: Convolution(IMAGE, 2, 3, dilation=0), ["dilation", "1 or more"]),
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
    summed = local.gradient(h, delta).sum(1).mT.unflatten(2, (*local.window, IMAGE[0]))
    same([summed.movedim(4, 2)], [shared.gradient(h, delta)], **close)


def module(**settings: Any) -> LocallyConnected2d:
    return LocallyConnected2d(2, 4, IMAGE[1:], dtype=torch.float64, **settings)


def test_the_module_equals_conv2d_when_its_weights_are_tied() -> None:
    theirs = torch.nn.Conv2d(2, 4, 3, stride=2, padding=1, dtype=torch.float64)
    ours = module(kernel_size=3, stride=2, padding=1)
    with torch.no_grad():
        ours.weight.copy_(ours.layer.tied(theirs.weight.unsqueeze(0))[0])
        ours.bias.copy_(theirs.bias.view(4, 1, 1).expand_as(ours.bias))
    x = STREAMS.normal("data", IMAGE).requires_grad_()
    signal = STREAMS.normal("noise", ours.layer.image_out)
    same([ours(x)], [theirs(x)], **close)
    mine = torch.autograd.grad(ours(x), [x, ours.weight, ours.bias], signal)
    other = torch.autograd.grad(theirs(x), [x, theirs.weight, theirs.bias], signal)
    same(mine[:1], other[:1], **close)
    kernel = mine[1].sum(0).T.unflatten(1, (3, 3, 2)).movedim(3, 1)
    same([kernel, mine[2].sum((1, 2))], other[1:], **close)


def test_the_module_has_the_gradients_of_the_layer() -> None:
    ours = module(kernel_size=(2, 3), padding="same", bias=False)
    x, signal = STREAMS.normal("data", IMAGE), STREAMS.normal("noise", ours.layer.image_out)
    ours(x).backward(signal)
    flat = [t.movedim(1, -1).flatten(1).unsqueeze(0) for t in (x, signal)]
    same([ours.weight.grad], [ours.layer.gradient(*flat)[0]], **close)


def test_the_module_keeps_its_parameters_in_its_state() -> None:
    first, second = module(kernel_size=3), module(kernel_size=3)
    assert sorted(first.state_dict()) == ["bias", "weight"]
    assert list(module(kernel_size=3, bias=False).state_dict()) == ["weight"]
    second.load_state_dict(first.state_dict())
    x = STREAMS.normal("data", IMAGE)
    same([second(x)], [first(x)])
    assert first.weight.abs().max() <= first.layer.fan_in**-0.5
    assert "kernel=3" in repr(first)


# The module under the tools of PyTorch


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_transposed_module_is_the_transpose_to_any_order_of_autograd(
    settings: dict[str, Any],
) -> None:
    sized = {"kernel_size": settings["kernel"], **settings}
    del sized["kernel"]
    up = module(**sized, bias=False)
    down = LocallyConnectedTranspose2d.of(up, bias=False)
    down.weight = up.weight
    x = STREAMS.normal("data", IMAGE)[:2].requires_grad_()
    y = STREAMS.normal("noise", up.layer.image_out)[:2].requires_grad_()
    same([(up(x) * y).sum()], [(down(y) * x).sum()], **close)
    first = torch.autograd.grad((up(x) * y).sum(), [x, up.weight], create_graph=True)
    other = torch.autograd.grad((down(y) * x).sum(), [x, up.weight], create_graph=True)
    same(first, other, **close)
    for made, images in ((up, x), (down, y)):
        assert torch.autograd.gradcheck(made, images, fast_mode=True)
        assert torch.autograd.gradgradcheck(made, images, fast_mode=True)


TRANSPOSED: dict[str, dict[str, Any]] = {
    "plain": {"kernel_size": 3},
    "stride": {"kernel_size": 3, "stride": 2},
    "padding": {"kernel_size": (4, 3), "stride": 2, "padding": (1, 0)},
    "more rows": {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": (1, 0)},
    "holes": {"kernel_size": 2, "stride": 3},
}


@pytest.mark.parametrize("settings", TRANSPOSED.values(), ids=TRANSPOSED)
def test_the_transposed_module_equals_convtranspose2d_when_its_weights_are_tied(
    settings: dict[str, Any],
) -> None:
    theirs = torch.nn.ConvTranspose2d(2, 4, **settings, dtype=torch.float64)
    ours = LocallyConnectedTranspose2d(2, 4, IMAGE[1:], **settings, dtype=torch.float64)
    with torch.no_grad():
        ours.weight.copy_(ours.layer.tied(theirs.weight.unsqueeze(0))[0])
        ours.bias.copy_(theirs.bias.view(4, 1, 1).expand_as(ours.bias))
    x = STREAMS.normal("data", IMAGE).requires_grad_()
    signal = torch.randn_like(theirs(x))
    same([ours(x)], [theirs(x)], **close)
    mine, other = (torch.autograd.grad(m(x), [x, m.bias], signal) for m in (ours, theirs))
    same([mine[0], mine[1].sum((1, 2))], other, **close)


def test_a_transposed_module_doubles_the_size_of_images_with_same_padding() -> None:
    up = LocallyConnectedTranspose2d(2, 4, (6, 5), 3, stride=2, padding="same")
    assert up(torch.ones(1, 2, 6, 5)).shape == (1, 4, 12, 10)
    down = LocallyConnected2d(4, 2, (12, 10), 3, stride=2, padding="same")
    assert up.weight.shape == down.weight.shape


@pytest.mark.parametrize("padding", [0, "same"])
@pytest.mark.parametrize("more", [2, -1])
def test_an_output_padding_that_no_image_has_is_refused(padding: Any, more: int) -> None:
    with pytest.raises(ValueError, match="less than the stride"):
        LocallyConnectedTranspose2d(2, 4, 5, 3, 2, padding, output_padding=more)


MODULES: dict[str, Callable[[], Any]] = {
    "up": lambda: LocallyConnected2d(2, 4, IMAGE[1:], (5, 3)),
    "down": lambda: LocallyConnectedTranspose2d(2, 4, IMAGE[1:], (2, 1), stride=(1, 3)),
}


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_takes_an_empty_batch(kind: str) -> None:
    made, x = MODULES[kind](), torch.ones(0, *IMAGE, requires_grad=True)
    made(x).sum().backward()
    assert x.grad.shape == x.shape
    assert made.weight.grad.abs().max() == made.bias.grad.abs().max() == 0


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_under_autocast_has_its_type_and_float32_gradients(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    exact = made(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = made(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert made.weight.grad.dtype == made.bias.grad.dtype == torch.float32
    assert 0 < (y - exact).norm() < 2**-7 * exact.norm()


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_mapped_and_exported_with_a_batch_of_any_size(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    mapped = torch.vmap(lambda image: made(image.unsqueeze(0))[0])(x)
    torch.testing.assert_close(mapped, made(x))
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    exported = torch.export.export(made, (x,), dynamic_shapes=free).module()
    more = torch.rand(5, *IMAGE)
    torch.testing.assert_close(exported(more), made(more))


# Arguments and batches

EMPTY: dict[str, Layer] = {
    "dense": Dense(60, 3),
    "local": LocallyConnected(WIDE, 4, 3, 2, "same"),
    "narrow": LocallyConnected(IMAGE, 4, 3, 2, "same"),
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
    ours = Convolution(image, np.int32(4), **settings, groups=two, dilation=two)  # type: ignore
    assert ours == Convolution(IMAGE, 4, **plain, groups=2, dilation=2)
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
