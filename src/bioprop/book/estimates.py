"""How long a run will take: as its like took when it was recorded, or as far as can be told."""

from contextlib import suppress
from dataclasses import dataclass

from bioprop.book import runs
from bioprop.book.records import RECORDED, RecordError, Store
from bioprop.studies import Settings, Study


@dataclass(frozen=True)
class Estimate:
    """Seconds for the members of one seed, and until its first checkpoint; and how that is known.

    A block of seeds trained side by side is taken to need as many times that.
    """

    seconds: float
    checkpoint: float
    how: str


def estimate(study: Study, tier: str, variant: str, store: Store = RECORDED) -> Estimate:
    """Estimate a run from what is recorded of it, else from what its study says, else otherwise.

    Otherwise is: from the study's other variants, and where there are none, from a smoke run, which
    is made for it.
    """
    with suppress(RecordError):  # none is there, or one that has to be made anew
        return _recorded(study, tier, variant, store, "as recorded")
    settings = study.configure(tier, variant)
    if tier in study.cost:
        cost = study.cost[tier]
        return Estimate(cost, cost / _checkpoints(settings), "as its study says")
    like = []
    for other in study.variants:
        with suppress(RecordError):
            like.append(_recorded(study, tier, other, store, "as other variants"))
    if like:
        return max(like, key=lambda each: each.seconds)
    return _smoke(study, tier, variant)


def _recorded(study: Study, tier: str, variant: str, store: Store, how: str) -> Estimate:
    record = store.load(study.name, tier, variant)
    seconds = record.provenance["seconds"] / len(record.seeds)
    return Estimate(seconds, seconds / max(1, len(record.marks) - 1), how)


def _smoke(study: Study, tier: str, variant: str) -> Estimate:
    """Take the time of a smoke run as many times as there are more examples."""
    store = runs.store_for("smoke", {})
    try:
        smoke = _recorded(study, "smoke", variant, store, "as a smoke run, by examples")
    except RecordError:  # none is there, or one of an older version
        runs.run(study, "smoke", variant, store=store)
        smoke = _recorded(study, "smoke", variant, store, "as a smoke run, by examples")
    few, many = (study.configure(each, variant) for each in ("smoke", tier))
    times = getattr(many, "examples", 1) / getattr(few, "examples", 1)
    seconds = smoke.seconds * times
    return Estimate(seconds, seconds / _checkpoints(many), smoke.how)


def _checkpoints(settings: Settings) -> int:
    """Return how often a run saves a checkpoint: at its marks, or as most do where it has none."""
    return getattr(settings, "marks", 10)
