"""One's own data, in memory or from a loader, as batches that a population learns from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bioprop.learning import Streams
from bioprop.learning.layers.arguments import whole
from bioprop.tasks.order import shuffled


@dataclass
class Examples:
    """Examples in memory, shown in an order of its own to each member, each once in every epoch.

    ``x`` and ``y`` are tensors, or arrays of NumPy, with one entry for each example. ``x`` is
    ``(example, unit)``, or images ``(example, channel, height, width)`` or ``(example, height,
    width)``; floating, or bytes, which are pixels from 0 to 255 and are shown from 0 to 1. ``y``
    holds labels ``(example,)`` of any integer type, counted from 0, or floating targets ``(example,
    unit)``. There are as many ``classes`` as the largest label needs unless more are said.

    Calling it with a step returns inputs ``(member, batch, unit)``, the channels of a pixel beside
    each other as layers want them, and targets ``(member, batch, unit)``, 1-hot for labels, both of
    the type and on the device of ``streams``. The order depends on the seed and the step alone, so
    an interrupted training goes on with the same data. ``each_epoch`` is how many steps make an
    epoch; what is left of the examples then is shown in another.
    Raises ``ValueError`` where shapes, types or labels do not fit, and for what is no number.
    """

    x: Any
    y: Any
    streams: Streams
    batch: int
    classes: int | None = None
    each_epoch: int = field(init=False)

    def __post_init__(self) -> None:
        self.batch = whole("the batch", self.batch)
        self._y = self._targets(self.y)
        self._x = inputs(self.x, self.streams)
        if len(self._x) != len(self._y):
            raise ValueError(f"{len(self._x)} examples x given with {len(self._y)} examples y")
        if not 0 < self.batch <= len(self._x):
            raise ValueError(f"a batch of {self.batch} is not 1 to {len(self._x)} examples")
        self.each_epoch = len(self._x) // self.batch
        self._epoch: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        epoch, place = divmod(step, self.each_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, shuffled(self.streams, len(self._x), epoch))
        chosen = self._epoch[1][:, place * self.batch : (place + 1) * self.batch]
        return self._x[chosen], self._y[chosen]

    def _targets(self, y: Any) -> Tensor:
        y = _tensor("y", y)
        if self.classes is None and y.ndim == 1 and y.numel() and not y.is_floating_point():
            self.classes = int(y.long().max()) + 1
        return targets(y, self.streams, self.classes)


@dataclass
class Loaded:
    """Batches of a ``torch.utils.data.DataLoader``, or of anything that yields pairs like one.

    Each ``(x, y)`` is as in :class:`Examples`, and is shown to all members alike. Where a pass
    through the loader ends, the next one begins. With labels the number of ``classes`` must be
    said, as no batch shows them all. A loader has no way back: steps are asked for in turn, from 0,
    and an interrupted training cannot go on where it was. Where data fit into memory,
    :class:`Examples` is faster and can.
    Raises ``ValueError`` where a batch is no such pair.
    """

    loader: Iterable[Any]
    streams: Streams
    classes: int | None = None

    def __post_init__(self) -> None:
        self._batches: Iterator[Any] = iter(())
        self._next = 0

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        if step != self._next:
            raise ValueError(
                f"batch {step} asked for where {self._next} is next; a loader is read in turn. "
                "Keep the data in memory (Examples) to begin anywhere"
            )
        x, y = self._pair()
        self._next += 1
        shown = inputs(x, self.streams), targets(y, self.streams, self.classes)
        if len(shown[0]) != len(shown[1]):
            raise ValueError(f"{len(shown[0])} examples x come with {len(shown[1])} examples y")
        members = len(self.streams.seeds)
        both = (t.expand(members, *t.shape) for t in shown)
        return next(both), next(both)

    def _pair(self) -> tuple[Any, Any]:
        """Return what the loader yields next, from its start where it has ended."""
        for _ in range(2):
            for given in self._batches:
                if not isinstance(given, (tuple, list)) or len(given) != 2:
                    raise ValueError(f"a loader yields pairs (x, y), not a {type(given).__name__}")
                return given[0], given[1]
            self._batches = iter(self.loader)
        raise ValueError(
            "the loader yields no batch, or none a second time; give a DataLoader, or a list"
        )


def inputs(x: Any, streams: Streams) -> Tensor:
    """Return examples as a network reads them, ``(example, unit)``; see :class:`Examples`.

    Test data take this way too.
    """
    x = _tensor("x", x)
    if x.ndim not in (2, 3, 4) or not x[:1].numel():
        raise ValueError(
            f"x of shape {tuple(x.shape)} given where (example, unit), (example, channel, height, "
            "width) or (example, height, width) is needed"
        )
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise ValueError(f"x of {x.dtype}; allowed: a floating type, or torch.uint8 for pixels")
    flat = (x.movedim(1, -1) if x.ndim == 4 else x).flatten(1)
    shown = flat.to(streams.device, streams.dtype)
    return shown / 255 if x.dtype == torch.uint8 else _numbers("x", shown)


def targets(y: Any, streams: Streams, classes: int | None = None) -> Tensor:
    """Return labels as 1-hot rows, or targets as they are, ``(example, unit)``."""
    y = _tensor("y", y)
    if y.is_floating_point() and y.ndim == 2 and y.numel():
        return _numbers("y", y.to(streams.device, streams.dtype))
    if y.ndim != 1 or y.is_floating_point() or y.is_complex() or not y.numel():
        raise ValueError(
            f"y of {y.dtype}, shape {tuple(y.shape)}, is neither labels (example,) of whole "
            "numbers nor floating targets (example, unit)"
        )
    if classes is None:
        raise ValueError("labels come in batches: say how many classes there are")
    y = y.long()  # PyTorch looks for the largest of few other types
    if not (0 <= int(y.min()) and int(y.max()) < whole("the number of classes", classes)):
        raise ValueError(
            f"labels from {int(y.min())} to {int(y.max())} given for {classes} classes: they are "
            f"counted from 0 to {classes - 1}"
        )
    hot = torch.eye(classes, dtype=streams.dtype, device=streams.device)
    return hot[y.to(streams.device)]


def _tensor(what: str, given: Any) -> Tensor:
    """Return data as a tensor that knows no gradient, whatever holds them.

    Raises ``ValueError`` for what is no array of numbers.
    """
    if isinstance(given, Tensor):
        return given.detach()
    try:
        array = np.asarray(given)
        # PyTorch knows neither another order of bytes, nor reversed views, nor what is locked.
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except (TypeError, ValueError):
        kind = f" of {given.dtype}" if isinstance(given, np.ndarray) else ""
        raise ValueError(
            f"{what} is a {type(given).__name__}{kind} where a tensor, or an array of numbers, is "
            "needed"
        ) from None


def _numbers(what: str, given: Tensor) -> Tensor:
    if not given.isfinite().all():
        raise ValueError(f"{what} holds NaN or Infinity in {given.dtype}")
    return given
