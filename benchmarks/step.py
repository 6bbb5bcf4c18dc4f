"""What does a step of learning cost beside plain autograd, and beside members one after another?

A 784-1000-10 logistic network with biases and squared loss. Autograd is PyTorch's own: nn.Linear,
loss.backward(), torch.optim.SGD, on the same batches from the same weights. See README.md.
"""

import itertools
import statistics
from collections.abc import Callable

import torch
from population import MEMBERS, Contender, Row, Turn, ratio, report, turns
from torch import Tensor

from bioprop.learning import Dense, Network, Streams, Training, rule, sgd

SIZES = (784, 1000, 10)
STEPS = {1: 100, 64: 25, 20: 2}  # batches of one turn, by batch size: about a tenth of a second
BATCHES = 32  # different batches, presented in turn
RATE = 0.1
BF16 = torch.bfloat16


def examples(batch: int, seeds: tuple[int, ...] = (0,)) -> tuple[Tensor, Tensor]:
    """Inputs and targets of all batches, each ``(batches, member, batch, unit)``."""
    streams = Streams(seeds, torch.float32)
    x = streams.uniform("data", (BATCHES, batch, SIZES[0]), 1.0)
    target = (streams.uniform("teacher", (BATCHES, batch, SIZES[-1]), 1.0) + 1) / 2
    return x.transpose(0, 1).contiguous(), target.transpose(0, 1).contiguous()


def parameters(seeds: tuple[int, ...] = (0,)) -> tuple[list[Tensor], list[Tensor]]:
    """Weights ``(member, unit_in, unit_out)`` and biases, the same for everyone."""
    streams = Streams(seeds, torch.float32)
    pairs = list(itertools.pairwise(SIZES))
    weights = [streams.uniform("weights", pair, pair[0] ** -0.5, k) for k, pair in enumerate(pairs)]
    return weights, [torch.zeros(len(seeds), 1, outputs) for _, outputs in pairs]


def ours(
    name: str, batch: int, seeds: tuple[int, ...] = (0,), compute: torch.dtype | None = None
) -> Training:
    """The library's population. ``compute`` is that of the large first layer."""
    layers = [Dense(*SIZES[:2], compute), Dense(*SIZES[1:])]
    network = Network(layers, ["logistic"] * 2, *parameters(seeds))
    x, target = examples(batch, seeds)
    streams = Streams(seeds, torch.float32)
    return Training(
        network, rule(name), sgd(RATE), lambda k: (x[k % BATCHES], target[k % BATCHES]), streams
    )


def stock(batch: int, autocast: bool = False) -> tuple[torch.nn.Sequential, Callable[[int], None]]:
    """The same network in plain PyTorch, and a function that trains it for some batches."""
    model = torch.nn.Sequential(
        torch.nn.Linear(*SIZES[:2]),
        torch.nn.Sigmoid(),
        torch.nn.Linear(*SIZES[1:]),
        torch.nn.Sigmoid(),
    )
    for layer, W, b in zip(model[::2], *parameters(), strict=True):
        layer.weight.data, layer.bias.data = W[0].T.contiguous(), b[0, 0]
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    x, target = (values[:, 0] for values in examples(batch))

    def train(steps: int) -> None:
        for step in range(steps):
            optimiser.zero_grad()
            with torch.autocast("cpu", BF16, enabled=autocast):
                y = model(x[step % BATCHES])
            loss = 0.5 * (y.float() - target[step % BATCHES]).square().sum(1).mean()
            loss.backward()
            optimiser.step()

    return model, train


def agree(batch: int) -> None:
    """Check that backprop and autograd train the same network to the same weights."""
    made = ours("bp", batch)
    made.until(50)
    model, train = stock(batch)
    train(50)
    for layer, W in zip(model[::2], made.network.weights, strict=True):
        torch.testing.assert_close(layer.weight.data.T, W[0], rtol=1e-3, atol=1e-5)


def goes_on(*trainings: Training) -> Contender:
    """Train on from where the last turn ended, one training after another."""

    def turn(steps: int) -> None:
        for made in trainings:
            made.until(made.step + steps)

    def prepare() -> Turn:
        batch = trainings[0].batches(0)[0].shape[1]
        return lambda: turn(STEPS[batch])

    return prepare


def products(batch: int, seeds: tuple[int, ...] = (0,)) -> Contender:
    """The two products of the first layer and nothing else: no step that makes them is faster."""
    W, x = parameters(seeds)[0][0], examples(batch, seeds)[0]
    delta = torch.full((len(seeds), batch, SIZES[1]), 1e-9)

    def turn() -> None:
        for step in range(STEPS[batch]):
            torch.bmm(x[step % BATCHES], W)
            W.baddbmm_(x[step % BATCHES].mT, delta)

    return lambda: turn


def against_autograd(batch: int, count: int) -> list[Row]:
    """Compare rules and precisions with autograd's backprop in float32, on one batch size."""
    agree(batch)
    rest: dict[str, Contender] = {
        "bp": goes_on(ours("bp", batch)),
        "fa": goes_on(ours("fa", batch)),
        "large products alone": products(batch),
    }
    if batch > 1:
        rest["bp, bfloat16"] = goes_on(ours("bp", batch, compute=BF16))
        half = stock(batch, autocast=True)[1]
        rest["autograd itself, autocast to bfloat16"] = lambda: lambda: half(STEPS[batch])
    train = stock(batch)[1]
    seconds = turns({"autograd": lambda: lambda: train(STEPS[batch]), **rest}, count)
    seen = batch * STEPS[batch]
    rate = {name: seen / statistics.median(taken) for name, taken in seconds.items()}
    return [
        {
            "what": f"batch {batch}, {name}: examples/s / of autograd",
            "ours": rate[name],
            "other": rate["autograd"],
            "ratio": ratio(seconds["autograd"], seconds[name]),
        }
        for name in rest
    ]


def side_by_side(batch: int, count: int) -> list[Row]:
    """Compare a population with its members trained one after another."""
    seeds = tuple(range(MEMBERS))
    singles = [ours("bp", batch, (seed,)) for seed in seeds]
    many = {"bp": goes_on(ours("bp", batch, seeds)), "large products alone": products(batch, seeds)}
    seconds = turns({**many, "singles": goes_on(*singles)}, count)
    seen = batch * STEPS[batch] * MEMBERS
    return [
        {
            "what": f"{MEMBERS} side by side, batch {batch}, {name}: examples/s / one by one",
            "ours": seen / statistics.median(seconds[name]),
            "other": seen / statistics.median(seconds["singles"]),
            "ratio": ratio(seconds["singles"], seconds[name]),
        }
        for name in many
    ]


def measure(count: int) -> list[Row]:
    """Return a row for each comparison."""
    return [*against_autograd(1, count), *against_autograd(64, count), *side_by_side(20, count)]


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=25)
