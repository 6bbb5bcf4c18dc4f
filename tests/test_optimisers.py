"""Optimisers equal those of PyTorch, member by member, in float64."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from conftest import KINDS, SEEDS
from test_equivalences import close, same
from torch import Tensor

from bioprop.learning import Optimiser, Streams, adam, sgd

each = Streams(SEEDS).each
RATES, DECAYS = (0.01, 0.03, 0.1), (0.0, 1e-3, 1e-2)
MOMENTA, SECOND = (0.5, 0.9, 0.99), (0.9, 0.99, 0.999)
Pytorch = Callable[[Iterable[Tensor], int], torch.optim.Optimizer]

# Ours, and PyTorch's for one member. A decay is a share of the weights; PyTorch's is one of the
# gradient or (AdamW) of the rate.
PAIRS: dict[str, tuple[Optimiser, Pytorch]] = {
    "sgd": (sgd(0.1), lambda p, m: torch.optim.SGD(p, lr=0.1)),
    "sgd, decay": (
        sgd(0.1, decay=0.01),
        lambda p, m: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
    ),
    "momentum": (sgd(0.05, momentum=0.9), lambda p, m: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "momentum, each member its own": (
        sgd(each(RATES), momentum=each(MOMENTA)),
        lambda p, m: torch.optim.SGD(p, lr=RATES[m], momentum=MOMENTA[m]),
    ),
    "sgd, decay, each member its own": (
        sgd(each(RATES), decay=each(DECAYS)),
        lambda p, m: torch.optim.SGD(p, lr=RATES[m], weight_decay=DECAYS[m] / RATES[m]),
    ),
    "adam": (adam(0.01), lambda p, m: torch.optim.Adam(p, lr=0.01)),
    "adam, decay": (
        adam(0.01, decay=1e-3),
        lambda p, m: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ),
    "adam, each member its own": (
        adam(each(RATES), decay=each(DECAYS), betas=(each(MOMENTA), each(SECOND)), eps=1e-3),
        lambda p, m: torch.optim.AdamW(
            p,
            lr=RATES[m],
            weight_decay=DECAYS[m] / RATES[m],
            betas=(MOMENTA[m], SECOND[m]),
            eps=1e-3,
        ),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAIRS)
def test_an_optimiser_equals_that_of_pytorch(training: Any, name: str, kind: str) -> None:
    ours, theirs = PAIRS[name]
    made = training("bp", optimiser=ours, kind=kind)
    start = [[p.clone() for p in both] for both in (made.network.weights, made.network.biases)]
    made.until(10)
    for m in range(len(SEEDS)):
        other = training("bp", (SEEDS[m],), kind=kind)
        network = other.network
        weights, biases = ([p[m : m + 1].clone() for p in both] for both in start)
        # No decay of biases: a group of their own.
        optimiser = theirs([{"params": weights}, {"params": biases, "weight_decay": 0.0}], m)
        for step in range(10):
            network.weights[:], network.biases[:] = weights, biases
            trial = network.present(*other.batches(step))
            deltas = other.rule.teach(network, None, trial)
            for k, (layer, h, delta) in enumerate(
                zip(network.layers, trial.activities, deltas, strict=False)
            ):
                weights[k].grad = layer.gradient(h, delta) / 4  # of the mean loss
                biases[k].grad = layer.bias_gradient(delta) / 4
            optimiser.step()
        same([p[m : m + 1] for p in made.network.weights], weights, **close)
        same([p[m : m + 1] for p in made.network.biases], biases, **close)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_rate_for_each_layer_is_that_layer_s_own(training: Any, momentum: float) -> None:
    def moved(rate: Any) -> list[Tensor]:
        made = training("bp", optimiser=sgd(rate, momentum=momentum))
        now = [*made.network.weights, *made.network.biases]
        before = [p.clone() for p in now]
        made.until(1)
        return [p - q for p, q in zip(now, before, strict=True)]

    single, shared = moved(each(RATES)), moved([each(RATES)] * 3)
    same(shared, single)
    own = moved([0.1, each(RATES), flat(RATES)])
    same([own[0], own[3]], [each([0.1 / r for r in RATES]) * single[k] for k in (0, 3)], **close)
    same([own[k] for k in (1, 2, 4, 5)], [single[k] for k in (1, 2, 4, 5)])
    still = moved([0.0, 0.0, 0.1])  # hidden layers without a rate: a shallow network
    assert [bool(p.any()) for p in still] == [False, False, True] * 2


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_too_few_rates_for_the_layers_are_refused(training: Any, momentum: float) -> None:
    with pytest.raises(ValueError, match="2 rates given for 3 layers: give one for each layer"):
        training("bp", optimiser=sgd([0.1, 0.2], momentum=momentum))


@pytest.mark.parametrize("optimiser", [sgd(0.1), sgd(0.1, momentum=0.9), adam(0.1)])
def test_removed_connections_stay_removed(training: Any, optimiser: Optimiser) -> None:
    made = training("bp", optimiser=optimiser)
    streams, network = made.streams, made.network
    network.masks = [streams.kept("weight mask", W.shape[1:], 0.5) for W in network.weights]
    for W, mask in zip(network.weights, network.masks, strict=True):
        W.mul_(mask)
    made.until(20)
    for W, mask in zip(network.weights, network.masks, strict=True):
        assert torch.equal(W != 0, mask != 0)


@pytest.mark.parametrize("optimiser", [sgd(0.1, momentum=0.9), adam(0.1)])
def test_layers_that_are_not_taught_do_not_move(training: Any, optimiser: Optimiser) -> None:
    made = training("shallow", optimiser=optimiser)
    before = [W.clone() for W in made.network.weights]
    made.until(5)
    same(made.network.weights[:2], before[:2])
    assert not torch.equal(made.network.weights[2], before[2])


# One value for each member means the same in any shape, also where a layer has as many units.
GIVEN: dict[str, Callable[[Any], Optimiser]] = {
    "sgd, rate": lambda of: sgd(of(RATES)),
    "sgd, decay": lambda of: sgd(0.1, decay=of(DECAYS)),
    "sgd, momentum": lambda of: sgd(0.1, momentum=of(MOMENTA)),
    "sgd, all": lambda of: sgd(of(RATES), decay=of(DECAYS), momentum=of(MOMENTA)),
    "adam, rate": lambda of: adam(of(RATES)),
    "adam, decay": lambda of: adam(decay=of(DECAYS)),
    "adam, betas": lambda of: adam(betas=(of(MOMENTA), of(SECOND))),
    "adam, eps": lambda of: adam(eps=of(RATES)),
}


def flat(values: tuple[float, ...]) -> Tensor:
    """One value for each member, without further axes."""
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", GIVEN)
def test_a_flat_tensor_holds_one_value_for_each_member(
    training: Any, given: str, kind: str
) -> None:
    one, other = (training("bp", optimiser=GIVEN[given](of), kind=kind) for of in (flat, each))
    assert len(SEEDS) == one.network.layers[-1].outputs, "members could not be taken for units"
    for made in (one, other):
        made.until(5)
    same(one.network.weights, other.network.weights)
    same(one.network.biases, other.network.biases)


@pytest.mark.parametrize("given", GIVEN)
def test_values_for_each_unit_are_refused(training: Any, given: str) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 1, 3\) given where each member has one"):
        training("bp", optimiser=GIVEN[given](lambda values: flat(values).view(1, 1, -1))).until(1)
