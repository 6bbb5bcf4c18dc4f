"""Activation functions and losses, with the slopes that teaching signals are multiplied by."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """A nonlinearity; its slope is a function of the activity ``h``, not of its input.

    ``function_`` is the same in place, where that can be. ``times_slope(signal, h)`` multiplies a
    signal by the slope; it is None where the derivative is not a factor for each unit (softmax):
    such a function can stand at the output only, under cross-entropy.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    function_: Callable[[Tensor], Tensor]
    times_slope: Callable[[Tensor, Tensor], Tensor] | None

    def carry(self, signal: Tensor, h: Tensor) -> Tensor:
        """Multiply a signal by the slope at activity ``h``, both ``(member, batch, unit)``.

        Raises ``ValueError`` for a function without a slope for each unit, such as softmax.
        """
        if self.times_slope is None:
            raise ValueError(f"{self.name} has no slope for each unit; use it at the output only")
        return self.times_slope(signal, h)


# In as few passes as there are: s - s h h is one for s h and one for the rest.
def _times_tanh_slope(signal: Tensor, h: Tensor) -> Tensor:
    return torch.addcmul(signal, signal * h, h, value=-1)


def _times_logistic_slope(signal: Tensor, h: Tensor) -> Tensor:
    return torch.addcmul(signal, signal, h, value=-1).mul_(h)


def _softmax(a: Tensor) -> Tensor:
    return torch.softmax(a, -1)


ACTIVATIONS = {
    a.name: a
    for a in (
        Activation("linear", lambda a: a, lambda a: a, lambda signal, h: signal),
        Activation("tanh", torch.tanh, torch.tanh_, _times_tanh_slope),
        Activation("logistic", torch.sigmoid, torch.sigmoid_, _times_logistic_slope),
        Activation("relu", torch.relu, torch.relu_, lambda signal, h: signal * (h > 0)),
        Activation("softmax", _softmax, _softmax, None),
    )
}


@dataclass(frozen=True)
class Loss:
    """A loss: ``value`` of shape ``(member, batch)``, ``error`` its slope at the output's input.

    The error has the sign of ``y - target``, so weights move against it. The papers write
    ``e = target - y``; the two minus signs cancel in every update.
    """

    name: str
    value: Callable[[Tensor, Tensor], Tensor]
    error: Callable[[Activation, Tensor, Tensor], Tensor]
    outputs: tuple[str, ...]


def _cross_entropy(y: Tensor, target: Tensor) -> Tensor:
    """Categorical, for targets whose rows sum to one."""
    return -torch.xlogy(target, y).sum(-1)


def _binary_cross_entropy(y: Tensor, target: Tensor) -> Tensor:
    return -(torch.xlogy(target, y) + torch.xlogy(1 - target, 1 - y)).sum(-1)


LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "squared",  # L = 1/2 e'e (Lillicrap et al. 2014)
            lambda y, target: 0.5 * (y - target).square().sum(-1),
            lambda activation, y, target: activation.carry(y - target, y),
            ("linear", "tanh", "logistic", "relu"),
        ),
        Loss("cross-entropy", _cross_entropy, lambda _, y, target: y - target, ("softmax",)),
        Loss(
            "binary-cross-entropy",
            _binary_cross_entropy,
            lambda _, y, target: y - target,
            ("logistic",),
        ),
    )
}
