"""Running a study: checkpoints, one writer at a time, provenance, a record at the end."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import torch

from bioprop import paths
from bioprop.book import parts, provenance, twins
from bioprop.book.closeness import Verification, compare
from bioprop.book.parts import Seeds
from bioprop.book.records import RECORDED, Record, RecordError, Store, differences, make, read
from bioprop.deep.team import Team, team
from bioprop.learning.memory import TooLarge, reused
from bioprop.processes import size
from bioprop.studies import Settings, Study
from bioprop.studies.journal import Journal, fingerprint, spent
from bioprop.studies.study import known_device
from bioprop.tasks import folders
from bioprop.tasks.images import load

PUBLISHED = ("reduced", "paper")  # tiers whose unchanged runs are kept in data/runs

# What PyTorch and NumPy say where memory is refused, or could not even be counted.
REFUSED_MEMORY = re.compile(
    "(?:can't allocate|not enough|out of) memory|size calculation overflow|array is too big"
)

Progress = Callable[[int, int], None]
Watch = Callable[[int, Mapping[str, Sequence[float]]], None]


class Busy(RecordError):
    """Another process is at the same run."""


def store_for(tier: str, changes: dict[str, Any]) -> Store:
    """Return where a run is kept: with the published records, or among the reader's own.

    On which device it was made changes nothing of what it is.
    """
    changes = {name: value for name, value in changes.items() if name != "device"}
    if tier in PUBLISHED and not changes:
        return RECORDED
    own = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:8]
    return Store(paths.CACHE / "runs" / (own if changes else "unchanged"))


def unfound(study: Study) -> str:
    """Say in words that what another study finds is not among the settings of this one yet."""
    return (
        f"its settings come from {study.after}; copy what that found to where {study.name} is "
        "declared"
    )


def run(
    study: Study,
    tier: str,
    variant: str,
    changes: dict[str, Any] | None = None,
    *,
    seeds: Seeds | None = None,
    store: Store | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    every: float = 10.0,
    deadline: float = math.inf,
    watch: Watch | None = None,
) -> Record:
    """Train one variant of a study, or the part of it with some ``seeds``, and keep its record.

    An interrupted run goes on from its last checkpoint; one is saved at most every ``every``
    seconds, and before the ``deadline``, a time of ``time.time()``. ``watch`` is told of what is
    measured. Of processes that train together, the first keeps checkpoints and the record; the
    others return one without provenance. Raises ``ValueError`` for unknown names or values, a
    device that is not here, more than the memory holds, and where there is no copy of the book;
    ``RecordError`` when another process is at the same run, other files have these seeds or the
    disk refuses; ``CheckpointError`` for a damaged checkpoint, and ``OutOfTime`` where the deadline
    comes first.
    """
    paths.require_book()
    changes = changes or {}
    settings = configure(study, tier, variant, changes, seeds)
    present(settings.device)
    threads = threads or study.threads
    group = _team(study, settings, deadline)
    if group.rank:
        with on_threads(threads):
            journal = Journal()
            with _memory(study):
                study.run(settings, journal)
            return make(study, tier, variant, settings, journal)
    store = store or store_for(tier, changes)
    if store is RECORDED:
        committed()
        if not study.found:
            raise ValueError(f"{study.name} cannot be recorded yet: {unfound(study)}")
    target = store.path(study.name, tier, variant, seeds)
    checkpoint = _checkpoint(target, settings, threads)
    with alone(target), on_threads(threads):
        _new_seeds(store, study, tier, variant, settings, target)
        journal = Journal(checkpoint, progress, every, deadline, watch)
        with _memory(study):
            study.run(settings, journal)
        record = make(study, tier, variant, settings, journal)
        facts: dict[str, Any] = {"data": journal.data} if journal.data else {}
        facts |= {"processes": group.size} if group.size > 1 else {}
        record.provenance = provenance.describe(journal.seconds, settings.device, **facts)
        _new_seeds(store, study, tier, variant, settings, target)
        store.save(record, part=seeds is not None)
        for leftover in (checkpoint, checkpoint.with_suffix(".partial")):
            leftover.unlink(missing_ok=True)
    return record.sealed()


def _team(study: Study, settings: Settings, deadline: float) -> Team:
    """Meet the processes that were started together; ``ValueError`` where they cannot train so."""
    if size() == 1:
        return Team()
    if not study.together:
        raise ValueError(
            f"study {study.name!r} trains in one process and {size()} were started: leave out "
            "torchrun"
        )
    if deadline != math.inf:
        raise ValueError("processes that train together cannot stop at a time that each reads off")
    return team(settings.device)


def configure(
    study: Study, tier: str, variant: str, changes: dict[str, Any], seeds: Seeds | None = None
) -> Settings:
    """Return the settings of a run, or of a part of it; raises ``ValueError`` for other seeds."""
    settings = study.configure(tier, variant, **changes)
    if seeds is None:
        return settings
    if other := [seed for seed in seeds if seed not in settings.seeds]:
        raise ValueError(
            f"seed {other[0]} is none of {study.name}/{tier}/{variant}: its seeds are "
            f"{parts.words(parts.span(settings))}"
        )
    return study.configure(
        tier, variant, **{**changes, "first_seed": seeds[0], "members": len(seeds)}
    )


def committed() -> None:
    """Raise ``RecordError`` where the code of a published record could not be found again."""
    if provenance.commit().endswith("+"):
        raise RecordError(
            "src has changes that are not committed, so nobody could find the code of this record. "
            "Commit them first, or change a setting to keep the run among your own"
        )


def unfinished(study: Study, tier: str, variant: str, store: Store) -> dict[Seeds | None, float]:
    """Return the seeds of interrupted runs that can go on, None for a whole, and their seconds."""
    found: dict[Seeds | None, float] = {}
    for path in (paths.CACHE / "checkpoints").glob(f"{study.name}-{variant}*.pt"):
        stem = path.stem.removeprefix(f"{study.name}-").rpartition("-")[0]
        name, seeds = parts.split(stem)
        with suppress(ValueError):  # seeds that the tier no longer has
            settings = configure(study, tier, variant, {}, seeds)
            target = store.path(study.name, tier, variant, seeds)
            if name == variant and path == _checkpoint(target, settings, study.threads):
                found[seeds] = spent(path)
    return found


def verify(
    record: Record,
    study: Study,
    *,
    threads: int | None = None,
    device: str | None = None,
    twin: bool = False,
) -> Verification:
    """Run a record again and say how the new run differs.

    ``threads`` and ``device`` are the record's own if left out. Every bit must agree where
    ``exact`` says so, and elsewhere each value as closely as ``closeness`` has it. On other images
    than the record's nothing is run. With ``twin`` the twin of the run is measured and judged, if
    it was not before, and kept.
    """
    where = {} if device is None else {"device": device}
    settings = study.configure(record.tier, record.variant, **record.configuration | where)
    present(settings.device)
    then = record.provenance.get("data", {})
    if changed := [name for name in then if digest(name) != then[name]]:
        words = "the data set {} is not the one the record was made from"
        return Verification("", [words.format(name) for name in changed])
    with on_threads(threads or record.provenance["threads"]):
        journal = Journal()
        with _memory(study):
            study.run(settings, journal)
        again = make(study, record.tier, record.variant, settings, journal)
        made = provenance.describe(journal.seconds, settings.device)
        if twin:
            twins.of(record, again, study, judged=True)
        if exact(record, threads, settings.device):
            found = Verification("bit for bit", differences(record, again))
        else:
            found = compare(record, again, study)
    return replace(found, provenance=made)


def digest(name: str) -> str:
    """Return what a data set is known by in a record."""
    if name == "imagenet":  # no image need be decoded for that
        return folders.find().digest
    images = load(name)
    return images.digest or fingerprint(images.parts)


def exact(record: Record, threads: int | None = None, device: str | None = None) -> bool:
    """Say whether a new run must agree with a record in every bit.

    It must with the record's own thread count, on the same processor with the same settings of its
    libraries, and with the same torch and NumPy: otherwise sums are taken in another order. Of a
    record that does not name all of these, as the oldest do not, closeness is asked.
    """
    then, now = record.provenance, provenance.describe(0.0, device or record.settings.device)
    same = all(then.get(key) == now[key] for key in ("machine", "arithmetic", "device"))
    same &= all(then["packages"][name] == now["packages"][name] for name in ("numpy", "torch"))
    same &= then.get("processes", 1) == 1
    return same and threads in (None, then["threads"])


def present(device: str) -> None:
    """Raise ``ValueError`` for a device that is none, or is not here."""
    try:
        known_device(device)
    except ValueError as error:
        raise ValueError(f"device {device!r}: {error}") from None
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not here: torch finds {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu"
        )


@contextmanager
def _memory(study: Study) -> Iterator[None]:
    """Say in words that the memory was refused: each library has an error of its own for it."""
    fewer = f"Make fewer {study.population} at a time, with --seeds or --part"
    try:
        yield
    except TooLarge as error:
        raise ValueError(f"study {study.name!r}: {error}. {fewer}, or smaller ones") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        if not isinstance(error, MemoryError) and not REFUSED_MEMORY.search(str(error)):
            raise
        raise ValueError(
            f"study {study.name!r} needs more memory than is here. {fewer}, or change the setting "
            "that is too large"
        ) from error


def _new_seeds(
    store: Store, study: Study, tier: str, variant: str, settings: Settings, target: Path
) -> None:
    """Refuse to make members again that another file has: nobody could join the two."""
    for path in store.files(study.name, tier, variant):
        if path != target and (common := set(read(path).seeds) & set(settings.seeds)):
            raise RecordError(
                f"seed {min(common)} is in {path} already. Make only what is missing, with "
                "--part, or remove that file"
            )


def _checkpoint(target: Path, settings: Settings, threads: int) -> Path:
    return _scratch(".pt", target, settings, threads, torch.__version__, provenance.code())


def _scratch(ending: str, target: Path, *determines: Any) -> Path:
    """Name a file in the cache after a record and all that determines what is kept there."""
    key = hashlib.sha256(repr((target, *determines)).encode()).hexdigest()[:12]
    return paths.CACHE / "checkpoints" / f"{target.parts[-3]}-{target.stem}-{key}{ending}"


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Let one process at a time make a file; raises ``Busy`` where another is at it."""
    lock = _scratch(".lock", target)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout:
        raise Busy(
            f"another process is making {target}. Wait for it to end; the record will then be there"
        ) from None


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Let PyTorch have so many threads, and keep at hand the memory that steps take in turn."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with reused():
            yield
    finally:
        torch.set_num_threads(before)
