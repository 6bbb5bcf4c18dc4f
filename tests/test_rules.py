"""What holds for every learning rule, whichever it is."""

import inspect
import math
import re
from typing import Any

import pytest
import torch
from conftest import OPTIONS as SHARED
from conftest import SEEDS

from bioprop.learning import RULES, Optimiser, Streams, adam, angle, rule, sgd
from bioprop.learning.rules import isoclinic, pseudoinverse
from bioprop.learning.rules.base import Bound


def test_a_rule_is_called_by_the_name_it_bears(training: Any, name: str) -> None:
    assert training(name).rule.name == name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_step_changes_the_output_weights_to_finite_values(
    training: Any, parameters: Any, name: str, dtype: torch.dtype
) -> None:
    made = training(name, dtype=dtype)
    before = [p.clone() for p in parameters(made)]
    made.until(1)
    assert all(p.isfinite().all() and p.dtype == dtype for p in parameters(made))
    changed = [not torch.equal(p, q) for p, q in zip(before, parameters(made), strict=True)]
    taught = name != "shallow"  # whose hidden layers stay as they are
    assert changed == [taught, taught, True, taught, taught, True]


def test_a_signal_has_the_shape_of_the_activity_it_teaches(
    training: Any, case: tuple[str, str]
) -> None:
    made = training(case[0], kind=case[1])
    trial = made.network.present(*made.batches(0))
    deltas = made.rule.teach(made.network, made.state, trial)
    assert len(deltas) == 3
    for delta, h in zip(deltas, trial.activities[1:], strict=True):
        assert delta is None or delta.shape == h.shape
    if case[0] not in ("generec", "chl", "pc"):
        assert torch.equal(deltas[-1], trial.error)  # no other rule teaches the output otherwise


def test_learning_lowers_the_error_of_every_member(training: Any, case: tuple[str, str]) -> None:
    made = training(case[0], rate=0.05, kind=case[1])
    shown = [made.batches(step) for step in range(1000, 1010)]

    def error() -> torch.Tensor:
        losses = [made.network.losses(made.network.forward(x)[-1], y) for x, y in shown]
        return torch.cat(losses, 1).mean(1)

    before = error()
    made.until(200)
    assert (error() < 0.8 * before).all()


def test_a_single_layer_is_taught_by_the_error_whatever_the_rule(training: Any, name: str) -> None:
    if name.endswith("tp") or name == "chl":
        return  # needs a hidden layer, as test_targets.py sees; has two products, so other bits
    made, backprop = (training(each, sizes=(5, 3)) for each in (name, "bp"))
    for each in (made, backprop):
        each.until(3)
    assert all(map(torch.equal, made.network.weights, backprop.network.weights))


@pytest.mark.parametrize("fixed", ["fa", "rotated-fixed"])
def test_fixed_feedback_weights_are_never_changed(training: Any, fixed: str) -> None:
    made = training(fixed)
    before = [B.clone() for B in made.state]
    made.until(20)
    assert all(map(torch.equal, before, made.state))
    shapes = [layer.feedback_shape for layer in made.network.layers[1:]]
    assert [tuple(B.shape[1:]) for B in made.state] == shapes


@pytest.mark.parametrize("bound", [0.5, 0.01])
def test_feedback_weights_fill_their_range(training: Any, bound: float) -> None:
    for B in training("fa", options={"bound": bound}, sizes=(3, 40, 40, 3)).state:
        assert 0.95 * bound < B.abs().max() < bound


@pytest.mark.parametrize("drawn", ["fa", "rotated"])
def test_layers_of_one_shape_get_feedback_of_their_own(training: Any, drawn: str) -> None:
    first, second = training(drawn, sizes=(5, 6, 6, 6)).state
    assert first.shape == second.shape and not torch.equal(first, second)


def test_rotated_feedback_starts_at_its_angle_and_gain_to_the_weights(training: Any) -> None:
    made = training("rotated-fixed", options={"degrees": 70.0, "gain": 50.0})
    for B, W in zip(made.state, made.network.weights[1:], strict=True):
        torch.testing.assert_close(B.norm(dim=-1), 50 * W.norm(dim=1))
        torch.testing.assert_close(angle(B, W.mT), torch.full_like(B[..., 0], 70.0))


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 180.0])
def test_an_isoclinic_rotation_turns_every_vector_by_its_angle(degrees: float) -> None:
    streams = Streams((0, 1))
    R = isoclinic(8, degrees, streams)
    torch.testing.assert_close(R @ R.mT, torch.eye(8).double().expand(2, 8, 8))
    v = streams.normal("probe", (50, 8))
    torch.testing.assert_close(angle(v @ R, v), torch.full((2, 50), degrees).double())


# Names


@pytest.mark.parametrize(
    ("given", "meant"),
    [("shalow", "shallow"), ("rotate", "rotated"), ("rotated-fix", "rotated-fixed"), ("bpp", "bp")],
)
def test_an_unknown_rule_is_refused_with_the_nearest_name(given: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"'{given}'.*Did you mean '{meant}'") as error:
        rule(given)
    assert ", ".join(RULES) in str(error.value)


def test_an_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}'.*'strength'"):
        rule(name, strength=1.0)


def test_the_options_of_a_rule_are_named_where_another_is_given() -> None:
    with pytest.raises(ValueError, match=r"'step'; its options: alpha, sigma, loss, linear, opt"):
        rule("dtp", step=1.0)
    with pytest.raises(ValueError, match="its options: none"):
        rule("bp", bound=1.0)


@pytest.mark.parametrize("turned", ["rotated", "rotated-fixed"])
def test_a_missing_option_is_asked_for_by_name(turned: str) -> None:
    with pytest.raises(ValueError, match=f"'{turned}'.*'degrees'"):
        rule(turned)


# Divergence


@pytest.mark.parametrize("value", [math.inf, math.nan, 1e200], ids=str)
def test_a_diverged_member_leaves_the_others_as_they_were(
    training: Any, parameters: Any, case: tuple[str, str], value: float
) -> None:
    name, kind = case
    sound, harmed = training(name, kind=kind), training(name, kind=kind)
    for p in parameters(harmed):
        p[1] = value
    for made in (sound, harmed):
        made.until(5)
    for ours, theirs in zip(parameters(harmed), parameters(sound), strict=True):
        assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[2], theirs[2])


@pytest.mark.parametrize("optimiser", [sgd(0.1, momentum=0.9), adam(0.01)])
def test_no_optimiser_lets_a_diverged_member_disturb_the_others(
    training: Any, parameters: Any, optimiser: Optimiser
) -> None:
    sound, harmed = (training("bp", optimiser=optimiser) for _ in range(2))
    for p in parameters(harmed):
        p[1] = math.nan
    for made in (sound, harmed):
        made.until(5)
    for ours, theirs in zip(parameters(harmed), parameters(sound), strict=True):
        assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[2], theirs[2])


def test_a_member_may_diverge_while_the_others_learn(
    training: Any, parameters: Any, name: str
) -> None:
    each = Streams(SEEDS).each
    tame = training(name, rate=each((0.01, 0.01, 0.01)), hidden="linear")
    wild = training(name, rate=each((0.01, 1e3, 0.01)), hidden="linear")
    for made in (wild, tame):
        made.until(200)
    assert not wild.network.weights[-1][1].isfinite().any()
    assert all(p.isfinite().all() for p in parameters(tame))
    for ours, theirs in zip(parameters(wild), parameters(tame), strict=True):
        assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[2], theirs[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_pseudoinverse_of_a_diverged_member_is_0_and_the_others_are_exact(
    value: float, dtype: torch.dtype
) -> None:
    W = Streams((0, 1, 2), dtype).normal("weights", (6, 4))
    W[1, 2, 3] = value
    inverse = pseudoinverse(W)
    assert (inverse[1] == 0).all()
    for m in (0, 2):
        torch.testing.assert_close(inverse[m] @ W[m], torch.eye(4, dtype=dtype))


# A channel that loses nothing has no use for an amount.
OTHERS = SHARED | {"channel": {"channel": "tanh"}}
# Every option of a rule that may differ from member to member, with a value for each of three.
OPTIONS = {
    ("fa", "bound"): (0.2, 0.5, 1.0),
    ("fa", "removed"): (0.0, 0.3, 0.6),
    ("fa-redrawn", "bound"): (0.2, 0.5, 1.0),
    ("dfa", "bound"): (0.2, 0.5, 1.0),
    ("np", "sigma"): (0.1, 0.2, 0.3),
    ("ss", "gain"): (0.5, 1.0, 2.0),
    ("ss-fixed", "gain"): (0.5, 1.0, 2.0),
    ("ss-redrawn", "gain"): (0.5, 1.0, 2.0),
    ("kp", "bound"): (0.2, 0.5, 1.0),
    ("wm", "rate"): (0.01, 0.02, 0.03),
    ("wm", "decay"): (0.01, 0.02, 0.03),
    ("wm", "bound"): (0.2, 0.5, 1.0),
    ("tp", "alpha"): (0.1, 0.2, 0.3),
    ("tp", "sigma"): (0.1, 0.2, 0.3),
    ("dtp", "alpha"): (0.1, 0.2, 0.3),
    ("dtp", "sigma"): (0.1, 0.2, 0.3),
    ("sdtp", "step"): (0.1, 0.5, 1.0),
    ("sdtp", "sigma"): (0.1, 0.2, 0.3),
    ("ao-sdtp", "gain"): (0.5, 1.0, 2.0),
    ("ao-sdtp", "step"): (0.1, 0.5, 1.0),
    ("ao-sdtp", "sigma"): (0.1, 0.2, 0.3),
    ("generec", "gain"): (0.1, 0.2, 0.3),
    ("generec", "bound"): (0.2, 0.5, 1.0),
    ("chl", "gain"): (0.1, 0.2, 0.3),
    ("chl", "bound"): (0.2, 0.5, 1.0),
    ("channel", "amount"): (0.5, 1.0, 2.0),
    ("channel", "bound"): (0.2, 0.5, 1.0),
    ("pc", "nudge"): (0.02, 0.05, 0.1),
    ("pc", "bound"): (0.2, 0.5, 1.0),
    ("rotated", "degrees"): (10.0, 40.0, 80.0),
    ("rotated-fixed", "degrees"): (10.0, 40.0, 80.0),
    ("rotated-fixed", "gain"): (0.5, 1.0, 2.0),
}
WIDTHS = (6, 4, 3, 3)  # as many units as members where one might be taken for the other


def test_the_table_has_every_option_that_may_differ_from_member_to_member() -> None:
    numbers = {
        (name, option)
        for name, make in RULES.items()
        for option, given in inspect.signature(make).parameters.items()
        if "Tensor" in str(given.annotation) or given.annotation is Bound
    }
    assert numbers == set(OPTIONS)


@pytest.mark.parametrize("case", OPTIONS, ids="-".join)
def test_an_option_is_one_number_for_each_member_in_any_shape(
    training: Any, case: tuple[str, str]
) -> None:
    name, option = case
    flat = torch.tensor(OPTIONS[case], dtype=torch.float64)
    sizes = (6, 4, 4, 3) if "rotated" in name else WIDTHS  # an even number of hidden units
    made = [
        training(name, sizes=sizes, options=OTHERS.get(name, {}) | {option: value})
        for value in (flat, Streams(SEEDS).each(OPTIONS[case]))
    ]
    for each in made:
        each.until(5)
    assert all(map(torch.equal, made[0].network.weights, made[1].network.weights))
    for member, seed in enumerate(SEEDS):
        options = OTHERS.get(name, {}) | {option: OPTIONS[case][member]}
        alone = training(name, (seed,), sizes=sizes, options=options)
        alone.until(5)
        for W, w in zip(made[0].network.weights, alone.network.weights, strict=True):
            assert torch.allclose(W[member], w[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", OPTIONS, ids="-".join)
def test_an_option_with_a_value_for_each_unit_is_refused(
    training: Any, case: tuple[str, str]
) -> None:
    wrong = torch.tensor(OPTIONS[case], dtype=torch.float64).view(1, 1, 3)
    sizes = (6, 4, 4, 3) if "rotated" in case[0] else WIDTHS
    with pytest.raises(ValueError, match=r"shape \(1, 1, 3\) given where each member has one"):
        training(case[0], sizes=sizes, options=OTHERS.get(case[0], {}) | {case[1]: wrong}).until(1)


@pytest.mark.parametrize("rule_name", RULES)
def test_a_rule_names_the_paper_it_is_from(rule_name: str) -> None:
    said = inspect.getdoc(RULES[rule_name]) or ""
    assert re.search(r"[A-Z]\w+ .*\b(19|20)\d\d\b|\(ours\)", said), said
