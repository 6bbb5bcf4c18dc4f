"""Arguments of layers: whole numbers of any kind, NumPy's among them, and what they may be."""

import operator
from typing import Any

import torch


def whole(what: str, given: Any) -> int:
    """Return a whole number as Python's.

    Raises ``ValueError`` for anything else.
    """
    try:
        return operator.index(given)
    except TypeError:
        raise ValueError(f"{what} must be a whole number, not {given!r}") from None


def wholes(what: str, given: Any) -> tuple[int, ...]:
    """Return several whole numbers as a tuple.

    Raises ``ValueError`` where they are not.
    """
    try:
        numbers = list(given)
    except TypeError:
        raise ValueError(f"{what} must be whole numbers in a tuple, not {given!r}") from None
    return tuple(whole(f"each number of {what}", number) for number in numbers)


def one_or_two(what: str, given: Any) -> int | tuple[int, int]:
    """Return a whole number, or a pair of them (height, width).

    Raises ``ValueError`` for anything else.
    """
    try:
        return operator.index(given)
    except TypeError:
        pass
    try:
        high, wide = wholes(what, given)
    except ValueError:
        raise ValueError(
            f"{what} must be a whole number or a pair of them (height, width), not {given!r}"
        ) from None
    return (high, wide)


def precision(given: Any) -> torch.dtype | None:
    """Return the dtype of a layer's products, or None.

    Raises ``ValueError`` for anything else.
    """
    if given is None or (isinstance(given, torch.dtype) and given.is_floating_point):
        return given
    raise ValueError(f"compute must be None or a floating dtype of PyTorch, not {given!r}")
