"""What a chapter costs: measured seconds of its live run, never a guess."""

import os
from collections.abc import Mapping
from pathlib import Path

import pydantic

from bioprop import paths


class Costs(pydantic.BaseModel):
    """Measured seconds of each chapter at tier quick, and the machine they were measured on."""

    machine: str = ""
    seconds: dict[str, float] = {}

    @classmethod
    def load(cls, path: Path | None = None) -> "Costs":
        """Read the committed measurements; none yet is an empty table."""
        path = path or paths.COSTS
        return cls.model_validate_json(path.read_text("utf-8")) if path.exists() else cls()

    def save(self, path: Path | None = None) -> None:
        """Write the measurements in one step."""
        path = path or paths.COSTS
        partial = path.with_suffix(".partial")
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(partial, path)

    def sentence(self, chapter: str, recorded: float | None) -> str:
        """Say what a live run of a chapter costs, and what its recorded runs took."""
        quick, machine = duration(self.seconds.get(chapter)), self.machine or "no machine yet"
        ran = f" All recorded runs behind this page took {duration(recorded)}." if recorded else ""
        return f"Measured on {machine}: quick {quick}.{ran}"

    def table(self, chapters: list[str], recorded: Mapping[str, float]) -> str:
        """Return a MyST table of all chapters: live run, and recorded runs where there are any."""
        lines = ["| chapter | quick | recorded runs |", "|:--|--:|--:|"]
        for name in chapters:
            quick, runs = duration(self.seconds.get(name)), duration(recorded.get(name))
            lines.append(f"| {name} | {quick} | {runs} |")
        return "\n".join(lines) + f"\n\nQuick was measured on {self.machine}."


def duration(seconds: float | None) -> str:
    """Write a time for people, to the second, the minute or a tenth of an hour."""
    if seconds is None:
        return "not measured"
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
