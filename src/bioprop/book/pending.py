"""What the published tiers still lack, and working it off, part by part."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

from bioprop import studies
from bioprop.book import parts, provenance, runs
from bioprop.book.claims import best_tier, judgeable
from bioprop.book.costs import duration
from bioprop.book.engines import Engine
from bioprop.book.estimates import estimate
from bioprop.book.parts import Seeds
from bioprop.book.progress import progress
from bioprop.book.records import RECORDED, Record, RecordError, Store, read
from bioprop.learning.memory import TooLarge
from bioprop.studies import Study
from bioprop.studies.journal import OutOfTime
from bioprop.studies.summaries import FEWEST
from bioprop.tasks.datasets import DataError

PART = 40 * 60 * 2.0  # seconds of one core that a part takes at most: 40 minutes of two
SILENCE = 60.0  # seconds after which is said what is under way
ROUND = 10.0  # seconds after which is looked for workers that have come
TRIES = 3  # times that a part is begun whose process dies, the last time by itself


@dataclass(frozen=True)
class Work:
    """One part that is to be made, or a whole (``seeds`` is None), and what is known of its time.

    ``seconds`` is what it will take from now, ``checkpoint`` the time until it can be interrupted
    without loss. ``begun`` says whether it goes on from a checkpoint, ``early`` whether it has
    one of the first seeds, without which no claim can be judged.
    """

    study: Study
    tier: str
    variant: str
    seeds: Seeds | None
    seconds: float
    checkpoint: float
    how: str
    begun: bool = False
    early: bool = False

    @property
    def name(self) -> str:
        """The work in a word: study, tier, variant, seeds."""
        which = f", seeds {parts.words(self.seeds)}" if self.seeds else ""
        return f"{self.study.name}/{self.tier}/{self.variant}{which}"


def plan(
    todo: Sequence[Study], store: Store = RECORDED, told: Callable[[str], None] = print
) -> list[Work]:
    """Return the work that is left at the tiers ``reduced`` and ``paper``, in order.

    What was interrupted goes first. Then comes what lets claims be judged, the first seeds of each
    variant, most claims for the least time; then the rest, likewise. A tier that can be judged
    makes lesser tiers needless. A study that finds the settings of others counts with their claims,
    and they wait for its record. That a study waits is told, and that one is left out whose data
    are not here, so that its time cannot be told, or whose networks the memory does not hold.
    """
    ranked = []
    for study in todo:
        if study.after and not searched(study, store):
            told(f"left out: {study.name}: its settings come from {study.after}, once recorded")
            continue
        if not study.found:
            told(f"left out: {study.name}: {runs.unfound(study)}")
            continue
        try:
            ranked += _ranked(study, store)
        except (DataError, TooLarge) as error:
            told(f"left out: {study.name}: {error}")
    return [work for _, work in sorted(ranked, key=lambda pair: pair[0])]


def first(study: Study, store: Store = RECORDED) -> Study:
    """Return what is recorded first: a study, or the search whose result it still lacks."""
    while study.after and not (study.found and searched(study, store)):
        study = studies.get(study.after)
    return study


def searched(study: Study, store: Store = RECORDED) -> bool:
    """Say whether the search that finds a study's settings is recorded, as far as it finds them."""
    search = studies.get(str(study.after))
    finders = {name: search.variants[name] for name in study.finders or search.variants}
    return bool(best_tier(replace(search, variants=finders, cost={}), store))


def _ranked(study: Study, store: Store) -> list[tuple[tuple[bool, bool, float], Work]]:
    """Return what is left of a study, each with its rank, the lowest first."""
    ranked = []
    settled = any(judgeable(study, tier, store) for tier in runs.PUBLISHED)
    for tier in _tiers(study, store):
        works = _works(study, tier, store)
        for early in (True, False):
            group = [work for work in works if work.early == early]
            price = sum(work.seconds for work in group) / max(_claims(study), 1e-9)
            late = settled or not early
            ranked += [((not work.begun, late, price), work) for work in group]
        settled = settled or bool(works)  # it will be, by this tier
    return ranked


def _claims(study: Study) -> int:
    """Count the claims of a study, and of those that wait for what it finds."""
    waiting = [other for other in studies.STUDIES.values() if other.after == study.name]
    return len(study.claims) + sum(len(other.claims) for other in waiting)


def _tiers(study: Study, store: Store) -> list[str]:
    """Return the published tiers that are worth having, from the least evidence to the most."""
    tiers = [tier for tier in runs.PUBLISHED if tier in study.tiers]
    best = [place for place, tier in enumerate(tiers) if judgeable(study, tier, store)]
    return tiers[best[-1] :] if best else tiers


def _works(study: Study, tier: str, store: Store) -> list[Work]:
    """Return what a tier lacks, the first seeds of all variants before the next."""
    found = [_parts(study, tier, variant, store) for variant in study.variants]
    most = max(map(len, found))
    return [works[k] for k in range(most) for works in found if k < len(works)]


def _parts(study: Study, tier: str, variant: str, store: Store) -> list[Work]:
    """Return what a variant lacks, cut into parts; those that were begun stay as they are."""
    missing = store.missing(study, tier, variant)
    if not missing:
        return []
    declared = study.configure(tier, variant).seeds
    there = len(declared) - len(missing)
    begun = {}
    for seeds, spent in runs.unfinished(study, tier, variant, store).items():
        if missing.issuperset(seeds or declared):
            missing -= set(seeds or declared)
            begun[seeds] = spent
    cost = estimate(study, tier, variant, store)
    size = max(1, int(PART / max(cost.seconds * study.threads, 1e-9)))
    works = []
    for seeds in [*begun, *parts.blocks(missing, size)]:
        members = len(seeds or declared)
        whole = seeds not in begun and members == len(declared)
        checkpoint = members * cost.checkpoint
        works.append(
            Work(
                study,
                tier,
                variant,
                seeds=None if whole else seeds,
                seconds=max(members * cost.seconds - begun.get(seeds, 0.0), checkpoint),
                checkpoint=checkpoint,
                how=cost.how,
                begun=seeds in begun,
                early=there < FEWEST,
            )
        )
        there += members
    return works


def make(
    study: str,
    tier: str,
    variant: str,
    seeds: Seeds | None,
    folder: Path | None,
    deadline: float,
    code: str,
    shows: bool,
) -> Record | None:
    """Make one part, wherever this is called; None where it stopped at the deadline.

    ``folder`` is that of the store, None the published one. The code has to be that of who asks.
    What another has made meanwhile is read.
    """
    if provenance.code() != code:
        raise RecordError("this worker has another version of bioprop; install the same one")
    store = Store(folder) if folder else RECORDED
    if (path := store.path(study, tier, variant, seeds)).exists():
        return read(path)
    which = f" {parts.words(seeds)}" if seeds else ""
    try:
        return runs.run(
            studies.get(study),
            tier,
            variant,
            seeds=seeds,
            store=store,
            progress=progress(f"{study}: {variant}{which}") if shows else None,
            deadline=deadline,
        )
    except OutOfTime:
        return None


class Shift:
    """Works off a plan for some hours, as many parts at a time as there are workers.

    At the end of its time what runs stops at a checkpoint, and what could not reach one is not
    begun: it is in ``left`` then. ``failed`` says what went wrong; the rest is made all the same.
    A process that dies takes what runs beside it along. So a part that has died with its process
    all but once is a suspect: it comes last, and by itself, and is given up only if it dies then.
    """

    def __init__(
        self,
        works: Sequence[Work],
        engine: Engine,
        store: Store = RECORDED,
        hours: float = math.inf,
        told: Callable[[str], None] = print,
    ):
        self.waiting, self.engine, self.store, self.told = list(works), engine, store, told
        self.left: list[Work] = []
        self.failed: list[str] = []
        self._flying: dict[Future[Record | None], Work] = {}
        self._deaths: Counter[str] = Counter()
        self._all, self._begun = list(works), time.time()
        self._heard = self._begun
        self._deadline, self._code = self._begun + hours * 3600, provenance.code()

    def work(self) -> None:
        """Make what is waiting; raises ``RecordError`` where nothing may be recorded now."""
        if self.store is RECORDED:
            runs.committed()
        try:
            while self.waiting or self._flying:
                self._begin()
                for future in wait(self._flying, ROUND, FIRST_COMPLETED).done:
                    self._end(self._flying.pop(future), future)
                if self._flying and time.time() - self._heard > SILENCE:
                    names = "; ".join(work.name for work in self._flying.values())
                    self._tell(f"under way: {names}; {self._progress}")
        finally:
            self.engine.close()

    def _begin(self) -> None:
        """Hand out what can reach a checkpoint in the time left."""
        while self.waiting and len(self._flying) < self.engine.workers:
            if self._flying and any(map(self._suspect, [self.waiting[0], *self._flying.values()])):
                return
            work = self.waiting.pop(0)
            if time.time() + work.checkpoint > self._deadline:
                self.left.append(work)
                continue
            folder = None if self.store is RECORDED else self.store.folder
            words = (work.study.name, work.tier, work.variant, work.seeds, folder)
            how = (self._deadline, self._code, self.engine.shows)
            self._flying[self.engine.submit(make, *words, *how)] = work

    def _suspect(self, work: Work) -> bool:
        """Say whether a part may be the one whose process dies, rather than one beside it."""
        return self._deaths[work.name] >= TRIES - 1

    def _end(self, work: Work, future: Future[Record | None]) -> None:
        """Keep what was made; try again where a process died."""
        try:
            record = future.result()
            if record:
                self._keep(record, work)
        except BrokenExecutor:
            self._deaths[work.name] += 1
            if self._deaths[work.name] >= TRIES:
                self.failed.append(f"{work.name}: its process died {TRIES} times")
                self._tell(f"failed: {self.failed[-1]}")
            elif self._suspect(work):
                self._tell(f"{work.name}: its process died; it goes on last, by itself")
                self.waiting.append(work)
            else:
                self._tell(f"{work.name}: its process died; another goes on")
                self.waiting.insert(0, work)
        except runs.Busy:
            self.left.append(work)
            self._tell(f"{work.name}: another process is at it")
        except Exception as error:  # whatever went wrong there, the rest can be made
            self.failed.append(f"{work.name}: {type(error).__name__}: {error}")
            self._tell(f"failed: {self.failed[-1]}")
        else:
            self.left += [] if record else [work]
            self._tell(self._line(work, record))

    def _keep(self, record: Record, work: Work) -> None:
        """Save what was made on a machine that does not share this folder."""
        path = self.store.path(work.study.name, work.tier, work.variant, work.seeds)
        if not path.exists():
            self.store.save(record, part=work.seeds is not None)

    def _line(self, work: Work, record: Record | None) -> str:
        """Say what ended."""
        if record is None:
            return f"{work.name}: stopped at a checkpoint"
        took = duration(record.provenance["seconds"])
        return f"{work.name}: {record.members} {work.study.population} in {took}; {self._progress}"

    @property
    def _progress(self) -> str:
        """Say how much is done, and how long the rest will take at the pace so far."""
        rest = [*self.waiting, *self._flying.values()]
        done, whole = len(self._all) - len(rest), len(self._all)
        told = f"{done} of {whole} parts"
        if not (rest and done):
            return told
        share = [sum(work.seconds for work in some) for some in (self._all, rest)]
        seconds = (time.time() - self._begun) * share[1] / max(share[0] - share[1], 1e-9)
        return f"{told}, about {duration(seconds)} left"

    def _tell(self, line: str) -> None:
        self.told(line)
        self._heard = time.time()
