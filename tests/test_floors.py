"""No verdict is in favour of a network that has learnt nothing."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest

from bioprop import studies
from bioprop.book import claims, runs
from bioprop.book.claims import Reading, judge, may_be_idle
from bioprop.book.records import Record, Store
from bioprop.studies import Claim, Study
from bioprop.studies.study import gone

FAVOURABLE = ("reproduced", "partly")
CLAIMS = [(study, claim) for study in studies.STUDIES.values() for claim in study.claims]
LEARNING = [(study, claim) for study, claim in CLAIMS if claim.idle or not claim.unlearnt]
Make = Callable[[Study], Mapping[str, Record]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The runs of a study: its records, or where there are none, small ones made here."""
    store = Store(tmp_path_factory.mktemp("runs"))

    @cache
    def make(name: str) -> Mapping[str, Record]:
        study = studies.get(name)
        tier, found = claims.evidence(study)
        if tier:
            return found
        return {v: runs.run(study, "smoke", v, store=store) for v in study.variants}

    return lambda study: make(study.name)


@pytest.fixture(scope="module")
def put_idle() -> Callable[[Record], Record]:
    """:func:`idle`, made once for each of the runs in use: the claims of a study have the same."""
    kept: dict[int, tuple[Record, Record]] = {}  # with what it was made from, which keeps its id

    def once(record: Record) -> Record:
        if id(record) not in kept:
            kept[id(record)] = record, idle(record)
        if len(kept) > 64:
            kept.pop(next(iter(kept)))
        return kept[id(record)][1]

    return once


def idle(record: Record) -> Record:
    """Return a run in which nothing that is measured ever leaves the value of its start."""
    values = {name: [rows[0]] * len(rows) for name, rows in record.values.items()}
    return Record.model_validate(record.model_dump() | {"values": values, "diverged": {}})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("study, claim", LEARNING, ids=[claim.id for _, claim in LEARNING])
def test_no_claim_is_met_by_networks_that_learn_nothing(
    study: Study, claim: Claim, made: Make, put_idle: Callable[[Record], Record]
) -> None:
    anywhere = dataclasses.replace(claim, applies=lambda settings: True)
    own = made(study)
    other = made(studies.get(claim.beside)) if claim.beside else {}
    reading = Reading({**own, **{f"{claim.beside}/{name}": run for name, run in other.items()}})
    claim.measure(reading)
    assert reading.read
    assert set(claim.idle) <= {name.rpartition("/")[2] for name in reading.read}
    alone = ({name} for name in reading.read if not may_be_idle(study, claim, name))
    for lazy in [set(reading.read), *alone]:
        mine = {name: put_idle(run) if name in lazy else run for name, run in own.items()}
        theirs = {
            name: put_idle(run) if f"{claim.beside}/{name}" in lazy else run
            for name, run in other.items()
        }
        judged = judge(study, anywhere, mine, next(iter(own.values())).tier, theirs)
        assert judged.verdict not in FAVOURABLE, (
            f"{claim.id} is {judged.verdict} where {', '.join(lazy)} learnt nothing: name in "
            "'learnt' of the study who has learnt, or in 'unlearnt' of the claim why it holds"
        )


@pytest.mark.parametrize("study, claim", CLAIMS, ids=[claim.id for _, claim in CLAIMS])
def test_a_claim_is_about_learning_or_says_why_not(study: Study, claim: Claim) -> None:
    assert study.learnt
    assert claim.unlearnt is None or len(claim.unlearnt.split()) > 3
    assert claim.unlearnt or not claim.idle, "who learns nothing does so for a reason"


def test_what_fails_for_networks_that_learn_nothing_fails_all_the_same() -> None:
    study = studies.get("mnist")
    tier, own = claims.evidence(study)
    claim = next(claim for claim in study.claims if claim.id == "mnist-fa")
    judged = judge(study, claim, {name: idle(run) for name, run in own.items()}, tier or "")
    assert judged.verdict == "not reproduced", "and no want of learning hides it"


def test_the_verdict_in_favour_that_is_withheld_says_of_how_many() -> None:
    study = studies.get("mnist")
    tier, own = claims.evidence(study)
    claim = next(claim for claim in study.claims if claim.id == "mnist-fa-as-good")
    judged = judge(study, claim, {**own, "bp": idle(own["bp"])}, tier or "")
    assert judged.verdict == "cannot be judged"
    assert judged.interval and judged.measured != "–", "the verdict is withheld, not the number"
    assert judged.why == "20 of 40 networks that are compared have learnt too little"


@pytest.mark.parametrize(
    "quantity, start, end, learnt",
    [
        ("error", 90.0, 67.5, True),
        ("error", 90.0, 68.0, False),
        ("error", 90.0, np.nan, False),
        ("log_nse", 0.0, -0.13, True),
        ("log_nse", -1.0, -1.1, False),
    ],
)
def test_to_have_learnt_is_to_have_lost_a_quarter_of_the_error(
    quantity: str, start: float, end: float, learnt: bool
) -> None:
    _, own = claims.evidence(studies.get("linear-task"))
    values = {quantity: [[start] * 20, [end] * 20]}
    record = own["bp"].model_dump() | {"values": values, "marks": [0, 1300]}
    assert gone(quantity)(Record.model_validate(record)).tolist() == [learnt] * 20
