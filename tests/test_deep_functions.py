"""Feedback functions and products for small maps: what must equal what, in float64."""

import copy
import itertools
import operator
from typing import Any

import pytest
import torch
from deep_nets import OTHERS, close, lesson, mixed, noise, same, under
from torch import nn
from torch.nn import functional as F

from bioprop.deep import (
    RULES,
    convert,
    resnet18,
    small_maps,
)
from bioprop.deep.functions import convolve, linear
from bioprop.deep.small_maps import Geometry

# Functions


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "bias", "kernel"),
    [*itertools.product((1, 2, (2, 1)), (0, 1, 2), (1, 2), (1, 2, 4), (True, False), (1, 3))],
)
def test_a_convolution_carries_signals_through_b_in_every_geometry(
    stride: Any, padding: int, dilation: int, groups: int, bias: bool, kernel: int
) -> None:
    x, W = noise(2, 4, 7, 6).requires_grad_(), noise(8, 4 // groups, kernel, kernel, seed=1)
    B, b = noise(*W.shape, seed=2), noise(8, seed=3).requires_grad_() if bias else None
    W.requires_grad_()
    stock = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, bias)
    geometry = Geometry(stock.stride, stock.padding, stock.dilation, groups)
    y = F.conv2d(x, W, b, *geometry)
    g, inputs = noise(*y.shape, seed=4), [x, W, *([] if b is None else [b])]
    backpropagated = torch.autograd.grad(y, inputs, g)
    sham = convolve(x, W, b, geometry, "weights")
    same([sham, *torch.autograd.grad(sham, inputs, g)], [y, *backpropagated])

    through_b = torch.autograd.grad(F.conv2d(x, B, b, *geometry), x, g)
    fa = torch.autograd.grad(convolve(x, W, b, geometry, "given", B), inputs, g)
    same(fa, [*through_b, *backpropagated[1:]])
    signs = torch.autograd.grad(F.conv2d(x, W.detach().sign() * 0.3, b, *geometry), x, g)
    ss = torch.autograd.grad(convolve(x, W, b, geometry, "signs", 0.3), inputs, g)
    same(ss, [*signs, *backpropagated[1:]], **close)
    sizes = torch.autograd.grad(F.conv2d(x, W.detach().sign() * B.abs(), b, *geometry), x, g)
    ss = torch.autograd.grad(convolve(x, W, b, geometry, "signs", B.abs()), inputs, g)
    same(ss, [*sizes, *backpropagated[1:]], **close)
    if padding < 2:  # gradients of feedback weights that learn are those of the weights
        B.requires_grad_()
        kp = torch.autograd.grad(convolve(x, W, b, geometry, "given", B), [W, B], g)
        same(kp, [backpropagated[1]] * 2)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_map_carries_signals_through_b(shape: tuple[int, ...], bias: bool) -> None:
    x, W, B = noise(*shape).requires_grad_(), noise(5, 4, seed=1).requires_grad_(), noise(5, 4)
    b = noise(5, seed=2).requires_grad_() if bias else None
    y = F.linear(x, W, b)
    g, inputs = noise(*y.shape, seed=3), [x, W, *([] if b is None else [b])]
    backpropagated = torch.autograd.grad(y, inputs, g)
    same(torch.autograd.grad(linear(x, W, b, "weights"), inputs, g), backpropagated, **close)
    fa = torch.autograd.grad(linear(x, W, b, "given", B), inputs, g)
    same(fa, [g @ B, *backpropagated[1:]], **close)
    ss = torch.autograd.grad(linear(x, W, b, "signs", 0.3), inputs, g)
    same(ss, [g @ (0.3 * W.detach().sign()), *backpropagated[1:]], **close)


def test_the_sign_of_zero_is_zero() -> None:
    x, W = noise(2, 3).requires_grad_(), torch.zeros(4, 3, dtype=torch.float64)
    linear(x, W.requires_grad_(), None, "signs", 1.0).sum().backward()
    assert not x.grad.any()


def test_a_weight_changed_between_the_passes_is_noticed() -> None:
    layer = nn.Linear(3, 4)
    convert(layer, "ss")
    y = layer(torch.ones(2, 3, requires_grad=True)).sum()
    with torch.no_grad():
        layer.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.mark.parametrize("rule", OTHERS)
def test_a_signal_is_not_differentiated_again(rule: str) -> None:
    model = under("fa" if rule == "dfa" else rule, mixed())
    x = noise(2, 2, 4, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="leave out create_graph=True"):
        torch.autograd.grad(model(x).sum(), x, create_graph=True)


# Small maps

SMALL = [
    (size, kernel, stride, padding, dilation)
    for size, kernel, stride, padding, dilation in itertools.product(
        (1, 2, 3, 4, 5), (1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)
    )
    if 1 <= (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 <= 4
    and size + 2 * padding > dilation * (kernel - 1)
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_product_for_small_maps_is_the_convolution(layout: torch.memory_format) -> None:
    assert len(SMALL) > 100
    for size, kernel, stride, padding, dilation in SMALL:
        geometry = Geometry((stride,) * 2, (padding,) * 2, (dilation,) * 2, 1)
        x = noise(3, 4, size, size).contiguous(memory_format=layout).requires_grad_()
        W = noise(5, 4, kernel, kernel, seed=1).contiguous(memory_format=layout).requires_grad_()
        y = F.conv2d(x, W, None, *geometry)
        g = noise(*y.shape, seed=2).contiguous(memory_format=layout)
        ours = [
            small_maps.forward(x, W, geometry),
            small_maps.input_gradient(g, W, x.shape, geometry),
            small_maps.weight_gradient(g, x, W.shape, geometry),
        ]
        torch.testing.assert_close(ours, [y, *torch.autograd.grad(y, [x, W], g)], **close)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_compiler_sees_sums_of_patches_and_nothing_written_into_parts(
    stride: int, dilation: int
) -> None:
    torch._dynamo.reset()
    geometry = Geometry((stride,) * 2, (1, 1), (dilation,) * 2, 1)
    size = torch.Size((3, 4, 4, 5))
    g, B = noise(3, 5, *geometry.places(size[2:], (2, 3)), seed=2), noise(5, 4, 2, 3)
    calls: list[object] = []

    def note(graph: torch.fx.GraphModule, _: Any) -> Any:
        calls.extend(node.target for node in graph.graph.nodes)
        return graph.forward

    carry = torch.compile(small_maps.input_gradient, backend=note, fullgraph=True)
    found = carry(g, B, size, geometry)
    assert torch.equal(found, small_maps.input_gradient(g, B, size, geometry))
    assert (operator.setitem in calls) == (dilation == 2)  # no padding puts gaps into a patch


@pytest.mark.parametrize("rule", RULES)
def test_small_maps_change_a_model_by_rounding_alone(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = under(rule, resnet18(10, width=4)), noise(6, 3, 64, 64, dtype=torch.float32)
    used = []
    forward = small_maps.forward
    monkeypatch.setattr(small_maps, "forward", lambda *given: used.append(0) or forward(*given))
    state = copy.deepcopy(model.state_dict())
    ours = lesson(model, x)
    assert len(used) == 5  # the last stage: four convolutions and a shortcut
    model.load_state_dict(state)
    monkeypatch.setattr(small_maps, "pays", lambda *given: False)
    theirs = lesson(model, x)
    assert len(used) == 5
    assert abs(ours[0] - theirs[0]) < 1e-5
    for a, b in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-4 * float(b.abs().max() + 1e-3))
