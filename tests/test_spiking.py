"""Spiking units: their rates, their rests, their volleys, and what a presentation depends on."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bioprop.learning import Dense, Network, Streams, Training, rule, sgd
from bioprop.learning.spiking import Neurons, SpikingNetwork, signed_spikes
from bioprop.studies.lillicrap2014 import spiking

SIZES = (6, 8, 3)


def network(seeds: tuple[int, ...] = (0, 1, 2), **neurons: Any) -> SpikingNetwork:
    """Return a population of spiking networks with random weights."""
    streams = Streams(seeds)
    layers = [Dense(6, 8), Dense(8, 3)]
    weights = [streams.uniform("weights", x.weight_shape, 2.0, k) for k, x in enumerate(layers)]
    biases = [streams.uniform("weights", x.bias_shape, 1.0, k + 2) for k, x in enumerate(layers)]
    return SpikingNetwork(
        layers,
        ["logistic", "logistic"],
        weights,
        [*biases],
        "binary-cross-entropy",
        streams=streams,
        neurons=Neurons(**neurons),
    )


def batch(members: int = 3, examples: int = 4) -> tuple[Tensor, Tensor]:
    """Return inputs from 0 to 1 and targets of 0 and 1, the same for every member."""
    x = Streams((9,)).chances("data", (examples, 6)).expand(members, -1, -1)
    return x, torch.eye(3, dtype=x.dtype)[torch.arange(examples) % 3].expand(members, -1, -1)


def predicted(drive: Tensor, refractory: int) -> Tensor:
    """Return the rate of a stochastic unit with a constant drive, as a share of the largest."""
    p = torch.sigmoid(drive)
    return (1 + refractory) * p / (1 + refractory * p)


@pytest.mark.parametrize("refractory", [0, 1, 4])
def test_the_rate_of_a_unit_approaches_what_its_constant_drive_predicts(refractory: int) -> None:
    neurons = Neurons(steps=1000, settle=100, refractory=refractory)
    drive = torch.tensor([-3.0, -1.0, 0.0, 0.5, 2.0], dtype=torch.float64)
    chances = Streams((0,)).chances("spikes", (neurons.steps, 50, 5))
    activity = neurons.activity(neurons.spikes(drive.expand_as(chances), chances))
    assert torch.allclose(activity.mean((0, 1)), predicted(drive, refractory), atol=0.01)


@pytest.mark.parametrize("refractory", [0, 2])
def test_the_rates_of_a_long_presentation_are_those_of_a_network_of_rates(refractory: int) -> None:
    made = network(steps=3000, settle=300, decay=0.99, refractory=refractory)
    x = (batch()[0] > 0.5).double()  # inputs that do not fluctuate
    rates, expected = made.forward(x)[1:], x
    for found, W, bias in zip(rates, made.weights, made.biases, strict=True):
        expected = predicted(expected @ W + bias, refractory)
        assert torch.allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_no_unit_spikes_twice_within_its_refractory_period(threshold: float | None) -> None:
    made = network(steps=200, refractory=3, threshold=threshold)
    inputs, hidden, output = made.trains(batch()[0], "spikes")
    assert inputs.unfold(1, 4, 1).sum(-1).max() > 1, "inputs do not rest, so nothing is proved"
    for spikes in (hidden, output):
        windows = spikes.unfold(1, 4, 1).sum(-1)  # four steps in a row
        assert windows.max() == 1
        assert spikes.unfold(1, 5, 1).sum(-1).max() == 2


@pytest.mark.parametrize("settle, refractory", [(0, 0), (5, 2), (4, 4), (5, 3)])
def test_the_fastest_unit_has_an_activity_of_exactly_one(settle: int, refractory: int) -> None:
    neurons = Neurons(settle=settle, refractory=refractory, decay=0.0)
    drive = torch.full((1, neurons.steps - settle, 1, 1), 50.0)
    drive = torch.cat([torch.full((1, settle, 1, 1), -50.0), drive], 1)
    assert neurons.activity(neurons.spikes(drive, torch.full_like(drive, 0.5))).item() == 1.0


def test_a_fixed_threshold_needs_no_chance_and_restarts_the_membrane() -> None:
    neurons = Neurons(steps=12, settle=0, decay=0.5, threshold=1.0)
    drive = torch.tensor([0.9, 1.5, 2.1]).expand(1, 12, 1, 3)
    first, second = (neurons.spikes(drive, torch.full_like(drive, c)) for c in (0.0, 1.0))
    assert torch.equal(first, second)
    # v after n steps is (1 - 0.5^n) drive: never above 1, above 1 at the second, at the first.
    assert first.sum(1).flatten().tolist() == [0.0, 6.0, 12.0]


@pytest.mark.parametrize("silenced", [0.0, 0.5])
def test_a_presentation_is_a_function_of_the_step(silenced: float) -> None:
    made, (x, target) = network(silenced=silenced), batch()
    first, other, again = (made.present(x, target, step) for step in (7, 8, 7))
    for a, b, c in zip(first.activities, other.activities, again.activities, strict=True):
        assert torch.equal(a, c) and not torch.equal(a, b)
    assert torch.equal(first.error, again.error) and not torch.equal(first.error, other.error)
    assert torch.equal(made.forward(x)[-1], made.forward(x)[-1])


@pytest.mark.parametrize("name", ["bp", "fa", "dfa"])
def test_a_member_learns_the_same_alone_as_among_others(name: str) -> None:
    def learnt(seeds: tuple[int, ...]) -> Network:
        made = network(seeds, silenced=0.2)
        data = batch(len(seeds))
        Training(made, rule(name), sgd(0.3), lambda step: data, made.streams).until(20)
        return made

    many, one = learnt((0, 1, 2)), learnt((1,))
    for among, alone in zip(many.weights, one.weights, strict=True):
        assert torch.allclose(among[1:2], alone, atol=1e-12)
    assert not torch.allclose(many.weights[0][1:2], network((1,)).weights[0], atol=0.01)


def test_the_spikes_of_a_volley_have_the_error_as_their_mean() -> None:
    e = torch.tensor([-1.0, -0.3, 0.0, 0.05, 0.8, 1.0], dtype=torch.float64)
    volleys = signed_spikes(e.expand(1, 20_000, 6), Streams((0,)).chances("volley", (20_000, 6)))
    assert set(volleys.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert torch.allclose(volleys.mean(1), e, atol=0.015)


def test_a_graded_volley_is_the_error_and_spikes_are_drawn_from_it() -> None:
    x, target = batch()
    graded = network(volley="graded").present(x, target, 3)
    spikes = network().present(x, target, 3)
    assert torch.equal(graded.error, graded.activities[-1] - target)
    assert torch.equal(spikes.activities[-1], graded.activities[-1])
    assert set(spikes.error.unique().tolist()) <= {-1.0, 0.0, 1.0}
    assert (spikes.error * graded.error >= 0).all()


def test_a_silenced_unit_neither_spikes_nor_learns_and_none_is_silenced_in_a_test() -> None:
    made, (x, target) = network(silenced=0.5), batch()
    kept = made.not_silenced(x, 2)[0]
    assert 0.2 < kept.mean() < 0.8
    trial = made.present(x, target, 2)
    assert (trial.activities[1][kept == 0] == 0).all()
    assert (trial.activities[1][kept == 1] > 0).any()
    delta = rule("bp").teach(made, None, trial)[0]
    assert delta is not None and (delta[kept == 0] == 0).all()
    assert torch.equal(made.forward(x)[1], network().forward(x)[1])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown volley": ({"volley": "spike"}, "no kind of volley 'spike'.*Did you mean 'spikes'"),
    "nothing to count": ({"settle": 20}, "settle must be 0 or more and below the number of steps"),
    "a growing membrane": ({"decay": 1.0}, "decay must be 0 or more and below 1, not 1.0"),
    "a negative rest": ({"refractory": -1}, "refractory must be 0 or more, not -1"),
    "a threshold below rest": ({"threshold": -1.0}, "threshold must be above 0, or None, not -1.0"),
    "all silenced": ({"silenced": 1.0}, "silenced must be 0 or more and below 1, not 1.0"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD)
def test_values_that_no_unit_can_have_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Neurons(**given)


def test_other_units_than_logistic_ones_are_refused() -> None:
    made = network()
    with pytest.raises(ValueError, match="spiking units are logistic, not tanh"):
        SpikingNetwork(made.layers, ["tanh", "linear"], made.weights, streams=made.streams)


def test_the_study_refuses_bad_settings_by_name() -> None:
    with pytest.raises(ValueError, match="volley"):
        spiking.STUDY.configure("smoke", "fa", volley="spike")
    with pytest.raises(ValueError, match=r"settle must be .* below the number of steps"):
        spiking.STUDY.configure("smoke", "fa", settle=30)


def test_the_angle_is_that_of_the_mean_volley_and_leaves_out_what_has_no_error() -> None:
    settings = spiking.STUDY.configure("smoke", "fa")
    training, task, made = spiking.build(settings)
    x, target = task(0)
    found = spiking.signal_angle(training, x, target)
    assert found.shape == (3,) and (found > 0).all() and (found < 180).all()
    training.state[0].copy_(made.weights[1].mT)
    assert torch.allclose(spiking.signal_angle(training, x, target), torch.zeros(3).double())
    trial = made.present(x, target)
    silent = spiking.signal_angle(training, x, trial.activities[-1])
    assert silent.isnan().all(), "without an error there is no angle"


def test_a_network_that_has_diverged_is_not_taken_for_a_silent_one() -> None:
    drive = torch.full((1, 20, 1, 3), torch.nan)
    for neurons in (Neurons(), Neurons(threshold=1.0), Neurons(refractory=2)):
        assert neurons.activity(neurons.spikes(drive, torch.rand(1, 20, 1, 3))).isnan().all()
