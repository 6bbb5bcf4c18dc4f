"""What the whole of ImageNet would cost: hours and memory, estimated from a step that is measured.

A card is not at hand here. Its time follows from the operations of a step, which are counted, and
from how many of them it gets done in a second, which is assumed. All of this is an estimate.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bioprop.learning import generator
from bioprop.studies.xiao2018.imagenet import ImageNetSettings, network
from bioprop.tasks.decoding import CHANCES, Request, shown
from bioprop.tasks.folders import CLASSES

TRAIN, TEST = 1_281_167, 50_000  # images of ImageNet
SIZE = (375, 500)  # rows and columns of a usual one
GIGA = 1e9


@dataclass(frozen=True)
class Cost:
    """What was measured on one core, and counted, for each image of a training step.

    ``decoding`` and ``step`` are seconds of processor time, ``operations`` additions and
    multiplications of products. ``fixed`` are the bytes of weights, feedback weights, gradients,
    momentum and rounded weights, ``activities`` those that an image keeps between the passes.
    """

    decoding: float
    step: float
    operations: float
    fixed: float
    activities: float


# What :func:`measure` gave on one core of an Intel Xeon with AMX, under torch 2.13.0. The book
# shows these, so that every build of it has the same numbers.
MEASURED = {
    "resnet18": Cost(0.00198, 0.0321, 10.648e9, 163.7e6, 11.90e6),
    "alexnet": Cost(0.00200, 0.0506, 4.145e9, 855.7e6, 3.16e6),
}


def measure(settings: ImageNetSettings, images: int = 8, turns: int = 2) -> Cost:
    """Measure a step with so many images, three or more, once it is warm; takes seconds."""
    model = network(settings, CLASSES, 0).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss, pair = (_objective(settings, model, count) for count in (images, 2))
    kept, least = _kept(model, loss), _kept(model, pair)
    activities = (kept - least) / (images - 2)
    counter = FlopCounterMode(display=False)
    with counter:
        loss().backward()
    begun = time.process_time()
    for _ in range(turns):
        loss().backward()
    step = (time.process_time() - begun) / turns
    parameters = sum(p.nbytes for p in model.parameters())
    learning = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    return Cost(
        decoding=decoding(settings),
        step=step / images,
        operations=counter.get_total_flops() / images,
        fixed=parameters + 2 * learning + least - 2 * activities,
        activities=activities,
    )


def _objective(settings: ImageNetSettings, model: nn.Module, images: int) -> Callable[[], Tensor]:
    """Return a function that shows the model random images, always the same, and gives its loss."""
    numbers = torch.Generator().manual_seed(0)
    x = torch.randn(images, 3, settings.side, settings.side, generator=numbers)
    x = x.to(settings.dtype, memory_format=torch.channels_last)
    classes = torch.randint(CLASSES, (images,), generator=numbers)

    def loss() -> Tensor:
        with torch.autocast("cpu", settings.compute, enabled=settings.compute is not None):
            return F.cross_entropy(model(x), classes)

    return loss


def _kept(model: nn.Module, loss: Callable[[], Tensor]) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss()
    value.backward()  # what was kept lives until here, so no two have one address
    return sum(sizes.values())


def decoding(settings: ImageNetSettings, images: int = 12) -> float:
    """Return the seconds of a core that a training image takes to be decoded, cropped, resized."""
    from PIL import Image  # here, as nothing else in this file needs it

    chances = generator(0, "augmentation").random((images + 1, CHANCES)).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.JPEG"
        Image.fromarray(photograph()).save(path, quality=92)
        requests = [Request(str(path), each) for each in chances]
        shown(requests[0], settings.side, settings.decoder)
        begun = time.process_time()
        for request in requests[1:]:
            shown(request, settings.side, settings.decoder)
        return (time.process_time() - begun) / images


def photograph() -> np.ndarray:
    """Return noise with a photograph's spectrum, 1/f, ``(row, column, 3)`` bytes."""
    noise = generator(0, "data").standard_normal((*SIZE, 3))
    f = np.hypot(np.fft.fftfreq(SIZE[0])[:, None], np.fft.fftfreq(SIZE[1])[None])
    waves = np.fft.fft2(noise, axes=(0, 1)) / np.maximum(f, 1 / max(SIZE))[..., None]
    smooth = np.fft.ifft2(waves, axes=(0, 1)).real
    return np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def estimate(
    settings: ImageNetSettings,
    cost: Cost,
    teraflops: float,
    cards: Sequence[int] = (1, 8, 64),
) -> pd.DataFrame:
    """Return hours and memory by the number of cards, each of which sustains so many TFLOP/s.

    A test image costs a third of a training image. With more cards than ``shares`` there are as
    many shares, each as large as before, and the batch grows. What cards tell each other is free
    here, so the hours of many are the least they can be.
    """
    plan = settings.plan
    images = plan.epochs * (TRAIN + TEST / 3)
    rate = teraflops * 1e12 / cost.operations
    share = plan.batch // settings.shares
    rows = {
        count: {
            "batch": max(plan.batch, count * share),
            "images a second": rate * count,
            "hours": images / (rate * count) / 3600,
            "cores that decode": rate * count * cost.decoding,
            "GB on a card": (cost.fixed + cost.activities * share) / GIGA,
        }
        for count in cards
    }
    core = {
        "batch": plan.batch,
        "images a second": 1 / cost.step,
        "hours": images * cost.step / 3600,
        "cores that decode": cost.decoding / cost.step,
        "GB on a card": (cost.fixed + cost.activities * share) / GIGA,
    }
    named = {f"{count} card{'s' * (count > 1)}": row for count, row in rows.items()}
    return pd.DataFrame({"one core, as measured": core, **named}).T
