"""Dale's law: all weights that leave a unit have one sign, that of the unit.

Under it the signs of the weights are fixed for good. A weight that would cross zero stays at zero,
a connection that is not there, and sign-symmetric feedback has none there either: what feedback has
to know of a weight is whether there is one. Were there one everywhere, feedback to a unit would be
the sum of all signals above it, which is zero for the errors of a softmax, and the same up to its
sign for every unit.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def unit_signs(layer: nn.Linear | nn.Conv2d) -> Tensor:
    """Return the sign of the unit that each weight leaves, of a shape that goes with the weights.

    Every other unit excites, 1, and the rest inhibit, -1, so that layers that read the same units
    agree. A unit of a convolution is a channel.
    """
    each = layer.weight.shape[1]
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    rows = torch.arange(len(layer.weight), device=layer.weight.device)
    first = rows // (len(rows) // groups) * each  # the first unit that a row of weights reads
    units = first[:, None] + torch.arange(each, device=layer.weight.device)
    signs = (1 - 2 * (units % 2)).to(layer.weight.dtype)
    return signs.view(*signs.shape, *[1] * (layer.weight.ndim - 2))


def obey(model: nn.Module) -> Callable[[], None]:
    """Take the weights that have not the sign of the unit they leave, and return what keeps it so.

    They become zero, about half of those of a usual start; all others stay as they are. The
    function that is returned is to be called after each step of an optimiser: a weight that has
    crossed zero is put back to zero, from where it may grow again. Gains of batch normalisation are
    kept from falling below zero likewise, as one that did would turn the sign of all that a unit
    hears. The first layer reads no units and is left alone, and so are paths that carry units on as
    they are. Raises ``ValueError`` for a model without a second one.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)][1:]
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no layer that reads units: Dale's law is about the second "
            "nn.Linear or nn.Conv2d of a model and those after it"
        )
    signs = [unit_signs(layer) for layer in layers]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    gains = [norm.weight for norm in norms if norm.affine]

    @torch.no_grad()
    def keep() -> None:
        for layer, sign in zip(layers, signs, strict=True):
            layer.weight.copy_((layer.weight * sign).clamp_(min=0) * sign)
        for gain in gains:
            gain.clamp_(min=0)

    keep()
    return keep
