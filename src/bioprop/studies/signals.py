"""What a rule's teaching signals are compared with: backpropagation's, the Gauss-Newton step."""

import torch
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


def jacobians(network: Network, trial: Trial) -> list[Tensor]:
    """Return how the inputs of the output units depend on each hidden activity.

    Shape ``(member, example, unit_output, unit)`` each, the lowest layer first.
    """
    outputs, (members, batch, _) = network.layers[-1].outputs, trial.error.shape
    rows = torch.eye(outputs).to(trial.error).repeat(members, batch, 1)
    below = network.functions[:-1], trial.activities[1:-1]
    steps = zip(network.layers[1:], transposes(network), *below, strict=True)
    found = []
    for layer, B, function, h in reversed(list(steps)):
        J = layer.back(rows, B)
        found.append(J.unflatten(1, (batch, outputs)))
        rows = function.carry(J, h.repeat_interleave(outputs, 1))
    return found[::-1]


def steepest(J: Tensor, error: Tensor) -> Tensor:
    """Return backpropagation's signal at an activity, ``J^T e``, ``(member, example, unit)``."""
    return torch.einsum("meou,meo->meu", J, error)


def gauss_newton(J: Tensor, error: Tensor) -> Tensor:
    """Return the Gauss-Newton step of an activity, ``J^+ e``, ``(member, example, unit)``."""
    return torch.einsum("meuo,meo->meu", torch.linalg.pinv(J), error)
