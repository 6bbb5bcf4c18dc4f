"""What a rule's teaching signals are compared with: those of backpropagation, at equal weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bioprop.deep.direct import Direct
from bioprop.deep.layers import Layer, feedback_of
from bioprop.deep.rules import called
from bioprop.learning import angle

Pairs = dict[str, tuple[Tensor, Tensor]]


def beside_backprop(model: nn.Module, objective: Callable[[], Tensor]) -> Pairs:
    """Return each converted layer's own signal and backpropagation's, by the layer's name.

    ``objective()`` presents a batch to the model and returns the loss. Signals are those at the
    output of the layer, shape ``(batch, unit)`` or ``(batch, channel, height, width)``. The model
    is left as it was: gradients, running statistics, random numbers.
    """
    return signals_and_changes(model, objective)[0]


def signals_and_changes(model: nn.Module, objective: Callable[[], Tensor]) -> tuple[Pairs, Pairs]:
    """Return what :func:`beside_backprop` does, and the same of the gradients of the weights.

    The gradients that each layer is given by the rule, and those of backpropagation, have the shape
    of its weights; a layer whose weights are frozen has none.
    """
    ours = _signals(model, objective)
    with backprop(model):
        exact = _signals(model, objective)
    signals, changes = (
        {name: (each, theirs[name]) for name, each in mine.items()}
        for mine, theirs in zip(ours, exact, strict=True)
    )
    return signals, changes


def signal_angles(model: nn.Module, objective: Callable[[], Tensor]) -> dict[str, Tensor]:
    """Return the angle between each layer's signal and backpropagation's, ``(batch,)`` degrees.

    See :func:`beside_backprop`. An example whose signal is 0 gives NaN.
    """
    pairs = beside_backprop(model, objective)
    return {name: angle(a.flatten(1), b.flatten(1)) for name, (a, b) in pairs.items()}


def signal_angle(ours: Tensor, exact: Tensor) -> Tensor:
    """Return the angle in degrees between two signals, all images of the batch in one vector.

    So an image counts by the size of its signal, as it does in the change of the weights.
    """
    return angle(ours.flatten(), exact.flatten())


def agreement(ours: Tensor, exact: Tensor) -> Tensor:
    """Return how many of the numbers that are not 0 in either signal have one sign, in per cent."""
    product = ours.sign() * exact.sign()
    return 100 * (product > 0).sum().double() / (product != 0).sum()


def weight_angle(layer: nn.Module) -> Tensor:
    """Return the angle in degrees between a layer's weights and its feedback weights."""
    assert isinstance(layer, Layer)
    return angle(layer.weight.detach().flatten(), feedback_of(layer).flatten())


def converted(model: nn.Module) -> dict[str, Layer]:
    """Return the converted layers of a model by name, in the order of the model."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, Layer)}


@contextmanager
def backprop(model: nn.Module) -> Iterator[None]:
    """Let a converted model carry its signals back exactly, for a while."""
    layers = list(converted(model).values())
    rules = [layer.rule for layer in layers]
    direct = [module for module in model.modules() if isinstance(module, Direct)]
    try:
        for layer in layers:
            layer.rule = "sham"
        for each in direct:
            each.active = False
        yield
    finally:
        for layer, rule in zip(layers, rules, strict=True):
            layer.rule = rule
        for each in direct:
            each.active = True


def _signals(
    model: nn.Module, objective: Callable[[], Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the signals at the outputs of layers and the gradients of their weights, by name."""
    signals: dict[str, Tensor] = {}
    layers = converted(model)
    handles = [layer.register_forward_hook(_keep(signals, name)) for name, layer in layers.items()]
    refreshed = [layer.feedback for layer in layers.values() if called(layer.rule).every]
    kept = [*model.buffers(), *(each for each in refreshed if each is not None)]
    before = [each.detach().clone() for each in kept]
    parameters = [p for p in model.parameters() if p.requires_grad]
    cards = sorted({p.device.index for p in model.parameters() if p.is_cuda})
    try:
        with torch.random.fork_rng(cards), torch.enable_grad():
            loss = objective()
            found = torch.autograd.grad(loss, parameters, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
        with torch.no_grad():
            for each, value in zip(kept, before, strict=True):
                each.copy_(value)
    gradients = dict(zip(map(id, parameters), found, strict=True))
    changes = {name: gradients.get(id(layer.weight)) for name, layer in layers.items()}
    return signals, {name: change for name, change in changes.items() if change is not None}


def _keep(signals: dict[str, Tensor], name: str) -> Callable[..., None]:
    """Return a hook that keeps the signal that comes back to a layer's output."""

    def kept(g: Tensor) -> None:
        signals[name] = g

    def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        output.register_hook(kept)

    return hook
