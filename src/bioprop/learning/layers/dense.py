"""Fully connected layers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning.layers.arguments import precision, whole
from bioprop.learning.layers.products import add_outer_, outer, product, rounds_itself


@dataclass(frozen=True)
class Dense:
    """A fully connected layer from ``inputs`` to ``outputs`` units.

    Weights ``W`` have shape ``(member, unit_in, unit_out)`` and feedback weights ``B`` have shape
    ``(member, unit_out, unit_in)``: the transpose of the first is one value of the second.
    ``compute`` names a dtype to which the factors of each product are rounded (``bfloat16``), and
    where the processor does not round by itself the result too; the sum within a product, the
    weights and all else keep their own precision. See :mod:`~bioprop.learning.layers.products`.
    """

    inputs: int
    outputs: int
    compute: torch.dtype | None = None

    axes = "unit_in, unit_out"
    uses = 1

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            units = whole(f"the number of {name}", getattr(self, name))
            object.__setattr__(self, name, units)
        precision(self.compute)
        if self.inputs < 1 or self.outputs < 1:
            raise ValueError(
                f"a dense layer needs at least one unit on each side, not {self.inputs} and "
                f"{self.outputs}"
            )

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Shape of one member's forward weights, ``(unit_in, unit_out)``."""
        return (self.inputs, self.outputs)

    @property
    def feedback_shape(self) -> tuple[int, int]:
        """Shape of one member's feedback weights, ``(unit_out, unit_in)``."""
        return (self.outputs, self.inputs)

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of one member's biases, ``(1, unit_out)``."""
        return (1, self.outputs)

    @property
    def fan_in(self) -> int:
        """Inputs of one unit."""
        return self.inputs

    @property
    def features(self) -> int:
        """A rotation turns all inputs."""
        return self.inputs

    @property
    def sign_scale(self) -> float:
        """Return ``1 / sqrt(inputs)``."""
        return self.inputs**-0.5

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return ``h W``: ``(member, batch, unit_in)`` to ``(member, batch, unit_out)``."""
        return product(h, W, self.compute)

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return ``delta B``: a teaching signal carried from the outputs to the inputs."""
        return product(delta, B, self.compute)

    def transpose(self, W: Tensor) -> Tensor:
        """Return the feedback weights of backpropagation, ``W^T``."""
        return W.mT

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Return ``B R`` for rotations ``(member, unit_in, unit_in)``."""
        return B @ R

    def magnitudes(self, z: Tensor) -> Tensor:
        """Uniform from 0 to ``sign_scale``: erf takes half of a normal variable to U(0, 1)."""
        return torch.erf(z.abs() * 0.5**0.5) * self.sign_scale

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return ``h^T delta``, the weight gradient summed over the batch."""
        return outer(h, delta, self.compute).to(h.dtype)

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W + h^T delta`` in place, in one pass where precision allows."""
        add_outer_(W, h, delta, keep, self.compute)

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return one bias for each unit: the biases themselves."""
        return bias

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the signals summed over the batch, ``(member, 1, unit_out)``."""
        return delta if delta.shape[1] == 1 else delta.sum(1, keepdim=True)

    def rounded(self, W: Tensor) -> Tensor:
        """Return weights as the products use them."""
        if self.compute is None or rounds_itself(self.compute, W):
            return W
        return W.to(self.compute)
