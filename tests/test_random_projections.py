"""Chains of random matrices, and feedback that distorts distances more or less."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop.book.records import RECORDED
from bioprop.learning import Dense, Network, Streams, Training, rule, sgd
from bioprop.learning.rules import Rule, carry_back, transposes
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import linear_task
from bioprop.studies.questions import deep_gain, deep_gain_rates, deep_linear
from bioprop.studies.questions import johnson_lindenstrauss as jl
from bioprop.tasks.linear import LinearTask, linear_network

WIDTHS = (10, 12, 20)


def feedback(kind: str, stretch: float = 10.0, seeds: int = 4) -> tuple[torch.Tensor, list[int]]:
    """Feedback weights for each width and seed, and their widths."""
    settings = jl.STUDY.configure("smoke", kind, widths=WIDTHS, members=seeds, stretch=stretch)
    widths, seed = zip(*itertools.product(WIDTHS, settings.seeds), strict=True)
    return jl.feedback(settings, settings.streams(seed), widths, 10), list(widths)


def test_with_one_hidden_layer_the_chain_is_the_linear_task() -> None:
    settings = deep_linear.STUDY.configure("smoke", "fa-1")
    deep, flat = Journal(), Journal()
    deep_linear.run(settings, deep)
    alike = {
        "rate": settings.rate,
        "bound": settings.bound,
        "first_seed": settings.first_seed,
        "examples": 60,
    }
    alike |= {"feedback": (3 / settings.width) ** 0.5, "marks": 4, "members": settings.members}
    linear_task.run(linear_task.STUDY.configure("smoke", "fa", **alike), flat)
    assert deep.table()["log_nse"].equals(flat.table()["log_nse"])
    assert deep.table()["angle_1"].equals(flat.table()["angle"])


def test_angles_are_numbered_from_the_output_down() -> None:
    streams = Streams((0, 1))
    task, network = LinearTask(streams), linear_network(streams, (30, 5, 5, 10), 0.2)
    exact = [network.weights[1].mT, -network.weights[2].mT]  # right below the output, turned there
    teaching = Rule("half turned", lambda network, streams: exact, carry_back)
    training = Training(network, teaching, sgd(0.1), task, streams)
    found = deep_linear.angles(training, *task.probe(5))
    assert list(found) == ["angle_1", "angle_2"]
    assert torch.allclose(found["angle_1"], torch.tensor(180.0, dtype=torch.float64))
    exact[0] = -exact[0]
    found = deep_linear.angles(training, *task.probe(5))
    assert torch.allclose(found["angle_2"], torch.tensor(0.0, dtype=torch.float64), atol=1e-5)


@pytest.mark.parametrize("kind", jl.LOOKS)
def test_feedback_of_every_kind_has_unit_gain_and_stops_at_its_width(kind: str) -> None:
    B, widths = feedback(kind, seeds=200)
    gain = B.square().sum((1, 2)) / 10
    for width in WIDTHS:
        own = torch.tensor([w == width for w in widths])
        assert float(gain[own].mean()) == pytest.approx(1.0, abs=0.03)
        assert B[own, :, :width].all() and not B[own, :, width:].any()


def test_orthonormal_feedback_keeps_all_distances_and_stretched_feedback_its_ratio() -> None:
    points = torch.randn(12, 30, 10, dtype=torch.float64, generator=torch.manual_seed(0))
    kept = jl.distortion(feedback("orthonormal")[0], points)
    assert float(kept["spread"].max()) < 1e-12 and float(kept["largest"].max()) < 1e-12
    assert torch.allclose(kept["weakest"], torch.ones(12, dtype=torch.float64))
    values = torch.linalg.svdvals(feedback("stretched", stretch=7.0)[0])
    assert torch.allclose(values[:, 0] / values[:, -1], torch.tensor(7.0, dtype=torch.float64))
    even = jl.distortion(feedback("stretched", stretch=1.0)[0], points)
    assert float(even["spread"].max()) < 1e-12


def test_a_silenced_network_is_one_of_that_width() -> None:
    streams = Streams((0, 1))
    task = LinearTask(streams)
    wide = linear_network(streams, (30, 20, 10), 0.1)
    B = rule("fa").init(wide, streams)[0]
    B[:, :, 12:] = 0
    jl.silence(wide, (12, 12))
    below, above = (W.clone() for W in (wide.weights[0][:, :, :12], wide.weights[1][:, :12]))
    narrow = Network([Dense(30, 12), Dense(12, 10)], ["linear"] * 2, [below, above])
    for network, matrix in ((wide, B), (narrow, B[:, :, :12])):
        teaching = Rule("given", lambda network, streams, given=matrix: [given], carry_back)
        Training(network, teaching, sgd(0.01), task, streams).until(50)
    assert not wide.weights[0][:, :, 12:].any() and not wide.weights[1][:, 12:].any()
    torch.testing.assert_close(wide.weights[0][:, :, :12], narrow.weights[0])
    torch.testing.assert_close(wide.weights[1][:, :12], narrow.weights[1])


def test_a_network_that_never_gets_there_is_told_apart() -> None:
    journal = Journal()
    jl.run(jl.STUDY.configure("smoke", "random"), journal)
    run = type("Run", (), {"table": journal.table()})
    assert np.isinf(jl.needed(run)).all(axis=None)


def test_most_over_fewest_is_of_means_and_not_of_single_networks() -> None:
    examples = np.array([[100.0, 400.0], [400.0, 100.0], [100.0, 100.0]])  # widths, members
    assert jl.most_over_fewest(examples) == pytest.approx(2.0)
    drawn = examples[:, [[0, 0], [1, 1]]]
    assert jl.most_over_fewest(drawn) == pytest.approx([4.0, 4.0])


# Depth from weights of gain 1


def test_from_small_weights_at_the_equal_rate_it_is_the_study_of_chains() -> None:
    given = {"members": 3, "first_seed": 5, "examples": 60, "marks": 4}
    settings = deep_gain.STUDY.configure("smoke", "small-fa-2", **given)
    both, one = Journal(), Journal()
    deep_gain.run(settings, both)
    deep_linear.run(deep_linear.STUDY.configure("smoke", "fa-2", **given), one)
    equal = both.table().query("choice == 'equal' and examples == 60")["log_nse"]
    assert equal.tolist() == one.table().query("examples == 60")["log_nse"].tolist()


@pytest.mark.parametrize("start, spread", [("gain", 0.4), ("orthogonal", 1e-12)])
def test_weights_and_feedback_carry_a_signal_back_at_its_length(start: str, spread: float) -> None:
    settings = deep_gain.STUDY.configure("paper", f"{start}-fa-3", members=200)
    streams = settings.streams()
    network, teaching = deep_gain.chain(settings, streams)
    e = streams.normal("probe", (1, 10))
    for matrices in (teaching.init(network, streams), transposes(network)):
        signal = e
        for matrix in reversed(matrices):
            carried = signal @ matrix
            gain = carried.square().sum((1, 2)) / signal.square().sum((1, 2))
            assert float(gain.mean()) == pytest.approx(1.0, abs=0.1)
            assert float((gain - 1).abs().median()) <= spread
            signal = carried


def test_orthonormal_is_what_it_says_and_leaves_what_is_so_alone() -> None:
    tall = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    for matrices in (tall, tall.mT):
        made = deep_gain.orthonormal(matrices)
        ones = torch.ones(3, 4, dtype=torch.float64)
        torch.testing.assert_close(torch.linalg.svdvals(made), ones)
        torch.testing.assert_close(deep_gain.orthonormal(made), made)


def gained(fa_4: float) -> dict[str, Any]:
    """Runs whose networks need 100 examples, but the deepest 200, and under FA ``fa_4``."""

    def made(examples: float) -> SimpleNamespace:
        marks = {"examples": [0, examples, 1e4], "log_nse": [0.0, -2.0, -3.0]}
        frame = pd.DataFrame(marks).merge(pd.DataFrame({"seed": [0, 1, 2]}), how="cross")
        return SimpleNamespace(table=frame.assign(choice="own"))

    needed = {"bp-1": 100, "bp-4": 200, "fa-1": 100, "fa-4": fa_4}
    return {f"gain-{name}": made(examples) for name, examples in needed.items()}


@pytest.mark.parametrize("fa_4, doublings", [(200, 0.0), (800, 2.0), (100, -1.0)])
def test_slowing_is_counted_in_doublings_beside_backprop(fa_4: float, doublings: float) -> None:
    found = deep_gain.slowed_more("gain", "own")(gained(fa_4))
    assert found == pytest.approx([doublings] * 3)
    assert deep_gain.factor("gain", "own")(gained(fa_4)) == pytest.approx(2**doublings)


def test_a_chain_that_does_not_get_there_has_no_slowing() -> None:
    runs = gained(800)
    runs["gain-fa-4"].table.loc[lambda t: t["seed"] == 1, "log_nse"] = -1.0
    assert np.isnan(deep_gain.slowed_more("gain", "own")(runs)).tolist() == [False, True, False]


def test_a_rate_serves_where_every_network_gets_there_and_none_is_lost() -> None:
    rows = [
        (rate, seed, mark, value)
        for rate, ends in {1.0: (-3, -3), 2.0: (-3, -1), 4.0: (-5, np.nan), 8.0: (-4, -4)}.items()
        for seed, end in enumerate(ends)
        for mark, value in ((0, 0.0), (100, end), (200, end))
    ]
    table = pd.DataFrame(rows, columns=["rate", "seed", "examples", "log_nse"])
    found = deep_gain_rates.means(SimpleNamespace(table=table))
    assert found[1.0] == pytest.approx(200 / 3) and found[8.0] == pytest.approx(50)
    assert np.isinf(found[2.0]) and np.isnan(found[4.0])
    assert deep_gain_rates.best({"x": SimpleNamespace(table=table)}) == {"x": 8.0}


@pytest.fixture(scope="module")
def found() -> Any:
    """The rate of each deep chain that the committed records of the search found."""
    return deep_gain_rates.best(RECORDED.runs(deep_gain_rates.STUDY, "paper"))


@pytest.mark.parametrize("variant", deep_gain.STUDY.variants)
def test_own_rates_typed_into_the_study_are_those_that_the_search_found(
    found: Any, variant: str
) -> None:
    settings = deep_gain.STUDY.configure("paper", variant)
    assert settings.own == pytest.approx(found[variant], rel=0.01)
    grid = deep_gain_rates.STUDY.configure("paper", variant)
    assert grid.lowest < settings.own < grid.highest, "an edge of the grid is no best rate"
