"""Which numbers matter: what another machine may change, and what nobody may."""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import TOY, made
from torch import Tensor

from bioprop import paths, studies
from bioprop.book import claims, closeness, runs, twins
from bioprop.book.records import Record, RecordError, Store
from bioprop.studies import Region, Study
from bioprop.studies.journal import Journal, Twin
from bioprop.studies.study import at, own_claim

TOY_STUDY = studies.get(TOY[0])
MARKS = 81


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twins, checkpoints and locks in a folder of the test's own."""
    monkeypatch.setattr(paths, "TWINS", tmp_path / "twins")
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


# Two ways to write one map, as two processors would take its sums. The first map doubles what is
# off at each step, the second halves it.
MAPS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "amplifies": (lambda x: 4 * x * (1 - x), lambda x: 4 * x - 4 * x * x),
    "forgets": (lambda x: (x + 1) * 0.5, lambda x: 0.5 * x + 0.5),
}


def iterating(step: Callable[[Tensor], Tensor]) -> Study:
    """Return a study whose networks are fifty numbers each that go through a map."""

    def run(settings: Any, journal: Journal) -> None:
        x = torch.linspace(0.1, 0.4, 50 * settings.members, dtype=torch.float64)
        x = x.view(settings.members, 50)
        journal.begin(x)
        journal.label(seed=settings.seeds)
        for mark in range(MARKS):
            journal.write(mark, w=x.mean(1))
            x = step(x)

    return dataclasses.replace(TOY_STUDY, run=run, claims=[])


@pytest.fixture
def elsewhere(store: Store) -> Callable[[str], tuple[Record, Study]]:
    """A function that returns a record made on another machine, and the study as it runs here."""

    def make(name: str) -> tuple[Record, Study]:
        here, there = map(iterating, MAPS[name])
        record = runs.run(there, *TOY[1:], store=store)
        record.provenance["machine"] = "abacus"
        return record, here

    return make


def with_third_digit_changed(record: Record, mark: int, member: int = 0) -> Record:
    """Return a record with the third digit of one number changed, sealed anew."""
    rows = [list(row) for row in record.values["w"]]
    value = rows[mark][member]
    assert value
    rows[mark][member] = value + 10.0 ** (np.floor(np.log10(abs(value))) - 2)
    return record.model_copy(update={"values": {"w": rows}}).sealed()


# The rule


def test_a_run_that_forgets_its_last_bit_agrees_by_rounding_and_needs_no_twin(
    elsewhere: Any,
) -> None:
    record, here = elsewhere("forgets")
    found = runs.verify(record, here)
    assert not found.faults and not paths.TWINS.exists()
    assert "bit for bit" in str(found) or "as closely as rounding lets it" in str(found)


@pytest.mark.parametrize("mark", [0, 1, 40, MARKS - 1])
def test_a_third_digit_is_noticed_everywhere_in_a_run_that_forgets(
    mark: int, elsewhere: Any
) -> None:
    record, here = elsewhere("forgets")
    [fault] = runs.verify(with_third_digit_changed(record, mark), here).faults
    assert fault.startswith("w differs by 0.0") and f"after {mark} examples" in fault
    assert "rounding" in fault


def test_a_run_that_amplifies_its_last_bit_agrees_as_closely_as_its_twin(elsewhere: Any) -> None:
    record, here = elsewhere("amplifies")
    found = runs.verify(record, here)
    [gap] = found.gaps
    assert not found.faults and gap.twin and gap.apart > 0.01
    assert "agrees as closely as its last bit lets it\n    w differs by" in str(found)
    assert "10 times what a twin comes to" in str(found)


@pytest.mark.parametrize("mark, noticed", [(0, True), (10, True), (30, True), (75, False)])
def test_a_third_digit_is_noticed_in_a_run_that_amplifies_until_it_cannot_be_resolved(
    mark: int, noticed: bool, elsewhere: Any
) -> None:
    record, here = elsewhere("amplifies")
    assert bool(runs.verify(with_third_digit_changed(record, mark), here).faults) == noticed


def test_a_twin_is_measured_once_and_kept(elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record, here = elsewhere("amplifies")
    begun: list[type] = []
    begin = Twin.begin
    monkeypatch.setattr(Twin, "begin", lambda self, *t: (begun.append(type(self)), begin(self, *t)))
    runs.verify(record, here)
    kept = paths.TWINS.joinpath(*TOY).with_suffix(".json")
    text = kept.read_bytes()
    runs.verify(record, here)
    assert begun == [Twin]
    twin = twins.read(kept)
    assert twin.keep() == kept and kept.read_bytes() == text
    assert twins.kept(record) == twin
    assert twin.marks_apart["w"][0] == pytest.approx(0, abs=1e-16)
    other = record.model_copy(update={"configuration": record.configuration | {"rate": 0.5}})
    assert twins.kept(other) is None, "a twin of other settings says nothing"
    part = record.model_copy(update={"configuration": record.configuration | {"first_seed": 7}})
    assert twins.kept(part) == twin, "other seeds amplify alike"


def test_the_twin_of_a_run_that_needs_none_is_measured_where_it_is_asked_for(
    elsewhere: Any,
) -> None:
    record, here = elsewhere("forgets")
    runs.verify(record, here, twin=True)
    assert twins.kept(record)


def test_a_file_that_is_no_twin_is_named(elsewhere: Any) -> None:
    record, here = elsewhere("amplifies")
    place = paths.TWINS.joinpath(*TOY).with_suffix(".json")
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    with pytest.raises(RecordError, match=r"(?s)is no twin of a run .*verify --twin") as refused:
        runs.verify(record, here)
    assert str(place) in str(refused.value)


def test_a_twin_starts_one_unit_in_the_last_place_away_and_zero_stays_zero() -> None:
    for dtype in (torch.float32, torch.float64):
        start = torch.tensor([0.0, 1.0, -1.0, 0.3], dtype=dtype)
        moved = start.clone()
        Twin().begin(moved)
        eps = torch.finfo(dtype).eps
        above, below = (torch.nextafter(start, torch.full_like(start, end)) for end in (9, -9))
        assert moved[0] == 0 and ((moved == above) | (moved == below))[1:].all()
        assert (moved - start).abs().max() <= eps
        assert (Journal().begin(start), start[1]) == (None, 1)


class Seen:
    """A training that learns nothing, and remembers the weights that each batch met."""

    def __init__(self, *weights: float):
        self.weights, self.biases = [torch.tensor(weights)], [None]
        self.network, self.step = self, 0
        self.met: list[Tensor] = []

    def until(self, step: int) -> None:
        self.met += [self.weights[0].clone() for _ in range(self.step, step)]
        self.step = step

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def test_what_a_batch_makes_nothing_stays_nothing_in_the_twin() -> None:
    class Clamped(Seen):
        def until(self, step: int) -> None:
            super().until(step)
            self.weights[0][1] = 0.0

    seen = Clamped(2.0, 1.5)
    assert [seen.weights[0][1].item() for _ in Twin().follow(seen, (1, 20))] == [0.0, 0.0]


def test_a_twin_meets_each_batch_beside_where_it_stands_and_does_not_drift_for_it() -> None:
    seen = Seen(0.0, 1.5, -1.5, torch.inf)
    stood = []
    for _ in Twin().follow(seen, (0, 20, 40), batch=2):
        stood.append(seen.weights[0].clone())
    assert len(seen.met) == 20 and len(stood) == 3
    eps = torch.finfo(torch.float32).eps
    for near, met in enumerate(seen.met):
        gap = met - stood[near // 10]  # moved once at the mark before, and once for the batch
        assert met[0] == 0 and met[3] == torch.inf and (gap[1:3].abs() <= 2 * eps).all()
    assert len({tuple(met.tolist()) for met in seen.met[:10]}) > 1, "it is rounded anew each time"
    gaps = [(after - before)[1:3].abs() for before, after in pairwise(stood)]
    assert all((gap == eps).all() for gap in gaps), "only marks move it for good"


@pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda study: study.name)
def test_the_twin_of_every_study_starts_elsewhere(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(Exception):
        pass

    def begin(self: Journal, *tensors: Tensor) -> None:
        assert any((tensor != 0).any() for tensor in tensors)
        raise Begun

    monkeypatch.setattr(Journal, "begin", begin)
    for variant in study.variants:
        with pytest.raises(Begun):
            study.run(study.configure("smoke", variant), Journal())


# Its parts


@pytest.fixture
def pair() -> Callable[..., tuple[Record, Record]]:
    """A function that returns a record and another whose w differ by so much at each mark."""

    def make(values: Any, *off: Any) -> tuple[Record, Record]:
        rows = np.broadcast_to(np.array(values, dtype=float), (len(off), 3))
        other = rows + np.array([np.broadcast_to(each, 3) for each in off], dtype=float)
        return made(*rows.tolist()), made(*other.tolist())

    return make


@pytest.mark.parametrize(
    "values, off, counts",
    [
        ((1.0, 1.0, 1.0), 1e-7, False),
        ((1.0, 1.0, 1.0), 1e-5, True),
        ((1e-3, 1.0, 1.0), 1e-7, False),  # as its neighbours allow
        ((1e3, 1e-3, 1e-3), (0.0, 1e-7, 0.0), True),  # one that blows up loosens nothing
        ((1e3, 1e-3, 1e-3), (1e-4, 0.0, 0.0), False),
        ((1e-13, 1e-13, 1e-13), 5e-13, False),  # nothing but rounding
        ((1.0, 1.0, 1.0), (0.0, np.nan, 0.0), True),
    ],
)
def test_rounding_is_a_share_of_the_value_or_of_the_middle_one(
    values: Any, off: Any, counts: bool, pair: Any
) -> None:
    *_, gap = closeness.apart(*pair(values, off, off), TOY_STUDY)
    assert gap.quantity == "w" and gap.counts == counts and not gap.twin


@pytest.mark.parametrize("decimals, apart", [(4, 1), (4, 2), (2, 1), (2, 2), (0, 1), (0, 2)])
def test_what_is_written_rounded_may_be_a_step_off(decimals: int, apart: int, pair: Any) -> None:
    record, again = pair((0.0, 1.0, 2.0), 0.0, (0.0, apart * 10.0**-decimals, 0.0))
    rounded = dataclasses.replace(TOY_STUDY, decimals={"w": decimals})
    for study, counts in ((TOY_STUDY, True), (rounded, apart > 1)):
        for twin in (None, twins.between(record, record, 0.0)):
            [gap] = closeness.apart(record, again, study, twin)
            assert gap.counts == counts and not gap.twin


def test_a_study_says_to_how_many_decimals_it_rounds() -> None:
    for study in studies.STUDIES.values():
        unseen = dict(study.decimals)  # quantities of which no run has shown the last decimal yet
        zero = set(unseen)  # and those that are nothing in so short a run
        for variant in study.variants if unseen else ():
            table = runs.run(study, "smoke", variant, store=Store(paths.CACHE)).table
            for quantity in study.decimals.keys() & set(table):
                values, decimals = table[quantity].dropna(), study.decimals[quantity]
                assert np.allclose(values, values.round(decimals), rtol=0.0, atol=1e-9)
                if not np.allclose(values, values.round(decimals - 1), rtol=0.0, atol=1e-9):
                    unseen.pop(quantity, None)
                zero -= {quantity} if values.any() else set()
            if not unseen:
                break
        assert unseen.keys() <= zero, study.name


def twin_of(record: Record, marks: list[Any], members: list[Any]) -> twins.Twin:
    """Return a twin that was so far apart, in w, at these marks and in these members."""
    measured = twins.between(record, record, 0.0).model_dump()
    for quantity in record.values:
        measured["marks_apart"][quantity], measured["members_apart"][quantity] = marks, members
    return twins.Twin(**measured)


@pytest.mark.parametrize(
    "marks, members, off, counts",
    [
        ([0.0, 1e-3, 1e-3], [1.0] * 3, (0.0, 0.0, 9e-3), False),
        ([0.0, 1e-3, 1e-3], [1.0] * 3, (0.0, 0.0, 2e-2), True),
        ([0.0, 1e-3, 0.0], [1.0] * 3, (0.0, 0.0, 9e-3), False),  # a mark sooner or later
        ([0.0, 1e-3, 0.0], [1.0] * 3, (9e-3, 0.0, 0.0), True),  # but nothing is learnt at first
        ([0.0, 1e-3, 1e-3], [1e-9] * 3, (0.0, 0.0, 9e-3), True),  # others amplify, not these
        ([0.0, None, None], [None] * 3, (0.0, 0.0, np.nan), False),
        ([0.0, None, None], [None, 1e-9, 1e-9], (0.0, 0.0, (np.nan, 0, 0)), False),
        ([0.0, None, None], [None, 1e-9, 1e-9], (0.0, 0.0, (0, np.nan, 0)), True),
    ],
)
def test_a_twin_allows_so_much_at_about_its_mark_and_in_its_member(
    marks: list[Any], members: list[Any], off: Any, counts: bool, pair: Any
) -> None:
    record, again = pair((1.0, 1.0, 1.0), *off)
    *_, gap = closeness.apart(record, again, TOY_STUDY, twin_of(again, marks, members))
    assert gap.counts == counts
    assert np.isfinite(gap.apart) or "is missing in one (member" in str(gap)


@pytest.mark.parametrize(
    "members, off, counts",
    [
        ([None, 1e-9, 1e-9], (0.0, 0.0, 0.5), True),
        ([None, 1e-9, 1e-3], (0.0, 0.0, 9e-3), False),  # as far as those come that do not diverge
        ([None, 1e-9, 1e-3], (0.0, 0.0, 2e-2), True),
        ([None, 1e-9, 1e-9], (0.0, 0.0, np.nan), False),  # others may diverge, too
        ([None, 1e-9, 1e-9], (np.nan, 0.0, 0.0), True),  # but not before anything is learnt
        ([None] * 3, (0.0, 0.0, 0.5), True),
    ],
)
def test_a_member_that_diverged_in_a_twin_allows_other_seeds_to_diverge_and_no_more(
    members: list[Any], off: Any, counts: bool, pair: Any
) -> None:
    record, again = pair((1.0, 1.0, 1.0), *off)
    twin = twin_of(again, [0.0, None, None], members)
    twin.configuration = twin.configuration | {"first_seed": 7}
    *_, gap = closeness.apart(record, again, TOY_STUDY, twin)
    assert gap.counts == counts


@pytest.mark.parametrize("other", ["configuration", "labels", "marks", "other quantities"])
def test_runs_that_cannot_be_compared_are_not(other: str) -> None:
    one = made([1.0, 2.0, 3.0])
    changed = {
        "configuration": one.model_copy(
            update={"configuration": one.configuration | {"rate": 0.5}}
        ),
        "labels": made([1.0, 2.0, 3.0], seeds=(0, 1, 3)),
        "marks": made([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        "other quantities": one.model_copy(update={"values": {"w": one.values["w"]}}),
    }[other]
    [fault] = closeness.compare(one, changed, TOY_STUDY).faults
    assert fault.startswith(other)


# Claims


@pytest.fixture
def claimed(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """A function that judges w at the end with a new run in the place of its record."""
    monkeypatch.setattr(claims, "RECORDED", store)

    def judge(old: list[float], new: list[float], **more: Any) -> tuple[list[str], str]:
        claim = own_claim(
            id="small-w",
            statement="w is small.",
            measure=lambda runs: at(runs["small"], "w"),
            unit="",
            holds=Region(high=1.0),
            reason="why",
            figure="toy-flow",
            **more,
        )
        study = dataclasses.replace(
            TOY_STUDY,
            claims=[claim],
            variants={"small": TOY_STUDY.variants["small"]},
            learnt=None,
        )
        store.save(made(old))
        found, stand = closeness.moved_claims(made(old), made(new), study)
        return list(found.values()), stand

    yield judge


@pytest.mark.parametrize(
    "old, new, moved",
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.31], False),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 1.9], True),  # the verdict
        ([0.1, 0.2, 0.3], [0.45, 0.46, 0.47], True),  # out of the interval, the verdict the same
        ([0.1, 0.1, 0.1], [0.1, 0.1, 0.1 + 1e-4], False),  # without a spread: the last digit shown
        ([0.1, 0.1, 0.1], [0.2, 0.2, 0.2], True),
        ([0.1, 0.2, 0.3], [0.1, 0.2, float("nan")], True),
        ([0.1, 0.2, float("nan")], [0.1, 0.2, float("nan")], False),
    ],
)
def test_a_claim_moves_with_its_verdict_or_its_mean(
    old: list[float], new: list[float], moved: bool, claimed: Any
) -> None:
    found, stand = claimed(old, new)
    assert bool(found) == moved
    if moved:
        assert found[0].startswith("claim small-w: ") and ", becomes " in found[0]
    else:
        assert stand == "none of 1 claims moves"


@pytest.mark.parametrize("new, moves", [([0.1, 0.2, 0.31], False), ([5.0, 5.1, 5.2], True)])
def test_claims_of_other_studies_that_compare_with_a_run_move_with_it(
    new: list[float], moves: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RECORDED", store)
    claim = own_claim(
        id="smaller-w",
        statement="w is smaller here.",
        measure=lambda runs: at(runs["small"], "w") - at(runs["toy-network/small"], "w"),
        unit="",
        holds=Region(low=-1.0, high=1.0),
        reason="why",
        figure="toy-flow",
        beside="toy-network",
    )
    only = {"small": TOY_STUDY.variants["small"]}
    study = dataclasses.replace(TOY_STUDY, claims=[], variants=only, learnt=None)
    other = dataclasses.replace(study, name="toy-other", claims=[claim])
    for each in (study, other):
        monkeypatch.setitem(studies.STUDIES, each.name, each)
        store.save(made([0.1, 0.2, 0.3]).model_copy(update={"study": each.name}))
    found, stand = closeness.moved_claims(made([0.1, 0.2, 0.3]), made(new), study)
    assert bool(found) == moves
    if moves:
        assert found["smaller-w"].startswith(
            "claim smaller-w: 0.00 (all\u00a03), reproduced, becomes"
        )
    else:
        assert stand == "none of 1 claims moves"


def test_an_amplifying_run_whose_claim_moves_does_not_agree(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, here = elsewhere("amplifies")
    monkeypatch.setattr(closeness, "moved_claims", lambda *_: ({"c": "claim c: moved"}, ""))
    assert runs.verify(record, here).faults == ["claim c: moved"]


@pytest.fixture
def on_the_edge(
    elsewhere: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], tuple[Record, Study]]:
    """A function that returns a run that amplifies, made elsewhere, and a study with a claim.

    The claim holds where the first member ends up as in the record, to so much.
    """

    def make(width: float) -> tuple[Record, Study]:
        record, here = elsewhere("amplifies")
        end = record.values["w"][-1][0] or 0.0
        claim = own_claim(
            id="just-so",
            statement="w ends up here.",
            measure=lambda runs: np.repeat(at(runs["small"], "w")[:1], 3),
            unit="",
            holds=Region(end - width, end + width),
            reason="why",
            figure="toy-flow",
            decimals=9,
        )
        only = {"small": TOY_STUDY.variants["small"]}
        study = dataclasses.replace(here, claims=[claim], variants=only, learnt=None)
        monkeypatch.setattr(claims, "RECORDED", store)
        return record, study

    return make


def test_a_claim_that_moves_in_the_twin_too_is_no_fault_and_the_book_names_it(
    on_the_edge: Any, store: Store
) -> None:
    record, study = on_the_edge(1e-6)
    fault, *others = runs.verify(record, study).faults
    assert fault.startswith("claim just-so: ") and not others
    twin = twins.kept(record)
    assert twin and twin.verdicts == {}, "neither the run made here nor its twin ends up there"
    assert "hang on" not in twins.described(store)
    twin.verdicts = {"just-so": ("reproduced", "not reproduced")}
    twin.keep()
    found = runs.verify(record, study)
    assert not found.faults and re.search(r"(?m)^    claim just-so: .*it moves, too$", str(found))
    text = twins.described(store)
    assert "The verdicts of these claims hang on it" in text
    assert text.endswith("| `just-so` | toy-network, small | reproduced | not reproduced |")


def test_a_twin_is_judged_beside_its_run_and_an_old_one_anew_where_that_is_asked_for(
    on_the_edge: Any, tmp_path: Path
) -> None:
    record, study = on_the_edge(1e-6)
    again = runs.run(study, *TOY[1:], store=Store(tmp_path / "again"))
    end = again.values["w"][-1][0] or 0.0
    here = dataclasses.replace(study.claims[0], holds=Region(end - 1e-6, end + 1e-6))
    study = dataclasses.replace(study, claims=[here])
    twin = twins.of(record, again, study)
    assert twin.verdicts == {"just-so": ("reproduced", "not reproduced")}
    twin.verdicts = None
    twin.keep()
    assert twins.of(record, again, study).verdicts is None
    assert twins.of(record, again, study, judged=True).verdicts


# What the book says


def test_the_book_names_the_runs_that_amplify_their_last_bit(elsewhere: Any, store: Store) -> None:
    record, here = elsewhere("amplifies")
    assert twins.described(store).startswith("Of 1 recorded runs 0 have been given a twin so far")
    runs.verify(record, here)
    text = twins.described(store)
    assert "Of 1 recorded runs 1 have been given a twin so far, and 1 of these amplify" in text
    assert "| toy-network, small | w | 0.75 | " in text and " % of the run on |" in text
    assert twins.amplifying() == {TOY}


def test_a_run_that_forgets_its_last_bit_is_not_named(elsewhere: Any, store: Store) -> None:
    record, here = elsewhere("forgets")
    runs.verify(record, here, twin=True)
    assert twins.described(store).endswith(
        "1 have been given a twin so far, and 0 of these amplify their last bit."
    )
    assert not twins.amplifying()


@pytest.mark.parametrize("apart, named", [(1e-2, False), (2e-2, True)])
def test_a_run_whose_twin_is_a_step_of_its_rounding_off_is_not_named(
    apart: float, named: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounded = dataclasses.replace(TOY_STUDY, decimals={"w": 2})
    monkeypatch.setitem(studies.STUDIES, TOY_STUDY.name, rounded)
    record = made([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    store.save(record)
    twins.between(record, made([0.1, 0.2, 0.3], [0.1, 0.2, 0.3 + apart]), 0.0).keep()
    assert f"and {named:d} of these amplify" in twins.described(store)


@pytest.mark.parametrize("apart, named", [(1e-5, False), (1e-2, True)])
def test_a_network_that_blows_up_does_not_hide_that_another_amplifies(
    apart: float, named: bool, store: Store
) -> None:
    record = made([0.1, 0.2, 0.3], [0.1, 0.2, 1e6])
    store.save(record)
    twins.between(record, made([0.1, 0.2, 0.3], [0.1, 0.2 + apart, 1e6]), 0.0).keep()
    assert f"and {named:d} of these amplify" in twins.described(store)


def test_networks_that_diverged_do_not_make_what_is_usual_smaller() -> None:
    lost = math.nan
    record = made([0.1, 0.2, 0.3], [5.0, lost, lost])
    assert twins.between(record, record, 0.0).largest["w"] == 5.0


@pytest.mark.parametrize(
    "twin", list(twins.every()), ids=lambda twin: f"{twin.study}-{twin.variant}"
)
def test_a_twin_that_is_kept_is_one_of_a_recorded_run(twin: twins.Twin) -> None:
    record = Store(paths.RUNS).load(twin.study, twin.tier, twin.variant)
    assert twin.fits(record)
    known = [claim.id for study in studies.STUDIES.values() for claim in study.claims]
    assert set(twin.verdicts or {}) <= set(known)
