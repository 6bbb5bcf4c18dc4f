"""Parts: the members of a variant, made a block of seeds at a time and read as one record.

A part is a record whose settings have a first seed and a number of members of their own. It lies
beside the whole that it belongs to, as ``<variant>.<first>-<last>.json``, named by its first and
its last seed. A study may have several members for each seed (a search), its seeds going round
fastest; joined members come in the order that a run of all seeds at once has.
"""

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioprop.studies import Settings

if TYPE_CHECKING:
    from bioprop.book.records import Record

Seeds = range  # of a part: consecutive
NAME = re.compile(r"(?P<variant>.+)\.(?P<first>\d+)-(?P<last>\d+)")


def span(settings: Settings) -> Seeds:
    """Return the seeds of a run."""
    return range(settings.first_seed, settings.first_seed + settings.members)


def words(seeds: Seeds) -> str:
    """Write seeds as file names and the command line have them: ``3-4``."""
    return f"{seeds[0]}-{seeds[-1]}"


def seeds(text: str) -> Seeds:
    """Read seeds, ``3-4`` or ``3``; anything else raises ``ValueError``."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise ValueError(f"a part is given by its first and last seed, such as 3-4, not {text!r}")
    return range(first, last + 1)


def run(path: Path) -> tuple[str, str, str]:
    """Return study, tier and variant of the record, or the part of one, in a file."""
    return path.parts[-3], path.parts[-2], split(path.stem)[0]


def split(stem: str) -> tuple[str, Seeds | None]:
    """Return variant and seeds that a file's name stands for; a whole record names no seeds."""
    match = NAME.fullmatch(stem)
    if not match:
        return stem, None
    try:
        return match["variant"], seeds(f"{match['first']}-{match['last']}")
    except ValueError as error:
        raise ValueError(f"{stem}.json: {error}; give the file its name again") from error


def blocks(wanted: Iterable[int], size: int | None = None) -> list[Seeds]:
    """Cut seeds into blocks of consecutive ones, of at most ``size``."""
    cut: list[Seeds] = []
    for seed in sorted(wanted):
        if cut and seed == cut[-1].stop and len(cut[-1]) != size:
            cut[-1] = range(cut[-1].start, seed + 1)
        else:
            cut.append(range(seed, seed + 1))
    return cut


def join(records: Sequence["Record"], keep: Collection[int] | None = None) -> "Record":
    """Return records of one variant as one, members in order of seed; only seeds to ``keep``.

    Raises ``ValueError`` where they have a seed in common, or do not belong together.
    """
    ordered = sorted(records, key=lambda record: record.settings.first_seed)
    for one, other in itertools.pairwise(ordered):
        _match(one, other)
    _same_data(ordered)
    places = _places(ordered, keep)
    first, found = ordered[0], sorted({record.labels["seed"][k] for record, k in places})
    labels = {name: [r.labels[name][k] for r, k in places] for name in first.labels}
    values = {
        name: [[r.values[name][mark][k] for r, k in places] for mark in range(len(first.marks))]
        for name in first.values
    }
    seeds = {"first_seed": found[0], "members": len(found)}
    prints = "".join(record.fingerprint for record in ordered)
    joined = type(first)(
        study=first.study,
        tier=first.tier,
        variant=first.variant,
        configuration={**first.configuration, **seeds},
        labels=labels,
        marks=first.marks,
        values=values,
        diverged={k: r.diverged[m] for k, (r, m) in enumerate(places) if m in r.diverged},
        fingerprint=hashlib.sha256(prints.encode()).hexdigest(),
        provenance=_provenance(ordered),
    )
    return joined.sealed()


def _match(one: "Record", other: "Record") -> None:
    """Refuse two records, the first with the lower seeds, that are not parts of the same."""
    common = set(one.settings.seeds) & set(other.settings.seeds)
    if common:
        raise ValueError(f"both have seed {min(common)}")
    there = _shared(other)
    if differing := [name for name, value in _shared(one).items() if there[name] != value]:
        raise ValueError(f"they have another {' and '.join(differing)}")
    for name in ("marks", "labels", "values"):
        if list(getattr(one, name)) != list(getattr(other, name)):
            raise ValueError(f"they have other {'quantities' if name == 'values' else name}")


def _same_data(records: Sequence["Record"]) -> None:
    """Refuse records that learnt from different data sets of one name, where they say from which.

    The oldest do not.
    """
    known: dict[str, str] = {}
    for record in records:
        for name, digest in record.provenance.get("data", {}).items():
            if known.setdefault(name, digest) != digest:
                raise ValueError(f"the data set {name} that they learnt from is not the same")


def _shared(record: "Record") -> dict[str, Any]:
    """Return all settings but those of the seeds, and the device that a part was made on."""
    fields = dataclasses.asdict(record.settings)
    apart = ("first_seed", "members", "device")
    return {name: v for name, v in fields.items() if name not in apart}


def _places(
    records: Sequence["Record"], keep: Collection[int] | None
) -> list[tuple["Record", int]]:
    """Return (record, member) for each member of the whole."""
    counts = [record.settings.members for record in records]
    points = {record.members // n for record, n in zip(records, counts, strict=True)}
    for record, count in zip(records, counts, strict=True):
        expected = list(record.settings.seeds) * (record.members // count)
        if record.labels.get("seed") != expected or len(points) > 1:
            raise ValueError("their members do not go through the seeds in the same way")
    return [
        (record, member)
        for point in range(points.pop())
        for record, count in zip(records, counts, strict=True)
        for member in range(point * count, (point + 1) * count)
        if keep is None or record.labels["seed"][member] in keep
    ]


def _provenance(records: Sequence["Record"]) -> dict[str, Any]:
    """Return the seconds of all parts together, and the provenance of each."""
    return {
        "seconds": round(sum(record.provenance["seconds"] for record in records), 2),
        "parts": {
            words(span(record.settings)): {"digest": record.digest, **record.provenance}
            for record in records
        },
    }
