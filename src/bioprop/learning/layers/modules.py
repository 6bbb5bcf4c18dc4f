"""Locally connected layers as modules of PyTorch, for networks trained with autograd."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from bioprop.learning.layers.arguments import one_or_two, whole
from bioprop.learning.layers.local import LocallyConnected
from bioprop.learning.layers.windows import Padding, Pair, pair


class LocallyConnected2d(nn.Module):
    """A ``torch.nn.Conv2d`` with weights of its own at every place.

    ``image_size`` is the height and width of its inputs, ``padding`` also takes ``"same"`` as in
    TensorFlow; see :class:`~bioprop.learning.layers.windows.Windowed`. ``weight`` has shape
    ``(position, patch, channel_out)``, a patch listing ``(kernel height, kernel width,
    channel_in)``, and ``bias`` ``(channel_out, height, width)``. Both start as those of ``Conv2d``
    do, in U(-1, 1) / sqrt(inputs of a unit); initialisers that read the fans off a shape do not
    know this one. There are ``positions * kernel height * kernel width * in_channels *
    out_channels`` weights, and as many multiplications for each image, forward, back to the images
    and for the gradient. A step keeps weights and their gradient, the images, and for the time of a
    product a padded copy of them, where that is faster with the patches of one row of places. The
    products are those of :class:`~bioprop.learning.layers.local.LocallyConnected`, kept as
    ``layer``.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        image = (whole("in_channels", in_channels), *pair(one_or_two("image_size", image_size)))
        self.layer = LocallyConnected(image, out_channels, kernel_size, stride, padding)
        _make(self, self.layer.image_out if bias else None, device, dtype)

    def reset_parameters(self) -> None:
        """Draw weights and biases afresh."""
        _draw(self, self.layer.fan_in)

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images of the layer below.

        Under autocast both are of autocast's type, as in ``Conv2d``.
        Raises ``ValueError`` for images of another shape than the layer was made for.
        """
        return _apply(self, "up", x, self.layer.image, self.layer.image_out)

    def extra_repr(self) -> str:
        """Return the settings of the layer."""
        return repr(self.layer)


class LocallyConnectedTranspose2d(nn.Module):
    """A ``torch.nn.ConvTranspose2d`` with weights of its own at every place: a decoder.

    It is the transpose of the :class:`LocallyConnected2d` that goes from ``out_channels`` to
    ``in_channels`` with the same kernel, stride and padding: it spreads each unit of its input over
    a patch of its output, and adds where patches overlap. ``image_size`` is the height and width of
    its inputs; those of its outputs are ``(size - 1) * stride + kernel + output_padding`` less
    the padding, and ``size * stride`` with padding ``"same"``. ``weight`` has the shape of that
    layer's, ``(position, patch, in_channels)``, so that two modules can share one: ``decoder.weight
    = encoder.weight`` is its transpose, and :meth:`of` makes one that fits an encoder. ``bias`` has
    shape ``(out_channels, height, width)``. Both start in U(-1, 1) / sqrt(inputs of an output, on
    average). Weights, memory and time are those of :class:`LocallyConnected2d`, which is kept as
    ``layer``, a :class:`~bioprop.learning.layers.local.LocallyConnected`.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        size = pair(one_or_two("image_size", image_size))
        more = pair(one_or_two("output_padding", output_padding))
        below = _below(size, kernel_size, stride, padding, more)
        image = (whole("out_channels", out_channels), *below)
        self.layer = LocallyConnected(image, in_channels, kernel_size, stride, padding)
        if self.layer.places != size or min(more) < 0:
            raise ValueError(
                f"output_padding {more} must be 0 or more and less than the stride "
                f"{self.layer.strides}, and 0 with padding 'same'"
            )
        _make(self, self.layer.image if bias else None, device, dtype)

    @classmethod
    def of(
        cls,
        encoder: LocallyConnected2d,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> "LocallyConnectedTranspose2d":
        """Return a decoder from the images above ``encoder`` to those below, with new weights."""
        made, like = cls.__new__(cls), encoder.weight
        nn.Module.__init__(made)
        made.layer = encoder.layer
        image = made.layer.image if bias else None
        _make(made, image, device or like.device, like.dtype if dtype is None else dtype)
        return made

    def reset_parameters(self) -> None:
        """Draw weights and biases afresh."""
        layer = self.layer
        _draw(self, layer.outputs * layer.fan_in / layer.inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images of the layer below.

        Under autocast both are of autocast's type, as in ``ConvTranspose2d``.
        Raises ``ValueError`` for images of another shape than the layer was made for.
        """
        return _apply(self, "down", x, self.layer.image_out, self.layer.image)

    def extra_repr(self) -> str:
        """Return the settings of the layer that this is the transpose of."""
        return repr(self.layer)


Module = LocallyConnected2d | LocallyConnectedTranspose2d


def _below(
    size: tuple[int, int], kernel: Pair, stride: Pair, padding: Padding, more: tuple[int, int]
) -> tuple[int, int]:
    """Return height and width of images that a layer turns into images of ``size``."""
    fits = LocallyConnected((1, 10**9, 10**9), 1, kernel, stride, padding)  # arguments read there
    if fits.padding == "same":
        sides = zip(size, fits.strides, more, strict=True)
        high, wide = (n * step + extra for n, step, extra in sides)
        return (high, wide)
    top, bottom, left, right = fits.pads
    high, wide = (
        (n - 1) * step + reach - pad + extra
        for n, step, reach, pad, extra in zip(
            size, fits.strides, fits.window, (top + bottom, left + right), more, strict=True
        )
    )
    return (high, wide)


def _make(
    module: Module, bias: tuple[int, ...] | None, device: Any, dtype: torch.dtype | None
) -> None:
    """Give a module its parameters."""
    made: dict[str, Any] = {"device": device, "dtype": dtype}
    module.weight = nn.Parameter(torch.empty(module.layer.weight_shape, **made))
    values = None if bias is None else nn.Parameter(torch.empty(bias, **made))
    module.register_parameter("bias", values)
    module.reset_parameters()


def _draw(module: Module, inputs: float) -> None:
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)


def _apply(
    module: Module, name: str, x: Tensor, image: tuple[int, ...], image_out: tuple[int, ...]
) -> Tensor:
    """Return a product of images with a module's weights, and its bias added."""
    if x.ndim != 4 or tuple(x.shape[1:]) != image:
        raise ValueError(
            f"images of shape {tuple(x.shape)} given where (batch, "
            f"{', '.join(map(str, image))}) is needed: (batch, channel, height, width)"
        )
    weight: Tensor = module.weight
    bias: Tensor | None = module.bias
    kind = x.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        x, weight = x.to(dtype), weight.to(dtype)
        bias = bias if bias is None else bias.to(dtype)
    flat = x.permute(0, 2, 3, 1).flatten(1)
    units = Product.apply(name, module.layer, flat.unsqueeze(0), weight.unsqueeze(0))
    images = units[0].unflatten(1, (*image_out[1:], image_out[0])).permute(0, 3, 1, 2)
    return images if bias is None else images + bias


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
