"""Table 1b of Bartunov et al. 2018: networks, augmentation, claims on made-up runs, the table."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from bioprop import studies
from bioprop.book import claims
from bioprop.book.records import RECORDED, Store, differences
from bioprop.studies import Claim, Study, reported
from bioprop.studies.bartunov2018 import table_1, targets_cifar_readings
from bioprop.studies.bartunov2018.methods import (
    MethodSettings,
    augmentation,
    layers,
    measured_on,
    prepare,
)
from bioprop.studies.bartunov2018.search import SHARES, around, best, grid
from bioprop.studies.bartunov2018.table_claims import below_full
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_cifar_local import THIRD, with_third
from bioprop.studies.journal import Journal
from bioprop.tasks.images import Images, load

FULLY, LOCALLY = studies.get("targets-cifar"), studies.get("targets-cifar-local")
READINGS = studies.get("targets-cifar-readings")
SEARCHES = [studies.get(f"{study.name}-rates") for study in (FULLY, LOCALLY)]
NEW = [FULLY, LOCALLY, READINGS, *SEARCHES]
COLUMNS = {FULLY.name: "cifar10-fc", LOCALLY.name: "cifar10-lc"}


@pytest.fixture
def blank() -> Images:
    """Images of the shape of CIFAR-10's, all black."""
    none = torch.zeros(1, 3072, dtype=torch.uint8), torch.zeros(1, dtype=torch.uint8)
    return Images(*none, *none, (3, 32, 32))


@pytest.mark.parametrize(
    "study, variant, changes, sizes, weights",
    [
        (
            FULLY,
            "bp",
            {},
            [(3072, 1024), (1024, 1024), (1024, 1024), (1024, 10)],
            5_253_120,
        ),
        (
            LOCALLY,
            "fa",
            {"local": with_third(1)},
            [(256, 75, 64), (64, 1600, 128), (64, 1152, 256), (16384, 1024), (1024, 10)],
            49_997_824,
        ),
        (
            LOCALLY,
            "fa",
            {"local": with_third(2)},
            [(256, 75, 64), (64, 1600, 128), (16, 1152, 256), (4096, 1024), (1024, 10)],
            23_259_136,
        ),
        (
            LOCALLY,
            "bp-convnet",
            {"local": with_third(1)},
            [(64, 3, 5, 5), (128, 64, 5, 5), (256, 128, 3, 3), (16384, 1024), (1024, 10)],
            17_291_968,
        ),
    ],
)
def test_the_networks_are_those_of_table_3(
    study: Study,
    variant: str,
    changes: dict[str, Any],
    sizes: list[tuple[int, ...]],
    weights: int,
    blank: Images,
) -> None:
    built = layers(study.configure("reduced", variant, **changes), blank.shape, blank.classes)
    assert [layer.weight_shape for layer in built] == sizes
    assert sum(math.prod(layer.weight_shape) for layer in built) == weights


def test_the_convnet_has_the_units_of_the_locally_connected_net(blank: Images) -> None:
    local, shared = (
        layers(LOCALLY.configure("reduced", name), blank.shape, blank.classes)
        for name in ("bp", "bp-convnet")
    )
    assert [layer.outputs for layer in local] == [layer.outputs for layer in shared]


def settings(**changes: Any) -> MethodSettings:
    return MethodSettings(
        **{"rule": "bp", "images": "digits", "hidden": (8,), "held_out": 200, "members": 2},
        **changes,
    )


def test_augmentation_reaches_the_images_that_are_learnt_from_and_no_others() -> None:
    plain, changed = settings(), settings(pad=2, flips="vertical")
    _, still = prepare(plain, plain.streams())
    _, moved = prepare(changed, changed.streams())
    for step in (0, 1, 40):
        (x, y), (shown, labels) = still(step), moved(step)
        assert torch.equal(y, labels)
        assert (x != shown).any(-1).float().mean() > 0.9
    for name, (x, labels) in measured_on(plain, still).items():
        again = measured_on(changed, moved)[name]
        assert torch.equal(x, again[0]) and torch.equal(labels, again[1]), name


def test_vertical_flips_turn_half_of_the_images_upside_down_and_do_nothing_else() -> None:
    plain, flipped = settings(), settings(flips="vertical")
    (_, still), (_, moved) = (prepare(each, each.streams()) for each in (plain, flipped))
    x, shown = still(0)[0].unflatten(-1, (8, 8)), moved(0)[0].unflatten(-1, (8, 8))
    same, upside_down = ((shown == each).all(-1).all(-1) for each in (x, x.flip(-2)))
    assert bool((same | upside_down).all())
    assert 0.35 < float(upside_down.float().mean()) < 0.65


def test_nothing_happens_to_images_unless_it_is_asked_for() -> None:
    assert augmentation(settings()) is None
    for study in studies.STUDIES.values():
        if issubclass(study.settings, MethodSettings) and "cifar" not in study.name:
            for variant in study.variants:
                own = study.configure(list(study.tiers)[-1], variant)
                assert augmentation(own) is None, study.name  # type: ignore[arg-type]


@pytest.mark.parametrize("pad, fits", [(0, True), (7, True), (8, False), (30, False)])
def test_a_border_as_wide_as_the_images_is_refused_with_what_is_allowed(
    pad: int, fits: bool
) -> None:
    asked = settings(pad=pad, flips="horizontal")
    if fits:
        prepare(asked, asked.streams())
        return
    with pytest.raises(ValueError, match=rf"border of {pad} pixels .* 8 x 8 .*: give 0 to 7"):
        prepare(asked, asked.streams())


def test_an_unknown_flip_is_refused_where_it_is_set() -> None:
    with pytest.raises(ValueError, match="study 'targets-cifar': setting flips = 'sideways'"):
        FULLY.configure("smoke", "bp", flips="sideways")


def test_a_record_from_before_a_setting_has_the_value_that_it_was_run_with(
    tmp_path: Path,
) -> None:
    name = ("targets-mnist", "reduced", "bp")
    record = RECORDED.load(*name)
    old = {k: v for k, v in record.configuration.items() if k not in ("pad", "flips")}
    store = Store(tmp_path)
    path = store.save(record.model_copy(update={"configuration": old}))
    assert "pad" not in json.loads(path.read_text())["configuration"]
    read = store.load(*name)
    assert read.configuration == old
    assert (read.choices["pad"], read.choices["flips"]) == (0, "none")
    assert read.choices == record.choices and not differences(read, record)
    changed = record.model_copy(update={"configuration": {**record.configuration, "pad": 4}})
    assert differences(read, changed) == ["configuration differ"]


# Claims, on made-up runs

Errors = Mapping[str, tuple[float, float]]  # training and test error of each method


def made_up(column: str, alter: Callable[[float], float] = lambda error: error) -> Errors:
    """The paper's errors of a column, by method, altered."""
    rows = reported.table("bartunov2018")["value"]
    mine = [str(key) for key in rows.index if str(key).startswith(f"{column}-")]
    names = {key.removeprefix(f"{column}-").rpartition("-")[0] for key in mine}
    return {
        name: (alter(rows[f"{column}-{name}-train"]), alter(rows[f"{column}-{name}-test"]))
        for name in names
    }


def run(training: float, error: float, last: int = 2, **changes: Any) -> Any:
    """A run of three networks about a training and a test error, reached at its last mark."""
    rows = []
    for seed, jitter in enumerate((-0.1, 0.0, 0.1)):
        for mark in range(last + 1):
            left = 90 - (90 - error) * mark / last + jitter
            fit = 90 - (90 - training) * mark / last + jitter
            row = {"member": seed, "seed": seed, "examples": mark, "error": left}
            rows.append({**row, "validation": left, "training": fit})
    own = {"images": "cifar10", "epochs": last, **changes}
    return SimpleNamespace(table=pd.DataFrame(rows), settings=SimpleNamespace(**own))


def runs(column: str, alter: Callable[[float], float] = lambda error: error) -> dict[str, Any]:
    return {name: run(*errors) for name, errors in made_up(column, alter).items()}


def holds(study: Study, claim: Claim, here: Mapping[str, Any]) -> bool:
    low, high = claim.holds.placed(claims.reported_value(study, claim))
    mean, *_ = claim.summary.of(np.asarray(claim.measure(here)))
    return bool(low <= mean <= high)


ROUNDING = "targets-cifar-rounding"  # which is not about errors
CLAIMS = [(study, claim) for study in (FULLY, LOCALLY) for claim in study.claims]
ABOUT = [(study, claim) for study, claim in CLAIMS if claim.id != ROUNDING]


@pytest.mark.parametrize("study, claim", ABOUT, ids=[claim.id for _, claim in ABOUT])
def test_each_claim_holds_of_the_papers_own_errors_and_not_of_their_reverse(
    study: Study, claim: Claim
) -> None:
    column = COLUMNS[study.name]

    def both(alter: Callable[[float], float]) -> dict[str, Any]:
        beside = {f"targets-cifar/{k}": v for k, v in runs("cifar10-fc", alter).items()}
        return {**runs(column, alter), **beside}

    assert holds(study, claim, both(lambda error: error))
    reverse = 10 if claim.id.endswith("-near-bp") else 1  # near is near in reverse, too
    assert not holds(study, claim, both(lambda error: 100 - reverse * error))


def test_rounding_is_judged_by_the_layer_that_it_turns_most() -> None:
    [claim] = [claim for _, claim in CLAIMS if claim.id == ROUNDING]
    here = runs("cifar10-fc")
    for worst, expected in ((4.0, True), (6.0, False)):
        for name in here:
            here[name].table["rounding-1"] = 0.2
            here[name].table["rounding-2"] = worst if name == "sdtp-parallel" else 0.3
        assert holds(FULLY, claim, here) is expected


@pytest.mark.parametrize("study", [FULLY, LOCALLY], ids=lambda study: study.name)
def test_a_cell_stands_beside_its_training_error_and_its_epochs(study: Study) -> None:
    column = COLUMNS[study.name]
    here = runs(column)
    for claim in study.claims:
        name = claim.id.removeprefix(f"{study.name}-")
        if name in here:
            train = made_up(column)[name][0]
            assert claim.aside
            assert claim.aside(here) == f"training error {train:.1f} %, 2 epochs"


def test_networks_are_compared_at_equal_epochs() -> None:
    pair = {"bp": run(0, 40, last=2), "targets-cifar/bp": run(0, 40, last=10)}
    at_the_end = below_full(pair, "bp", "targets-cifar")
    at_equal = below_full(pair, "bp", "targets-cifar", equal=True)
    assert at_the_end == pytest.approx([0.0] * 3)
    assert at_equal == pytest.approx([90 - 50 * 2 / 10 - 40] * 3)


# The searches


@pytest.mark.parametrize(
    ("name", "size"), [("targets-cifar-grid", 24), ("targets-cifar-local-grid", 9)]
)
def test_methods_of_a_kind_are_searched_on_one_grid_as_large_as_the_other(
    name: str, size: int
) -> None:
    study = studies.get(name)
    grids: dict[bool, set[object]] = {True: set(), False: set()}
    for variant in study.variants:
        own: Any = study.configure("reduced", variant)
        points = grid(own)
        assert len(points["seed"]) == size
        grids[own.learns_inverses].add((own.rates, own.epsilons, own.inverse_rates))
    assert [len(grid) for grid in grids.values()] == [1, 1]


@pytest.mark.parametrize("result", ["targets-cifar", "targets-cifar-local"])
def test_a_search_is_a_third_as_long_as_its_result_or_longer(result: str) -> None:
    short: Any = studies.get(f"{result}-rates").configure("reduced", "bp")
    whole: Any = studies.get(result).configure("reduced", "bp")
    assert 3 * short.epochs >= whole.epochs
    same = ("hidden", "local", "pad", "flips", "batch", "held_out", "shown", "auxiliary")
    same += ("precision",)
    assert all(getattr(short, name) == getattr(whole, name) for name in same)
    assert not set(short.seeds) & set(whole.seeds)


def test_longer_runs_try_the_best_rate_of_short_ones_its_half_and_its_quarter() -> None:
    alone = around({"rate": 8e-4, "eps": 1e-8})
    assert alone == {"rates": (2e-4, 4e-4, 8e-4), "epsilons": (1e-8,)}
    beside = around({"rate": 4e-4, "eps": 1e-4, "inverse_rate": 1e-2})
    assert beside["inverse_rates"] == (1e-2,)
    lowest = around({"rate": 4e-4, "eps": 1e-4, "inverse_rate": 3e-4}, least=3e-4)
    assert lowest["inverse_rates"] == pytest.approx((1e-4, 3e-4))
    assert around({}) == {}


@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        ("targets-cifar-grid", "targets-cifar-rates", LAST),
        ("targets-cifar-letter-grid", "targets-cifar-letter-rates", LAST),
        ("targets-cifar-local-grid", "targets-cifar-local-rates", LAST),
        ("sharing-cifar-grid", "sharing-cifar-rates", LAST),
        ("activations-rates", "activations-longer-rates", 3),
        ("targets-mnist-local-rates", "targets-mnist-local-longer-rates", 3),
        ("autoencoder-rates", "autoencoder-longer-rates", 3),
    ],
)
def test_longer_runs_begin_where_the_short_search_ended(first: str, second: str, last: int) -> None:
    short = studies.get(first)
    tier = claims.best_tier(short, RECORDED)
    if tier is None:
        pytest.skip("the short search is not recorded yet")
    for name, point in best(RECORDED.runs(short, tier), last).items():
        own: Any = studies.get(second).configure("reduced", name)
        grid_of: Any = short.configure("reduced", name)
        local = second in ("targets-cifar-local-rates", "sharing-cifar-rates")
        least = min(grid_of.inverse_rates, default=0.0) if "cifar" in first and not local else 0.0
        expected = around(point, least, (0.5, 1.0) if local else SHARES)
        assert {key: getattr(own, key) for key in expected} == expected, name


def reading(errors: Mapping[float, float]) -> Any:
    """A run of one reading, with a held-out error for each rate."""
    rows = [
        {"member": 3 * k + seed, "seed": seed, "rate": rate, "eps": 1e-6, "examples": mark}
        | {"validation": left + seed, "error": left + seed + 10}
        for k, (rate, left) in enumerate(errors.items())
        for seed in range(3)
        for mark in range(4)
    ]
    return SimpleNamespace(table=pd.DataFrame(rows), settings=None)


def test_the_stride_is_2_unless_1_has_a_held_out_error_lower_by_more_than_a_point() -> None:
    low, high = reading({1e-4: 50, 2e-4: 30}), reading({1e-4: 40, 2e-4: 45})
    choose = targets_cifar_readings.third_stride
    assert choose({"stride-1": low, "stride-2": high}) == 1
    assert choose({"stride-1": high, "stride-2": low}) == 2
    assert choose({"stride-1": low, "stride-2": reading({1e-4: 31})}) == 2
    assert choose({"stride-1": low, "stride-2": reading({1e-4: 31.1})}) == 1
    lost = reading({1e-4: np.nan})
    assert choose({"stride-1": lost, "stride-2": low}) == 2
    assert choose({"stride-1": low, "stride-2": lost}) == 1
    assert targets_cifar_readings.best_error(low).tolist() == [40, 41, 42]


def test_the_third_stride_is_the_one_that_was_chosen() -> None:
    tier = claims.best_tier(READINGS, RECORDED)
    if tier is None:
        pytest.skip("the readings are not recorded yet")
    assert targets_cifar_readings.third_stride(RECORDED.runs(READINGS, tier)) == THIRD


@pytest.mark.parametrize(
    "name",
    [
        "targets-cifar-local-grid",
        "targets-cifar-local-rates",
        "sharing-cifar-grid",
        "sharing-cifar-rates",
        "towards-imagenet-rates",
    ],
)
def test_a_search_that_takes_long_measures_held_out_errors_alone(name: str) -> None:
    study = studies.get(name)
    journal = Journal()
    study.run(
        study.configure("smoke", "fa-convnet" if name.startswith("sharing") else "fa"), journal
    )
    assert set(journal.table()) == {"examples", "member", "seed", "rate", "eps", "validation"}


# The whole of Table 1


def test_the_table_has_the_38_cells_of_the_paper_and_says_what_was_not_attempted() -> None:
    table = table_1.cells({})
    assert len(table.drop_duplicates(["column", "method"])) == 38
    assert len(table) == 76 and table["networks"].isna().all()
    ours = {f"targets-cifar/{k}": v for k, v in runs("cifar10-fc").items()}
    with plt.ioff():
        figure, drawn = table_1.draw(ours)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    plt.close(figure)
    assert texts.count("not attempted") == 38 - 9
    there = drawn.dropna(subset=["networks"])
    assert set(there["column"]) == {"cifar10-fc"} and len(there) == 18
    assert np.allclose(there["mean"], there["paper"])
    assert "ours, 3 networks,\n2 epochs" in texts


def test_the_table_leaves_out_runs_on_other_images() -> None:
    live = {"bp": run(1, 2, images="digits")}
    assert table_1.cells(live)["networks"].isna().all()


def test_a_figure_is_shown_with_what_is_recorded_of_other_studies() -> None:
    home = studies.get("targets-mnist-local")
    own = RECORDED.runs(home, "reduced")
    seen = claims.shown(table_1.FIGURE, own)
    others = [name for name in seen if name not in own]
    assert others and all(name.startswith(("targets-mnist/", "targets-cifar")) for name in others)
    assert claims.shown(home.figure("targets-local-table"), own) == own
    drawn = table_1.cells(seen).dropna(subset=["networks"])
    assert {"mnist-fc", "mnist-lc"} <= set(drawn["column"])


def test_of_a_study_without_some_variants_a_figure_has_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RECORDED.load("targets-mnist-local", "reduced", "fa")
    store = Store(tmp_path)
    store.save(record)
    monkeypatch.setattr(claims, "RECORDED", store)
    assert claims.there(studies.get("targets-cifar")) == {}
    assert list(claims.there(studies.get("targets-mnist-local"))) == ["fa"]


# Small runs


@pytest.mark.parametrize("study", NEW, ids=lambda study: study.name)
def test_the_quick_tier_learns_from_digits(study: Study) -> None:
    variant = list(study.variants)[-1]
    own = study.configure("quick", variant)
    assert own.images == "digits" and load("digits").shape == (1, 8, 8)  # type: ignore[attr-defined]
    journal = Journal()
    study.run(own, journal)
    table = journal.table()
    start, *_, end = table.groupby("examples")["validation"].mean()
    assert end < 0.75 * start
