"""The linear task, and the numbers that its studies take from one another."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop.book.records import RECORDED
from bioprop.learning import Network, Streams, Training, angle, rule, sgd
from bioprop.learning.rules import carry_back, transposes
from bioprop.studies.lillicrap2014 import linear_rates, linear_task
from bioprop.studies.questions import alignment_needed
from bioprop.tasks.linear import LinearTask, linear_network

SEEDS = (0, 1, 2)
STREAMS = Streams(SEEDS)


@pytest.fixture(scope="module")
def task() -> LinearTask:
    """The task of three members."""
    return LinearTask(STREAMS)


def learner(name: str, steps: int, rate: float = 9.9e-3, seeds: Any = SEEDS) -> Training:
    """The paper's network after some steps on a task of its own."""
    streams = Streams(seeds)
    network = linear_network(streams, (30, 20, 10), 0.01)
    made = Training(network, rule(name), sgd(rate), LinearTask(streams), streams)
    made.until(steps)
    return made


# The task


def test_teachers_are_uniform_fixed_and_differ_between_members(task: LinearTask) -> None:
    assert task.T.shape == (3, 30, 10)
    assert 0.99 < task.T.abs().max() < 1
    assert abs(task.T.mean()) < 4 / (3 * 900) ** 0.5
    assert task.T.unique().numel() == task.T.numel()
    assert torch.equal(task.T, LinearTask(STREAMS).T)


@pytest.mark.parametrize("batch", [1, 7])
def test_every_batch_holds_new_inputs_and_the_teachers_answers(batch: int) -> None:
    task = LinearTask(STREAMS, batch=batch)
    seen = []
    for step in (0, 1, 499, 500):
        x, target = task(step)
        assert (x.shape, target.shape) == ((3, batch, 30), (3, batch, 10))
        torch.testing.assert_close(target, torch.einsum("mbi,mio->mbo", x, task.T))
        seen.append(x)
    assert torch.stack(seen).unique().numel() == 4 * 3 * batch * 30


def test_the_probe_holds_examples_that_are_not_trained_on(task: LinearTask) -> None:
    x, target = task.probe(40)
    assert (x.shape, target.shape) == ((3, 40, 30), (3, 40, 10))
    torch.testing.assert_close(target, torch.einsum("mbi,mio->mbo", x, task.T))
    trained = torch.stack([task(step)[0] for step in range(500)])
    assert not torch.isin(x, trained).any()


@pytest.mark.parametrize("sizes", [(30, 10), (30, 20, 10), (30, 20, 20, 10)])
def test_networks_start_within_the_bound_without_biases(sizes: tuple[int, ...]) -> None:
    network = linear_network(STREAMS, sizes, 0.01)
    assert [W.shape for W in network.weights] == [(3, *pair) for pair in itertools.pairwise(sizes)]
    assert network.biases == [None] * len(network.weights)
    assert all(0.009 < W.abs().max() < 0.01 for W in network.weights)
    numbers = torch.cat([W.flatten() for W in network.weights])
    assert numbers.unique().numel() == numbers.numel()
    assert set(network.activations) == {"linear"}


# The error


def with_weights(*weights: torch.Tensor) -> Network:
    """Linear networks of the given weights."""
    sizes = (weights[0].shape[1], *(W.shape[2] for W in weights))
    network = linear_network(STREAMS, sizes, 1.0)
    network.weights[:] = weights
    return network


def test_the_error_is_1_for_silence_0_for_the_teacher_and_4_for_its_opposite(
    task: LinearTask,
) -> None:
    eye = torch.eye(10, dtype=torch.float64).expand(3, 10, 10)
    for factor, error in ((0.0, 1.0), (1.0, 0.0), (-1.0, 4.0), (0.9, 0.01)):
        measured = task.normalised_squared_error(with_weights(factor * task.T, eye))
        assert measured.tolist() == pytest.approx([error] * 3, abs=1e-14)


@pytest.mark.parametrize("steps", [50, 300])
def test_the_closed_form_of_the_error_equals_its_estimate_from_samples(steps: int) -> None:
    made = learner("bp", steps)
    exact = made.batches.normalised_squared_error(made.network)
    x = torch.randn(3, 20_000, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.bmm(x, made.batches.T)
    error = (made.network.forward(x)[-1] - target).square().sum(-1)
    power = target.square().sum(-1)
    estimate = error.mean(-1) / power.mean(-1)
    # The spread of a ratio of means, from the residuals of its linear approximation.
    residual = (error - estimate[:, None] * power) / power.mean(-1, keepdim=True)
    spread = residual.std(-1) / 20_000**0.5
    assert (spread < 0.01 * exact).all()
    assert ((estimate - exact) / spread).abs().max() < 4


# Feedback alignment on it


def test_feedback_alignment_turns_its_signal_below_60_degrees_in_300_examples() -> None:
    made = learner("fa", 0, seeds=tuple(range(10)))
    measured = []
    for steps in (0, 300):
        made.until(steps)
        trial = made.network.present(*made.batches.probe())
        ours = carry_back(made.network, made.state, trial)[0]
        backprop = carry_back(made.network, transposes(made.network), trial)[0]
        measured.append(angle(ours, backprop).mean(-1))
        assert linear_task.alignment(made, *made.batches.probe())["angle"].equal(measured[-1])
    start, end = measured
    assert abs(start.mean() - 90) < 10
    assert (end < 60).all()


# What the studies read off their tables


def curve(*log_nse: float) -> pd.DataFrame:
    """A member's errors at 0, 100, 200, ... examples."""
    return pd.DataFrame({"examples": 100 * np.arange(len(log_nse)), "log_nse": log_nse})


@pytest.mark.parametrize(
    ("log_nse", "examples"),
    [
        ((0.0, -1.0, -3.0, -4.0), 150),  # between marks, in log10 NSE
        ((0.0, -1.0, -2.0), 200),  # at a mark
        ((0.0, -4.0, 0.0, -4.0), 50),  # the first time
        ((0.0, -1.0, -1.9), np.inf),  # never
        ((0.0, np.nan, np.nan), np.inf),  # diverged
        ((0.0, -4.0, np.nan), 50),  # diverged after it had learnt
    ],
)
def test_the_examples_to_a_level_are_interpolated(
    log_nse: tuple[float, ...], examples: float
) -> None:
    assert alignment_needed.first_below(curve(*log_nse), -2.0) == pytest.approx(examples)


def test_speed_is_a_thousand_over_the_examples_to_one_per_cent_and_0_for_never() -> None:
    members = {
        (0, 0.0): (0.0, -2.0, -4.0),
        (0, 90.0): (0.0, 0.0, 0.0),
        (1, 0.0): (0.0, -4.0, -8.0),
        (1, 90.0): (0.0, -1.0, -2.0),
    }
    frames = [
        curve(*log_nse).assign(member=m, seed=seed, degrees=degrees)
        for m, ((seed, degrees), log_nse) in enumerate(members.items())
    ]
    run: Any = SimpleNamespace(table=pd.concat(frames))
    speed = alignment_needed.speeds(run)
    assert (list(speed.index), list(speed.columns)) == ([0, 1], [0.0, 90.0])
    assert speed.to_numpy().tolist() == [[10, 0], [20, 5]]
    assert alignment_needed.rises({"held": run}).tolist() == [[-100, -75]], "a row for each step"
    assert alignment_needed.straight_learn(run).tolist() == [True, True]


def test_half_the_angle_is_set_beside_the_speed_and_the_widest_miss_is_found() -> None:
    ends = {0: -4.0, 60: -3.0, 90: -1.0}  # so that 1 % comes after 50, 67 and, for 90, 200
    frames = [
        curve(0.0, end, 2 * end).assign(member=m, seed=seed, degrees=degrees)
        for m, (degrees, seed) in enumerate(itertools.product(ends, (0, 1)))
        for end in [ends[degrees]]
    ]
    runs: Any = {"held": SimpleNamespace(table=pd.concat(frames))}
    assert alignment_needed.relative_speed(runs, 60) == pytest.approx(0.75)
    assert alignment_needed.half_angle(60) == pytest.approx(3**0.5 / 2)
    assert alignment_needed.widest_miss(runs) == 90


@pytest.fixture(scope="module")
def search() -> Any:
    """The committed records of the search for learning rates."""
    return RECORDED.runs(linear_rates.STUDY, "paper")


@pytest.mark.parametrize("variant", linear_task.STUDY.variants)
def test_rates_and_noise_typed_into_the_linear_task_are_those_that_the_search_found(
    search: Any, variant: str
) -> None:
    settings = linear_task.STUDY.configure("paper", variant)
    rate, sigma = linear_rates.best(search)[variant]
    assert settings.rate == pytest.approx(rate, rel=0.01)
    if settings.rule == "np":
        assert settings.sigma == pytest.approx(sigma, rel=0.01)


def test_the_axis_of_the_linear_task_ends_where_the_search_says(search: Any) -> None:
    end = linear_rates.axis_end(search)
    assert linear_task.STUDY.configure("paper", "bp").examples == end
