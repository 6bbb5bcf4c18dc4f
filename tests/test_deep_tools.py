"""Converted models under PyTorch's tools: what works, as a table of tests, and what is refused."""

import copy
import io
import socket
from collections.abc import Callable
from typing import Any

import pytest
import torch
from deep_nets import COUNTING, EVERY, lesson, mixed, noise, same, under
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from bioprop.deep import convert, feedback_of, resnet18

pytestmark = pytest.mark.filterwarnings(  # the compiler of PyTorch 2.13 does so itself
    "ignore:<class 'torch.autograd.function.Function'> should not be instantiated"
)
BLOCKS = {"2": 6, "5": 5}
ALL = EVERY
close = {"rtol": 0.0, "atol": 1e-10}


def plain() -> nn.Sequential:
    """A net without batch norm, so that examples do not depend on each other."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.Conv2d(6, 6, 2, stride=2, groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(24, 5),
        nn.Tanh(),
        nn.Linear(5, 3),
    ).double()


def ruled(rule: str) -> nn.Sequential:
    model = plain()
    convert(model, rule, blocks=BLOCKS if rule == "dfa" else None)
    return model


def loss_of(model: nn.Module, x: Tensor, parameters: dict[str, Tensor] | None = None) -> Tensor:
    y = model(x) if parameters is None else functional_call(model, parameters, (x,))
    return F.cross_entropy(y, torch.arange(len(x)) % 3)


def learnt(model: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def differs_from_backprop(rule: str, gradients: list[Tensor], x: Tensor) -> None:
    """The check that a tool did not fall back to the gradients of autograd."""
    backpropagated = lesson(plain(), x)[1][0]
    apart = (gradients[0] - backpropagated).norm() / backpropagated.norm()
    assert (apart > 0.3) == (rule not in ("bp", "sham"))


# Compilation


@pytest.mark.parametrize("rule", ALL)
def test_a_model_compiles_as_one_graph(rule: str) -> None:
    torch._dynamo.reset()
    x, model = noise(6, 2, 4, 4), ruled(rule)
    expected = lesson(copy.deepcopy(model), x)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    loss = F.cross_entropy(compiled(x), torch.arange(6) % 3)
    loss.backward()
    gradients = [p.grad for name, p in model.named_parameters() if "feedback" not in name]
    same([loss.detach(), *gradients], [expected[0], *expected[1]], **close)
    differs_from_backprop(rule, gradients, x)


@pytest.mark.parametrize("rule", ["ss", "ss-redrawn", "ss-every:3", "kp"])
def test_a_compiled_model_follows_its_weights(rule: str) -> None:
    torch._dynamo.reset()
    x, models = noise(6, 2, 4, 4), [ruled(rule), ruled(rule)]
    steps = [models[0], torch.compile(models[1], backend="aot_eager", fullgraph=True)]
    for model, step in zip(models, steps, strict=True):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
        for _ in range(5):
            optimiser.zero_grad()
            loss_of(step, x).backward()
            optimiser.step()
    same(models[1].parameters(), models[0].parameters(), **close)


def test_a_compiled_model_under_autocast_equals_itself_in_eager_mode() -> None:
    torch._dynamo.reset()
    x, model = noise(6, 2, 4, 4, dtype=torch.float32), ruled("ss").float()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    results = []
    for each in (model, compiled):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(each, x)
        loss.backward()
        results.append([p.grad for p in model.parameters()])
    same(results[1], results[0], rtol=0.0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("rule", ["fa", "ss"])
def test_a_model_compiles_to_machine_code(rule: str) -> None:
    torch._dynamo.reset()
    x, model = noise(6, 2, 4, 4), ruled(rule)
    expected = lesson(copy.deepcopy(model), x)[1]
    loss_of(torch.compile(model, fullgraph=True), x).backward()
    gradients = [p.grad for name, p in model.named_parameters() if "feedback" not in name]
    same(gradients, expected, **close)
    differs_from_backprop(rule, gradients, x)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("rule", ["fa", "ss", "kp"])
def test_function_transforms_inside_of_compilation_are_refused_or_right(rule: str) -> None:
    """Without the refusal vmap gives backprop's gradients, and grad gives some of 0."""
    torch._dynamo.reset()
    x, model = noise(6, 2, 4, 4), ruled(rule)
    parameters = learnt(model)
    expected = grad(lambda p: loss_of(model, x, p))(parameters)

    def by_grad(p: dict[str, Tensor]) -> dict[str, Tensor]:
        return grad(lambda q: loss_of(model, x, q))(p)

    def by_vmap(p: dict[str, Tensor]) -> Tensor:
        return vmap(lambda q: loss_of(model, x, q))(p)

    one = {name: p.detach()[None].clone().requires_grad_() for name, p in parameters.items()}
    for function, given in ((by_grad, parameters), (by_vmap, one)):
        with pytest.raises(Exception, match=r"Observed exception|torch\.func inside of"):
            torch.compile(function, backend="aot_eager", fullgraph=True)(given)
    torch._dynamo.reset()
    ours = torch.compile(by_grad, backend="aot_eager")(parameters)
    same(ours.values(), expected.values(), **close)
    torch.compile(by_vmap, backend="aot_eager")(one).sum().backward()
    same([p.grad[0] for p in one.values()], expected.values(), **close)


# Functions


@pytest.mark.parametrize("rule", [name for name in ALL if name not in ("dfa", *COUNTING)])
def test_an_ensemble_learns_as_its_members_do_alone(rule: str) -> None:
    x, models = noise(6, 2, 4, 4), [plain() for _ in range(3)]
    for seed, model in enumerate(models):
        convert(model, rule, seed=seed)
        with torch.no_grad():
            model[0].weight.mul_(1 + seed)
    parameters, _ = stack_module_state(models)
    base = models[0]
    gradients = vmap(grad(lambda p: loss_of(base, x, p)))(parameters)
    for index, model in enumerate(models):
        lesson(model, x)
        for name, p in learnt(model).items():
            same([gradients[name][index]], [p.grad], **close)
    each = vmap(grad(lambda p, one: loss_of(base, one[None], p)), (None, 0))(learnt(base), x)
    mean = sum(lesson_of_one(base, example) for example in x)
    same([each["0.weight"].sum(0)], [mean], **close)


def lesson_of_one(model: nn.Module, example: Tensor) -> Tensor:
    return lesson(model, example[None])[1][0].clone()


@pytest.mark.parametrize("rule", [name for name in ALL if name != "ss-redrawn"])
def test_gradients_accumulate(rule: str) -> None:
    x, y, model = noise(6, 2, 4, 4), torch.arange(6) % 3, ruled(rule)
    for part in (slice(0, 2), slice(2, 6)):
        F.cross_entropy(model(x[part]), y[part], reduction="sum").div(6).backward()
    accumulated = {name: p.grad for name, p in learnt(model).items()}
    whole = ruled(rule)
    lesson(whole, x)
    same(accumulated.values(), [p.grad for p in learnt(whole).values()], **close)
    if rule == "kp":
        assert model[0].weight.grad.data_ptr() != model[0].feedback.grad.data_ptr()


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("rule", [name for name in ALL if name not in ("dfa", *COUNTING)])
def test_activations_may_be_computed_again(rule: str, reentrant: bool) -> None:
    x, model = noise(6, 2, 4, 4).requires_grad_(), ruled(rule)
    expected = lesson(copy.deepcopy(model), x)[1]
    h = checkpoint(model[:3], x, use_reentrant=reentrant)
    F.cross_entropy(model[3:](h), torch.arange(6) % 3).backward()
    gradients = [p.grad for name, p in model.named_parameters() if "feedback" not in name]
    same(gradients, expected)


class Recomputed(nn.Module):
    """The plain net, the first part of which is computed again in the backward pass."""

    def __init__(self, reentrant: bool):
        super().__init__()
        self.net, self.reentrant = plain(), reentrant

    def forward(self, x: Tensor) -> Tensor:
        return self.net[3:](checkpoint(self.net[:3], x, use_reentrant=self.reentrant))


def test_blocks_may_be_computed_again_where_they_have_a_graph() -> None:
    x, blocks = noise(6, 2, 4, 4).requires_grad_(), {"net.5": 5, "net.2": 6}
    model = Recomputed(reentrant=False)
    convert(model, "dfa", blocks=blocks)
    gradients = lesson(model, x)[1]
    other = plain()
    convert(other, "dfa", blocks={"5": 5, "2": 6})
    same(gradients, lesson(other, x)[1])
    blind = Recomputed(reentrant=True)
    convert(blind, "dfa", blocks=blocks)
    with pytest.raises(RuntimeError, match="use use_reentrant=False"):
        blind(x)


def test_direct_feedback_serves_function_transforms() -> None:
    x, model = noise(6, 2, 4, 4), ruled("dfa")
    gradients = grad(lambda p: loss_of(model, x, p))(learnt(model))
    same(gradients.values(), lesson(model, x)[1], **close)


@pytest.mark.parametrize("rule", ALL)
def test_the_layout_of_memory_changes_nothing(rule: str) -> None:
    x, model = noise(6, 2, 4, 4), ruled(rule)
    expected = lesson(copy.deepcopy(model), x)[1]
    model = model.to(memory_format=torch.channels_last)
    gradients = lesson(model, x.contiguous(memory_format=torch.channels_last))[1]
    same(gradients, expected, **close)


@pytest.mark.parametrize("rule", ALL)
def test_autocast_rounds_products_and_keeps_gradients_in_full(rule: str) -> None:
    x, model = noise(6, 2, 4, 4, dtype=torch.float32), ruled(rule).float()
    expected = lesson(copy.deepcopy(model), x)[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
        model.load_state_dict(ruled(rule).float().state_dict())  # batches are counted
        gradients = lesson(model, x)[1]
    assert all(g.dtype == torch.float32 for g in gradients)
    for ours, exact in zip(gradients, expected, strict=True):
        assert 0 < (ours - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("rule", ALL)
def test_evaluation_gives_what_the_stock_model_gives(rule: str) -> None:
    x, model, stock = noise(6, 2, 4, 4), under(rule, mixed(), **direct(rule)), mixed()
    for each in (model, stock):
        each.eval()
    same([model(x)], [stock(x)])
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            same([model(x).clone()], [stock(x).clone()])


def direct(rule: str) -> dict[str, Any]:
    return {"blocks": {"2": 4, "4": 6}} if rule == "dfa" else {}


@pytest.mark.parametrize("rule", ALL)
def test_a_frozen_layer_carries_signals_on(rule: str) -> None:
    x, model = noise(6, 2, 4, 4), ruled(rule)
    expected = lesson(copy.deepcopy(model), x)[1]
    model[1].requires_grad_(False)
    gradients = lesson(model, x)[1]
    assert gradients[2] is None and gradients[3] is None
    same([*gradients[:2], *gradients[4:]], [*expected[:2], *expected[4:]])


# Copies and files


@pytest.mark.parametrize("rule", ALL)
def test_copies_and_saved_states_learn_the_same(rule: str) -> None:
    x, model = noise(6, 2, 4, 4), ruled(rule)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.5)
    copied = copy.deepcopy(model)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    loaded = plain()
    convert(loaded, rule, seed=9, blocks=BLOCKS if rule == "dfa" else None)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    whole = torch.load(file, weights_only=False)
    expected = lesson(model, x)[1]
    for other in (copied, whole, *([] if rule == "ss-redrawn" else [loaded])):
        same(lesson(other, x)[1], expected)
        assert not {id(p) for p in other.parameters()} & {id(p) for p in model.parameters()}


@pytest.mark.parametrize("within", [False, True])
def test_a_state_of_which_one_layer_has_another_rule_changes_nothing(within: bool) -> None:
    models = []
    for rule in ("fa", "ss"):
        model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
        convert(model, "fa", layers={"1": rule})
        convert(model, "fa", layers={"1": rule})
        models.append(torch.nn.Sequential(model) if within else copy.deepcopy(model))
    saved, given = models
    before = [p.clone() for p in given.parameters()]
    with pytest.raises(ValueError, match="1 was saved under rule 'fa' and is now under 'ss'"):
        given.load_state_dict(saved.state_dict())
    same(list(given.parameters()), before)


@pytest.mark.parametrize("saved", ALL)
def test_the_state_of_another_rule_is_refused_by_name(saved: str) -> None:
    state = ruled(saved).state_dict()
    for rule in ALL:
        if rule != saved:
            with pytest.raises(ValueError, match=f"0 was saved .* '{saved}' .* under '{rule}'"):
                ruled(rule).load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        plain().load_state_dict(state)
    plain().load_state_dict(state, strict=False)


@pytest.mark.parametrize("rule", ALL)
def test_weights_of_a_stock_model_can_be_loaded(rule: str) -> None:
    stock, model = plain(), ruled(rule)
    with torch.no_grad():
        for p in stock.parameters():
            p.mul_(1.5)
    kept = [name for name, _ in model.named_parameters() if "feedback" in name]
    kept += [name for name, _ in model.named_buffers()]  # counts of batches
    result = model.load_state_dict(stock.state_dict(), strict=not kept)
    assert sorted(result.missing_keys) == sorted(kept) and not result.unexpected_keys
    same([model[0].weight], [stock[0].weight])


# Two processes


def side_by_side(rank: int, port: int, queue: Any) -> None:
    """Train on half of each batch beside another process that has the other half."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    results = {}
    for rule in ALL:
        model = plain()
        # Another seed on the second process: what is sent at the start makes them equal.
        convert(model, rule, seed=0 if rule == "ss-redrawn" else rank, blocks=BLOCKS)
        parallel = nn.parallel.DistributedDataParallel(model)
        train(parallel, model, slice(rank, None, 2))
        results[rule] = [p.detach().numpy() for p in model.parameters()]
        results[rule, "buffers"] = [name for name, _ in model.named_buffers()]
    queue.put((rank, results))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def train(step: Callable[[Tensor], Tensor], model: nn.Module, part: slice) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for batch in range(3):
        x = noise(8, 2, 4, 4, seed=batch)[part]
        optimiser.zero_grad()
        F.cross_entropy(step(x), (torch.arange(8) % 3)[part]).backward()
        optimiser.step()


@pytest.mark.slow
def test_two_processes_learn_as_one_does() -> None:
    context = torch.multiprocessing.get_context("spawn")
    queue = context.Queue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [context.Process(target=side_by_side, args=(k, port, queue)) for k in (0, 1)]
    for process in processes:
        process.start()
    results = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    for rule in ALL:
        alone = ruled(rule)
        train(alone, alone, slice(None))
        expected = [p.detach() for p in alone.parameters()]
        for rank in (0, 1):
            same(map(torch.from_numpy, results[rank][rule]), expected, **close)
            # Buffers would be sent with every batch.
            assert all(name.endswith("batches") for name in results[rank][rule, "buffers"])


def test_two_networks_of_one_seed_are_equal_and_of_two_are_not() -> None:
    first, second, third = resnet18(10, 4), resnet18(10, 4), resnet18(10, 4)
    for model, seed in ((first, 1), (second, 1), (third, 2)):
        torch.manual_seed(seed)  # has no say in it
        convert(model, "fa", seed=seed)
    same(first.parameters(), second.parameters())
    assert not torch.equal(feedback_of(first.conv1), feedback_of(third.conv1))
