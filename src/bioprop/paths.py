"""Every place on disk that the project uses; no other module builds a path of its own."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("BIOPROP_ROOT") or Path(__file__).parents[2]).resolve()
CHAPTERS = ROOT / "chapters"
REPORTED = ROOT / "data" / "reported"  # what the papers report
RUNS = ROOT / "data" / "runs"  # what this project measured, committed
TWINS = ROOT / "data" / "twins"  # how far a last bit carries each recorded run, committed
RERUNS = ROOT / "data" / "reruns"  # what came of records that were run again elsewhere, committed
CHANGES = ROOT / "data" / "changed-verdicts.yaml"  # which verdicts were others once, and why
HOME = ROOT / "data" / "home.yaml"  # where the book is published
CITATION = ROOT / "CITATION.cff"  # how the book is cited
COSTS = ROOT / "data" / "costs.json"  # measured minutes of each chapter
CACHE = ROOT / "data" / "cache"  # data sets, checkpoints, readers' own runs: ignored by git
BUILD = ROOT / "_build"
LIVE = BUILD / "live"  # runs made while chapters execute


def is_book() -> bool:
    """Say whether the root is a copy of the book, not where the library alone is installed."""
    return REPORTED.is_dir()


def require_book() -> None:
    """Raise ``ValueError`` where the root is no copy of the book: nothing is run or written there.

    So it is where the library was installed by itself, and not from a copy with ``pip install -e``.
    """
    if not is_book():
        raise ValueError(
            f"{ROOT} is no copy of the book, which bioprop without its sources does not bring: "
            "clone the book's repository and install bioprop from it with pip install -e, or set "
            "BIOPROP_ROOT to a copy that you have"
        )
