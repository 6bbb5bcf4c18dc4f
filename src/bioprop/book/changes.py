"""Verdicts that were published and are others now: which, since when, and why."""

import datetime
from functools import cache

import pydantic
import yaml

from bioprop import paths
from bioprop.book.claims import Verdict, word


class Change(pydantic.BaseModel):
    """One verdict that moved: by a rule of judging, by a measure, or by a run made anew."""

    model_config = pydantic.ConfigDict(extra="forbid")

    claim: str
    old: Verdict
    new: Verdict
    why: str
    date: datetime.date

    @property
    def day(self) -> str:
        """The date in words."""
        return f"{self.date.day} {self.date:%B %Y}"


@cache
def every() -> tuple[Change, ...]:
    """Return all changes, the oldest first; raises ``ValueError`` for a file that is none."""
    try:
        entries = yaml.safe_load(paths.CHANGES.read_text(encoding="utf-8"))
        return tuple(pydantic.TypeAdapter(list[Change]).validate_python(entries))
    except (yaml.YAMLError, pydantic.ValidationError) as error:
        raise ValueError(f"{paths.CHANGES} is no list of changes: {error}") from error


def told(claim: str, origin: str = "paper") -> str | None:
    """Return in words which verdicts a claim had before, None where it had no other."""
    mine = [each for each in every() if each.claim == claim]
    said = [f"verdict {word(c.old, origin)!r} until {c.day}: {c.why}" for c in mine]
    return "; ".join(said) or None
