"""Populations of networks whose units integrate over time and spike.

An image is shown for a number of time steps. What learning sees of a unit is how often it spiked,
so every rule and every optimiser works as on other networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning.network import Network, Trial
from bioprop.learning.randomness import Streams

VOLLEYS = ("spikes", "graded")


@dataclass(frozen=True)
class Neurons:
    """How units integrate and spike; time is counted in steps.

    Raises ``ValueError`` for values that no unit can have.
    """

    steps: int = 20  # of one presentation
    settle: int = 5  # the first of them, in which spikes are not counted yet
    decay: float = 0.8  # share of the membrane's state that is kept in one step
    refractory: int = 0  # steps after a spike in which there is no other
    threshold: float | None = None  # fixed; None: spikes are drawn, with probability sigma(v)
    silenced: float = 0.0  # share of the hidden units that are silent in a presentation
    volley: Literal["spikes", "graded"] = "spikes"  # what the error units send

    def __post_init__(self) -> None:
        choose("kind of volley", self.volley, VOLLEYS)
        for name, fits, needed in (
            ("settle", 0 <= self.settle < self.steps, "0 or more and below the number of steps"),
            ("decay", 0 <= self.decay < 1, "0 or more and below 1"),
            ("refractory", self.refractory >= 0, "0 or more"),
            ("threshold", self.threshold is None or self.threshold > 0, "above 0, or None"),
            ("silenced", 0 <= self.silenced < 1, "0 or more and below 1"),
        ):
            if not fits:
                raise ValueError(f"{name} must be {needed}, not {getattr(self, name)}")

    @property
    def counted(self) -> int:
        """Number of steps in which spikes are counted."""
        return self.steps - self.settle

    @property
    def most(self) -> int:
        """Largest number of spikes that a unit can have in the steps that count."""
        return -(-self.counted // (1 + self.refractory))

    def spikes(self, drive: Tensor, chances: Tensor) -> Tensor:
        """Return 1 where a unit spikes, else 0, from its input ``(member, step, batch, unit)``.

        The membrane is a leaky mean of the input, ``v[t] = decay v[t-1] + (1 - decay) drive[t]``.
        A unit spikes where a number in ``chances``, of the same shape, lies below ``sigma(v)``.
        With a fixed threshold it spikes where ``v`` lies above, and ``v`` starts again from 0.
        """
        spikes = torch.empty_like(drive)
        v = torch.zeros_like(drive[:, 0])
        rest = torch.zeros_like(v)  # steps to wait before the next spike
        for t in range(self.steps):
            v.lerp_(drive[:, t], 1 - self.decay)
            if self.threshold is None:
                s = (chances[:, t] < torch.sigmoid(v)).to(v.dtype)
            else:
                s = (v > self.threshold).to(v.dtype)
            if self.refractory:
                s *= rest <= 0
                rest = torch.where(s > 0, self.refractory, rest - 1)
            if self.threshold is not None:
                v *= 1 - s
            spikes[:, t] = s + 0 * v  # NaN stays NaN: a network that diverged is not a silent one
        return spikes

    def activity(self, spikes: Tensor) -> Tensor:
        """Return the firing rate as a share of the largest that is possible, without the steps.

        For stochastic units that share has the slope ``h (1 - h)`` also where there is a refractory
        period: in the steady state ``h = (r + 1) p / (1 + r p)`` with ``p = sigma(v)``.
        """
        return spikes[:, self.settle :].sum(1).div_(self.most)


@dataclass(kw_only=True)
class SpikingNetwork(Network):
    """A population of networks of spiking units; its activities are firing rates from 0 to 1.

    Input units spike with the probability that their input names, from 0 to 1. One spike has the
    weight of the whole time that its unit cannot spike again, so that the mean input of a unit is
    that of a network of rates. Activations must be logistic: a rate has the slope ``h (1 - h)``.
    """

    streams: Streams
    neurons: Neurons = field(default_factory=Neurons)

    def __post_init__(self) -> None:
        super().__post_init__()
        if set(self.activations) != {"logistic"}:
            raise ValueError(f"spiking units are logistic, not {', '.join(self.activations)}")

    def forward(self, x: Tensor, weights: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return the firing rates of all layers as they are when nothing is learnt, input first.

        Every call draws the same numbers, from a stream of its own. No unit is silenced: spikes of
        hidden units are scaled down instead.
        """
        trains = self.trains(x, "test spikes", weights=weights)
        return [self.neurons.activity(spikes) for spikes in trains]

    def propagate(self, index: int, h: Tensor, W: Tensor | None = None) -> Tensor:
        """Raise ``ValueError``: spikes of one layer alone are not what a rate is made of."""
        raise ValueError("spiking layers do not run on their own, as perturbation and targets ask")

    def present(self, x: Tensor, target: Tensor, step: int = 0) -> Trial:
        """Show a batch, count spikes, and let the error units answer with one volley at the end."""
        weights = [layer.rounded(W) for layer, W in zip(self.layers, self.weights, strict=True)]
        trains = self.trains(x, "spikes", step, self.not_silenced(x, step), weights)
        activities = [self.neurons.activity(spikes) for spikes in trains]
        trial = self.compare(activities, target, step, weights)
        if self.neurons.volley == "spikes":
            chances = self.streams.chances("volley", trial.error.shape[1:], step)
            trial.error = signed_spikes(trial.error, chances)
        return trial

    def trains(
        self,
        x: Tensor,
        stream: str,
        block: int = 0,
        kept: Sequence[Tensor] | None = None,
        weights: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """Return the spikes of all layers, input first, each ``(member, step, batch, unit)``.

        They are a function of the inputs ``x``, ``(member, batch, unit)``, and of a block of a
        stream. ``kept`` is 0 for hidden units that are silenced and 1 for others; without it none
        is, and their spikes weigh less instead.
        """
        n, last = self.neurons, len(self.layers) - 1
        drawn = [
            self.streams.chances(stream, (n.steps, x.shape[1], units), block * (last + 2) + index)
            for index, units in enumerate([x.shape[2], *(layer.outputs for layer in self.layers)])
        ]
        trains, weight = [(drawn[0] < x.unsqueeze(1)).to(x.dtype)], 1.0
        for index, W in enumerate(weights or self.weights):
            layer, bias = self.layers[index], self.biases[index]
            drive = layer.forward(trains[-1].flatten(1, 2), W).mul_(weight)
            if bias is not None:
                drive.add_(layer.spread_bias(bias))
            trains.append(n.spikes(drive.view_as(drawn[index + 1]), drawn[index + 1]))
            if kept and index < last:
                trains[-1].mul_(kept[index].unsqueeze(1))
            weight = n.counted / n.most * (1 - n.silenced if kept is None else 1)
        return trains

    def not_silenced(self, x: Tensor, step: int) -> list[Tensor]:
        """Return 0 for hidden units that are silent in this step, 1 for others; none if all are 1.

        Each ``(member, batch, unit)``.
        """
        if not self.neurons.silenced:
            return []
        count = len(self.layers)
        return [
            self.streams.kept(
                "dropout", (x.shape[1], layer.outputs), self.neurons.silenced, step * count + index
            )
            for index, layer in enumerate(self.layers[:-1])
        ]


def signed_spikes(e: Tensor, chances: Tensor) -> Tensor:
    """Return spikes with the sign of the error and probability ``|e|``; their mean is ``e``."""
    return torch.sign(e).mul_(chances < e.abs())
