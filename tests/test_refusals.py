"""What cannot be meant is refused in words where it is given; a refused state changes nothing."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SEEDS
from hypothesis import given, settings
from hypothesis import strategies as st
from test_equivalences import close, same
from torch import Tensor

from bioprop.learning import (
    Convolution,
    Dense,
    LocallyConnected,
    Network,
    Optimiser,
    Streams,
    Training,
    adam,
    rule,
    sgd,
)

STREAMS = Streams(SEEDS)
NAN, INF = float("nan"), float("inf")


def network(**changes: Any) -> Network:
    """Three networks of 4-4-4 units, with parts of them exchanged."""
    weights = [STREAMS.uniform("weights", (4, 4), 0.5, k) for k in range(2)]
    parts: dict[str, Any] = {"weights": weights} | changes
    return Network([Dense(4, 4), Dense(4, 4)], ["tanh", "linear"], **parts)


def trained(**changes: Any) -> Training:
    """A training of three networks that has seen nothing, with parts of it exchanged."""
    parts: dict[str, Any] = {
        "network": network(),
        "rule": rule("wm"),
        "optimiser": adam(),
        "batches": lambda step: (torch.ones(3, 2, 4).double(), torch.ones(3, 2, 4).double()),
        "streams": STREAMS,
    }
    return Training(**parts | changes)


def masked(mask: Tensor) -> Network:
    return network(masks=[None, mask])


ONES = torch.ones(3, 4, 4, dtype=torch.float64)
# What is done, and the words of the message.
REFUSED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no layers": (lambda: Network([], [], []), ["one layer or more"]),
    "weights under a mask": (lambda: masked(0 * ONES), ["layer 1", "have a weight", "* mask"]),
    "half a mask": (lambda: masked(ONES / 2), ["mask of layer 1", "0 or 1"]),
    "a mask of no numbers": (lambda: masked(ONES * NAN), ["mask of layer 1", "0 or 1"]),
    "whole weights": (lambda: network(weights=[ONES.long(), ONES.long()]), ["floating", "int64"]),
    "weights of two types": (lambda: network(weights=[ONES, ONES.float()]), ["float32", "float64"]),
    "biases of another type": (
        lambda: network(biases=[torch.ones(3, 1, 4), None]),
        ["biases of torch.float32", "torch.float64"],
    ),
    "inputs of another type": (
        lambda: network().forward(torch.ones(3, 2, 4)),
        ["inputs of torch.float32", "torch.float64", ".to(torch.float64)"],
    ),
    "bytes": (lambda: network().forward(torch.ones(3, 2, 4).byte()), ["inputs of torch.uint8"]),
    "targets of another type": (
        lambda: network().present(torch.ones(3, 2, 4).double(), torch.ones(3, 2, 4)),
        ["targets of torch.float32"],
    ),
    "streams of another type": (
        lambda: trained(streams=Streams(SEEDS, torch.float32)),
        ["streams of torch.float32", "torch.float64", "same Streams"],
    ),
    "streams of other members": (
        lambda: trained(streams=Streams((0, 1))),
        ["2 seeds", "population of 3"],
    ),
    "streams on another device": (
        lambda: trained(streams=Streams(SEEDS, device="meta")),
        ["on meta", "on cpu"],
    ),
    "no seeds": (lambda: Streams(()), ["seeds", "one for each member"]),
    "a seed below 0": (lambda: Streams((1, -2)), ["0 or more", "(1, -2)"]),
    "half a seed": (lambda: Streams((1, 0.5)), ["seeds", "whole number", "0.5"]),  # type: ignore
    "one seed bare": (lambda: Streams(3), ["seeds", "tuple", "3"]),  # type: ignore[arg-type]
    "whole random numbers": (lambda: Streams(SEEDS, torch.int64), ["floating dtype", "int64"]),
    "too few values": (lambda: STREAMS.each((0.1, 0.2)), ["2 values", "3 members"]),
    "too many values": (lambda: STREAMS.each((0.1,) * 4), ["4 values", "3 members"]),
    "rates of other members": (
        lambda: trained(optimiser=sgd(torch.tensor([0.1, 0.2]))),
        ["rate has 2 values", "population of 3"],
    ),
    "momenta of other members": (
        lambda: trained(optimiser=sgd(0.1, momentum=torch.tensor([0.1, 0.2]))),
        ["momentum has 2 values"],
    ),
    "eps of other members": (
        lambda: trained(optimiser=adam(eps=torch.tensor([0.1, 0.2]))),
        ["eps has 2 values"],
    ),
    "bounds of other members": (
        lambda: trained(rule=rule("fa", bound=torch.tensor([0.1, 0.2]))),
        ["a bound has 2 values", "population of 3"],
    ),
}
RULES_OF_OTHERS: dict[str, tuple[str, ...]] = {
    "np": ("sigma",),
    "ss": ("gain",),
    "ss-fixed": ("gain",),
    "ss-redrawn": ("gain",),
    "wm": ("rate", "decay"),
    "rotated-fixed": ("gain",),
    "rotated": ("degrees",),
    "generec": ("gain",),
    "dtp": ("alpha", "sigma"),
    "ao-sdtp": ("step", "gain"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_where_it_is_given(case: str) -> None:
    act, words = REFUSED[case]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, words))):
        act()


@pytest.mark.parametrize("name", RULES_OF_OTHERS)
def test_options_of_another_number_of_members_are_refused(name: str) -> None:
    others = {"degrees": 40.0} if name == "rotated-fixed" else {}
    softmax = Network(
        [Dense(4, 4), Dense(4, 4)], ["tanh", "softmax"], network().weights, [], "cross-entropy"
    )
    for option in RULES_OF_OTHERS[name]:
        given = rule(name, **others | {option: torch.tensor([0.1, 0.2])})
        with pytest.raises(ValueError, match="has 2 values for a population of 3"):
            trained(network=softmax, rule=given)


# A number, and whether it is allowed, by what is given it.
NUMBERS: dict[str, tuple[Callable[[Any], Any], list[Any], list[Any]]] = {
    "sgd, rate": (sgd, [0.0, 3, [0.1, 0.2]], [-1.0, NAN, INF, "0.1", [0.1, -0.2], None]),
    "sgd, decay": (lambda x: sgd(0.1, decay=x), [0.0, 1.0], [-0.1, 1.1, NAN]),
    "sgd, momentum": (lambda x: sgd(0.1, momentum=x), [0.0, 0.99], [-0.9, 1.5, NAN]),
    "adam, rate": (adam, [0.0, 0.1], [-1.0, NAN, INF, np.array([0.1])]),
    "adam, decay": (lambda x: adam(decay=x), [0.0, 1.0], [-0.1, 1.1, NAN]),
    "adam, beta1": (lambda x: adam(betas=(x, 0.9)), [0.0, 1 - 1e-9], [-0.1, 1.0, NAN]),
    "adam, betas": (lambda x: adam(betas=x), [(0.9, 0.99)], [(0.9,), (0.9, 0.99, 0.999)]),
    "rate of float64": (sgd, [1e300, 1e-300], [INF]),
    "uniform, bound": (lambda x: STREAMS.uniform("data", (2,), x), [0.0, 1.0], [-1.0, NAN]),
    "adam, beta2": (lambda x: adam(betas=(0.9, x)), [0.0, 0.99], [-0.1, 1.0, NAN]),
    "adam, eps": (lambda x: adam(eps=x), [0.0, 1e-8], [-1e-8, NAN, INF]),
    "fa, bound": (lambda x: rule("fa", bound=x), [0.0, 1.0, (0.1, 0.2)], [-1.0, NAN, (0.1, -1.0)]),
    "fa, removed": (lambda x: rule("fa", removed=x), [0.0, 1.0], [-0.1, 1.1, NAN]),
    "dfa, bound": (lambda x: rule("dfa", bound=x), [0.0, 1.0], [-1.0, INF]),
    "kp, bound": (lambda x: rule("kp", optimiser=sgd(0.1), bound=x), [0.5], [-1.0, NAN]),
    "wm, rate": (lambda x: rule("wm", rate=x), [0.0, 0.1], [-1.0, NAN]),
    "wm, decay": (lambda x: rule("wm", decay=x), [0.0, None], [-1.0, NAN]),
    "wm, examples": (lambda x: rule("wm", examples=x), [1, np.int64(3)], [0, 1.5, "3"]),
    "np, sigma": (lambda x: rule("np", sigma=x), [1e-3], [0.0, -1.0, NAN]),
    "ss, gain": (lambda x: rule("ss", gain=x), [-1.0, 2.0], [NAN, INF]),
    "ss-fixed, gain": (lambda x: rule("ss-fixed", gain=x), [-1.0, 2.0], [NAN, INF]),
    "ss-redrawn, gain": (lambda x: rule("ss-redrawn", gain=x), [-1.0, 2.0], [NAN, INF]),
    "rotated": (lambda x: rule("rotated", degrees=x), [-40.0, 180.0], [NAN, "90"]),
    "rotated-fixed": (lambda x: rule("rotated-fixed", degrees=x), [40.0], [NAN, INF]),
    "generec, sweeps": (lambda x: rule("generec", sweeps=x), [1, np.int8(2)], [0, 1.5]),
    "chl, bound": (lambda x: rule("chl", bound=x), [0.5, None], [-1.0]),
    "dtp, turn": (lambda x: rule("dtp", turn=x), [np.int64(5), None], [0, 2.5]),
}


@pytest.mark.parametrize("of", NUMBERS)
def test_numbers_out_of_range_are_refused_where_they_are_given(of: str) -> None:
    make, allowed, refused = NUMBERS[of]
    for number in allowed:
        make(number)
    for number in refused:
        with pytest.raises(ValueError):
            make(number)
        if isinstance(number, float):
            with pytest.raises(ValueError):  # nor as that of a member among others
                make(torch.tensor([allowed[0], number], dtype=torch.float64))


# Properties

sides = st.integers(1, 4)
geometries = st.fixed_dictionaries(
    {
        "image": st.tuples(sides, st.integers(1, 7), st.integers(1, 7)),
        "channels": sides,
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(sides, sides),
        "padding": st.one_of(st.just("same"), st.tuples(*[st.integers(0, 2)] * 4)),
        "dilation": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "groups": st.integers(1, 3),
    }
)


@settings(max_examples=60)
@given(geometries, st.integers(1, 3), st.integers(0, 3))
def test_a_layer_of_any_geometry_is_refused_in_words_or_is_the_convolution(
    geometry: dict[str, Any], members: int, batch: int
) -> None:
    try:
        local = LocallyConnected(**geometry)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            Convolution(**geometry)
        return
    shared, streams = Convolution(**geometry), Streams(tuple(range(members)))
    kernel = streams.normal("weights", shared.weight_shape)
    h, delta = (streams.normal("data", (batch, n)) for n in (local.inputs, local.outputs))
    W = local.tied(kernel)
    assert W.shape == (members, *local.weight_shape)
    assert local.transpose(W).shape == (members, *local.feedback_shape)
    same([local.forward(h, W)], [shared.forward(h, kernel)], **close)
    same([local.back(delta, local.transpose(W))], [shared.back(delta, kernel)], **close)
    summed = local.gradient(h, delta).sum(1).mT.unflatten(2, (*local.window, local.features))
    same([summed.movedim(4, 2)], [shared.gradient(h, delta)], **close)


kinds = st.sampled_from(
    [Dense(12, 4), LocallyConnected((3, 2, 2), 1, 1), Convolution((3, 2, 2), 1, 1)]
)
dtypes = st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.uint8, torch.int64])


@settings(max_examples=60)
@given(kinds, st.lists(st.sampled_from([1, 2, 4, 12]), min_size=1, max_size=4), dtypes, dtypes)
def test_inputs_go_in_where_shape_and_type_are_the_networks_and_are_refused_elsewhere(
    layer: Any, shape: list[int], own: torch.dtype, dtype: torch.dtype
) -> None:
    W = torch.ones(2, *layer.weight_shape, dtype=own)
    if not own.is_floating_point:
        with pytest.raises(ValueError, match="floating"):
            Network([layer], ["linear"], [W])
        return
    made, x = Network([layer], ["linear"], [W]), torch.ones(shape, dtype=dtype)
    if (len(shape), shape[0], shape[-1], dtype) == (3, 2, layer.inputs, own):
        y = made.forward(x)[-1]
        assert (tuple(y.shape), y.dtype) == ((2, shape[1], layer.outputs), own)
    else:
        with pytest.raises(ValueError, match="given"):
            made.forward(x)


def learnt(made: Training) -> list[Tensor]:
    """All that learning changes, as it is now."""
    parts = made._parts()
    return [t.clone() for name in sorted(parts) for t in parts[name]]


odd = st.one_of(
    st.none(), st.integers(-3, 3), st.text(max_size=3), st.just([]), st.just([torch.ones(2)]),
    st.just(torch.ones(3)), st.just({}), st.just([1, 2]),
)  # fmt: skip
spoilt: list[Callable[[Tensor], Any]] = [
    lambda t: t[..., :1],
    lambda t: t.float(),
    lambda t: t.tolist(),
    lambda t: t.unsqueeze(0),
]


@settings(max_examples=60)
@given(st.data())
def test_a_state_that_is_refused_changes_nothing(data: st.DataObject) -> None:
    made, other = trained(), trained()
    other.until(1)
    state: Any = other.state_dict()
    name = data.draw(st.sampled_from(sorted(state)))
    if isinstance(state[name], list) and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(state[name]) - 1)) if state[name] else 0
        tensors = list(state[name]) or [torch.ones(2)]
        tensors[place] = data.draw(st.sampled_from(spoilt))(tensors[place])
        state[name] = tensors
    elif data.draw(st.booleans()):
        del state[name]
    else:
        state[name] = data.draw(odd)
    state = (
        data.draw(st.sampled_from([state, [state], None])) if data.draw(st.booleans()) else state
    )
    before = learnt(made)
    try:
        made.load_state_dict(state)
    except ValueError:
        same(learnt(made), before)
        assert made.step == 0
    else:
        same(learnt(made), learnt(other))


def test_a_network_can_be_made_by_any_optimiser(training: Any) -> None:
    optimiser: Optimiser = sgd(torch.tensor([0.1]))  # one number for all members, as a tensor
    training("bp", optimiser=optimiser).until(1)
