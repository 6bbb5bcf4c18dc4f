"""Convolutions: members are groups of one convolution, so no loop visits them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn import grad

from bioprop.learning.layers.products import add_
from bioprop.learning.layers.windows import Windowed


@dataclass(frozen=True)
class Convolution(Windowed):
    """A two-dimensional convolution, as ``torch.nn.Conv2d``.

    Forward weights ``W`` and feedback weights ``B`` have one shape, ``(member, channel_out,
    channel_in / groups, kernel height, kernel width)``: a convolution's transpose is the
    transposed convolution with the same kernel. There is one bias for each channel.
    See :class:`~bioprop.learning.layers.windows.Windowed` for the settings.
    """

    axes = "channel_out, channel_in / groups, kernel height, kernel width"

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """One member's kernel, ``(channel_out, channel_in / groups, height, width)``."""
        return (self.channels, self.features, *self.window)

    @property
    def feedback_shape(self) -> tuple[int, int, int, int]:
        """Shape of one member's feedback weights, that of its kernel."""
        return self.weight_shape

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of one member's biases, ``(1, channel_out)``."""
        return (1, self.channels)

    @property
    def uses(self) -> int:
        """How often one example uses each weight: at every place."""
        return self.positions

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return the convolution of every member's images with its kernel."""
        x, W = self._images(h, self.image), self.rounded(W.flatten(0, 1))
        return self._units(F.conv2d(x, W, **self._settings(len(h))), h)

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return the transposed convolution of the teaching signal with ``B``."""
        members, batch = delta.shape[:2]
        signal, B = self._images(delta, self.image_out), self.rounded(B.flatten(0, 1))
        size = (batch, members * self.image[0], *self._seen)
        x = grad.conv2d_input(size, B, signal, **self._settings(members))
        return self._units(x if self._even else self._crop(x), delta)

    def transpose(self, W: Tensor) -> Tensor:
        """Return the feedback weights of backpropagation: the same kernel."""
        return W

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Turn the channels below, in every group, by ``R`` ``(member, features, features)``."""
        return torch.einsum("mofhw,mfg->moghw", B, R)

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return the gradient of the kernel, summed over the batch and all places."""
        return self._gradient(h, delta).to(h.dtype)

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W`` plus the gradient, in place."""
        add_(W, self._gradient(h, delta), keep)

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return the channel's bias for each unit, ``(member, 1, unit_out)``."""
        return bias.repeat(1, 1, self.positions)

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the signals summed over the batch and all places, ``(member, 1, channel)``."""
        return delta.unflatten(2, (-1, self.channels)).sum((1, 2)).unsqueeze(1)

    def _gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        members = len(h)
        shape = (members * self.channels, *self.weight_shape[1:])
        x, signal = self._images(h, self.image), self._images(delta, self.image_out)
        change = grad.conv2d_weight(x, shape, signal, **self._settings(members))
        return change.view(members, *self.weight_shape)

    @property
    def _even(self) -> bool:
        """Whether the convolution itself can add the padding: the same on opposite sides."""
        return self.pads[0] == self.pads[1] and self.pads[2] == self.pads[3]

    @property
    def _seen(self) -> tuple[int, int]:
        """Height and width of the image that the convolution is given."""
        return self.image[1:] if self._even else self.padded

    def _settings(self, members: int) -> dict[str, Any]:
        return {
            "stride": self.strides,
            "padding": (self.pads[0], self.pads[2]) if self._even else (0, 0),
            "dilation": self.dilated,
            "groups": members * self.groups,
        }

    def _images(self, units: Tensor, image: tuple[int, int, int]) -> Tensor:
        """Turn units into images ``(batch, member * channel, height, width)``, padded by need."""
        last = self.rounded(units).unflatten(2, (*image[1:], image[0]))
        images = last.permute(1, 0, 4, 2, 3).flatten(1, 2).contiguous()
        return self._pad(images) if image is self.image and not self._even else images

    def _units(self, images: Tensor, like: Tensor) -> Tensor:
        """Turn images into units ``(member, batch, unit)`` of the type of ``like``."""
        channels_first = images.unflatten(1, (len(like), -1))
        return channels_first.permute(1, 0, 3, 4, 2).flatten(2).to(like.dtype)
