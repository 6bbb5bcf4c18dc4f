"""Small populations for every test, and the conditions under which all tests run."""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import torch
from torch import Tensor

from bioprop.learning import (
    RULES,
    Convolution,
    Dense,
    Layer,
    LocallyConnected,
    Network,
    Optimiser,
    Sequences,
    Streams,
    Training,
    rule,
    sgd,
)

torch.set_num_threads(1)
# The same examples in every run: a test that fails here fails everywhere.
hypothesis.settings.register_profile("bioprop", deadline=None, derandomize=True)
hypothesis.settings.load_profile("bioprop")

BUILDS = {"built", "small", "published"}  # fixtures that build a book, whole or small
SEEDS = (3, 1, 4)
SIZES = (5, 6, 4, 3)
# A network of each kind of layer. Below each layer but the first, channels are even in number, so
# that they can be rotated; the padding of the first locally connected layer is uneven.
KINDS: dict[str, Callable[[torch.dtype | None], list[Layer]]] = {
    "dense": lambda compute: [Dense(a, b, compute) for a, b in itertools.pairwise(SIZES)],
    "local": lambda compute: [
        LocallyConnected((2, 4, 3), 4, (3, 2), (2, 1), "same", compute=compute),
        LocallyConnected((4, 2, 3), 2, (1, 2), padding=(0, 1, 0, 0), compute=compute),
        Dense(12, 3, compute),
    ],
    "convolution": lambda compute: [
        Convolution((2, 5, 4), 4, 3, padding="same", groups=2, stride=2, compute=compute),
        Convolution((4, 3, 2), 4, 2, padding=1, dilation=(2, 1), groups=2, compute=compute),
        Dense(36, 3, compute),
    ],
}
# What a rule cannot do without, or what tells most about it here.
OPTIONS: dict[str, dict[str, Any]] = {
    "np": {"sigma": 0.1},  # large: the difference of two losses, over sigma^2, loses few digits
    "rotated": {"degrees": 40.0},
    "rotated-fixed": {"degrees": 40.0},
    "generec": {"gain": 0.02},  # small: linear units settle for small gains alone
    "chl": {"gain": 0.02},
    "pc": {"steps": 10, "nudge": 0.05},  # few, as every test takes them
}


@pytest.fixture(params=RULES)
def name(request: pytest.FixtureRequest) -> str:
    """The name of a learning rule: a test that takes it runs once for each rule."""
    return request.param


@pytest.fixture(
    params=[(name, kind) for name in RULES for kind in KINDS if name != "pbp" or kind == "dense"],
    ids="-".join,
)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A rule and a kind of layer that it can teach, by name: once for each pair."""
    return request.param


@pytest.fixture(scope="session")
def population() -> Callable[..., Network]:
    """A function that makes a population with random weights, and biases where asked for."""

    def make(
        streams: Streams,
        sizes: tuple[int, ...] = SIZES,
        hidden: str = "tanh",
        output: str = "linear",
        loss: str = "squared",
        biases: bool = True,
        compute: torch.dtype | None = None,
        kind: str = "dense",
    ) -> Network:
        layers: list[Layer] = [Dense(a, b, compute) for a, b in itertools.pairwise(sizes)]
        if kind != "dense":
            layers = KINDS[kind](compute)
        shapes = [layer.weight_shape for layer in layers] + [layer.bias_shape for layer in layers]
        drawn = [streams.uniform("weights", shape, 0.7, k) for k, shape in enumerate(shapes)]
        return Network(
            layers,
            [*[hidden] * (len(layers) - 1), output],
            drawn[: len(layers)],
            drawn[len(layers) :] if biases else [],
            loss=loss,
        )

    return make


@pytest.fixture(scope="session")
def training(population: Callable[..., Network]) -> Callable[..., Training]:
    """A function that makes a training of a rule on y* = softmax(x T), batches of 4."""

    def make(
        name: str,
        seeds: tuple[int, ...] = SEEDS,
        rate: float | Tensor = 0.1,
        options: dict[str, Any] | None = None,
        dtype: torch.dtype = torch.float64,
        optimiser: Optimiser | None = None,
        device: str = "cpu",
        **shape: Any,
    ) -> Training:
        streams, optimiser = Streams(seeds, dtype, device), optimiser or sgd(rate)
        network = population(streams, **shape)
        inputs, outputs = network.layers[0].inputs, network.layers[-1].outputs
        teacher = streams.uniform("teacher", (inputs, outputs), 1.0)
        data = Sequences(streams, "data", (4, inputs), steps_in_block=16)

        def batches(step: int) -> tuple[Tensor, Tensor]:
            return data[step], torch.softmax(data[step] @ teacher, -1)

        options = OPTIONS.get(name, {}) if options is None else options
        if name == "kp":
            options = {"optimiser": optimiser} | options
        return Training(network, rule(name, **options), optimiser, batches, streams)

    return make


@pytest.fixture(scope="session")
def parameters() -> Callable[[Training], list[Tensor]]:
    """A function that returns all weights and biases of a training, each ``(member, ...)``."""
    return lambda made: [p for p in (*made.network.weights, *made.network.biases) if p is not None]


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are processors: many tests wait for processes that they start."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark what waits for a book as slow, and begin with what takes longest.

    At first xdist gives each worker a quarter of its share, in this order: of the slow tests the
    first worker builds the book, the second makes a run of all studies. No other waits for the
    book; what looks at it comes last, once it is there.
    """
    for item in items:
        if BUILDS & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    yield  # those that were not asked for are left out here
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    quarter = len(items) // workers // 4
    site, command, others, look = [], [], [], []
    for item in items:
        if item.path.name == "test_site.py":
            site.append(item)
        elif item.path.name == "test_cli.py":
            command.append(item)
        elif "built" in getattr(item, "fixturenames", ()):
            look.append(item)
        else:
            others.append(item)
    beside = max(quarter - len(site), 0)
    items[:] = [*site, *others[:beside], *command, *others[beside:], *look]
