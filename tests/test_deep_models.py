"""Models under a rule: beside the stock model, backpropagation and the population library."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from deep_nets import EVERY, MODELS, close, lesson, mixed, noise, same, under
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop import learning
from bioprop.deep import (
    backprop,
    beside_backprop,
    convert,
    feedback_of,
    resnet18,
    signal_angles,
)
from bioprop.deep.models import AlexNet
from bioprop.learning import Convolution, Dense, Network, Streams, Training, sgd

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


@pytest.mark.parametrize("rule", [name for name in EVERY if name != "dfa"])
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


class Axes(nn.Module):
    """Lay axes out in another order: PyTorch has the channels first, populations have them last."""

    def __init__(self, *order: int):
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(self.order)


def as_model(network: Network) -> nn.Sequential:
    """The same net in PyTorch, up to the input of its output units."""
    model = nn.Sequential()
    for each, W, b in zip(network.layers, network.weights, network.biases, strict=True):
        if isinstance(each, Convolution):
            sizes = each.image[0], each.channels, each.kernel, each.stride, each.padding
            first = nn.Unflatten(1, (*each.image[1:], each.image[0])), Axes(0, 3, 1, 2)
            model.extend([*first, nn.Conv2d(*sizes), Axes(0, 2, 3, 1), nn.Flatten()])
            layer, W = model[-3], W[0]
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


@pytest.mark.parametrize("rule", EVERY)
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
