"""What the layers of a converted model are taught, beside what backpropagation would teach them."""

import copy
from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep.layers import Layer, backprop, feedback_of
from bioprop.learning import angle

Signals = Mapping[str, tuple[Tensor, Tensor]]


def beside_backprop(model: nn.Module, images: Tensor, classes: Tensor) -> Signals:
    """Return for each converted layer but the last its own signal and backpropagation's.

    A signal is the slope of the loss with respect to the layer's output, ``(batch, ...)``. Both are
    carried from the same error all the way down at the same weights, in training mode: the one by
    the layers' rules, the other exactly. The model is left as it was. At the last layer every rule
    has the error itself, so it is left out.
    """
    model = copy.deepcopy(model).train()  # running means of batch norm move in training mode
    ours = _signals(model, images, classes)
    with backprop(model):
        exact = _signals(model, images, classes)
    return {name: (ours[name], exact[name]) for name in list(ours)[:-1]}


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


def converted(model: nn.Module) -> Iterator[tuple[str, Layer]]:
    """Yield the name of each converted layer and the layer, in the order of the model."""
    for name, module in model.named_modules():
        if isinstance(module, Layer):
            yield name, module


def _signals(model: nn.Module, images: Tensor, classes: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    hooks = []
    for name, layer in converted(model):

        def caught(layer: nn.Module, inputs: object, output: Tensor, name: str = name) -> None:
            output.register_hook(lambda signal: found.__setitem__(name, signal.detach().clone()))

        hooks.append(layer.register_forward_hook(caught))
    F.cross_entropy(model(images), classes).backward()
    for hook in hooks:
        hook.remove()
    return {name: found[name] for name, _ in converted(model)}
