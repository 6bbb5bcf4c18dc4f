"""Inverses: what target propagation learns beside the network.

The inverse of layer ``l`` brings an activity of the layer back to the activity below it,
``g[l](x) = f(x V[l] + c[l])``, and learns from noise: a noisy activity goes up through the layer
and comes back through the inverse. All inverses of a network make one network that runs downwards,
so optimisers change them as they change any weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning.functions import Activation
from bioprop.learning.layers.layer import Layer
from bioprop.learning.layers.transposed import Transposed, glorot, inverse_layer
from bioprop.learning.members import positive
from bioprop.learning.network import Network, Trial
from bioprop.learning.optimisers import Number, Optimiser
from bioprop.learning.randomness import Streams

# What an inverse is to return for a noisy activity, given the activity and the noisy one.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "noise-preserving": lambda h, noisy: noisy,  # |noisy - g(f(noisy))|^2 (Lee et al. 2015)
    "denoising": lambda h, noisy: h,  # |h - g(f(noisy))|^2 (Bartunov et al. 2018, Alg. 1)
}
# Which inverses are linear; the others have the nonlinearity of the activity they return.
LINEAR: dict[str, Callable[[bool], bool]] = {
    "none": lambda top: False,
    "all": lambda top: True,
    "top": lambda top: top,
    "lower": lambda top: not top,
}

Read = Callable[[Network, int, Tensor], Tensor]


@dataclass(frozen=True)
class Learning:
    """How inverses learn: ``sigma`` of the noise, the loss, the optimiser, and which are linear.

    The loss of an inverse is half the squared distance, summed over units, its mean taken over the
    batch. ``sigma`` is a number or has shape ``(member, 1, 1)``.
    """

    optimiser: Optimiser
    sigma: Number
    loss: str
    linear: str

    def __post_init__(self) -> None:
        positive("sigma, the size of the noise,", self.sigma, zero=True)
        choose("loss of inverses", self.loss, LOSSES)
        choose("set of linear inverses", self.linear, LINEAR)


@dataclass(frozen=True)
class Inverses:
    """The inverses of a network, the topmost first; ``layers`` are the layers that they invert.

    ``network`` has one layer for each; it is None where there is nothing to invert.
    ``read(network, layer, h)`` is what the inverse of a layer reads when ``h`` is below the layer.
    """

    network: Network | None
    layers: range
    read: Read
    streams: Streams

    def place(self, layer: int) -> int:
        """Return the place of a layer's inverse; a layer without one raises ``ValueError``."""
        if layer not in self.layers:
            named = ", ".join(map(str, sorted(self.layers))) or "none"
            raise ValueError(
                f"layer {layer} has no inverse; layers that have one: {named}. Layer 0 has nothing "
                "to teach below it, and where the first target is a gradient step, nor is there "
                "one for the output layer"
            )
        return self.layers.index(layer)

    def returned(self, layer: int, x: Tensor) -> Tensor:
        """Return ``g[layer](x)``."""
        return self.made.propagate(self.place(layer), x)

    def input(self, layer: int, x: Tensor) -> Tensor:
        """Return ``x V[layer] + c[layer]``: what ``g[layer](x)`` is a function of."""
        return self.made.net_input(self.place(layer), x)

    def product(self, layer: int, gap: Tensor) -> Tensor:
        """Return ``gap V[layer]``: what a linear inverse makes of a difference."""
        place = self.place(layer)
        return self.made.layers[place].forward(gap, self.made.weights[place])

    def function(self, layer: int) -> Activation:
        """Return the nonlinearity of a layer's inverse."""
        return self.made.functions[self.place(layer)]

    def is_linear(self, layer: int) -> bool:
        """Say whether a layer's inverse has no nonlinearity."""
        return self.function(layer).name == "linear"

    def rounds(self, layer: int) -> bool:
        """Say whether the products of a layer's inverse are rounded."""
        return self.made.layers[self.place(layer)].compute is not None

    @property
    def made(self) -> Network:
        """The network of the inverses, where there are any."""
        assert self.network is not None
        return self.network

    def learnable(self, optimiser: Optimiser) -> dict[str, Any]:
        """Return what learning changes: weights ``V``, biases ``c``, the optimiser's averages."""
        if self.network is None:
            return {}
        network = self.network
        return {"V": network.weights, "c": network.biases, "averages": optimiser.init(network)}


def make(
    network: Network, layers: range, read: Read, linear: str, beside: int, streams: Streams
) -> Inverses:
    """Draw inverses of ``layers``, weights from Glorot's uniform range and biases 0.

    The topmost reads ``beside`` further inputs.
    """
    if not layers:
        return Inverses(None, layers, read, streams)
    kinds = [
        inverse_layer(network.layers[layer], beside if not place else 0)
        for place, layer in enumerate(layers)
    ]
    functions = [
        "linear" if LINEAR[linear](not place) else network.activations[layer - 1]
        for place, layer in enumerate(layers)
    ]
    V = [initial(kind, streams, layer) for kind, layer in zip(kinds, layers, strict=True)]
    c: list[Tensor | None] = [
        v.new_zeros(len(v), *k.bias_shape) for v, k in zip(V, kinds, strict=True)
    ]
    return Inverses(Network(kinds, functions, V, c), layers, read, streams)


def initial(kind: Layer, streams: Streams, layer: int) -> Tensor:
    """Draw the weights of an inverse; those of a transposed layer lie as its gradient does."""
    bound = glorot(kind)
    if isinstance(kind, Transposed):
        return kind.layer.transpose(
            streams.uniform("feedback", kind.layer.weight_shape, bound, layer)
        )
    return streams.uniform("feedback", kind.weight_shape, bound, layer)


def learn(network: Network, state: dict[str, Any], trial: Trial, how: Learning) -> None:
    """Let each inverse learn to bring noisy activities back through its layer."""
    inverses: Inverses = state["inverses"]
    if not inverses.layers:
        return
    below = [trial.activities[layer] for layer in inverses.layers]
    reads, deltas = [], []
    for layer, h, noisy in zip(
        inverses.layers, below, noised(below, how.sigma, inverses.streams, trial.step), strict=True
    ):
        x = inverses.read(network, layer, noisy)
        r = inverses.returned(layer, x)
        deltas.append(inverses.function(layer).carry(r - LOSSES[how.loss](h, noisy), r))
        reads.append(x)
    seen = Trial(reads, trial.target, trial.error, trial.step)
    how.optimiser.update(inverses.made, state["averages"], seen, deltas)


def noised(activities: list[Tensor], sigma: Number, streams: Streams, step: int) -> list[Tensor]:
    """Return activities with noise from N(0, sigma^2) on them, other noise in each step.

    One draw serves all layers: drawing costs as much as a product, and each inverse has a loss of
    its own, to which the noise is fresh.
    """
    if not isinstance(sigma, Tensor) and sigma == 0:
        return activities
    drawn = streams.swift_normal("noise", (max(h[0].numel() for h in activities),), step)
    pairs = [(h, drawn[:, : h[0].numel()].unflatten(1, h.shape[1:])) for h in activities]
    if isinstance(sigma, Tensor):
        return [torch.addcmul(h, xi, sigma) for h, xi in pairs]
    return [torch.add(h, xi, alpha=sigma) for h, xi in pairs]


def reconstruction(network: Network, state: dict[str, Any], trial: Trial) -> dict[int, Tensor]:
    """Return how badly each inverse brings the activities of a trial back, by layer, ``(member,)``.

    The squared distance of ``g(f(h))`` to ``h``, without noise, over that of the activities' mean:
    1 is as good as predicting the mean. The layers come lowest first.
    """
    inverses: Inverses = state["inverses"]
    errors = {}
    for layer in reversed(inverses.layers):
        h = trial.activities[layer]
        r = inverses.returned(layer, inverses.read(network, layer, h))
        spread_out = (h - h.mean(1, keepdim=True)).square().sum((1, 2))
        errors[layer] = (r - h).square().sum((1, 2)) / spread_out
    return errors
