"""What a rule's teaching signals are compared with: those of backpropagation."""

from torch import Tensor

from bioprop.learning import Network, Training, Trial
from bioprop.learning.rules import carry_back, transposes


def beside_backprop(training: Training, trial: Trial) -> list[tuple[Tensor, Tensor]]:
    """Return the training's own signal and backpropagation's at each hidden layer.

    Both are carried from the same error all the way down, one through the matrices ``B`` that are
    the rule's state, one through ``W^T``.
    The lowest layer comes first; shape ``(member, example, unit)`` each.
    """
    network = training.network
    ours = carry_back(network, training.state, trial)
    exact = carry_back(network, transposes(network), trial)
    return list(zip(ours[:-1], exact[:-1], strict=True))


def steepest(network: Network, trial: Trial) -> list[Tensor]:
    """Return backpropagation's own gaps: the slope of the loss at each hidden activity, ``J^T e``.

    Shape ``(member, example, unit)`` each, the lowest layer first.
    """
    B = transposes(network)
    deltas = carry_back(network, B, trial)
    above = zip(network.layers[1:], deltas[1:], B, strict=True)
    return [layer.back(delta, b) for layer, delta, b in above]
