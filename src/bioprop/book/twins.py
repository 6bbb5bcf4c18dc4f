"""Twins: how far a recorded run comes from itself when it starts one unit in the last place away.

Another processor takes sums in another order, and so changes last bits, in each batch anew. Most
runs forget that, some amplify it. A twin, run beside its run on one machine, measures which: once,
kept as a small file.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from bioprop import paths, studies
from bioprop.book import moved, parts, provenance
from bioprop.book.claims import word
from bioprop.book.records import Record, RecordError, Store, as_kept, make
from bioprop.studies import Study
from bioprop.studies.journal import Twin as TwinJournal

VISIBLE = 1e-4  # of the largest median over networks: what shows in the third digit, about
NOTHING = 1e-12  # what is smaller is nothing but rounding, such as a drift that a theorem forbids
POPULATION = ("members", "first_seed")  # settings that say which networks, and not how
WHERE = ("device",)


class Twin(pydantic.BaseModel):
    """How far a run and its twin were apart.

    ``marks_apart[quantity][mark]`` is the largest difference over members, in the unit of the
    quantity, and ``members_apart[quantity][member]`` that over marks; None where a member had
    diverged in one of the two alone, so that any difference is possible. ``largest[quantity]`` is
    the largest median over networks, to compare with: beside one that blows up nothing would show.
    ``verdicts`` has each claim whose verdict is another with the twin in the place of the run: that
    with the run, and that with the twin. In the oldest twins it is None, as they were not judged.
    ``each_batch`` says whether it was rounded otherwise in each batch, too: not so in the oldest.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    study: str
    tier: str
    variant: str
    configuration: dict[str, Any]
    marks: list[int]
    largest: dict[str, float]
    marks_apart: dict[str, list[float | None]]
    members_apart: dict[str, list[float | None]]
    verdicts: dict[str, tuple[str, str]] | None = None
    each_batch: bool = False
    provenance: dict[str, Any]

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return paths.TWINS / self.study / self.tier / f"{self.variant}.json"

    def fits(self, record: Record) -> bool:
        """Say whether it is the twin of a run with the settings of a record, but for its seeds."""
        study = studies.get(record.study)
        try:
            own = study.configure(record.tier, record.variant, **self.configuration)
        except ValueError:  # it has settings that bioprop no longer knows
            return False
        mine, other = (
            {k: v for k, v in whole.items() if k not in (*POPULATION, *WHERE)}
            for whole in (as_kept(own), record.whole)
        )
        measured = self.marks == record.marks and self.largest.keys() == record.values.keys()
        return measured and mine == other

    def same_networks(self, record: Record) -> bool:
        """Say whether it is the twin of a run of the very networks of a record that it fits."""
        mine, other = (
            {name: each.configuration.get(name) for name in POPULATION} for each in (self, record)
        )
        return mine == other

    def at_marks(self, quantity: str) -> np.ndarray:
        """Return the largest difference at each mark, infinite where anything may be."""
        return _bounds(self.marks_apart[quantity])

    def of_members(self, quantity: str) -> np.ndarray:
        """Return the largest difference of each member, infinite where anything may be."""
        return _bounds(self.members_apart[quantity])

    def keep(self) -> Path:
        """Write it in one step."""
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        lines = (f' "{name}": {text}' for name, text in self._fields())
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        os.replace(partial, self.path)
        return self.path

    def _fields(self) -> Iterator[tuple[str, str]]:
        for name in type(self).model_fields:
            yield name, self.model_dump_json(include={name}).partition(":")[2][:-1]


def of(record: Record, again: Record, study: Study, *, judged: bool = False) -> Twin:
    """Return the twin of a record: the one that is kept, or one that is measured now and kept.

    ``again`` is the record's run, made again here and now, to run a twin beside. One that was moved
    at marks alone is measured anew, and where the twin is to be ``judged``, one that was not.
    """
    twin = kept(record)
    if twin is None or not twin.each_batch or (judged and twin.verdicts is None):
        twin = measure(record, again, study)
        twin.keep()
    return twin


def measure(record: Record, run: Record, study: Study) -> Twin:
    """Run the twin of a record's run that was made here and now, and tell how far apart they are.

    Claims are judged with each of the two in the place of the record.
    """
    journal = TwinJournal()
    study.run(run.settings, journal)
    other = make(study, run.tier, run.variant, run.settings, journal)
    twin = between(run, other, journal.seconds)
    pairs = moved.judged(record, study, [run, other])
    twin.verdicts = {a.claim.id: (a.verdict, b.verdict) for a, b in pairs if a.verdict != b.verdict}
    return twin


def between(run: Record, other: Record, seconds: float) -> Twin:
    """Compare a run with its twin, which took some seconds."""
    gaps, largest = {}, {}
    for quantity in run.values:
        a, b = (np.array(each.values[quantity], dtype=float) for each in (run, other))
        gaps[quantity] = difference(a, b)
        largest[quantity] = _usual(a)
    return Twin(
        study=run.study,
        tier=run.tier,
        variant=run.variant,
        configuration=run.configuration,
        marks=run.marks,
        largest=largest,
        marks_apart={name: [_short(value) for value in gap.max(1)] for name, gap in gaps.items()},
        members_apart={name: [_short(value) for value in gap.max(0)] for name, gap in gaps.items()},
        each_batch=True,
        provenance=provenance.describe(seconds, run.settings.device),
    )


def _usual(values: np.ndarray) -> float:
    """Return the largest over marks of the middle size of values ``(mark, member)``.

    Of those that are finite; 0 where there is none.
    """
    sizes = (np.abs(row[np.isfinite(row)]) for row in values)
    return float(max((np.median(each) for each in sizes if each.size), default=0.0))


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far two arrays are apart; infinite where a value is missing in one of them."""
    return np.where(np.isnan(a) != np.isnan(b), np.inf, np.nan_to_num(np.abs(a - b)))


def kept(record: Record) -> Twin | None:
    """Return the twin of a record, or None where none was measured, or one of other settings."""
    path = paths.TWINS / record.study / record.tier / f"{record.variant}.json"
    twin = read(path) if path.exists() else None
    return twin if twin and twin.fits(record) else None


def read(path: Path) -> Twin:
    """Read a twin; raises ``RecordError`` for a file that is none."""
    try:
        return Twin.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path} is no twin of a run ({error}). Restore it from version control, or delete it "
            "and have it measured anew with: bioprop verify --twin"
        ) from None


def every() -> Iterator[Twin]:
    """Return all twins that are kept, in the order of their names."""
    return (read(path) for path in sorted(paths.TWINS.glob("*/*/*.json")))


def amplifying() -> set[tuple[str, str, str]]:
    """Return study, tier and variant of the runs that their twins show to amplify a last bit."""
    return {(twin.study, twin.tier, twin.variant) for twin in every() if _rows(twin)}


def described(store: Store) -> str:
    """Return MyST text: how many recorded runs were measured, and a table of those that amplify.

    Where the verdict of a claim is another with a twin in the place of its run, a second table has
    it.
    """
    found = {(twin.study, twin.tier, twin.variant): twin for twin in every()}
    places = list(dict.fromkeys(map(parts.run, store)))
    measured = [found[place] for place in places if place in found]
    tables = [rows for twin in measured if (rows := _rows(twin))]
    lines = [
        f"Of {len(places)} recorded runs {len(measured)} have been given a twin so far, and "
        f"{len(tables)} of these amplify their last bit."
    ]
    if early := sum(not twin.each_batch for twin in measured):
        lines[0] += f" Moved at marks alone, as twins were first: {early}."
    if tables:
        lines += ["", "| run | quantity | largest median | twin, largest gap | seen |"]
        lines += ["|:--|:--|--:|--:|:--|", *(row for rows in tables for row in rows)]
    if verdicts := [row for twin in measured for row in _verdicts(twin)]:
        lines += ["", "The verdicts of these claims hang on it: with a twin in the place of its "]
        lines[-1] += "run they are others."
        lines += ["", "| claim | run | verdict with the run | verdict with its twin |"]
        lines += ["|:--|:--|:--|:--|", *verdicts]
    return "\n".join(lines)


def _verdicts(twin: Twin) -> list[str]:
    """Return a row for each claim whose verdict is another with the twin."""
    return [
        f"| `{claim}` | {twin.study}, {twin.variant} | {' | '.join(shown)} |"
        for claim, both in (twin.verdicts or {}).items()
        for shown in [[word(verdict, _origin(claim)) for verdict in both]]
    ]


def _origin(id: str) -> str:
    """Return whose claim one is; the paper's where there is none of that name any more."""
    every = (claim for study in studies.STUDIES.values() for claim in study.claims)
    return next((claim.origin for claim in every if claim.id == id), "paper")


def _rows(twin: Twin) -> list[str]:
    """Return a row for each quantity in which a run and its twin differ visibly.

    By a step of what is written rounded they may differ in any case.
    """
    rows = []
    step = studies.get(twin.study).step
    for quantity, largest in twin.largest.items():
        apart = twin.at_marks(quantity)
        seen = np.flatnonzero(apart > max(VISIBLE * largest, NOTHING, step(quantity)))
        if len(seen):
            most = "missing in one" if np.isinf(apart).any() else f"{apart.max():.2g}"
            start = 100 * twin.marks[seen[0]] / max(twin.marks[-1], 1)
            rows.append(
                f"| {twin.study}, {twin.variant} | {quantity} | {largest:.2g} | {most} "
                f"| from {start:.0f} % of the run on |"
            )
    return rows


def _short(value: float) -> float | None:
    """Keep two digits, as a bound needs no more; None for an infinite one, which JSON lacks."""
    return float(f"{value:.1e}") if np.isfinite(value) else None


def _bounds(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.inf if value is None else value for value in values])
