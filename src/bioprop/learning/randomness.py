"""Random numbers as pure functions of (seed, stream, block).

Every use of chance has a stream of its own, so two rules that share a seed share their data and
their initial weights however many numbers each of them draws elsewhere. Nothing here has a state:
block ``k`` of a stream can be drawn again at any time, which is why an interrupted run goes on
with the same bits, and why a member does not depend on its neighbours in the population.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bioprop.learning.layers.arguments import wholes
from bioprop.learning.members import for_members, positive, spread

# Append only: a stream's place in this list is part of the seed of its numbers.
STREAMS = (
    "data",
    "weights",
    "feedback",
    "order",
    "noise",
    "teacher",
    "probe",
    "weight mask",
    "feedback mask",
    "spikes",
    "test spikes",
    "volley",
    "dropout",
    "auxiliary",
    "augmentation",
    "settings",
)


def seed_sequence(seed: int, stream: str, block: int = 0) -> np.random.SeedSequence:
    """Return what the numbers of one block of a named stream start from.

    Raises ``ValueError`` when the stream is not one of ``STREAMS`` or the seed is negative.
    """
    if stream not in STREAMS:
        raise ValueError(f"no random stream {stream!r}; the streams are {', '.join(STREAMS)}")
    if seed < 0:
        raise ValueError(f"a seed must be 0 or more, not {seed}")
    return np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream), block))


def generator(seed: int, stream: str, block: int = 0) -> np.random.Generator:
    """Return the generator of one block of a named stream; equal arguments, equal numbers."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, stream, block)))


@dataclass(frozen=True)
class Streams:
    """The random streams of a population: ``seeds`` holds one seed for each member.

    Members with equal seeds (a search over hyperparameters) get equal numbers. Draws come back
    with shape ``(member, *shape)`` in ``dtype`` on ``device``; they are made by NumPy in float64
    (``chances``: in float32; ``swift_normal``: by PyTorch on the processor, in float32), so they do
    not depend on the device or the precision.
    Raises ``ValueError`` without seeds, for one that is no whole number of 0 or more, and for a
    dtype that is not floating.
    """

    seeds: tuple[int, ...]
    dtype: torch.dtype = torch.float64
    device: str = "cpu"

    def __post_init__(self) -> None:
        seeds = wholes("seeds", self.seeds)
        if not seeds or min(seeds) < 0:
            raise ValueError(
                f"seeds are whole numbers, 0 or more, one for each member, not {self.seeds!r}"
            )
        object.__setattr__(self, "seeds", seeds)
        if not (isinstance(self.dtype, torch.dtype) and self.dtype.is_floating_point):
            raise ValueError(f"random numbers need a floating dtype of PyTorch, not {self.dtype!r}")

    def each(self, values: Sequence[float]) -> Tensor:
        """Return one hyperparameter for each member as a tensor of shape ``(member, 1, 1)``.

        Raises ``ValueError`` unless there are as many values as members.
        """
        if len(values) != len(self.seeds):
            raise ValueError(
                f"{len(values)} values given to {len(self.seeds)} members; give one for each"
            )
        return torch.tensor(values, dtype=self.dtype, device=self.device).view(-1, 1, 1)

    def uniform(
        self, stream: str, shape: Sequence[int], bound: float | Tensor, block: int = 0
    ) -> Tensor:
        """Draw from U(-bound, bound); ``bound`` is a number or has shape ``(member, 1, 1)``."""
        positive("a bound of uniform numbers", bound, zero=True)
        for_members("a bound", bound, len(self.seeds))
        drawn = self._draw(stream, block, lambda g: g.uniform(-1.0, 1.0, shape))
        return drawn * spread(bound, drawn.ndim)

    def normal(self, stream: str, shape: Sequence[int], block: int = 0) -> Tensor:
        """Draw from N(0, 1)."""
        return self._draw(stream, block, lambda g: g.standard_normal(shape))

    def swift_normal(self, stream: str, shape: Sequence[int], block: int = 0) -> Tensor:
        """Draw from N(0, 1) by PyTorch's generator in float32, in a third of NumPy's time.

        For noise that every step needs much of. Members of one seed share one draw, not copied.
        """
        draw = self._swift if torch.device(self.device).type == "cpu" else self._ahead
        drawn = draw(stream, tuple(shape), block)
        drawn = drawn.to(device=self.device, dtype=self.dtype, non_blocking=True)
        unique = list(dict.fromkeys(self.seeds))
        if len(unique) == 1:
            return drawn.expand(len(self.seeds), *shape)
        return drawn if len(unique) == len(self.seeds) else drawn[[*map(unique.index, self.seeds)]]

    def _swift(self, stream: str, shape: tuple[int, ...], block: int) -> Tensor:
        """Draw from N(0, 1) in float32 for each seed once, where the processor has its memory."""
        unique = dict.fromkeys(self.seeds)
        card = torch.device(self.device).type == "cuda"  # which reads pinned memory by itself
        drawn = torch.empty(len(unique), *shape, dtype=torch.float32, pin_memory=card)
        for numbers, seed in zip(drawn, unique, strict=True):
            start = seed_sequence(seed, stream, block).generate_state(1)
            numbers.normal_(generator=torch.Generator().manual_seed(int(start[0])))
        return drawn

    def _ahead(self, stream: str, shape: tuple[int, ...], block: int) -> Tensor:
        """Draw as ``_swift`` does; a thread draws the next block while the card is at work."""
        begun = _begun.pop((self, stream, shape, block), None)
        drawn = begun.result() if begun else self._swift(stream, shape, block)
        _begun.clear()
        _begun[self, stream, shape, block + 1] = _thread().submit(
            self._swift, stream, shape, block + 1
        )
        return drawn

    def kept(
        self, stream: str, shape: Sequence[int], removed: float | Tensor, block: int = 0
    ) -> Tensor:
        """Draw a mask, 0 for a share ``removed`` of the elements on average and 1 elsewhere.

        ``removed`` is a number or has shape ``(member, 1, 1)``; a larger share removes all that a
        smaller one removes. Raises ``ValueError`` outside 0 to 1.
        """
        check_share(removed)
        for_members("the share removed", removed, len(self.seeds))
        share = torch.as_tensor(removed)
        drawn = self._draw(stream, block, lambda g: g.random(shape))
        return (drawn >= spread(share.to(drawn), drawn.ndim)).to(drawn.dtype)

    def chances(self, stream: str, shape: Sequence[int], block: int = 0) -> Tensor:
        """Draw from U(0, 1), in float32: what happens with probability p does where this is < p."""
        return self._draw(stream, block, lambda g: g.random(shape, dtype=np.float32))

    def _draw(
        self, stream: str, block: int, draw: Callable[[np.random.Generator], np.ndarray]
    ) -> Tensor:
        unique = {seed: draw(generator(seed, stream, block)) for seed in dict.fromkeys(self.seeds)}
        stacked = np.stack([unique[seed] for seed in self.seeds])
        return torch.from_numpy(stacked).to(device=self.device, dtype=self.dtype)


_begun: dict[Any, Future[Tensor]] = {}  # the one block that is drawn ahead


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def check_share(removed: float | Tensor) -> None:
    """Raise ``ValueError`` unless each share of connections removed lies between 0 and 1."""
    share = torch.as_tensor(spread(removed, 1))
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError(f"the share removed must lie between 0 and 1, not {removed}")


class Sequences:
    """Fresh standard normal numbers for each training step, drawn a block of steps at a time.

    ``sequence[step]`` has shape ``(member, *shape)``. One call of NumPy's generator for each
    member serves ``steps_in_block`` steps, so the training loop never visits members one by one.
    ``steps_in_block`` is part of the definition: past the first block, another number gives other
    values.
    """

    def __init__(
        self, streams: Streams, stream: str, shape: Sequence[int], steps_in_block: int = 500
    ):
        self.streams, self.stream, self.shape = streams, stream, tuple(shape)
        self.steps_in_block = steps_in_block
        self._block: tuple[int, Tensor] | None = None

    def __getitem__(self, step: int) -> Tensor:
        index, offset = divmod(step, self.steps_in_block)
        if self._block is None or self._block[0] != index:
            drawn = self.streams.normal(self.stream, (self.steps_in_block, *self.shape), index)
            self._block = (index, drawn.transpose(0, 1).contiguous())
        return self._block[1][offset]


def block_of(size: int, numbers: int = 2**18) -> int:
    """Return how many steps to draw at a time when each needs ``size`` numbers of a member."""
    return max(1, min(500, numbers // max(size, 1)))
