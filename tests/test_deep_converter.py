"""The converter: what it changes, what it leaves and what it refuses."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from deep_nets import close, lesson, mixed, noise, same, under
from torch import Tensor, nn

from bioprop.deep import (
    RULES,
    alexnet,
    convert,
    feedback_of,
    resnet18,
)

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


class Scaled(nn.Module):
    """A model with a parameter of its own beside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.layer = nn.Parameter(torch.ones(2)), nn.Linear(2, 2)


@pytest.mark.parametrize(
    "model, words",
    [
        (nn.LSTM(2, 2), "the model, a LSTM, .* no rule can teach it"),
        (nn.Sequential(nn.LSTM(2, 2)), "layer '0', a LSTM, .* no rule can teach it"),
        (Scaled(), "the model, a Scaled, .* belong in a module within it"),
    ],
)
def test_no_advice_is_given_that_fails(model: nn.Module, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        convert(model, "fa")
    assert "name it" not in str(refusal.value)


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


@pytest.mark.parametrize(
    "rule, words, options",
    [
        ("fa", "seed", {"seed": -1}),
        ("fa", "seed", {"seed": 1.5}),
        ("dfa", "block '0' has 1 channel or more, not -1", {"blocks": {"0": -1}}),
    ],
)
def test_a_model_is_as_it_was_after_arguments_that_are_refused(
    rule: str, words: str, options: dict[str, Any]
) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=words):
        convert(model, rule, **options)
    assert [type(m) for m in model] == [nn.Linear, nn.ReLU, nn.Linear]


def test_names_that_are_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no learning rule 'fa-sign'.*Did you mean 'fa-signed'"):
        convert(mixed(), "fa-sign")
    with pytest.raises(ValueError, match=r"'dtp' is for populations alone .* by bp, sham, fa"):
        convert(mixed(), "dtp")
    with pytest.raises(ValueError, match=r"no value of last 'exact'.*rule, bp"):
        convert(mixed(), "fa", last="exact")
    with pytest.raises(ValueError, match=r"no layer 'layer5'.*Did you mean 'layer[1-4]'"):
        convert(resnet18(10, 4), "fa", layers={"layer5": "bp"})
    with pytest.raises(ValueError, match="no layer 'fc'; allowed: '', 0"):
        convert(nn.Sequential(nn.Linear(2, 2)), "fa", layers={"fc": "bp"})
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
