"""Batched matrix products and sums in place, in full precision or rounded to a shorter type."""

import torch
from torch import Tensor

from bioprop.learning.members import spread

BLOCK = 2**17  # weights that are rounded and added at a time, so that both stay in the cache


def product(a: Tensor, b: Tensor, compute: torch.dtype | None) -> Tensor:
    """Return the batched product of two matrices, rounded to ``compute`` where that is given."""
    if compute is None:
        return torch.bmm(a, b)
    return torch.bmm(a.to(compute), b.to(compute)).to(a.dtype)


def outer(h: Tensor, delta: Tensor, compute: torch.dtype | None) -> Tensor:
    """Return the batched product ``h^T delta``, left in ``compute`` where that is given."""
    if compute is None:
        return torch.bmm(h.mT, delta)
    return torch.bmm(h.to(compute).mT, delta.to(compute))


def add_outer_(
    W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor, compute: torch.dtype | None
) -> None:
    """Set ``W`` to ``keep W + h^T delta`` in place, in one pass where nothing is rounded."""
    if isinstance(keep, Tensor):
        W.mul_(spread(keep, W.ndim))
        keep = 1.0
    if compute is None:
        W.baddbmm_(h.mT, delta, beta=keep)
    else:
        add_(W, outer(h, delta, compute), keep)


def add_(W: Tensor, change: Tensor, keep: float | Tensor = 1.0) -> None:
    """Set ``W`` to ``keep W + change`` in place, ``change`` being of any precision.

    On a CPU in blocks of rows: a mixed sum first converts ``change`` as a whole, and blocks of it
    are still in the cache when they are added.
    """
    if isinstance(keep, Tensor) or keep != 1.0:
        W.mul_(spread(keep, W.ndim))
    blocks = 1 if W.is_cuda or W.dtype == change.dtype else -(-W.numel() // BLOCK)
    axis = 0 if W.shape[0] > W.shape[1] else 1
    for rows, more in zip(W.chunk(blocks, axis), change.chunk(blocks, axis), strict=True):
        rows.add_(more)
