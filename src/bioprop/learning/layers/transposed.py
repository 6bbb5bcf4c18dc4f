"""Layers taken the other way round: what an inverse of each kind of layer is made of."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning.layers.convolution import Convolution
from bioprop.learning.layers.dense import Dense
from bioprop.learning.layers.layer import Layer
from bioprop.learning.layers.windows import Windowed


@dataclass(frozen=True)
class Transposed:
    """A layer from the outputs of ``layer`` to its inputs, with weights of its own.

    Its forward product is ``layer.back``, its way back ``layer.forward``, so its weights have the
    shape of the layer's feedback weights, ``(member, *layer.feedback_shape)``. There is one bias
    for each unit that it outputs; under a convolution one for each channel.
    """

    layer: Layer

    @property
    def compute(self) -> torch.dtype | None:
        """Type to which factors and result of each product are rounded; None: they are not."""
        return self.layer.compute

    @property
    def inputs(self) -> int:
        """Units that it reads: the outputs of the layer."""
        return self.layer.outputs

    @property
    def outputs(self) -> int:
        """Units that it reaches: the inputs of the layer."""
        return self.layer.inputs

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of one member's weights, that of the layer's feedback weights."""
        return self.layer.feedback_shape

    @property
    def feedback_shape(self) -> tuple[int, ...]:
        """Shape of one member's feedback weights, that of the layer's weights."""
        return self.layer.weight_shape

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of one member's biases, ``(1, unit)``, or ``(1, channel)`` under a convolution."""
        return (1, self._channels or self.outputs)

    @property
    def axes(self) -> str:
        """Names of the axes of the weights, for messages."""
        return f"the axes of feedback weights, those of weights being {self.layer.axes}"

    @property
    def fan_in(self) -> int:
        """Inputs of one unit, the border of an image and a stride aside."""
        return fan_out(self.layer)

    @property
    def uses(self) -> int:
        """How often one example uses each weight."""
        return self.layer.uses

    @property
    def features(self) -> int:
        """As of the layer; nothing turns the feedback of an inverse."""
        return self.layer.features

    @property
    def sign_scale(self) -> float:
        """As of the layer: size of weights of its feedback shape under sign-symmetry."""
        return self.layer.sign_scale

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return what the layer carries back from ``h``."""
        return self.layer.back(h, W)

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return a teaching signal carried from the outputs to the inputs."""
        return self.layer.forward(delta, B)

    def transpose(self, W: Tensor) -> Tensor:
        """Return a view of ``W`` as feedback weights; applied to those, a view as weights."""
        return self.layer.transpose(W)

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Refuse: rotated feedback of an inverse is not defined."""
        raise ValueError(f"no turn is defined for the inverse of a {type(self.layer).__name__}")

    def magnitudes(self, z: Tensor) -> Tensor:
        """Turn standard normal numbers into random sizes, as the layer does."""
        return self.layer.magnitudes(z)

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return the weight gradient, summed over the batch: the layer's, roles exchanged."""
        return self.transpose(self.layer.gradient(delta, h))

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W`` plus the gradient, in place."""
        self.layer.add_gradient_(self.transpose(W), delta, h, keep)

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return one bias for each unit, ``(member, 1, unit)``."""
        each = self.outputs // bias.shape[-1]
        return bias if each == 1 else bias.repeat(1, 1, each)

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the gradient of the biases, summed over the batch, and over each channel."""
        summed = delta.sum(1, keepdim=True)
        return summed.unflatten(2, (-1, self._channels)).sum(2) if self._channels else summed

    def rounded(self, W: Tensor) -> Tensor:
        """Return weights as the products use them."""
        return self.layer.rounded(W)

    @property
    def _channels(self) -> int:
        """Channels that it reaches where they share their weights, else 0."""
        return self.layer.image[0] if isinstance(self.layer, Convolution) else 0


def fan_out(layer: Layer) -> int:
    """Return how many units read one input; of an image, those under the kernel of one stride."""
    if isinstance(layer, Transposed):
        return layer.layer.fan_in
    if isinstance(layer, Windowed):
        return layer.window[0] * layer.window[1] * layer.channels // layer.groups
    return layer.outputs


def glorot(layer: Layer) -> float:
    """Return the bound of uniform initial weights, sqrt(6 / (fan_in + fan_out)) (Glorot 2010).

    The two fans of a locally connected layer are those of the convolution (ours).
    """
    return (6 / (layer.fan_in + fan_out(layer))) ** 0.5


def inverse_layer(layer: Layer, beside: int = 0) -> Layer:
    """Return a layer of the opposite direction that also reads ``beside`` further inputs.

    That of a dense layer is dense. Raises ``ValueError`` where there is no such layer.
    """
    if isinstance(layer, Dense):
        return Dense(layer.outputs + beside, layer.inputs, layer.compute)
    if beside:
        raise ValueError(
            f"{beside} auxiliary outputs can stand beside the units of a dense layer only, not of "
            f"a {type(layer).__name__}"
        )
    return Transposed(layer)
