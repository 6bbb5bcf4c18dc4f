"""Picking a thing by name, with an error that helps."""

import difflib
from collections.abc import Iterable


def choose(kind: str, given: str, allowed: Iterable[str], where: str | None = None) -> str:
    """Return ``given`` when it is allowed; else raise ``ValueError`` with the nearest name."""
    allowed = list(allowed)
    if given in allowed:
        return given
    near = difflib.get_close_matches(str(given), allowed, 1)
    place = f" in {where}" if where else ""
    hint = f" Did you mean {near[0]!r}?" if near else ""
    names = ", ".join(each or "''" for each in allowed)
    raise ValueError(f"no {kind} {given!r}{place}; allowed: {names}.{hint}")
