"""Rules whose feedback weights are random and fixed, or that have none."""

from collections.abc import Sequence

import torch
from torch import Tensor

from bioprop.learning.layers.dense import Dense
from bioprop.learning.members import spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Sequences, Streams, block_of, check_share
from bioprop.learning.rules.base import (
    Bound,
    Matrices,
    Rule,
    carry_back,
    check_bound,
    drawn,
    nothing,
)


def feedback_alignment(bound: Bound = 0.5, removed: float | Tensor = 0.0) -> Rule:
    """Teach through fixed random weights ``B`` (Lillicrap et al. 2014, task 1).

    ``delta[l] = delta[l+1] B[l+1] * slope(h[l])``. ``B[l]`` is drawn once from U(-bound, bound),
    for dense layers of shape ``(member, unit_out, unit_in)``, and a share ``removed`` of its
    elements is then set to 0. Both are numbers or have shape ``(member, 1, 1)``; ``bound`` may also
    be a sequence of such, one for each layer but the first.
    Raises ``ValueError`` for a negative bound, and a share outside 0 to 1.
    """
    check_bound(bound)
    check_share(removed)

    def init(network: Network, streams: Streams) -> Matrices:
        return [
            B * streams.kept("feedback mask", B.shape[1:], removed, index)
            for index, B in enumerate(drawn(network, streams, bound), start=1)
        ]

    return Rule("fa", init, carry_back)


def redrawn_feedback(bound: float | Tensor = 0.5) -> Rule:
    """Teach through random weights ``B`` that are drawn anew for every batch: a control (ours).

    As in :func:`feedback_alignment`, ``B[l]`` is from U(-bound, bound), ``bound`` a number or of
    shape ``(member, 1, 1)``; but there is no ``B`` that forward weights could come to agree with.
    Raises ``ValueError`` for a negative bound.
    """
    check_bound(bound)

    def init(network: Network, streams: Streams) -> Sequences:
        size = sum(W[0].numel() for W in network.weights[1:])
        return Sequences(streams, "noise", (size,), block_of(size))

    def teach(network: Network, numbers: Sequences, trial: Trial) -> Deltas:
        return carry_back(network, redrawn(network, numbers[trial.step], bound), trial)

    return Rule("fa-redrawn", init, teach)


def redrawn(network: Network, z: Tensor, bound: float | Tensor) -> Sequence[Tensor]:
    """Return feedback weights from U(-bound, bound), made of normal numbers ``(member, number)``.

    erf takes a normal variable to U(-1, 1).
    """
    parts = torch.erf(z * 0.5**0.5).split([W[0].numel() for W in network.weights[1:]], 1)
    return [
        part.unflatten(1, layer.feedback_shape) * spread(bound, 1 + len(layer.feedback_shape))
        for layer, part in zip(network.layers[1:], parts, strict=True)
    ]


def direct_feedback_alignment(bound: float | Tensor = 0.5) -> Rule:
    """Teach every hidden layer by the error itself through fixed random weights (Nøkland 2016).

    ``delta[l] = e B[l] * slope(h[l])``, with ``B[l]`` from the output to hidden layer ``l``, dense
    whatever the layers are, drawn from U(-bound, bound), shape ``(member, unit_output, unit_l)``.
    Raises ``ValueError`` for a negative bound.
    """
    check_bound(bound)

    def init(network: Network, streams: Streams) -> Matrices:
        return [
            streams.uniform("feedback", path.feedback_shape, bound, index)
            for index, path in enumerate(direct(network), start=1)
        ]

    def teach(network: Network, feedback: Matrices, trial: Trial) -> Deltas:
        hidden_layers = network.functions[:-1], trial.activities[1:-1]
        steps = zip(direct(network), feedback, *hidden_layers, strict=True)
        hidden = [function.carry(path.back(trial.error, B), h) for path, B, function, h in steps]
        return [*hidden, trial.error]

    return Rule("dfa", init, teach)


def direct(network: Network) -> list[Dense]:
    """Return paths from each hidden layer to the output, of which the way back alone is used."""
    outputs = network.layers[-1].outputs
    return [Dense(layer.outputs, outputs, layer.compute) for layer in network.layers[:-1]]


def shallow() -> Rule:
    """Teach the output layer alone, as a control (Lillicrap et al. 2014)."""

    def teach(network: Network, state: None, trial: Trial) -> Deltas:
        return [*([None] * (len(network.layers) - 1)), trial.error]

    return Rule("shallow", nothing, teach)
