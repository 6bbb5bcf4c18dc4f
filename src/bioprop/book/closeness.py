"""Verifying: is a number that comes out otherwise elsewhere one that matters, or noise?

On the machine of a record every bit must come out again. Elsewhere sums are taken in another order,
and a value agrees where it is as close as rounding leaves it, or as close as a run comes to its own
twin that starts one unit in the last place away, and is rounded otherwise from there on. No verdict
may move that stands in the twin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bioprop.book import moved, twins
from bioprop.book.records import Record
from bioprop.book.twins import NOTHING, Twin, difference
from bioprop.studies import Study

# How far a value may be off for rounding alone, as a share of it.
ROUNDING = {"float64": 1e-6, "float32": 1e-5, "bfloat16": 1e-2}
# How many times as far apart as a run and its twin two machines may be at about the same mark, and
# a member as it and its own twin, or most of them, ever were: in a search for a rate some blow up.
TWINS, EVER = 10, 100
BESIDE = 0.05  # share of the marks, on each side, that are about the same


@dataclass(frozen=True)
class Gap:
    """How far two runs are apart in a quantity, where that is most beside what is allowed.

    ``apart`` and ``allowed`` are in the unit of the quantity; infinite where a network diverged.
    """

    quantity: str
    apart: float
    allowed: float
    twin: bool  # does what is allowed come from a twin, or from rounding?
    mark: int
    member: int

    @property
    def counts(self) -> bool:
        """Whether it is more than is allowed."""
        return self.apart > self.allowed

    def __str__(self) -> str:
        what = f"differs by {self.apart:.2g}" if np.isfinite(self.apart) else "is missing in one"
        what += f" (member {self.member}, after {self.mark} examples)"
        if not self.allowed < np.inf:
            return f"{self.quantity} {what}; so it is between a run and its twin"
        source = f"{TWINS} times what a twin comes to" if self.twin else "rounding"
        return f"{self.quantity} {what}; allowed {self.allowed:.2g}, {source}"


@dataclass(frozen=True)
class Verification:
    """What came of running a record again: ``faults`` is empty where it agrees.

    ``provenance`` is that of the new run, empty where none was made.
    """

    how: str  # it agrees, in words
    faults: Sequence[str] = ()
    gaps: Sequence[Gap] = ()
    claims: str = ""  # what became of them
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        head = "; ".join(self.faults) or f"agrees {self.how}"
        rest = [str(gap) for gap in self.gaps if not gap.counts]
        return "\n    ".join([head, *rest, *filter(None, [self.claims])])


AS_WRITTEN = "in every number as it is written, and not in the last bits of the weights"


def compare(record: Record, again: Record, study: Study) -> Verification:
    """Compare a record with a new run of which its bits cannot be asked.

    Where rounding does not explain what differs, the twin of the run is measured, if it was not
    before, and kept.
    """
    if misfit := _misfit(record, again):
        return Verification("", misfit)
    if record.values == again.values:
        equal = record.fingerprint == again.fingerprint
        return Verification("bit for bit" if equal else AS_WRITTEN)
    gaps, how = apart(record, again, study), "as closely as rounding lets it"
    if any(gap.counts for gap in gaps):
        twin = twins.of(record, again, study)
        gaps, how = apart(record, again, study, twin), "as closely as its last bit lets it"
    faults = [str(gap) for gap in gaps if gap.counts]
    claims, stand = moved_claims(record, again, study)
    hang = twins.of(record, again, study, judged=True).verdicts or {} if claims else {}
    faults += [words for claim, words in claims.items() if claim not in hang]
    explained = [
        f"{words}; with the twin it moves, too" for c, words in claims.items() if c in hang
    ]
    return Verification(how, faults, gaps, "\n    ".join(filter(None, [stand, *explained])))


def _misfit(record: Record, again: Record) -> list[str]:
    names = {"choices": "configuration", "labels": "labels", "marks": "marks"}
    found = [
        f"{word} differ"
        for name, word in names.items()
        if getattr(record, name) != getattr(again, name)
    ]
    if record.values.keys() != again.values.keys():
        found.append("other quantities were measured")
    return found


def apart(record: Record, again: Record, study: Study, twin: Twin | None = None) -> list[Gap]:
    """Return for each quantity that differs where it does so most, beside what is allowed there.

    What a study rounds before it is written, to a number of decimals, can come out a step further
    off than it was.
    """
    found = []
    for quantity in record.values:
        a, b = (np.array(run.values[quantity], dtype=float) for run in (record, again))
        gap = difference(a, b)
        if not gap.any():
            continue
        step = study.step(quantity)
        rounding = allowed = _rounding(b, record.settings.precision) + step
        if twin is not None:
            allowed = np.maximum(rounding, _between_twins(record, twin, quantity, gap) + step)
        excess = np.where(gap == 0, 0.0, gap / np.where(gap < np.inf, allowed, 1.0))
        excess[np.isinf(allowed)] = 0.0
        place = np.unravel_index(excess.argmax() if excess.any() else gap.argmax(), gap.shape)
        sizes = float(gap[place]), float(allowed[place]), bool(allowed[place] > rounding[place])
        found.append(Gap(quantity, *sizes, record.marks[place[0]], int(place[1])))
    return found


def _rounding(values: np.ndarray, precision: str) -> np.ndarray:
    """Return what rounding allows, from values ``(mark, member)`` and of the same shape.

    Relative to the value, or to the middle one of its mark: most networks do not blow up.
    """
    sizes = np.nan_to_num(np.abs(values))
    sizes = np.maximum(sizes, np.median(sizes, axis=1, keepdims=True))
    return np.maximum(ROUNDING[precision] * sizes, NOTHING)


def _between_twins(record: Record, twin: Twin, quantity: str, gap: np.ndarray) -> np.ndarray:
    """Return what the twin allows, of the shape of the gap, ``(mark, member)``.

    Two machines may come apart somewhat sooner than a run and its twin, or later; but at the first
    mark nothing has been learnt yet. A member of the twin that diverged in one of the two alone
    allows one of other seeds to do so at about that mark, and gives their numbers no leave.
    """
    bound = twin.at_marks(quantity)
    reach = max(1, round(BESIDE * len(bound)))
    windows = [bound[max(0, k - reach) : k + reach + 1] for k in range(len(bound))]
    near = TWINS * np.array([bound[0], *(window.max() for window in windows[1:])])[:, None]
    ever = twin.of_members(quantity)
    known = ever[np.isfinite(ever)]
    if not twin.same_networks(record):
        most = TWINS * known.max(initial=0.0)
        return np.where(np.isinf(gap), near, np.minimum(near, most))
    return np.minimum(near, EVER * np.maximum(ever, np.median(known) if len(known) else 0.0))


def moved_claims(record: Record, again: Record, study: Study) -> tuple[dict[str, str], str]:
    """Judge the claims with a new run in the place of its record.

    Returns in words what has moved, by claim, a verdict or a mean that leaves the interval of the
    record, and else that nothing has.
    """
    pairs = moved.judged(record, study, [record, again])
    found = {
        old.claim.id: f"claim {old.claim.id}: {old.measured}, {old.verdict}, becomes "
        f"{new.measured}, {new.verdict}"
        for old, new in pairs
        if moved.has_moved(old, new)
    }
    return found, "" if found or not pairs else f"none of {len(pairs)} claims moves"
