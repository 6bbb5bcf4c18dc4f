"""Values that a reader types, read as the kind of value that is wanted, never as another."""

import json
import re
from typing import Any

import pydantic


def pairs(words: list[str]) -> dict[str, str]:
    """Split ``name=value`` words; any other word raises ``ValueError``."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise ValueError(f"settings are given as name=value, such as rate=0.01, not {word!r}")
        if name in found:
            raise ValueError(f"{name} is given twice, as {found[name]} and as {value}")
        found[name] = value
    return found


def read(text: str, kind: Any) -> Any:
    """Return what a text says as a value of a type, as pydantic has it.

    ``30`` and ``1e3`` are numbers, ``[30, 20]`` is a list, ``true`` and ``no`` are answers, and any
    other text is a word. Raises ``pydantic.ValidationError`` where the type wants something else,
    ``ValueError`` for a list without an end.
    """
    words = _words(text)
    wanted = pydantic.TypeAdapter(kind)
    try:
        return wanted.validate_python(_numbers(words))
    except pydantic.ValidationError as error:
        if all(fault["type"] != "string_type" for fault in error.errors()):
            raise
    return wanted.validate_python(words)  # digits make words, too


def _words(text: str) -> Any:
    """Split a list, which may hold lists, into words; a text that is none is one word."""
    text = text.strip()
    if text[:1] not in ("[", "("):
        return text.strip("'\"")
    listed = text.replace("(", "[").replace(")", "]")
    quoted = re.sub(r"[^][,\s][^][,]*", lambda word: json.dumps(word[0].strip(" '\"")), listed)
    try:
        return json.loads(re.sub(r",\s*]", "]", quoted))
    except (ValueError, RecursionError):
        raise ValueError(f"{text!r} is no list; one is written as [30, 20, 10]") from None


def _numbers(words: Any) -> Any:
    """Return numbers for the words that are numbers."""
    if isinstance(words, list):
        return [_numbers(word) for word in words]
    try:
        return int(words) if re.fullmatch(r"[+-]?\d{1,4000}", words) else float(words)
    except ValueError:
        return words
