"""Verdicts follow from the members' measurements and from nothing else."""

import io
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

from bioprop import paths, studies
from bioprop.book import changes, claims, figures
from bioprop.book.claims import Judgement, Verdict, criterion, judge, judge_all, reported_value
from bioprop.book.records import RECORDED, Record, RecordError, Store
from bioprop.studies import Claim, Region, Study, drawing, reported, within
from bioprop.studies.study import at_least, sized
from bioprop.studies.summaries import (
    GEOMETRIC,
    LARGEST,
    RANK_CORRELATION,
    SMALLEST,
    Summary,
    bootstrapped,
    interval,
)

LINEAR = studies.get("linear-task")  # its paper reports fig1d-shallow-98 = -0.3
EVERY = [(study, claim) for study in studies.STUDIES.values() for claim in study.claims]
FOUR = {"members": 4, "seeds": range(4), "wanted": 4}
RUN = {"settings": LINEAR.configure("paper", "fa"), **FOUR}
RUNS: dict[str, Any] = {"fa": SimpleNamespace(**RUN, diverged={})}


def claim(values: Any = (), holds: Region = Region(), **more: Any) -> Claim:  # noqa: B008
    """Return a claim whose members measured ``values``."""
    fixed = {"id": "c", "statement": "It is so.", "place": "Fig 1", "unit": "cm", "reason": "why"}
    return Claim(
        **{**fixed, "measure": lambda _: np.array(values), "holds": holds, "figure": "f", **more}
    )


def members(low: float, high: float) -> np.ndarray:
    """Return three measurements whose 95 % interval of the mean is ``[low, high]``."""
    half = (high - low) / 2 * np.sqrt(3) / scipy.stats.t.ppf(0.975, 2)
    return (low + high) / 2 + half * np.array([-1.0, 0.0, 1.0])


UNIT, WIDE, UP = Region(0.0, 1.0), Region(-1.0, 2.0), Region(low=0.0)
AROUND = {"holds": within(0.5), "partly": within(1.0), "reported": "fig1d-shallow-98"}


@pytest.mark.parametrize(
    "low, high, regions, verdict",
    [
        (0.2, 0.8, {"holds": UNIT}, "reproduced"),
        (0.5, 0.5, {"holds": UNIT}, "reproduced"),
        (1.0, 1.0, {"holds": UNIT}, "reproduced"),  # a region holds its ends
        (0.2, 0.8, {"holds": UNIT, "partly": WIDE}, "reproduced"),
        (0.5, 1.5, {"holds": UNIT, "partly": WIDE}, "partly"),
        (1.2, 1.8, {"holds": UNIT, "partly": WIDE}, "partly"),
        (-0.9, 1.9, {"holds": UNIT, "partly": WIDE}, "partly"),
        (1.1, 1.2, {"holds": UNIT}, "not reproduced"),
        (-0.2, -0.1, {"holds": UNIT}, "not reproduced"),
        (2.1, 2.5, {"holds": UNIT, "partly": WIDE}, "not reproduced"),
        (-5.0, -1.1, {"holds": UNIT, "partly": WIDE}, "not reproduced"),
        (0.5, 1.5, {"holds": UNIT}, "cannot be judged"),
        (-0.5, 1.5, {"holds": UNIT}, "cannot be judged"),  # wider than the region
        (1.5, 2.5, {"holds": UNIT, "partly": WIDE}, "not reproduced"),  # partly at best
        (-1.5, -0.5, {"holds": UNIT, "partly": WIDE}, "not reproduced"),
        (0.5, 2.5, {"holds": UNIT, "partly": WIDE}, "cannot be judged"),
        (1e6, 1e9, {"holds": UP}, "reproduced"),
        (-1.0, 1.0, {"holds": UP}, "cannot be judged"),
        (-2.0, -1.0, {"holds": UP}, "not reproduced"),
        (-0.7, 0.1, AROUND, "reproduced"),
        (-0.9, 0.1, AROUND, "partly"),
        (0.9, 1.0, AROUND, "not reproduced"),
        (0.1, 0.9, AROUND, "cannot be judged"),
    ],
)
def test_a_verdict_follows_from_the_interval_and_the_regions(
    low: float, high: float, regions: dict[str, Any], verdict: Verdict
) -> None:
    judged = judge(LINEAR, claim(members(low, high), **regions), RUNS, "paper")
    assert judged.verdict == verdict
    assert judged.interval == pytest.approx((low, high))
    assert judged.members == 3 and judged.tier == "paper" and judged.why


def test_what_was_not_run_is_not_attempted() -> None:
    for nothing in (None, {}):
        judged = judge(LINEAR, claim([1.0, 2.0, 3.0]), nothing, "")
        assert judged.verdict == "not attempted"
        assert (judged.mean, judged.measured) == (None, "–")


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5]])
def test_fewer_than_three_members_cannot_be_judged(values: list[float]) -> None:
    judged = judge(LINEAR, claim(values, UNIT), RUNS, "paper")
    assert judged.verdict == "cannot be judged"
    assert judged.why == f"an interval needs 3 networks or more, there are {len(values)}"
    assert judged.measured == "–" and judged.mean == 0.5


def test_members_are_called_what_the_study_says_they_are() -> None:
    units = Study(**{**vars(LINEAR), "population": "hidden units"})
    judged = judge(units, claim([0.5]), RUNS, "paper")
    assert judged.why == "an interval needs 3 hidden units or more, there are 1"


@pytest.mark.parametrize(
    "name, counted", [("alignment-needed", "20 seeds"), ("linear-task", "20 networks")]
)
def test_one_number_for_many_networks_of_a_seed_counts_seeds(name: str, counted: str) -> None:
    for judged in claims.recorded(studies.get(name))[2]:
        assert f"{judged.members} {judged.counted}" == counted


@pytest.mark.parametrize("lost", [np.nan, np.inf, -np.inf])
def test_one_member_without_a_value_leaves_nothing_to_judge(lost: float) -> None:
    judged = judge(LINEAR, claim([0.5, lost, 0.5, 0.5], UNIT), RUNS, "paper")
    assert judged.verdict == "cannot be judged"
    assert judged.why == "there is no value for 1 of 4 networks"
    assert judged.measured == "–" and judged.members == 4


def test_only_what_diverged_is_said_to_have_diverged() -> None:
    runs: Any = {**RUNS, "np": SimpleNamespace(**RUN, diverged={1: 100})}
    judged = judge(LINEAR, claim([np.nan, np.nan, 0.5, 0.5]), runs, "paper")
    assert judged.why == (
        "there is no value for 2 of 4 networks; in all runs of the study 1 of 8 networks diverged"
    )


def test_networks_that_do_not_get_to_the_threshold_are_not_said_to_diverge() -> None:
    study = studies.get("deep-linear")
    tier, runs, _ = claims.recorded(study)
    lazy = {}
    for name, record in runs.items():
        values = {**record.values, "log_nse": [[0.0] * record.members for _ in record.marks]}
        lazy[name] = Record.model_validate(record.model_dump() | {"values": values})
    [judged] = [j for j in judge_all(study, lazy, tier or "") if j.claim.id == "deep-linear-slows"]
    assert judged.verdict == "cannot be judged"
    assert judged.why == "there is no value for 20 of 20 networks"


# The paper's numbers


@pytest.mark.parametrize(
    "key, number",
    [
        (None, None),
        ("fig1d-shallow-98", -0.3),
        ("fig1d-fa-10 - fig1d-bp-10", -0.8),
        ("fig1d-bp-10 - fig1d-fa-10", 0.8),
        ("log10 fa-t-test-p", -12.045757),
        ("log10 fig2d-fa-4-4e5 - log10 fig2d-fa-3-4e5", -0.3777366),
    ],
)
def test_a_reported_number_is_a_value_or_a_difference_of_two(
    key: str | None, number: float | None
) -> None:
    found = reported_value(LINEAR, claim(reported=key))
    assert found == (number if number is None else pytest.approx(number))


@pytest.mark.parametrize("key", ["fig1d-fb-10", "fig1d-fa-10 - fig1d-fb-10", "log10 p", ""])
def test_an_unknown_reported_number_is_named(key: str) -> None:
    with pytest.raises(KeyError, match=r"lillicrap2014 has no reported value .* in data"):
        judge(LINEAR, claim([0.0] * 3, reported=key), RUNS, "paper")


def test_a_region_around_a_number_that_the_paper_does_not_give_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a reported value"):
        judge(LINEAR, claim([0.0] * 3, within(1.0)), RUNS, "paper")


# Numbers for readers


@pytest.mark.parametrize(
    "value, decimals, shown",
    [
        (0.784, 2, "0.78"),
        (-0.784, 2, "−0.78"),
        (-0.001, 2, "0.00"),
        (-0.0, 0, "0"),
        (-0.4, 0, "0"),
        (-0.6, 0, "−1"),
        (1234.5678, 1, "1234.6"),
        (2.0, 3, "2.000"),
    ],
)
def test_a_number_is_rounded_with_a_true_minus_and_no_negative_zero(
    value: float, decimals: int, shown: str
) -> None:
    ends = (value - 1e-9, value + 1e-9)
    judged = Judgement(claim(decimals=decimals), "partly", "", value, value, ends)
    assert judged.paper == shown
    assert judged.measured == f"{shown} [{shown},\u00a0{shown}]"


def test_equal_numbers_are_shown_with_how_many_there_are_and_no_interval() -> None:
    judged = Judgement(claim(decimals=0), "reproduced", "", None, 100.0, (100.0, 100.0), 20)
    assert judged.measured == "100 (all\u00a020)"


def test_a_claim_is_not_attempted_by_a_run_that_it_is_not_about() -> None:
    picky = claim([0.0] * 3, applies=lambda settings: settings.members > 1000)
    judged = judge(LINEAR, picky, RUNS, "paper")
    assert judged.verdict == "not attempted" and judged.mean is None
    assert judged.why == "the claim is not about such a run"


def test_an_aside_stands_beneath_the_number() -> None:
    one = claim(members(3.0, 4.0), aside=lambda runs: f"p = 0.1 from {len(runs)} runs")
    judged = judge(LINEAR, one, RUNS, "paper")
    assert judged.aside == "p = 0.1 from 1 runs"
    assert claims.with_aside("3.0", judged.aside) == f"3.0<br>*{judged.aside}*"
    assert claims.with_aside("3.0", None) == "3.0"
    assert judge(LINEAR, one, None, "").aside is None, "nothing was measured"


@pytest.mark.parametrize("name", ["bp", "fa"])
def test_the_rows_about_depth_are_about_its_size_and_show_both_p_values(name: str) -> None:
    judged = {j.claim.id: j for j in claims.recorded(studies.get("depth"))[2]}
    row = judged[f"depth-{name}-deeper"]
    three, four = (reported.value("lillicrap2014", f"fig2d-{name}-{n}-4e5") for n in (3, 4))
    assert row.reported == pytest.approx(np.log10(four / three))
    assert row.interval and row.interval[1] < 0, "deeper is better, whatever a test is sure of"
    theirs = reported.value("lillicrap2014", f"{name}-t-test-p")
    assert row.aside and row.aside.endswith(f"the paper: {theirs:.1g}")


def test_a_number_that_was_read_off_a_figure_is_marked() -> None:
    judged = judge(LINEAR, claim([0.0] * 3, reported="fig1d-fa-10 - fig1d-bp-10"), RUNS, "paper")
    assert judged.paper == "≈\u00a0−0.80"
    printed = judge(LINEAR, claim([0.0] * 3, reported="bp-mean-error-n-20"), RUNS, "paper")
    assert printed.paper == "2.40"


@pytest.mark.parametrize(
    "regions, words",
    [
        ({"holds": Region(-5.0, 10.0)}, "mean in [−5, 10] (why)"),
        ({"holds": Region(100.0, 100.0)}, "mean = 100 (why)"),
        ({"holds": Region(high=0.0)}, "mean ≤ 0 (why)"),
        ({"holds": Region(high=-0.0)}, "mean ≤ 0 (why)"),
        ({"holds": Region(low=-0.5)}, "mean ≥ −0.5 (why)"),
        ({"holds": Region(0.0, 1.0), "partly": UP}, "mean in [0, 1]; partly if ≥ 0 (why)"),
        (AROUND, "mean in [−0.8, 0.2]; partly if in [−1.3, 0.7] (why)"),
        (
            {**AROUND, "holds": at_least(0.5), "partly": at_least(0.0)},
            "mean ≤ −0.15; partly if ≤ 0 (why)",
        ),
        ({"holds": UP, "summary": GEOMETRIC}, "geometric mean ≥ 0 (why)"),
    ],
)
def test_a_criterion_is_put_in_words(regions: dict[str, Any], words: str) -> None:
    assert criterion(LINEAR, claim(**regions)) == words


# Choosing the records


def test_the_best_tier_is_the_one_with_most_evidence_that_is_complete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert claims.best_tier(LINEAR, store) is None
    for tier in ("quick", "paper", "smoke"):
        for variant in LINEAR.variants:
            place = store.path(LINEAR.name, tier, variant)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    assert claims.best_tier(LINEAR, store) == "paper"
    store.path(LINEAR.name, "paper", "np").unlink()
    assert claims.best_tier(LINEAR, store) == "quick"


# The claims of this repository


@pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda study: study.name)
def test_every_claim_has_one_verdict_from_the_records(study: Study) -> None:
    tier = claims.best_tier(study, RECORDED)
    judged = judge_all(study, RECORDED.runs(study, tier) if tier else None, tier or "")
    assert [j.claim for j in judged] == list(study.claims)
    for judgement in judged:
        assert judgement.verdict in get_args(Verdict)
        beside = judgement.claim.beside
        needed = [tier, *([claims.best_tier(studies.get(beside), RECORDED)] if beside else [])]
        assert (judgement.verdict == "not attempted") == (None in needed)
        if judgement.verdict in ("reproduced", "partly", "not reproduced"):
            assert judgement.interval and np.isfinite(judgement.interval).all(), "nothing is exempt"


def test_every_claim_has_an_id_of_its_own() -> None:
    count = Counter(claim.id for _, claim in EVERY)
    assert EVERY and not [id for id, n in count.items() if n > 1]


@pytest.mark.parametrize("study, claim", EVERY, ids=[claim.id for _, claim in EVERY])
def test_a_claim_says_what_where_and_how_it_is_judged(study: Study, claim: Claim) -> None:
    assert study.figure(claim.figure)
    assert claim.statement.endswith(".") and claim.place and claim.unit
    words = criterion(study, claim)
    assert words.startswith(f"{claim.summary.name} ") and claim.reason in words
    if claim.partly:
        number = reported_value(study, claim)
        (low, high), (lower, higher) = claim.holds.placed(number), claim.partly.placed(number)
        assert lower <= low and high <= higher, "partly is the wider region"
    if claim.reported:
        assert set(claims.reported_keys(claim)) <= set(reported.table(study.paper).index)


def test_a_claim_about_a_figure_that_does_not_exist_is_refused_at_declaration() -> None:
    with pytest.raises(ValueError, match="no figure of claim c 'f'; allowed: linear-nse"):
        Study(**{**vars(LINEAR), "claims": [claim()]})


# Divergence in every study


def lost(record: Record, members: list[int], share: float = 0.5) -> Record:
    """Return a record whose members have diverged after a share of the marks, by default half."""
    start = int(len(record.marks) * share)
    values = {
        name: [
            [None if k in members and mark >= start else v for k, v in enumerate(row)]
            for mark, row in enumerate(rows)
        ]
        for name, rows in record.values.items()
    }
    return Record.model_validate(record.model_dump() | {"values": values})


RECORDED_STUDIES = [s for s in studies.STUDIES.values() if claims.best_tier(s, RECORDED)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("who, share", [("one", 0.5), ("all", 0.5), ("all", 0.0)])
@pytest.mark.parametrize("study", RECORDED_STUDIES, ids=lambda study: study.name)
def test_members_that_diverge_crash_neither_a_claim_nor_a_figure(
    study: studies.Study, who: str, share: float
) -> None:
    if study.name == "linear-rates" and share == 0.0:
        pytest.skip("has no axis to draw without a backprop that learns, and says so")
    tier, runs = claims.evidence(study)
    assert tier
    broken = {
        name: lost(record, [0] if who == "one" else list(range(record.members)), share)
        for name, record in runs.items()
    }
    claims.judge_all(study, broken, tier)
    with drawing.style():
        for figure in study.figures:
            picture, _ = figure.draw(broken)
            picture.savefig(io.BytesIO(), format="png", dpi=20)
            plt.close(picture)


@pytest.mark.parametrize("name", ["deep-linear-slows", "jl-paper-width", "jl-weakest"])
def test_networks_that_diverge_after_they_have_learnt_are_not_judged_by_that(name: str) -> None:
    study = studies.get("deep-linear" if name.startswith("deep") else "johnson-lindenstrauss")
    tier, runs, _ = claims.recorded(study)
    broken = {v: lost(record, list(range(record.members))) for v, record in runs.items()}
    judged = {j.claim.id: j.verdict for j in claims.judge_all(study, broken, tier or "")}
    assert judged[name] == "cannot be judged"


# Differences, and what they are held to


DIFFERENCES = [
    (study, claim)
    for study, claim in EVERY
    if claim.origin == "paper" and " - " in (claim.reported or "") and study.paper != "bartunov2018"
]


@pytest.mark.parametrize("study, claim", DIFFERENCES, ids=[claim.id for _, claim in DIFFERENCES])
def test_no_difference_is_held_to_a_tolerance_that_is_wider_alone(
    study: Study, claim: Claim
) -> None:
    paper = reported_value(study, claim)
    assert paper is not None
    beside = [claim, *(c for c in study.claims if c.id == f"{claim.id}-size")]
    ends = [each.holds.placed(paper) for each in beside]
    two_sided = [(low, high) for low, high in ends if np.isfinite(low) and np.isfinite(high)]
    accuracy = 0.25  # of differences of what was read off a figure, of one network at times
    if abs(paper) <= accuracy and not two_sided:
        return
    assert two_sided and all(low <= paper <= high for low, high in two_sided)
    if abs(paper) > accuracy:
        assert any(low > 0 or high < 0 for low, high in two_sided), "no effect passes for it"


def test_the_sister_of_a_claim_is_about_the_size() -> None:
    one = claim([-0.2, -0.3, -0.4], UP, reported="fig1d-shallow-98", place="Fig 1")
    sister = sized(one, 0.2, "It has the size.")
    assert (sister.id, sister.measure) == ("c-size", one.measure)
    assert sister.place.startswith("Fig 1; this row was added")
    assert criterion(LINEAR, sister).startswith("mean in [−0.5, −0.1]; partly if ≤ 0 (two-sided")


@pytest.mark.parametrize("calibrated, changed", [(None, None), ("the axis", "partly until May: x")])
def test_a_row_says_where_it_was_calibrated_and_that_it_was_another(
    calibrated: str | None, changed: str | None
) -> None:
    notes = claims.remarks(calibrated, changed)
    assert notes == ([f"calibrated: {calibrated}", changed] if calibrated else [])


PUBLISHED = Path(__file__).with_name("published_verdicts.txt")


def test_no_published_verdict_has_moved_unsaid() -> None:
    lines = [line for line in PUBLISHED.read_text().splitlines() if not line.startswith("#")]
    told = dict(line.split(": ") for line in lines)
    published = set(told)
    for change in changes.every():
        assert told[change.claim] == change.old, f"{change.claim} was not {change.old} before"
        assert change.new != change.old and change.why
        told[change.claim] = change.new
    judged = [j for study in studies.STUDIES.values() for j in claims.recorded(study)[2]]
    now = {j.claim.id: j.verdict for j in judged if j.verdict != "not attempted"}
    moved = {id: (verdict, now.get(id)) for id, verdict in told.items() if now.get(id) != verdict}
    assert not moved, f"published, and cited perhaps, and now otherwise: {moved}"
    assert now.keys() == published, f"new claims: add them to {PUBLISHED.name}"


def test_a_change_is_told_with_its_day() -> None:
    assert changes.told("jl-weakest") is None
    told = changes.told("jl-correlation")
    assert told and told.startswith(
        "verdict 'not reproduced' until 26 November 2026: a correlation"
    )


def test_a_list_of_changes_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "changes.yaml"
    bad.write_text("- claim: c\n  old: nearly\n  new: partly\n  why: x\n  date: 2026-11-26\n")
    monkeypatch.setattr(paths, "CHANGES", bad)
    with pytest.raises(ValueError, match="nearly"):
        changes.every.__wrapped__()


# Summaries


SKEWED = np.array([1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    "summary, values, number",
    [
        (GEOMETRIC, SKEWED, 10.0),
        (LARGEST, np.array([[0.0, 9.0, 0.0], [4.0, 3.0, 5.0]]), 4.0),  # not the mean of maxima
        (SMALLEST, np.array([[0.0, 9.0, 0.0], [4.0, 3.0, 5.0]]), 3.0),
        (RANK_CORRELATION, np.array([SKEWED, -SKEWED]), -1.0),
    ],
)
def test_a_summary_is_one_number(summary: Summary, values: np.ndarray, number: float) -> None:
    judged = judge(LINEAR, claim(values, summary=summary), RUNS, "paper")
    assert judged.mean == pytest.approx(number)
    assert judged.members == 3


def test_the_interval_of_a_geometric_mean_is_that_of_the_logarithms() -> None:
    low, high = np.exp(interval(np.log(SKEWED))[1:])
    judged = judge(LINEAR, claim(SKEWED, summary=GEOMETRIC), RUNS, "paper")
    assert judged.interval == pytest.approx((low, high))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_values_that_are_not_above_zero_have_no_geometric_mean(value: float) -> None:
    judged = judge(LINEAR, claim([value, 1.0, 2.0], UNIT, summary=GEOMETRIC), RUNS, "paper")
    assert judged.verdict == "cannot be judged" and judged.mean is None
    assert judged.why == "what was measured has no geometric mean"


@pytest.mark.parametrize(
    "edge, verdict", [(5.0, "reproduced"), (4.5, "cannot be judged"), (3.0, "not reproduced")]
)
def test_of_several_cases_the_furthest_end_counts(edge: float, verdict: Verdict) -> None:
    cases = [members(3.5, 4.8), members(4.0, 4.4)]
    judged = judge(LINEAR, claim(cases, Region(high=edge), summary=LARGEST), RUNS, "paper")
    _, low, _ = interval(np.array(cases[1]), cases=2)
    assert judged.interval == pytest.approx((float(low), 4.8)) and 3.0 < low < 4.0
    assert judged.verdict == verdict


@pytest.mark.parametrize("summary, sign", [(LARGEST, 1.0), (SMALLEST, -1.0)])
def test_noise_alone_refutes_no_more_often_for_many_cases(summary: Summary, sign: float) -> None:
    drawn = np.random.default_rng(3).normal(size=(2000, 9, 5))  # nine cases, all at the edge
    _, low, high = np.array([summary.of(cases) for cases in drawn]).T
    beyond = low > 0 if sign > 0 else high < 0
    single = np.array([(sign * interval(cases)[1 if sign > 0 else 2] > 0).any() for cases in drawn])
    assert beyond.mean() < 0.035 and single.mean() > 0.1


def test_a_case_without_a_value_leaves_nothing_to_judge() -> None:
    cases = [[1.0, np.nan, 1.0], [1.0, np.nan, np.inf]]
    judged = judge(LINEAR, claim(cases, summary=LARGEST), RUNS, "paper")
    assert judged.why == "there is no value for 2 of 3 networks"


def test_noise_alone_pushes_no_worst_case_past_an_edge() -> None:
    noise = np.random.default_rng(1).normal(size=(6, 20))
    judged = judge(LINEAR, claim(noise, Region(high=0.8), summary=LARGEST), RUNS, "paper")
    assert judged.mean is not None and noise.max(0).mean() > 0.8


def test_a_bootstrap_interval_is_repeatable_and_about_that_of_students_t() -> None:
    values = np.random.default_rng(2).normal(size=40)
    summary = bootstrapped("mean", lambda drawn: drawn.mean(-1))
    once, again = (np.array(summary.of(values)) for _ in range(2))
    assert (once == again).all()
    assert once == pytest.approx(np.array(interval(values)), abs=0.05)


def test_a_rank_correlation_is_that_of_scipy_ties_and_all() -> None:
    pairs = np.random.default_rng(3).integers(0, 8, size=(2, 50)).astype(float)
    mean, low, high = RANK_CORRELATION.of(pairs)
    assert mean == pytest.approx(scipy.stats.spearmanr(*pairs).statistic)
    assert low < mean < high


@pytest.mark.parametrize("ends", [(1.0, -1.0), (float("nan"), 1.0), (0.0, float("nan"))])
def test_a_region_without_a_value_is_refused_where_it_is_made(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no value lies between"):
        Region(*ends)


def test_a_claim_with_other_than_one_value_for_each_member_is_refused() -> None:
    seven = Study(**{**vars(LINEAR), "claims": [claim(np.arange(7.0), figure="linear-nse")]})
    with pytest.raises(ValueError, match="claim 'c' measures 7 values where there are 20 members"):
        judge_all(seven, RECORDED.runs(LINEAR, "paper"), "paper")


def test_a_quantity_that_was_not_measured_is_said_in_words() -> None:
    run = RECORDED.load("linear-task", "paper", "fa")
    old = Record(**run.model_dump() | {"values": {"nse": run.values["log_nse"]}})
    runs = {**RECORDED.runs(LINEAR, "paper"), "fa": old}
    judged = {each.claim.id: each for each in judge_all(LINEAR, runs, "paper")}
    assert judged["linear-fa-final"].verdict == "cannot be judged"
    why = "'log_nse' was not measured, only member, seed, examples, nse; make the records of line"
    assert judged["linear-fa-final"].why.startswith(why)
    with pytest.raises(RecordError, match="figure 'linear-nse' cannot be drawn: 'log_nse' was not"):
        figures.draw(LINEAR.figure("linear-nse"), runs)


@pytest.mark.parametrize("lost", [["fa"], ["fa", "bp"], list(LINEAR.variants), []])
def test_a_record_that_is_missing_is_named_with_what_makes_it(
    lost: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    for variant in LINEAR.variants:
        if variant not in lost:
            store.save(RECORDED.load("linear-task", "paper", variant))
    monkeypatch.setattr(claims, "RECORDED", store)
    said = claims.lacking(LINEAR)
    if not 0 < len(lost) < len(LINEAR.variants):
        assert said is None
        return
    names = [name for name in LINEAR.variants if name in lost]
    assert said and said.startswith(f"linear-task: no record of {', '.join(names)} at tier paper")
    command = "bioprop run linear-task --tier paper"
    assert said.endswith(f"{command} {' '.join(f'--variant {name}' for name in names)}")
