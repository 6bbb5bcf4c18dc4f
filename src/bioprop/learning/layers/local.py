"""Locally connected layers: the geometry of a convolution, weights of its own at every place."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from bioprop.learning.layers.products import add_outer_, outer, product
from bioprop.learning.layers.windows import Windowed


@dataclass(frozen=True)
class LocallyConnected(Windowed):
    """A convolution without weight sharing (Bartunov et al. 2018).

    Weights ``W`` have shape ``(member, position, patch, channel_out)`` and feedback weights ``B``
    have shape ``(member, position, channel_out, patch)``; a patch lists the inputs under the
    kernel, ``(channel_in, kernel height, kernel width)``. Members and positions are one batch of
    small matrix products. See :class:`~bioprop.learning.layers.windows.Windowed` for the settings.
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
        return self._join(product(self._patches(h), W.flatten(0, 1), self.compute), h.shape[1])

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return ``delta B`` at every place, summed where patches overlap."""
        members, batch = delta.shape[:2]
        patches = product(self._split(delta), B.flatten(0, 1), self.compute)
        patches = patches.view(members, self.positions, batch, self.fan_in).permute(0, 2, 3, 1)
        columns = patches.reshape(members * batch, self.fan_in, self.positions)
        images = F.fold(columns, self.padded, self.window, stride=self.strides)
        return self._crop(images).reshape(members, batch, self.inputs)

    def transpose(self, W: Tensor) -> Tensor:
        """Return the feedback weights of backpropagation, ``W^T`` at every place."""
        return W.mT

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Turn the channels below by ``R`` ``(member, channel_in, channel_in)``."""
        channel, place = self.image[0], self.window[0] * self.window[1]
        rows = B.reshape(len(B), -1, channel, place).mT @ R.unsqueeze(1)
        return rows.mT.reshape(B.shape)

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return ``patch^T delta`` at every place, summed over the batch."""
        change = outer(self._patches(h), self._split(delta), self.compute).to(h.dtype)
        return change.view(len(h), *self.weight_shape)

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W + patch^T delta`` in place, in one pass where precision allows."""
        if isinstance(keep, Tensor):
            keep = keep.flatten().repeat_interleave(self.positions)
        flat = W.view(-1, *W.shape[2:])
        add_outer_(flat, self._patches(h), self._split(delta), keep, self.compute)

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return one bias for each unit: the biases themselves."""
        return bias

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the signals summed over the batch, ``(member, 1, unit_out)``."""
        return delta.sum(1, keepdim=True)

    def tied(self, kernel: Tensor) -> Tensor:
        """Return weights that are a convolution's ``(member, channel_out, channel_in, kh, kw)``."""
        patch = kernel.flatten(2).mT.unsqueeze(1)
        return patch.expand(-1, self.positions, -1, -1).contiguous()

    def _patches(self, h: Tensor) -> Tensor:
        """Cut activities into patches, ``(member * position, batch, patch)``."""
        images = self._pad(h.reshape(*h.shape[:2], *self.image))
        (kh, kw), (sh, sw) = self.window, self.strides
        windows = images.unfold(3, kh, sh).unfold(4, kw, sw).permute(0, 3, 4, 1, 2, 5, 6)
        return windows.reshape(-1, h.shape[1], self.fan_in)

    def _split(self, units: Tensor) -> Tensor:
        """Rearrange units to ``(member * position, batch, channel_out)``."""
        members, batch = units.shape[:2]
        split = units.reshape(members, batch, self.channels, self.positions)
        return split.permute(0, 3, 1, 2).reshape(-1, batch, self.channels)

    def _join(self, split: Tensor, batch: int) -> Tensor:
        """Rearrange ``(member * position, batch, channel_out)`` to units, channels first."""
        places = split.view(-1, self.positions, batch, self.channels)
        return places.permute(0, 2, 3, 1).reshape(-1, batch, self.outputs)
