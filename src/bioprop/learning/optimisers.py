"""Optimisers: how a teaching signal and the activity below it change the weights.

An optimiser is a value with two functions. ``init`` makes the running averages it keeps, zero at
first; ``update`` changes weights and biases in place. Gradients are those of the mean loss of the
batch. Every hyperparameter is a number, or a tensor with one value for each member: of shape
``(member,)`` or ``(member, 1, 1)``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam as pytorch_adam

from bioprop.learning.layers.layer import Layer
from bioprop.learning.members import for_members, positive, spread
from bioprop.learning.network import Deltas, Network, Trial

Number = float | Tensor
Rates = Number | Sequence[Number]  # one for all layers, or one for each
Averages = dict[str, list[Tensor | None]]


@dataclass(frozen=True)
class Optimiser:
    """``init(network)`` returns a state, ``update(network, state, trial, deltas)`` learns.

    The state is made of lists, dictionaries and tensors, so that it can be saved.
    """

    name: str
    init: Callable[[Network], Any]
    update: Callable[[Network, Any, Trial, Deltas], None]


def sgd(rate: Rates, *, decay: Number = 0.0, momentum: Number = 0.0) -> Optimiser:
    """Gradient descent, ``W = (1 - decay) W - rate v`` with ``v = momentum v + gradient``.

    ``rate`` may be a sequence, one for each layer from the lowest to the output; another number of
    them raises ``ValueError`` where the training begins. Each update takes the share ``decay`` off
    the weights (not off the biases), whatever the rate. Connections that the network's ``masks``
    have removed stay at zero. As in PyTorch the rate is no part of the running sum ``v``. Without
    momentum there is none: the product of activity and teaching signal is added to the weights
    where it is made.
    Raises ``ValueError`` for a negative number, and for a decay or momentum above 1.
    """
    rates = list(rate) if isinstance(rate, Sequence) else [rate]
    for each in rates:
        positive("the rate", each, zero=True)
    positive("the decay, a share of the weights,", decay, zero=True, most=1)
    positive("the momentum", momentum, zero=True, most=1)
    rates = [spread(each, 3) for each in rates]
    decay, momentum = (spread(number, 3) for number in (decay, momentum))
    check = for_population(decay=decay, momentum=momentum)

    def init(network: Network) -> None:
        check(network)
        fit(rates, network)

    if isinstance(momentum, Tensor) or momentum != 0:
        return _heavy_ball(rates, 1.0 - decay, momentum, init)

    def update(network: Network, state: None, trial: Trial, deltas: Deltas) -> None:
        for index, layer, h, delta in taught(network, trial, deltas):
            scale, bias = rate_of(rates, index) / trial.target.shape[1], network.biases[index]
            step = delta * -scale
            layer.add_gradient_(network.weights[index], h, step, 1.0 - decay)
            mask_(network, index)
            if bias is not None:
                bias.add_(layer.bias_gradient(step))

    return Optimiser("sgd", init, update)


def fit(rates: Sequence[Number], network: Network) -> None:
    """Raise ``ValueError`` unless there is one rate for all layers, or one for each.

    Each is a number, or one for each member of the network.
    """
    if len(rates) not in (1, len(network.layers)):
        raise ValueError(
            f"{len(rates)} rates given for {len(network.layers)} layers: give one for each layer, "
            "from the lowest to the output, or one number for all"
        )
    for each in rates:
        for_members("rate", each, network.members)


def rate_of(rates: Sequence[Number], index: int) -> Number:
    """Return a layer's own rate, or the one that all layers share."""
    return rates[index] if len(rates) > 1 else rates[0]


def _heavy_ball(
    rates: Sequence[Number], keep: Number, momentum: Number, check: Callable[[Network], None]
) -> Optimiser:
    """Return gradient descent with momentum; its running sums take the product in place."""

    def init(network: Network) -> Averages:
        check(network)
        return zeros(network)

    def update(network: Network, v: Averages, trial: Trial, deltas: Deltas) -> None:
        for index, layer, h, delta in taught(network, trial, deltas):
            mean, bias = delta / trial.target.shape[1], network.biases[index]
            v_W, v_b = v["weights"][index], v["biases"][index]
            assert v_W is not None
            layer.add_gradient_(v_W, h, mean, momentum)
            rate = rate_of(rates, index)
            move_(network.weights[index], v_W, rate, keep)
            mask_(network, index)
            if bias is not None and v_b is not None:
                v_b.mul_(momentum).add_(layer.bias_gradient(mean))
                move_(bias, v_b, rate)

    return Optimiser("sgd", init, update)


def adam(
    rate: Number = 1e-3,
    *,
    decay: Number = 0.0,
    betas: tuple[Number, Number] = (0.9, 0.999),
    eps: Number = 1e-8,
) -> Optimiser:
    """Adam (Kingma & Ba 2015) as in PyTorch: steps of ``rate * m / (sqrt(v) + eps)``.

    ``m`` and ``v`` are running means of the gradient and of its square, with memories ``betas``,
    corrected for having started at 0: the correction counts how often a layer has been taught.
    ``decay`` and masks act as in :func:`sgd`; a decay of ``rate * c`` is AdamW's ``c``.
    The step is PyTorch's own, one pass over all that it reads: one call for all members, or one for
    each where any number differs from member to member.
    Raises ``ValueError`` for a negative number, a decay above 1 and betas of 1 or more.
    """
    positive("the rate", rate, zero=True)
    positive("the decay, a share of the weights,", decay, zero=True, most=1)
    if len(betas) != 2:
        raise ValueError(f"adam has two betas, not {len(betas)}")
    for beta in betas:
        positive("each of the betas", beta, zero=True, below=1)
    positive("eps", eps, zero=True)
    check = for_population(rate=rate, decay=decay, beta1=betas[0], beta2=betas[1], eps=eps)
    values = settings_of({"lr": rate, "beta1": betas[0], "beta2": betas[1], "eps": eps})
    decay = spread(decay, 3)

    def init(network: Network) -> dict[str, Averages]:
        check(network)
        counts = zeros(network, lambda p: p.new_zeros(len(values), dtype=torch.float32))
        return {"m": zeros(network), "v": zeros(network), "updates": counts}

    def update(network: Network, state: Any, trial: Trial, deltas: Deltas) -> None:
        rows = []
        for index, layer, h, delta in taught(network, trial, deltas):
            W, bias = network.weights[index], network.biases[index]
            if isinstance(decay, Tensor) or decay != 0:
                W.mul_(spread(1.0 - decay, W.ndim))
            averages = [state[name]["weights"][index] for name in state]
            rows.append([W, laid_as(W, layer.gradient(h, delta)), *averages])
            if bias is not None:
                averages = [state[name]["biases"][index] for name in state]
                rows.append([bias, layer.bias_gradient(delta).contiguous(), *averages])
        if rows:
            pytorch_step(rows, values, trial.target.shape[1])
        for index, *_ in taught(network, trial, deltas):
            mask_(network, index)

    return Optimiser("adam", init, update)


def for_population(**numbers: Number) -> Callable[[Network], None]:
    """Return a check that numbers are one for all, or one for each member of a network."""

    def check(network: Network) -> None:
        for name, number in numbers.items():
            for_members(name, number, network.members)

    return check


Settings = dict[str, float]


def settings_of(numbers: dict[str, Number]) -> list[Settings]:
    """Return the settings of all members, or those of each where any number is one for each."""
    spread_out = {name: spread(x, 1) for name, x in numbers.items()}
    apart = {name: x.flatten().tolist() for name, x in spread_out.items() if isinstance(x, Tensor)}
    members = max(map(len, apart.values()), default=1)
    lists = {name: apart.get(name, [number]) for name, number in numbers.items()}
    lists = {name: each * (members // len(each)) for name, each in lists.items()}
    return [dict(zip(lists, each, strict=True)) for each in zip(*lists.values(), strict=True)]


def pytorch_step(rows: list[list[Tensor]], values: list[Settings], batch: int) -> None:
    """Take PyTorch's step: in each row a parameter, its gradient, both means, and the count.

    It divides the gradients, sums over the batch, as it reads them.
    """
    scale = torch.full((), float(batch), dtype=torch.float32, device=rows[0][0].device)
    for member, settings in enumerate(values):
        each = rows if len(values) == 1 else [[tensor[member] for tensor in row] for row in rows]
        p, gradient, m, v, count = map(list, zip(*each, strict=True))
        pytorch_adam(
            p, gradient, m, v, [], count, fused=True, amsgrad=False, maximize=False,
            weight_decay=0.0, lr=settings["lr"], beta1=settings["beta1"], beta2=settings["beta2"],
            eps=settings["eps"], grad_scale=scale,
        )  # fmt: skip


def laid_as(W: Tensor, gradient: Tensor) -> Tensor:
    """Return a gradient whose elements lie in memory as those of ``W`` do."""
    return gradient if gradient.stride() == W.stride() else torch.empty_like(W).copy_(gradient)


def taught(
    network: Network, trial: Trial, deltas: Deltas
) -> Iterator[tuple[int, Layer, Tensor, Tensor]]:
    """Yield index, layer, activity below and teaching signal of each layer that is taught."""
    for index, delta in enumerate(deltas):
        if delta is not None:
            yield index, network.layers[index], trial.activities[index], delta


def move_(p: Tensor, direction: Tensor, rate: Number, keep: Number = 1.0) -> None:
    """Set ``p`` to ``keep p - rate direction`` in place."""
    if isinstance(keep, Tensor) or keep != 1.0:
        p.mul_(spread(keep, p.ndim))
    if isinstance(rate, Tensor):
        p.addcmul_(direction, spread(rate, p.ndim), value=-1)  # type: ignore[arg-type]
    else:
        p.add_(direction, alpha=-rate)


def mask_(network: Network, index: int) -> None:
    """Set the weights of removed connections to 0."""
    mask = network.masks[index]
    if mask is not None:
        network.weights[index].mul_(mask)


def zeros(network: Network, like: Callable[[Tensor], Tensor] = torch.zeros_like) -> Averages:
    """Return running averages of weights and biases before the first update."""
    return {
        "weights": [like(W) for W in network.weights],
        "biases": [None if bias is None else like(bias) for bias in network.biases],
    }
