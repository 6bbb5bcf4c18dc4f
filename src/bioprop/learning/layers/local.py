"""Locally connected layers: the geometry of a convolution, weights of its own at every place.

Patches are not cut. Activities hold the channels last, so under one row of the kernel the inputs of
a place are a run of memory, and those of all examples, and of a row of places, strided views of it.
A product for each row of places and each row of the kernel, summed in place, is the layer; the same
views give the weight gradient and take what is carried back. (Where sums would be rounded, or
kernel rows are short, the patches of one row of places are cut.)
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning.layers.products import add_outer_
from bioprop.learning.layers.windows import Windowed
from bioprop.learning.members import spread

EXACT = (torch.float32, torch.float64)  # types in which parts of a product may be summed
NARROW = 32  # inputs under a row of the kernel below which whole patches are faster: measured

Visit = tuple[tuple[int, ...], slice, Tensor]


@dataclass(frozen=True)
class LocallyConnected(Windowed):
    """A convolution without weight sharing (Bartunov et al. 2018).

    Weights ``W`` have shape ``(member, position, patch, channel_out)`` and feedback weights ``B``
    have shape ``(member, position, channel_out, patch)``; a patch lists the inputs under the
    kernel, ``(kernel height, kernel width, channel_in)``. One member has ``positions * kernel
    height * kernel width * channel_in * channel_out`` weights, and each of the three products
    takes as many multiplications for each example. Beside what it returns, a product needs a copy
    of the images for its time where there is padding; with ``compute``, and where the rows of a
    kernel hold fewer than ``NARROW`` inputs, also the patches of one row of places.
    See :class:`~bioprop.learning.layers.windows.Windowed` for the settings.
    """

    axes = "position, patch, channel_out"
    uses = 1

    @property
    def fan_in(self) -> int:
        """Inputs of one unit, the size of a patch."""
        return self.image[0] * self.window[0] * self.window[1]

    @property
    def weight_shape(self) -> tuple[int, int, int]:
        """Shape of one member's forward weights, ``(position, patch, channel_out)``."""
        return (self.positions, self.fan_in, self.channels)

    @property
    def feedback_shape(self) -> tuple[int, int, int]:
        """Shape of one member's feedback weights, ``(position, channel_out, patch)``."""
        return (self.positions, self.channels, self.fan_in)

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of one member's biases, ``(1, unit_out)``."""
        return (1, self.outputs)

    @property
    def features(self) -> int:
        """A rotation turns the channels below, each pixel in the same way."""
        return self.image[0]

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return ``patch W`` at every place."""
        W = self._visits(self.rounded(W))
        units = h.new_empty(*h.shape[:2], self.outputs, dtype=W.dtype)
        sums = self._signals(units)
        for place, part, patches in self._patches(self._framed(h, W.dtype)):
            sums[place].baddbmm_(patches, W[place][:, part], beta=float(part.start > 0))
        return units.to(h.dtype)

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return ``delta B`` at every place, summed where patches overlap."""
        B, signals = (
            self._visits(self.rounded(B)),
            self._signals(delta.to(self.compute or delta.dtype)),
        )
        exact = torch.promote_types(delta.dtype, torch.float32)
        images = delta.new_zeros(*self._frame(delta), dtype=exact)
        whole, apart = self._whole(B.dtype), self._apart(len(delta))
        for place, part, inputs in self._rows(images):
            if whole and part.start == 0:
                patches = torch.bmm(signals[place], B[place])
            for some in (slice(first, None, apart) for first in range(min(apart, len(inputs)))):
                if whole:
                    inputs[some].add_(patches[some, :, part])
                else:
                    inputs[some].baddbmm_(signals[place][some], B[place][some, :, part])
        return self._inner(images).flatten(2).to(delta.dtype)

    def transpose(self, W: Tensor) -> Tensor:
        """Return the feedback weights of backpropagation, ``W^T`` at every place."""
        return W.mT

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Turn the channels below by ``R`` ``(member, channel_in, channel_in)``."""
        return (B.reshape(len(B), -1, self.features) @ R).view(B.shape)

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return ``patch^T delta`` at every place, summed over the batch."""
        change = h.new_empty(len(h), *self.weight_shape)
        self._accumulate(change, h, delta, 0.0)
        return change

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W + patch^T delta`` in place, in one pass where precision allows."""
        if isinstance(keep, Tensor):
            W.mul_(spread(keep, W.ndim))
            keep = 1.0
        self._accumulate(W, h, delta, keep)

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return one bias for each unit: the biases themselves."""
        return bias

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the signals summed over the batch, ``(member, 1, unit_out)``."""
        return delta.sum(1, keepdim=True)

    def tied(self, kernel: Tensor) -> Tensor:
        """Return weights that are a convolution's ``(member, channel_out, channel_in, kh, kw)``."""
        patch = kernel.permute(0, 3, 4, 2, 1).flatten(1, 3).unsqueeze(1)
        return patch.expand(-1, self.positions, -1, -1).contiguous()

    def _accumulate(self, W: Tensor, h: Tensor, delta: Tensor, keep: float) -> None:
        """Set ``W`` to ``keep W + patch^T delta``; where ``keep`` is 0 ``W`` is not read."""
        W, signals = self._visits(W), self._signals(delta.to(W.dtype))
        for place, part, patches in self._patches(self._framed(h, W.dtype)):
            add_outer_(W[place][:, part], patches, signals[place], keep, self.compute)

    # Of the axes member, row of places and place in the row, two are visited one by one and the
    # third is the batch of a product: the members where they are more than the places in a row.

    def _order(self, members: int) -> tuple[int, int, int]:
        return (1, 2, 0) if members > self.places[1] else (0, 1, 2)

    def _apart(self, members: int) -> int:
        """Return how many matrices of a batch lie between two that share no input."""
        return 1 if members > self.places[1] else -(-self.window[1] // self.strides[1])

    def _visits(self, W: Tensor) -> Tensor:
        """View weights, or their transpose, as ``(visit, visit, matrix, row, column)``."""
        return W.unflatten(1, self.places).permute(*self._order(len(W)), 3, 4)

    def _signals(self, units: Tensor) -> Tensor:
        """View units above as ``(visit, visit, matrix, batch, channel_out)``."""
        places = units.unflatten(2, (*self.places, self.channels)).permute(0, 2, 3, 1, 4)
        return places.permute(*self._order(len(units)), 3, 4)

    def _frame(self, units: Tensor) -> tuple[int, ...]:
        """Return the shape of padded images."""
        return (*units.shape[:2], *self.padded, self.image[0])

    def _inner(self, images: Tensor) -> Tensor:
        """View padded images without their padding."""
        top, _, left, _ = self.pads
        return images[:, :, top : top + self.image[1], left : left + self.image[2]]

    def _framed(self, h: Tensor, dtype: torch.dtype) -> Tensor:
        """Return activities as padded images ``(member, batch, row, column, channel)``."""
        shown = h.unflatten(2, (*self.image[1:], self.image[0]))
        if not any(self.pads):
            return shown.to(dtype).contiguous()
        images = h.new_zeros(self._frame(h), dtype=dtype)
        self._inner(images).copy_(shown)
        return images

    def _windows(self, images: Tensor) -> Tensor:
        """View images as ``(visit, visit, matrix, kernel row, batch, inputs under that row)``."""
        members, batch, high, wide, channels = images.shape
        (down, right), (kh, kw) = self.strides, self.window
        row = wide * channels
        windows = images.as_strided(
            (members, *self.places, kh, batch, kw * channels),
            (batch * high * row, down * row, right * channels, row, high * row, 1),
        )
        return windows.permute(*self._order(members), 3, 4, 5)

    def _rows(self, images: Tensor) -> Iterator[Visit]:
        """Yield each visit, the part of a patch in each row of the kernel, and the inputs there.

        The inputs are a view ``(matrix, batch, part of patch)``.
        """
        windows = self._windows(images)
        rows, size = windows.shape[3], windows.shape[5]
        for place in itertools.product(*map(range, windows.shape[:2])):
            for row in range(rows):
                yield place, slice(row * size, (row + 1) * size), windows[place][:, row]

    def _patches(self, images: Tensor) -> Iterator[Visit]:
        """Yield as ``_rows`` does, but whole patches where the parts should not be summed."""
        if not self._whole(images.dtype):
            yield from self._rows(images)
            return
        windows = self._windows(images)
        for place in itertools.product(*map(range, windows.shape[:2])):
            yield place, slice(0, self.fan_in), windows[place].transpose(1, 2).flatten(2)

    def _whole(self, dtype: torch.dtype) -> bool:
        """Whether the patches of one row of places at a time are multiplied as a whole.

        In a type shorter than float32 each sum would be rounded; narrow products waste time.
        """
        narrow = self.window[1] * self.image[0] < NARROW
        return narrow or self.compute is not None or dtype not in EXACT
