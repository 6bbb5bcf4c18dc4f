"""The controls of the results on digits: what they change, what they claim, and what is left."""

import io
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from bioprop import studies
from bioprop.book.claims import best_tier
from bioprop.book.records import RECORDED
from bioprop.studies import Study, drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import (
    feedback_redrawn,
    mnist_decayed,
    mnist_depth_rates,
    mnist_grid,
    mnist_matched,
    mnist_rates,
    output_frozen,
)
from bioprop.studies.lillicrap2014.freezing import taking_turns
from bioprop.studies.lillicrap2014.mnist import images, train
from bioprop.studies.lillicrap2014.mnist_depth import prepare
from bioprop.studies.lillicrap2014.mnist_matched import of_layers, relative_size

NAMES = (
    "mnist-decayed",
    "mnist-matched",
    "mnist-rates",
    "mnist-own-rates",
    "feedback-redrawn",
    "output-frozen",
    "freezing-rates",
    "mnist-depth-rates",
    "replication-fast",
)


@pytest.fixture(scope="module", params=NAMES)
def finished(request: pytest.FixtureRequest) -> tuple[Study, dict[str, Any]]:
    """A study with the runs of all its variants at smoke."""
    study = studies.get(request.param)
    runs = {}
    for variant in study.variants:
        settings, journal = study.configure("smoke", variant), Journal()
        study.run(settings, journal)
        runs[variant] = SimpleNamespace(settings=settings, table=journal.table())
    return study, runs


def measures(study: Study, runs: dict[str, Any]) -> dict[str, np.ndarray]:
    """What each claim measures; one that is beside another study's runs takes these for them."""
    others = {claim.beside for claim in study.claims} - {None}
    beside = {f"{other}/{name}": run for other in others for name, run in runs.items()}
    return {c.id: np.asarray(c.measure({**runs, **beside})) for c in study.claims}


def quantities(run: Any) -> list[str]:
    """The columns that hold what was measured."""
    names = list(run.table.columns)
    return names[names.index("examples") + 1 :]


def without(run: Any, rows: pd.Series) -> Any:
    """The run with no number in some rows of its table."""
    table = run.table.copy()
    table.loc[rows, quantities(run)] = np.nan
    return SimpleNamespace(settings=run.settings, table=table)


@pytest.mark.filterwarnings("ignore")
def test_figures_and_claims_bear_networks_that_diverged(
    finished: tuple[Study, dict[str, Any]],
) -> None:
    study, runs = finished

    def lost(first: int) -> dict[str, Any]:
        return {name: without(run, run.table["examples"] >= first) for name, run in runs.items()}

    for each in (runs, lost(1), lost(0)):
        measures(study, each)
        with drawing.style():
            for figure in study.figures:
                picture, drawn = figure.draw(each)
                picture.savefig(io.BytesIO(), format="png", dpi=20)
                plt.close(picture)
                assert len(drawn)


# Steps


def test_only_the_decay_sets_the_decayed_networks_apart() -> None:
    ours, theirs = studies.get("mnist-decayed"), studies.get("mnist")
    assert ours.variants == theirs.variants and ours.tiers.items() <= theirs.tiers.items()
    for variant in ours.variants:
        pair = [vars(study.configure("paper", variant)) for study in (ours, theirs)]
        apart = {name for name in pair[0] if pair[0][name] != pair[1][name]}
        assert apart == {"decay_with"}


def test_the_fast_replication_is_that_of_the_readings_under_both_rules() -> None:
    study, readings = studies.get("replication-fast"), studies.get("mnist-readings")
    for tier in study.tiers:
        theirs = readings.configure(tier, "bp-replication-fast")
        assert study.configure(tier, "bp") == theirs
        assert vars(study.configure(tier, "fa")) == vars(theirs) | {"rule": "fa"}


def trained(variant: str, rate: Any = None, **changes: Any) -> list[torch.Tensor]:
    """Weights and biases after some steps of the study mnist's smallest networks."""
    settings = studies.get("mnist").configure("smoke", variant, precision="float64", **changes)
    training = train(settings, images(settings, settings.streams()), rate=rate)
    training.until(10)
    network = training.network
    return [*network.weights, *(bias for bias in network.biases if bias is not None)]


def test_a_rate_for_all_layers_is_that_of_the_settings() -> None:
    for given in (1e-3, [1e-3, 1e-3]):
        assert all(map(torch.equal, trained("fa", given), trained("fa", rate=None)))


def test_the_hidden_rate_and_the_range_of_b_are_one_number() -> None:
    settings = studies.get("mnist").configure("smoke", "fa")
    smaller = trained("fa", of_layers(settings, 1e-3, 0.25))
    assert all(map(torch.equal, smaller, trained("fa", feedback=0.25)))


def test_the_size_of_a_signal_is_that_of_b_beside_w() -> None:
    settings = studies.get("mnist-matched").configure("smoke", "fa", precision="float64")
    task = images(settings, settings.streams())
    training = train(settings, task)
    x, labels = task.test(30)
    training.state = [3 * W.mT for W in training.network.weights[1:]]
    assert relative_size(training, x, labels).numpy() == pytest.approx(3.0)
    backprop = train(studies.get("mnist").configure("smoke", "bp", precision="float64"), task)
    assert relative_size(backprop, x, labels).numpy() == pytest.approx(1.0)


def test_the_marks_of_matched_steps_have_one_at_a_third() -> None:
    settings = studies.get("mnist-matched").configure("paper", "fa")
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    assert settings.examples / 3 in marks


def ended(**values: Any) -> Any:
    """A run of which the end is known, for two networks."""
    return SimpleNamespace(table=pd.DataFrame({"member": range(2), "examples": 1, **values}))


def test_steps_are_compared_by_the_geometric_mean_over_the_marks() -> None:
    runs = {
        name: SimpleNamespace(
            table=pd.DataFrame({"member": 0, "examples": range(2), "step": [1.0, step]})
        )
        for name, step in (("fa", 8.0), ("bp", 0.5))
    }
    assert mnist_matched.times_as_large(runs, "fa", "bp") == pytest.approx([4.0])


def test_an_angle_to_weights_that_never_moved_is_no_number() -> None:
    runs = {"fa-redrawn": ended(angle=[90.0, 90.0], moved=[5.0, 0.1])}
    angles = feedback_redrawn.mean_angle(runs)
    assert angles[0] == 90.0 and np.isnan(angles[1])


def test_angles_with_and_without_decay_are_compared_seed_by_seed() -> None:
    runs = {
        "fa": ended(seed=[0, 2], angle=[40.0, 50.0]),
        "mnist/fa": ended(seed=[1, 2], angle=[1.0, 55.0]),
    }
    assert mnist_decayed.turned_by_decay(runs).tolist() == [-5.0]


def test_each_rule_has_the_rates_that_the_search_found() -> None:
    searched = studies.get("mnist-rates")
    tier = best_tier(searched, RECORDED)
    if tier is None:
        pytest.skip("the search is not recorded yet")
    for name, (rate, factor) in mnist_rates.best(RECORDED.runs(searched, tier)).items():
        settings = studies.get("mnist-own-rates").configure("paper", name)
        assert (settings.rate, settings.hidden_factor) == (rate, factor), name


def test_every_depth_has_the_settings_that_the_search_found() -> None:
    searched = studies.get("mnist-depth-rates")
    tier = best_tier(searched, RECORDED)
    if tier is None:
        pytest.skip("the search is not recorded yet")
    for name, values in mnist_depth_rates.chosen(RECORDED.runs(searched, tier)).items():
        settings = studies.get("mnist-depth").configure("paper", name)
        assert {key: getattr(settings, key) for key in values} == values, name


@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_both_rules_have_the_same_rates_and_those_with_b_its_ranges(rule: str) -> None:
    study = studies.get("mnist-depth-rates")
    settings, journal = study.configure("smoke", f"{rule}-2"), Journal()
    study.run(settings, journal)
    points = set(zip(journal.labels["rate"], journal.labels["feedback"], strict=True))
    ranges = (0.2, 0.4) if rule == "fa" else (0.2,)
    assert points == {(rate, b) for rate in (0.0025, 0.01) for b in ranges}
    assert "error" not in journal.table(), "the search has looked at the test images"


def test_a_grid_is_its_networks_one_by_one() -> None:
    settings = studies.get("mnist-depth-rates").configure("smoke", "fa-2", precision="float64")
    journal = Journal()
    mnist_depth_rates.run(settings, journal)
    table = journal.table()
    alone = studies.get("mnist-depth").configure(
        "smoke", "fa-2", rate=0.01, feedback=0.4, held_out=200, members=2, first_seed=1000,
        precision="float64",
    )  # fmt: skip
    single = Journal()
    studies.get("mnist-depth").run(alone, single)
    chosen = table[(table["rate"] == 0.01) & (table["feedback"] == 0.4)]
    assert chosen["validation"].tolist() == single.table()["error"].tolist()
    assert chosen["angle-1"].tolist() == pytest.approx(single.table()["angle-1"].tolist())


def on_grid(*errors: float) -> Any:
    """A run at two rates, two seeds each, with the given test errors at the end."""
    rows = [
        {"member": k, "seed": s, "examples": x, "rate": r, "feedback": 0.2, "validation": v,
         "error": errors[k] if x else 90.0, "angle-1": 90.0 + k, "moved": m}
        for k, (s, r, v, m) in enumerate(
            [(0, 0.1, 3.0, 5.0), (1, 0.1, 3.0, 0.1), (0, 0.2, 4.0, 5.0), (1, 0.2, np.nan, 5.0)]
        )
        for x in (0, 1)
    ]  # fmt: skip
    return SimpleNamespace(table=pd.DataFrame(rows))


def test_a_grid_is_judged_at_the_point_that_held_out_images_choose() -> None:
    run = on_grid(9.0, 80.0, 1.0, 1.0)
    assert mnist_grid.best(run) == (0.1, 0.2)
    assert mnist_grid.at_best(run, "error").tolist() == [9.0, 80.0]
    assert mnist_grid.best_learn(run).tolist() == [True, False]
    runs = {"bp": run, "shallow": on_grid(8.0, 8.0, 90.0, 90.0)}
    assert output_frozen.over_shallow(runs).tolist() == [1.0, 72.0]


@pytest.mark.parametrize("quantity, number", [("angle-1", 90.0), ("error", 88.0)])
def test_what_fails_below_a_frozen_output_has_tried_beside_what_learns(
    quantity: str, number: float
) -> None:
    fa = on_grid(88.0, 88.0, 1.0, 1.0)
    learnt = output_frozen.controlled({"fa": fa, "bp": on_grid(9.0, 9.0, 1.0, 1.0)}, quantity)
    assert learnt[0] == number and np.isnan(learnt[1]), "the second has not moved"
    failed = output_frozen.controlled({"fa": fa, "bp": on_grid(80.0, 80.0, 1.0, 1.0)}, quantity)
    assert np.isnan(failed).all(), "nothing can be learnt there"


@pytest.mark.parametrize("variant, frozen", [("bp", [3]), ("fa", [3]), ("shallow", [0, 1, 2])])
def test_below_a_frozen_output_the_hidden_layers_learn_and_it_does_not(
    variant: str, frozen: list[int]
) -> None:
    settings = studies.get("output-frozen").configure("smoke", variant)
    training, _ = prepare(settings, lambda teaching: taking_turns(settings, teaching))
    before = [W.clone() for W in training.network.weights]
    training.until(3)
    same = [torch.equal(a, b) for a, b in zip(before, training.network.weights, strict=True)]
    assert [layer for layer, still in enumerate(same) if still] == frozen


def test_the_best_rates_are_those_of_the_lowest_mean_and_a_lost_network_counts() -> None:
    rows = [
        {"member": k, "examples": 1, "rate": r, "factor": f, "error": e}
        for k, (r, f, e) in enumerate(
            [(0.1, 1.0, 3.0), (0.1, 1.0, 5.0), (0.2, 1.0, 2.0), (0.2, 1.0, np.nan), (0.2, 2.0, 4.5)]
        )
    ]
    runs: Any = {"bp": SimpleNamespace(table=pd.DataFrame(rows))}
    assert mnist_rates.best(runs) == {"bp": (0.1, 1.0)}
