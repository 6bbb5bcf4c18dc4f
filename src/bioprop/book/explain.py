"""All that is behind the verdict of one claim, in words: for its place in the site, and a terminal.

What a reader asks at one number: who says so and where, what was measured and how, what would have
counted, since when that is fixed, and how to check it.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy

from bioprop import studies
from bioprop.book import claims
from bioprop.book.claims import Ends, number, word
from bioprop.book.index import ClaimEntry, RecordEntry, StudyEntry, Where
from bioprop.choose import choose
from bioprop.studies import Claim
from bioprop.studies.summaries import MEAN

WIDE = 10  # times as wide as an interval: what a criterion is called wide from


def find(id: str) -> tuple[studies.Study, Claim]:
    """Return a claim with its study; an unknown one raises ``ValueError``."""
    every = ((study, claim) for study in studies.STUDIES.values() for claim in study.claims)
    known = {claim.id: (study, claim) for study, claim in every}
    return known[choose("claim", id, known)]


def reported(entry: ClaimEntry) -> list[str]:
    """Say what the paper's number is made of, and how each part was read; nothing for none."""
    return [
        f"{source.key} = {f'{source.value:g}'.replace('-', '−')} {source.unit}: {source.place}, "
        f"{'read off a figure' if source.read_off else 'printed'}; {source.source}"
        for source in entry.sources
    ]


def arithmetic(entry: ClaimEntry) -> list[str]:
    """Say how the verdict comes from the members' numbers, step by step."""
    if entry.recorded is None or entry.interval is None:
        return [f"{entry.why}."]
    _, claim = find(entry.id)
    mean, low, high = (number(claim, v) for v in (entry.recorded, *entry.interval))
    steps = [f"{entry.summary} of {entry.members} {entry.counted}: {mean}"]
    if claim.summary is MEAN and low != high:
        n, spread = entry.members, float(np.std(np.array(entry.values, dtype=float), ddof=1))
        factor = float(scipy.special.stdtrit(n - 1, 0.975))
        half = number(claim, factor * spread / math.sqrt(n))
        steps[0] += (
            f" ± {factor:.3f} × {spread:.3g} / √{n} = {mean} ± {half} "
            "(Student's factor at 95 %, standard deviation)"
        )
    steps.append(f"95 % interval [{low}, {high}]")
    for name, ends in (("criterion", entry.holds), ("the wider one", entry.partly)):
        if ends:
            steps.append(f"{name} {ranged(ends)}: the interval lies {_lies(entry.interval, ends)}")
    return [*steps, f"{entry.why}: {word(entry.verdict, entry.origin)}"]


def ranged(ends: Ends) -> str:
    """Write a range for a reader: ``≤ 0``, or ``[1.9, 2.9]``."""
    low, high = (None if end is None else f"{end + 0.0:.4g}".replace("-", "−") for end in ends)
    if low is None:
        return f"≤ {high}"
    return f"≥ {low}" if high is None else f"[{low}, {high}]"


def breadth(entry: ClaimEntry) -> str | None:
    """Say of a criterion that it is one-sided, or very wide beside the interval; None of others."""
    low, high = entry.holds
    if low is None or high is None:
        return f"one-sided: any {'lower' if low is None else 'higher'} value would do as well"
    if entry.interval is None or entry.interval[0] == entry.interval[1]:
        return None
    share = (high - low) / (entry.interval[1] - entry.interval[0])
    return f"wide: {share:.0f} times the width of the interval" if share >= WIDE else None


def origin(entry: ClaimEntry, records: Sequence[RecordEntry]) -> list[str]:
    """Say since which commit the criterion stands, and from which the records are."""
    found = []
    if entry.fixed:
        since = f"since commit {entry.fixed.commit}, {entry.fixed.day}"
        found.append(
            f"the criterion stands in these words {since}; before, it was written in another way "
            "or elsewhere, and is not followed further"
            if entry.fixed.reworded
            else f"the criterion is what it is {since}"
        )
    else:
        found.append(
            "no commit is given for the criterion: it is not committed as it stands, or these "
            "sources lack their history"
        )
    made = dict.fromkeys((record.commit, record.day) for record in records)
    found += [f"recorded from commit {commit}, {day}" for commit, day in made]
    return found


def records(entry: ClaimEntry, known: Sequence[StudyEntry]) -> list[RecordEntry]:
    """Return the records that a claim was measured from, those of another study among them."""
    return [
        record
        for study in known
        for record in study.records
        if (record.variant if study.name == entry.study else f"{study.name}/{record.variant}")
        in entry.read
    ]


def commands(entry: ClaimEntry) -> list[str]:
    """Return the commands that check the records of a claim, and that make them again."""
    own = [name for name in entry.read if "/" not in name]
    chosen = "".join(f" --variant {name}" for name in own)
    if not entry.tier:
        return [f"bioprop run --pending {entry.study}"]
    return [
        f"bioprop verify {entry.study}{chosen}",
        f"bioprop run {entry.study} --tier {entry.tier}{chosen} --again",
    ]


def placed(lines: Where) -> str:
    """Name a file and the lines in it."""
    several = f"lines {lines.first} to {lines.last}"
    return f"{lines.file}, " + (several if lines.last > lines.first else f"line {lines.first}")


def values(entry: ClaimEntry) -> list[str]:
    """Write the number of each member, a line for each case.

    They are rounded as the claim's own; to four digits where they are in units of their own.
    """
    _, claim = find(entry.id)

    def shown(value: float | None) -> str:
        own = value is not None and not entry.in_unit
        return f"{value:.4g}".replace("-", "−") if own else number(claim, value)

    return [", ".join(map(shown, case)) for case in entry.values]


def listed(entry: ClaimEntry) -> str:
    """Say what :func:`values` are: the members' own numbers, or what the claim's is made of."""
    if entry.in_unit:
        return f"The {entry.members} numbers of {entry.id}"
    rows = f"{len(entry.values)} rows of " if len(entry.values) > 1 else ""
    return f"What {entry.id} is computed from: {rows}{entry.members} numbers"


def told(entry: ClaimEntry, known: Sequence[StudyEntry]) -> Iterator[tuple[str, list[str]]]:
    """Yield everything about a claim, for a terminal: a word and what there is to say."""
    mine = records(entry, known)
    yield "claim", [f"{entry.id}: {entry.statement}"]
    yield "stands", [f"{entry.place}; paper {entry.paper}" if entry.origin == "paper" else "ours"]
    yield "reported", [f"{entry.text['paper']} ({entry.unit})", *reported(entry)]
    yield "recorded", [f"{entry.text['recorded']} ({entry.unit}), {entry.text['members']}"]
    yield "beside it", [entry.aside] if entry.aside else []
    yield "criterion", [entry.criterion, *filter(None, [breadth(entry)])]
    yield "verdict", arithmetic(entry)
    yield "know", claims.remarks(entry.calibrated, entry.changed)
    yield f"each of {entry.members}" if entry.in_unit else "made of", values(entry)
    yield "since", origin(entry, mine)
    yield "measure", [placed(entry.measure)]
    yield "records", [f"data/{record.file}, sealed {record.digest[:16]}" for record in mine]
    yield "commands", commands(entry)
    yield "page", [entry.page]


def _lies(interval: tuple[float, float], ends: Ends) -> str:
    low = -math.inf if ends[0] is None else ends[0]
    high = math.inf if ends[1] is None else ends[1]
    if low <= interval[0] and interval[1] <= high:
        return "inside"
    return "outside" if interval[1] < low or high < interval[0] else "across its edge"
