"""Judging claims: five verdicts, computed from the members' measurements."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bioprop.book.records import RECORDED, Record, Store
from bioprop.studies import STUDIES, TIERS, Claim, Figure, Region, Study, reported
from bioprop.studies.study import NoQuantity
from bioprop.studies.summaries import FEWEST

Verdict = Literal["reproduced", "partly", "not reproduced", "not attempted", "cannot be judged"]
Ends = tuple[float | None, float | None]  # of a range; None where there is none
# Claims of this book hold or do not: only what a paper says can be reproduced.
OWN_WORDS = {"reproduced": "holds", "partly": "holds in part", "not reproduced": "does not hold"}
LOG = "log10 "  # of a reported number


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured for it, and the verdict.

    ``mean`` (or what else the claim's summary is) and its 95 % ``interval`` over members are in
    the claim's unit, or None where nothing was measured; ``reported`` is the paper's number, or
    None.
    """

    claim: Claim
    verdict: Verdict
    why: str
    reported: float | None = None
    mean: float | None = None
    interval: tuple[float, float] | None = None
    members: int = 0  # that there is a number for
    counted: str = "networks"  # what these are: or "seeds"
    wanted: int = 0  # how many members there are once no seed is missing
    tier: str | None = None
    digitised: bool = False
    aside: str | None = None  # beneath the number, such as the p value of a test
    values: tuple[tuple[float, ...], ...] = ()  # of each member, case by case
    read: tuple[str, ...] = ()  # the runs that they were measured from

    @property
    def measured(self) -> str:
        """The measured value with its interval, for a reader: ``-0.78 [-0.82, -0.73]``.

        Where every member gave the same number there is no spread to make an interval of.
        """
        if self.mean is None or self.interval is None:
            return "–"
        mean, low, high = (number(self.claim, v) for v in (self.mean, *self.interval))
        if self.interval[0] == self.interval[1]:
            return f"{mean} (all\u00a0{self.members})"
        return f"{mean} [{low},\u00a0{high}]"

    @property
    def count(self) -> str:
        """How many members there are, for a reader, and of how many where some are missing."""
        if self.members >= self.wanted:
            return f"{self.members} {self.counted}"
        return f"{self.members} of {self.wanted} {self.counted} so far"

    @property
    def paper(self) -> str:
        """The paper's number for a reader, marked where it was read off a figure, or a dash."""
        shown = number(self.claim, self.reported)
        return f"≈\u00a0{shown}" if self.digitised else shown


def number(claim: Claim, value: float | None) -> str:
    """Round for a reader; a minus sign is a minus sign, no zero is negative, None is a dash."""
    if value is None:
        return "–"
    shown = f"{round(value, claim.decimals) + 0.0:.{claim.decimals}f}"
    return shown.replace("-", "−")


def word(verdict: str, origin: str) -> str:
    """Return a verdict as readers see it, of a claim of a paper or of this book's own."""
    return OWN_WORDS.get(verdict, verdict) if origin == "ours" else verdict


def with_aside(recorded: str, aside: str | None) -> str:
    """Put an aside beneath a number, in a cell of a table."""
    return f"{recorded}<br>*{aside}*" if aside else recorded


def remarks(calibrated: str | None, changed: str | None) -> list[str]:
    """Return what a reader of a verdict must know: that it was aimed at, or was another."""
    notes = [f"calibrated: {calibrated}" if calibrated else None, changed]
    return [note for note in notes if note]


def reported_value(study: Study, claim: Claim) -> float | None:
    """Return the paper's number for a claim, in its unit: ``a``, ``log10 a``, or ``a - b``."""
    if claim.reported is None:
        return None
    terms = zip(claim.reported.split(" - "), reported_keys(claim), strict=True)
    values = [(term, reported.value(study.paper, key)) for term, key in terms]
    first, *rest = (math.log10(v) if term.startswith(LOG) else v for term, v in values)
    return float(f"{first - sum(rest):.9g}")  # a difference of decimals is one


def reported_keys(claim: Claim) -> list[str]:
    """Return the keys of ``data/reported`` that a claim's number is made of."""
    terms = [] if claim.reported is None else claim.reported.split(" - ")
    return [term.removeprefix(LOG) for term in terms]


def recorded(study: Study) -> tuple[str | None, Mapping[str, Record], list[Judgement]]:
    """Return the tier with the most evidence, its records, and the judgement of every claim.

    Where nothing is recorded the tier is None and there are no records.
    """
    tier, runs = evidence(study)
    return tier, runs, judge_all(study, runs, tier or "")


def evidence(study: Study) -> tuple[str | None, Mapping[str, Record]]:
    """Return the tier with the most evidence, and its records; None and none where none is."""
    tier = best_tier(study, RECORDED)
    return tier, RECORDED.runs(study, tier) if tier else {}


def of_study(name: str, runs: Mapping[str, Record]) -> dict[str, Record]:
    """Return the runs of another study under the names that a claim or a figure reads them by."""
    return {f"{name}/{variant}": run for variant, run in runs.items()}


def there(study: Study) -> Mapping[str, Record]:
    """Return the records of a study: its evidence, or those of some variants where others lack."""
    tier, runs = evidence(study)
    for lesser in reversed(TIERS):
        if tier is None and lesser in study.tiers:
            some = [name for name in study.variants if RECORDED.has(study.name, lesser, name)]
            if some:
                return {name: RECORDED.load(study.name, lesser, name) for name in some}
    return runs


def shown(figure: Figure, runs: Mapping[str, Record]) -> Mapping[str, Record]:
    """Return the runs that a figure shows: those of its study, and what is recorded of others."""
    others = (of_study(name, there(STUDIES[name])) for name in figure.beside)
    return {**runs, **{name: run for other in others for name, run in other.items()}}


def lacking(study: Study) -> str | None:
    """Say which records a study lacks at the tier of its best, or at one that would be better.

    None where all variants are there, or none is anywhere.
    """
    best = best_tier(study, RECORDED)
    for tier in reversed(TIERS[TIERS.index(best) if best else 0 :]):
        if tier not in study.tiers:
            continue
        lost = [name for name in study.variants if not RECORDED.has(study.name, tier, name)]
        if 0 < len(lost) < len(study.variants):
            words = " ".join(f"--variant {name}" for name in lost)
            return (
                f"{study.name}: no record of {', '.join(lost)} at tier {tier}, so its others are "
                f"not judged there. Make it with: bioprop run {study.name} --tier {tier} {words}"
            )
    return None


def criterion(study: Study, claim: Claim) -> str:
    """Say in words what counts as reproducing a claim, and why."""
    words = [f"{claim.summary.name} {_range(study, claim, claim.holds)}"]
    if claim.partly:
        words.append(f"partly if {_range(study, claim, claim.partly)}")
    return f"{'; '.join(words)} ({claim.reason})"


def judge(
    study: Study,
    claim: Claim,
    runs: Mapping[str, Record] | None,
    tier: str,
    beside: Mapping[str, Record] | None = None,
) -> Judgement:
    """Judge one claim from the records of its study; no records mean that it is not attempted.

    ``beside`` are the runs of the study that the claim compares with, the recorded ones if left
    out.
    """
    try:
        judged = _judge(study, claim, runs, tier, beside)
    except NoQuantity as error:
        why = f"{error}; make the records of {study.name} anew"
        judged = Judgement(claim, "cannot be judged", why, reported_value(study, claim))
    read_off = any(reported.digitised(study.paper, key) for key in reported_keys(claim))
    aside = claim.aside(runs) if claim.aside and runs and judged.mean is not None else None
    return dataclasses.replace(judged, digitised=read_off, aside=aside)


class Reading(Mapping[str, Record]):
    """Runs that remember which of them were read."""

    def __init__(self, runs: Mapping[str, Record]):
        self.runs, self.read = runs, dict[str, Record]()

    def __getitem__(self, name: str) -> Record:
        self.read[name] = self.runs[name]
        return self.runs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


def _judge(
    study: Study,
    claim: Claim,
    runs: Mapping[str, Record] | None,
    tier: str,
    beside: Mapping[str, Record] | None,
) -> Judgement:
    number = reported_value(study, claim)
    if not runs:
        return Judgement(claim, "not attempted", "nothing is recorded", number)
    if not all(claim.applies(run.settings) for run in runs.values()):
        return Judgement(claim, "not attempted", "the claim is not about such a run", number)
    if claim.beside:
        others = evidence(STUDIES[claim.beside])[1] if beside is None else beside
        if not others:
            why = f"study {claim.beside} is not recorded"
            return Judgement(claim, "not attempted", why, number)
        runs = {**runs, **of_study(claim.beside, others)}
    reading = Reading(runs)
    values = np.asarray(claim.measure(reading), dtype=float)
    members = values.shape[-1]
    by_seed = any(members == run.settings.members < run.members for run in runs.values())
    what = "seeds" if by_seed else study.population
    cases = tuple(tuple(map(float, case)) for case in values.reshape(-1, members))
    there, wanted = min((len(run.seeds), run.wanted) for run in runs.values())
    count = members, what, members * wanted // there, tier
    judged = functools.partial(Judgement, claim, values=cases, read=tuple(reading.read))
    missing = ~np.isfinite(values.reshape(-1, members)).all(0)
    if missing.any():
        why = _without_value(study, f"{missing.sum()} of {members} {what}", runs)
        return judged("cannot be judged", why, number, None, None, *count)
    mean, low, high = (float(end) for end in claim.summary.of(values))
    if members < claim.summary.fewest:
        why = f"an interval needs {claim.summary.fewest} {what} or more, there are {members}"
        return judged("cannot be judged", why, number, mean, None, *count)
    if not math.isfinite(low + mean + high):
        why = f"what was measured has no {claim.summary.name}"
        return judged("cannot be judged", why, number, None, None, *count)
    verdict, why = _verdict(claim, number, low, high)
    lazy = _unlearnt(study, claim, reading.read) if verdict in ("reproduced", "partly") else None
    if lazy:  # the verdict is withheld, and not the number
        verdict, why = "cannot be judged", lazy
    return judged(verdict, why, number, mean, (low, high), *count)


def _without_value(study: Study, missing: str, runs: Mapping[str, Record]) -> str:
    """Say for how many members there is nothing to judge; not all of them need have diverged."""
    why = f"there is no value for {missing}"
    diverged = sum(len(run.diverged) for run in runs.values())
    if not diverged:
        return why
    total = sum(run.members for run in runs.values())
    return f"{why}; in all runs of the study {diverged} of {total} {study.population} diverged"


def _unlearnt(study: Study, claim: Claim, read: Mapping[str, Record]) -> str | None:
    """Say how many of those that a claim reads have learnt nothing; None where there are none.

    What a claim says in favour of a rule would be said of a network that does nothing, too.
    """
    if claim.unlearnt and not claim.idle:
        return None
    learnt = [
        home.learnt(run)
        for name, run in read.items()
        if not may_be_idle(study, claim, name)
        and (home := STUDIES[str(claim.beside)] if "/" in name else study).learnt
    ]
    lazy = sum(int((~each).sum()) for each in learnt)
    total = f"{sum(map(len, learnt))} {study.population}"
    return f"{lazy} of {total} that are compared have learnt too little" if lazy else None


def may_be_idle(study: Study, claim: Claim, name: str) -> bool:
    """Whether a run may have learnt nothing; one of another study by a name that is not here."""
    bare = name.rpartition("/")[2]
    return name in claim.idle or (bare in claim.idle and bare not in study.variants)


def judge_all(study: Study, runs: Mapping[str, Record] | None, tier: str) -> list[Judgement]:
    """Judge every claim of a study.

    Raises ``ValueError`` for a claim that measures another number of values than there are members,
    or seeds, where a run has several members for one.
    """
    judged = [judge(study, claim, runs, tier) for claim in study.claims]
    there = {n for run in (runs or {}).values() for n in (run.members, run.settings.members)}
    for each in judged:
        if each.members and each.members not in there and not each.claim.beside:
            raise ValueError(
                f"claim {each.claim.id!r} measures {each.members} values where there are "
                f"{' or '.join(map(str, sorted(there)))} members: return one for each"
            )
    return judged


def best_tier(study: Study, store: Store) -> str | None:
    """Return the tier with the most evidence for which every variant is recorded, or None.

    One that can be judged goes before one that has too few seeds for it so far.
    """
    there = [tier for tier in reversed(TIERS) if tier in study.tiers and store.shared(study, tier)]
    return next((tier for tier in there if judgeable(study, tier, store)), (*there, None)[0])


def judgeable(study: Study, tier: str, store: Store) -> bool:
    """Say whether every variant has the seeds that an interval needs, or all that it declares."""
    if tier not in study.tiers:
        return False
    declared = min(study.configure(tier, variant).members for variant in study.variants)
    return store.shared(study, tier) >= min(FEWEST, declared)


def _verdict(claim: Claim, number: float | None, low: float, high: float) -> tuple[Verdict, str]:
    def inside(region: tuple[float, float]) -> bool:
        return region[0] <= low and high <= region[1]

    def apart(region: tuple[float, float]) -> bool:
        return high < region[0] or region[1] < low

    holds = claim.holds.placed(number)
    partly = claim.partly.placed(number) if claim.partly else holds
    if inside(holds):
        return "reproduced", "the interval lies inside the criterion"
    if inside(partly):
        return "partly", "the interval lies inside the wider criterion"
    if apart(partly):
        return "not reproduced", "the interval lies outside the criterion"
    if apart(holds):
        why = "the interval lies outside the criterion, across the edge of the wider one"
        return "not reproduced", f"{why}: partly at best"
    return "cannot be judged", "the interval straddles the edge of the criterion"


def _range(study: Study, claim: Claim, region: Region) -> str:
    ends = region.placed(reported_value(study, claim))
    low, high = (f"{end + 0.0:.4g}".replace("-", "−") for end in ends)
    if low == high:
        return f"= {low}"
    if np.isinf(ends[0]):
        return f"≤ {high}"
    if np.isinf(ends[1]):
        return f"≥ {low}"
    return f"in [{low}, {high}]"
