"""Bartunov et al. 2018, Figs 4 and 5: random settings, what they spread, and auxiliary outputs."""

import dataclasses
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bioprop import studies
from bioprop.book.claims import Judgement, judge
from bioprop.book.records import Record, make
from bioprop.studies import reported
from bioprop.studies.bartunov2018 import tables, targets_auxiliary
from bioprop.studies.bartunov2018 import targets_sensitivity as sensitivity
from bioprop.studies.bartunov2018.tables import Range
from bioprop.studies.journal import Journal
from bioprop.studies.study import Study

STUDY, AUXILIARY = studies.get("targets-sensitivity"), studies.get("targets-auxiliary")


def settings(variant: str, **changes: object) -> sensitivity.SensitivitySettings:
    found = STUDY.configure("reduced", variant, **changes)
    assert isinstance(found, sensitivity.SensitivitySettings)
    return found


# Ranges


@pytest.mark.parametrize("setting", tables.NAMES.values())
def test_the_wider_range_has_both_tables_and_no_more(setting: str) -> None:
    narrow, wide = tables.searched(setting), tables.needed(setting)
    table = tables.printed()
    best = table.loc[table["setting"] == setting, "value"]
    assert wide.scale == narrow.scale
    if wide.scale == "list":
        assert set(wide.values) == {*narrow.values, *best}
    else:
        both = [*narrow.values, *best]
        assert wide.values == (min(both), max(both))


def test_the_printed_ranges_are_those_of_table_4() -> None:
    rows = reported.table(tables.PAPER)["value"]
    rates = tables.searched("inverse-rate")
    assert rates == Range((rows["table4-rate-low"], rows["table4-rate-high"]), "log")
    assert tables.searched("forward-beta1") == Range((0.9,), "list")
    assert tables.searched("inverse-eps") == Range((1e-8, 1e-6, 1e-4), "list")


@pytest.mark.parametrize(
    "drawn_from, chance, value",
    [
        (Range((1e-5, 1e-3), "log"), 0.0, 1e-5),
        (Range((1e-5, 1e-3), "log"), 0.5, 1e-4),
        (Range((0.0, 4.0), "linear"), 0.25, 1.0),
        (Range((1.0, 2.0, 3.0), "list"), 0.34, 2.0),
        (Range((1.0, 2.0, 3.0), "list"), 1.0, 3.0),
        (Range((1e-5, 0.009572), "log"), 1.0, 0.009572),
    ],
)
def test_a_chance_has_its_place_in_a_range(drawn_from: Range, chance: float, value: float) -> None:
    assert drawn_from.at(chance) == value


# Draws


@pytest.mark.parametrize("variant", STUDY.variants)
def test_settings_are_drawn_from_the_range_and_from_all_of_it(variant: str) -> None:
    chosen = settings(variant, members=400)
    find = tables.searched if variant.endswith("printed") else tables.needed
    for name, values in sensitivity.drawn(chosen).items():
        its = find(tables.NAMES[name])
        if its.scale == "list":
            assert set(values) == set(its.values), name
        else:
            low, high = its.values
            assert low <= min(values) and max(values) <= high, name
            assert its.at(0.05) > min(values) and its.at(0.95) < max(values), name


@pytest.mark.parametrize("variant", STUDY.variants)
def test_a_members_settings_are_its_own_whoever_is_beside_it(variant: str) -> None:
    few, many = (sensitivity.drawn(settings(variant, members=n)) for n in (3, 60))
    assert {name: values[:3] for name, values in many.items()} == few
    third = sensitivity.drawn(settings(variant, members=1, first_seed=3002))
    assert {name: values[2:3] for name, values in many.items()} == third
    assert sensitivity.drawn(settings(variant, members=3, precision="float64")) == few


def test_a_method_draws_what_it_has_and_shares_that_with_the_others() -> None:
    drawn = {name: sensitivity.drawn(settings(f"{name}-wider")) for name in ("bp", "dtp-parallel")}
    assert set(drawn["bp"]) == {"rate", "beta1", "beta2", "eps"}
    assert set(drawn["dtp-parallel"]) == set(tables.NAMES)
    assert {name: drawn["dtp-parallel"][name] for name in drawn["bp"]} == drawn["bp"]
    assert "alpha" not in sensitivity.drawn(settings("sdtp-parallel-wider"))


def test_a_setting_that_is_drawn_is_not_to_be_set() -> None:
    with pytest.raises(ValueError, match=r"setting rate = 0\.01 would change nothing"):
        settings("bp-printed", rate=0.01)


def test_a_run_learns_at_the_settings_that_it_tells() -> None:
    whole, alone = Journal(), Journal()
    tier = {"members": 3, "precision": "float64"}
    chosen = STUDY.configure("smoke", "sdtp-parallel-wider", **tier)
    STUDY.run(chosen, whole)
    assert whole.labels == {"seed": chosen.seeds, **sensitivity.drawn(chosen)}
    own = dataclasses.replace(chosen, members=1, first_seed=chosen.seeds[-1])
    STUDY.run(own, alone)
    table = whole.table()
    assert table.loc[table["member"] == 2, "validation"].tolist() == pytest.approx(
        alone.table()["validation"].tolist()
    )


@pytest.mark.parametrize("variant", ["bp-printed", "dtp-alternating-wider"])
def test_the_quick_tier_of_the_search_runs(variant: str) -> None:
    journal = Journal()
    STUDY.run(STUDY.configure("quick", variant, members=2, epochs=1), journal)
    assert np.isfinite(journal.table()["error"]).all()


# What is made of the errors


def made(
    variant: str,
    errors: Sequence[float],
    study: Study = STUDY,
    between: Sequence[float] | None = None,
) -> Record:
    """A record of networks that start at chance and end at these errors, or had others before."""
    chosen = study.configure("reduced", variant, members=len(errors))
    journal = Journal()
    labels = sensitivity.drawn(chosen) if study is STUDY else {}  # type: ignore[arg-type]
    journal.label(seed=chosen.seeds, **labels)
    rows = [np.full(len(errors), 90.0), *([np.array(between)] if between else []), np.array(errors)]
    for mark, row in zip(range(0, 3000, 1000), rows, strict=False):
        same = ("error", "validation", "training", "reconstruction", "angle-1", "angle-2")
        journal.write(mark, **dict.fromkeys(same, row))
    return make(study, "reduced", variant, chosen, journal)


def around(middle: float, width: float, members: int = 20) -> list[float]:
    """Errors about a median, half of them this far below and above it."""
    return [middle + width * side for side in np.linspace(-1, 1, members)]


def verdict(id: str, study: Study = STUDY, **runs: Record) -> Judgement:
    [claim] = [claim for claim in study.claims if claim.id == id]
    return judge(study, claim, {name.replace("_", "-"): run for name, run in runs.items()}, "")


def test_the_error_of_a_setting_is_its_lowest_over_epochs() -> None:
    run = made("bp-printed", [60.0, 2.0], between=[5.0, 80.0])
    assert sensitivity.best_of(run).tolist() == [5.0, 2.0]
    assert sensitivity.has_learnt(run).all() and sensitivity.unlearnt(run) == 0
    assert sensitivity.unlearnt(made("bp-printed", [60.0, 70.0], between=[68.0, 85.0])) == 1


def test_a_setting_that_diverges_is_kept_with_the_error_of_a_guess_and_counted() -> None:
    run = made("bp-printed", [2.0, np.nan, 3.0, 80.0])
    assert sensitivity.best_of(run).tolist() == [2.0, 90.0, 3.0, 80.0]
    assert (sensitivity.diverged(run), sensitivity.unlearnt(run)) == (1, 2)
    assert sensitivity.distances(run).tolist() == [39.5, 48.5, 38.5, 38.5]
    numbers = STUDY.figure("targets-sensitivity-histograms").numbers
    runs = {"bp-printed": run, "fa-printed": run, "bp-wider": run}
    assert numbers["diverged printed"](runs) == 2 and numbers["unlearnt wider"](runs) == 2


def test_the_figures_show_every_setting_those_that_diverged_too() -> None:
    runs = {name: made(name, [2.0, np.nan, 3.0, 80.0]) for name in STUDY.variants}
    for figure in STUDY.figures:
        picture, data = figure.draw(runs)
        plt.close(picture)
        if figure.id == "targets-sensitivity-histograms":
            assert len(data) == 4 * len(runs) and data["diverged"].sum() == len(runs)


@pytest.mark.parametrize("width, judged", [(8.0, "reproduced"), (0.5, "not reproduced")])
@pytest.mark.parametrize("kind", sensitivity.KINDS)
def test_target_propagation_is_wider_than_backpropagation_or_is_not(
    kind: str, width: float, judged: str
) -> None:
    bp = made(f"bp-{kind}", around(20, 2.0))
    for method in ("dtp-alternating", "dtp-parallel", "sdtp-alternating", "sdtp-parallel"):
        run = made(f"{method}-{kind}", around(30, width))
        id = f"targets-sensitivity-{method}-{kind}"
        found = verdict(id, **{f"bp-{kind}": bp, f"{method}-{kind}": run})
        assert found.verdict == judged
        assert found.aside and found.aside.startswith("p = ")


@pytest.mark.parametrize("width, judged", [(8.0, "reproduced"), (0.5, "not reproduced")])
def test_alternating_is_narrower_than_parallel_or_is_not(width: float, judged: str) -> None:
    runs = {
        "dtp-parallel-wider": made("dtp-parallel-wider", around(30, width)),
        "dtp-alternating-wider": made("dtp-alternating-wider", around(30, 2.0)),
    }
    assert verdict("targets-sensitivity-dtp-schedule-wider", **runs).verdict == judged


def test_methods_that_are_alike_are_not_told_apart() -> None:
    errors = np.random.default_rng(0).normal(20, 3, size=(2, 60))
    names = "bp-printed", "dtp-parallel-printed"
    runs = {n: made(n, e) for n, e in zip(names, errors, strict=True)}
    found = verdict("targets-sensitivity-dtp-parallel-printed", **runs)
    assert found.verdict == "cannot be judged" and "straddles" in found.why


def test_no_spread_is_judged_where_most_settings_teach_nothing() -> None:
    runs = {
        "sdtp-parallel-printed": made("sdtp-parallel-printed", [5.0] * 8 + [89.0] * 12),
        "bp-printed": made("bp-printed", around(5, 1.0)),
    }
    assert sensitivity.half_learn(runs["bp-printed"]).all()
    assert not sensitivity.half_learn(runs["sdtp-parallel-printed"]).any()
    found = verdict("targets-sensitivity-sdtp-parallel-printed", **runs)
    assert found.verdict == "cannot be judged" and "learnt too little" in found.why


def test_the_setting_that_the_error_follows_is_found() -> None:
    rates = np.array(sensitivity.drawn(settings("bp-printed", members=30))["rate"])
    found = sensitivity.correlations(made("bp-printed", list(50 - 1e5 * rates)))
    assert list(found.index) == ["rate", "beta2", "eps"], "beta1 has one value"
    assert found.loc["rate"].tolist() == pytest.approx([-1, -1, -1])
    assert found.loc["beta2", "low"] < found.loc["beta2", "correlation"]


# Auxiliary outputs


def test_without_auxiliary_outputs_ao_sdtp_is_sdtp() -> None:
    prints = set()
    for variant, none in (("fully-8", {"auxiliary": 0}), ("fully-sdtp", {}), ("fully-8", {})):
        journal = Journal()
        AUXILIARY.run(AUXILIARY.configure("smoke", variant, rate=1e-3, **none), journal)
        prints.add(journal.fingerprint)
    assert len(prints) == 2


def test_every_number_of_auxiliary_outputs_is_kept_at_every_tier() -> None:
    for tier in AUXILIARY.tiers:
        for network in targets_auxiliary.NETWORKS:
            for size in targets_auxiliary.SIZES:
                assert AUXILIARY.configure(tier, f"{network}-{size}").auxiliary == size


@pytest.mark.parametrize("variant", ["fully-1000", "local-8", "local-sdtp"])
def test_the_quick_tier_with_auxiliary_outputs_runs(variant: str) -> None:
    journal = Journal()
    AUXILIARY.run(AUXILIARY.configure("quick", variant, members=2, epochs=1), journal)
    assert np.isfinite(journal.table()["error"]).all()


@pytest.mark.parametrize(
    "errors, judged",
    [
        ((2.5, 2.4, 2.3, 2.2, 2.1, 2.0), "reproduced"),
        ((2.0, 2.1, 2.0, 2.2, 2.1, 2.2), "reproduced"),
        ((2.0, 2.5, 3.0, 3.5, 4.0, 4.5), "not reproduced"),
        ((9.0, 2.0, 2.0, 2.0, 4.0, 2.0), "not reproduced"),
    ],
)
@pytest.mark.parametrize("network", targets_auxiliary.NETWORKS)
def test_more_auxiliary_outputs_cost_a_point_or_do_not(
    network: str, errors: tuple[float, ...], judged: str
) -> None:
    runs = {
        f"{network}-{size}": made(f"{network}-{size}", [e, e + 0.1, e + 0.2], AUXILIARY)
        for size, e in zip(targets_auxiliary.ENDS, errors, strict=True)
    }
    assert verdict(f"targets-auxiliary-{network}-no-cost", AUXILIARY, **runs).verdict == judged
    pairs = targets_auxiliary.rises(runs, network)
    assert pairs.shape == (15, 3)
    assert pairs[0] == pytest.approx(np.full(3, errors[1] - errors[0]))


def test_a_network_that_was_not_run_has_no_panel() -> None:
    names = [name for name in AUXILIARY.variants if name.startswith("fully")]
    runs = {name: made(name, [2.0, 3.0, np.nan], AUXILIARY) for name in names}
    for figure in AUXILIARY.figures:
        picture, data = figure.draw(runs)
        assert set(data["network"]) == {"fully"}
        plt.close(picture)
