"""Sign-symmetry: feedback weights share the signs of the forward weights, and not their sizes.

``delta[l] = delta[l+1] (M[l+1] * sign(W[l+1])^T) * slope(h[l])`` (Liao et al. 2016, Xiao et al.
2018), with three choices of the sizes ``M``. The signs are those that the weights have now, that of
0 is 0. Each layer has a size of its own, ``sign_scale``: sqrt(2 / (kernel height * kernel
width * channels above)) for convolutions and locally connected layers, 1 / sqrt(inputs) for dense
ones (official code of Xiao et al.). ``gain`` multiplies it, a number or ``(member, 1, 1)``, and is
refused where it is not finite.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bioprop.learning.members import finite, for_members, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Sequences, Streams, block_of
from bioprop.learning.rules.base import Rule, carry_back, transposes

Sizes = Sequence[float | Tensor]


def sign_symmetry(gain: float | Tensor = 1.0) -> Rule:
    """Teach through the signs of the forward weights, all of one size in each layer.

    Liao et al. 2016 ("uniform sign-concordant feedbacks") and Xiao et al. 2018.
    """
    finite("gain", gain)

    def init(network: Network, streams: Streams) -> Sizes:
        for_members("gain", gain, network.members)
        upper = network.layers[1:]
        return [spread(gain * x.sign_scale, 1 + len(x.feedback_shape)) for x in upper]

    return Rule("ss", init, through_signs)


def sign_symmetry_fixed(gain: float | Tensor = 1.0) -> Rule:
    """Teach through the signs of the forward weights, with random sizes drawn once.

    Liao et al. 2016 ("fixed random-magnitude sign-concordant feedbacks").
    """
    finite("gain", gain)

    def init(network: Network, streams: Streams) -> Sizes:
        for_members("gain", gain, network.members)
        return [
            layer.magnitudes(streams.normal("feedback", layer.feedback_shape, index))
            * spread(gain, 1 + len(layer.feedback_shape))
            for index, layer in enumerate(network.layers[1:], start=1)
        ]

    return Rule("ss-fixed", init, through_signs)


def sign_symmetry_redrawn(gain: float | Tensor = 1.0) -> Rule:
    """Teach through the signs of the forward weights, with random sizes drawn for each batch.

    Liao et al. 2016 ("batchwise random-magnitude sign-concordant feedbacks").
    """
    finite("gain", gain)

    def init(network: Network, streams: Streams) -> Sequences:
        for_members("gain", gain, network.members)
        size = sum(W[0].numel() for W in network.weights[1:])
        return Sequences(streams, "noise", (size,), block_of(size))

    def teach(network: Network, numbers: Sequences, trial: Trial) -> Deltas:
        each = numbers[trial.step].split([W[0].numel() for W in network.weights[1:]], 1)
        M = [
            layer.magnitudes(z.unflatten(1, layer.feedback_shape))
            * spread(gain, 1 + len(layer.feedback_shape))
            for layer, z in zip(network.layers[1:], each, strict=True)
        ]
        return through_signs(network, M, trial)

    return Rule("ss-redrawn", init, teach)


def through_signs(network: Network, M: Sizes, trial: Trial) -> Deltas:
    """Carry the error back through ``M sign(W)^T``."""
    pairs = zip(transposes(network), M, strict=True)
    return carry_back(network, [torch.sign(B).mul_(m) for B, m in pairs], trial)
