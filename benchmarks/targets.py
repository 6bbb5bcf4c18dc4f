"""What does target propagation cost beside autograd's backprop, and many settings beside one?

A 784-5x256-10 tanh network with softmax and cross-entropy, as on MNIST in Bartunov et al. 2018.
Autograd is PyTorch's own: nn.Linear, loss.backward(), torch.optim.Adam, on the same batches from
the same weights. All times are processor time of one process. See README.md.
"""

import itertools
import statistics
import time
from collections.abc import Callable

import torch
from population import Contender, Row, Turn, ratio, report, turns
from torch import Tensor
from torch.profiler import profile

from bioprop.learning import Dense, Streams, Training, adam, rule
from bioprop.tasks.classify import layered_network

SIZES = (784, 256, 256, 256, 256, 256, 10)
BATCHES = 32  # different batches, presented in turn
TURN = 40  # batches of a turn: of inverses, then of the network
MANY = {3: 16, 8: 8, 24: 4}  # batches of a turn for each of so many settings
RATE, BATCH = 1e-4, 100


def examples(batch: int) -> tuple[Tensor, Tensor]:
    """Inputs and 1-hot targets of all batches, each ``(batches, 1, batch, unit)``."""
    streams = Streams((0,), torch.float32)
    x = (streams.uniform("data", (BATCHES, batch, SIZES[0]), 1.0) + 1) / 2
    scores = streams.normal("teacher", (BATCHES, batch, SIZES[-1]))
    target = torch.nn.functional.one_hot(scores.argmax(-1), SIZES[-1]).to(x)
    return x.transpose(0, 1).contiguous(), target.transpose(0, 1).contiguous()


def ours(name: str, batch: int, turn: int | None = None, rates: tuple[float, ...] = ()) -> Training:
    """The library's training, or a population of rates that share seed and batches."""
    members = len(rates) or 1
    streams = Streams((0,) * members, torch.float32)
    network = layered_network(streams, [Dense(a, b) for a, b in itertools.pairwise(SIZES)])
    x, target = examples(batch)
    rate = streams.each(rates) if members > 1 else (*rates, RATE)[0]
    options = {"turn": turn, "optimiser": adam(rate)} if name != "bp" else {}

    def batches(step: int) -> tuple[Tensor, Tensor]:
        shown = step % BATCHES
        return x[shown].expand(members, -1, -1), target[shown].expand(members, -1, -1)

    return Training(network, rule(name, **options), adam(rate), batches, streams)


def stock(batch: int) -> tuple[torch.nn.Sequential, Callable[[int], None]]:
    """The same network in plain PyTorch, and a function that trains it for some batches."""
    units = [[torch.nn.Linear(a, b), torch.nn.Tanh()] for a, b in itertools.pairwise(SIZES)]
    model = torch.nn.Sequential(*itertools.chain(*units))[:-1]
    made = ours("bp", batch)
    for layer, W in zip(model[::2], made.network.weights, strict=True):
        layer.weight.data, layer.bias.data = W[0].T.contiguous(), torch.zeros(W.shape[2])
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    x, target = (values[:, 0] for values in examples(batch))
    seen = 0

    def train(steps: int) -> None:
        nonlocal seen
        for _ in range(steps):
            optimiser.zero_grad()
            y = model(x[seen % BATCHES])
            torch.nn.functional.cross_entropy(y, target[seen % BATCHES]).backward()
            optimiser.step()
            seen += 1

    return model, train


def agree(batch: int) -> None:
    """Check that our backprop and autograd train the same network to the same weights."""
    made = ours("bp", batch)
    made.until(50)
    model, train = stock(batch)
    train(50)
    for layer, W in zip(model[::2], made.network.weights, strict=True):
        torch.testing.assert_close(layer.weight.data.T, W[0], rtol=1e-3, atol=1e-4)


def goes_on(trainings: list[Training], steps: int) -> Contender:
    """Train on from where the last turn ended, one training after another."""

    def turn() -> None:
        for made in trainings:
            made.until(made.step + steps)

    return lambda: turn


def products(made: Training, steps: int) -> Contender:
    """Make the products that a training makes in so many batches, of these shapes, and no more."""
    with profile(record_shapes=True) as seen:
        made.until(made.step + steps)
    shapes = [event.input_shapes[:2] for event in seen.events() if event.name == "aten::bmm"]
    pairs = {repr(pair): tuple(map(torch.rand, pair)) for pair in shapes}
    made_of = [pairs[repr(pair)] for pair in shapes]

    def turn() -> None:
        for left, right in made_of:
            torch.bmm(left, right)

    return lambda: turn


def against_autograd(batch: int, count: int) -> list[Row]:
    """Compare a turn of inverses and one of the network with as many batches of backprop."""
    agree(batch)
    _, train = stock(batch)

    def stock_turn() -> Turn:
        return lambda: train(TURN)

    contenders = {
        "bp": goes_on([ours("bp", batch)], TURN),
        **{name: goes_on([ours(name, batch, TURN)], 2 * TURN) for name in ("dtp", "sdtp")},
        "dtp, no turns": goes_on([ours("dtp", batch)], TURN),
        "bare products of dtp": products(ours("dtp", batch, TURN), 2 * TURN),
        "autograd": stock_turn,
    }
    seconds = turns(contenders, count, time.process_time)
    return [
        {
            "what": f"batch {batch}, {name}: ms of {shown(name)} / of autograd's batch",
            "ours": statistics.median(seconds[name]) / TURN * 1e3,
            "other": statistics.median(seconds["autograd"]) / TURN * 1e3,
            "ratio": ratio(seconds[name], seconds["autograd"]),
        }
        for name in contenders
        if name != "autograd"
    ]


def shown(name: str) -> str:
    """Say what a contender is shown while autograd is shown one batch."""
    return "a batch" if name in ("bp", "dtp, no turns") else "a pair of batches"


def side_by_side(members: int, count: int) -> list[Row]:
    """Compare a population of settings with its members trained one after another."""
    rates = tuple(RATE * (1 + member / members) for member in range(members))
    steps = MANY[members]
    contenders = {
        "many": goes_on([ours("dtp", BATCH, steps // 2, rates)], steps),
        "singles": goes_on([ours("dtp", BATCH, steps // 2, (each,)) for each in rates], steps),
    }
    seconds = turns(contenders, count, time.process_time)
    each = {name: statistics.median(seconds[name]) / members / steps * 1e3 for name in contenders}
    return [
        {
            "what": f"dtp, {members} settings side by side: ms of a batch and setting / one by one",
            "ours": each["many"],
            "other": each["singles"],
            "ratio": ratio(seconds["many"], seconds["singles"]),
        }
    ]


def measure(count: int) -> list[Row]:
    """Return a row for each comparison."""
    autograd = [against_autograd(batch, count) for batch in (64, 256)]
    settings = [side_by_side(members, count) for members in MANY]
    return list(itertools.chain(*autograd, *settings))


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=15)
