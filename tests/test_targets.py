"""Target propagation: inverses, targets and what follows from them, in float64."""

import functools
import itertools
import re
from typing import Any

import pytest
import torch
from conftest import KINDS, SEEDS
from test_equivalences import STREAMS, close, closer, presentation, same, signals, steps_of
from test_image_layers import LAYERS, by_torch
from torch import Tensor

from bioprop.learning import Dense, Layer, Streams, Training, adam, rule, sgd
from bioprop.learning.layers import Transposed
from bioprop.learning.layers.transposed import glorot, inverse_layer
from bioprop.learning.rules.inverses import LINEAR, LOSSES, noised, reconstruction
from bioprop.learning.rules.steps import gauss_newton_gaps, weight_gradients
from bioprop.tasks.classify import layered_network

NAMES = ("tp", "dtp", "sdtp", "ao-sdtp")
SOFTMAX = {"output": "softmax", "loss": "cross-entropy"}
each = STREAMS.each


# Layers the other way round

BOTH_WAYS: dict[str, Layer] = {"dense": Dense(5, 4), **LAYERS}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_transposed_layer_equals_autograd_in_every_geometry(name: str) -> None:
    layer = BOTH_WAYS[name]
    inverse = Transposed(layer)
    V = STREAMS.normal("feedback", inverse.weight_shape)
    x, delta = (
        STREAMS.normal("data", (3, inverse.inputs)),
        STREAMS.normal("noise", (3, layer.inputs)),
    )
    below = torch.zeros_like(delta).requires_grad_()
    W, b = layer.transpose(V).clone().requires_grad_(), below.new_zeros(3, *layer.bias_shape)
    forward = torch.autograd.grad(by_torch(layer, below, W, b), below, x)
    same([inverse.forward(x, V)], forward, **close)
    # <delta, forward(x)> is <layer(delta), x>
    change = torch.autograd.grad(by_torch(layer, delta, W, b), W, x)[0]
    same([inverse.gradient(x, delta)], [layer.transpose(change)], **close)
    same([inverse.back(delta, layer.transpose(V))], [layer.forward(delta, W.detach())], **close)
    stepped = V.clone()
    inverse.add_gradient_(stepped, x, delta, 0.5)
    same([stepped], [0.5 * V + layer.transpose(change)], **close)


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_the_biases_of_a_transposed_layer_are_those_of_units_or_channels(name: str) -> None:
    inverse = Transposed(BOTH_WAYS[name])
    c = STREAMS.normal("weights", inverse.bias_shape).requires_grad_()
    delta = STREAMS.normal("noise", (3, inverse.outputs))
    each_unit = inverse.spread_bias(c)
    assert each_unit.shape == (len(SEEDS), 1, inverse.outputs)
    gradient = torch.autograd.grad(each_unit.expand_as(delta), c, delta)
    same([inverse.bias_gradient(delta)], gradient, **close)
    if "convolution" in name:
        same([each_unit.unflatten(2, (30, 2))[..., 7, :]], [c])


def test_the_inverse_of_a_dense_layer_is_dense() -> None:
    layer = Dense(5, 4)
    assert inverse_layer(layer) == Dense(4, 5)
    assert inverse_layer(layer, 3) == Dense(7, 5)
    assert Transposed(layer).weight_shape == Dense(4, 5).weight_shape


def test_weights_start_in_the_range_of_glorot() -> None:
    local = LAYERS["local, same, stride"]  # 3 x 3 of 2 channels to 4
    for layer, bound in ((Dense(784, 256), (6 / 1040) ** 0.5), (local, (6 / (18 + 36)) ** 0.5)):
        assert glorot(layer) == glorot(Transposed(layer)) == pytest.approx(bound)
    network = layered_network(STREAMS, [Dense(50, 60), Dense(60, 10)])
    for layer, W in zip(network.layers, network.weights, strict=True):
        assert W.abs().amax((1, 2)).tolist() == pytest.approx([glorot(layer)] * 3, rel=0.05)


# Gradients


def made(name: str, population: Any, kind: str = "dense", **options: Any) -> Any:
    """A softmax population, a rule with its state, and a trial."""
    network = population(STREAMS, kind=kind, **SOFTMAX)
    teaching = rule(name, **options)
    state = teaching.init(network, STREAMS)
    return network, teaching, state, network.present(*presentation(network))


@pytest.mark.parametrize("reads", ["output", "logits"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("linear", LINEAR)
@pytest.mark.parametrize("kind", KINDS)
def test_inverses_learn_by_the_gradient_of_their_loss(
    population: Any, kind: str, linear: str, loss: str, reads: str
) -> None:
    sigma = each((0.1, 0.2, 0.3))
    network, teaching, state, trial = made(
        "ao-sdtp", population, kind, auxiliary=3, gain=0.5, linear=linear, loss=loss, reads=reads,
        sigma=sigma, optimiser=sgd(4.0),
    )  # fmt: skip
    inverses = state["inverses"]
    parameters = [*inverses.network.weights, *inverses.network.biases]
    before = [p.clone() for p in parameters]
    below = [trial.activities[layer] for layer in inverses.layers]
    noisy = noised(below, sigma, STREAMS, trial.step)
    assert all((z != h).any() for z, h in zip(noisy, below, strict=True))
    R = (
        STREAMS.normal("auxiliary", (network.layers[-1].inputs, 3))
        * network.layers[-1].inputs ** -0.5
    )

    total = torch.zeros((), dtype=torch.float64)
    learnt = [p.clone().requires_grad_() for p in parameters]
    for place, (layer, h, z) in enumerate(zip(inverses.layers, below, noisy, strict=True)):
        x = network.propagate(layer, z)
        if not place:
            a = x.log() - x.log().mean(-1, keepdim=True) if reads == "logits" else x
            x = torch.cat([a, torch.tanh(z @ R) * 0.5], -1)
        kind_of, bias = inverses.network.layers[place], learnt[len(learnt) // 2 + place]
        r = kind_of.forward(x, learnt[place]) + kind_of.spread_bias(bias)
        straight = {"none": False, "all": True, "top": not place, "lower": bool(place)}[linear]
        r = r if straight else torch.tanh(r)
        total = total + 0.5 * (r - (h if loss == "denoising" else z)).square().sum()
    gradients = torch.autograd.grad(total, learnt)

    teaching.learn(network, state, trial, ())
    same([old - new for old, new in zip(before, parameters, strict=True)], gradients, **close)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_signals_are_the_gradient_of_the_distance_to_the_targets(
    population: Any, name: str, kind: str
) -> None:
    network, teaching, state, trial = made(name, population, kind)
    gaps = teaching.gaps(network, state, trial)
    targets = [h - gap for h, gap in zip(trial.activities[1:-1], gaps, strict=True)]
    weights = [W.clone().requires_grad_() for W in network.weights]
    biases = [b.clone().requires_grad_() for b in network.biases]
    distance = torch.zeros((), dtype=torch.float64)
    for layer, W, b, h, t in zip(
        network.layers, weights, biases, trial.activities, targets, strict=False
    ):
        distance = distance + 0.5 * (torch.tanh(by_torch(layer, h, W, b)) - t).square().sum()
    gradients = torch.autograd.grad(distance, [*weights[:-1], *biases[:-1]])
    changes = steps_of(network, trial, teaching.teach(network, state, trial))
    same([*changes[0][:-1], *changes[1][:-1]], gradients, **close)


@pytest.mark.parametrize("name", NAMES)
def test_the_output_layer_is_taught_by_the_error(population: Any, name: str) -> None:
    network, teaching, state, trial = made(name, population)
    same(teaching.teach(network, state, trial)[-1:], [trial.error])


# Exact inverses


def exact(population: Any, name: str, sizes: tuple[int, ...], **options: Any) -> Any:
    """A linear network whose inverses are Moore-Penrose ones, biases included."""
    network = population(STREAMS, sizes, "linear")
    teaching = rule(name, **options)
    state = teaching.init(network, STREAMS)
    for place, layer in enumerate(state["inverses"].layers):
        V = torch.linalg.pinv(network.weights[layer])
        state["V"][place].copy_(V)
        state["c"][place].copy_(-network.biases[layer] @ V)
    return network, teaching, state, network.present(*presentation(network))


@pytest.mark.parametrize("name", ["sdtp", "ao-sdtp"])
def test_with_exact_inverses_every_target_leads_to_the_label(population: Any, name: str) -> None:
    options = {"auxiliary": 0} if name == "ao-sdtp" else {}
    network, teaching, state, trial = exact(population, name, (5, 3, 3, 3), **options)
    pairs = zip(trial.activities[1:-1], teaching.gaps(network, state, trial), strict=True)
    for layer, (h, gap) in enumerate(pairs, start=1):
        y = h - gap
        for above in range(layer, 3):
            y = network.propagate(above, y)
        same([y], [trial.target], **close)


def test_difference_target_propagation_with_exact_inverses_is_target_propagation(
    population: Any,
) -> None:
    deltas = []
    for name in ("tp", "dtp"):
        network, teaching, state, trial = exact(population, name, (5, 3, 3, 3, 3), alpha=0.7)
        deltas.append(teaching.teach(network, state, trial))
    same(*deltas, **close)
    rough = [signals(name, network, trial, alpha=0.7)[0] for name in ("tp", "dtp")]
    assert not torch.allclose(*rough)  # with inverses that are not exact they differ


@pytest.mark.parametrize("sizes", [(5, 6, 3), (5, 6, 4, 3), (5, 3, 4, 6)])
def test_with_pseudoinverses_the_gaps_of_a_linear_network_are_pseudobackprops(
    population: Any, sizes: tuple[int, ...]
) -> None:
    network, teaching, state, trial = exact(population, "sdtp", sizes)
    same(teaching.teach(network, state, trial), signals("pbp", network, trial), **close)


@pytest.mark.parametrize("sizes", [(5, 6, 3), (5, 3, 3, 3)], ids=["one hidden", "invertible"])
def test_with_pseudoinverses_the_gaps_of_a_linear_network_are_gauss_newton_steps(
    population: Any, sizes: tuple[int, ...]
) -> None:
    # The step of least length that brings the output to the label: J^+ of all layers above.
    network, teaching, state, trial = exact(population, "sdtp", sizes)
    for layer, gap in enumerate(teaching.gaps(network, state, trial), start=1):
        J = functools.reduce(torch.matmul, network.weights[layer:])
        same([gap], [trial.error @ torch.linalg.pinv(J)], **close)
    same(teaching.gaps(network, state, trial), gauss_newton_gaps(network, trial), **close)


@pytest.mark.parametrize("kind", KINDS)
def test_gauss_newton_steps_equal_those_of_autograds_jacobian(population: Any, kind: str) -> None:
    network = population(STREAMS, kind=kind, **SOFTMAX)
    trial = network.present(*presentation(network))
    ours = gauss_newton_gaps(network, trial)
    for place, gap in enumerate(ours, start=1):
        h = trial.activities[place].clone().requires_grad_()
        above = h
        for index in range(place, 2):
            above = network.propagate(index, above)
        logits = network.net_input(2, above).sum(1)  # of all examples: no other's h matters
        rows = [torch.autograd.grad(z.sum(), h, retain_graph=True)[0] for z in logits.unbind(1)]
        J = torch.stack(rows, 2)
        same([gap], [(torch.linalg.pinv(J) @ trial.error.unsqueeze(-1)).squeeze(-1)], **close)


def test_weight_gradients_are_what_the_optimiser_takes(population: Any) -> None:
    network, teaching, state, trial = made("sdtp", population)
    deltas = teaching.teach(network, state, trial)
    flat = [4 * gradient for gradient in weight_gradients(network, trial, deltas)]
    same(flat, [change.flatten(1) for change in steps_of(network, trial, deltas)[0]], **close)
    assert weight_gradients(network, trial, [None] * 3) == [None] * 3


# Relations of the variants


def test_no_auxiliary_units_are_simplified_difference_target_propagation(training: Any) -> None:
    runs = []
    for name, options in (("sdtp", {}), ("ao-sdtp", {"auxiliary": 0})):
        run = training(name, options=options)
        run.until(20)
        runs.append([*run.network.weights, *run.network.biases, *run.state["V"], *run.state["c"]])
    same(*runs)


@pytest.mark.parametrize("name", ["dtp", "sdtp", "ao-sdtp"])
@pytest.mark.parametrize("linear", ["none", "all"])
def test_the_limit_is_that_of_small_steps(population: Any, name: str, linear: str) -> None:
    small = 1e-5
    option = "alpha" if name == "dtp" else "step"
    network, teaching, state, trial = made(name, population, **{option: 1.0, "linear": linear})
    limit = teaching.limit(network, state, trial)
    little = rule(name, **{option: small, "linear": linear}).gaps(network, state, trial)
    same([gap / small for gap in little], limit, rtol=1e-3, atol=1e-6)
    if linear == "all":
        same(teaching.gaps(network, state, trial), limit, **close)
    else:
        assert not torch.allclose(teaching.gaps(network, state, trial)[0], limit[0], rtol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_in_turns_inverses_and_network_learn_one_after_the_other(training: Any, name: str) -> None:
    run = training(name, options={"turn": 3})
    for step in range(12):
        before = [[p.clone() for p in ps] for ps in (run.network.weights, run.state["V"])]
        run.until(step + 1)
        changed = [
            any(not torch.equal(old, new) for old, new in zip(*pair, strict=True))
            for pair in zip(before, (run.network.weights, run.state["V"]), strict=True)
        ]
        assert changed == ([False, True] if step // 3 % 2 == 0 else [True, False])


@pytest.mark.parametrize("name", NAMES)
def test_turns_of_one_batch_and_no_turns_teach_each_side_alike(training: Any, name: str) -> None:
    # Where only one side learns, it learns the same: without turns from each batch, in turns of
    # one batch from every second, each of them shown twice.
    for inverse, forward in ((0.1, 0.0), (0.0, 0.1)):
        runs = []
        for turn in (None, 1):
            options = {"turn": turn, "optimiser": sgd(inverse), "sigma": 0.0}
            run = training(name, rate=forward, options=options)
            if turn:
                shown = run.batches
                run.batches = lambda step, shown=shown: shown(step // 2)
            run.until(20 if turn else 10)
            runs.append([*run.network.weights, *run.state["V"]])
        same(*runs)


def test_the_optimisers_count_what_they_have_taught(training: Any) -> None:
    # In turns of 4, ten forward updates have been made after 22 batches, ten inverse ones after 18.
    run = training("sdtp", optimiser=adam(0.01), options={"turn": 4, "optimiser": adam(0.01)})
    run.until(22)
    assert {float(count) for count in run.averages["updates"]["weights"]} == {10.0}
    assert {float(count) for count in run.state["averages"]["updates"]["weights"]} == {12.0}


# Populations and time

VARIED = {
    "tp": {"alpha": (0.1, 0.2, 0.3)},
    "dtp": {"alpha": (0.1, 0.2, 0.3)},
    "sdtp": {"step": (0.1, 0.5, 1.0)},
    "ao-sdtp": {"step": (0.1, 0.5, 1.0), "gain": (0.1, 0.5, 1.0)},
}
RATES, SIGMAS, EPS = (0.001, 0.01, 0.03), (0.05, 0.1, 0.3), (1e-8, 1e-4, 1e-3)


@pytest.mark.parametrize("seeds", [SEEDS, (3, 3, 3)], ids=["own seeds", "one seed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [None, 5])
@pytest.mark.parametrize("name", NAMES)
def test_a_population_of_settings_learns_as_its_members_alone(
    training: Any, name: str, turn: int | None, kind: str, seeds: tuple[int, ...]
) -> None:
    def run(members: slice) -> Training:
        def some(values: tuple[float, ...]) -> Any:
            return each(values[members]) if len(values[members]) > 1 else values[members][0]

        options = {key: some(values) for key, values in VARIED[name].items()}
        options |= {"sigma": some(SIGMAS), "turn": turn}
        options |= {"optimiser": adam(some(RATES), eps=some(EPS))}
        if name == "ao-sdtp":
            options |= {"auxiliary": 4}
        optimiser = adam(some(RATES), betas=(some((0.9, 0.9, 0.99)), 0.99), eps=some(EPS))
        made = training(
            name, seeds[members], options=options, optimiser=optimiser, kind=kind, **SOFTMAX
        )
        made.until(20)
        return made

    many = all_learnt(run(slice(0, 3)))
    for m in range(3):
        same(all_learnt(run(slice(m, m + 1))), [p[m : m + 1] for p in many], **closer)


def all_learnt(made: Training) -> list[Tensor]:
    """All weights and biases, forward and inverse."""
    network, inverses = made.network, made.state["inverses"].network
    return [*network.weights, *network.biases, *inverses.weights, *inverses.biases]


@pytest.mark.parametrize("split", [3, 7, 10, 14])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_interrupted_within_a_turn_goes_on_to_the_same_bits(
    training: Any, name: str, split: int
) -> None:
    def make() -> Training:
        options = {"turn": 5, "optimiser": adam(0.01)}
        return training(name, options=options, optimiser=adam(0.01))

    whole = make()
    whole.until(20)
    first, second = make(), make()
    first.until(split)
    second.load_state_dict(first.state_dict())
    second.until(20)
    same(all_learnt(second), all_learnt(whole))


def test_the_state_of_another_rule_is_refused_and_changes_nothing(training: Any) -> None:
    made, other = training("tp"), training("dtp")
    other.until(5)
    before = [p.clone() for p in all_learnt(made)]
    with pytest.raises(ValueError, match="saved under rule 'dtp' is no state of 'tp'"):
        made.load_state_dict(other.state_dict())
    saved = training("tp").state_dict()
    saved["weights"] = [W + 1 for W in saved["weights"]]
    saved["feedback"][0] = saved["feedback"][0][:1]
    with pytest.raises(
        ValueError, match=r"saved feedback\[0\] has shape \(1, 4, 6\); .* needs \(3"
    ):
        made.load_state_dict(saved)
    same(all_learnt(made), before)
    assert made.step == 0


@pytest.mark.parametrize("turn", [None, 5])
def test_a_member_that_diverges_is_nan_and_spares_the_others(training: Any, turn: Any) -> None:
    def run(rates: tuple[float, ...]) -> Training:
        options = {"optimiser": sgd(each(rates)), "turn": turn, "linear": "all"}
        made = training("sdtp", options=options, **SOFTMAX)
        made.until(200)
        return made

    sound, sick = all_learnt(run((0.01, 0.01, 0.01))), all_learnt(run((0.01, 1e6, 0.01)))
    assert sick[0][1].isnan().any()
    same([p[[0, 2]] for p in sick], [p[[0, 2]] for p in sound], **closer)


# What inverses and noise are


def test_reconstruction_is_nothing_for_exact_inverses_and_1_for_the_mean(population: Any) -> None:
    network, _, state, trial = exact(population, "sdtp", (5, 3, 3, 3))
    errors = reconstruction(network, state, trial)
    assert list(errors) == [1, 2]
    same(errors.values(), [torch.zeros(3).double()] * 2, **close)
    for place, layer in enumerate(state["inverses"].layers):
        state["V"][place].zero_()
        state["c"][place].copy_(trial.activities[layer].mean(1, keepdim=True))
    same(reconstruction(network, state, trial).values(), [torch.ones(3).double()] * 2, **close)


def test_inverses_learn_to_reconstruct(training: Any) -> None:
    run = training(
        "sdtp", options={"turn": 400, "optimiser": adam(0.01), "reads": "logits"}, **SOFTMAX
    )
    shown = [run.batches(step) for step in range(1000, 1100)]
    trial = run.network.present(*(torch.cat(part, 1) for part in zip(*shown, strict=True)))
    before = reconstruction(run.network, run.state, trial)
    run.until(400)
    after = reconstruction(run.network, run.state, trial)
    assert all((errors < 0.9).all() for errors in after.values()), (before, after)


def test_noise_is_a_function_of_seed_and_step_and_members_of_one_seed_share_it() -> None:
    streams = Streams((3, 1, 3))
    first = streams.swift_normal("noise", (50, 40), 7)
    same([streams.swift_normal("noise", (50, 40), 7)], [first])
    same([first[2], Streams((1,)).swift_normal("noise", (50, 40), 7)[0]], [first[0], first[1]])
    assert (first[0] != first[1]).all()
    assert (first != streams.swift_normal("noise", (50, 40), 8)).all()
    assert Streams((5,) * 8).swift_normal("noise", (50, 40)).stride()[0] == 0  # one draw, no copy
    single = Streams((3, 1, 3), torch.float32).swift_normal("noise", (50, 40), 7)
    same([single.double()], [first])
    assert first[:2].mean().abs() < 4 / 4000**0.5
    assert (first[:2].var() - 1).abs() < 4 * (2 / 4000) ** 0.5


# Bad input

MISFITS: dict[str, tuple[Any, list[str]]] = {
    "one layer": (
        lambda: rule("dtp").init(layered_network(STREAMS, [Dense(5, 3)]), STREAMS),
        ["'dtp'", "one layer has none", "'bp'"],
    ),
    "a turn of nothing": (lambda: rule("sdtp", turn=0), ["1 batch or more", "0"]),
    "another loss": (lambda: rule("dtp", loss="denoise"), ["'denoise'", "mean 'denoising'"]),
    "another set": (lambda: rule("dtp", linear="both"), ["'both'", "none, all, top, lower"]),
    "another input": (lambda: rule("sdtp", reads="logit"), ["'logit'", "mean 'logits'"]),
    "fewer than no units": (lambda: rule("ao-sdtp", auxiliary=-1), ["0 or more", "-1"]),
    "logits of other units": (
        lambda: rule("sdtp", reads="logits").init(
            layered_network(STREAMS, [Dense(5, 4), Dense(4, 3)], output="linear", loss="squared"),
            STREAMS,
        ),
        ["softmax", "not to linear", "'output'"],
    ),
    "units beside an image": (
        lambda: inverse_layer(LAYERS["local, plain"], 5),
        ["5 auxiliary", "dense layer only", "LocallyConnected"],
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_refused(misfit: str) -> None:
    act, words = MISFITS[misfit]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


@pytest.mark.parametrize(("name", "layer", "named"), [("dtp", 2, "1"), ("sdtp", 0, "1, 2")])
def test_an_inverse_asked_of_a_layer_that_has_none_is_refused_by_name(
    population: Any, name: str, layer: int, named: str
) -> None:
    _, _, state, trial = made(name, population)
    with pytest.raises(ValueError, match=f"layer {layer} has no inverse; .* one: {named}"):
        state["inverses"].returned(layer, trial.activities[-1])


def test_without_inverses_to_learn_a_gradient_step_is_backprop(population: Any) -> None:
    network = population(STREAMS, (5, 6, 3))
    trial = network.present(*presentation(network))
    ours, exact_ones = (
        signals(name, network, trial, **o) for name, o in (("dtp", {"alpha": 0.5}), ("bp", {}))
    )
    same([2 * ours[0], ours[1]], exact_ones, **close)
    assert list(itertools.chain(rule("dtp").init(network, STREAMS)["inverses"].layers)) == []


@pytest.mark.parametrize(
    "name, option, value, words",
    [
        ("dtp", "alpha", -1.0, "alpha, the size of the first step, is above 0, not -1.0"),
        ("tp", "alpha", 0.0, "alpha, the size of the first step, is above 0, not 0.0"),
        ("dtp", "sigma", -1.0, "sigma, the size of the noise, is 0 or more, not -1.0"),
        ("sdtp", "step", 5.0, "step, a share of the way to the label, is above 0 and at most 1"),
        ("sdtp", "step", float("nan"), "is above 0 and at most 1, not nan"),
        ("ao-sdtp", "gain", 0.0, "the gain of auxiliary units is above 0, not 0.0"),
        ("ao-sdtp", "auxiliary", 2.5, "auxiliary units are a whole number, 0 or more, not 2.5"),
        ("dtp", "turn", 1.5, "a turn has 1 batch or more, a whole number, not 1.5"),
        ("generec", "gain", 0.0, "gain, that of the way back, is above 0, not 0.0"),
        ("chl", "sweeps", 0, "sweeps is a whole number, 1 or more, not 0"),
        ("dtp", "alpha", torch.tensor([0.1, -0.1]), "is above 0, not -0.1"),
    ],
)
def test_numbers_that_teach_nothing_are_refused_where_they_are_given(
    name: str, option: str, value: object, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        rule(name, **{option: value})
