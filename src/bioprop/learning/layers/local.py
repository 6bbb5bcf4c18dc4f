"""Locally connected layers: the geometry of a convolution, weights of its own at every place.

Patches are not cut. Activities hold the channels last, so under one row of the kernel the inputs of
a place are a run of memory, and those of all examples, and of a row of places, strided views of it.
A product for each row of places and each row of the kernel, summed in place, is the layer; the same
views give the weight gradient and take what is carried back. With dilation along columns, or with
groups, a run ends with each element of the kernel. (Where sums would be rounded, or runs are short,
the patches of one row of places are cut. A graphics card cuts all, unless there are groups.)
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning.layers.products import add_outer_, product
from bioprop.learning.layers.windows import Windowed
from bioprop.learning.members import spread

EXACT = (torch.float32, torch.float64)  # types in which parts of a product may be summed
NARROW = 32  # inputs in a run of memory below which whole patches are faster: measured

Visit = tuple[tuple[int, ...], slice, Tensor]


@dataclass(frozen=True)
class LocallyConnected(Windowed):
    """A convolution without weight sharing (Bartunov et al. 2018).

    Weights ``W`` have shape ``(member, position, patch, channel_out)`` and feedback weights ``B``
    have shape ``(member, position, channel_out, patch)``; a patch lists the inputs under the
    kernel, ``(kernel height, kernel width, channel_in / groups)``. One member has ``positions *
    kernel height * kernel width * channel_in * channel_out / groups`` weights, and each of the
    three products takes as many multiplications for each example. Beside what it returns, a product
    needs a copy of the images for its time where there is padding; with ``compute``, and where the
    runs of memory under a kernel are shorter than ``NARROW``, also the patches of one row of
    places. On a graphics card, without groups, it needs the patches of all places: ``positions *
    kernel height * kernel width * channel_in`` numbers for each example.
    See :class:`~bioprop.learning.layers.windows.Windowed` for the settings.
    """

    axes = "position, patch, channel_out"
    uses = 1

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

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return ``patch W`` at every place."""
        if self._at_once(h):
            return self._flat(product(self._cut(h), W.flatten(0, 1), self.compute), h)
        W = self._weights(self.rounded(W))
        units = h.new_empty(*h.shape[:2], self.outputs, dtype=W.dtype)
        sums = self._signals(units)
        for place, part, patches in self._patches(self._framed(h, W.dtype)):
            sums[place].baddbmm_(patches, W[place][:, part], beta=float(part.start > 0))
        return units.to(h.dtype)

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return ``delta B`` at every place, summed where patches overlap."""
        if self._at_once(delta):
            return self._pasted(product(self._stacked(delta), B.flatten(0, 1), self.compute), delta)
        B, signals = (
            self._feedback(self.rounded(B)),
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
        """Turn the channels below, in every group, by ``R`` ``(member, features, features)``."""
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
        if self._at_once(h):
            stacked = W.flatten(0, 1)  # a view, unless members lie apart in memory
            add_outer_(stacked, self._cut(h), self._stacked(delta), keep, self.compute)
            if len(W) > 1 and W.stride(0) != W.shape[1] * W.stride(1):
                W.copy_(stacked.view(W.shape))
            return
        W, signals = self._weights(W), self._signals(delta.to(W.dtype))
        for place, part, patches in self._patches(self._framed(h, W.dtype)):
            add_outer_(W[place][:, part], patches, signals[place], keep, self.compute)

    # A graphics card starts a product slowly and has memory for all patches: one product for all
    # places of all members.

    def _at_once(self, units: Tensor) -> bool:
        """Whether a product is made for all places at once, from patches that are cut."""
        return units.is_cuda and self.groups == 1

    def _cut(self, h: Tensor) -> Tensor:
        """Return patches ``(member and position, batch, patch)``."""
        images, (kh, kw), (down, right) = self._framed(h, h.dtype), self.window, self.strides
        members, batch, high, wide, channels = images.shape
        (low, far), row = self.dilated, wide * channels
        windows = images.as_strided(
            (members, *self.places, batch, kh, kw, channels),
            (
                batch * high * row, down * row, right * channels, high * row,
                low * row, far * channels, 1,
            ),
        )  # fmt: skip
        return windows.reshape(members * self.positions, batch, self.fan_in)

    def _stacked(self, units: Tensor) -> Tensor:
        """Return units above as ``(member and position, batch, channel_out)``."""
        return units.unflatten(2, (self.positions, -1)).transpose(1, 2).flatten(0, 1)

    def _flat(self, stacked: Tensor, like: Tensor) -> Tensor:
        """Return units above, ``(member, batch, unit)``, from what ``_stacked`` returns."""
        each = stacked.unflatten(0, (len(like), -1)).transpose(1, 2)
        return each.flatten(2).to(like.dtype)

    def _pasted(self, patches: Tensor, like: Tensor) -> Tensor:
        """Return units below, ``(member, batch, unit)``: patches summed where they overlap."""
        exact = torch.promote_types(like.dtype, torch.float32)
        images = like.new_zeros(self._frame(like), dtype=exact)
        (kh, kw), (low, far) = self.window, self.dilated
        (down, right), (high, wide) = self.strides, self.places
        each = patches.view(len(like), high, wide, -1, kh, kw, self.features).movedim(3, 1)
        for i, j in itertools.product(range(kh), range(kw)):
            top, left = i * low, j * far
            rows = slice(top, top + down * (high - 1) + 1, down)
            columns = slice(left, left + right * (wide - 1) + 1, right)
            images[:, :, rows, columns] += each[..., i, j, :]
        return self._inner(images).flatten(2).to(like.dtype)

    # Of the axes member, row of places, place in the row and group three are visited one by one and
    # one, the longest as a rule, is the batch of a product.

    def _batched(self, members: int) -> int:
        """Return which of the axes is the batch of a product."""
        wide = self.places[1]
        if self.groups > max(members, wide):
            return 3
        return 0 if members > wide else 2

    def _order(self, visited: Tensor) -> Tensor:
        """Move that axis of ``(member, row, place, group, row, column)`` behind the other three."""
        return visited.movedim(self._batched(len(visited)), 3)

    def _apart(self, members: int) -> int:
        """Return how many matrices of a batch lie between two that share no input."""
        if self._batched(members) != 2 or not self._dense:
            return 1
        return -(-self.window[1] // self.strides[1])

    def _weights(self, W: Tensor) -> Tensor:
        """View weights as ``(visit, visit, visit, matrix, patch, channel_out of a group)``."""
        grouped = W.unflatten(1, self.places).unflatten(-1, (self.groups, -1))
        return self._order(grouped.movedim(-2, 3))

    def _feedback(self, B: Tensor) -> Tensor:
        """View feedback weights as ``(visit, visit, visit, matrix, channel_out, patch)``."""
        return self._order(B.unflatten(1, self.places).unflatten(3, (self.groups, -1)))

    def _signals(self, units: Tensor) -> Tensor:
        """View units above as ``(visit, visit, visit, matrix, batch, channel_out)``."""
        each = self.channels // self.groups
        places = units.unflatten(2, (*self.places, self.groups, each))
        return self._order(places.permute(0, 2, 3, 4, 1, 5))

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

    @property
    def _dense(self) -> bool:
        """Whether the inputs of a unit under a row of the kernel are one run of memory."""
        return self.groups == 1 and self.dilated[1] == 1

    @property
    def _runs(self) -> tuple[int, int, int]:
        """Rows of the kernel, runs of memory in each, and the inputs of a run."""
        (kh, kw), features = self.window, self.features
        return (kh, 1, kw * features) if self._dense else (kh, kw, features)

    def _windows(self, images: Tensor) -> Tensor:
        """View images as ``(visit, visit, visit, matrix, kernel row, run, batch, inputs)``."""
        members, batch, high, wide, channels = images.shape
        (down, right), (low, far), (kh, runs, size) = self.strides, self.dilated, self._runs
        row = wide * channels
        windows = images.as_strided(
            (members, *self.places, self.groups, kh, runs, batch, size),
            (
                batch * high * row, down * row, right * channels, self.features,
                low * row, far * channels, high * row, 1,
            ),
        )  # fmt: skip
        return self._order(windows)

    def _rows(self, images: Tensor) -> Iterator[Visit]:
        """Yield each visit, the part of a patch in each run under the kernel, and the inputs there.

        The inputs are a view ``(matrix, batch, part of patch)``.
        """
        windows, (kh, runs, size) = self._windows(images), self._runs
        for place in itertools.product(*map(range, windows.shape[:3])):
            for number, run in enumerate(itertools.product(range(kh), range(runs))):
                part = slice(number * size, (number + 1) * size)
                yield place, part, windows[place][:, *run]

    def _patches(self, images: Tensor) -> Iterator[Visit]:
        """Yield as ``_rows`` does, but whole patches where the parts should not be summed."""
        if not self._whole(images.dtype):
            yield from self._rows(images)
            return
        windows = self._windows(images)
        for place in itertools.product(*map(range, windows.shape[:3])):
            yield place, slice(0, self.fan_in), windows[place].movedim(3, 1).flatten(2)

    def _whole(self, dtype: torch.dtype) -> bool:
        """Whether the patches of one row of places at a time are multiplied as a whole.

        In a type shorter than float32 each sum would be rounded; narrow products waste time.
        """
        return self._runs[2] < NARROW or self.compute is not None or dtype not in EXACT
