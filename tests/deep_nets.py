"""Small nets for the tests of converted models, and a lesson to compare them by."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep import (
    RULES,
    alexnet,
    convert,
    resnet18,
)
from bioprop.learning import Streams

close = {"rtol": 0.0, "atol": 1e-10}
exact = {"rtol": 0.0, "atol": 0.0}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-18": lambda: resnet18(10, width=4),
    "ResNet-18, small stem": lambda: resnet18(10, width=4, stem="small"),
    "AlexNet": lambda: alexnet(10, width=2, image=63),
}
# All rules, and one of each family that differs in a number.
EVERY = [*RULES, "ss-share:0.8", "ss-every:3"]
COUNTING = ("ss-redrawn", "ss-every:3")  # what they do depends on how many batches came before
OTHERS = [name for name in EVERY if name not in ("bp", "sham")]


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
