"""What was run again elsewhere: which records, on which processor, and whether they agree.

To verify takes as long as to record. So it is worked off a part at a time, and what came of each
record is kept as a small file, which stands for it until another record comes in its place.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic

from bioprop import paths
from bioprop.book import provenance
from bioprop.book.closeness import Verification
from bioprop.book.records import Record, RecordError, Store, read
from bioprop.book.runs import exact


class Rerun(pydantic.BaseModel):
    """What came of running a record again.

    ``record`` is the digest of the record; ``how`` says in words how closely it is held, ``said``
    what the command said of it. ``provenance`` is that of the new run.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    record: str
    agrees: bool
    how: str
    said: str
    provenance: dict[str, Any]


def place(path: Path) -> Path:
    """Return where it is kept what came of the record in a file."""
    return paths.RERUNS.joinpath(*path.parts[-3:])


def pending(records: Mapping[Path, Record]) -> dict[Path, Record]:
    """Return what of some records, by their files, is left: the shortest first.

    Those that were made on this very processor are not for it: they would agree bit for bit.
    """
    left = {
        path: record
        for path, record in records.items()
        if not kept(path, record.digest) and not exact(record)
    }
    return dict(sorted(left.items(), key=lambda pair: float(pair[1].provenance["seconds"])))


def keep(path: Path, record: Record, found: Verification, seconds: float) -> Path:
    """Keep in one step what came of a record that was run again here, in some seconds."""
    rerun = Rerun(
        record=record.digest,
        agrees=not found.faults,
        how=found.how,
        said=str(found),
        provenance=provenance.describe(seconds, record.settings.device),
    )
    target = place(path)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(rerun.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(partial, target)
    return target


def kept(path: Path, digest: str) -> Rerun | None:
    """Return what came of the record in a file, None where this one was not run again elsewhere.

    Raises ``RecordError`` for a file that is none.
    """
    where = place(path)
    if not where.exists():
        return None
    try:
        rerun = Rerun.model_validate_json(where.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{where} does not say what came of a record ({error}). Restore it from version "
            "control, or delete it and have the record run again with: bioprop verify --pending"
        ) from None
    return rerun if rerun.record == digest else None


def described(store: Store) -> str:
    """Return MyST text: how many records were run again elsewhere, and which do not agree."""
    pairs = list(_every(store))
    done = [(path, rerun) for path, rerun in pairs if rerun]
    how = Counter(rerun.how for _, rerun in done if rerun.agrees)
    agreed = ", ".join(f"{count} {words}" for words, count in how.most_common())
    faulty = [(path, rerun) for path, rerun in done if not rerun.agrees]
    where = Counter(rerun.provenance["machine"] for _, rerun in done)
    text = f"Of {len(pairs)} files of records {len(done)} have been run again elsewhere so far"
    if not done:
        return text + "."
    text += f" ({'; '.join(f'{count} on {name}' for name, count in where.most_common())}): "
    text += f"{sum(how.values())} agree" + (f" ({agreed})" if agreed else "")
    text += f", {len(faulty)} {'does' if len(faulty) == 1 else 'do'} not."
    rows = [f"| {'/'.join(_names(path))} | {_first(rerun.said)} |" for path, rerun in faulty]
    return "\n".join(
        [text, *(["", "| record | what differs |", "|:--|:--|", *rows] if rows else [])]
    )


def _every(store: Store) -> Iterator[tuple[Path, Rerun | None]]:
    """Yield the file of each record, and what came of running it again elsewhere."""
    for path in store:
        yield path, kept(path, read(path).digest) if place(path).exists() else None


def _names(path: Path) -> tuple[str, ...]:
    return (*path.parts[-3:-1], path.stem)


def _first(said: str) -> str:
    return said.splitlines()[0].replace("|", "\\|")
