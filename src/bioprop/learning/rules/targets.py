"""Target propagation: a hidden layer is taught by the activity that it should have had.

A target goes down through learned inverses ``g``, and layer ``l`` is taught by its gap,
``delta[l] = (h[l] - target[l]) * slope(h[l])``: the gradient of ``|h - target|^2 / 2``, summed over
units; optimisers take the mean over the batch. The output layer is taught by the error. The
variants differ in three choices: where the first target comes from (:class:`GradientStep`,
:class:`Label`), what the top inverse reads (``READS``), and the loss that trains the inverses
(``inverses.LOSSES``). Lee et al. 2015, Bartunov et al. 2018.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bioprop.choose import choose
from bioprop.learning.functions import ACTIVATIONS
from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Number, Optimiser, adam
from bioprop.learning.randomness import Streams
from bioprop.learning.rules import inverses
from bioprop.learning.rules.base import Rule
from bioprop.learning.rules.inverses import Inverses, Learning

State = dict[str, Any]
ADAM = adam(1e-3)


def output(network: Network, h: Tensor) -> Tensor:
    """Return the units of the output layer above ``h``: probabilities where they are softmax."""
    return network.propagate(len(network.layers) - 1, h)


def logits(network: Network, h: Tensor) -> Tensor:
    """Return the inputs of the output units, less their mean over units."""
    a = network.net_input(len(network.layers) - 1, h)
    return a.sub_(a.mean(-1, keepdim=True))


READS: dict[str, Callable[[Network, Tensor], Tensor]] = {"output": output, "logits": logits}


# Where the first target comes from


@dataclass(frozen=True)
class GradientStep:
    """The first target: a step of ``alpha`` down the gradient at the penultimate activity.

    The gradient is that of each example's own loss. The output layer needs no inverse.
    """

    alpha: Number

    def __post_init__(self) -> None:
        positive("alpha, the size of the first step,", self.alpha)

    def inverses(self, network: Network, streams: Streams, linear: str) -> Inverses:
        """Draw the inverses of the hidden layers but the first."""
        for_members("alpha", self.alpha, network.members)
        layers = range(len(network.layers) - 2, 0, -1)
        return inverses.make(network, layers, below_output, linear, 0, streams)

    def start(self, network: Network, kept: Inverses, trial: Trial) -> tuple[Tensor, Tensor, list]:
        """Return the penultimate activity, its gap, and the gaps that are known so far."""
        layer, W = network.layers[-1], trial.weights[-1]
        gap = layer.back(trial.error, layer.transpose(W)) * self.alpha
        return trial.activities[-2], gap, [gap]


def below_output(network: Network, layer: int, h: Tensor) -> Tensor:
    """Return what the inverse of a hidden layer reads: the activity of the layer."""
    return network.propagate(layer, h)


@dataclass(frozen=True)
class Label:
    """The first target: a share ``step`` of the way from the output to the label.

    The top inverse reads the output or its centred logits (``reads``); with logits ``z`` the target
    is ``z + step (label - output)``. Beside these it reads ``auxiliary`` units, ``gain`` times
    fixed random ``features`` of the penultimate activity, whose target is what they are.
    """

    step: Number
    reads: str
    auxiliary: int = 0
    gain: Number = 1.0
    features: str = "tanh"

    def __post_init__(self) -> None:
        positive("step, a share of the way to the label,", self.step, most=1)
        positive("the gain of auxiliary units", self.gain)
        choose("input of the top inverse", self.reads, READS)
        choose("activation", self.features, ACTIVATIONS)
        if not isinstance(self.auxiliary, Integral) or self.auxiliary < 0:
            raise ValueError(f"auxiliary units are a whole number, 0 or more, not {self.auxiliary}")

    def inverses(self, network: Network, streams: Streams, linear: str) -> Inverses:
        """Draw the inverses of all layers but the first, and the weights of the features."""
        for_members("step", self.step, network.members)
        for_members("gain", self.gain, network.members)
        if self.reads == "logits" and network.activations[-1] != "softmax":
            raise ValueError(
                f"centred logits belong to a softmax output, not to {network.activations[-1]}; let "
                "the top inverse read the 'output'"
            )
        width, top = network.layers[-1].inputs, len(network.layers) - 1
        R = streams.normal("auxiliary", (width, self.auxiliary)) * width**-0.5
        read, features = READS[self.reads], ACTIVATIONS[self.features].function_

        def reading(network: Network, layer: int, h: Tensor) -> Tensor:
            if layer < top:
                return network.propagate(layer, h)
            units = read(network, h)
            if not self.auxiliary:
                return units
            return torch.cat([units, features(h @ R) * self.gain], -1)

        return inverses.make(network, range(top, 0, -1), reading, linear, self.auxiliary, streams)

    def start(self, network: Network, kept: Inverses, trial: Trial) -> tuple[Tensor, Tensor, list]:
        """Return what the top inverse reads, its gap, and the gaps that are known so far: none."""
        x = kept.read(network, len(network.layers) - 1, trial.activities[-2])
        gap = (trial.activities[-1] - trial.target) * self.step
        return x, F.pad(gap, (0, self.auxiliary)), []


Top = GradientStep | Label

# What follows from it below: from the gap of what an inverse reads, that of what it returns

Carry = Callable[[Inverses, int, Tensor, Tensor, Tensor], Tensor]


def vanilla(kept: Inverses, layer: int, h: Tensor, x: Tensor, gap: Tensor) -> Tensor:
    """Return the gap of ``h`` where its target is ``g(target above)``."""
    return h - kept.returned(layer, x - gap)


def difference(kept: Inverses, layer: int, h: Tensor, x: Tensor, gap: Tensor) -> Tensor:
    """Return the gap where the target is ``h + g(target above) - g(x)``: its misses cancel.

    Where products are rounded, the gap itself is, not two points that nearly agree.
    """
    if kept.is_linear(layer):
        return kept.product(layer, gap)
    if kept.rounds(layer):
        a, function = kept.input(layer, x), kept.function(layer).function_
        moved = a - kept.product(layer, gap)
        return function(a).sub_(function(moved))
    return kept.returned(layer, x).sub_(kept.returned(layer, x - gap))


def small_difference(kept: Inverses, layer: int, h: Tensor, x: Tensor, gap: Tensor) -> Tensor:
    """Return the limit of the difference for small gaps: ``gap V`` times the inverse's slope."""
    carried = kept.product(layer, gap)
    return kept.function(layer).carry(carried, kept.returned(layer, x))


def gaps(network: Network, state: State, trial: Trial, top: Top, carry: Carry) -> list[Tensor]:
    """Return ``h - target`` of each hidden activity, the lowest first."""
    kept: Inverses = state["inverses"]
    x, gap, found = top.start(network, kept, trial)
    for layer in kept.layers:
        h = trial.activities[layer]
        gap = carry(kept, layer, h, x, gap)
        found.append(gap)
        x = h
    return found[::-1]


def signals(network: Network, gaps: list[Tensor], trial: Trial) -> list[Tensor]:
    """Return the teaching signals: each gap times the slope of its layer, and the error."""
    steps = zip(network.functions[:-1], gaps, trial.activities[1:-1], strict=True)
    return [*(function.carry(gap, h) for function, gap, h in steps), trial.error]


# The rules


@dataclass(frozen=True, kw_only=True)
class TargetPropagation(Rule):
    """A rule that teaches by targets; a study may ask it for them, whosever turn it is.

    ``gaps(network, state, trial)`` returns ``h - target`` of each hidden activity, the lowest
    first, each ``(member, batch, unit)``; ``limit`` the same for the limit of small first gaps, in
    which every inverse is replaced by its slope.
    """

    gaps: Callable[[Network, State, Trial], list[Tensor]]
    limit: Callable[[Network, State, Trial], list[Tensor]]


def through_targets(
    name: str, top: Top, carry: Carry, learning: Learning, turn: int | None
) -> TargetPropagation:
    """Return the rule of these choices, its inverses taught in every batch, or in turns.

    In turns, ``turn`` batches teach the inverses alone, the next ``turn`` the network alone.
    Without turns each batch teaches both, the inverses after the network has changed (ours).
    Raises ``ValueError`` for a turn of no batches, and for a network without a hidden layer.
    """
    if turn is not None and (not isinstance(turn, Integral) or turn < 1):
        raise ValueError(f"a turn has 1 batch or more, a whole number, not {turn}; None: no turns")

    def has_turn(of_inverses: bool, trial: Trial) -> bool:
        return turn is None or (trial.step // turn % 2 == 0) is of_inverses

    def init(network: Network, streams: Streams) -> State:
        if len(network.layers) < 2:
            raise ValueError(
                f"rule {name!r} teaches hidden layers by targets; a network of one layer has none. "
                "Give it a hidden layer, or use the rule 'bp'"
            )
        for_members("sigma", learning.sigma, network.members)
        kept = top.inverses(network, streams, learning.linear)
        return {"inverses": kept, **kept.learnable(learning.optimiser)}

    def teach(network: Network, state: State, trial: Trial) -> Deltas:
        if not has_turn(False, trial):
            return [None] * len(network.layers)
        return signals(network, gaps(network, state, trial, top, carry), trial)

    def learn(network: Network, state: State, trial: Trial, deltas: Deltas) -> None:
        if has_turn(True, trial):
            inverses.learn(network, state, trial, learning)

    name = name if turn is None else f"{name} in turns of {turn}"
    aims = functools.partial(gaps, top=top, carry=carry)
    limit = functools.partial(gaps, top=top, carry=small_difference)
    return TargetPropagation(name, init, teach, learn, gaps=aims, limit=limit)


def target_propagation(
    alpha: Number = 0.1,
    sigma: Number = 0.1,
    loss: str = "noise-preserving",
    linear: str = "none",
    optimiser: Optimiser = ADAM,
    turn: int | None = None,
) -> TargetPropagation:
    """Teach by targets ``target[l] = g(target[l+1])``, the first a gradient step (Lee et al. 2015).

    Options are those of :func:`difference_target_propagation`.
    """
    learning = Learning(optimiser, spread(sigma, 3), loss, linear)
    return through_targets("tp", GradientStep(spread(alpha, 3)), vanilla, learning, turn)


def difference_target_propagation(
    alpha: Number = 0.1,
    sigma: Number = 0.1,
    loss: str = "noise-preserving",
    linear: str = "none",
    optimiser: Optimiser = ADAM,
    turn: int | None = None,
) -> TargetPropagation:
    """Teach by ``target[l] = h[l] + g(target[l+1]) - g(h[l+1])`` (DTP, Lee et al. 2015).

    The penultimate layer's target is a step of ``alpha`` down its gradient. Inverses learn under
    noise of standard deviation ``sigma`` by a ``loss`` of ``inverses.LOSSES``, changed by an
    ``optimiser`` of their own; they have the nonlinearity of the layer they return to unless
    ``linear`` says which are linear (``inverses.LINEAR``). ``turn``: None, or the batches of a turn
    (:func:`through_targets`). Numbers may have shape ``(member, 1, 1)``. Raises ``ValueError`` for
    a number outside of its range and for an unknown ``loss`` or ``linear``.
    """
    learning = Learning(optimiser, spread(sigma, 3), loss, linear)
    return through_targets("dtp", GradientStep(spread(alpha, 3)), difference, learning, turn)


def simplified_difference_target_propagation(
    step: Number = 1.0,
    reads: str = "output",
    sigma: Number = 0.1,
    loss: str = "denoising",
    linear: str = "none",
    optimiser: Optimiser = ADAM,
    turn: int | None = None,
) -> TargetPropagation:
    """Teach by differences of targets from the label downwards (SDTP, Bartunov et al. 2018).

    The first target is a share ``step`` of the way from the output to the label, 1 in the paper,
    and the top inverse ``reads`` the output or its centred logits (:class:`Label`). The other
    options are those of :func:`difference_target_propagation`. Raises ``ValueError`` as that does,
    for a step that is no share, and for something else to read.
    """
    learning = Learning(optimiser, spread(sigma, 3), loss, linear)
    return through_targets("sdtp", Label(spread(step, 3), reads), difference, learning, turn)


def auxiliary_output_target_propagation(
    auxiliary: int = 512,
    gain: Number = 1.0,
    features: str = "tanh",
    step: Number = 1.0,
    reads: str = "output",
    sigma: Number = 0.1,
    loss: str = "denoising",
    linear: str = "none",
    optimiser: Optimiser = ADAM,
    turn: int | None = None,
) -> TargetPropagation:
    """Teach as SDTP does, the top inverse reading random features too (AO-SDTP, Bartunov 2018).

    ``auxiliary`` units, 512 in the paper, show the top inverse what the output has lost of the
    penultimate activity (:class:`Label`); their weights are drawn from N(0, 1 / inputs) (ours).
    """
    learning = Learning(optimiser, spread(sigma, 3), loss, linear)
    top = Label(spread(step, 3), reads, auxiliary, spread(gain, 3), features)
    return through_targets("ao-sdtp", top, difference, learning, turn)
