"""Running a study: checkpoints, one writer at a time, provenance, a record at the end."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import torch

from bioprop import paths
from bioprop.book import provenance
from bioprop.book.records import RECORDED, Record, RecordError, Store, differences, make
from bioprop.studies import Study
from bioprop.studies.journal import Journal, fingerprint
from bioprop.tasks.images import load

PUBLISHED = ("reduced", "paper")  # tiers whose unchanged runs are kept in data/runs

# How far a recorded value may move on another machine or thread count, relative to the largest
# value of its quantity: sums are then taken in another order.
TOLERANCE = {"float64": 1e-5, "float32": 1e-2, "bfloat16": 1e-1}

Progress = Callable[[int, int], None]


def store_for(tier: str, changes: dict[str, Any]) -> Store:
    """Return where a run is kept: with the published records, or among the reader's own."""
    if tier in PUBLISHED and not changes:
        return RECORDED
    own = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:8]
    return Store(paths.CACHE / "runs" / (own if changes else "unchanged"))


def run(
    study: Study,
    tier: str,
    variant: str,
    changes: dict[str, Any] | None = None,
    *,
    store: Store | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    every: float = 10.0,
) -> Record:
    """Train one variant of a study and keep its record.

    An interrupted run goes on from its last checkpoint; one is saved at most every ``every``
    seconds. Raises ``ValueError`` for unknown names or values and a device that is not here,
    ``RecordError`` when another process is at the same run or the disk refuses, and
    ``CheckpointError`` for a damaged checkpoint.
    """
    changes = changes or {}
    settings = study.configure(tier, variant, **changes)
    _present(settings.device)
    store = store or store_for(tier, changes)
    if store is RECORDED and provenance.commit().endswith("+"):
        raise RecordError(
            "src has changes that are not committed, so nobody could find the code of this record. "
            "Commit them first, or change a setting to keep the run among your own"
        )
    threads = threads or study.threads
    target = store.path(study.name, tier, variant)
    checkpoint = _scratch(".pt", target, settings, threads, torch.__version__, provenance.code())
    with _alone(target), _threads(threads):
        journal = Journal(checkpoint, progress, every)
        study.run(settings, journal)
        record = make(study, tier, variant, settings, journal)
        facts = {"data": journal.data} if journal.data else {}
        record.provenance = provenance.describe(journal.seconds, settings.device, **facts)
        store.save(record)
        for leftover in (checkpoint, checkpoint.with_suffix(".partial")):
            leftover.unlink(missing_ok=True)
    return record.sealed()


def verify(record: Record, study: Study, *, threads: int | None = None) -> list[str]:
    """Run a record again and return how the new run differs; empty when it agrees.

    ``threads`` is the record's own if left out. Every bit must agree where ``exact`` says so;
    elsewhere values may differ by ``TOLERANCE``. On other images than the record's nothing is run.
    """
    settings = record.settings
    _present(settings.device)
    then = record.provenance.get("data", {})
    if changed := [name for name in then if fingerprint(load(name).parts) != then[name]]:
        return [f"the data set {name} is not the one the record was made from" for name in changed]
    with _threads(threads or record.provenance["threads"]):
        journal = Journal()
        study.run(settings, journal)
    again = make(study, record.tier, record.variant, settings, journal)
    tolerance = 0.0 if exact(record, threads) else TOLERANCE[settings.precision]
    return differences(record, again, tolerance)


def exact(record: Record, threads: int | None = None) -> bool:
    """Say whether a new run must agree with a record in every bit.

    It must with the record's own thread count, kind of machine and versions of torch and NumPy:
    otherwise sums are taken in another order.
    """
    then, now = record.provenance, provenance.describe(0.0, record.settings.device)
    same = all(then[key] == now[key] for key in ("machine", "device"))
    same &= all(then["packages"][name] == now["packages"][name] for name in ("numpy", "torch"))
    return same and threads in (None, then["threads"])


def _present(device: str) -> None:
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= torch.cuda.device_count():
        raise ValueError(
            f"device {device!r} is not here: torch finds {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu"
        )


def _scratch(ending: str, target: Path, *determines: Any) -> Path:
    """Name a file in the cache after a record and all that determines what is kept there."""
    key = hashlib.sha256(repr((target, *determines)).encode()).hexdigest()[:12]
    return paths.CACHE / "checkpoints" / f"{target.parts[-3]}-{target.stem}-{key}{ending}"


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    lock = _scratch(".lock", target)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout:
        raise RecordError(
            f"another process is making {target}. Wait for it to end; the record will then be there"
        ) from None


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
