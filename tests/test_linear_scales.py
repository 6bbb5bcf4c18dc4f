"""The scales of weights and feedback on the linear task: late slopes, measured and in theory."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop.learning import Streams, rule
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import linear_scales
from bioprop.studies.lillicrap2014.linear_scales import LinearTask, linear_network

RATE = 1e-3


def drawn(b: float, seeds: tuple[int, ...] = (0, 1, 2)) -> tuple[torch.Tensor, torch.Tensor]:
    """Teachers, and feedback from U(-b, b)."""
    streams = Streams(seeds)
    network = linear_network(streams, (30, 20, 10), 0.01)
    return LinearTask(streams).T, rule("fa", bound=b).init(network, streams)[0]


@pytest.mark.parametrize("b", [0.25, 2.0])
def test_even_feedback_has_equal_eigenvalues_of_the_mean_of_its_range(b: float) -> None:
    even = linear_scales.evened(drawn(b)[1], torch.tensor(b))
    squares = torch.linalg.svdvals(even).square()
    torch.testing.assert_close(squares, torch.full_like(squares, 20 * b**2 / 3))
    many = drawn(b, tuple(range(300)))[1].square().sum((1, 2)) / 10
    assert float(many.mean()) == pytest.approx(20 * b**2 / 3, rel=0.02)


@pytest.mark.parametrize("b", [0.25, 1.0])
def test_the_flow_ends_at_the_formula_where_its_assumption_holds_and_below_elsewhere(
    b: float,
) -> None:
    T, B = drawn(b)
    even = linear_scales.evened(B, torch.tensor(b))
    theory = linear_scales.slopes_before_learning(T, even, 40.0)
    torch.testing.assert_close(theory["flow"], theory["formula"], rtol=1e-4, atol=0)
    random = linear_scales.slopes_before_learning(T, B, 40.0)
    assert (random["flow"] < 0.9 * random["formula"]).all()
    torch.testing.assert_close(theory["s"], torch.linalg.svdvals(T)[:, -1])


def record(*curves: np.ndarray, feedbacks: tuple[float, ...] = (0.5,)) -> SimpleNamespace:
    """A run whose networks, one for each seed, have these curves of log10 NSE at every range."""
    frames = [
        pd.DataFrame({"examples": np.arange(101) * 100, "log_nse": log_nse}).assign(
            seed=seed, feedback=b
        )
        for seed, log_nse in enumerate(curves)
        for b in feedbacks
    ]
    return SimpleNamespace(table=pd.concat(frames), settings=SimpleNamespace(rate=RATE))


def falling(slope: float) -> np.ndarray:
    """log10 NSE of an error that falls with a slope, after a first half of something else."""
    fall = -2 * RATE * slope * np.arange(101) * 100 / np.log(10)
    return np.where(np.arange(101) < 50, -1.0, fall)


def test_a_late_slope_is_that_of_the_second_half_down_to_rounding() -> None:
    fast = falling(4.0)
    floored = np.where(fast < -28, -28.0, fast)
    lost = np.where(np.arange(101) < 80, falling(2.0), np.nan)
    found = linear_scales.late_slopes(record(falling(1.5), floored, lost))[0.5]
    assert found.tolist() == pytest.approx([1.5, 4.0, np.nan], nan_ok=True)


def test_the_worst_range_is_the_one_whose_mean_is_farthest_from_1() -> None:
    runs = {"fa": record(falling(1.0), falling(1.1), feedbacks=(0.5, 1.0))}
    theory = pd.DataFrame(
        {"seed": [0, 1] * 2, "feedback": [0.5] * 2 + [1.0] * 2, "flow": [0.9, 1.0, 2.0, 2.0]}
    )
    runs["theory"] = SimpleNamespace(table=theory.assign(examples=0, member=range(4)))
    assert linear_scales.worst(runs, "fa", "flow") == pytest.approx([0.5, 0.55])


def test_who_is_ahead_is_counted_by_seed_and_a_range_that_was_not_tried_has_no_number() -> None:
    runs = {"fa": record(falling(1.0), falling(2.0)), "bp": record(*[falling(1.0)] * 2)}
    runs["bp"].table["feedback"] = 0.0
    for run in runs.values():
        run.table["member"] = run.table["seed"]
    first, second = linear_scales.ahead("fa", "bp", 0.5, 100)(runs)
    assert first == 0 and second < -1
    assert np.isnan(linear_scales.ahead("fa", "bp", 3.0, 100)(runs)).all()


def test_large_weights_are_as_large_as_the_feedback() -> None:
    settings = linear_scales.STUDY.configure("paper", "bp-large-fast")
    printed = linear_scales.STUDY.configure("paper", "fa-fast")
    assert (settings.bound, settings.rate) == (printed.feedbacks[0], 9e-3)


def test_theory_is_about_the_networks_that_are_trained() -> None:
    theory, trained = Journal(), Journal()
    linear_scales.run(linear_scales.STUDY.configure("smoke", "theory"), theory)
    linear_scales.run(linear_scales.STUDY.configure("smoke", "fa", examples=10), trained)
    labels = ["seed", "feedback"]
    assert theory.table()[labels].equals(trained.table().query("examples == 0")[labels])
