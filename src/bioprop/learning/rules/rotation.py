"""Feedback at a set angle to backpropagation's: how much alignment does learning need?"""

import torch
from torch import Tensor

from bioprop.learning.members import finite, for_members, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Matrices, Rule, carry_back, transposes


def rotated_backprop(degrees: float | Tensor) -> Rule:
    """Teach the hidden layer through ``W^T`` turned by a set angle, held through learning (ours).

    ``delta[l] = delta[l+1] W[l+1]^T R[l] * slope(h[l])``. The turn ``R`` is isoclinic: in a random
    orthonormal basis of the hidden units every plane of two axes is turned by the same angle, so
    *every* signal stands at exactly ``degrees`` to backpropagation's (a number, or shape
    ``(member, 1, 1)``). Below a convolution or a locally connected layer, ``R`` turns the channels,
    alike at every pixel (and in every group), which keeps the angle and is a kernel again. Raises
    ``ValueError`` where a hidden layer has an odd number of units, or channels, to be turned.
    """
    finite("degrees, the angle of the turn,", degrees)

    def init(network: Network, streams: Streams) -> Matrices:
        return rotations(network, degrees, streams)

    def teach(network: Network, turns: Matrices, trial: Trial) -> Deltas:
        return carry_back(network, turned(network, turns), trial)

    return Rule("rotated", init, teach)


def rotations(network: Network, degrees: float | Tensor, streams: Streams) -> Matrices:
    """Draw a rotation of what lies below each layer but the first."""
    for_members("degrees", degrees, network.members)
    return [
        isoclinic(layer.features, degrees, streams, index)
        for index, layer in enumerate(network.layers[1:], start=1)
    ]


def turned(network: Network, turns: Matrices, gain: float | Tensor = 1.0) -> list[Tensor]:
    """Return ``gain W^T R`` for each layer but the first."""
    steps = zip(network.layers[1:], transposes(network), turns, strict=True)
    return [layer.turn(B * spread(gain, B.ndim), R) for layer, B, R in steps]


def isoclinic(unit: int, degrees: float | Tensor, streams: Streams, block: int = 0) -> Tensor:
    """Draw a rotation ``(member, unit, unit)`` that turns every vector by the same angle.

    Raises ``ValueError`` for an odd number of units, for which there is none.
    """
    if unit % 2:
        raise ValueError(f"an isoclinic rotation needs an even number of units, not {unit}")
    basis, _ = torch.linalg.qr(streams.normal("feedback", (unit, unit), block))
    quarter = torch.zeros(unit, unit, dtype=basis.dtype, device=basis.device)
    even = torch.arange(0, unit, 2)
    quarter[even, even + 1], quarter[even + 1, even] = 1.0, -1.0
    given = torch.as_tensor(degrees, dtype=basis.dtype, device=basis.device)
    angle = torch.deg2rad(torch.as_tensor(spread(given, 3)))
    eye = torch.eye(unit, dtype=basis.dtype, device=basis.device)
    return basis @ (torch.cos(angle) * eye + torch.sin(angle) * quarter) @ basis.mT


def rotated_alignment(degrees: float | Tensor, gain: float | Tensor = 1.0) -> Rule:
    """Teach through *fixed* weights that start at a set angle to ``W^T`` (ours).

    ``B`` is ``gain`` (a number, or shape ``(member, 1, 1)``) times the initial ``W^T``, turned as
    in :func:`rotated_backprop` and then left alone, so the forward weights are free to align.
    Raises ``ValueError`` for a layer with an odd number of units, once it meets a network.
    """
    finite("degrees, the angle of the turn,", degrees)
    finite("gain", gain)

    def init(network: Network, streams: Streams) -> Matrices:
        for_members("gain", gain, network.members)
        return turned(network, rotations(network, degrees, streams), gain)

    return Rule("rotated-fixed", init, carry_back)
