"""Networks that classify images, and their test error."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bioprop.learning import Dense, Layer, Network, Streams
from bioprop.learning.layers.transposed import glorot
from bioprop.learning.memory import check_weights
from bioprop.tasks.images import Parts


def dense_network(
    streams: Streams,
    sizes: Sequence[int],
    bound: float | Tensor,
    *,
    hidden: str = "logistic",
    output: str = "logistic",
    loss: str = "squared",
    removed: float | Tensor = 0.0,
    compute: torch.dtype | None = None,
) -> Network:
    """Return fully connected networks, weights from U(-bound, bound), biases 0.

    A share ``removed`` of the weights of every layer but the first is taken out for good. Bounds
    and shares are numbers or have shape ``(member, 1, 1)``.
    """
    layers = [Dense(a, b, compute) for a, b in itertools.pairwise(sizes)]
    check_weights(layers, streams)
    masks: list[Tensor | None] = [
        streams.kept("weight mask", layer.weight_shape, removed, index)
        if index and some(removed)
        else None
        for index, layer in enumerate(layers)
    ]
    weights = []
    for index, (layer, mask) in enumerate(zip(layers, masks, strict=True)):
        drawn = streams.uniform("weights", layer.weight_shape, bound, index)
        weights.append(drawn if mask is None else drawn * mask)
    biases: list[Tensor | None] = [torch.zeros_like(W[:, :1]) for W in weights]
    functions = [*([hidden] * (len(layers) - 1)), output]
    return Network(layers, functions, weights, biases, loss, masks)


def layered_network(
    streams: Streams,
    layers: Sequence[Layer],
    *,
    hidden: str = "tanh",
    output: str = "softmax",
    loss: str = "cross-entropy",
) -> Network:
    """Return networks of any layers, weights from Glorot's uniform range, biases 0."""
    check_weights(layers, streams)
    weights = [
        streams.uniform("weights", layer.weight_shape, glorot(layer), index)
        for index, layer in enumerate(layers)
    ]
    biases: list[Tensor | None] = [
        W.new_zeros(len(W), *layer.bias_shape) for W, layer in zip(weights, layers, strict=True)
    ]
    functions = [*([hidden] * (len(layers) - 1)), output]
    return Network(layers, functions, weights, biases, loss)


def some(share: float | Tensor) -> bool:
    """Say whether any member has a share above zero."""
    return bool((torch.as_tensor(share) > 0).any())


@torch.no_grad()
def error_rate(
    network: Network, x: Tensor | Parts, labels: Any, chunk: int = 1000, top: int = 1
) -> Tensor:
    """Return the share of images ``(image, pixel)`` that each member gets wrong, in per cent.

    Shape ``(member,)``. The class is the unit with the largest output; with ``top`` it may be any
    of so many with the largest. NaN for a member that has
    diverged. Labels are a tensor or an array; images go through
    :func:`~bioprop.tasks.own.inputs` first, and raise ``ValueError`` where they are no tensor.
    """
    if not isinstance(x, Tensor | Parts):
        kind = type(x).__name__
        raise ValueError(f"images of type {kind}; turn them with inputs(images, streams)")
    labels = torch.as_tensor(labels, device=network.weights[0].device)
    if len(labels) != len(x):
        raise ValueError(f"{len(labels)} labels given for {len(x)} images; give one for each")
    wrong = torch.zeros(network.members, dtype=torch.float64)
    for images, answers in zip(x.split(chunk), labels.split(chunk), strict=True):
        y = network.forward(images.expand(network.members, *images.shape))[-1]
        finite = torch.where(y.isfinite().all(-1).all(-1), 0.0, torch.nan)
        named = y.argmax(-1, keepdim=True) if top == 1 else y.topk(top).indices
        missed = (named != answers[:, None]).all(-1)
        wrong += (missed.sum(-1) + finite).double().cpu()
    return 100 * wrong / len(x)
