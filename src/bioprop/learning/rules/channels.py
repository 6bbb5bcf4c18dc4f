"""Feedback through a channel that does not carry all of a signal.

A channel takes a signal ``(member, batch, unit)`` and returns what arrives of it, of the same
shape. What it loses is set by one number, ``amount``, the same for all members or one for each:

========== ======================================================= ==================
channel    what arrives of a signal s                              exact in the limit
========== ======================================================= ==================
exact      s                                                       always
rank       its part in ``amount`` fixed random directions          amount = units
bits       each number rounded to one of 2^amount levels           amount large
loss       each number with probability 1 - amount, else 0         amount = 0
tanh       r tanh(amount s / r) / tanh(amount)                     amount small
rectifier  the positive numbers; of the others a share 1 - amount  amount = 0
threshold  numbers larger than amount r, the others as 0           amount = 0
sign       r sign(s), a share ``amount`` of it; s for the rest     amount = 0
noise      s + amount r xi, xi ~ N(0, 1)                           amount = 0
========== ======================================================= ==================

``r`` is the root mean square of the signal of an example, so that a channel treats large and small
errors alike; with ``bits`` the levels lie within the largest number of the example, in its stead.
A number of size r leaves ``tanh`` as it came, so that a signal keeps about its size: at a large
amount only signs are left, as of ``sign``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning.members import finite, for_members, positive, spread, wrong
from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.optimisers import Number
from bioprop.learning.randomness import Sequences, Streams, block_of
from bioprop.learning.rules.alignment import direct
from bioprop.learning.rules.base import Bound, Matrices, Rule, bounds, check_bound, transposes

Send = Callable[[Tensor, Tensor, Number], Tensor]  # (signal, numbers, amount) -> what arrives


@dataclass(frozen=True)
class Channel:
    """``send(signal, z, amount)`` and what the amount may be.

    ``z`` are random numbers: for a channel of ``fixed`` numbers a basis of all directions,
    ``(member, unit, unit)``, else N(0, 1) of the shape of the signal, drawn for every batch where
    ``noisy``. The amount lies from ``least`` to ``most``, and is a ``whole`` number or any.
    """

    send: Send
    noisy: bool = False
    fixed: bool = False
    whole: bool = False
    least: float = 0.0
    most: float = float("inf")


def size(s: Tensor) -> Tensor:
    """Return the root mean square of each example's signal, ``(member, batch, 1)``."""
    return s.square().mean(-1, keepdim=True).sqrt()


def _rank(s: Tensor, basis: Tensor, amount: Number) -> Tensor:
    kept = torch.arange(basis.shape[-1], device=s.device) < amount
    return torch.bmm(torch.bmm(s, basis) * kept, basis.mT)


def _bits(s: Tensor, z: Tensor, bits: Number) -> Tensor:
    step = s.abs().amax(-1, keepdim=True) * 2 / 2**bits
    level = torch.minimum(torch.floor(s / step), torch.as_tensor(2 ** (bits - 1) - 1).to(s))
    return torch.where(step > 0, (level + 0.5) * step, s)


def _loss(s: Tensor, z: Tensor, share: Number) -> Tensor:
    chance = torch.special.ndtr(z)  # from N(0, 1) to U(0, 1)
    return s * (chance >= share)


def _tanh(s: Tensor, z: Tensor, gain: Number) -> Tensor:
    r, gain = size(s), torch.as_tensor(gain, dtype=s.dtype, device=s.device)
    return torch.where(r > 0, r * torch.tanh(gain * s / r) / torch.tanh(gain), s)


def _rectifier(s: Tensor, z: Tensor, share: Number) -> Tensor:
    return torch.where(s > 0, s, s * (1 - share))


def _threshold(s: Tensor, z: Tensor, share: Number) -> Tensor:
    return s * (s.abs() >= share * size(s))


def _sign(s: Tensor, z: Tensor, share: Number) -> Tensor:
    return s + share * (size(s) * torch.sign(s) - s)


def _noise(s: Tensor, z: Tensor, share: Number) -> Tensor:
    return s + share * size(s) * z


CHANNELS = {
    "exact": Channel(lambda s, z, amount: s),
    "rank": Channel(_rank, fixed=True, whole=True, least=1),
    "bits": Channel(_bits, whole=True, least=1, most=52),
    "loss": Channel(_loss, noisy=True, most=1),
    "tanh": Channel(_tanh, least=1e-9),
    "rectifier": Channel(_rectifier, most=1),
    "threshold": Channel(_threshold),
    "sign": Channel(_sign, most=1),
    "noise": Channel(_noise, noisy=True),
}


def channelled(
    channel: str = "exact",
    amount: Number = 1.0,
    weights: Literal["fixed", "transposed", "direct"] = "fixed",
    bound: Bound | None = None,
    each: bool = True,
    split: bool = False,
) -> Rule:
    """Teach through feedback that passes a channel on its way (ours).

    ``delta[l] = c(delta[l+1]) B[l+1] * slope(h[l])`` with a channel ``c`` of :data:`CHANNELS` and
    ``B`` fixed, as in feedback alignment, or ``W^T`` (``transposed``). With ``direct`` feedback
    every hidden layer gets ``c(e) B[l]``, as in direct feedback alignment. The output layer is
    taught by the error itself. ``each`` layer has a channel of its own; else all share the random
    numbers of one, which needs signals of one width, as direct feedback has them. Where it is
    ``split``, the positive and the negative numbers of a signal go ways of their own, as rates of
    spikes would: ``c(max(s, 0)) B - c(max(-s, 0)) B'``, with a ``B'`` like ``B``.
    Raises ``ValueError`` for an unknown channel, an amount that it does not have, a rank wider than
    the signal, and one channel for signals of several widths.
    """
    chosen = CHANNELS[choose("channel", channel, CHANNELS)]
    choose("kind of feedback weights", weights, ("fixed", "transposed", "direct"))
    check_bound(bound)
    finite(f"the amount of channel {channel!r}", amount)
    if channel != "exact":
        positive(f"the amount of channel {channel!r}", amount, zero=True, most=chosen.most)
        numbers = torch.as_tensor(amount)
        unfit = (numbers < chosen.least) | (chosen.whole & (numbers % 1 != 0))
        if unfit.any():
            kind = "a whole number" if chosen.whole else "a number"
            raise ValueError(
                f"the amount of channel {channel!r} is {kind} of {chosen.least:g} or more, not "
                f"{wrong(amount, unfit):g}"
            )
    number = spread(amount, 3)

    def init(network: Network, streams: Streams) -> dict[str, Any]:
        for_members("amount", amount, network.members)
        paths = direct(network) if weights == "direct" else network.layers[1:]
        widths = [path.outputs for path in paths]
        if not each and len(set(widths)) > 1:
            raise ValueError(f"one channel for signals of {widths} numbers: give each its own")
        if chosen.fixed and widths and (torch.as_tensor(amount) > min(widths)).any():
            raise ValueError(
                f"a channel of rank {float(torch.as_tensor(amount).max()):g} is wider than a "
                f"signal of {min(widths)} numbers; give {min(widths)} or less"
            )
        return {
            "B": [matrices(network, streams, weights, bound, k) for k in range(1 + split)],
            "basis": [basis(streams, n, k if each else 0) for k, n in enumerate(widths)]
            if chosen.fixed
            else [],
            "streams": streams,
            "noise": None,
        }

    def teach(network: Network, state: dict[str, Any], trial: Trial) -> Deltas:
        below = list(zip(network.functions[:-1], trial.activities[1:-1], strict=True))
        send = sender(chosen, number, state, trial, each)
        ways = state["B"]
        if weights == "transposed":
            ways = [transposes(network, trial.weights)] * len(ways)
        paths = direct(network) if weights == "direct" else network.layers[1:]
        deltas = [trial.error]
        for k in reversed(range(len(paths))):
            s = trial.error if weights == "direct" else deltas[-1]
            if len(ways) == 1:
                carried = paths[k].back(send(k, s), ways[0][k])
            else:
                halves = send(k, s.clamp(min=0)), send(k, (-s).clamp(min=0))
                carried = paths[k].back(halves[0], ways[0][k])
                carried = carried - paths[k].back(halves[1], ways[1][k])
            function, h = below[k]
            deltas.append(function.carry(carried, h))
        return deltas[::-1]

    return Rule("channel", init, teach)


def matrices(
    network: Network, streams: Streams, weights: str, bound: Bound | None, way: int
) -> Matrices:
    """Draw feedback weights for each layer but the first, direct ones from the output.

    Those of the first ``way`` are feedback alignment's, and direct feedback alignment's.
    """
    if weights == "transposed":
        return []
    paths = direct(network) if weights == "direct" else network.layers[1:]
    return [
        streams.uniform("feedback", path.feedback_shape, each, index + way * len(paths))
        for index, (path, each) in enumerate(zip(paths, bounds(paths, bound), strict=True), start=1)
    ]


def basis(streams: Streams, unit: int, block: int) -> Tensor:
    """Draw orthonormal directions ``(member, unit, unit)``, one in each column."""
    return torch.linalg.qr(streams.normal("noise", (unit, unit), block))[0]


def sender(
    channel: Channel, amount: Number, state: dict[str, Any], trial: Trial, each: bool
) -> Callable[[int, Tensor], Tensor]:
    """Return the function that sends a signal to a hidden layer, counted from 0."""
    if not channel.noisy:
        return lambda k, s: channel.send(s, state["basis"][k] if channel.fixed else s, amount)
    widths: Sequence[int] = [s.shape[-1] for s in trial.activities[2:]]
    count = max(widths, default=1) * trial.error.shape[1]
    if state["noise"] is None:
        shape = (len(widths) if each else 1, count)
        state["noise"] = Sequences(state["streams"], "noise", shape, block_of(count * shape[0]))
    z = state["noise"][trial.step]

    def send(k: int, s: Tensor) -> Tensor:
        numbers = z[:, k if each else 0, : s[0].numel()]
        return channel.send(s, numbers.view(s.shape), amount)

    return send
