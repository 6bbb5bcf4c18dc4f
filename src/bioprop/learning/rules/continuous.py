"""Time that goes on: units that follow what drives them, and an error that is always on.

A batch is a moment. Units have a time constant, ``tau dh[l]/dt = f(h[l-1] W[l] + b[l]) - h[l]``,
and so has the way back, ``tau dsignal[l]/dt = signal[l+1] B[l+1] * slope - signal[l]``. The signal
of the output is the error of the present output, or that of a while ago where it comes late. All of
it is at work at every moment, and so is learning: there is no forward phase and no backward one.
Where inputs change slowly beside the time constants, the units are where a forward pass would put
them, and the signals where :func:`~bioprop.learning.rules.base.carry_back` would.
"""

from typing import Any

import torch
from torch import Tensor

from bioprop.learning.layers.arguments import whole
from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Number
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Bound, Rule, check_bound, drawn, transposes


def continuous_time(
    share: Number,
    delay: int | Tensor = 0,
    bound: Bound | None = None,
    still: float | None = None,
    batch: int = 1,
) -> Rule:
    """Teach at every moment by the signals of units that follow what drives them.

    In a moment ``dt`` a unit goes the ``share`` ``1 - exp(-dt / tau)`` of its way; 1 is a unit
    without a time constant. What is learnt in a moment is learnt from its middle, so that sums over
    moments are close to those over time. The error comes ``delay`` moments late; before the first
    has come there is none. Both are numbers, or have one for each member. ``B`` is ``W^T``, or
    fixed and drawn from U(-bound, bound) where a ``bound`` is given. Where ``still`` is given, a
    layer learns from an example only while neither what it sees nor its signal changes by more than
    this share of its length in a time constant. Every moment has ``batch`` examples, streams of
    their own.
    Teaching moves time on, and replaces the trial's activities and error by those of the moment.
    Raises ``ValueError`` for a share outside 0 to 1, a delay below 0, no example, and a change
    that is not above 0.
    """
    positive("share, of the way that units go in a moment,", share, most=1)
    if still is not None:
        positive("still, the change below which layers learn,", still)
    if whole("batch", batch) < 1:
        raise ValueError(f"a moment has 1 example or more, not {batch}")
    if bound is not None:
        check_bound(bound)
    late, half = moments(delay), 1 - (1 - spread(share, 3)) ** 0.5

    def init(network: Network, streams: Streams) -> dict[str, Any]:
        for_members("share", half, network.members)
        for_members("delay", late, network.members)
        sizes = [network.layers[0].inputs, *(layer.outputs for layer in network.layers)]
        start = [network.weights[0].new_zeros(network.members, batch, size) for size in sizes]
        slots = int(late.max()) + 1
        return {
            "B": None if bound is None else drawn(network, streams, bound),
            "activities": start,
            "signals": [torch.zeros_like(h) for h in start[1:]],
            "errors": start[-1].new_zeros(slots, *start[-1].shape),
        }

    def teach(network: Network, state: dict[str, Any], trial: Trial) -> Deltas:
        h, later = moved(network, state["activities"], trial, half)
        error = network.compare(h, trial.target, trial.step, trial.weights).error
        trial.activities, trial.error = h, arriving(state["errors"], error, trial.step, late)
        signals, heard = carried(network, state, trial, half)
        old = state["activities"][:-1], state["signals"]
        deltas = signals if still is None else gated(old, (h[:-1], signals), half, still)
        state.update(activities=later, signals=heard)
        return deltas

    return Rule("continuous", init, teach, learn=moved_on)


def moved_on(network: Network, state: Any, trial: Trial, deltas: Deltas) -> None:
    """Change nothing: teaching has moved time on. What is kept is saved as what learns is."""


def moments(delay: int | Tensor) -> Tensor:
    """Return a delay as whole numbers, ``(member,)`` or ``(1,)``."""
    late = torch.as_tensor(delay).flatten()
    if (late < 0).any() or (late != late.round()).any():
        raise ValueError(f"delay is a whole number of moments, 0 or more, not {delay}")
    return late.long()


def moved(
    network: Network, old: list[Tensor], trial: Trial, half: Number
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the activities in the middle of a moment and at its end, the input first.

    Each layer sees that below it as it is in the middle.
    """
    h = [trial.activities[0]]
    later = [h[0].clone()]  # kept, while a task may use its own again
    for index, before in enumerate(old[1:]):
        drive = network.propagate(index, h[-1], trial.weights[index])
        h.append(torch.lerp(before, drive, half))
        later.append(torch.lerp(h[-1], drive, half))
    return h, later


def arriving(kept: Tensor, error: Tensor, step: int, late: Tensor) -> Tensor:
    """Keep the error of this moment and return the one that comes in now, of shape ``error``."""
    slots, members = kept.shape[:2]
    kept[step % slots] = error
    return kept[(step - late) % slots, torch.arange(members)]


def carried(
    network: Network, state: Any, trial: Trial, half: Number
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the signals in the middle of a moment and at its end; each layer hears that above."""
    B = transposes(network, trial.weights) if state["B"] is None else state["B"]
    signals, later = [trial.error], [trial.error]
    below = network.functions[:-1], trial.activities[1:-1], state["signals"][:-1]
    steps = zip(network.layers[1:], B, *below, strict=True)
    for layer, b, function, h, before in reversed(list(steps)):
        drive = function.carry(layer.back(signals[-1], b), h)
        signals.append(torch.lerp(before, drive, half))
        later.append(torch.lerp(signals[-1], drive, half))
    return signals[::-1], later[::-1]


Moment = tuple[list[Tensor], list[Tensor]]  # what each layer sees, and its signal


def gated(before: Moment, now: Moment, half: Number, still: float) -> list[Tensor]:
    """Return the signals, 0 where what a layer sees or its signal still changes."""
    (h_before, s_before), (h, s) = before, now
    pairs = zip(h_before, h, s_before, s, strict=True)
    most = half * still
    return [b * (rests(h0, h1, most) & rests(a, b, most)) for h0, h1, a, b in pairs]


def rests(before: Tensor, now: Tensor, most: Number) -> Tensor:
    """Say of each example whether a vector has moved by a small share, ``(member, batch, 1)``."""
    return (now - before).norm(dim=2, keepdim=True) <= now.norm(dim=2, keepdim=True) * most
