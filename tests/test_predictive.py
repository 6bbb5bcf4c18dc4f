"""Predictive coding: where values settle, and that it is known where they do not."""

from typing import Any

import numpy as np
import pytest
import torch

from bioprop.book.records import make
from bioprop.learning import Streams, rule
from bioprop.learning.rules.predictive import settle
from bioprop.studies import get
from bioprop.studies.journal import Journal
from bioprop.studies.questions import predictive

STREAMS = Streams((3, 1, 4))


def presented(population: Any) -> tuple[Any, Any]:
    network = population(STREAMS)
    x = STREAMS.normal("data", (4, 5))
    return network, network.present(x, STREAMS.normal("teacher", (4, 3)))


def test_settled_values_are_where_the_energy_is_level(population: Any) -> None:
    network, trial = presented(population)
    found = settle(network, None, trial, 400, 0.2, 0.5)
    hidden = [x.clone().requires_grad_() for x in found.values[1:-1]]
    below = [found.values[0], *hidden]
    predicted = [
        network.functions[k].function(network.net_input(k, h)) for k, h in enumerate(below)
    ]
    missed = zip(hidden, predicted[:-1], strict=True)
    energy = sum(0.5 * (x - mu).square().sum() for x, mu in missed)
    energy = energy + 0.5 * network.losses(predicted[-1], trial.target).sum()
    slopes = torch.autograd.grad(energy, hidden)
    assert all(float(slope.abs().max()) < 1e-6 for slope in slopes)
    assert (found.unsettled < 1e-6).all()


@pytest.mark.parametrize("nudge", [0.01, 1.0])
def test_two_steps_leave_the_lower_of_two_hidden_layers_backprops_signal_times_speed_squared(
    population: Any, nudge: float
) -> None:
    network, trial = presented(population)
    assert len(network.layers) == 3
    exact = rule("bp").teach(network, None, trial)[0]
    found = settle(network, None, trial, 2, 0.2, nudge)
    torch.testing.assert_close(found.signals[0], 0.2**2 * nudge * exact)


def test_values_that_do_not_settle_are_known_by_their_changes(population: Any) -> None:
    network, trial = presented(population)
    assert (settle(network, None, trial, 3, 0.2, 0.5).unsettled > 1e-3).all()
    assert (settle(network, None, trial, 60, 3.0, 0.5).unsettled > 1e-1).all()


@pytest.mark.parametrize(("speed", "settles"), [(0.2, True), (3.0, False)])
def test_a_run_records_what_has_not_settled_and_no_angle_is_read_of_it(
    speed: float, settles: bool
) -> None:
    study, journal = get("predictive-coding"), Journal()
    settings = study.configure("smoke", "bp", speed=speed)
    study.run(settings, journal)
    run = make(study, "smoke", "bp", settings, journal)
    last = run.table[f"unsettled-{predictive.STEPS[-1]}"].to_numpy()
    assert (last < 0.01).all() if settles else (last > 0.01).all()
    angles = predictive.turn({"bp": run}, predictive.STEPS[-1], predictive.NUDGES[0])
    assert np.isfinite(angles).all() == settles and np.isnan(angles).all() != settles


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "1 step or more, not in 0"),
        ({"speed": 0.0}, "speed, .* is above 0"),
        ({"nudge": -1.0}, "nudge, .* is above 0"),
        ({"bound": -1.0}, "0 or more"),
    ],
)
def test_what_settles_nothing_is_refused(
    population: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        rule("pc", **options).init(population(STREAMS), STREAMS)
