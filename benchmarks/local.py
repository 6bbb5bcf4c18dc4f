"""What do locally connected layers cost beside cut patches with autograd, and bare products?

One step is forward, weight gradient (added in place) and signal carried back. The rivals are
``unfold`` with autograd, the way the layer is usually written; ``Conv2d`` of the same geometry,
which shares its weights; and three batched products on patches that lie ready, which no layer can
have for nothing. Process time. Memory is the most that one step of the module takes beyond images
and weights, in a process of its own (Linux); see README.md.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from population import Contender, Row, ratio, report, turns
from torch import Tensor
from torch.nn import functional as F

from bioprop.learning import LocallyConnected
from bioprop.learning.layers import LocallyConnected2d

BATCH = 128
SHAPES = [  # channels below, height and width, channels above, kernel, stride, padding
    (64, 16, 128, 5, 2, 2),
    (128, 8, 256, 3, 1, 1),
    (32, 14, 64, 3, 2, 1),
]
LARGE = (64, 32, 64, 3, 1, 1)  # for memory: many places
MEMBERS = 3
# Of a module on other data: channels below, height and width, channels above, kernel, batch.
OTHER = (16, 28, 32, 3, 64)
OTHERWISE = {"plain": {}, "groups 4": {"groups": 4}, "dilation 2": {"dilation": 2}}


def made(layer: LocallyConnected, members: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Draw images, weights and signals, small enough that steps leave the weights alone."""
    draw = torch.Generator().manual_seed(0)
    h = torch.randn(members, BATCH, layer.inputs, generator=draw)
    W = torch.randn(members, *layer.weight_shape, generator=draw) * layer.fan_in**-0.5
    delta = torch.randn(members, BATCH, layer.outputs, generator=draw) * 1e-6
    return h, W, delta


def explicit(layer: LocallyConnected, members: int = 1) -> Contender:
    """The library's layer."""
    h, W, delta = made(layer, members)

    def step() -> None:
        used = layer.rounded(W)
        layer.forward(h, used)
        layer.back(delta, layer.transpose(used))
        layer.add_gradient_(W, h, delta)

    return lambda: step


def one_by_one(layer: LocallyConnected) -> Contender:
    """The members of a population, each as a population of its own."""
    h, W, delta = made(layer, MEMBERS)
    members = [[t[k : k + 1].clone() for t in (h, W, delta)] for k in range(MEMBERS)]

    def step() -> None:
        for h, W, delta in members:
            layer.forward(h, W)
            layer.back(delta, layer.transpose(W))
            layer.add_gradient_(W, h, delta)

    return lambda: step


def patches(images: Tensor, layer: LocallyConnected) -> Tensor:
    """Cut images into patches ``(position, batch, patch)``, channels first in a patch."""
    top, _, left, _ = layer.pads
    columns = F.unfold(images, layer.window, padding=(top, left), stride=layer.strides)
    return columns.permute(2, 0, 1)


def autograd(act: Callable[[Tensor], Tensor], x: Tensor, signal: Tensor) -> Contender:
    """A layer in plain PyTorch; its parameters' gradients are summed up in place."""

    def step() -> None:
        x.grad = None
        act(x).backward(signal)

    return lambda: step


def unfolded(layer: LocallyConnected) -> Contender:
    """The usual way: ``unfold``, one product for each place, autograd."""
    h, W, delta = made(layer)
    weight = W[0].clone().requires_grad_()
    x = h.view(BATCH, *layer.image).requires_grad_()

    def act(x: Tensor) -> Tensor:
        return torch.bmm(patches(x, layer), weight).permute(1, 2, 0)

    return autograd(act, x, delta.view(BATCH, layer.channels, layer.positions))


def shared(layer: LocallyConnected) -> Contender:
    """``Conv2d`` of the same geometry."""
    h, _, delta = made(layer)
    top, _, left, _ = layer.pads
    settings = (layer.image[0], layer.channels, layer.window, layer.strides, (top, left))
    x = h.view(BATCH, *layer.image).requires_grad_()
    return autograd(torch.nn.Conv2d(*settings), x, delta.view(BATCH, *layer.image_out))


def as_module(layer: LocallyConnected) -> Contender:
    """The module."""
    h, _, delta = made(layer)
    sizes = (layer.image[0], layer.channels, layer.image[1:], layer.window, layer.strides)
    act = LocallyConnected2d(*sizes, layer.pads)
    x = h.view(BATCH, *layer.image).requires_grad_()
    return autograd(act, x, delta.view(BATCH, *layer.image_out))


def bare(layer: LocallyConnected) -> Contender:
    """The three products on patches and signals that lie ready, and nothing else."""
    h, W, delta = made(layer)
    ready = patches(h.view(BATCH, *layer.image), layer).contiguous()
    signals = delta.view(BATCH, layer.channels, -1).permute(2, 0, 1).contiguous()
    weights = W[0]

    def step() -> None:
        torch.bmm(ready, weights)
        torch.bmm(signals, weights.mT)
        weights.baddbmm_(ready.mT, signals)

    return lambda: step


def agree(layer: LocallyConnected) -> None:
    """Check that the layer and ``unfold`` compute the same."""
    h, W, _ = made(layer)
    by_place = W[0].unflatten(1, (*layer.window, layer.image[0])).movedim(3, 1).flatten(1, 3)
    theirs = torch.bmm(patches(h.view(BATCH, *layer.image), layer), by_place)
    ours = layer.forward(h, W)[0]
    torch.testing.assert_close(ours, theirs.permute(1, 2, 0).flatten(1), rtol=1e-3, atol=1e-4)


AUTOGRAD = {"ours": as_module, "unfold": unfolded, "Conv2d": shared}


def megabytes(name: str, layer: LocallyConnected) -> float:
    """Return what the first step of a contender takes at most beyond what lay ready before it."""
    step = AUTOGRAD[name](layer)()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far

    def status(key: str) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) / 1e3 for line in lines if line.startswith(key))

    before = status("VmRSS")
    step()
    return status("VmHWM") - before


def memory() -> list[Row]:
    """Return megabytes of a step of the module beside each rival's, and their ratio."""
    rows: list[Row] = []
    for below, size, above, *geometry in (*SHAPES, LARGE):
        layer = LocallyConnected((below, size, size), above, *geometry)
        took = {}
        for name in AUTOGRAD:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
                took[name] = fresh.submit(megabytes, name, layer).result()
        for name in ("unfold", "Conv2d"):
            what = f"{below} x {size} x {size} to {above}, MB of ours / of {name}"
            ratio = took["ours"] / took[name]
            rows.append({"what": what, "ours": took["ours"], "other": took[name], "ratio": ratio})
    return rows


def modules(count: int) -> list[Row]:
    """Return rows of the module with groups and with dilation, beside both rivals."""
    below, size, above, kernel, batch = OTHER
    draw = torch.Generator().manual_seed(0)
    rows: list[Row] = []
    for name, settings in OTHERWISE.items():
        ours = LocallyConnected2d(below, above, size, kernel, **settings)
        layer, weight = ours.layer, ours.weight.detach().clone()
        by_group = weight.unflatten(1, (-1, layer.features)).transpose(1, 2).flatten(1, 2)
        by_group = by_group.unflatten(2, (layer.groups, -1)).movedim(2, 1).contiguous()
        by_group.requires_grad_()
        x = torch.randn(batch, *layer.image, generator=draw, requires_grad=True)
        signal = torch.randn(batch, *layer.image_out, generator=draw)

        def unfold(x: Tensor, layer: LocallyConnected = layer, W: Tensor = by_group) -> Tensor:
            columns = F.unfold(x, layer.window, layer.dilated, stride=layer.strides)
            cut = columns.permute(2, 0, 1).unflatten(2, (layer.groups, -1)).transpose(1, 2)
            return (cut @ W).permute(2, 1, 3, 0).reshape(len(x), *layer.image_out)

        plain = ours(x) - ours.bias  # what unfold computes
        torch.testing.assert_close(unfold(x), plain, rtol=1e-3, atol=1e-4)
        rivals = {"unfold": unfold, "Conv2d": torch.nn.Conv2d(below, above, kernel, **settings)}
        acts = {"the module": ours, **rivals}
        contenders = {what: autograd(act, x, signal) for what, act in acts.items()}
        seconds = turns(contenders, count, time.process_time)
        for other in rivals:
            medians = (statistics.median(seconds[each]) * 1e3 for each in ("the module", other))
            what = f"{below} x {size} x {size} to {above}, {name}, ms of the module / of {other}"
            times = dict(zip(("ours", "other"), medians, strict=True))
            gain = ratio(seconds["the module"], seconds[other])
            rows.append({"what": what, **times, "ratio": gain})
    return rows


def measure(count: int) -> list[Row]:
    """Return a row for each shape and rival: milliseconds of a step, and their ratio."""
    rows: list[Row] = []
    for below, size, above, *geometry in SHAPES:
        layer = LocallyConnected((below, size, size), above, *geometry)
        short = LocallyConnected(layer.image, above, *geometry, compute=torch.bfloat16)
        agree(layer)
        contenders = {
            "bare products": bare(layer),
            "unfold, autograd": unfolded(layer),
            "Conv2d, autograd": shared(layer),
            "ours": explicit(layer),
            "in bfloat16": explicit(short),
            f"{MEMBERS} members": explicit(layer, MEMBERS),
            f"{MEMBERS} members one by one": one_by_one(layer),
        }
        seconds = turns(contenders, count, time.process_time)
        named = f"{below} x {size} x {size} to {above}"
        pairs = [("ours", other) for other in list(contenders)[:3]]
        pairs += [("in bfloat16", "ours"), (f"{MEMBERS} members", f"{MEMBERS} members one by one")]
        for ours, other in pairs:
            medians = (statistics.median(seconds[name]) * 1e3 for name in (ours, other))
            what = f"{named}, ms of {ours} / of {other}"
            times = dict(zip(("ours", "other"), medians, strict=True))
            rows.append({"what": what, **times, "ratio": ratio(seconds[ours], seconds[other])})
    return rows + modules(count) + memory()


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=15)
