"""Rules whose feedback weights learn to agree with the forward weights (Akrout et al. 2019)."""

from typing import Any

from torch import Tensor

from bioprop.learning.layers.arguments import whole
from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Optimiser
from bioprop.learning.randomness import Sequences, Streams, block_of
from bioprop.learning.rules.base import Bound, Rule, carry_back, check_bound, drawn


def through_learnt(network: Network, state: dict[str, Any], trial: Trial) -> Deltas:
    """Carry the error back as feedback alignment does, through what ``B`` has become."""
    return carry_back(network, state["B"], trial)


def kolen_pollack(optimiser: Optimiser, bound: Bound | None = None) -> Rule:
    """Teach through weights ``B`` that learn by the transposed update of ``W``.

    ``dW = -rate h^T delta - decay W`` and ``dB = -rate delta^T h - decay B`` (Kolen & Pollack 1994;
    Akrout et al. 2019): both synapses see the same two signals, so ``B - W^T`` only decays, by the
    share ``decay`` in each step. Give it the ``optimiser`` that the forward weights have, decay
    included. ``B`` starts as in feedback alignment, in U(-bound, bound), without the connections
    that the network's masks have removed. Raises ``ValueError`` for a negative bound.
    """
    check_bound(bound)

    def init(network: Network, streams: Streams) -> dict[str, Any]:
        B = drawn(network, streams, bound)
        for layer, b, mask in zip(network.layers[1:], B, network.masks[1:], strict=True):
            if mask is not None:
                layer.transpose(b).mul_(mask)
        mirror = reversed_network(network, B)
        return {"B": B, "mirror": mirror, "averages": optimiser.init(mirror)}

    def learn(network: Network, state: dict[str, Any], trial: Trial, deltas: Deltas) -> None:
        optimiser.update(state["mirror"], state["averages"], trial, [None, *deltas[1:]])

    return Rule("kp", init, through_learnt, learn)


def reversed_network(network: Network, B: list[Tensor]) -> Network:
    """Return a network whose weights are views of ``B``: what changes the first changes both.

    Its first layer, below which nothing is carried back, has the weights of ``network``.
    """
    views = [layer.transpose(b) for layer, b in zip(network.layers[1:], B, strict=True)]
    weights = [network.weights[0], *views]
    return Network(
        network.layers, network.activations, weights, loss=network.loss, masks=network.masks
    )


def weight_mirror(
    rate: float | Tensor = 0.01,
    decay: float | Tensor | None = None,
    bound: Bound | None = None,
    examples: int = 32,
) -> Rule:
    """Teach through weights ``B`` that learn from the network's responses to noise.

    After each batch comes a phase without data (Akrout et al. 2019, mirror mode): the units below a
    layer fire noise ``xi`` ~ N(0, 1), ``examples`` times, the layer responds with ``xi W``, and
    ``dB = rate * mean((xi W)^T xi) - decay B``. The mean of the product is ``W^T``, so with the
    decay equal to the rate, as it is unless given, ``B`` becomes a running estimate of ``W^T``.
    For a convolution the mean is taken over places as well; where its padding is seen, that is a
    little less than ``W^T``. Ours: the response is that of the units' inputs, without bias or
    nonlinearity, which the paper keeps in their linear range. ``B`` starts as in feedback
    alignment, in U(-bound, bound).
    Raises ``ValueError`` for a negative number, and for less than one example.
    """
    check_bound(bound)
    positive("the rate of the mirror", rate, zero=True)
    positive("the decay of the mirror", rate if decay is None else decay, zero=True)
    if (examples := whole("the number of examples", examples)) < 1:
        raise ValueError(f"a phase of noise has 1 example or more, not {examples}")
    rate = spread(rate, 3)
    keep = 1.0 - (rate if decay is None else decay)

    def init(network: Network, streams: Streams) -> dict[str, Any]:
        for_members("rate", rate, network.members)
        for_members("decay", keep, network.members)
        size = examples * sum(layer.inputs for layer in network.layers[1:])
        noise = Sequences(streams, "noise", (size,), block_of(size))
        return {"B": drawn(network, streams, bound), "noise": noise}

    def learn(network: Network, state: dict[str, Any], trial: Trial, deltas: Deltas) -> None:
        upper = network.layers[1:]
        each = state["noise"][trial.step].split([examples * layer.inputs for layer in upper], 1)
        for layer, W, B, z in zip(upper, network.weights[1:], state["B"], each, strict=True):
            xi = z.unflatten(1, (examples, layer.inputs))
            response = layer.forward(xi, W) * (rate / (examples * layer.uses))
            layer.add_gradient_(layer.transpose(B), xi, response, keep)

    return Rule("wm", init, through_learnt, learn)
