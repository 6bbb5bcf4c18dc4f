"""Locally connected layers as modules of PyTorch, for networks trained with autograd."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn import functional as F

from bioprop.choose import choose
from bioprop.learning.layers.arguments import one_or_two, whole
from bioprop.learning.layers.local import LocallyConnected
from bioprop.learning.layers.windows import Padding, Pair, pair

# By how much more than its side an image can be padded in each way; zeros go on for ever.
MODES = {"zeros": None, "reflect": -1, "replicate": None, "circular": 0}


class Local(nn.Module):
    """What the layer and its transpose share: parameters, and what they say of themselves.

    ``layer`` holds the products, a :class:`~bioprop.learning.layers.local.LocallyConnected`.
    """

    layer: LocallyConnected
    weight: nn.Parameter
    bias: nn.Parameter | None
    in_channels: int
    out_channels: int
    image_size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding
    dilation: tuple[int, int]
    groups: int
    output_padding = (0, 0)
    padding_mode = "zeros"

    @property
    def fan_in(self) -> float:
        """Inputs that one output reads."""
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw weights and biases afresh, from U(-1, 1) / sqrt(fan_in)."""
        bound = self.fan_in**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    @torch.no_grad()
    def initialise_(self, initialiser: Callable[..., Any], *given: Any, **options: Any) -> None:
        """Fill the weights of every place as an initialiser of ``torch.nn.init`` fills ``Conv2d``.

        Such a function reads the fans off the shape of what it is given, and from the shape of
        these weights it would read other numbers. So it is given a kernel for each place, of the
        shape that ``Conv2d`` has (the transposed layer: ``ConvTranspose2d``, of which it takes
        ``fan_out`` for ``fan_in``, and knows no stride; there draw with :attr:`fan_in`).
        ``given`` and ``options`` are its further arguments, such as ``nonlinearity="relu"``.
        """
        patches = self.weight.unflatten(1, (*self.layer.window, self.layer.features))
        kernels = patches.permute(0, 4, 3, 1, 2)
        drawn = torch.empty_like(kernels[0], memory_format=torch.contiguous_format)
        for kernel in kernels:
            initialiser(drawn, *given, **options)
            kernel.copy_(drawn)

    def extra_repr(self) -> str:
        """Return the settings of the layer as ``Conv2d`` does, what was not given left out."""
        said = f"{self.in_channels}, {self.out_channels}, image_size={self.image_size}"
        said += f", kernel_size={self.kernel_size}, stride={self.stride}"
        usual: dict[str, Any] = {
            "padding": (0, 0),
            "dilation": (1, 1),
            "output_padding": (0, 0),
            "groups": 1,
            "bias": True,
            "padding_mode": "zeros",
        }
        for name, value in usual.items():
            mine = self.bias is not None if name == "bias" else getattr(self, name)
            said += "" if mine == value else f", {name}={mine}"
        return said

    def _take(
        self, layer: LocallyConnected, bias: tuple[int, ...] | None, made: dict[str, Any]
    ) -> None:
        """Take up the products of a layer, with parameters for them."""
        self.layer = layer
        self.kernel_size, self.stride, self.dilation = layer.window, layer.strides, layer.dilated
        self.padding, self.groups = layer.padding, layer.groups
        if isinstance(self.padding, int):
            self.padding = (self.padding, self.padding)
        self.weight = nn.Parameter(torch.empty(layer.weight_shape, **made))
        values = None if bias is None else nn.Parameter(torch.empty(bias, **made))
        self.register_parameter("bias", values)
        self.reset_parameters()

    def _check(self, x: Tensor) -> None:
        """Refuse images of another shape than the layer was made for.

        A trace records what is done with shapes, and would warn of the question.
        """
        if torch.jit.is_tracing():
            return
        image = (self.in_channels, *self.image_size)
        if x.ndim != 4 or tuple(x.shape[1:]) != image:
            named = ", ".join(map(str, image))
            raise ValueError(
                f"images of shape {tuple(x.shape)} given where (batch, {named}) is needed: (batch, "
                f"channel, height, width), or ({named}) for one image alone; the layer was made "
                f"with image_size={tuple(self.image_size)}"
            )

    def _apply_product(self, name: str, x: Tensor, image_out: tuple[int, int, int]) -> Tensor:
        """Return a product of images with the weights, and the bias added."""
        x, weight, bias = _cast(x, self.weight, self.bias)
        if x.dtype != weight.dtype:
            raise ValueError(
                f"images of {x.dtype} given to a layer of {weight.dtype}; turn them into that type "
                f"with .to({weight.dtype}), or the layer into theirs"
            )
        if torch.jit.is_tracing():
            images = TRACED[name](self.layer, x, weight)
        else:
            flat = x.permute(0, 2, 3, 1).flatten(1)
            units = Product.apply(name, self.layer, flat.unsqueeze(0), weight.unsqueeze(0))
            images = units[0].unflatten(1, (*image_out[1:], image_out[0])).permute(0, 3, 1, 2)
        return images if bias is None else images + bias


class LocallyConnected2d(Local):
    """A ``torch.nn.Conv2d`` with weights of its own at every place.

    Arguments are those of ``Conv2d`` behind ``image_size``, the height and width of its inputs;
    ``padding`` also takes ``"same"`` with a stride, as in TensorFlow, and four numbers (top,
    bottom, left, right). ``weight`` has shape ``(position, patch, channel_out)``, a patch listing
    ``(kernel height, kernel width, channel_in / groups)``, and ``bias`` ``(channel_out, height,
    width)``. Both start as those of ``Conv2d`` do, in U(-1, 1) / sqrt(inputs of a unit).
    Initialisers that read the fans off a shape do not know this one, and would let activity shrink:
    use :meth:`initialise_`, or :attr:`fan_in` and :attr:`fan_out`. There are ``positions * kernel
    height * kernel width * in_channels * out_channels / groups`` weights, and as many
    multiplications for each image, forward, back to the images and for the gradient. Beside images
    and signals a step holds twice the weights, them and their gradient, and for the time of a
    product a padded copy of the images, where that is faster with the patches of one row of places;
    ``unfold`` would hold ``positions * kernel height * kernel width * in_channels`` numbers for
    each image, twice. The products are those of
    :class:`~bioprop.learning.layers.local.LocallyConnected`, kept as ``layer``; its images are the
    padded ones where ``padding_mode`` is another than ``"zeros"``.
    Raises ``ValueError`` where arguments do not fit together.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        image = (whole("in_channels", in_channels), *pair(one_or_two("image_size", image_size)))
        layer = LocallyConnected(
            image, out_channels, kernel_size, stride, _zero(padding),
            dilation=dilation, groups=groups,
        )  # fmt: skip
        self.in_channels, self.out_channels = image[0], layer.channels
        self.image_size = image[1:]
        self.padding_mode = choose("padding_mode", padding_mode, MODES)
        self._sides = _sides(layer, padding_mode)
        padding = layer.padding
        if self._sides:
            layer = dataclasses.replace(layer, image=(image[0], *layer.padded), padding=0)
        self._take(layer, layer.image_out if bias else None, {"device": device, "dtype": dtype})
        self.padding = (padding, padding) if isinstance(padding, int) else padding

    @property
    def fan_in(self) -> float:
        """Inputs that one output reads, those that are padding included."""
        return self.layer.fan_in

    @property
    def fan_out(self) -> float:
        """Outputs that read one input, in the mean over all inputs."""
        return _connections(self.layer) / (self.in_channels * math.prod(self.image_size))

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images; one alone may come bare.

        Under autocast the result is of autocast's type, as that of ``Conv2d``.
        Raises ``ValueError`` for images of another shape or type than the layer was made for.
        """
        if _single(x):
            return self.forward(x.unsqueeze(0)).squeeze(0)
        self._check(x)
        if self._sides:
            x = F.pad(x, self._sides, mode=self.padding_mode)
        return self._apply_product("up", x, self.layer.image_out)


class LocallyConnectedTranspose2d(Local):
    """A ``torch.nn.ConvTranspose2d`` with weights of its own at every place: a decoder.

    It is the transpose of the :class:`LocallyConnected2d` that goes from ``out_channels`` to
    ``in_channels`` with the same kernel, stride and padding: it spreads each unit of its input over
    a patch of its output, and adds where patches overlap. Arguments are those of
    ``ConvTranspose2d`` behind ``image_size``, the height and width of its inputs; those of its
    outputs are ``(size - 1) * stride + dilation * (kernel - 1) + 1 + output_padding`` less the
    padding, and ``size * stride`` with padding ``"same"``. ``weight`` has the shape of that
    layer's, ``(position, patch, in_channels)``, so that two modules can share one: ``decoder.weight
    = encoder.weight`` is its transpose, and :meth:`of` makes one that fits an encoder. ``bias`` has
    shape ``(out_channels, height, width)``. Both start in U(-1, 1) / sqrt(inputs of an output, on
    average). Initialisers, weights, memory and time are as with :class:`LocallyConnected2d`, whose
    ``layer`` it holds.
    Raises ``ValueError`` where arguments do not fit together.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(
                f"padding_mode {padding_mode!r}; a transposed layer takes padding off, so it knows "
                "'zeros' alone, as ConvTranspose2d does"
            )
        size = pair(one_or_two("image_size", image_size))
        more = pair(one_or_two("output_padding", output_padding))
        # Large enough for every kernel: arguments are read there
        big = LocallyConnected(
            (1, 10**9, 10**9), 1, kernel_size, stride, _zero(padding), dilation=dilation
        )
        image = (whole("out_channels", out_channels), *_below(big, size, more))
        layer = dataclasses.replace(
            big, image=image, channels=whole("in_channels", in_channels), groups=groups
        )
        if layer.places != size or min(more) < 0:
            raise ValueError(
                f"output_padding {more} must be 0 or more and less than the stride "
                f"{layer.strides}, and 0 with padding 'same'"
            )
        self._fit(layer, bias, {"device": device, "dtype": dtype})

    @classmethod
    def of(
        cls,
        encoder: LocallyConnected2d,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> "LocallyConnectedTranspose2d":
        """Return a decoder from the images above ``encoder`` to those below, with new weights.

        Raises ``ValueError`` for another layer, and where it pads with anything but zeros.
        """
        if not isinstance(encoder, LocallyConnected2d):
            raise ValueError(f"an encoder is a LocallyConnected2d, not a {type(encoder).__name__}")
        if encoder.padding_mode != "zeros":
            raise ValueError(
                f"an encoder with padding_mode {encoder.padding_mode!r} has no transpose here; "
                "allowed: 'zeros'"
            )
        made, like = cls.__new__(cls), encoder.weight
        nn.Module.__init__(made)
        dtype = like.dtype if dtype is None else dtype
        made._fit(encoder.layer, bias, {"device": device or like.device, "dtype": dtype})
        return made

    @property
    def fan_in(self) -> float:
        """Inputs that one output reads, in the mean over all outputs."""
        return _connections(self.layer) / self.layer.inputs

    @property
    def fan_out(self) -> float:
        """Outputs that read one input, those that are taken off as padding included."""
        return self.layer.fan_in

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images; one alone may come bare.

        Under autocast the result is of autocast's type, as that of ``ConvTranspose2d``.
        Raises ``ValueError`` for images of another shape or type than the layer was made for.
        """
        if _single(x):
            return self.forward(x.unsqueeze(0)).squeeze(0)
        self._check(x)
        return self._apply_product("down", x, self.layer.image)

    def _fit(self, layer: LocallyConnected, bias: bool, made: dict[str, Any]) -> None:
        """Become the transpose of a layer."""
        self.in_channels, self.out_channels = layer.channels, layer.image[0]
        self.image_size = layer.places
        least = _below(layer, layer.places, (0, 0))
        high, wide = (n - usual for n, usual in zip(layer.image[1:], least, strict=True))
        self.output_padding = (high, wide)
        self._take(layer, layer.image if bias else None, made)


def _single(x: Tensor) -> bool:
    """Say whether one image came bare; raise ``ValueError`` for what is no tensor."""
    if not isinstance(x, Tensor):
        raise ValueError(f"images are a tensor, not a {type(x).__name__}; see torch.as_tensor")
    return x.ndim == 3


def _zero(padding: Padding) -> Padding:
    """Return padding in this library's words: that of ``"valid"`` is 0."""
    return 0 if isinstance(padding, str) and padding == "valid" else padding


def _sides(layer: LocallyConnected, mode: str) -> list[int]:
    """Return what an image is padded by at the left, right, top and bottom; zeros: not here.

    Raises ``ValueError`` where an image is too small to be padded in this way.
    """
    top, bottom, left, right = layer.pads
    if mode == "zeros" or not any(layer.pads):
        return []
    allowed = MODES[mode]
    most = [] if allowed is None else [side + allowed for side in layer.image[1:]]
    if any(max(two) > n for two, n in zip(((top, bottom), (left, right)), most, strict=False)):
        raise ValueError(
            f"padding {layer.pads} (top, bottom, left, right) is too much for an image of "
            f"{layer.image[1:]} under padding_mode {mode!r}: at most {tuple(most)}"
        )
    return [left, right, top, bottom]


def _below(
    layer: LocallyConnected, size: tuple[int, int], more: tuple[int, int]
) -> tuple[int, int]:
    """Return height and width of images that kernel, stride and padding turn into ``size``."""
    top, bottom, left, right = (0,) * 4 if layer.padding == "same" else layer.pads
    reach = layer.strides if layer.padding == "same" else layer.reach
    pads = (top + bottom, left + right)
    sides = zip(size, layer.strides, reach, pads, more, strict=True)
    high, wide = ((n - 1) * step + last - pad + extra for n, step, last, pad, extra in sides)
    return (high, wide)


def _connections(layer: LocallyConnected) -> int:
    """Return how many pairs of units below and above are connected; padding holds no units."""
    top, _, left, _ = layer.pads
    count = layer.features * layer.channels
    for axis, before in enumerate((top, left)):
        step, far, size = layer.strides[axis], layer.dilated[axis], layer.image[1 + axis]
        read = itertools.product(range(layer.places[axis]), range(layer.window[axis]))
        count *= sum(0 <= place * step + element * far - before < size for place, element in read)
    return count


def _cast(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cast as autocast would cast for ``Conv2d``."""
    kind = x.device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return x, weight, bias
    dtype = torch.get_autocast_dtype(kind)

    def cast(t: Tensor) -> Tensor:
        return t.to(dtype) if t.is_floating_point() and t.dtype != torch.float64 else t

    return cast(x), cast(weight), None if bias is None else cast(bias)


class Product(torch.autograd.Function):
    """One of a layer's three products, each of which has the other two as its derivatives."""

    @staticmethod
    def forward(name: str, layer: LocallyConnected, a: Tensor, b: Tensor) -> Tensor:
        """Return the product ``name`` of two factors."""
        return PRODUCTS[name](layer, a, b)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the factors."""
        ctx.name, ctx.layer, *factors = inputs  # type: ignore[attr-defined]
        ctx.save_for_backward(*factors)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Any, ...]:
        """Return the slopes of both factors, by products that can be differentiated again."""
        (slope,), (a, b) = slopes, ctx.saved_tensors
        given = {"slope": slope, "a": a, "b": b}
        found = (
            Product.apply(name, ctx.layer, given[one], given[other]) if needed else None
            for needed, (name, one, other) in zip(
                ctx.needs_input_grad[2:], DERIVATIVES[ctx.name], strict=True
            )
        )
        return (None, None, *found)

    @staticmethod
    def vmap(
        info: Any, axes: tuple[Any, ...], name: str, layer: LocallyConnected, a: Tensor, b: Tensor
    ) -> tuple[Tensor, int]:
        """Map over a tensor axis: its entries are a population."""
        mapped = (
            t.expand(info.batch_size, *t.shape) if axis is None else t.movedim(axis, 0)
            for t, axis in zip((a, b), axes[2:], strict=True)
        )
        members = Product.apply(name, layer, *(t.flatten(0, 1) for t in mapped))
        return members.unflatten(0, (info.batch_size, -1)), 0


PRODUCTS: dict[str, Callable[[LocallyConnected, Tensor, Tensor], Tensor]] = {
    "up": lambda layer, h, W: layer.forward(h, W),
    "down": lambda layer, delta, W: layer.back(delta, layer.transpose(W)),
    "weights": lambda layer, h, delta: layer.gradient(h, delta),
}
# For each product of a and b: the products that are the slopes of a and of b.
DERIVATIVES = {
    "up": (("down", "slope", "b"), ("weights", "a", "slope")),
    "down": (("up", "slope", "b"), ("weights", "slope", "a")),
    "weights": (("down", "b", "slope"), ("up", "a", "slope")),
}

# A trace holds PyTorch's own operations alone, so there the two products of a module are made of
# these, on patches: slower, and the same to rounding.


def _up(layer: LocallyConnected, x: Tensor, W: Tensor) -> Tensor:
    """Return images above, ``(batch, channel, height, width)``, of images."""
    columns = F.unfold(layer._pad(x), layer.window, layer.dilated, stride=layer.strides)
    patches = columns.unflatten(1, (layer.groups, layer.features, -1))
    units = torch.einsum("bgfkp,pkfgo->bgop", patches, _kernels(layer, W))
    return units.flatten(1, 2).unflatten(2, layer.places)


def _down(layer: LocallyConnected, x: Tensor, W: Tensor) -> Tensor:
    """Return images below, ``(batch, channel, height, width)``, of images above."""
    units = x.flatten(2).unflatten(1, (layer.groups, -1))
    patches = torch.einsum("bgop,pkfgo->bgfkp", units, _kernels(layer, W))
    settings = layer.padded, layer.window, layer.dilated
    return layer._crop(F.fold(patches.flatten(1, 3), *settings, stride=layer.strides))


def _kernels(layer: LocallyConnected, W: Tensor) -> Tensor:
    """View weights as ``(position, element of the kernel, channel_in, group, channel_out)``."""
    return W.unflatten(1, (-1, layer.features)).unflatten(3, (layer.groups, -1))


TRACED = {"up": _up, "down": _down}
