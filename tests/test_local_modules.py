"""The modules of locally connected layers: beside Conv2d, and under the tools of PyTorch."""

import copy
import inspect
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_equivalences import close, same
from test_image_layers import IMAGE, SETTINGS, STREAMS

from bioprop.learning.layers import LocallyConnected2d, LocallyConnectedTranspose2d


def module(**settings: Any) -> LocallyConnected2d:
    return LocallyConnected2d(2, 4, IMAGE[1:], dtype=torch.float64, **settings)


def tie(ours: Any, theirs: Any) -> None:
    """Give a module the weights of a convolution."""
    with torch.no_grad():
        ours.weight.copy_(ours.layer.tied(theirs.weight.unsqueeze(0))[0])
        ours.bias.copy_(theirs.bias.view(-1, 1, 1).expand_as(ours.bias))


CONV2D: dict[str, dict[str, Any]] = {
    "stride and padding": {"stride": 2, "padding": 1},
    "dilation and groups": {"dilation": (2, 1), "groups": 2, "padding": (2, 0)},
    "same": {"padding": "same", "dilation": (1, 2)},
    "valid": {"padding": "valid"},
    "reflect": {"padding": (3, 2), "padding_mode": "reflect", "stride": (1, 2)},
    "replicate": {"padding": 2, "padding_mode": "replicate", "groups": 2},
    "circular": {"padding": "same", "padding_mode": "circular"},
    "nothing to reflect": {"padding": 0, "padding_mode": "reflect"},
}


@pytest.mark.parametrize("settings", CONV2D.values(), ids=CONV2D)
def test_the_module_equals_conv2d_when_its_weights_are_tied(settings: dict[str, Any]) -> None:
    theirs = torch.nn.Conv2d(2, 4, 3, **settings, dtype=torch.float64)
    ours = module(kernel_size=3, **settings)
    tie(ours, theirs)
    x = STREAMS.normal("data", IMAGE).requires_grad_()
    signal = STREAMS.normal("noise", ours.layer.image_out)
    same([ours(x)], [theirs(x)], **close)
    same([ours(x[0])], [ours(x)[0]], **close)
    mine = torch.autograd.grad(ours(x), [x, ours.weight, ours.bias], signal)
    other = torch.autograd.grad(theirs(x), [x, theirs.weight, theirs.bias], signal)
    same(mine[:1], other[:1], **close)
    kernel = mine[1].sum(0).T.unflatten(1, (3, 3, -1)).movedim(3, 1)
    same([kernel, mine[2].sum((1, 2))], other[1:], **close)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (LocallyConnected2d, torch.nn.Conv2d),
        (LocallyConnectedTranspose2d, torch.nn.ConvTranspose2d),
    ],
)
def test_arguments_come_in_the_order_of_pytorch(ours: type, theirs: type) -> None:
    mine, other = (list(inspect.signature(kind).parameters) for kind in (ours, theirs))
    assert mine == [*other[:2], "image_size", *other[2:]]


@pytest.mark.parametrize("settings", CONV2D.values(), ids=CONV2D)
def test_a_module_says_of_itself_what_conv2d_says(settings: dict[str, Any]) -> None:
    theirs = torch.nn.Conv2d(2, 4, 3, **settings, bias=False)
    ours = module(kernel_size=3, **settings, bias=False)
    said = repr(theirs).replace("Conv2d(2, 4", "LocallyConnected2d(2, 4, image_size=(6, 5)")
    assert repr(ours) == said.replace(", padding=valid", "")
    for name in ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.padding_mode == theirs.padding_mode


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
    assert first.weight.abs().max() <= first.fan_in**-0.5


INITIALISERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "kaiming_normal_": (torch.nn.init.kaiming_normal_, {"nonlinearity": "relu"}),
    "kaiming_uniform_": (torch.nn.init.kaiming_uniform_, {"mode": "fan_out"}),
    "xavier_normal_": (torch.nn.init.xavier_normal_, {}),
    "orthogonal_": (torch.nn.init.orthogonal_, {"gain": 2.0}),
    "dirac_": (torch.nn.init.dirac_, {"groups": 2}),
}


@pytest.mark.parametrize("name", INITIALISERS)
def test_an_initialiser_fills_every_place_as_it_fills_conv2d(name: str) -> None:
    initialiser, options = INITIALISERS[name]
    ours = module(kernel_size=3, groups=2)
    theirs = torch.nn.Conv2d(2, 4, 3, groups=2, dtype=torch.float64)
    torch.manual_seed(0)
    ours.initialise_(initialiser, **options)
    torch.manual_seed(0)
    for place in range(ours.layer.positions):
        initialiser(theirs.weight, **options)
        expected = ours.layer.tied(theirs.weight.detach().unsqueeze(0))[0, place]
        assert torch.equal(ours.weight.detach()[place], expected)


@pytest.mark.parametrize("channels", [8, 64])
def test_activity_neither_grows_nor_shrinks_with_the_fans_of_a_module(channels: int) -> None:
    torch.manual_seed(0)
    up = LocallyConnected2d(channels, channels, 9, 3, groups=2)
    down = LocallyConnectedTranspose2d(channels, channels, 7, 4, stride=2, padding=3, groups=2)
    up.initialise_(torch.nn.init.kaiming_normal_)
    torch.nn.init.normal_(down.weight, std=(2 / down.fan_in) ** 0.5)
    for made in (up, down):
        x = torch.randn(64, channels, *made.image_size).relu()
        y = (made(x) - made.bias).detach()
        # Half a normal number's square is its ReLU's, and 2 / fan_in makes up for it.
        assert y.square().mean() == pytest.approx(1, rel=0.15)


def test_the_fans_of_modules_are_means_over_units() -> None:
    made = LocallyConnected2d(4, 6, (8, 8), 2, stride=2, groups=2)
    assert (made.fan_in, made.fan_out) == (2 * 4, 3)  # each input is under one kernel
    back = LocallyConnectedTranspose2d.of(made)
    assert (back.fan_in, back.fan_out) == (3, 8)


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
    "groups": {"kernel_size": 3, "stride": 2, "groups": 2},
    "dilation": {"kernel_size": 2, "dilation": (3, 2), "padding": (1, 2), "bias": True},
}


@pytest.mark.parametrize("settings", TRANSPOSED.values(), ids=TRANSPOSED)
def test_the_transposed_module_equals_convtranspose2d_when_its_weights_are_tied(
    settings: dict[str, Any],
) -> None:
    theirs = torch.nn.ConvTranspose2d(2, 4, **settings, dtype=torch.float64)
    ours = LocallyConnectedTranspose2d(2, 4, IMAGE[1:], **settings, dtype=torch.float64)
    tie(ours, theirs)
    said = repr(theirs).replace(
        "ConvTranspose2d(2, 4", f"{type(ours).__name__}(2, 4, image_size=(6, 5)"
    )
    assert repr(ours) == said
    x = STREAMS.normal("data", IMAGE).requires_grad_()
    signal = torch.randn_like(theirs(x))
    same([ours(x)], [theirs(x)], **close)
    same([ours(x[0])], [ours(x)[0]], **close)
    mine, other = (torch.autograd.grad(m(x), [x, m.bias], signal) for m in (ours, theirs))
    same([mine[0], mine[1].sum((1, 2))], other, **close)
    again = LocallyConnectedTranspose2d.of(
        LocallyConnected2d(
            4,
            2,
            theirs(x).shape[2:],
            **{k: v for k, v in settings.items() if k != "output_padding"},
        )
    )
    assert repr(again) == said


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
    "up, all": lambda: LocallyConnected2d(
        2, 4, IMAGE[1:], 2, (2, 1), (2, 1), (1, 2), 2, padding_mode="reflect"
    ),
    "down, all": lambda: LocallyConnectedTranspose2d(
        2, 4, IMAGE[1:], 3, 2, (1, 0), groups=2, dilation=2
    ),
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
def test_a_module_is_exported_with_a_batch_of_any_size(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    exported = torch.export.export(made, (x,), dynamic_shapes=free).module()
    more = torch.rand(5, *IMAGE)
    torch.testing.assert_close(exported(more), made(more))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # asked for all the same
@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_traced_saved_and_still_learns(kind: str) -> None:
    made, file = MODULES[kind]().double(), io.BytesIO()
    torch.jit.save(torch.jit.trace(made, torch.rand(3, *IMAGE).double()), file)
    traced = torch.jit.load(io.BytesIO(file.getvalue()))
    x = STREAMS.normal("data", IMAGE).requires_grad_()
    same([traced(x)], [made(x)], **close)
    slopes = [
        torch.autograd.grad(m(x).square().sum(), [x, *m.parameters()]) for m in (traced, made)
    ]
    same(*slopes, **close)


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_mapped_over_images_and_over_weights(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    torch.testing.assert_close(torch.vmap(made)(x), made(x))
    several = [MODULES[kind]() for _ in range(2)]
    weights, buffers = torch.func.stack_module_state(several)

    def apply(weights: Any, buffers: Any) -> torch.Tensor:
        return torch.func.functional_call(made, (weights, buffers), (x,))

    each = torch.vmap(apply)(weights, buffers)
    torch.testing.assert_close(each, torch.stack([m(x) for m in several]))


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_is_copied_whole(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    other = copy.deepcopy(made)
    assert torch.equal(other(x), made(x)) and other.weight is not made.weight


@pytest.mark.parametrize("kind", MODULES)
def test_a_module_says_the_shape_of_what_it_gives_without_numbers(kind: str) -> None:
    made, x = MODULES[kind](), torch.rand(3, *IMAGE)
    assert made.to("meta")(x.to("meta")).shape == MODULES[kind]()(x).shape


REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "images of another size": (
        lambda: MODULES["up"]()(torch.ones(1, 2, 5, 6)),
        ["(1, 2, 5, 6)", "(batch, 2, 6, 5)", "(2, 6, 5) for one image"],
    ),
    "one image of another size": (
        lambda: MODULES["down"]()(torch.ones(3, 6, 5)),
        ["(1, 3, 6, 5)", "(batch, 2, 6, 5)"],
    ),
    "bytes": (
        lambda: MODULES["up"]()(torch.ones(1, *IMAGE, dtype=torch.uint8)),
        ["torch.uint8", "torch.float32", ".to(torch.float32)"],
    ),
    "an array": (lambda: MODULES["up"]()(np.ones((1, *IMAGE))), ["a tensor", "ndarray"]),
    "nothing": (lambda: MODULES["down"]()(None), ["a tensor", "NoneType"]),
    "the transpose of a convolution": (
        lambda: LocallyConnectedTranspose2d.of(torch.nn.Conv2d(2, 4, 3)),  # type: ignore[arg-type]
        ["an encoder is a LocallyConnected2d", "Conv2d"],
    ),
    "the transpose of a transpose": (
        lambda: LocallyConnectedTranspose2d.of(MODULES["down"]()),
        ["not a LocallyConnectedTranspose2d"],
    ),
    "another precision": (
        lambda: MODULES["down"]()(torch.ones(1, *IMAGE).double()),
        ["torch.float64", "torch.float32"],
    ),
    "a mode by another name": (
        lambda: module(kernel_size=3, padding_mode="reflection"),
        ["padding_mode 'reflection'", "zeros, reflect, replicate, circular", "'reflect'?"],
    ),
    "more than can be mirrored": (
        lambda: module(kernel_size=3, padding=(1, 5), padding_mode="reflect"),
        ["(1, 1, 5, 5)", "(6, 5)", "'reflect'", "at most (5, 4)"],
    ),
    "more than one turn": (
        lambda: module(kernel_size=3, padding=(7, 0), padding_mode="circular"),
        ["'circular'", "at most (6, 5)"],
    ),
    "a transposed layer that mirrors": (
        lambda: LocallyConnectedTranspose2d(2, 4, 6, 3, padding_mode="reflect"),
        ["'reflect'", "'zeros' alone"],
    ),
    "the transpose of one that mirrors": (
        lambda: LocallyConnectedTranspose2d.of(
            module(kernel_size=3, padding=1, padding_mode="reflect")
        ),
        ["'reflect'", "no transpose", "'zeros'"],
    ),
    "channels that groups cannot share": (
        lambda: LocallyConnectedTranspose2d(2, 3, 6, 3, groups=2),
        ["2 groups", "3 channels below", "2 above"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_module_cannot_do_is_refused_in_a_sentence(case: str) -> None:
    act, words = REFUSED[case]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()
