"""What was run again elsewhere: which records, on which processor, and whether they agree.

To verify takes as long as to record. So it is worked off a part at a time, and what came of each
record is kept as a small file, which stands for it until another record comes in its place.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import pydantic

from bioprop import paths, studies
from bioprop.book import parts, provenance, twins
from bioprop.book.closeness import Verification
from bioprop.book.costs import duration
from bioprop.book.records import Record, RecordError, Store, read
from bioprop.book.runs import Busy, alone, committed, verify
from bioprop.disk import using
from bioprop.tasks.datasets import DataError

Words = Annotated[str, pydantic.Field(min_length=1)]
LONG = 60.0  # seconds of runs after which is known how fast this machine is


class Rerun(pydantic.BaseModel):
    """What came of running a record again.

    ``record`` is the digest of the record, ``code`` that of the source it was run again with.
    ``how`` says in words how closely it is held, ``said`` what the command said of it, ``where`` on
    which processor or card it was. ``provenance`` is that of the new run.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    record: str
    code: str
    agrees: bool
    how: str
    said: Words
    where: Words
    provenance: dict[str, Any]


def named(path: Path) -> str:
    """Name a record by its file: study, tier and variant, with the seeds of a part."""
    return "/".join([*path.parts[-3:-1], path.stem])


def place(path: Path) -> Path:
    """Return where it is kept what came of the record in a file."""
    return paths.RERUNS.joinpath(*path.parts[-3:])


def pending(records: Mapping[Path, Record]) -> dict[Path, Record]:
    """Return what of some records, by their files, is left: the shortest first.

    Those made on this very processor or card are not for it, as far as they say where they were
    made. What did not agree with other source than now is left, too.
    """
    left = {path: record for path, record in records.items() if _left(path, record)}
    return dict(sorted(left.items(), key=lambda pair: _seconds(pair[1])))


def _left(path: Path, record: Record) -> bool:
    rerun = kept(path, record.digest)
    if rerun and (rerun.agrees or rerun.code == provenance.code()):
        return False
    then, now = record.provenance, here(record.settings.device)
    same = all(then.get(key, now[key]) == now[key] for key in ("machine", "arithmetic", "device"))
    return not same


@cache
def here(device: str) -> dict[str, Any]:
    """Return the provenance of what would be run now, on a device."""
    return provenance.describe(0.0, device)


def _seconds(record: Record) -> float:
    return float(record.provenance["seconds"])


def work_off(
    left: Mapping[Path, Record],
    *,
    hours: float,
    told: Callable[[str], None],
    during: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    twin: bool = False,
) -> int:
    """Run records again, in order, and keep what comes of each; return how many do not agree.

    None is begun that would end after some ``hours``, going by the time it took when it was
    recorded and by how fast this machine was so far. One that cannot be run here counts as one that
    does not agree, and nothing is kept of it; one that another process is at is left to that.
    ``twin`` measures the twins of all, which takes several times as long and is not reckoned with.
    """
    committed()
    end = time.monotonic() + hours * 3600
    done = bad = 0
    spent = recorded = 0.0
    for path, record in left.items():
        name = named(path)
        needs = _seconds(record) * (spent / recorded if recorded > LONG else 1.0)
        if time.monotonic() + needs > end:
            told(
                f"{done} of {len(left)} run again; {name} comes next and takes about "
                f"{duration(needs)}. The same command goes on"
            )
            break
        began = time.monotonic()
        try:
            with alone(place(path)), during(name):
                if not _left(path, record):  # any more: another process was there before
                    continue
                found = verify(record, studies.get(record.study), twin=twin)
                if found.provenance:
                    keep(path, record, found)
        except Busy:
            continue
        except (DataError, ValueError) as error:
            told(f"{name}: left out: {error}")
            bad += 1
            continue
        spent, recorded = spent + time.monotonic() - began, recorded + _seconds(record)
        done, bad = done + 1, bad + bool(found.faults)
        told(f"{name}: {found}")
    return bad


def keep(path: Path, record: Record, found: Verification) -> Path:
    """Keep in one step what came of a record that was run again here."""
    run = found.provenance
    rerun = Rerun(
        record=record.digest,
        code=provenance.code(),
        agrees=not found.faults,
        how=found.how,
        said=str(found),
        where=run["machine"] if run["device"] == "cpu" else run["device"],
        provenance=dict(run),
    )
    target = place(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    with using(target, RecordError):
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(rerun.model_dump_json(indent=1) + "\n", encoding="utf-8")
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
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
    """Return MyST text: how many records were run again elsewhere, and which do not agree.

    It is said of these which amplify their last bit, as far as their twin tells.
    """
    pairs = list(_every(store))
    done = [(path, rerun) for path, rerun in pairs if rerun]
    how = Counter(rerun.how for _, rerun in done if rerun.agrees)
    agreed = ", ".join(f"{count} {words}" for words, count in how.most_common())
    faulty = [(path, rerun) for path, rerun in done if not rerun.agrees]
    where = Counter(rerun.where for _, rerun in done)
    text = f"Files of records: {len(pairs)}. Run again elsewhere so far: {len(done)}"
    if not done:
        return f"{text}."
    text += f" ({'; '.join(f'{count} on {name}' for name, count in where.most_common())}). "
    text += f"Of these agree: {sum(how.values())}" + (f" ({agreed})" if agreed else "")
    text += f". Do not agree: {len(faulty)}."
    amplifies = {True: "yes", False: "no"}
    amplifying = twins.amplifying()
    rows = [
        f"| {named(path)} | {_first(rerun.said)} | {amplifies[parts.run(path) in amplifying]} |"
        for path, rerun in faulty
    ]
    head = ["", "| record | what differs | amplifies its last bit |", "|:--|:--|:--|"]
    return "\n".join([text, *([*head, *rows] if rows else [])])


def _every(store: Store) -> Iterator[tuple[Path, Rerun | None]]:
    """Yield the file of each record, and what came of running it again elsewhere."""
    for path in store:
        yield path, kept(path, read(path).digest) if place(path).exists() else None


def _first(said: str) -> str:
    return said.splitlines()[0].replace("|", "\\|")
