"""Rules that know the forward weights exactly: the ones that the others are measured by."""

import torch
from torch import Tensor

from bioprop.learning.layers.dense import Dense
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Rule, carry_back, nothing, transposes


def backprop() -> Rule:
    """Teach through the transposed forward weights, exact gradient descent (Rumelhart et al. 1986).

    ``delta[l] = delta[l+1] W[l+1]^T * slope(h[l])``
    """

    def teach(network: Network, state: None, trial: Trial) -> Deltas:
        return carry_back(network, transposes(network, trial.weights), trial)

    return Rule("bp", nothing, teach)


def pseudobackprop() -> Rule:
    """Teach through the Moore-Penrose inverse ``W^+`` of the forward weights (dense layers).

    ``delta[l] = delta[l+1] W[l+1]^+ * slope(h[l])``. Lillicrap et al. 2014, Fig 4 and Proof 2: the
    signal approximates a Gauss-Newton step of the hidden activity. Raises ``ValueError`` where a
    layer above the first is not dense.
    """

    def init(network: Network, streams: Streams) -> None:
        for index, layer in enumerate(network.layers[1:], start=1):
            if not isinstance(layer, Dense):
                raise ValueError(
                    f"pseudobackprop inverts dense layers only; layer {index} is a "
                    f"{type(layer).__name__}. Any kind of layer may be the first, number 0"
                )

    def teach(network: Network, state: None, trial: Trial) -> Deltas:
        return carry_back(network, [pseudoinverse(W) for W in network.weights[1:]], trial)

    return Rule("pbp", init, teach)


def pseudoinverse(W: Tensor) -> Tensor:
    """Return ``W^+`` of each member; a member that has diverged gets 0 and spares the others."""
    sound = (W.abs() < 1e100).all(-1, keepdim=True).all(-2, keepdim=True)
    return torch.linalg.pinv(torch.where(sound, W, 0.0))
