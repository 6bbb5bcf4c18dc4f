"""Layers: four products and two shapes, with a leading axis for the members of a population.

A layer knows its forward product, the product of a teaching signal with *any* feedback weights of
its shape, and the local product of activity and teaching signal that changes its weights. It holds
no weights. Activities between layers are flat, ``(member, batch, unit)``, so rules, activations,
losses and optimisers are written once for every kind: dense, locally connected, convolution.
"""

from typing import Protocol

import torch
from torch import Tensor


class Layer(Protocol):
    """What rules, networks and optimisers ask of a layer."""

    @property
    def compute(self) -> torch.dtype | None:
        """Type to which the factors of each product are rounded; None: they are not.

        Where the processor does not round by itself, the result is rounded too.
        """

    @property
    def inputs(self) -> int:
        """Units below."""

    @property
    def outputs(self) -> int:
        """Units above."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of one member's forward weights."""

    @property
    def feedback_shape(self) -> tuple[int, ...]:
        """Shape of one member's feedback weights, that of the transposed forward weights."""

    @property
    def bias_shape(self) -> tuple[int, int]:
        """Shape of one member's biases, ``(1, unit)`` or ``(1, channel)``."""

    @property
    def axes(self) -> str:
        """Names of the axes of the weights, for messages."""

    @property
    def fan_in(self) -> int:
        """Inputs of one unit."""

    @property
    def uses(self) -> int:
        """How often one example uses each weight."""

    @property
    def features(self) -> int:
        """Size of the rotations that ``turn`` takes."""

    @property
    def sign_scale(self) -> float:
        """Size of the feedback weights under sign-symmetry (official code of Xiao et al. 2018)."""

    def forward(self, h: Tensor, W: Tensor) -> Tensor:
        """Return the input of the units above, ``(member, batch, unit)``, in memory of its own."""

    def back(self, delta: Tensor, B: Tensor) -> Tensor:
        """Return a teaching signal carried from the outputs to the inputs."""

    def transpose(self, W: Tensor) -> Tensor:
        """Return a view of ``W`` as feedback weights; applied to those, a view as weights."""

    def turn(self, B: Tensor, R: Tensor) -> Tensor:
        """Return feedback weights whose signals are those of ``B``, turned by ``R``."""

    def magnitudes(self, z: Tensor) -> Tensor:
        """Turn standard normal numbers into random sizes of feedback weights for sign-symmetry."""

    def gradient(self, h: Tensor, delta: Tensor) -> Tensor:
        """Return the weight gradient, summed over the batch."""

    def add_gradient_(
        self, W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor = 1.0
    ) -> None:
        """Set ``W`` to ``keep W`` plus the gradient, in place; ``keep`` may differ by member."""

    def spread_bias(self, bias: Tensor) -> Tensor:
        """Return one bias for each unit, ``(member, 1, unit)``."""

    def bias_gradient(self, delta: Tensor) -> Tensor:
        """Return the gradient of the biases, summed over the batch."""

    def rounded(self, W: Tensor) -> Tensor:
        """Return weights as the products use them: what is used twice is rounded once."""
