"""Reinforcement: a teaching signal from what noise does to the loss."""

from typing import Any

from torch import Tensor

from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Sequences, Streams, block_of
from bioprop.learning.rules.base import Rule


def node_perturbation(sigma: float | Tensor = 1e-3) -> Rule:
    """Teach hidden units by reinforcement: did a little noise make the loss better or worse?

    Each hidden layer in turn gets noise ``xi`` with standard deviation ``sigma`` (a number or
    one for each member) on its activity; its teaching signal is
    ``(loss with noise - loss without) * xi / sigma^2``, whose mean over the noise is the gradient.
    The output layer is taught by the error, as in every rule of Lillicrap et al. 2014.
    Raises ``ValueError`` for a ``sigma`` that is not above 0.
    """
    positive("sigma, the size of the noise,", sigma)
    size_of_noise = spread(sigma, 3)

    def init(network: Network, streams: Streams) -> dict[str, Any]:
        for_members("sigma", sigma, network.members)
        return {"streams": streams, "noise": None}

    def teach(network: Network, state: dict[str, Any], trial: Trial) -> Deltas:
        hidden = trial.activities[1:-1]
        if state["noise"] is None:
            widths = [(h.shape[1], h.shape[2]) for h in hidden]
            size = sum(batch * unit for batch, unit in widths)
            state["noise"] = Sequences(state["streams"], "noise", (size,), block_of(size))
        before = network.losses(trial.activities[-1], trial.target)
        drawn = state["noise"][trial.step].split([h[0].numel() for h in hidden], dim=1)
        deltas = []
        for index, (h, xi) in enumerate(zip(hidden, drawn, strict=True)):
            noise = xi.reshape(h.shape) * size_of_noise
            y = h + noise
            for above in range(index + 1, len(network.layers)):
                y = network.propagate(above, y)
            change = network.losses(y, trial.target) - before
            signal = change.unsqueeze(-1) * noise / size_of_noise**2
            deltas.append(network.functions[index].carry(signal, h))
        return [*deltas, trial.error]

    return Rule("np", init, teach)
