"""Claims with another run in the place of a record: do they come out otherwise?"""

from collections.abc import Mapping, Sequence

from bioprop import studies
from bioprop.book import claims, parts
from bioprop.book.claims import Judgement
from bioprop.book.records import Record
from bioprop.studies import Study


def judged(record: Record, study: Study, others: Sequence[Record]) -> list[tuple[Judgement, ...]]:
    """Judge each claim that reads a record, with each of some other runs in its place.

    Those of other studies that compare with this one are among them. Returns a judgement for each
    run, claim by claim; nothing where no claim reads the record, as where a better tier is there.
    """
    tier, kept = claims.evidence(study)
    if tier != record.tier:
        return []
    swapped = [_in_place(run, record, kept[record.variant]) for run in others]
    all_runs = [{**kept, record.variant: run} for run in swapped if run is not None]
    if len(all_runs) < len(others):
        return []
    each = [claims.judge_all(study, runs, tier) + _of_others(study, runs) for runs in all_runs]
    return list(zip(*each, strict=True))


def _of_others(study: Study, runs: Mapping[str, Record]) -> list[Judgement]:
    """Judge the claims of other studies that compare with these runs."""
    found = []
    for other in studies.STUDIES.values():
        compared = [claim for claim in other.claims if claim.beside == study.name]
        tier, own = claims.evidence(other) if compared else (None, {})
        if tier:
            found += [claims.judge(other, claim, own, tier, runs) for claim in compared]
    return found


def has_moved(old: Judgement, new: Judgement) -> bool:
    """Say whether a verdict is another, or a mean has left the interval that it had.

    By one in the last digit that is printed any mean may move.
    """
    if old.verdict != new.verdict:
        return True
    if old.mean is None or new.mean is None:
        return old.mean is not new.mean
    low, high = old.interval or (old.mean, old.mean)
    digit = 10.0**-old.claim.decimals
    return not low - digit <= new.mean <= high + digit


def _in_place(run: Record, record: Record, kept: Record) -> Record | None:
    """Return what claims read, with a run in the place of a record that may be a part of it.

    None where the record is neither all nor a part of what is kept.
    """
    if len(kept.parts) == 1 and kept.members == record.members:
        return run
    if record.digest not in [part.digest for part in kept.parts]:
        return None
    made = run.model_copy(update={"provenance": record.provenance})
    swapped = [made if part.digest == record.digest else part for part in kept.parts]
    return parts.join(swapped, kept.seeds).of(swapped, kept.wanted)
