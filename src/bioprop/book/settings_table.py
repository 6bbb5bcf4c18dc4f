"""The settings of a study as a table, with the comments that say where each value comes from."""

import dataclasses
import fnmatch
import inspect
import re
from collections.abc import Collection, Sequence
from typing import Any

from bioprop.studies import TIERS, Settings, Study

NOT_READ = "not read"
FIELD = re.compile(r"^    (\w+): .*?(?:  # (?P<why>.+))?$")


def comments(settings: type[Settings]) -> dict[str, str]:
    """Return the comment beside each field, of the class and of those it builds on."""
    found: dict[str, str] = {}
    for cls in reversed(settings.__mro__):
        if cls is object or not issubclass(cls, Settings):
            continue
        for line in inspect.getsource(cls).splitlines():
            match = FIELD.match(line)
            if match and match["why"]:
                found[match[1]] = match["why"]
    return found


def rows(study: Study) -> list[tuple[str, str, str]]:
    """Return name, value and origin of each setting, by variant where they differ.

    The values are those of the tier with the most evidence that the study has. Why
    variants do not read a setting stands with its origin, and in its place if no variant does.
    """
    tier = max(study.tiers, key=TIERS.index)
    every = {name: study.configure(tier, name) for name in study.variants}
    why, unread = comments(study.settings), {name: one.unread() for name, one in every.items()}
    table = []
    for field in dataclasses.fields(study.settings):
        key = field.name
        reasons = {name: found[key] for name, found in unread.items() if key in found}
        values = {
            name: NOT_READ if name in reasons else _text(getattr(settings, key))
            for name, settings in every.items()
        }
        origin = [] if len(reasons) == len(every) else [why.get(key, "")]
        told = "; ".join([*origin, *dict.fromkeys(reasons.values())])
        table.append((key, _shown(values), told))
    return table


def _shown(values: dict[str, str]) -> str:
    """Return one value for all, or each value behind the variants that have it."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    if len(groups) == 1:
        return next(iter(groups))
    named = {text: _named(group, values) for text, group in groups.items()}
    shorter, longest = sorted(named, key=lambda text: len(named[text]))[-2:]
    if len(named[longest]) > len(named[shorter]):  # the one that takes most words to name
        del named[longest]
        named[longest] = ["all others"]
    words = {text: ", ".join(names) for text, names in named.items()}
    return "; ".join(text if text == who else f"{who}: {text}" for text, who in words.items())


def _named(group: Sequence[str], variants: Collection[str]) -> list[str]:
    """Name some of the variants in few words: ``fa-…`` are all that begin so, ``…-fast`` end so."""
    words = []
    for name in group:
        parts = name.split("-")
        wild = [f"{'-'.join(parts[:k])}-*" for k in range(1, len(parts))]
        wild += [f"*-{'-'.join(parts[k:])}" for k in range(1, len(parts))]
        meant = {word: fnmatch.filter(variants, word) for word in (name, *wild)}
        fitting = [word for word in meant if set(meant[word]) <= set(group)]
        words.append(max(fitting, key=lambda word: len(meant[word])).replace("*", "…"))
    return list(dict.fromkeys(words))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
