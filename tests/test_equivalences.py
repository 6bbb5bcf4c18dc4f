"""Tables of equivalences: what must equal what, in float64.

Autograd appears only here, as a second opinion that shares no code with the library.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import KINDS, SEEDS
from torch import Tensor
from torch.nn import functional as F

from bioprop.learning import (
    ACTIVATIONS,
    LOSSES,
    Dense,
    Network,
    Streams,
    Training,
    Trial,
    adam,
    angle,
    rule,
    sgd,
)
from bioprop.learning.memory import tensors
from bioprop.learning.rules import carry_back, continuous_time, transposes
from bioprop.learning.rules.alignment import redrawn
from bioprop.learning.rules.channels import CHANNELS
from bioprop.learning.rules.contrastive import phases

STREAMS = Streams(SEEDS)
STEPS = 50
RATES = (0.02, 0.05, 0.1)  # one for each member
OPTIMISERS = {
    "sgd": sgd(0.1, decay=1e-3),
    "momentum": sgd(0.05, decay=1e-3, momentum=0.9),
    "adam": adam(0.01, decay=1e-3),
}
close = {"rtol": 0.0, "atol": 1e-10}
closer = {"rtol": 0.0, "atol": 1e-12}

# From the library's own tables, so that a new activation or loss is tested from its first day.
HIDDEN = [a.name for a in ACTIVATIONS.values() if a.times_slope is not None]
PAIRS = [(output, loss.name) for loss in LOSSES.values() for output in loss.outputs]
SIZES = [(5, 6, 3), (5, 6, 4, 3), (5, 6, 4, 7, 3)]

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": torch.nn.Identity(),
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "relu": torch.relu,
}


def objective(output: str, loss: str, a: Tensor, target: Tensor) -> Tensor:
    """The loss of each example by PyTorch, from the input ``a`` of the output units."""
    if loss == "cross-entropy":
        return F.cross_entropy(a.movedim(-1, 1), target.movedim(-1, 1), reduction="none")
    if loss == "binary-cross-entropy":
        return F.binary_cross_entropy_with_logits(a, target, reduction="none").sum(-1)
    return F.mse_loss(FUNCTIONS[output](a), target, reduction="none").sum(-1) / 2


def inputs_of_units(parameters: list[tuple[Tensor, Tensor]], hidden: str, x: Tensor) -> list:
    """The input of every layer's units, by einsum, from pairs of weights and biases."""
    h, units = x, []
    for W, b in parameters:
        a = torch.einsum("...bi,...io->...bo", h, W) + b
        units.append(a)
        h = FUNCTIONS[hidden](a)
    return units


def autograd(network: Network, hidden: str, x: Tensor, target: Tensor) -> tuple[Any, Any, Any]:
    """Deltas, weight gradients and bias gradients of the loss summed over examples."""
    weights = [W.clone().requires_grad_() for W in network.weights]
    biases = [
        torch.zeros_like(W[:, :1]).requires_grad_() if b is None else b.clone().requires_grad_()
        for W, b in zip(weights, network.biases, strict=True)
    ]
    units = inputs_of_units(list(zip(weights, biases, strict=True)), hidden, x)
    loss = objective(network.activations[-1], network.loss, units[-1], target).sum()
    gradients = torch.autograd.grad(loss, [*units, *weights, *biases])
    n = len(units)
    return gradients[:n], gradients[n : 2 * n], gradients[2 * n :]


def presentation(network: Network, batch: int = 4) -> tuple[Tensor, Tensor]:
    """Inputs and targets; each row of targets sums to one, so it suits every loss."""
    x = STREAMS.normal("data", (batch, network.layers[0].inputs))
    return x, torch.softmax(STREAMS.normal("teacher", (batch, network.layers[-1].outputs)), -1)


def signals(name: str, network: Network, trial: Trial, state: Any = None, **options: Any) -> Any:
    """The teaching signals of a rule, with its own initial state unless one is given."""
    teaching = rule(name, **options)
    return teaching.teach(network, state or teaching.init(network, STREAMS), trial)


def steps_of(network: Network, trial: Trial, deltas: Any) -> tuple[list[Tensor], list[Tensor]]:
    """By how much a step of the gradient, summed over examples, lowers weights and biases."""
    lists = network.weights, [b for b in network.biases if b is not None]
    before = [[p.clone() for p in each] for each in lists]
    sgd(rate=float(trial.target.shape[1])).update(network, None, trial, deltas)
    pairs = [zip(old, new, strict=True) for old, new in zip(before, lists, strict=True)]
    weights, biases = ([old - new for old, new in pair] for pair in pairs)
    return weights, biases


def same(ours: Any, theirs: Any, **tolerance: float) -> None:
    """Assert that two lists of tensors agree, bit for bit unless a tolerance is given."""
    tolerance = tolerance or {"rtol": 0.0, "atol": 0.0}
    torch.testing.assert_close(list(ours), list(theirs), **tolerance)


# Gradients


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_losses_equal_those_of_pytorch(population: Any, output: str, loss: str) -> None:
    network = population(STREAMS, output=output, loss=loss)
    x, target = presentation(network)
    pairs = list(zip(network.weights, network.biases, strict=True))
    a = inputs_of_units(pairs, "tanh", x)[-1]
    ours = network.losses(network.forward(x)[-1], target)
    same([ours], [objective(output, loss, a, target)], **close)


@pytest.mark.parametrize("biases", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: f"{len(sizes) - 2} hidden")
@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_backprop_equals_autograd(
    population: Any, hidden: str, output: str, loss: str, sizes: tuple[int, ...], biases: bool
) -> None:
    network = population(STREAMS, sizes, hidden, output, loss, biases)
    x, target = presentation(network)
    deltas, weight_gradients, bias_gradients = autograd(network, hidden, x, target)

    trial = network.present(x, target)
    ours = signals("bp", network, trial)
    same(ours, deltas, **close)

    changes = steps_of(network, trial, ours)
    same(changes[0], weight_gradients, **close)
    if biases:
        same(changes[1], bias_gradients, **close)


def test_sgd_with_a_rate_for_each_member_equals_torch_sgd_on_the_mean_loss(population: Any) -> None:
    network = population(STREAMS, output="softmax", loss="cross-entropy")
    x, target = presentation(network)
    pairs = list(zip(network.weights, network.biases, strict=True))
    theirs = [[(W[m].clone(), b[m].clone()) for W, b in pairs] for m in range(len(SEEDS))]
    optimiser = sgd(STREAMS.each(RATES))
    for _ in range(3):
        trial = network.present(x, target)
        optimiser.update(network, None, trial, signals("bp", network, trial))

    for m, (parameters, rate) in enumerate(zip(theirs, RATES, strict=True)):
        flat = [p.requires_grad_() for p in itertools.chain(*parameters)]
        torch_sgd = torch.optim.SGD(flat, lr=rate)
        for _ in range(3):
            torch_sgd.zero_grad()
            a = inputs_of_units(parameters, "tanh", x[m])[-1]
            F.cross_entropy(a, target[m]).backward()
            torch_sgd.step()
        ours = itertools.chain(*zip(network.weights, network.biases, strict=True))
        same([p[m] for p in ours], [p.detach() for p in flat], **close)


# Rules against backprop


@pytest.mark.parametrize("sizes", SIZES)
def test_feedback_alignment_with_transposed_weights_equals_backprop(
    population: Any, sizes: tuple[int, ...]
) -> None:
    network = population(STREAMS, sizes)
    trial = network.present(*presentation(network))
    transposed = [W.transpose(1, 2).clone() for W in network.weights[1:]]
    ours = signals("fa", network, trial, state=transposed)
    same(ours, signals("bp", network, trial), **close)


@pytest.mark.parametrize("kind", KINDS)
def test_rules_with_the_right_feedback_weights_are_backprop(population: Any, kind: str) -> None:
    network = population(STREAMS, kind=kind)
    trial = network.present(*presentation(network))
    backprop = signals("bp", network, trial)
    B = [W.clone() for W in transposes(network)]
    for name in ("kp", "wm"):
        options = {"optimiser": sgd(0.1)} if name == "kp" else {}
        same(signals(name, network, trial, {"B": B}, **options), backprop, **close)
    same(signals("fa", network, trial, B), backprop, **close)
    same(signals("ss", network, trial, [b.abs() for b in B]), backprop, **close)
    same(signals("ss-fixed", network, trial, [b.abs() for b in B]), backprop, **close)
    for name in ("rotated", "rotated-fixed"):
        same(signals(name, network, trial, degrees=0.0), backprop, **close)


@pytest.mark.parametrize("kind", KINDS)
def test_feedback_drawn_anew_is_feedback_alignment_with_another_b_for_every_batch(
    population: Any, kind: str
) -> None:
    network = population(STREAMS, kind=kind)
    trials = [network.present(*presentation(network), step) for step in (0, 1, 0)]
    teaching = rule("fa-redrawn", bound=0.3)
    numbers = teaching.init(network, STREAMS)
    drawn = [redrawn(network, numbers[trial.step], 0.3) for trial in trials]
    for trial, B in zip(trials, drawn, strict=True):
        same(teaching.teach(network, numbers, trial), signals("fa", network, trial, B))
    same(drawn[0], drawn[2])
    for layer, one, other in zip(network.layers[1:], *drawn[:2], strict=True):
        assert tuple(one.shape[1:]) == layer.feedback_shape and (one != other).all()


def test_feedback_drawn_anew_fills_its_range_evenly(population: Any) -> None:
    network = population(STREAMS, (3, 40, 40, 3))
    B = redrawn(network, STREAMS.normal("noise", (40 * 40 + 40 * 3,)), 0.5)[0]
    assert 0.49 < float(B.abs().max()) < 0.5
    assert float(B.mean()) == pytest.approx(0, abs=0.02)
    assert float(B.std()) == pytest.approx(0.5 / 3**0.5, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_direct_feedback_with_one_hidden_layer_is_feedback_alignment(
    population: Any, kind: str
) -> None:
    whole = population(STREAMS, kind=kind)
    hidden, output = whole.layers[0], Dense(whole.layers[0].outputs, 3)
    weights = [whole.weights[0], STREAMS.normal("weights", output.weight_shape)]
    network = Network([hidden, output], ["tanh", "linear"], weights)
    trial = network.present(*presentation(network))
    same(signals("dfa", network, trial), signals("fa", network, trial))


@pytest.mark.parametrize("kind", KINDS)
def test_direct_feedback_carries_the_error_itself(population: Any, kind: str) -> None:
    network = population(STREAMS, kind=kind)
    trial = network.present(*presentation(network))
    B = rule("dfa").init(network, STREAMS)
    for index, h in enumerate(trial.activities[1:-1]):
        carried = torch.einsum("mbo,moi->mbi", trial.error, B[index])
        same([signals("dfa", network, trial)[index]], [carried * (1 - h * h)], **close)
    assert not torch.equal(B[0][:, :1, :1], B[1][:, :1, :1])  # each layer has its own


@pytest.mark.parametrize("kind", KINDS)
def test_the_signs_are_those_of_the_weights_and_the_sizes_those_of_the_official_code(
    population: Any, kind: str
) -> None:
    network = population(STREAMS, kind=kind)
    trial = network.present(*presentation(network))
    scale = {
        "dense": (6**-0.5, 4**-0.5),
        "local": ((2 / (1 * 2 * 2)) ** 0.5, 12**-0.5),
        "convolution": ((2 / (2 * 2 * 4)) ** 0.5, 36**-0.5),
    }[kind]
    B = [s * W.sign() for s, W in zip(scale, transposes(network), strict=True)]
    same(signals("ss", network, trial), carry_back(network, B, trial), **close)
    twice = carry_back(network, [2 * b for b in B], trial)
    same(signals("ss", network, trial, gain=STREAMS.each((2.0,) * 3)), twice, **close)
    for M, s, layer in zip(
        rule("ss-fixed").init(network, STREAMS), scale, network.layers[1:], strict=True
    ):
        assert tuple(M.shape) == (len(SEEDS), *layer.feedback_shape) and (M >= 0).all()
        root_mean_square = M.square().mean().sqrt() / s  # 1 of N(0, 1), 1 / sqrt(3) of U(0, 1)
        expected = 3**-0.5 if isinstance(layer, Dense) else 1.0
        assert root_mean_square == pytest.approx(expected, abs=0.25)


def test_sizes_that_are_redrawn_change_with_every_batch_and_only_then(population: Any) -> None:
    network = population(STREAMS)
    trials = [network.present(*presentation(network), step) for step in (0, 1, 0)]
    teaching = rule("ss-redrawn")
    state = teaching.init(network, STREAMS)
    first, second, again = (teaching.teach(network, state, trial)[0] for trial in trials)
    same([again], [first])
    assert (first != second).all()


@pytest.mark.parametrize("sizes", [(5, 6, 4, 3), (5, 3, 4, 6)], ids=["narrowing", "widening"])
def test_pseudobackprop_of_orthonormal_weights_equals_backprop(
    population: Any, sizes: tuple[int, ...]
) -> None:
    network = population(STREAMS, sizes)
    network.weights[:] = [torch.nn.init.orthogonal_(W[0]).expand_as(W) for W in network.weights]
    trial = network.present(*presentation(network))
    same(signals("pbp", network, trial), signals("bp", network, trial), **close)


def test_pseudobackprop_of_an_invertible_linear_layer_undoes_the_error(population: Any) -> None:
    network = population(STREAMS, (5, 3, 3), "linear")
    x, target = presentation(network)
    trial = network.present(x, target)
    hidden = trial.activities[1] - signals("pbp", network, trial)[0]
    same([network.propagate(1, hidden)], [target], **close)


@pytest.mark.parametrize("name", ["rotated", "rotated-fixed"])
@pytest.mark.parametrize("degrees", [(0.0, 15.0, 45.0), (89.0, 90.0, 91.0), (120.0, 179.0, 180.0)])
def test_every_rotated_signal_stands_at_its_angle_to_backprops(
    population: Any, name: str, degrees: tuple[float, ...]
) -> None:
    # One hidden layer, linear: below it, or behind a slope, angles are no longer kept.
    network = population(STREAMS, (5, 6, 3), "linear")
    trial = network.present(*presentation(network, batch=20))
    ours = signals(name, network, trial, degrees=STREAMS.each(degrees))[0]
    measured = angle(ours, signals("bp", network, trial)[0])
    same([measured], [torch.tensor(degrees).double().view(3, 1).expand(3, 20)], **close)


@pytest.mark.parametrize("kind", ["local", "convolution"])
def test_every_rotated_signal_of_images_stands_at_its_angle_to_backprops(
    population: Any, kind: str
) -> None:
    network = population(STREAMS, hidden="linear", kind=kind)
    x, _ = presentation(network)
    top = Network(network.layers[:2], ["linear"] * 2, network.weights[:2])
    trial = top.present(x, STREAMS.normal("teacher", (4, network.layers[1].outputs)))
    backprop = signals("bp", top, trial)[0]
    for name in ("rotated", "rotated-fixed"):
        ours = signals(name, top, trial, degrees=STREAMS.each((30.0, 90.0, 150.0)))[0]
        expected = torch.tensor([30.0, 90.0, 150.0]).double().view(3, 1).expand(3, 4)
        same([angle(ours, backprop), ours.norm(dim=2)], [expected, backprop.norm(dim=2)], **close)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("output", "loss"), [PAIRS[0], *PAIRS[4:]])
@pytest.mark.parametrize("name", ["generec", "chl"])
def test_two_phases_with_little_feedback_are_backprop(
    population: Any, name: str, output: str, loss: str, kind: str
) -> None:
    # Xie & Seung 2003. Where loss and output match: what is clamped is the output, not its input.
    network = population(STREAMS, output=output, loss=loss, kind=kind)
    x, target = presentation(network)
    steps = []
    for each, options in (("bp", {}), (name, {"gain": 1e-3})):
        trial = network.present(x, target)
        weights, biases = steps_of(network, trial, signals(each, network, trial, **options))
        steps.append([*weights, *biases])
        network = population(STREAMS, output=output, loss=loss, kind=kind)
    same(steps[1], steps[0], rtol=0.0, atol=0.01 * max(float(s.abs().max()) for s in steps[0]))


@pytest.mark.parametrize("name", ["generec", "chl"])
def test_phases_have_settled_and_feedback_is_what_comes_down(population: Any, name: str) -> None:
    network = population(STREAMS)
    B = rule(name, bound=0.5).init(network, STREAMS)
    trial = network.present(*presentation(network))
    for h, top in zip(phases(network, B, trial, 0.1, 50), (None, trial.target), strict=True):
        for layer in (1, 2):
            below = torch.einsum("mbi,mio->mbo", h[layer - 1], network.weights[layer - 1])
            above = 0.1 * torch.einsum("mbo,moi->mbi", h[layer + 1], B[layer - 1])
            same([h[layer]], [torch.tanh(below + network.biases[layer - 1] + above)], **close)
        same([h[3]], [network.propagate(2, h[2]) if top is None else top], **close)
    with pytest.raises(ValueError, match="1 sweep or more, not in 0"):
        phases(network, B, trial, 0.1, 0)


@pytest.mark.parametrize("sizes", [(3, 4, 2), (3, 4, 4, 2)])
def test_the_mean_of_node_perturbation_is_backprop(population: Any, sizes: tuple[int, ...]) -> None:
    network = population(STREAMS, sizes)
    x, target = presentation(network, batch=1)
    copies, steps, sigma = 20, 500, 1e-3  # sigma is small: the bias is of its square
    trial = network.present(x.expand(-1, copies, -1), target.expand(-1, copies, -1))
    teaching = rule("np", sigma=sigma)
    state = teaching.init(network, STREAMS)
    drawn: list[list[Tensor]] = []
    for trial.step in range(steps):
        drawn.append(teaching.teach(network, state, trial)[:-1])

    exact = signals("bp", network, trial)
    for layer in range(len(sizes) - 2):
        noisy = torch.stack([signal[layer] for signal in drawn], 1).flatten(1, 2)
        error = noisy.std(1) / (copies * steps) ** 0.5
        truth = exact[layer][:, 0]
        assert ((noisy.mean(1) - truth) / error).abs().max() < 4
        # The test has the power to see an error of a fifth in the largest signals.
        assert ((noisy.mean(1) - 1.2 * truth) / error).abs().max() > 8
    same(teaching.teach(network, state, trial)[-1:], exact[-1:])


def test_shallow_teaches_the_output_layer_as_backprop_does_and_no_other(population: Any) -> None:
    network, stepped = population(STREAMS), population(STREAMS)
    x, target = presentation(network)
    trial = network.present(x, target)
    sgd(0.1).update(network, None, trial, signals("bp", network, trial))
    sgd(0.1).update(stepped, None, trial, signals("shallow", stepped, trial))
    initial = population(STREAMS)
    for parameter in ("weights", "biases"):
        same(getattr(stepped, parameter)[:-1], getattr(initial, parameter)[:-1])
        same(getattr(stepped, parameter)[-1:], getattr(network, parameter)[-1:])


# What each channel is with the amount at which it loses nothing.
LOSSLESS = {
    "exact": 1.0,
    "rank": 3,
    "bits": 50,
    "loss": 0.0,
    "tanh": 1e-7,
    "rectifier": 0.0,
    "threshold": 0.0,
    "sign": 0.0,
    "noise": 0.0,
}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_that_loses_nothing_is_the_rule_without_it(
    population: Any, kind: str, channel: str
) -> None:
    network = population(STREAMS, kind=kind)
    trial = network.present(*presentation(network))
    for weights, name in {"fixed": "fa", "transposed": "bp", "direct": "dfa"}.items():
        if channel == "rank" and weights != "direct":
            continue  # of signals of other widths than the error it loses something
        options = {"channel": channel, "amount": LOSSLESS[channel], "weights": weights}
        same(signals("channel", network, trial, **options), signals(name, network, trial), **close)


def test_signs_that_go_ways_of_their_own_are_backprop_where_both_are_the_transpose(
    population: Any,
) -> None:
    network = population(STREAMS)
    trial = network.present(*presentation(network))
    ours = signals("channel", network, trial, weights="transposed", split=True)
    same(ours, signals("bp", network, trial), **close)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_predictive_coding_that_is_nudged_a_little_and_settles_is_backprop(
    population: Any, output: str, loss: str, kind: str
) -> None:
    network = population(STREAMS, output=output, loss=loss, kind=kind)
    x, target = presentation(network)
    backprop = signals("bp", network, network.present(x, target))
    trial = network.present(x, target)
    options = {"nudge": 1e-6, "steps": 200, "speed": 0.3}
    ours = signals("pc", network, trial, **options)
    same(ours, backprop, rtol=0.0, atol=1e-4 * max(float(s.abs().max()) for s in backprop))
    B = [W.clone() for W in transposes(network)]
    trial = network.present(x, target)
    same(signals("pc", network, trial, B, **options), ours, **close)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "bound"), [("fa", 0.5), ("bp", None)])
def test_units_that_follow_at_once_or_have_long_to_follow_are_the_ordinary_loop(
    population: Any, name: str, bound: float | None, kind: str
) -> None:
    network = population(STREAMS, kind=kind)
    x, target = presentation(network)
    options = {} if bound is None else {"bound": bound}
    ordinary = network.present(x, target)
    expected = signals(name, network, ordinary, **options)
    for share, moments, tolerance in ((1.0, 1, {}), (STREAMS.each((0.1, 0.3, 0.9)), 400, close)):
        teaching = continuous_time(share, bound=bound, batch=4)
        state = teaching.init(network, STREAMS)
        for step in range(moments):
            trial = network.present(x, target, step)
            ours = teaching.teach(network, state, trial)
        same(ours, expected, **tolerance)
        same(trial.activities, ordinary.activities, **tolerance)


# Populations and time


def trained(made: Training, steps: int = STEPS) -> Training:
    """The training after some steps."""
    made.until(steps)
    return made


def test_a_population_of_one_starts_as_that_member_of_many(
    training: Any, parameters: Any, case: tuple[str, str]
) -> None:
    name, kind = case
    many = training(name, kind=kind)
    for m, seed in enumerate(SEEDS):
        alone = training(name, (seed,), kind=kind)
        same(parameters(alone), [p[m : m + 1] for p in parameters(many)])
        same(alone.batches(17)[:1], [many.batches(17)[0][m : m + 1]])


def test_a_population_of_one_learns_as_that_member_of_many(
    training: Any, parameters: Any, case: tuple[str, str]
) -> None:
    name, kind = case
    # Not bit for bit: some libraries sum a product in another order when there are more of them.
    many = trained(training(name, kind=kind))
    for m, seed in enumerate(SEEDS):
        alone = trained(training(name, (seed,), kind=kind))
        same(parameters(alone), [p[m : m + 1] for p in parameters(many)], **closer)


VARIED: dict[str, tuple[str, tuple[float, ...]]] = {
    "fa": ("bound", (0.1, 0.5, 2.0)),
    "fa-redrawn": ("bound", (0.1, 0.5, 2.0)),
    "dfa": ("bound", (0.1, 0.5, 2.0)),
    "np": ("sigma", (0.05, 0.1, 0.3)),
    "ss": ("gain", (0.5, 1.0, 2.0)),
    "ss-fixed": ("gain", (0.5, 1.0, 2.0)),
    "ss-redrawn": ("gain", (0.5, 1.0, 2.0)),
    "kp": ("bound", (0.1, 0.5, 2.0)),
    "wm": ("rate", (0.01, 0.02, 0.05)),
    "rotated": ("degrees", (0.0, 45.0, 80.0)),
    "rotated-fixed": ("degrees", (0.0, 90.0, 180.0)),
    "tp": ("alpha", (0.05, 0.1, 0.2)),
    "dtp": ("sigma", (0.05, 0.1, 0.3)),
    "sdtp": ("step", (0.1, 0.3, 1.0)),
    "ao-sdtp": ("gain", (0.1, 0.5, 1.0)),
    "generec": ("gain", (0.05, 0.1, 0.2)),
    "chl": ("gain", (0.05, 0.1, 0.2)),
}


@pytest.mark.parametrize("seeds", [SEEDS, (3, 3, 3)], ids=["own seeds", "one seed"])
def test_members_with_their_own_hyperparameters_learn_as_in_separate_runs(
    training: Any, parameters: Any, case: tuple[str, str], seeds: tuple[int, ...]
) -> None:
    name, kind = case
    option, values = VARIED.get(name, (None, (0.0, 0.0, 0.0)))
    options = {option: STREAMS.each(values)} if option else {}
    many = trained(training(name, seeds, STREAMS.each(RATES), options, kind=kind))
    for m, (seed, rate, value) in enumerate(zip(seeds, RATES, values, strict=True)):
        options = {option: value} if option else {}
        alone = trained(training(name, (seed,), rate, options, kind=kind))
        same(parameters(alone), [p[m : m + 1] for p in parameters(many)], **closer)


@pytest.mark.parametrize(
    ("optimiser", "split"),
    [("sgd", 1), ("sgd", 16), ("sgd", 19), ("momentum", 9), ("adam", 9)],
)
def test_training_in_two_pieces_equals_training_in_one(
    training: Any, parameters: Any, case: tuple[str, str], split: int, optimiser: str
) -> None:
    made = functools.partial(training, case[0], optimiser=OPTIMISERS[optimiser], kind=case[1])
    whole = parameters(trained(made(), 20))
    first = trained(made(), split)
    saved = first.state_dict()
    same(parameters(trained(first, 20)), whole)
    for _ in range(2):  # what was saved is left as it was by those who go on from it
        second = made()
        second.load_state_dict(saved)
        assert second.step == split
        same(parameters(trained(second, 20)), whole)


def test_a_state_without_copies_is_where_the_training_has_it(
    training: Any, case: tuple[str, str]
) -> None:
    made = training(case[0], optimiser=OPTIMISERS["adam"], kind=case[1])
    there, copied = (list(tensors(made.state_dict(copy))) for copy in (False, True))
    same(there, copied)
    assert {t.data_ptr() for t in made.network.weights} <= {t.data_ptr() for t in there}
    assert not {t.data_ptr() for t in there} & {t.data_ptr() for t in copied}
    # A file would hold all of a storage, where a tensor is a part of it.
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in there)


def test_the_state_of_another_training_is_refused(training: Any, parameters: Any) -> None:
    saved = training("fa").state_dict()
    with pytest.raises(ValueError, match=r"saved averages have shapes \[\].*\(3, 5, 6\)"):
        training("fa", optimiser=OPTIMISERS["momentum"]).load_state_dict(saved)
    with pytest.raises(ValueError, match=r"saved weights\[0\] has shape .*needs \(3, 4, 1, 3, 3\)"):
        training("fa", kind="convolution").load_state_dict(saved)
    for other in (training("fa", seeds=(3, 4, 6)), training("fa", options={"bound": 3.0})):
        before = parameters(other)
        with pytest.raises(ValueError, match="saved beside other fixed feedback weights"):
            other.load_state_dict(saved)
        same(parameters(other), before)
    assert not saved["feedback"]  # fixed: the seeds determine it
    assert training("wm").state_dict()["feedback"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_training_on_a_gpu_equals_training_on_a_cpu(
    training: Any, parameters: Any, case: tuple[str, str]
) -> None:
    name, kind = case
    made = [
        trained(training(name, optimiser=OPTIMISERS["adam"], kind=kind, device=device), 20)
        for device in ("cpu", "cuda")
    ]
    same([p.cpu() for p in parameters(made[1])], parameters(made[0]), **close)
