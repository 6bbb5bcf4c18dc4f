"""Records: what a run leaves behind, JSON files of each variant, checked when they are read."""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic

from bioprop import paths, studies
from bioprop.book import parts
from bioprop.disk import why
from bioprop.studies import Settings, Study
from bioprop.studies.journal import Journal

SCHEMA = 1


class RecordError(Exception):
    """A record that cannot be trusted, or could not be written; the message says what to do."""


class Record(pydantic.BaseModel):
    """A finished run: its settings, what it measured, and where it was made.

    ``labels`` has one value for each member, ``marks`` are numbers of examples seen, and
    ``values[quantity][mark][member]`` is a measurement, rounded to float32, or None where the
    member had diverged. ``diverged`` maps such members to the first mark at which any of their
    quantities was not finite; from there on all are None.
    ``fingerprint`` is the SHA-256 of the final weights and biases. ``digest`` seals all the rest.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    schema_version: int = SCHEMA
    study: str
    tier: str
    variant: str
    configuration: dict[str, Any]
    labels: dict[str, list[Any]]
    marks: list[int]
    values: dict[str, list[list[float | None]]]
    diverged: dict[int, int]
    fingerprint: str
    provenance: dict[str, Any]
    digest: str = ""
    _parts: tuple["Record", ...] = ()
    _wanted: int = 0

    @pydantic.model_validator(mode="after")
    def _complete(self) -> "Record":
        """Refuse a record of nothing, and one that lacks values of some member or mark."""
        members = {len(column) for column in self.labels.values()}
        if len(members) != 1 or not (self.marks and self.values and members != {0}):
            raise ValueError("it has no label for each member, no mark or no quantity")
        for quantity, rows in self.values.items():
            if len(rows) != len(self.marks) or {len(row) for row in rows} != members:
                raise ValueError(f"{quantity} has not one value for each member at each mark")
        return self

    @property
    def settings(self) -> Settings:
        """Return the settings the run was made with."""
        study = studies.get(self.study)
        return study.configure(self.tier, self.variant, **self.configuration)

    @property
    def whole(self) -> dict[str, Any]:
        """The configuration, and settings that came later at the values that they have of old."""
        return as_kept(self.settings)

    @property
    def choices(self) -> dict[str, Any]:
        """All settings but the device, which is a matter of where and not of what."""
        return {name: value for name, value in self.whole.items() if name != "device"}

    @property
    def members(self) -> int:
        """Number of members in the population."""
        return len(next(iter(self.labels.values())))

    @property
    def parts(self) -> tuple["Record", ...]:
        """The records that this one was joined from; itself where it was made at once."""
        return self._parts or (self,)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that are there, in order."""
        return tuple(sorted(set(self.labels.get("seed") or self.settings.seeds)))

    @property
    def wanted(self) -> int:
        """How many seeds there are once nothing is missing."""
        return self._wanted or len(self.seeds)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The tidy table: member, labels, examples, quantities; a row for each mark and member."""
        shape = (len(self.marks), self.members)
        columns: dict[str, Any] = {"member": np.tile(np.arange(shape[1]), shape[0])}
        columns |= {name: np.tile(np.array(v), shape[0]) for name, v in self.labels.items()}
        columns |= {"examples": np.repeat(self.marks, shape[1])}
        for quantity, rows in self.values.items():
            columns[quantity] = np.array(rows, dtype=float).reshape(-1)
        return pd.DataFrame(columns)

    @property
    def summary(self) -> str:
        """The mean over members of each quantity at the last mark, in a line."""
        end = self.table[self.table["examples"] == self.marks[-1]]
        return ", ".join(f"{name} {end[name].mean(skipna=False):.4g}" for name in self.values)

    def of(self, parts: Sequence["Record"], wanted: int) -> "Record":
        """Return the record as one that was joined from parts, all that are there of ``wanted``."""
        copy = self.model_copy()
        copy._parts, copy._wanted = tuple(parts), wanted
        return copy

    def sealed(self) -> "Record":
        """Return the record with the digest of its content."""
        return self.model_copy(update={"digest": _digest(self.model_dump(exclude={"digest"}))})


def as_kept(settings: Settings) -> dict[str, Any]:
    """Return settings as a record keeps them."""
    kept = pydantic.TypeAdapter(type(settings)).dump_python(settings, mode="json")
    return dict(kept)


def make(study: Study, tier: str, variant: str, settings: Settings, journal: Journal) -> Record:
    """Turn a finished journal into a sealed record, still without provenance."""
    values: dict[str, list[list[float | None]]] = {}
    for _, measured in journal.rows:
        for quantity, row in measured.items():
            values.setdefault(quantity, []).append([_rounded(value) for value in row])
    marks = [mark for mark, _ in journal.rows]
    diverged = _diverged(marks, values)
    for rows in values.values():
        for mark, kept in zip(marks, rows, strict=True):
            kept[:] = [None if mark >= diverged.get(k, mark + 1) else v for k, v in enumerate(kept)]
    return Record(
        study=study.name,
        tier=tier,
        variant=variant,
        configuration=as_kept(settings),
        labels={name: [_plain(v) for v in column] for name, column in journal.labels.items()},
        marks=marks,
        values=values,
        diverged=diverged,
        fingerprint=journal.fingerprint,
        provenance={},
    )


class Store:
    """A folder of records: ``<study>/<tier>/<variant>.json``, and parts beside it or in its place.

    See :mod:`bioprop.book.parts`.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, study: str, tier: str, variant: str, seeds: parts.Seeds | None = None) -> Path:
        """Return where a record lies, or would lie: the whole, or the part with these seeds."""
        stem = f"{variant}.{parts.words(seeds)}" if seeds else variant
        return self.folder / study / tier / f"{stem}.json"

    def save(self, record: Record, *, part: bool = False) -> Path:
        """Write a record in one step: readers find the old one or the new one, nothing between."""
        seeds = parts.span(record.settings) if part else None
        path = self.path(record.study, record.tier, record.variant, seeds)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "w", encoding="utf-8") as file:
                file.write(_text(record.sealed()))
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            raise RecordError(_disk_problem(path, error, _beside(path, record))) from error
        finally:
            if partial.exists():
                partial.unlink()
        return path

    def files(self, study: str, tier: str, variant: str) -> list[Path]:
        """Return the files of a variant that are there: the whole, and parts by their seeds."""
        whole = self.path(study, tier, variant)
        found = whole.parent.glob(f"{variant}.*-*.json")
        beside = {path: parts.split(path.stem) for path in found}
        mine = {path: seeds for path, (name, seeds) in beside.items() if name == variant and seeds}
        return [whole] * whole.exists() + sorted(mine, key=lambda path: mine[path].start)

    def load(self, study: str, tier: str, variant: str) -> Record:
        """Read a record, joined where there are parts.

        Raises ``RecordError`` when it is missing, or a file of it is damaged, edited, too new or
        does not belong with the others.
        """
        files = self.files(study, tier, variant) or [self.path(study, tier, variant)]
        records = [read(path) for path in files]
        joined = records[0] if len(files) == 1 else _joined(files, records)
        if len(files) == 1 and self is not RECORDED and parts.split(files[0].stem)[1] is None:
            return joined
        wanted = studies.get(study).configure(tier, variant).members
        return joined.of(records, wanted)

    def has(self, study: str, tier: str, variant: str) -> bool:
        """Say whether a record is there, or a part of it (not whether it is sound)."""
        return bool(self.files(study, tier, variant))

    def missing(self, study: Study, tier: str, variant: str) -> set[int]:
        """Return the seeds that a tier declares and that are not there yet."""
        wanted = set(study.configure(tier, variant).seeds)
        if not self.has(study.name, tier, variant):
            return wanted
        return wanted - set(self.load(study.name, tier, variant).seeds)

    def shared(self, study: Study, tier: str) -> int:
        """Return how many seeds are there in every variant, going by the names of the files."""
        there = [self._there(study, tier, variant) for variant in study.variants]
        return len(set.intersection(*there))

    def runs(self, study: Study, tier: str) -> Mapping[str, Record]:
        """Return the records of all variants of a study at a tier.

        While seeds are missing in some, all have those only that are there in each, so that
        networks can be compared seed by seed (by their place, where seeds start elsewhere).
        """
        found = [path for name in study.variants for path in self.files(study.name, tier, name)]
        return dict(_runs(self, study, tier, tuple(map(_stamp, found))))

    def _there(self, study: Study, tier: str, variant: str) -> set[int]:
        """Return the seeds that are there, counted from the first; a whole record has all."""
        first, *rest = study.configure(tier, variant).seeds
        there: set[int] = set()
        for path in self.files(study.name, tier, variant):
            seeds = parts.split(path.stem)[1] or range(first, first + len(rest) + 1)
            there |= {seed - first for seed in seeds}
        return there

    def __iter__(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("*/*/*.json")))


# Claims that compare with another study read its records one after another: a few studies are kept.
@lru_cache(maxsize=8)
def _runs(
    store: Store, study: Study, tier: str, stamps: tuple[tuple[Any, ...], ...]
) -> Mapping[str, Record]:
    """Read the records of a study, again where any file is another than ``stamps`` say."""
    runs = {variant: store.load(study.name, tier, variant) for variant in study.variants}
    lacking = set().union(*(_lacking(study, run) for run in runs.values()))
    return {name: _without(study, run, lacking) for name, run in runs.items()}


def _stamp(path: Path) -> tuple[Any, ...]:
    """Return what changes with a file's content."""
    known = path.stat()
    return path, known.st_ino, known.st_size, known.st_mtime_ns, known.st_ctime_ns


def _joined(files: Sequence[Path], records: Sequence[Record]) -> Record:
    """Join what was read from the files of a variant; refused by name where it cannot be."""
    names = ", ".join(path.name for path in files)
    try:
        return parts.join(records)
    except ValueError as error:
        raise RecordError(
            f"the records {names} in {files[0].parent} cannot be joined: {error}. Remove those "
            "that should not be there"
        ) from None


def _lacking(study: Study, record: Record) -> set[int]:
    """Return the declared seeds that a record lacks, counted from the first."""
    if record.wanted == len(record.seeds):
        return set()
    declared = study.configure(record.tier, record.variant).seeds
    return {seed - declared[0] for seed in declared if seed not in record.seeds}


def _without(study: Study, record: Record, places: Collection[int]) -> Record:
    """Return a record without the seeds at some places, counted from the first declared."""
    first = study.configure(record.tier, record.variant).first_seed
    keep = [seed for seed in record.seeds if seed - first not in places]
    if len(keep) == len(record.seeds):
        return record
    return parts.join(record.parts, keep).of(record.parts, record.wanted)


def seconds(runs: Mapping[str, Record]) -> float:
    """Return how long runs took, one after another."""
    return round(sum(record.provenance["seconds"] for record in runs.values()), 1)


RECORDED = Store(paths.RUNS)
LIVE = Store(paths.LIVE)  # made while the book is built
OWN = Store(paths.BUILD / "own")  # made while a reader runs a chapter


def read(path: Path) -> Record:
    """Read one record file and check it: digest, schema, place, and settings still known."""
    variant, seeds = parts.split(path.stem)
    names = (path.parent.parent.name, path.parent.name, variant)
    command = "bioprop run {} --tier {} --variant {}".format(*names)
    command += f" --part {parts.words(seeds)}" if seeds else ""

    def fault(what: str, cure: str = "Restore it from version control, or make") -> RecordError:
        return RecordError(f"record {path} {what}. {cure} it anew with: {command} --again")

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"no record {path}. Make it with: {command}") from None
    except OSError as error:
        raise fault(f"cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested without end
        raise fault(f"is truncated or damaged ({error})") from None
    if not isinstance(content, dict):
        raise fault("holds no JSON object")
    if (version := content.get("schema_version")) != SCHEMA:
        found = f"has schema version {version!r}; this bioprop reads version {SCHEMA}"
        raise fault(found, "Update bioprop, or make")
    if content.get("digest") != _digest({k: v for k, v in content.items() if k != "digest"}):
        raise fault("does not match its digest: it was changed after it was written")
    try:
        record = Record.model_validate(content)
    except pydantic.ValidationError as error:
        raise fault(f"is not a record ({error})") from None
    if (record.study, record.tier, record.variant) != names:
        raise fault(f"is that of {record.study}/{record.tier}/{record.variant}")
    try:
        settings = record.settings
    except ValueError as error:
        raise fault(f"has settings that bioprop no longer knows ({error})", "Make") from None
    if seeds and seeds != parts.span(settings):
        raise fault(f"holds the seeds {parts.words(parts.span(settings))}")
    return record


def differences(old: Record, new: Record) -> list[str]:
    """Say in which respects two runs of the same settings differ; empty when every bit agrees."""
    found = []
    words = {"choices": "configuration"} | {name: name for name in ("labels", "marks", "diverged")}
    for name, word in words.items():
        if getattr(old, name) != getattr(new, name):
            found.append(f"{word} differ")
    if found or old.values.keys() != new.values.keys():
        return found or ["other quantities were measured"]
    for quantity in old.values:
        a, b = (np.array(r.values[quantity], dtype=float) for r in (old, new))
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            found.append(f"{quantity} is missing in other places")
        if apart := float(np.nan_to_num(np.abs(a - b)).max()):
            found.append(f"{quantity} differs by up to {apart:.2g}")
    if old.fingerprint != new.fingerprint:
        found.append("the final weights differ")
    return found


def _text(record: Record) -> str:
    """Lay a record out for people: one line for each short field, one for each row of values."""
    lines = []
    for key, value in record.model_dump(mode="json").items():
        if key == "values":
            body = ",\n".join(
                f"  {json.dumps(name)}: [\n    " + ",\n    ".join(map(json.dumps, rows)) + "\n  ]"
                for name, rows in value.items()
            )
            lines.append(f'"values": {{\n{body}\n}}')
        elif key in ("provenance", "configuration"):
            lines.append(f"{json.dumps(key)}: {json.dumps(value, indent=1)}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _digest(content: Mapping[str, Any]) -> str:
    plain = json.dumps(json.loads(json.dumps(content)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def _rounded(value: float) -> float | None:
    """Round to float32, written with as few digits as hold it; None when not finite there."""
    with np.errstate(over="ignore"):
        rounded = float(str(np.float32(value)))
    return rounded if math.isfinite(rounded) else None


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _diverged(marks: list[int], values: Mapping[str, list[list[float | None]]]) -> dict[int, int]:
    first: dict[int, int] = {}
    for rows in values.values():
        for mark, row in zip(marks, rows, strict=True):
            for member, value in enumerate(row):
                if value is None:
                    first[member] = min(mark, first.get(member, mark))
    return dict(sorted(first.items()))


def _beside(path: Path, record: Record) -> Path | None:
    """Write a record among temporary files, as its own place refuses; None where they do, too."""
    other = Path(tempfile.gettempdir()) / f"{record.study}-{record.tier}-{path.name}"
    try:
        other.write_text(_text(record.sealed()), encoding="utf-8")
    except OSError:
        return None
    return other


def _disk_problem(path: Path, error: OSError, saved: Path | None) -> str:
    kept = "a record that was there before is untouched"
    again = f"move {saved} there, where the new one is" if saved else "run the same command"
    return f"could not write record {path}: {why(error)}, then {again}; {kept}"
