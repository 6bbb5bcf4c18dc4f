"""What does an epoch of the locally connected network for CIFAR-10 cost beside autograd's?

The network of Bartunov et al. 2018, Table 3, 50 million weights, batch 100, Adam. Autograd's is
the same network as it is usually written: ``unfold``, a product for each place, loss.backward(),
torch.optim.Adam. A few steps stand for an epoch of 450, of alternating DTP as many with its
inverses before. Processor time of one process; images are random. Peak memory is what a process of
its own takes beyond what Python and the libraries have (Linux), with freed memory kept at hand as
runs of studies do. What that is worth is measured for all alike. See README.md.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from population import Contender, Row, ratio, report, turns
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop import studies
from bioprop.learning import LocallyConnected, Streams, Training, adam, rule
from bioprop.learning.memory import reused
from bioprop.studies.bartunov2018.methods import layers
from bioprop.tasks.classify import layered_network

BATCH, RATE = 100, 1e-4
STEPS = 2  # of a turn
TURNS = 5  # with freed memory kept, and as many without
EPOCH = 450  # batches
METHODS = ("bp", "fa", "dtp")
IMAGE, CLASSES = (3, 32, 32), 10


def batch(step: int) -> tuple[Tensor, Tensor]:
    """The same random images and 1-hot targets in every step, each ``(1, batch, unit)``."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(1, BATCH, 3 * 32 * 32, generator=draw)
    return x, F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).float()[None]


def ours(name: str, precision: str = "float32") -> Training:
    """The library's training of one network; inverses of DTP have turns of as many batches."""
    settings: Any = studies.get("targets-cifar-local").configure(
        "reduced", "bp", precision=precision
    )
    streams = Streams((0,), torch.float32)
    network = layered_network(streams, layers(settings, IMAGE, CLASSES))
    options = {"turn": STEPS, "optimiser": adam(RATE)} if name == "dtp" else {}
    return Training(network, rule(name, **options), adam(RATE), batch, streams)


class Unfolded(nn.Module):
    """A locally connected layer as it is usually written, and tanh."""

    def __init__(self, layer: LocallyConnected, W: Tensor) -> None:
        super().__init__()
        self.layer = layer
        by_place = W.unflatten(1, (*layer.window, layer.image[0])).movedim(3, 1).flatten(1, 3)
        self.weight = nn.Parameter(by_place.contiguous())
        self.bias = nn.Parameter(torch.zeros(layer.channels, layer.positions))

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(batch, channel, row, column)`` to such images."""
        top, bottom, left, right = self.layer.pads
        padded = F.pad(images, (left, right, top, bottom))
        columns = F.unfold(padded, self.layer.window, stride=self.layer.strides)
        units = torch.bmm(columns.permute(2, 0, 1), self.weight).permute(1, 2, 0) + self.bias
        return torch.tanh(units).unflatten(2, self.layer.places)


class ChannelsLast(nn.Module):
    """Units in the order of the library, for the dense layers."""

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(batch, unit)``, the channels of a place beside each other."""
        return images.permute(0, 2, 3, 1).flatten(1)


def stock() -> tuple[nn.Sequential, Callable[[int], None]]:
    """The same network in plain PyTorch, and a function that trains it for some steps."""
    network = ours("bp").network
    parts: list[nn.Module] = []
    for layer, W in zip(network.layers, network.weights, strict=True):
        if isinstance(layer, LocallyConnected):
            parts.append(Unfolded(layer, W[0]))
            continue
        if isinstance(parts[-1], Unfolded):
            parts.append(ChannelsLast())
        dense = nn.Linear(layer.inputs, layer.outputs)
        dense.weight.data, dense.bias.data = W[0].T.contiguous(), torch.zeros(layer.outputs)
        parts += [dense, nn.Tanh()]
    model = nn.Sequential(*parts[:-1])  # the softmax is in the loss
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    x, target = (values[0] for values in batch(0))
    images = x.view(BATCH, 32, 32, 3).permute(0, 3, 1, 2).contiguous()

    def train(steps: int) -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            F.cross_entropy(model(images), target).backward()
            optimiser.step()

    return model, train


def agree() -> None:
    """Check that our backprop and autograd make the same of the network in a few steps."""
    made = ours("bp")
    made.until(3)
    model, train = stock()
    train(3)
    for part, W in zip(
        (p for p in model if hasattr(p, "weight")), made.network.weights, strict=True
    ):
        theirs = part.weight.data
        if isinstance(part, Unfolded):
            layer = part.layer
            back = theirs.unflatten(1, (layer.image[0], *layer.window)).movedim(1, 3)
            theirs = back.flatten(1, 3)
        else:
            theirs = theirs.T
        torch.testing.assert_close(theirs, W[0], rtol=1e-3, atol=RATE / 2)


def goes_on(made: Training, steps: int) -> Contender:
    """Train on from where the last turn ended."""
    return lambda: lambda: made.until(made.step + steps)


def megabytes(name: str) -> float:
    """Return what a contender's training takes at most, its network and all else included."""
    begun = _status("VmRSS")
    with reused():
        if name == "autograd":
            stock()[1](2)
        else:
            ours(name).until(2 * STEPS)
    return _status("VmHWM") - begun


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1e3 for line in lines if line.startswith(key))


def memory() -> list[Row]:
    """Return megabytes of each method beside autograd's, and their ratio."""
    took = {}
    for name in (*METHODS, "autograd"):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
            took[name] = fresh.submit(megabytes, name).result()
    other = took["autograd"]
    return [
        {
            "what": f"{name}: MB at most / of autograd's backprop",
            "ours": took[name],
            "other": other,
            "ratio": took[name] / other,
        }
        for name in METHODS
    ]


def seconds(name: str, kept: bool) -> list[float]:
    """Return seconds of an epoch, turn by turn, with freed memory kept at hand or returned.

    Products of the library are in bfloat16, as in the study.
    """
    torch.set_num_threads(1)
    with reused() if kept else nullcontext():
        if name == "autograd":
            train, steps = stock()[1], STEPS
        else:
            made, steps = ours(name, "bfloat16"), 2 * STEPS if name == "dtp" else STEPS

            def train(steps: int) -> None:
                made.until(made.step + steps)

        train(2 * steps)
        found = []
        for _ in range(TURNS):
            begun = time.process_time()
            train(steps)
            found.append((time.process_time() - begun) / STEPS * EPOCH)
    return found


def at_hand() -> list[Row]:
    """Return seconds of an epoch with freed memory kept at hand, and without."""
    rows: list[Row] = []
    for name in (*METHODS, "autograd"):
        both = []
        for kept in (True, False):
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
                both.append(statistics.median(fresh.submit(seconds, name, kept).result()))
        what = f"{name}: s of an epoch, freed memory kept / returned"
        rows.append({"what": what, "ours": both[0], "other": both[1], "ratio": both[0] / both[1]})
    return rows


def measure(count: int) -> list[Row]:
    """Return a row for each method: seconds of an epoch, and megabytes."""
    rows = memory() + at_hand()
    agree()
    _, train = stock()
    contenders: dict[str, Contender] = {
        name: goes_on(ours(name), 2 * STEPS if name == "dtp" else STEPS) for name in METHODS
    }
    contenders["autograd"] = lambda: lambda: train(STEPS)
    seconds = turns(contenders, count, time.process_time)
    epoch = {name: statistics.median(s) / STEPS * EPOCH for name, s in seconds.items()}
    times: list[Row] = [
        {
            "what": f"{name}: s of an epoch / of autograd's backprop",
            "ours": epoch[name],
            "other": epoch["autograd"],
            "ratio": ratio(seconds[name], seconds["autograd"]),
        }
        for name in METHODS
    ]
    return times + rows


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=7)
