"""Numbers that differ from member to member, how they meet tensors, and memory of one's own."""

import math
from collections.abc import Iterable
from numbers import Real

import torch
from torch import Tensor


def spread(value: float | Tensor, rank: int) -> float | Tensor:
    """Give ``value`` as many axes as a tensor ``(member, ...)`` of ``rank`` axes.

    A number, and a tensor without axes, stay as they are; shapes ``(member,)`` and
    ``(member, 1, 1)`` become ``(member, 1, ..., 1)``. Without this, broadcasting would take
    ``member`` for another axis. Raises ``ValueError`` for more than one value for a member, and for
    what is neither a number nor a tensor.
    """
    if not isinstance(value, Tensor):
        if not isinstance(value, Real):
            raise ValueError(
                f"{value!r} given where a number is needed, or a tensor of one for each member, as "
                "Streams.each makes it"
            )
        return value
    if value.ndim == 0:
        return value
    if value.numel() != value.shape[0]:
        raise ValueError(
            f"a tensor of shape {tuple(value.shape)} given where each member has one number: shape "
            "(member,) or (member, 1, 1), as Streams.each makes it"
        )
    return value if value.ndim == rank else value.reshape(-1, *[1] * (rank - 1))


def positive(
    what: str,
    value: float | Tensor,
    *,
    zero: bool = False,
    most: float = math.inf,
    below: float = math.inf,
) -> None:
    """Raise ``ValueError`` unless each value is above 0 (``zero``: or 0) and finite.

    Nor may one be more than ``most``, or as much as ``below``.
    """
    exact = None if isinstance(value, Tensor) else torch.float64  # as Python's own numbers are
    numbers = torch.as_tensor(spread(value, 1), dtype=exact)
    fits = (numbers > 0) | (zero & (numbers == 0))
    fits = fits & (numbers <= most) & (numbers < below)
    if not fits.all():
        allowed = "0 or more" if zero else "above 0"
        up_to = "" if most == math.inf else f" and at most {most:g}"
        up_to = up_to if below == math.inf else f" and below {below:g}"
        up_to = f"{up_to}, and finite" if numbers.isinf().any() else up_to
        raise ValueError(f"{what} is {allowed}{up_to}, not {wrong(value, ~fits)}")


def finite(what: str, value: float | Tensor) -> None:
    """Raise ``ValueError`` unless each value is a number, and finite."""
    fits = torch.as_tensor(spread(value, 1)).isfinite()
    if not fits.all():
        given = wrong(value, ~fits)
        raise ValueError(f"{what} is a finite number, or one for each member, not {given}")


def wrong(value: float | Tensor, where: Tensor) -> float:
    """Return what an error names: the value, or of several the first that is wrong."""
    if not isinstance(value, Tensor):
        return value
    return float(f"{value.flatten()[where.flatten()][0]:.6g}")  # of float32, as it was given


def for_members(what: str, value: float | Tensor, members: int) -> None:
    """Raise ``ValueError`` unless a value is one number, or one for each of so many members."""
    if isinstance(value, Tensor) and value.numel() not in (1, members):
        raise ValueError(
            f"{what} has {value.numel()} values for a population of {members}: give one number, or "
            "one for each member"
        )


def share_memory(tensors: Iterable[Tensor]) -> bool:
    """Say whether any two elements, of one tensor or of two, lie in the same place of memory.

    What changes one of them in place would change the other, unseen.
    """
    used: dict[int, Tensor] = {}
    for tensor in tensors:
        if not tensor.numel() or tensor.is_meta:  # without numbers there is no memory
            continue
        if _folded(tensor):
            return True
        storage = tensor.untyped_storage()
        places = storage.nbytes() // tensor.element_size()
        seen = used.setdefault(storage.data_ptr(), torch.zeros(places, dtype=torch.bool))
        mine = seen.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        if mine.any():
            return True
        mine.fill_(True)
    return False


def _folded(tensor: Tensor) -> bool:
    """Say whether axes of a tensor run over the same memory, as those of ``expand`` do."""
    reach = 0  # of the axes with smaller strides
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride <= reach:
            return True
        reach += stride * (size - 1)
    return False
