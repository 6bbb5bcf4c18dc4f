"""Picking a thing by name, with an error that helps."""

import difflib
from collections.abc import Iterable

MANY = 200  # names that fill a screen: the nearest will do
NEAREST = 5


def choose(kind: str, given: str, allowed: Iterable[str], where: str | None = None) -> str:
    """Return ``given`` when it is allowed; else raise ``ValueError`` with the nearest name.

    The error names all that is allowed, or where that would fill a screen what is near.
    """
    allowed = list(allowed)
    if given in allowed:
        return given
    near = difflib.get_close_matches(str(given), allowed, NEAREST)
    place = f" in {where}" if where else ""
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if len(allowed) > MANY:
        others = f" Near it are: {', '.join(near[1:])}." if near[1:] else ""
        raise ValueError(f"no {kind} {given!r}{place} among {len(allowed)}.{hint}{others}")
    names = ", ".join(each or "''" for each in allowed)
    raise ValueError(f"no {kind} {given!r}{place}; allowed: {names}.{hint}")
