"""The nonlinear task of Lillicrap et al. 2014: learn a small random network from its examples."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.learning import Dense, Network, Sequences, Streams


def tanh_network(
    streams: Streams,
    sizes: Sequence[int],
    bound: float | Tensor,
    stream: str = "weights",
    compute: torch.dtype | None = None,
) -> Network:
    """Return tanh layers below a linear one, weights and biases from U(-bound, bound)."""
    layers = [Dense(a, b, compute) for a, b in itertools.pairwise(sizes)]
    weights, biases = [], []
    for index, layer in enumerate(layers):
        weights.append(streams.uniform(stream, layer.weight_shape, bound, 2 * index))
        biases.append(streams.uniform(stream, (1, layer.outputs), bound, 2 * index + 1))
    functions = [*(["tanh"] * (len(layers) - 1)), "linear"]
    return Network(layers, functions, weights, list(biases))


@dataclass
class NonlinearTask:
    """A random tanh network as teacher: x ~ N(0, I), y* = teacher(x).

    One teacher, drawn with seed ``teacher_seed``, serves all members; data differ by member.
    ``bound`` is that of the teacher's weights and biases.
    """

    streams: Streams
    sizes: tuple[int, ...] = (30, 20, 10, 10)
    bound: float = 1.0
    teacher_seed: int = 0
    batch: int = 1

    def __post_init__(self) -> None:
        one = Streams((self.teacher_seed,), self.streams.dtype, self.streams.device)
        self.teacher = tanh_network(one, self.sizes, self.bound, "teacher")
        self._x = Sequences(self.streams, "data", (self.batch, self.sizes[0]), 2000)
        self._y: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        x = self._x[step]
        return x, self.answers(x)

    def answers(self, x: Tensor) -> Tensor:
        """Return the teacher's outputs for ``x`` of shape ``(member, batch, unit)``."""
        flat = x.reshape(1, -1, x.shape[-1])
        return self.teacher.forward(flat)[-1].reshape(*x.shape[:-1], -1)

    def test(self, count: int = 5000, block: int = 0) -> tuple[Tensor, Tensor]:
        """Return test inputs and targets that all members share, ``(1, count, unit)``.

        Each ``block`` has points of its own.
        """
        one = Streams((self.teacher_seed,), self.streams.dtype, self.streams.device)
        x = one.normal("probe", (count, self.sizes[0]), block)
        return x, self.answers(x)


@torch.no_grad()
def normalised_squared_error(network: Network, x: Tensor, target: Tensor) -> Tensor:
    """Return E||e||^2 / E||y*||^2 on a test set ``(1, count, unit)``, shape ``(member,)``."""
    y = network.forward(x.expand(network.members, *x.shape[1:]))[-1]
    return (target - y).square().sum((1, 2)) / target.square().sum((1, 2))
