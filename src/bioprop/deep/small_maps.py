"""Convolutions whose output is a small image, each as one matrix product.

On a CPU the library behind PyTorch's convolutions (oneDNN) is slow where images are that small, and
the last stage of ResNet-18 is nothing else when photographs have 64 x 64 pixels. The products here
are the same sums in another order: the input is cut into patches, one row for each place.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows and columns of the largest output for which this was the faster way, measured on a core with
# AMX: forward and back, and for the gradient of the weights.
SIDE = 2
GRADIENT_SIDE = 4


class Geometry(NamedTuple):
    """How a kernel visits an image: pairs (height, width), and the number of groups."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def places(self, image: tuple[int, ...], kernel: tuple[int, ...]) -> list[int]:
        """Return rows and columns of the output."""
        return [
            (image[k] + 2 * self.padding[k] - self.dilation[k] * (kernel[k] - 1) - 1)
            // self.stride[k]
            + 1
            for k in range(2)
        ]

    def seen(self, axis: int, place: int, kernel: tuple[int, ...]) -> slice:
        """Return the rows, or columns, of the padded image that the kernel sees from a place."""
        start, step = place * self.stride[axis], self.dilation[axis]
        return slice(start, start + step * (kernel[2 + axis] - 1) + 1, step)


def pays(x: Tensor, W: Tensor, geometry: Geometry, side: int = SIDE) -> bool:
    """Whether these products replace a convolution of ``x`` with ``W``, for outputs up to ``side``.

    In float64 they never do, so that a comparison with PyTorch's own layers is exact.
    """
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return False
    return geometry.groups == 1 and max(geometry.places(x.shape[2:], W.shape[2:])) <= side


def forward(x: Tensor, W: Tensor, geometry: Geometry) -> Tensor:
    """Return the convolution of ``x`` ``(batch, channel, height, width)`` with the kernel ``W``."""
    high, wide = geometry.places(x.shape[2:], W.shape[2:])
    y = _patches(x, W.shape, geometry) @ _pixels(W).flatten(1).mT
    return y.view(x.shape[0], high, wide, W.shape[0]).permute(0, 3, 1, 2)


def input_gradient(g: Tensor, B: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Carry the signal ``g`` back through the kernel ``B`` to an input of ``shape``."""
    batch, channel, height, width = shape
    rows, columns = geometry.padding
    patches = _pixels(g).flatten(0, 2) @ _pixels(B).flatten(1)
    patches = patches.view(batch, *g.shape[2:], *B.shape[2:], channel)
    high, wide = height + 2 * rows, width + 2 * columns
    x = g.new_zeros(batch, high, wide, channel)
    for row in range(g.shape[2]):
        for column in range(g.shape[3]):
            patch = patches[:, row, column]
            if torch.compiler.is_compiling() and geometry.dilation == (1, 1):
                # a compiler nests what is written into parts of x, and takes minutes to unfold it
                top, left = row * geometry.stride[0], column * geometry.stride[1]
                below, right = high - top - B.shape[2], wide - left - B.shape[3]
                x = x + F.pad(patch, (0, 0, left, right, top, below))
            else:
                seen = (geometry.seen(k, at, B.shape) for k, at in enumerate((row, column)))
                x[:, *seen] += patch
    return x[:, rows : rows + height, columns : columns + width].permute(0, 3, 1, 2)


def weight_gradient(g: Tensor, x: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Return the gradient of a kernel of ``shape``, summed over batch and places."""
    change = _pixels(g).flatten(0, 2).mT @ _patches(x, shape, geometry)
    return change.view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)


def _pixels(x: Tensor) -> Tensor:
    """Put the channels last, in memory too."""
    return x.permute(0, 2, 3, 1).contiguous()


def _patches(x: Tensor, kernel: torch.Size, geometry: Geometry) -> Tensor:
    """Cut an image into patches, ``(batch * place, kernel height * kernel width * channel_in)``."""
    rows, columns = geometry.padding
    image = F.pad(x.permute(0, 2, 3, 1), (0, 0, columns, columns, rows, rows))
    for axis in (0, 1):
        reach = geometry.dilation[axis] * (kernel[2 + axis] - 1) + 1
        image = image.unfold(1 + axis, reach, geometry.stride[axis])
    image = image[..., :: geometry.dilation[0], :: geometry.dilation[1]]
    return image.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel[2] * kernel[3] * kernel[1])
