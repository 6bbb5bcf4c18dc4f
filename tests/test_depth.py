"""The nonlinear task: its teacher, its error, and the rates that its study uses."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop.book.records import RECORDED
from bioprop.learning import Streams, rule
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import depth, depth_rates
from bioprop.tasks.nonlinear import NonlinearTask, normalised_squared_error, tanh_network

PAPER = {name: depth.STUDY.configure("paper", name) for name in depth.STUDY.variants}


def test_rates_and_scales_are_those_that_the_recorded_search_found() -> None:
    found = depth_rates.best(RECORDED.runs(depth_rates.STUDY, "paper"))
    assert found == {name: (chosen.rate, chosen.feedback) for name, chosen in PAPER.items()}


@pytest.mark.parametrize("name", depth_rates.STUDY.variants)
def test_the_search_shares_no_seed_and_no_point_with_the_result(name: str) -> None:
    search, result = depth_rates.STUDY.configure("paper", name), PAPER[name]
    assert not set(search.seeds) & set(result.seeds)
    assert (search.hidden, search.rule, search.examples) == (
        result.hidden,
        result.rule,
        result.examples,
    )
    task = NonlinearTask(Streams((0,)))
    ours, theirs = (set(task.test(50, s.block)[0].flatten().tolist()) for s in (search, result))
    assert len(ours) == 50 * 30 and not ours & theirs


def test_the_search_tries_every_rate_with_every_pair_of_scales() -> None:
    journal = Journal()
    change = {"rates": (0.01, 0.1), "feedbacks": ((0.1, 0.2, 0.3), (1.0, 2.0)), "examples": 4}
    settings = depth_rates.STUDY.configure("smoke", "fa-4", **change)
    depth_rates.run(settings, journal)
    tried = journal.table().groupby(["rate", "feedback_1", "feedback_2"])["seed"].nunique()
    assert len(tried) == 2 * 3 * 2 and (tried == settings.members).all()


def test_a_choice_at_which_any_network_diverged_is_not_the_best() -> None:
    frame = {"member": range(4), "examples": 1, "seed": [0, 1, 0, 1], "rate": [0.1, 0.1, 0.2, 0.2]}
    table = pd.DataFrame(frame | {"feedback_1": 0.5, "nse": [0.3, 0.4, 0.01, np.nan]})
    assert depth_rates.best({"fa-3": SimpleNamespace(table=table)}) == {"fa-3": (0.1, (0.5,))}


def test_one_bound_for_each_layer_scales_each_feedback_matrix_alone() -> None:
    streams = Streams((0, 1))
    network = tanh_network(streams, (5, 4, 3, 2), 0.1)
    one = rule("fa", bound=0.5).init(network, streams)
    same = rule("fa", bound=(0.5, 0.5)).init(network, streams)
    apart = rule("fa", bound=(0.25, streams.each([0.5, 1.0]))).init(network, streams)
    assert all(map(torch.equal, one, same))
    assert torch.equal(apart[0], one[0] / 2)
    assert torch.equal(apart[1], one[1] * streams.each([1.0, 2.0]))


@pytest.mark.parametrize("scales", [(), (0.5,), (0.5, 0.5, 0.5)])
def test_another_number_of_feedback_scales_is_refused(scales: tuple[float, ...]) -> None:
    settings = depth.STUDY.configure("smoke", "fa-4", feedback=scales)
    with pytest.raises(ValueError, match=f"{len(scales)} bounds .* where 2 are needed"):
        depth.run(settings, Journal())


def test_all_members_learn_from_one_teacher_on_data_of_their_own() -> None:
    streams = Streams((0, 1))
    task = NonlinearTask(streams, batch=4)
    x, target = task(7)
    assert x.shape == (2, 4, 30) and target.shape == (2, 4, 10)
    assert not torch.equal(x[0], x[1])
    assert torch.allclose(task.teacher.forward(x[1:])[-1], target[1:], atol=1e-12)


def test_the_teacher_itself_has_no_error_and_a_silent_network_has_all() -> None:
    streams = Streams((3,))
    task = NonlinearTask(streams, teacher_seed=3)
    x, target = task.test(200)
    same = tanh_network(Streams((3,)), task.sizes, task.bound, "teacher")
    assert float(normalised_squared_error(same, x, target)) < 1e-20
    silent = tanh_network(streams, (30, 20, 10), 0.0)
    assert float(normalised_squared_error(silent, x, target)) == pytest.approx(1.0)


def test_depth_is_judged_by_its_size_in_decades_and_the_sign_of_the_test_counts() -> None:
    class Run:
        def __init__(self, nse: np.ndarray):
            frame = {"member": range(len(nse)), "examples": 1, "nse": nse}
            self.table = pd.DataFrame(frame)

    noise = np.random.default_rng(0).uniform(0.9, 1.1, 20)
    better = {"bp-3": Run(2 * noise), "bp-4": Run(noise[::-1])}
    worse = {"bp-3": Run(noise), "bp-4": Run(2 * noise[::-1])}
    for runs, size, p in ((better, -np.log10(2), "p = 2e-18 "), (worse, np.log10(2), "p = 1 ")):
        assert depth.decades(runs, "bp-4", "bp-3").mean() == pytest.approx(size)  # type: ignore[arg-type]
        assert depth.beside(runs, "bp").startswith(p)  # type: ignore[arg-type]
