"""What a population takes of memory, counted before it is made.

All that learning keeps is made once on PyTorch's device ``meta``, where tensors have shapes and no
numbers, and its bytes are counted: weights, averages of optimisers, feedback weights, inverses,
whatever a rule keeps. What a step takes for a while comes on top: activities, and gradients. A
checkpoint does not: it is written from where the numbers lie, and read from the disk into them.

What a step takes for a while is freed, and taken by the next: :func:`reused` keeps it at hand.
"""

import ctypes
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from bioprop.learning.layers.layer import Layer
from bioprop.learning.network import Network
from bioprop.learning.optimisers import Optimiser
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Rule

SMALL = 2**26  # bytes of weights below which nothing is counted: there is room for what follows
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # what mallopt(3) calls M_TRIM_THRESHOLD and M_MMAP_MAX
CGROUP = Path("/sys/fs/cgroup")  # where Linux says what a container may have, and what it has


class TooLarge(ValueError):
    """A population that the memory does not hold; the message says how many members it does."""


class Undrawn(Streams):
    """Streams whose draws have shapes and no numbers; those of ``instead_of`` would have both."""

    def __init__(self, streams: Streams) -> None:
        super().__init__(streams.seeds, streams.dtype, "meta")
        object.__setattr__(self, "instead_of", streams)

    def uniform(
        self, stream: str, shape: Sequence[int], bound: float | Tensor, block: int = 0
    ) -> Tensor:
        """Return the shape of what would be drawn."""
        return self._blank(shape)

    def normal(self, stream: str, shape: Sequence[int], block: int = 0) -> Tensor:
        """Return the shape of what would be drawn."""
        return self._blank(shape)

    def kept(
        self, stream: str, shape: Sequence[int], removed: float | Tensor, block: int = 0
    ) -> Tensor:
        """Return the shape of what would be drawn."""
        return self._blank(shape)

    def _blank(self, shape: Sequence[int]) -> Tensor:
        return torch.empty(len(self.seeds), *shape, dtype=self.dtype, device="meta")


def check(network: Network, rule: Rule, optimiser: Optimiser, streams: Streams) -> None:
    """Raise :class:`TooLarge` where a training keeps more than the memory holds.

    Nothing is counted of a small network, nor of a rule that looks at numbers as it begins.
    """
    learnt = size(network.weights)
    if learnt < SMALL:
        return
    had = 0 if streams.device == "meta" else learnt
    refuse(
        needed(network, rule, optimiser, streams),
        streams,
        f"training by {rule.name!r} takes at least",
        had,
    )


def check_weights(layers: Iterable[Layer], streams: Streams) -> None:
    """Raise :class:`TooLarge` where the memory does not hold the weights of a population."""
    if streams.device == "meta":
        return
    blank = Undrawn(streams)
    weights = size(blank.normal("weights", layer.weight_shape) for layer in layers)
    if weights >= SMALL:
        refuse(weights, streams, "weights alone take")


def needed(network: Network, rule: Rule, optimiser: Optimiser, streams: Streams) -> int:
    """Return the bytes of all that a training keeps, without making it.

    0 for a rule that looks at numbers as it begins, as there are none.
    """
    shapes = without_numbers(network)
    try:
        state = rule.init(shapes, streams if streams.device == "meta" else Undrawn(streams))
    except RuntimeError:  # PyTorch's word for numbers that are not there
        return 0
    kept = (shapes.weights, shapes.biases, network.masks, state, optimiser.init(shapes))
    return size(tensors(kept))


def without_numbers(network: Network) -> Network:
    """Return a network of the same shapes whose weights have no numbers."""
    weights = [W.to("meta") for W in network.weights]
    biases = [None if b is None else b.to("meta") for b in network.biases]
    return Network(network.layers, network.activations, weights, biases, network.loss)


def refuse(count: int, streams: Streams, what: str, had: int = 0) -> None:
    """Raise :class:`TooLarge` where so many bytes are not free; ``had`` of them are there."""
    device = getattr(streams, "instead_of", streams).device
    here, members = free(device) + had, len(streams.seeds)
    if count <= here:
        return
    fit = here * members // count
    raise TooLarge(
        f"{what} {words(count)} for {members} {'member' if members == 1 else 'members'} side "
        f"by side, {words(count // members)} for each, and {device} has {words(here)}: "
        + (f"{fit} {'fits' if fit == 1 else 'fit'}" if fit else "not one fits")
    )


def free(device: str = "cpu") -> int:
    """Return the bytes that are free on a device; in a container, of what it may have.

    What is kept at hand for the next step is given back first.
    """
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    give_back()
    available = psutil.virtual_memory().available
    limit, statistics = CGROUP / "memory.max", CGROUP / "memory.stat"
    if not limit.is_file() or limit.read_text().strip() == "max":
        return available
    taken = dict(line.split() for line in statistics.read_text().splitlines())["anon"]
    return min(available, max(int(limit.read_text()) - int(taken), 0))


def size(each: Iterable[Tensor | None]) -> int:
    """Return the bytes of tensors."""
    return sum(t.numel() * t.element_size() for t in each if t is not None)


def words(count: int) -> str:
    """Return a number of bytes in words; a gigabyte has 10^9."""
    return f"{count / 1e9:.3g} GB" if count >= 10**9 else f"{count / 1e6:.3g} MB"


def tensors(state: Any) -> Iterator[Tensor]:
    """Find the tensors of nested lists, tuples and dictionaries, in order."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        yield from tensors(list(state.values()))
    elif isinstance(state, (list, tuple)):
        for part in state:
            yield from tensors(part)


@contextmanager
def reused() -> Iterator[None]:
    """Keep the memory of freed tensors for the next ones, from now on, until :func:`give_back`.

    The C library of Linux (glibc) returns what was larger than 32 MiB to the system at once, and
    the system clears each page anew when the next step takes it: a quarter or more of the time of a
    step where a population's weights are that large. The end of the context gives back what is
    free then. What a second thread takes is none of this, and in another C library nothing happens.
    """
    if library := _glibc():
        library.mallopt(TRIM_THRESHOLD, -1)  # never
        library.mallopt(MMAP_MAX, 0)
    try:
        yield
    finally:
        give_back()


def give_back() -> None:
    """Give to the system what is kept and no tensor has now, as after measuring, which takes more.

    A step that follows takes anew what it needs.
    """
    if library := _glibc():
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library of this process where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
