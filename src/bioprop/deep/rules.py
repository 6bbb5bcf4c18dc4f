"""The rules by which a layer carries its signal back: what ``B`` is, and how it starts.

Names and random streams are those of the population library (:mod:`bioprop.learning`), sizes and
distributions those of the official code of Xiao et al. 2018, under every rule: convolutions have
``s = sqrt(2 / (kernel height * kernel width * channel_out))`` and B from N(0, s^2), linear layers
``s = 1 / sqrt(unit_in)`` and B from U(-s, s). The library has them for sign-symmetry; its other
rules have a range for B, Glorot's unless one is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bioprop.choose import choose
from bioprop.learning import Convolution, Dense, Streams, generator


@dataclass(frozen=True)
class Rule:
    """How a layer makes its feedback weights.

    ``kind`` is one of the four of :mod:`bioprop.deep.functions`. ``start(layer, seed, index)``
    draws what is kept beside the weights, of their shape, or is None. ``learns``: what is kept
    is a parameter that gets the gradient of the weights. ``redrawn``: it is drawn for each batch.
    ``every``: before the first batch and each so many later ones ``start`` makes it anew, of the
    weights as they are by then; 0 for never.
    """

    name: str
    kind: str
    start: Callable[[nn.Module, int, int], Tensor] | None = None
    learns: bool = False
    redrawn: bool = False
    every: int = 0


def shape_of(layer: Any) -> Dense | Convolution:
    """Return the population library's layer of the same shape: one place of a convolution."""
    if isinstance(layer, nn.Linear):
        return Dense(layer.in_features, layer.out_features)
    kernel, step = layer.kernel_size, layer.dilation
    reach = [step[k] * (kernel[k] - 1) + 1 for k in range(2)]
    image = (layer.in_channels, reach[0], reach[1])
    return Convolution(image, layer.out_channels, kernel, dilation=step, groups=layer.groups)


def sign_scale(layer: nn.Module) -> float:
    """Return ``s``."""
    return shape_of(layer).sign_scale


def random(layer: Any, seed: int, index: int) -> Tensor:
    """Draw feedback weights with the distribution that the official code gives the kind of layer.

    The numbers are block ``index`` of the stream ``feedback``, as those of layer ``index`` of a
    population are.
    """
    streams, scale = Streams((seed,)), sign_scale(layer)
    if isinstance(layer, nn.Linear):
        return streams.uniform("feedback", layer.weight.shape, scale, index)[0]
    return streams.normal("feedback", layer.weight.shape, index)[0] * scale


def signed(layer: Any, seed: int, index: int) -> Tensor:
    """Return the signs of the weights as they are now, times ``s``."""
    return torch.sign(layer.weight.detach()) * sign_scale(layer)


def toss(layer: Any, seed: int, index: int, share: float = 0.5) -> Tensor:
    """Draw 1 with the probability ``share`` and -1 else, for each weight.

    What is 1 for one share is 1 for every larger one, so that shares can be compared.
    """
    chance = Streams((seed,)).uniform("feedback", layer.weight.shape, 1.0, index)[0]  # in (-1, 1)
    right = (chance < 2 * share - 1) | (share >= 1)  # float32 rounds the largest chances up to 1
    return torch.where(right, 1.0, -1.0).double()


def magnitudes(layer: Any, seed: int, index: int) -> Tensor:
    """Draw sizes: ``|N(0, s^2)|`` for a convolution, U(0, s) for a linear layer."""
    z = Streams((seed,)).normal("feedback", layer.weight.shape, index)[0]
    return shape_of(layer).magnitudes(z)


@torch.library.custom_op("bioprop::magnitudes", mutates_args=())
def redraw(like: Tensor, batch: Tensor, seed: int, index: int, scale: float, even: bool) -> Tensor:
    """Draw the sizes of one batch, of the shape of ``like``; the numbers are a function of it.

    They come from a generator of PyTorch on the device of ``like``, seeded by the block of the
    stream ``noise`` that belongs to batch and layer: fast, and not the same on all devices.
    ``even``: U(0, scale), else ``|N(0, scale^2)|``.
    """
    block = int(batch) * 2**16 + index
    numbers = torch.Generator(like.device)
    numbers.manual_seed(int(generator(seed, "noise", block).integers(2**63)))
    drawn = torch.empty_like(like, memory_format=torch.contiguous_format)
    if even:
        return drawn.uniform_(0.0, scale, generator=numbers)
    return drawn.normal_(0.0, scale, generator=numbers).abs_()


@redraw.register_fake
def _(like: Tensor, batch: Tensor, seed: int, index: int, scale: float, even: bool) -> Tensor:
    return torch.empty_like(like, memory_format=torch.contiguous_format)


RULES = {
    rule.name: rule
    for rule in (
        Rule("bp", "weights"),  # PyTorch's own convolution, where it is the fastest
        Rule("sham", "weights"),  # the same gradients through the functions of the other rules
        Rule("fa", "given", random),
        Rule("fa-signed", "given", signed),
        Rule("ss", "signs"),
        Rule("ss-fixed", "signs", magnitudes),
        Rule("ss-redrawn", "signs", redrawn=True),
        Rule("sizes", "sizes", toss),  # the sizes that the weights have now, under random signs
        Rule("kp", "given", random, learns=True),
        Rule("dfa", "weights"),  # within a block; the blocks are taught by the error itself
    )
}


def sharing(name: str, number: str) -> Rule:
    """Return sign-symmetry of which a share of the signs, the same ones for ever, is right."""
    share = _number(name, number, float)
    if not 0 <= share <= 1:
        raise ValueError(f"rule {name!r}: a share of signs is from 0 to 1, not {number}")

    def start(layer: Any, seed: int, index: int) -> Tensor:
        return toss(layer, seed, index, share) * sign_scale(layer)

    return Rule(name, "signs", start)


def refreshing(name: str, number: str) -> Rule:
    """Return sign-symmetry whose signs are looked up again at every so-manieth batch only."""
    every = _number(name, number, int)
    if every < 1:
        raise ValueError(f"rule {name!r}: signs are refreshed every 1 batches or more, not {every}")
    return Rule(name, "given", signed, every=every)


# Rules that differ in a number, which their name ends with: "ss-share:0.8", "ss-every:10".
FAMILIES = {"ss-share": sharing, "ss-every": refreshing}
_members: dict[str, Rule] = {}


def called(name: str) -> Rule:
    """Return the rule called ``name``: one of ``RULES``, or of a family such as ``ss-share:0.8``.

    Raises ``ValueError`` for an unknown name, and for a number that a family does not have.
    """
    if name in RULES:
        return RULES[name]
    if name not in _members:
        family, _, number = str(name).partition(":")
        allowed = [*RULES, *(f"{each}:<number>" for each in FAMILIES)]
        if family not in FAMILIES:
            choose("learning rule", name, allowed)
        _members[name] = FAMILIES[family](name, number)
    return _members[name]


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "a number" if kind is float else "a whole number"
        raise ValueError(
            f"rule {name!r} needs {what} after a colon, as in "
            f"'{name.partition(':')[0]}:{'0.8' if kind is float else '10'}'"
        ) from None
