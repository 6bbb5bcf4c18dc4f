"""How long a run will take: as its like took when it was recorded, or as far as can be told."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bioprop import paths
from bioprop.book import provenance, runs
from bioprop.book.records import RECORDED, RecordError, Store
from bioprop.studies import Settings, Study
from bioprop.studies.journal import Journal, OutOfTime, Trainable

TRIAL = 3.0  # seconds of training after which a trial run stops
MARKS = 10  # checkpoints of a run whose settings do not say how many there are


@dataclass(frozen=True)
class Estimate:
    """Seconds for the members of one seed, and until its first checkpoint; and how that is known.

    A block of seeds trained side by side is taken to need as many times that.
    """

    seconds: float
    checkpoint: float
    how: str


def estimate(
    study: Study, tier: str, variant: str, store: Store = RECORDED, device: str = "cpu"
) -> Estimate:
    """Estimate a run from what is recorded of it, else from what its study says, else otherwise.

    Otherwise is: from the study's other variants, and where none is recorded, from the study's
    forecast or the first seconds of the run itself, for one seed on a device. Raises ``DataError``
    where that needs data that are not here, and ``TooLarge`` where the memory does not hold it.
    """
    with suppress(RecordError):  # none is there, or one that has to be made anew
        return _recorded(study, tier, variant, store, "as recorded")
    if tier in study.cost:
        cost = study.cost[tier]
        cost = cost[variant] if isinstance(cost, Mapping) else cost
        marks = getattr(study.configure(tier, variant), "marks", MARKS)
        return Estimate(cost, cost / marks, "as its study says")
    like = []
    for other in study.variants:
        with suppress(RecordError):
            like.append(_recorded(study, tier, other, store, "as other variants"))
    if like:
        return max(like, key=lambda each: each.seconds)
    return _tried(study, tier, variant, device)


def _recorded(study: Study, tier: str, variant: str, store: Store, how: str) -> Estimate:
    """Estimate a run from the parts that a processor made; ``RecordError`` where none was."""
    record = store.load(study.name, tier, variant)
    here = [part for part in record.parts if part.settings.device == "cpu"]
    if not here:
        raise RecordError("it was made on a graphics card alone")
    seconds = sum(part.provenance["seconds"] for part in here) / sum(len(p.seeds) for p in here)
    return Estimate(seconds, seconds / max(1, len(record.marks) - 1), how)


class Trial(Journal):
    """The journal of a run that stops after some seconds, to tell how long all of it would take."""

    def __init__(self) -> None:
        super().__init__()
        self.whole, self.marks = 0.0, 1

    def follow(
        self,
        training: Trainable,
        marks: Iterable[int],
        batch: int = 1,
        stride: int | None = None,
    ) -> Iterator[int]:
        """Measure once, train for some seconds, and stop with ``OutOfTime``."""
        ordered = sorted({int(mark) // batch for mark in marks})
        begun = time.perf_counter()
        yield ordered[0] * batch
        measuring = time.perf_counter() - begun
        training.until(training.step + 1)  # the first batch takes longer than others
        start, begun = training.step, time.perf_counter()
        while (passed := time.perf_counter() - begun) < TRIAL and training.step < ordered[-1]:
            training.until(min(2 * training.step, training.step + 100, ordered[-1]))
        each = passed / max(1, training.step - start)
        self.whole, self.marks = each * ordered[-1] + measuring * len(ordered), len(ordered)
        raise OutOfTime("this was a trial")


def _tried(study: Study, tier: str, variant: str, device: str) -> Estimate:
    """Estimate a run by trying it; once, for one version of the code on one machine."""
    first = study.configure(tier, variant).first_seed
    settings = study.configure(tier, variant, members=1, first_seed=first, device=device)
    kept = paths.CACHE / "trials" / f"{study.name}-{tier}-{variant}.json"
    key = f"{provenance.code()} {provenance.processor()} {settings}"
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = json.loads(kept.read_text(encoding="utf-8"))
        if content.pop("key") == key:
            return Estimate(**content)
    with runs.on_threads(study.threads):
        found = _forecast(study, settings) if study.forecast else _begun(study, settings)
    _keep(kept, {"key": key, **asdict(found)})
    return found


def _forecast(study: Study, settings: Settings) -> Estimate:
    """Estimate a run as its study does."""
    assert study.forecast
    seconds, how = study.forecast(settings)
    return Estimate(seconds, seconds / getattr(settings, "marks", MARKS), how)


def _begun(study: Study, settings: Settings) -> Estimate:
    """Estimate a run from its first seconds."""
    trial = Trial()
    with suppress(OutOfTime):
        study.run(settings, trial)
        trial.whole = trial.seconds  # it has come to its end
    return Estimate(trial.whole, trial.whole / trial.marks, "from its first seconds")


def _keep(path: Path, content: dict[str, object]) -> None:
    with suppress(OSError):  # then it is tried again another time
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
