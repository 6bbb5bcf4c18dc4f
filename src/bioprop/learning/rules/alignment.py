"""Rules whose feedback weights are random and fixed, or that have none."""

from torch import Tensor

from bioprop.learning.layers.dense import Dense
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Bound, Matrices, Rule, carry_back, drawn, nothing


def feedback_alignment(bound: Bound = 0.5, removed: float | Tensor = 0.0) -> Rule:
    """Teach through fixed random weights ``B`` (Lillicrap et al. 2014, task 1).

    ``delta[l] = delta[l+1] B[l+1] * slope(h[l])``. ``B[l]`` is drawn once from U(-bound, bound),
    for dense layers of shape ``(member, unit_out, unit_in)``, and a share ``removed`` of its
    elements is then set to 0. Both are numbers or have shape ``(member, 1, 1)``; ``bound`` may also
    be a sequence of such, one for each layer but the first.
    """

    def init(network: Network, streams: Streams) -> Matrices:
        return [
            B * streams.kept("feedback mask", B.shape[1:], removed, index)
            for index, B in enumerate(drawn(network, streams, bound), start=1)
        ]

    return Rule("fa", init, carry_back)


def direct_feedback_alignment(bound: float | Tensor = 0.5) -> Rule:
    """Teach every hidden layer by the error itself through fixed random weights (Nøkland 2016).

    ``delta[l] = e B[l] * slope(h[l])``, with ``B[l]`` from the output to hidden layer ``l``, dense
    whatever the layers are, drawn from U(-bound, bound), shape ``(member, unit_output, unit_l)``.
    """

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
