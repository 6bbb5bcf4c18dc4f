"""What a rule is, and the way back through the layers that most rules share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bioprop.learning.layers import Layer
from bioprop.learning.layers.transposed import glorot
from bioprop.learning.members import positive
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Streams

Matrices = Sequence[Tensor]


@dataclass(frozen=True)
class Rule:
    """A learning rule, as functions of a network and of what the rule keeps beside it.

    ``init(network, streams)`` returns the rule's state. ``teach(network, state, trial)`` returns a
    teaching signal for each layer. ``learn(network, state, trial, deltas)`` changes the state in
    place after the forward weights have changed; it is None where nothing beside the network
    learns. A state that learns keeps its tensors in lists, tuples and dictionaries, where they are
    found when a training is saved.
    """

    name: str
    init: Callable[[Network, Streams], Any]
    teach: Callable[[Network, Any, Trial], Deltas]
    learn: Callable[[Network, Any, Trial, Deltas], None] | None = None


def carry_back(network: Network, feedback: Matrices, trial: Trial) -> list[Tensor]:
    """Carry the error back layer by layer, ``delta[l] = delta[l+1] B[l+1] * slope(h[l])``.

    ``feedback`` holds weights ``(member, *feedback_shape)``, for dense layers ``(member, unit_out,
    unit_in)``, for each layer but the first, below which there is nothing to teach.
    """
    deltas = [trial.error]
    below = network.functions[:-1], trial.activities[1:-1]
    steps = zip(network.layers[1:], feedback, *below, strict=True)
    for layer, B, function, h in reversed(list(steps)):
        deltas.append(function.carry(layer.back(deltas[-1], B), h))
    return deltas[::-1]


def nothing(network: Network, streams: Streams) -> None:
    """Initial state of a rule that keeps none."""


def transposes(network: Network, weights: Matrices = ()) -> list[Tensor]:
    """Return backpropagation's feedback weights: the transpose of each layer's but the first.

    Those of ``weights``, one for each layer, where they are given, else of the network's own.
    """
    pairs = zip(network.layers, weights or network.weights, strict=True)
    return [layer.transpose(W) for layer, W in pairs][1:]


Bound = float | Tensor | Sequence[float | Tensor]  # one for all feedback weights, or one for each


def drawn(network: Network, streams: Streams, bound: Bound | None) -> list[Tensor]:
    """Draw feedback weights from U(-bound, bound) for each layer but the first.

    ``bound`` is as :func:`bounds` takes it.
    """
    layers = network.layers[1:]
    return [
        streams.uniform("feedback", layer.feedback_shape, each, index)
        for index, (layer, each) in enumerate(
            zip(layers, bounds(layers, bound), strict=True), start=1
        )
    ]


def bounds(layers: Sequence[Layer], bound: Bound | None) -> Sequence[float | Tensor]:
    """Return the bound of feedback weights of each layer: Glorot's where none is given.

    ``bound`` is a number or has shape ``(member, 1, 1)``, or is a sequence of such, one for each
    of these layers from the lowest to the output; another number of them raises ``ValueError``.
    """
    check_bound(bound)
    if bound is None:
        return [glorot(layer) for layer in layers]
    each = bound if isinstance(bound, Sequence) else [bound] * len(layers)
    if len(each) != len(layers):
        raise ValueError(
            f"{len(each)} bounds of feedback weights given where {len(layers)} are needed: one "
            "for each layer but the first, or one number for all"
        )
    return each


def check_bound(bound: Bound | None) -> None:
    """Raise ``ValueError`` unless each bound of feedback weights is 0 or more, and finite."""
    if bound is None:
        return
    for each in bound if isinstance(bound, Sequence) else [bound]:
        positive("a bound of feedback weights", each, zero=True)
