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
from bioprop.studies.lillicrap2014 import mnist_decayed, mnist_matched, mnist_rates
from bioprop.studies.lillicrap2014.mnist import images, train
from bioprop.studies.lillicrap2014.mnist_matched import of_layers, relative_size

NAMES = (
    "mnist-decayed",
    "mnist-matched",
    "mnist-rates",
    "mnist-own-rates",
    "feedback-redrawn",
    "output-frozen",
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


@pytest.mark.filterwarnings("ignore")
def test_figures_and_claims_bear_networks_that_diverged(
    finished: tuple[Study, dict[str, Any]],
) -> None:
    study, runs = finished
    lost = {}
    for name, run in runs.items():
        table = run.table.copy()
        measured = table.columns[list(table.columns).index("examples") + 1 :]
        table.loc[table["examples"] > 0, measured] = np.nan
        lost[name] = SimpleNamespace(settings=run.settings, table=table)
    for each in (runs, lost):
        measures(study, each)
        with drawing.style():
            for figure in study.figures:
                picture, drawn = figure.draw(each)
                picture.savefig(io.BytesIO(), format="png", dpi=20)
                plt.close(picture)
                assert len(drawn)


def test_networks_that_have_learnt_nothing_fulfil_no_claim(
    finished: tuple[Study, dict[str, Any]],
) -> None:
    study, runs = finished
    still = {}
    for name, run in runs.items():  # at every mark what is measured at the start
        table = run.table.copy()
        measured = list(table.columns[list(table.columns).index("examples") + 1 :])
        start = table[table["examples"] == 0].set_index("member")[measured]
        table[measured] = start.loc[table["member"]].to_numpy()
        still[name] = SimpleNamespace(settings=run.settings, table=table)
    for claim in study.claims:
        values = measures(study, still)[claim.id]
        number = 2.4 if claim.reported else None
        low, high = claim.holds.placed(number)
        inside = np.isfinite(values).all() and low <= values.mean() <= high
        assert not inside, claim.id


# Steps


def test_only_the_decay_sets_the_decayed_networks_apart() -> None:
    ours, theirs = studies.get("mnist-decayed"), studies.get("mnist")
    assert ours.variants == theirs.variants and ours.tiers == theirs.tiers
    for variant in ours.variants:
        pair = [vars(study.configure("paper", variant)) for study in (ours, theirs)]
        apart = {name for name in pair[0] if pair[0][name] != pair[1][name]}
        assert apart == {"decay_with"}


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


def test_what_has_not_learnt_leads_nobody() -> None:
    runs = {"fa": ended(error=[2.0, 2.0]), "bp": ended(error=[3.0, 90.0])}
    assert mnist_decayed.lead(runs).tolist()[0] == -1.0
    assert np.isnan(mnist_decayed.lead(runs)[1])
    assert np.isnan(mnist_matched.behind(runs, "fa", "bp")).tolist() == [False, True]


def test_doublings_count_from_backprops_step_to_feedback_alignments() -> None:
    runs = {"fa": ended(step=8.0, error=2.0), "bp": ended(step=2.0, error=2.0)}
    assert mnist_matched.doublings(runs, "fa", "bp").tolist() == [2.0, 2.0]


def test_angles_with_and_without_decay_are_compared_seed_by_seed() -> None:
    runs = {
        "fa": ended(seed=[0, 2], angle=[40.0, 50.0], error=2.0),
        "mnist/fa": ended(seed=[1, 2], angle=[1.0, 55.0], error=2.0),
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


def test_the_best_rates_are_those_of_the_lowest_mean_and_a_lost_network_counts() -> None:
    rows = [
        {"member": k, "examples": 1, "rate": r, "factor": f, "error": e}
        for k, (r, f, e) in enumerate(
            [(0.1, 1.0, 3.0), (0.1, 1.0, 5.0), (0.2, 1.0, 2.0), (0.2, 1.0, np.nan), (0.2, 2.0, 4.5)]
        )
    ]
    runs: Any = {"bp": SimpleNamespace(table=pd.DataFrame(rows))}
    assert mnist_rates.best(runs) == {"bp": (0.1, 1.0)}
