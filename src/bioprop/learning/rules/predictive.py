"""Predictive coding: values settle between what is predicted from below and the error above.

Every hidden unit has a value ``x``. Its layer is predicted from the values below, ``mu[l] =
f(x[l-1] W[l] + b[l])``; its error is what the prediction misses, ``eps[l] = x[l] - mu[l]``. With
the input held, values descend ``F = sum |eps|^2 / 2 + nudge * loss(mu[top])``:
``x[l] = x[l] - speed (eps[l] + signal[l+1] B[l+1])``, with ``signal[l] = -eps[l] * slope`` and, at
the output, ``nudge`` times the error there. ``B`` is ``W^T``, or fixed and random. Weights descend
``F`` as well, which is each layer's own product of value below and signal (Whittington & Bogacz
2017). For a small ``nudge`` the settled signals, divided by it, are backpropagation's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning.layers.arguments import whole
from bioprop.learning.members import positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Number
from bioprop.learning.rules.base import Bound, Matrices, Rule, transposes
from bioprop.learning.rules.contrastive import feedback


@dataclass(frozen=True)
class Settled:
    """Where values have come: ``values`` (input first, the predicted output last) and ``signals``.

    ``unsettled`` is the length of the last change of all values over that of all errors,
    ``(member,)``: it goes to 0 where values settle, and does not where they go round or away.
    """

    values: list[Tensor]
    signals: list[Tensor]
    unsettled: Tensor


def predictive_coding(
    steps: int = 20, speed: float = 0.2, nudge: Number = 0.1, bound: Bound | None = None
) -> Rule:
    """Teach by the prediction errors of values that settle (Whittington & Bogacz 2017).

    They settle for so many ``steps``, each by ``speed`` times the slope of the energy.
    ``nudge`` is a number or one for each member. ``B`` is ``W^T``, or fixed and drawn from
    U(-bound, bound) where a ``bound`` is given. Teaching replaces the trial's activities by the
    values.
    Raises ``ValueError`` for less than one step, and a speed or a nudge that is not above 0.
    """
    nudge = checked(steps, speed, nudge)

    def teach(network: Network, B: Matrices | None, trial: Trial) -> Deltas:
        found = settle(network, B, trial, steps, speed, nudge)
        trial.activities = found.values
        return [signal / nudge for signal in found.signals]

    return Rule("pc", feedback(bound, nudge), teach)


def checked(steps: int, speed: float, nudge: Number) -> Number:
    """Return the nudge, one for each member where there are several."""
    if whole("steps", steps) < 1:
        raise ValueError(f"values settle in 1 step or more, not in {steps}")
    positive("speed, the step of the values,", speed)
    positive("nudge, the weight of the loss,", nudge)
    return spread(nudge, 3)


def settle(
    network: Network,
    B: Matrices | None,
    trial: Trial,
    steps: int,
    speed: float,
    nudge: Number,
) -> Settled:
    """Let values settle from where a forward pass has put them; nothing is learnt."""
    B = transposes(network, trial.weights) if B is None else B
    values = [h.clone() for h in trial.activities[:-1]]
    signals, errors, y = signals_of(network, values, trial, nudge)
    unsettled = torch.zeros_like(y[:, 0, 0])
    for _ in range(steps):
        changes = [
            (error + layer.back(signal, b)) * -speed
            for error, layer, signal, b in zip(
                errors, network.layers[1:], signals[1:], B, strict=True
            )
        ]
        for x, change in zip(values[1:], changes, strict=True):
            x.add_(change)
        signals, errors, y = signals_of(network, values, trial, nudge)
        if changes:
            unsettled = length(changes) / length(errors).clamp(min=1e-300)
    return Settled([*values, y], signals, unsettled)


def signals_of(
    network: Network, values: Sequence[Tensor], trial: Trial, nudge: Number
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Return the signal of every layer, the error of every hidden one, and the predicted output."""
    predicted = [network.propagate(index, x) for index, x in enumerate(values)]
    errors = [x - mu for x, mu in zip(values[1:], predicted[:-1], strict=True)]
    signals = [
        function.carry(-error, mu)
        for function, error, mu in zip(network.functions[:-1], errors, predicted[:-1], strict=True)
    ]
    y = predicted[-1]
    top = network.compare([*values, y], trial.target, trial.step, trial.weights).error
    return [*signals, top * nudge], errors, y


def length(tensors: Sequence[Tensor]) -> Tensor:
    """Return the length of all numbers of each member together, ``(member,)``."""
    return torch.stack([t.square().sum((1, 2)) for t in tensors]).sum(0).sqrt()
