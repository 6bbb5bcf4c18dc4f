"""What feedback has to know of a weight: a share of signs, old signs, sizes, signs of units."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
from deep_nets import lesson, mixed, noise, same, under
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep import convert, feedback_of, resnet18
from bioprop.deep.dale import obey, unit_signs
from bioprop.deep.models import alexnet
from bioprop.deep.recipes import recipe
from bioprop.deep.rules import called, toss
from bioprop.deep.signals import beside_backprop, converted, signals_and_changes
from bioprop.deep.training import Training

close = {"rtol": 0.0, "atol": 1e-10}
CLASSES = torch.arange(6) % 3


def steps(model: nn.Module, count: int = 5) -> list[Tensor]:
    """The weights after some steps that move them across zero."""
    optimiser, x = torch.optim.SGD(model.parameters(), lr=0.5), noise(6, 2, 4, 4)
    for _ in range(count):
        optimiser.zero_grad()
        F.cross_entropy(model(x), CLASSES).backward()
        optimiser.step()
    return [p.detach() for name, p in model.named_parameters() if "feedback" not in name]


# Equivalences: a rule, and another that it coincides with
EQUAL = {
    "all signs are sign-symmetry": ("ss-share:1", "ss"),
    "signs of every batch are sign-symmetry": ("ss-every:1", "ss"),
    "signs that are never refreshed are those of the start": ("ss-every:1000000", "fa-signed"),
}


@pytest.mark.parametrize(("rule", "other"), EQUAL.values(), ids=EQUAL)
def test_a_rule_coincides_with_another(rule: str, other: str) -> None:
    same(steps(under(rule, mixed())), steps(under(other, mixed())), **close)


def test_no_sign_that_agrees_is_sign_symmetry_turned_round() -> None:
    ours, signs = under("ss-share:0", mixed()), under("ss", mixed())
    for a, b in zip(ours, signs, strict=True):
        if hasattr(a, "rule"):
            same([feedback_of(a)], [-feedback_of(b)])


def test_sizes_with_the_signs_of_the_weights_are_backpropagation() -> None:
    model, x = under("sizes", mixed()), noise(6, 2, 4, 4)
    for layer in model:
        if hasattr(layer, "rule"):
            layer.feedback.copy_(layer.weight.detach().sign())
    same(lesson(model, x)[1], lesson(under("sham", mixed()), x)[1], **close)


def test_sizes_follow_the_weights_and_signs_do_not() -> None:
    model = under("sizes", mixed())
    before = feedback_of(model[0])
    steps(model)
    after = feedback_of(model[0])
    same([after.abs()], [model[0].weight.detach().abs()])
    same([after.sign()], [before.sign()])


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8, 1.0])
def test_as_many_signs_agree_as_are_asked_for(share: float) -> None:
    model = nn.Sequential(nn.Conv2d(20, 40, 5), nn.Flatten(), nn.Linear(100, 200))
    convert(model, f"ss-share:{share}", seed=3)
    for layer in (model[0], model[2]):
        agree = (feedback_of(layer).sign() == layer.weight.sign()).double().mean()
        assert abs(float(agree) - share) < 0.015
        assert torch.equal(feedback_of(layer).abs(), torch.full_like(layer.weight, layer.scale))


def test_signs_that_agree_at_one_share_agree_at_every_larger_one() -> None:
    layer = nn.Linear(100, 100)
    few, more = (toss(layer, 0, 1, share) > 0 for share in (0.6, 0.9))
    assert bool((more | ~few).all()) and more.sum() > few.sum()


def test_signs_are_refreshed_at_every_so_manieth_batch_of_training_and_only_then() -> None:
    model, x = under("ss-every:3", mixed()), noise(6, 2, 4, 4)
    layer, changed = model[0], []

    def flip(train: bool = True) -> None:
        """Turn all weights round, and say whether the batch after that sees it."""
        with torch.no_grad():
            layer.weight.neg_()
        model.train(train)
        model(x)
        changed.append(bool((feedback_of(layer).sign() == layer.weight.sign()).all()))

    for _ in range(4):
        flip()
    assert changed == [True, False, True, True], "the third batch finds the old signs by chance"
    flip(train=False)
    assert not changed[-1]


def test_a_copy_refreshes_when_the_original_would() -> None:
    model = under("ss-every:3", mixed())
    steps(model, 2)
    other = under("ss-every:3", mixed())
    other.load_state_dict(copy.deepcopy(model.state_dict()))
    same(steps(other), steps(model))


REFUSED = {
    "no number": ("ss-share", "needs a number after a colon, as in 'ss-share:0.8'"),
    "a word": ("ss-share:half", "needs a number after a colon"),
    "more than all": ("ss-share:1.2", "a share of signs is from 0 to 1, not 1.2"),
    "less than none": ("ss-share:-0.1", "from 0 to 1, not -0.1"),
    "no share at all": ("ss-share:nan", "from 0 to 1, not nan"),
    "half a batch": ("ss-every:0.5", "needs a whole number after a colon, as in 'ss-every:10'"),
    "never": ("ss-every:0", "every 1 batches or more, not 0"),
    "another family": ("ss-shares:0.8", "no learning rule .* Did you mean 'ss-share:<number>'"),
}


@pytest.mark.parametrize(("name", "words"), REFUSED.values(), ids=REFUSED)
def test_a_number_that_makes_no_rule_is_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        called(name)
    with pytest.raises(ValueError, match=words):
        convert(mixed(), name)
    with pytest.raises(ValueError, match=rf"rule for layer '0': .*{words}"):
        convert(mixed(), "ss", layers={"0": name})


def test_a_state_of_another_share_is_refused() -> None:
    saved = under("ss-share:0.8", mixed()).state_dict()
    with pytest.raises(ValueError, match=r"'ss-share:0\.8' and is now under 'ss-share:0\.9'"):
        under("ss-share:0.9", mixed()).load_state_dict(saved)


# Gradients of weights beside backpropagation's


@pytest.mark.parametrize("rule", ["ss", "fa", "ss-every:2", "kp"])
def test_changes_of_weights_are_the_rules_and_backpropagations(rule: str) -> None:
    model, x = under(rule, mixed()), noise(6, 2, 4, 4)
    before = copy.deepcopy(model.state_dict())
    _, changes = signals_and_changes(model, lambda: F.cross_entropy(model(x), CLASSES))
    same(model.state_dict().values(), before.values())
    assert list(changes) == ["0", "3", "6", "8"]
    for each, source in enumerate((model, mixed())):
        lesson(source, x)
        same([c[each] for c in changes.values()], [source[int(k)].weight.grad for k in changes])


def test_a_frozen_layer_has_no_change() -> None:
    model, x = under("ss", mixed()), noise(6, 2, 4, 4)
    model[3].weight.requires_grad_(False)
    signals, changes = signals_and_changes(model, lambda: F.cross_entropy(model(x), CLASSES))
    assert list(changes) == ["0", "6", "8"] and set(signals) == {"0", "3", "6", "8"}


# Dale's law


def test_weights_that_have_not_the_sign_of_their_unit_are_taken_and_others_stay() -> None:
    model, stock = resnet18(10, width=4), resnet18(10, width=4)
    obey(model)
    same([model.conv1.weight], [stock.conv1.weight])
    for name, layer in list(model.named_modules())[1:]:
        if isinstance(layer, nn.Conv2d | nn.Linear) and name != "conv1":
            W, was = layer.weight.detach(), stock.get_submodule(name).weight.detach()
            fits = was * unit_signs(layer) > 0
            same([W], [torch.where(fits, was, 0.0)])
            assert 0.2 < fits.double().mean() < 0.8, name
    block = model.layer2[0]
    shared = [each.weight.sum((0, 2, 3)).sign() for each in (block.conv1, block.downsample[0])]
    same(shared[:1], shared[1:])  # they read the same units


def test_units_of_groups_are_counted_through() -> None:
    layer = nn.Conv2d(6, 4, 1, groups=2)
    assert unit_signs(layer)[:, :, 0, 0].tolist() == [[1, -1, 1]] * 2 + [[-1, 1, -1]] * 2


def trained(rule: str, dale: bool = True, **changes: Any) -> Training:
    model, x = under(rule, mixed()), noise(6, 2, 4, 4)
    keep = obey(model) if dale else None
    plan = dataclasses.replace(recipe("short"), rate=2.0)
    return Training(model, lambda step: (x, CLASSES), plan, 10, keep=keep, **changes)


def test_the_law_holds_after_every_step_and_connections_go_and_come() -> None:
    training = trained("ss")
    layers = list(converted(training.model).values())[1:]
    there = [layer.weight.detach() != 0 for layer in layers]
    for step in range(1, 30, 5):
        training.until(step)
        assert all((layer.weight * unit_signs(layer) >= 0).all() for layer in layers)
    now = [layer.weight.detach() != 0 for layer in layers]
    assert any((was & ~here).any() for was, here in zip(there, now, strict=True))
    assert any((here & ~was).any() for was, here in zip(there, now, strict=True))
    free = trained("ss", dale=False)
    free.until(29)
    assert any(
        (w.weight * unit_signs(w) < 0).any() for w in list(converted(free.model).values())[1:]
    )


def test_a_gain_that_would_turn_what_a_unit_hears_is_put_back_to_zero() -> None:
    model = mixed()
    keep, norm = obey(model), model[1]
    norm.weight.data = torch.tensor([-1.0, 2.0, -0.1, 0.5]).double()
    keep()
    assert norm.weight.tolist() == [0.0, 2.0, 0.0, 0.5]


def test_feedback_that_follows_connections_teaches_where_that_of_signs_alone_cannot() -> None:
    """If each output reads a unit with the same sign, the errors of a softmax cancel below it."""
    norms = {}
    for everywhere in (False, True):
        model = under("ss", mixed())
        obey(model)
        if everywhere:
            for layer in list(converted(model).values())[1:]:
                signs = unit_signs(layer)
                layer.weight.data = torch.where(layer.weight == 0, 0.1 * signs, layer.weight)
        x = noise(6, 2, 4, 4)
        pairs = beside_backprop(model, lambda m=model, x=x: F.cross_entropy(m(x), CLASSES))
        ours, exact = list(pairs.values())[-2]
        norms[everywhere] = float(ours.norm() / exact.norm())
    assert norms[True] < 1e-6 < 0.1 < norms[False]


def test_a_model_of_one_layer_has_no_units_to_obey() -> None:
    with pytest.raises(ValueError, match=r"Sequential has no layer that reads units: .* second"):
        obey(nn.Sequential(nn.Linear(3, 2)))


# Models without what the paper's have


def test_a_network_without_batch_norm_has_biases_and_the_same_weights() -> None:
    plain, norm = resnet18(10, 4, norm=False), resnet18(10, 4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    for name, p in plain.named_parameters():
        if name.endswith("weight"):
            same([p], [norm.get_parameter(name)])
    assert plain.layer1[0].conv1.bias.shape == (4,) and norm.layer1[0].conv1.bias is None
    assert plain(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_a_small_alexnet_takes_small_images() -> None:
    assert alexnet(10, 2, 8, stem="small")(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    for stem, least in (("imagenet", "63 is the least; stem='small' takes 7"), ("small", "7 is")):
        with pytest.raises(ValueError, match=f"images of 6 rows are too small .*{least}"):
            alexnet(10, 2, 6, stem=stem)
    with pytest.raises(ValueError, match=r"no stem 'smal'.*Did you mean 'small'"):
        alexnet(10, 2, 8, stem="smal")
