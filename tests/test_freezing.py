"""Schedules of learning: which layers learn, and what their signals do."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from conftest import KINDS
from test_equivalences import STREAMS, presentation, same, trained

from bioprop.learning import Network, rule, sgd
from bioprop.learning.rules import above, in_turn
from bioprop.studies.lillicrap2014 import freezing
from bioprop.studies.lillicrap2014.freezing import STUDY

ALL = ((0, 1, 2),)


def weights_after(network: Network, name: str, turns: Any, count: int = 4) -> list[list]:
    """The weights of a population before and after each of some steps of one batch."""
    teaching = in_turn(rule(name), turns)
    state, (x, target) = teaching.init(network, STREAMS), presentation(network)
    kept = [[W.clone() for W in network.weights]]
    for step in range(count):
        trial = network.present(x, target, step)
        sgd(0.1, decay=0.01).update(network, None, trial, teaching.teach(network, state, trial))
        kept.append([W.clone() for W in network.weights])
    return kept


@pytest.mark.parametrize("name", ["bp", "fa", "dfa", "wm"])
def test_with_all_layers_in_one_turn_a_rule_is_itself(
    training: Any, parameters: Any, name: str
) -> None:
    plain, scheduled = training(name), training(name)
    scheduled.rule = in_turn(scheduled.rule, ALL, 3)
    same(parameters(trained(scheduled)), parameters(trained(plain)))


@pytest.mark.parametrize("compute", [None, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["bp", "fa", "dfa", "kp", "wm", "sdtp"])
def test_above_some_layers_a_rule_teaches_as_it_would_teach_a_network_of_the_others(
    training: Any, parameters: Any, name: str, kind: str, compute: Any
) -> None:
    options = {"kind": kind, "compute": compute}
    whole = training(name, dtype=torch.float32, **options)
    whole = replace(whole, rule=above(whole.rule, 1))
    upper, still = whole.network, [whole.network.weights[0].clone()]
    parts = [list(part[1:]) for part in (upper.layers, upper.activations)]
    copies = [[p.clone() for p in part[1:]] for part in (upper.weights, upper.biases)]
    alone = replace(
        whole,
        network=Network(*parts, *copies, loss=upper.loss),  # type: ignore[arg-type]
        rule=training(name, dtype=torch.float32, **options).rule,
        batches=lambda step: (upper.propagate(0, whole.batches(step)[0]), whole.batches(step)[1]),
    )
    trained(whole)
    same(parameters(trained(alone)), [*upper.weights[1:], *upper.biases[1:]])
    same(upper.weights[:1], still)
    for lowest in (-1, 3):
        with pytest.raises(ValueError, match=f"layers from {lowest} up are to learn, but"):
            above(whole.rule, lowest).init(upper, whole.streams)


@pytest.mark.parametrize("name", ["bp", "fa"])
def test_with_the_output_alone_every_rule_is_shallow(
    training: Any, parameters: Any, name: str
) -> None:
    shallow, scheduled = training("shallow"), training(name)
    scheduled.rule = in_turn(scheduled.rule, ((2,),))
    same(parameters(trained(scheduled)), parameters(trained(shallow)))


def test_each_turn_changes_the_weights_of_its_layers_and_no_other(population: Any) -> None:
    kept = weights_after(population(STREAMS), "bp", ((0,), (1, 2), ()), 4)
    for step, turn in enumerate([(0,), (1, 2), (), (0,)]):
        pairs = zip(kept[step], kept[step + 1], strict=True)
        changed = tuple(layer for layer, (a, b) in enumerate(pairs) if not torch.equal(a, b))
        assert changed == turn


def test_a_turn_lasts_as_many_steps_as_it_is_given(population: Any) -> None:
    network = population(STREAMS)
    teaching, (x, target) = in_turn(rule("bp"), ((0,), (2,)), 2), presentation(network)
    taught = [teaching.teach(network, None, network.present(x, target, n)) for n in range(5)]
    assert [[i for i, d in enumerate(each) if d is not None] for each in taught] == [
        [0], [0], [2], [2], [0],
    ]  # fmt: skip


def test_feedback_weights_that_learn_are_frozen_with_their_layer(training: Any) -> None:
    made = training("kp")
    before = [B.clone() for B in made.state["B"]]
    made.rule = in_turn(made.rule, ((0, 2),))
    after = trained(made).state["B"]
    assert torch.equal(after[0], before[0]) and not torch.equal(after[1], before[1])


@pytest.mark.parametrize("frozen", [0, 1])
def test_turning_round_the_signal_of_a_frozen_layer_changes_nothing_that_learns(
    population: Any, frozen: int
) -> None:
    # Feedback into and out of the frozen layer changes sign. So the signal there is as often
    # at more than 90 degrees to backpropagation's as at less.
    turns = (tuple({0, 1, 2} - {frozen}),)
    network, (x, target) = population(STREAMS), presentation(population(STREAMS))
    teaching = in_turn(rule("fa"), turns)
    state = teaching.init(network, STREAMS)
    turned = [-B if layer in (frozen, frozen - 1) else B for layer, B in enumerate(state)]
    trial = network.present(x, target)
    deltas = [teaching.teach(network, B, trial) for B in (state, turned)]
    for layer, (one, other) in enumerate(zip(*deltas, strict=True)):
        assert (one is None) == (other is None) == (layer == frozen)
        if one is not None and other is not None:
            same([one], [other])
    unscheduled = rule("fa")
    signals = [unscheduled.teach(network, B, trial)[frozen] for B in (state, turned)]
    assert torch.equal(signals[0], -signals[1]) and (signals[0] != 0).any()


def test_a_layer_that_is_not_there_is_refused_by_number(population: Any) -> None:
    with pytest.raises(ValueError, match=r"layer 3 is to learn, but .* layers are 0 to 2"):
        in_turn(rule("fa"), ((0,), (2, 3))).init(population(STREAMS), STREAMS)


@pytest.mark.parametrize(("turns", "steps"), [((), 1), (ALL, 0)])
def test_no_turn_and_no_step_are_refused(turns: Any, steps: int) -> None:
    with pytest.raises(ValueError, match="teach nothing"):
        in_turn(rule("fa"), turns, steps)


@pytest.mark.parametrize("turns", [("0",), ("a",), ("",)])
def test_turns_that_name_no_layer_are_refused_by_name(turns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="setting turns"):
        STUDY.configure("smoke", "fa-together", turns=turns)


def test_all_rules_and_schedules_share_their_network_and_differ_in_what_learns() -> None:
    for name in STUDY.variants:
        settings = STUDY.configure("paper", name)
        assert settings.hidden == (200, 200, 200)
        assert settings.examples % (settings.batch * settings.cycles * len(settings.turns)) == 0
        assert settings.rate == {"fa": 0.0025, "bp": 0.005}[settings.rule]


class Ended:
    """A run of which only the end is known: the same values for two members."""

    def __init__(self, **values: float):
        self.table = pd.DataFrame({"member": range(2), "examples": 1, **values})


def test_the_gain_of_each_schedule_is_that_over_the_output_alone() -> None:
    runs: Any = {"fa-output": Ended(error=9.0), "fa-a": Ended(error=3.0), "fa-b": Ended(error=4.0)}
    assert freezing.gained(runs, ("a", "b")).tolist() == [[6.0, 6.0], [5.0, 5.0]]


def test_angles_are_told_apart_by_whether_their_layer_learns() -> None:
    runs: Any = {
        f"fa-without-{k}": Ended(**{f"angle-{i}": 90.0 if i == k else 50.0 + i for i in (1, 2, 3)})
        for k in (1, 2, 3)
    }
    assert freezing.frozen_angles(runs).tolist() == [[90.0, 90.0]] * 3
    learning = freezing.learning_angles(runs)
    assert learning.shape == (6, 2) and set(learning.flat) == {51.0, 52.0, 53.0}


def test_what_turns_cost_is_compared_between_the_rules() -> None:
    errors = {"fa-upwards": 9.0, "fa-together": 3.0, "bp-upwards": 4.0, "bp-together": 2.0}
    runs: Any = {name: Ended(error=error) for name, error in errors.items()}
    assert freezing.long_turns(runs).tolist() == [4.0, 4.0]
