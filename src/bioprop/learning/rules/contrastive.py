"""Learning from two phases: what the network does alone, and with its output held at the target.

In each phase the hidden units settle under what comes from below and, ``gain`` times weaker, from
above: ``h[l] = f(h[l-1] W[l] + b[l] + gain h[l+1] B[l+1])``. In the free phase the output follows
the last hidden layer, in the clamped phase it is the target. Errors then need no channel of their
own: they are differences of activity. One that has come down ``k`` layers has shrunk by
``gain^k``, so a layer's signal is the difference divided by that; for small gains it is that of
backpropagation (Xie & Seung 2003).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bioprop.learning.layers.arguments import whole
from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Number
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Bound, Matrices, Rule, check_bound, drawn, transposes


def generalized_recirculation(
    gain: Number = 0.1, sweeps: int = 5, bound: Bound | None = None
) -> Rule:
    """Teach by the free minus the clamped activity (GeneRec, O'Reilly 1996).

    ``dW = -rate h_free[l-1]^T (h_free[l] - h_clamped[l]) / gain^k``. Hidden units are updated from
    the highest layer to the lowest, ``sweeps`` times in each phase. ``B`` is ``W^T``, or fixed and
    drawn from U(-bound, bound) where a ``bound`` is given. The signals of low layers are small
    differences: with many layers and small gains they need float64. Teaching replaces the
    activities of the trial by those of the free phase. Raises ``ValueError`` for a gain that is not
    above 0, for fewer than one sweep, and for a negative bound.
    """
    gain = checked(gain, sweeps)

    def teach(network: Network, B: Matrices | None, trial: Trial) -> Deltas:
        free, clamped = phases(network, B, trial, gain, sweeps)
        trial.activities = free
        pairs = zip(free[1:], clamped[1:], shares(network, gain), strict=True)
        return [(alone - held) * share for alone, held, share in pairs]

    return Rule("generec", feedback(bound, gain), teach)


def contrastive_hebbian(gain: Number = 0.1, sweeps: int = 5, bound: Bound | None = None) -> Rule:
    """Learn by Hebb's product in the clamped phase, and unlearn by that in the free phase.

    ``dW = rate (h_clamped[l-1]^T h_clamped[l] - h_free[l-1]^T h_free[l]) / gain^k`` (Movellan 1991,
    Xie & Seung 2003; with a ``bound``, Detorakis et al. 2019). The options are those of
    :func:`generalized_recirculation`. Teaching replaces the activities of the trial by those of
    both phases, the free one first, along the axis ``batch``. Raises ``ValueError`` as that does.
    """
    gain = checked(gain, sweeps)

    def teach(network: Network, B: Matrices | None, trial: Trial) -> Deltas:
        free, clamped = phases(network, B, trial, gain, sweeps)
        trial.activities = [torch.cat(pair, 1) for pair in zip(free, clamped, strict=True)]
        pairs = zip(free[1:], clamped[1:], shares(network, gain), strict=True)
        return [torch.cat([alone, -held], 1) * share for alone, held, share in pairs]

    return Rule("chl", feedback(bound, gain), teach)


def checked(gain: Number, sweeps: int) -> Number:
    """Return the gain, one for each member where there are several.

    Raises ``ValueError`` for a gain, or a number of sweeps, by which nothing would be taught.
    """
    positive("gain, that of the way back,", gain)
    if whole("sweeps", sweeps) < 1:
        raise ValueError(f"sweeps is a whole number, 1 or more, not {sweeps}")
    return spread(gain, 3)


def feedback(bound: Bound | None, gain: Number) -> Callable[[Network, Streams], Matrices | None]:
    """Return a function that draws fixed feedback weights, or none where they are ``W^T``."""
    if bound is not None:
        check_bound(bound)

    def init(network: Network, streams: Streams) -> Matrices | None:
        for_members("gain", gain, network.members)
        return None if bound is None else drawn(network, streams, bound)

    return init


def shares(network: Network, gain: Number) -> list[Number]:
    """Return ``1 / gain^k`` for each layer, ``k`` being the layers above it."""
    above = range(len(network.layers) - 1, -1, -1)
    return [gain**-k for k in above]


def phases(
    network: Network, B: Matrices | None, trial: Trial, gain: Number, sweeps: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Return all activities of the free and of the clamped phase, the input first."""
    if sweeps < 1:
        raise ValueError(f"units settle in 1 sweep or more, not in {sweeps}")
    B = transposes(network, trial.weights) if B is None else B
    free = settled(network, trial.activities, B, gain, sweeps, follows=True)
    held = [*free[:-1], trial.target]
    return free, settled(network, held, B, gain, sweeps, follows=False)


def settled(
    network: Network,
    activities: Sequence[Tensor],
    B: Matrices,
    gain: Number,
    sweeps: int,
    *,
    follows: bool,
) -> list[Tensor]:
    """Return the activities after some sweeps down the hidden layers.

    The output is updated after each where it ``follows``, and stays as it is where it does not.
    """
    h, top = list(activities), len(network.layers)
    for _ in range(sweeps):
        for place in range(top - 1, 0, -1):
            a = network.net_input(place - 1, h[place - 1])
            a = a + network.layers[place].back(h[place + 1], B[place - 1]) * gain
            h[place] = network.functions[place - 1].function_(a)
        if follows:
            h[top] = network.propagate(top - 1, h[top - 1])
    return h
