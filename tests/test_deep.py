"""Feedback functions, layers and the converter: what must equal what, in float64."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop import learning
from bioprop.deep import (
    RULES,
    alexnet,
    backprop,
    beside_backprop,
    convert,
    feedback_of,
    resnet18,
    signal_angles,
    small_maps,
)
from bioprop.deep.functions import convolve, linear
from bioprop.deep.models import AlexNet
from bioprop.deep.small_maps import Geometry
from bioprop.learning import Convolution, Dense, Network, Streams, Training, sgd

close = {"rtol": 0.0, "atol": 1e-10}
exact = {"rtol": 0.0, "atol": 0.0}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-18": lambda: resnet18(10, width=4),
    "ResNet-18, small stem": lambda: resnet18(10, width=4, stem="small"),
    "AlexNet": lambda: alexnet(10, width=2, image=63),
}
OTHERS = [name for name in RULES if name not in ("bp", "sham")]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return Streams((seed,), dtype).normal("data", shape)[0]


def same(ours: Any, theirs: Any, **tolerance: float) -> None:
    """Assert that two lists of tensors agree, bit for bit unless a tolerance is given."""
    torch.testing.assert_close(list(ours), list(theirs), **(tolerance or exact))


def lesson(model: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The loss on a batch, and its gradient for all that learns but feedback weights."""
    model.zero_grad()
    loss = F.cross_entropy(model(x).double(), torch.arange(len(x)) % 3)
    loss.backward()
    named = model.named_parameters()
    return loss.detach(), [p.grad for name, p in named if "feedback" not in name]


def under(rule: str, model: nn.Module, **options: Any) -> nn.Module:
    """A copy of the model under a rule."""
    converted = copy.deepcopy(model)
    convert(converted, rule, **options)
    return converted


def mixed() -> nn.Sequential:
    """A small net with a convolution of each kind, batch norm and two linear layers."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 2, stride=2, groups=2, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 5),
        nn.Tanh(),
        nn.Linear(5, 3),
    ).double()


# Functions


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "bias", "kernel"),
    [*itertools.product((1, 2, (2, 1)), (0, 1, 2), (1, 2), (1, 2, 4), (True, False), (1, 3))],
)
def test_a_convolution_carries_signals_through_b_in_every_geometry(
    stride: Any, padding: int, dilation: int, groups: int, bias: bool, kernel: int
) -> None:
    x, W = noise(2, 4, 7, 6).requires_grad_(), noise(8, 4 // groups, kernel, kernel, seed=1)
    B, b = noise(*W.shape, seed=2), noise(8, seed=3).requires_grad_() if bias else None
    W.requires_grad_()
    stock = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups, bias)
    geometry = Geometry(stock.stride, stock.padding, stock.dilation, groups)
    y = F.conv2d(x, W, b, *geometry)
    g, inputs = noise(*y.shape, seed=4), [x, W, *([] if b is None else [b])]
    backpropagated = torch.autograd.grad(y, inputs, g)
    sham = convolve(x, W, b, geometry, "weights")
    same([sham, *torch.autograd.grad(sham, inputs, g)], [y, *backpropagated])

    through_b = torch.autograd.grad(F.conv2d(x, B, b, *geometry), x, g)
    fa = torch.autograd.grad(convolve(x, W, b, geometry, "given", B), inputs, g)
    same(fa, [*through_b, *backpropagated[1:]])
    signs = torch.autograd.grad(F.conv2d(x, W.detach().sign() * 0.3, b, *geometry), x, g)
    ss = torch.autograd.grad(convolve(x, W, b, geometry, "signs", 0.3), inputs, g)
    same(ss, [*signs, *backpropagated[1:]], **close)
    sizes = torch.autograd.grad(F.conv2d(x, W.detach().sign() * B.abs(), b, *geometry), x, g)
    ss = torch.autograd.grad(convolve(x, W, b, geometry, "signs", B.abs()), inputs, g)
    same(ss, [*sizes, *backpropagated[1:]], **close)
    if padding < 2:  # gradients of feedback weights that learn are those of the weights
        B.requires_grad_()
        kp = torch.autograd.grad(convolve(x, W, b, geometry, "given", B), [W, B], g)
        same(kp, [backpropagated[1]] * 2)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_map_carries_signals_through_b(shape: tuple[int, ...], bias: bool) -> None:
    x, W, B = noise(*shape).requires_grad_(), noise(5, 4, seed=1).requires_grad_(), noise(5, 4)
    b = noise(5, seed=2).requires_grad_() if bias else None
    y = F.linear(x, W, b)
    g, inputs = noise(*y.shape, seed=3), [x, W, *([] if b is None else [b])]
    backpropagated = torch.autograd.grad(y, inputs, g)
    same(torch.autograd.grad(linear(x, W, b, "weights"), inputs, g), backpropagated, **close)
    fa = torch.autograd.grad(linear(x, W, b, "given", B), inputs, g)
    same(fa, [g @ B, *backpropagated[1:]], **close)
    ss = torch.autograd.grad(linear(x, W, b, "signs", 0.3), inputs, g)
    same(ss, [g @ (0.3 * W.detach().sign()), *backpropagated[1:]], **close)


def test_the_sign_of_zero_is_zero() -> None:
    x, W = noise(2, 3).requires_grad_(), torch.zeros(4, 3, dtype=torch.float64)
    linear(x, W.requires_grad_(), None, "signs", 1.0).sum().backward()
    assert not x.grad.any()


def test_a_weight_changed_between_the_passes_is_noticed() -> None:
    layer = nn.Linear(3, 4)
    convert(layer, "ss")
    y = layer(torch.ones(2, 3, requires_grad=True)).sum()
    with torch.no_grad():
        layer.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.mark.parametrize("rule", OTHERS)
def test_a_signal_is_not_differentiated_again(rule: str) -> None:
    model = under("fa" if rule == "dfa" else rule, mixed())
    x = noise(2, 2, 4, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="leave out create_graph=True"):
        torch.autograd.grad(model(x).sum(), x, create_graph=True)


# Small maps

SMALL = [
    (size, kernel, stride, padding, dilation)
    for size, kernel, stride, padding, dilation in itertools.product(
        (1, 2, 3, 4, 5), (1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)
    )
    if 1 <= (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 <= 4
    and size + 2 * padding > dilation * (kernel - 1)
]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_product_for_small_maps_is_the_convolution(layout: torch.memory_format) -> None:
    assert len(SMALL) > 100
    for size, kernel, stride, padding, dilation in SMALL:
        geometry = Geometry((stride,) * 2, (padding,) * 2, (dilation,) * 2, 1)
        x = noise(3, 4, size, size).contiguous(memory_format=layout).requires_grad_()
        W = noise(5, 4, kernel, kernel, seed=1).contiguous(memory_format=layout).requires_grad_()
        y = F.conv2d(x, W, None, *geometry)
        g = noise(*y.shape, seed=2).contiguous(memory_format=layout)
        ours = [
            small_maps.forward(x, W, geometry),
            small_maps.input_gradient(g, W, x.shape, geometry),
            small_maps.weight_gradient(g, x, W.shape, geometry),
        ]
        torch.testing.assert_close(ours, [y, *torch.autograd.grad(y, [x, W], g)], **close)


@pytest.mark.parametrize("rule", RULES)
def test_small_maps_change_a_model_by_rounding_alone(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = under(rule, resnet18(10, width=4)), noise(6, 3, 64, 64, dtype=torch.float32)
    used = []
    forward = small_maps.forward
    monkeypatch.setattr(small_maps, "forward", lambda *given: used.append(0) or forward(*given))
    state = copy.deepcopy(model.state_dict())
    ours = lesson(model, x)
    assert len(used) == 5  # the last stage: four convolutions and a shortcut
    model.load_state_dict(state)
    monkeypatch.setattr(small_maps, "pays", lambda *given: False)
    theirs = lesson(model, x)
    assert len(used) == 5
    assert abs(ours[0] - theirs[0]) < 1e-5
    for a, b in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-4 * float(b.abs().max() + 1e-3))


# Whole models


@pytest.mark.parametrize("rule", ["bp", "sham"])
@pytest.mark.parametrize("name", MODELS)
def test_sham_equals_the_stock_model_exactly(name: str, rule: str) -> None:
    stock, x = MODELS[name]().double(), noise(4, 3, 63, 63)
    loss, gradients = lesson(stock, x)
    ours, signals = lesson(under(rule, stock), x)
    same([ours, *signals], [loss, *gradients])
    assert all(g.any() for g in gradients)


@pytest.mark.parametrize("name", MODELS)
def test_sham_equals_the_stock_model_under_autocast_to_its_rounding(name: str) -> None:
    stock, x = MODELS[name](), noise(16, 3, 63, 63, dtype=torch.float32)
    loss, gradients = lesson(stock, x)

    def rounded(rule: str | None) -> tuple[Tensor, list[Tensor]]:
        model = copy.deepcopy(stock) if rule is None else under(rule, stock)
        with torch.autocast("cpu", torch.bfloat16):
            return lesson(model, x)

    def apart(a: list[Tensor], b: list[Tensor]) -> Tensor:
        return torch.stack([(p - q).norm() / q.norm() for p, q in zip(a, b, strict=True)])

    (half, by_torch), (ours, signals) = rounded(None), rounded("sham")
    assert all(g.dtype == torch.float32 for g in signals)
    assert abs(ours - half) <= abs(half - loss) + 1e-2
    assert apart(signals, gradients).mean() <= 1.2 * apart(by_torch, gradients).mean()
    assert apart(signals, gradients).mean() < 0.7 * apart(rounded("ss")[1], gradients).mean()


class Surrogate(nn.Module):
    """A layer written without feedback functions: its weights see no input that has a history,

    and its input sees the feedback weights alone. The second product cancels in the forward pass.
    """

    def __init__(self, layer: Any, B: Tensor):
        super().__init__()
        self.weight, self.bias, self.B = layer.weight, layer.bias, B
        settings = (layer.stride, layer.padding, layer.dilation) if B.ndim == 4 else ()
        self.settings = (*settings, layer.groups) if settings else ()
        self.function = F.conv2d if settings else F.linear

    def forward(self, x: Tensor) -> Tensor:
        y = self.function(x.detach(), self.weight, self.bias, *self.settings)
        z = self.function(x, self.B, None, *self.settings)
        return y + (z - z.detach())


def with_surrogates(stock: nn.Module, converted: nn.Module) -> nn.Module:
    """A copy of the stock model with the feedback weights of the converted one."""
    model = copy.deepcopy(stock)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            B = feedback_of(converted.get_submodule(name))
            model.set_submodule(name, Surrogate(layer, B))
    return model


@pytest.mark.parametrize("rule", [name for name in RULES if name != "dfa"])
@pytest.mark.parametrize("name", ["mixed", *MODELS])
def test_every_gradient_is_autograds_on_a_model_with_b_in_place_of_w(name: str, rule: str) -> None:
    stock = (mixed if name == "mixed" else MODELS[name])().double()
    x = noise(4, 2, 4, 4) if name == "mixed" else noise(4, 3, 63, 63)
    converted = under(rule, stock)
    loss, signals = lesson(converted, x)
    expected, gradients = lesson(with_surrogates(stock, converted), x)
    same([loss], [expected], **close)
    largest = max(float(g.abs().max()) for g in gradients)
    same(signals, gradients, rtol=1e-9, atol=1e-12 * largest)
    if rule not in ("bp", "sham"):
        backpropagated = lesson(stock, x)[1]
        assert (signals[0] - backpropagated[0]).norm() > 0.5 * backpropagated[0].norm()


def test_under_direct_feedback_a_block_is_taught_by_the_error_itself() -> None:
    stock = mixed()
    blocks = {"2": 4, "4": 6, "7": 5}
    model = under("dfa", stock, blocks=blocks, seed=3)
    x, y = noise(4, 2, 4, 4), torch.arange(4) % 3
    signals = lesson(model, x)[1]

    first, second, third, last = stock[:3], stock[3:5], stock[5:8], stock[8]
    h1 = first(x)
    h2 = second(h1.detach())
    h3 = third(h2.detach())
    out = last(h3.detach())
    e = torch.softmax(out, 1).sub(F.one_hot(y, 3)).detach() / 4
    stock.zero_grad()
    F.cross_entropy(out, y).backward()
    B = [
        Streams((3,)).uniform("feedback", (3, c), c**-0.5, k)[0]
        for k, c in ((1, 4), (2, 6), (3, 5))
    ]
    h1.backward((e @ B[0] / 16)[:, :, None, None].expand(h1.shape))
    h2.backward((e @ B[1] / 4)[:, :, None, None].expand(h2.shape))
    h3.backward(e @ B[2])
    same(signals, [p.grad for p in stock.parameters()], **close)


def test_under_direct_feedback_no_convolution_carries_a_signal_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = under("dfa", resnet18(10, width=4))
    carried = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, x, y: carried.append(x[0].requires_grad))
    lesson(model, noise(2, 3, 63, 63, dtype=torch.float32))
    assert carried == [False] * 20


# The two doors: one small net as a population of one and as a model of PyTorch

DENSE = [Dense(5, 6), Dense(6, 6), Dense(6, 3)]
IMAGES = [Convolution((1, 5, 5), 3, 3, 2, 1), Convolution((3, 3, 3), 4, 2), Dense(16, 3)]
OPTIONS: dict[str, Any] = {  # what makes the population's rule that of the official code
    "fa": {"bound": (6**-0.5, 6**-0.5)},
    "kp": {"bound": (6**-0.5, 6**-0.5), "optimiser": sgd(0.1, momentum=0.9)},
    "dfa": {"bound": 6**-0.5},
}


def as_population(layers: list[Any], rule: str, streams: Streams) -> Training:
    """A tanh net with a softmax output, its parameters from the streams, taught one batch."""
    shapes = [each.weight_shape for each in layers] + [each.bias_shape for each in layers]
    drawn = [streams.uniform("weights", shape, 0.7, k) for k, shape in enumerate(shapes)]
    names = ["tanh"] * (len(layers) - 1) + ["softmax"]
    network = Network(layers, names, drawn[: len(layers)], drawn[len(layers) :], "cross-entropy")
    x = streams.normal("data", (6, layers[0].inputs))
    target = torch.softmax(streams.normal("teacher", (6, layers[-1].outputs)), -1)
    teaching = learning.rule(rule, **OPTIONS.get(rule, {}))
    optimiser = sgd(0.1, momentum=0.9)
    return Training(network, teaching, optimiser, lambda step: (x, target), streams)


def as_model(network: Network) -> nn.Sequential:
    """The same net in PyTorch, up to the input of its output units."""
    model = nn.Sequential()
    for each, W, b in zip(network.layers, network.weights, network.biases, strict=True):
        if isinstance(each, Convolution):
            sizes = each.image[0], each.channels, each.kernel, each.stride, each.padding
            model.extend([nn.Unflatten(1, each.image), nn.Conv2d(*sizes), nn.Flatten()])
            layer, W = model[-2], W[0]
        else:
            model.append(nn.Linear(each.inputs, each.outputs))
            layer, W = model[-1], W[0].T
        layer.weight = nn.Parameter(W.clone(memory_format=torch.contiguous_format))
        layer.bias = nn.Parameter(b[0, 0].clone())
        model.append(nn.Tanh())
    return model[:-1]


@pytest.mark.parametrize(
    ("rule", "layers"),
    [
        *[(rule, DENSE) for rule in ("bp", "fa", "ss", "ss-fixed", "kp", "dfa")],
        *[(rule, IMAGES) for rule in ("bp", "fa", "ss", "ss-fixed")],
    ],
    ids=lambda given: given if isinstance(given, str) else type(given[0]).__name__,
)
def test_a_net_trained_through_both_doors_ends_at_the_same_weights(
    rule: str, layers: list[Any]
) -> None:
    training = as_population([*layers], rule, Streams((5,)))
    model = as_model(training.network)
    convert(model, rule, seed=5, blocks={"1": 6, "3": 6} if rule == "dfa" else None)
    learners = [m for m in model if isinstance(m, (nn.Linear, nn.Conv2d))]
    if rule == "fa" and layers is IMAGES:  # whose feedback weights are normal here
        training.state = [feedback_of(layer).unsqueeze(0) for layer in learners[1:]]
    (x, target), start = training.batches(0), copy.deepcopy(model)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(50):
        optimiser.zero_grad()
        F.cross_entropy(model(x[0]), target[0]).backward()
        optimiser.step()
    training.until(50)
    W = [W[0].T if W.ndim == 3 else W[0] for W in training.network.weights]
    same([layer.weight.detach() for layer in learners], W, **close)
    same(
        [layer.bias.detach() for layer in learners],
        [b[0, 0] for b in training.network.biases],
        **close,
    )
    moved = (model[-1].weight - start[-1].weight).norm() / start[-1].weight.norm()
    assert moved > 0.1


def test_sizes_drawn_for_each_batch_have_the_distribution_of_the_population() -> None:
    model = nn.Sequential(nn.Conv2d(3, 20, 5), nn.Flatten(), nn.Linear(20, 300))
    convert(model, "ss-redrawn")
    for layer, rms in ((model[0], (2 / 500) ** 0.5), (model[2], 20**-0.5 / 3**0.5)):
        B = feedback_of(layer)
        assert torch.equal(B.sign(), layer.weight.sign())
        assert float(B.square().mean().sqrt()) == pytest.approx(rms, rel=0.1)
    assert feedback_of(model[2]).abs().max() < 20**-0.5


def test_sizes_are_drawn_anew_for_each_batch_of_training_and_only_then() -> None:
    model, x = under("ss-redrawn", mixed()), noise(4, 2, 4, 4)
    layer = model[0]
    seen = [feedback_of(layer)]
    for change in (True, False, False):
        model.train(change)
        model(x)
        seen.append(feedback_of(layer))
    model.train()
    with torch.no_grad():
        model(x)
    seen.append(feedback_of(layer))
    assert (seen[0] != seen[1]).all()
    same(seen[2:], [seen[1]] * 3)
    again = copy.deepcopy(model)
    same(lesson(again, x)[1], lesson(model, x)[1])  # a function of seed and batch


# Comparison with backpropagation


@pytest.mark.parametrize("rule", RULES)
def test_signals_beside_backprop_leave_the_model_as_it_was(rule: str) -> None:
    model, stock = under(rule, resnet18(10, width=4).double()), resnet18(10, width=4).double()
    x = noise(4, 3, 32, 32)
    before = copy.deepcopy(model.state_dict())
    pairs = beside_backprop(model, lambda: F.cross_entropy(model(x), torch.arange(4) % 3))
    after = model.state_dict()
    same(
        [v for k, v in after.items() if k[-7:] != "batches"],
        [v for k, v in before.items() if k[-7:] != "batches"],
    )
    assert all(p.grad is None for p in model.parameters())

    signals: dict[str, Tensor] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            output.register_hook(lambda g: signals.update({name: g}))

        return hook

    for name, layer in stock.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            layer.register_forward_hook(note(name))
    lesson(stock, x)
    assert set(pairs) == set(signals)
    same([exact for _, exact in pairs.values()], [signals[name] for name in pairs], **close)
    (top, exactly) = pairs["fc"]
    same([top], [exactly], **close)  # the error itself, whatever the rule


@pytest.mark.parametrize("rule", ["bp", "ss", "fa"])
def test_signal_angles_of_backprop_are_zero_and_others_are_not(rule: str) -> None:
    x, model = noise(4, 3, 32, 32), under(rule, resnet18(10, width=4).double())
    angles = signal_angles(model, lambda: F.cross_entropy(model(x), torch.arange(4) % 3))
    assert all(each.shape == (4,) for each in angles.values())
    top, stem = angles["layer4.1.conv2"], angles["conv1"]
    if rule == "bp":
        assert float(torch.stack([*angles.values()]).max()) < 1e-5
    else:
        assert float(top.mean()) > 10 and 60 < float(stem.mean()) < 120
    with backprop(model):
        same(lesson(model, x)[1], lesson(resnet18(10, width=4).double(), x)[1])


# The converter


def test_a_conversion_says_what_was_done() -> None:
    done = convert(mixed(), "fa", last="bp", layers={"3": "ss"}, seed=2)
    assert (done.rule, done.seed) == ("fa", 2)
    assert done.converted == {"0": "fa", "3": "ss", "6": "fa", "8": "bp"}
    assert done.left == {"1": "BatchNorm2d: its backward pass is exact"}
    assert not done.shared and not done.direct


def test_rules_for_single_layers_may_be_named_or_computed() -> None:
    def no_stem(name: str, module: nn.Module) -> str | None:
        return "bp" if name == "conv1" else None

    done = convert(resnet18(10, 4), "fa", layers=no_stem)
    assert done.converted["conv1"] == "bp" and done.converted["layer1.0.conv1"] == "fa"
    done = convert(resnet18(10, 4), "fa", layers={"layer4": "ss", "layer4.1.conv2": "kp"})
    stage = {name: rule for name, rule in done.converted.items() if name.startswith("layer4")}
    assert stage.pop("layer4.1.conv2") == "kp" and set(stage.values()) == {"ss"}


def test_conversion_keeps_parameters_names_and_kinds() -> None:
    model = resnet18(10, 4)
    parameters, names = list(model.parameters()), list(model.state_dict())
    convert(model, "ss")
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert [name for name in model.state_dict() if "_extra_state" not in name] == names
    assert isinstance(model.conv1, nn.Conv2d) and isinstance(model.fc, nn.Linear)
    assert "rule='ss'" in repr(model.conv1) and "kernel_size=(7, 7)" in repr(model.conv1)


@pytest.mark.parametrize("rule", RULES)
def test_only_what_learns_has_a_gradient(rule: str) -> None:
    stock, x = resnet18(10, width=4), noise(2, 3, 32, 32, dtype=torch.float32)
    model = under(rule, stock)
    lesson(model, x)
    learners = [p for p in model.parameters() if p.requires_grad]
    assert len(learners) == (62 if rule != "kp" else 62 + 21)
    assert all(p.grad is not None for p in learners)


def test_a_model_can_be_converted_again() -> None:
    x = noise(4, 2, 4, 4)
    model = under("fa", mixed())
    for rule in ("ss", "kp", "bp"):
        convert(model, rule)
        same(lesson(model, x)[1], lesson(under(rule, mixed()), x)[1])


class Twins(nn.Module):
    """Two layers with one weight, and one layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.third = nn.Linear(4, 4)
        self.again = self.third

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.third(self.second(torch.tanh(self.first(x))))))


@pytest.mark.parametrize("rule", ["fa", "kp", "ss-fixed", "ss-redrawn", "ss"])
def test_layers_with_one_weight_have_one_feedback_weight(rule: str) -> None:
    model = Twins()
    done = convert(model, rule)
    assert done.shared == [("first", "second"), ("third", "again")]
    for moved in (model, copy.deepcopy(model).double(), copy.deepcopy(model).bfloat16()):
        assert torch.equal(feedback_of(moved.first), feedback_of(moved.second))
        if rule in ("fa", "kp", "ss-fixed"):
            assert moved.first.feedback is moved.second.feedback
    if rule == "kp":
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        gap = model.first.weight.detach() - feedback_of(model.first)
        lesson(model, noise(5, 4, dtype=torch.float32))
        optimiser.step()
        same([model.first.weight.detach() - feedback_of(model.first)], [gap], rtol=0.0, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "same"},
        {"padding": "same", "kernel_size": 2},
        {"padding": "valid"},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": "same", "padding_mode": "replicate"},
        {"padding": (2, 1), "padding_mode": "circular", "stride": 2},
        {"stride": (2, 1), "dilation": 2, "groups": 2, "padding": 2},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("bare", [False, True], ids=["batch", "one image"])
def test_every_padding_and_a_bare_image_go_through(options: dict[str, Any], bare: bool) -> None:
    settings = {"kernel_size": 3} | options
    stock = nn.Conv2d(4, 6, **settings).double()
    x = noise(4, 7, 6) if bare else noise(2, 4, 7, 6)
    results = []
    for layer in (stock, under("sham", stock), under("bp", stock)):
        below = x.clone().requires_grad_()
        y = layer(below)
        y.square().sum().backward()
        results.append([y, below.grad, layer.weight.grad, layer.bias.grad])
    same(results[1], results[0], **close)
    same(results[2], results[0], **close)
    fa, below = under("fa", stock), x.clone().requires_grad_()
    fa(below).square().sum().backward()
    assert (below.grad - results[0][1]).norm() > 0.3 * results[0][1].norm()
    same([fa.weight.grad], [results[0][2]], **close)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "transposed": (lambda: nn.ConvTranspose2d(2, 2, 3), "ConvTranspose2d, cannot be converted"),
    "one-dimensional": (lambda: nn.Conv1d(2, 2, 3), "Conv1d, cannot be converted"),
    "bilinear": (lambda: nn.Bilinear(2, 2, 2), "Bilinear, cannot be converted"),
    "attention": (lambda: nn.MultiheadAttention(4, 2), "MultiheadAttention, cannot be converted"),
    "recurrent": (lambda: nn.LSTM(2, 2), "LSTM, cannot be converted"),
    "lazy": (lambda: nn.LazyLinear(2), "run a batch through the model first"),
    "parametrised": (
        lambda: nn.utils.parametrizations.orthogonal(nn.Linear(2, 2)),
        "remove the parametrisation first",
    ),
    "subclass": (lambda: type("Own", (nn.Linear,), {})(2, 2), "code of its own"),
    "own parameter": (lambda: type("Own", (nn.Module,), {})(), "Own, cannot be converted"),
}


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_and_nothing_is_changed(name: str) -> None:
    make, words = REFUSED[name]
    odd = make()
    if name == "own parameter":
        odd.gain = nn.Parameter(torch.ones(2, 2))
    model = nn.Sequential(nn.Linear(2, 2), nn.ModuleDict({"odd": odd}))
    kinds = [type(m) for m in model.modules()]
    with pytest.raises(ValueError, match=words) as refusal:
        convert(model, "fa")
    assert "layers={'1.odd': 'bp'}" in str(refusal.value)
    assert [type(m) for m in model.modules()] == kinds
    if name not in ("lazy", "parametrised"):
        assert convert(model, "fa", layers={"1.odd": "bp"}).left["1.odd"].endswith("as asked")


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no learning rule 'fa-sign'.*Did you mean 'fa-signed'"):
        convert(mixed(), "fa-sign")
    with pytest.raises(ValueError, match=r"no value of last 'exact'.*rule, bp"):
        convert(mixed(), "fa", last="exact")
    with pytest.raises(ValueError, match=r"no layer 'layer5'.*Did you mean 'layer[1-4]'"):
        convert(resnet18(10, 4), "fa", layers={"layer5": "bp"})
    with pytest.raises(ValueError, match=r"layer '0'.* 'dfa'; allowed: bp, sham"):
        convert(mixed(), "fa", layers={"0": "dfa"})
    with pytest.raises(ValueError, match=r"Sequential has no .* to convert"):
        convert(nn.Sequential(nn.BatchNorm1d(2)), "fa")
    with pytest.raises(ValueError, match="give their names and channels"):
        convert(mixed(), "dfa")
    with pytest.raises(ValueError, match="under rule 'dfa' already"):
        convert(under("dfa", mixed(), blocks={"2": 4}), "fa")
    with pytest.raises(ValueError, match="no module '9'"):
        convert(mixed(), "dfa", blocks={"9": 4})
    with pytest.raises(TypeError, match="Linear was not converted"):
        feedback_of(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no stem 'tiny'"):
        resnet18(10, stem="tiny")
    with pytest.raises(ValueError, match="images of 62 rows are too small"):
        alexnet(10, image=62)


def test_blocks_of_other_sizes_or_numbers_than_declared_are_refused() -> None:
    model = under("dfa", mixed(), blocks={"2": 3})
    with pytest.raises(RuntimeError, match=r"block '2' gave \(2, 4, 4, 4\).*\(batch, 3\["):
        model(noise(2, 2, 4, 4))
    twice = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), twice, nn.Linear(4, 4), twice, nn.Linear(4, 3))
    convert(model, "dfa", blocks={"1": 4})
    with pytest.raises(RuntimeError, match="block '1' was used twice"):
        model(torch.ones(2, 4))


# The models


def test_the_models_have_the_published_sizes() -> None:
    assert sum(p.numel() for p in resnet18(1000).parameters()) == 11_689_512
    assert resnet18(200, 32)(torch.zeros(2, 3, 64, 64)).shape == (2, 200)
    assert resnet18(10, 8, "small")(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    with torch.device("meta"):
        net = AlexNet(1000, 64, 224)
    convolutions = 64 * 363 + 192 * 1600 + 384 * 1728 + 256 * 3456 + 256 * 2304
    norms = 2 * (64 + 192 + 384 + 256 + 256 + 4096 + 4096)
    dense = 9216 * 4096 + 4096 * 4096 + 4096 * 1000 + 1000
    assert sum(p.numel() for p in net.parameters()) == convolutions + norms + dense


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_follow_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    first = MODELS[name]().state_dict()
    torch.manual_seed(2)
    same(MODELS[name]().state_dict().values(), first.values())


def test_initial_weights_have_the_sizes_of_the_official_code() -> None:
    model = resnet18(10, width=16)
    for layer in (model.conv1, model.layer3[0].conv1, model.layer4[0].downsample[0]):
        s = (2 / (layer.kernel_size[0] ** 2 * layer.out_channels)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(s, rel=0.05)
    assert model.fc.weight.abs().max().item() == pytest.approx(128**-0.5, rel=0.01)
    convert(model, "fa")
    layer = model.layer3[0].conv1
    assert float(feedback_of(layer).std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    assert float(feedback_of(model.fc).abs().max()) == pytest.approx(128**-0.5, rel=0.01)
    convert(model, "ss")
    assert set(feedback_of(model.fc).abs().unique().tolist()) == {torch.tensor(128**-0.5).item()}
    signs = model.layer3[0].conv1.weight.detach().sign() * (2 / (9 * 64)) ** 0.5
    same([feedback_of(layer)], [signs])
    convert(model, "fa-signed")
    same([feedback_of(layer)], [signs])
