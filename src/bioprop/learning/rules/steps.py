"""What teaching signals are measured by: their gradients, and the Gauss-Newton step."""

import torch
from torch import Tensor

from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.rules.base import transposes
from bioprop.learning.rules.transport import pseudoinverse


def weight_gradients(network: Network, trial: Trial, deltas: Deltas) -> list[Tensor | None]:
    """Return what signals do to each layer's weights, the mean over the batch, laid out flat.

    Shape ``(member, weight)`` each, as :func:`~bioprop.learning.angles.angle` takes them;
    None for a layer that is not taught. Unlike the angle of each example's signal, that of
    gradients weighs examples by their errors.
    """
    batch = trial.target.shape[1]
    rows = zip(network.layers, trial.activities, deltas, strict=False)
    return [
        None if delta is None else layer.gradient(h, delta).flatten(1) / batch
        for layer, h, delta in rows
    ]


def gauss_newton_gaps(network: Network, trial: Trial) -> list[Tensor]:
    """Return the Gauss-Newton step of each hidden activity, ``h - target``, the lowest first.

    The least change of the activity of a layer, all else left free, that to first order takes the
    inputs of the output units by the error of the example: ``J^+ e``. Shapes ``(member, batch,
    unit)``, in float64 whatever the network's type.
    """
    members, batch, outputs = trial.error.shape
    eye = torch.eye(outputs, dtype=trial.error.dtype, device=trial.error.device)
    signal, found = eye.repeat(batch, 1).expand(members, -1, -1), []
    B = transposes(network, trial.weights)
    for place in range(len(network.layers) - 1, 0, -1):
        carried = network.layers[place].back(signal, B[place - 1])
        J = carried.unflatten(1, (batch, outputs)).double()
        found.append((pseudoinverse(J) @ trial.error.double().unsqueeze(-1)).squeeze(-1))
        h = trial.activities[place].repeat_interleave(outputs, 1)
        signal = network.functions[place - 1].carry(carried, h)
    return found[::-1]
