"""Convolutions whose output is at most 2 x 2, each as one matrix product.

On a CPU the library behind PyTorch's convolutions (oneDNN) is slow where the images are that small,
and the last stage of ResNet-18 is nothing else when photographs have 64 x 64 pixels. The products
here are the same sums in another order. Two ways to write them: the input is cut into patches, one
row for each place; or, where the kernel has more elements than the image has pixels, the kernel is
spelt out as the matrix from all pixels below to all pixels above, and the image is one row.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 2  # rows and columns of the largest output; at 4 x 4 the two ways were equally fast


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


def pays(x: Tensor, W: Tensor, geometry: Geometry) -> bool:
    """Whether these products replace a convolution of ``x`` with ``W``.

    In float64 they never do, so that a comparison with PyTorch's own layers is exact.
    """
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.bfloat16):
        return False
    return geometry.groups == 1 and max(geometry.places(x.shape[2:], W.shape[2:])) <= SIDE


def forward(x: Tensor, W: Tensor, geometry: Geometry) -> Tensor:
    """Return the convolution of ``x`` ``(batch, channel, height, width)`` with the kernel ``W``."""
    high, wide = geometry.places(x.shape[2:], W.shape[2:])
    if _spelt(x.shape, W.shape):
        y = _pixels(x).flatten(1) @ _matrix(W, x.shape, geometry).mT
    else:
        y = _patches(x, W.shape, geometry) @ _pixels(W).flatten(1).mT
    return y.view(x.shape[0], high, wide, W.shape[0]).permute(0, 3, 1, 2)


def input_gradient(g: Tensor, B: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Carry the signal ``g`` back through the kernel ``B`` to an input of ``shape``."""
    batch, channel, height, width = shape
    signal = _pixels(g)
    if _spelt(shape, B.shape):
        rows = signal.flatten(1) @ _matrix(B, shape, geometry)
        return rows.view(batch, height, width, channel).permute(0, 3, 1, 2)
    patches = signal.flatten(0, 2) @ _pixels(B).flatten(1)
    patches = patches.view(*signal.shape[:3], *B.shape[2:], channel)
    x = g.new_zeros(batch, height, width, channel)
    for row, column, pixels, taps in _visits(shape, B.shape, geometry):
        x[:, *pixels] += patches[:, row, column, *taps]
    return x.permute(0, 3, 1, 2)


def weight_gradient(g: Tensor, x: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Return the gradient of a kernel of ``shape``, summed over batch and places."""
    signal = _pixels(g)
    if not _spelt(x.shape, shape):
        change = signal.flatten(0, 2).mT @ _patches(x, shape, geometry)
        return change.view(shape[0], *shape[2:], shape[1]).permute(0, 3, 1, 2)
    matrix = signal.flatten(1).mT @ _pixels(x).flatten(1)
    matrix = matrix.view(*signal.shape[1:], *x.shape[2:], shape[1])
    change = g.new_zeros(shape[0], *shape[2:], shape[1])
    for row, column, pixels, taps in _visits(x.shape, shape, geometry):
        change[:, *taps] += matrix[row, column][:, *pixels]
    return change.permute(0, 3, 1, 2)


def _spelt(x: torch.Size, W: torch.Size) -> bool:
    return W[2] * W[3] > x[2] * x[3]


def _pixels(x: Tensor) -> Tensor:
    """Put the channels last, in memory too."""
    return x.permute(0, 2, 3, 1).contiguous()


def _matrix(W: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
    """Spell a kernel out, ``(place * channel_out, pixel * channel_in)``."""
    high, wide = geometry.places(shape[2:], W.shape[2:])
    matrix = W.new_zeros(high, wide, W.shape[0], *shape[2:], W.shape[1])
    kernel = W.permute(0, 2, 3, 1)
    for row, column, pixels, taps in _visits(shape, W.shape, geometry):
        matrix[row, column][:, *pixels] = kernel[:, *taps]
    return matrix.view(high * wide * W.shape[0], -1)


def _patches(x: Tensor, kernel: torch.Size, geometry: Geometry) -> Tensor:
    """Cut an image into patches, ``(batch * place, kernel height * kernel width * channel_in)``."""
    rows, columns = geometry.padding
    image = F.pad(x.permute(0, 2, 3, 1), (0, 0, columns, columns, rows, rows))
    for axis in (0, 1):
        reach = geometry.dilation[axis] * (kernel[2 + axis] - 1) + 1
        image = image.unfold(1 + axis, reach, geometry.stride[axis])
    image = image[..., :: geometry.dilation[0], :: geometry.dilation[1]]
    return image.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel[2] * kernel[3] * kernel[1])


Slices = tuple[slice, slice]


def _visits(
    shape: torch.Size, kernel: torch.Size, geometry: Geometry
) -> Iterator[tuple[int, int, Slices, Slices]]:
    """Yield each place (row, column), the pixels seen from there and the taps that see them."""
    high, wide = geometry.places(shape[2:], kernel[2:])
    for row in range(high):
        for column in range(wide):
            i, a = _seen(0, row, shape, kernel, geometry)
            j, b = _seen(1, column, shape, kernel, geometry)
            yield row, column, (i, j), (a, b)


def _seen(
    axis: int, place: int, shape: torch.Size, kernel: torch.Size, geometry: Geometry
) -> tuple[slice, slice]:
    """Return the pixels that the kernel sees from a place along one axis, and with which taps."""
    size, taps, step = shape[2 + axis], kernel[2 + axis], geometry.dilation[axis]
    start = place * geometry.stride[axis] - geometry.padding[axis]
    first = max(0, -(start // step))  # the first tap that is not on the padding
    last = min(taps, (size - 1 - start) // step + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    return slice(start + first * step, start + (last - 1) * step + 1, step), slice(first, last)
