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
    bounds,
    carry_back,
    check_bound,
    drawn,
    nothing,
)


def feedback_alignment(bound: Bound | None = None, removed: float | Tensor = 0.0) -> Rule:
    """Teach through fixed random weights ``B`` (Lillicrap et al. 2014, task 1).

    ``delta[l] = delta[l+1] B[l+1] * slope(h[l])``. ``B[l]`` is drawn once from U(-bound, bound),
    for dense layers of shape ``(member, unit_out, unit_in)``, and a share ``removed`` of its
    elements is then set to 0. Both are numbers or have shape ``(member, 1, 1)``; ``bound`` may also
    be a sequence of such, one for each layer but the first. The paper has 0.5 for 20 hidden units;
    unless a bound is given, each layer has that of Glorot's initial weights, which is a size for
    any width.
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


def redrawn_feedback(bound: Bound | None = None) -> Rule:
    """Teach through random weights ``B`` that are drawn anew for every batch: a control (ours).

    As in :func:`feedback_alignment`, ``B[l]`` is from U(-bound, bound); but there is no ``B`` that
    forward weights could come to agree with.
    Raises ``ValueError`` for a negative bound.
    """
    check_bound(bound)

    def init(network: Network, streams: Streams) -> Sequences:
        size = sum(W[0].numel() for W in network.weights[1:])
        return Sequences(streams, "noise", (size,), block_of(size))

    def teach(network: Network, numbers: Sequences, trial: Trial) -> Deltas:
        return carry_back(network, redrawn(network, numbers[trial.step], bound), trial)

    return Rule("fa-redrawn", init, teach)


def redrawn(network: Network, z: Tensor, bound: Bound | None) -> Sequence[Tensor]:
    """Return feedback weights from U(-bound, bound), made of normal numbers ``(member, number)``.

    erf takes a normal variable to U(-1, 1).
    """
    parts = torch.erf(z * 0.5**0.5).split([W[0].numel() for W in network.weights[1:]], 1)
    layers = network.layers[1:]
    return [
        part.unflatten(1, layer.feedback_shape) * spread(each, 1 + len(layer.feedback_shape))
        for layer, part, each in zip(layers, parts, bounds(layers, bound), strict=True)
    ]


def direct_feedback_alignment(bound: float | Tensor | None = None) -> Rule:
    """Teach every hidden layer by the error itself through fixed random weights (Nøkland 2016).

    ``delta[l] = e B[l] * slope(h[l])``, with ``B[l]`` from the output to hidden layer ``l``, dense
    whatever the layers are, drawn from U(-bound, bound), shape ``(member, unit_output, unit_l)``.
    Unless a bound is given, it is Glorot's for weights of that shape.
    Raises ``ValueError`` for a negative bound.
    """
    check_bound(bound)

    def init(network: Network, streams: Streams) -> Matrices:
        paths = direct(network)
        return [
            streams.uniform("feedback", path.feedback_shape, each, index)
            for index, (path, each) in enumerate(zip(paths, bounds(paths, bound), strict=True), 1)
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
