"""Batched matrix products and sums in place, in full precision or in a shorter type.

A product in bfloat16 takes factors rounded to bfloat16 and sums in float32. A processor with AMX
rounds while it multiplies: PyTorch is asked for that in float32, for the one product and no longer,
and the result is rounded no more. Elsewhere, and where a product is tiny or its batch so large that
rounding costs little, factors and result are rounded as tensors.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from bioprop.learning.members import spread

BLOCK = 2**17  # weights that are rounded and added at a time, so that both stay in the cache
LARGE = 512  # rows from which a processor with AMX is faster by hand: measured, 784 x 1000 weights
TINY = 16**3  # multiplications up to which PyTorch does not ask oneDNN, which would round


def product(a: Tensor, b: Tensor, compute: torch.dtype | None) -> Tensor:
    """Return the batched product of two matrices, in ``compute`` where that is given."""
    if compute is None:
        return torch.bmm(a, b)
    if a.shape[1] < LARGE and _multiplies(a, b, compute):
        with rounding():
            return torch.bmm(a, b)
    return torch.bmm(a.to(compute), b.to(compute)).to(a.dtype)


def outer(h: Tensor, delta: Tensor, compute: torch.dtype | None) -> Tensor:
    """Return the batched product ``h^T delta``, of type ``compute`` where rounded by hand."""
    if compute is None:
        return torch.bmm(h.mT, delta)
    if _multiplies(h.mT, delta, compute):
        with rounding():
            return torch.bmm(h.mT, delta)
    return torch.bmm(h.to(compute).mT, delta.to(compute))


def add_outer_(
    W: Tensor, h: Tensor, delta: Tensor, keep: float | Tensor, compute: torch.dtype | None
) -> None:
    """Set ``W`` to ``keep W + h^T delta`` in place, in one pass where nothing is rounded by hand.

    ``keep`` is a number, or one for each matrix.
    """
    if isinstance(keep, Tensor):
        W.mul_(spread(keep, W.ndim))
        keep = 1.0
    if compute is None:
        W.baddbmm_(h.mT, delta, beta=keep)
    elif not _multiplies(h.mT, delta, compute) or W.dtype != h.dtype:
        add_(W, outer(h, delta, compute), keep)
    elif W.is_contiguous():
        with rounding():
            W.baddbmm_(h.mT, delta, beta=keep)
    elif W.mT.is_contiguous():  # oneDNN takes seconds for a result that lies transposed
        with rounding():
            W.mT.baddbmm_(delta.mT, h, beta=keep)
    else:
        add_(W, outer(h, delta, compute), keep)


def add_(W: Tensor, change: Tensor, keep: float | Tensor = 1.0) -> None:
    """Set ``W`` to ``keep W + change`` in place, ``change`` being of any precision.

    On a CPU in blocks of rows: a mixed sum first converts ``change`` as a whole, and blocks of it
    are still in the cache when they are added.
    """
    if not isinstance(keep, Tensor) and keep == 0:
        W.copy_(change)
        return
    if isinstance(keep, Tensor) or keep != 1.0:
        W.mul_(spread(keep, W.ndim))
    blocks = 1 if W.is_cuda or W.dtype == change.dtype else -(-W.numel() // BLOCK)
    axis = 0 if W.shape[0] > W.shape[1] else 1
    for rows, more in zip(W.chunk(blocks, axis), change.chunk(blocks, axis), strict=True):
        rows.add_(more)


def rounds_itself(compute: torch.dtype | None, *factors: Tensor) -> bool:
    """Whether the processor rounds float32 factors to ``compute`` while it multiplies them."""
    fits = compute == torch.bfloat16 and _has_amx() and all(map(_is_plain, factors))
    return fits and bool(torch.backends.mkldnn.enabled)


def _multiplies(a: Tensor, b: Tensor, compute: torch.dtype | None) -> bool:
    """Whether the processor rounds the factors of this very product."""
    return rounds_itself(compute, a, b) and a.numel() * b.shape[2] > TINY


@contextmanager
def rounding() -> Iterator[None]:
    """Let oneDNN round the factors of float32 products to bfloat16 within the context.

    The setting is the process's: products of another thread at the same time may be rounded too.
    It costs 2 microseconds.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = matmul.fp32_precision
    inherited = before == torch.backends.mkldnn.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = "none" if inherited else before


@cache
def _has_amx() -> bool:
    """Whether there are tiles of AMX, and a PyTorch with a setting for oneDNN's products alone."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return hasattr(torch.backends.mkldnn, "matmul") and supported()


def _is_plain(factor: Tensor) -> bool:
    return factor.dtype == torch.float32 and factor.device.type == "cpu"
