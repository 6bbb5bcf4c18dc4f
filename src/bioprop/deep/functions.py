"""Linear maps and convolutions whose backward pass uses feedback weights ``B``.

The signal that leaves a layer is carried back through ``B`` where backpropagation uses ``W``; the
gradients of weights and bias are those of backpropagation for the signal that arrived. ``B`` is
made in the backward pass, so what needs no signal pays nothing for it: evaluation, and the first
layer. One of four kinds: ``"weights"`` is ``W``, ``"given"`` is ``M``, ``"signs"`` is
``M sign(W)`` and ``"sizes"`` is ``M |W|``, where ``M`` is a tensor like ``W`` or a number.

The functions are plain ``autograd.Function`` with ``setup_context``: ``torch.compile`` and
``torch.func`` both accept that form. What they return as gradients is no gradient of anything, so
they refuse to be differentiated twice.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from bioprop.deep import small_maps
from bioprop.deep.small_maps import Geometry

KINDS = ("weights", "given", "signs", "sizes")


def feedback_weights(kind: str, W: Tensor | None, M: Tensor | float | None) -> Tensor:
    """Return ``B``, of the shape of ``W``; the sign of 0 is 0."""
    if kind == "signs":
        assert W is not None and M is not None
        return torch.sign(W).mul_(M)
    if kind == "sizes":
        assert W is not None and M is not None
        return W.abs().mul_(M)
    B = W if kind == "weights" else M
    assert isinstance(B, Tensor)
    return B


def linear(
    x: Tensor, W: Tensor, b: Tensor | None, kind: str, M: Tensor | float | None = None
) -> Tensor:
    """Return ``x W^T + b`` for ``x`` of shape ``(..., unit_in)``; the way back is ``B``.

    ``W`` and ``B`` have shape ``(unit_out, unit_in)``.
    """
    return _Linear.apply(x, W, b, M, kind)


def convolve(
    x: Tensor,
    W: Tensor,
    b: Tensor | None,
    geometry: Geometry,
    kind: str,
    M: Tensor | float | None = None,
) -> Tensor:
    """Return the convolution of images ``(batch, channel, height, width)``; the way back is ``B``.

    ``W`` and ``B`` have shape ``(channel_out, channel_in / groups, kernel height, kernel width)``.
    """
    return _Convolution.apply(x, W, b, M, kind, geometry)


class _Feedback(Function):
    """What the two functions share: what they keep, and how ``B`` comes from it."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        x, W, b, M, ctx.kind, *rest = inputs
        ctx.geometry = rest[0] if rest else None
        ctx.number = M if not isinstance(M, Tensor) else None
        ctx.biases = None if b is None else b.shape[0]
        ctx.save_for_backward(
            x, None if ctx.kind == "given" else W, M if isinstance(M, Tensor) else None
        )

    @staticmethod
    def kept(ctx: Any) -> tuple[Tensor, Tensor, float]:
        """Return the layer's input, ``B`` in the same precision, and a factor it still lacks.

        One size for all signs is multiplied into the weights or into the signal, the smaller one.
        """
        if ctx.kind != "weights" and _twice():
            raise RuntimeError(
                "a signal through feedback weights is no gradient and cannot be differentiated; "
                "leave out create_graph=True"
            )
        x, W, M = ctx.saved_tensors
        if ctx.kind == "signs" and M is None:
            B = torch.sign(W)
            return (x, B, ctx.number) if x.numel() < B.numel() else (x, B.mul_(ctx.number), 1.0)
        return x, feedback_weights(ctx.kind, W, None if M is None else M.to(x.dtype)), 1.0


class _Linear(_Feedback):
    @staticmethod
    def forward(x: Tensor, W: Tensor, b: Tensor | None, M: Any, kind: str) -> Tensor:
        return F.linear(x, W, b)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, B, gain = _Feedback.kept(ctx)
        rows, (below, taught) = g.reshape(-1, g.shape[-1]), ctx.needs_input_grad[:2]
        signal = _times((rows @ B).view(x.shape), gain) if below else None
        change = rows.mT @ x.reshape(-1, x.shape[-1]) if taught else None
        bias = rows.sum(0) if ctx.biases else None
        return signal, change, bias, change if ctx.needs_input_grad[3] else None, None


class _Convolution(_Feedback):
    @staticmethod
    def forward(
        x: Tensor, W: Tensor, b: Tensor | None, M: Any, kind: str, geometry: Geometry
    ) -> Tensor:
        if not small_maps.pays(x, W, geometry):
            return F.conv2d(x, W, b, *geometry)
        y = small_maps.forward(x, W, geometry)
        return y if b is None else y + b.view(-1, 1, 1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, B, gain = _Feedback.kept(ctx)
        geometry, (below, taught) = ctx.geometry, ctx.needs_input_grad[:2]
        signal = change = None
        if below and small_maps.pays(x, B, geometry):
            signal = small_maps.input_gradient(g, B, x.shape, geometry)
        if taught and small_maps.pays(x, B, geometry, small_maps.GRADIENT_SIDE):
            change = small_maps.weight_gradient(g, x, B.shape, geometry)
        rest = [below and signal is None, taught and change is None, bool(ctx.biases)]
        if any(rest):
            biases = [ctx.biases] if ctx.biases else None
            made = torch.ops.aten.convolution_backward(
                g, x, B, biases, *geometry[:3], False, [0, 0], geometry.groups, rest
            )
            signal = made[0] if rest[0] else signal
            change = made[1] if rest[1] else change
        bias = made[2] if ctx.biases else None
        if signal is not None:
            signal = _times(signal, gain)
        return signal, change, bias, change if ctx.needs_input_grad[3] else None, None, None


def _times(signal: Tensor, gain: float) -> Tensor:
    return signal if gain == 1.0 else signal.mul_(gain)


def _twice() -> bool:
    """Whether the backward pass is being recorded for a second one, other than by torch.func."""
    return (
        torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and torch._C._functorch.maybe_current_level() is None
    )
