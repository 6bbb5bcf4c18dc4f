"""Random numbers are pure functions of (seed, stream, block)."""

import itertools
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, given

from bioprop.learning import RULES, STREAMS, Sequences, Streams, generator

seeds = st.integers(0, 2**70)
streams = st.sampled_from(STREAMS)
blocks = st.integers(0, 2**40)
keys = st.tuples(seeds, streams, blocks)

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
    ),
]


def draw(seed: int, stream: str, block: int = 0, count: int = 8) -> list[float]:
    """Numbers of a block from its start."""
    return generator(seed, stream, block).standard_normal(count).tolist()


@given(keys, keys, st.integers(0, 1000))
def test_numbers_do_not_depend_on_what_was_drawn_elsewhere(
    key: tuple, other: tuple, count: int
) -> None:
    expected = draw(*key)
    mine, neighbour = generator(*key), generator(*other)
    neighbour.standard_normal(count)
    first = mine.standard_normal(3).tolist()
    neighbour.standard_normal(count)
    assert first + mine.standard_normal(5).tolist() == expected


@given(keys, keys)
def test_another_seed_stream_or_block_gives_other_numbers(key: tuple, other: tuple) -> None:
    assume(key != other)
    assert not set(draw(*key)) & set(draw(*other))


@given(seeds)
def test_neighbouring_seeds_streams_and_blocks_share_no_number(seed: int) -> None:
    neighbours = list(itertools.product((seed, seed + 1), STREAMS, (0, 1)))
    drawn = [number for key in neighbours for number in draw(*key)]
    assert len(set(drawn)) == len(drawn) == 8 * len(neighbours)


def test_no_two_streams_are_correlated() -> None:
    n = 20_000
    series = [draw(*key, count=n) for key in itertools.product((0, 1), STREAMS, (0, 1))]
    z = np.corrcoef(series)[np.triu_indices(len(series), 1)] * np.sqrt(n)
    assert np.abs(z).max() < 4.5  # hundreds of pairs: chance passes it once in 200 such tables
    assert 0.85 < z.std() < 1.15


FIRST = {  # of seed 0
    "data": 0.7859067677198036,
    "weights": 0.6331977894361152,
    "feedback": 0.19128727797079023,
    "order": -0.13301603991965455,
    "noise": 0.7944269148868736,
    "teacher": 0.2746041754424462,
    "probe": -1.2690796094628176,
}


@pytest.mark.parametrize("stream", FIRST)
def test_a_stream_gives_what_it_gave_when_the_first_records_were_made(stream: str) -> None:
    assert draw(0, stream)[0] == pytest.approx(FIRST[stream], rel=1e-12)


def test_rules_that_share_a_seed_share_weights_and_data(training: Any, parameters: Any) -> None:
    made = [training(name) for name in RULES]
    for each in made:
        each.until(3)  # some rules draw more than others
    fresh = [training(name) for name in RULES]
    for old, new in zip(made, fresh, strict=True):
        assert all(map(torch.equal, old.batches(40), made[0].batches(40)))
        assert all(map(torch.equal, parameters(new), parameters(fresh[0])))


# Populations


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), streams, st.integers(0, 3))
def test_a_member_draws_as_it_would_alone(population: list[int], stream: str, block: int) -> None:
    many = Streams(tuple(population))
    for m, seed in enumerate(population):
        alone = Streams((seed,))
        assert torch.equal(
            many.normal(stream, (2, 3), block)[m], alone.normal(stream, (2, 3), block)[0]
        )
        ours, theirs = (s.uniform(stream, (2, 3), 0.5, block) for s in (many, alone))
        assert torch.equal(ours[m], theirs[0])


def test_draws_have_the_shape_and_distribution_they_claim() -> None:
    made = Streams(tuple(range(4)))
    normal, uniform = made.normal("noise", (200, 50)), made.uniform("noise", (200, 50), 0.3)
    assert normal.shape == uniform.shape == (4, 200, 50)
    assert abs(normal.mean()) < 4 / 200 and abs(normal.var() - 1) < 4 * 2**0.5 / 200
    assert 0.2999 < uniform.max() < 0.3 and -0.3 < uniform.min() < -0.2999
    assert abs(uniform.mean()) < 4 * 0.3 / 3**0.5 / 200


def test_a_bound_for_each_member_scales_that_member() -> None:
    made = Streams((7, 7))
    small, large = made.uniform("weights", (3, 2), made.each((0.25, 4.0)))
    assert torch.equal(16 * small, large)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_draws_are_those_of_float64_rounded(dtype: torch.dtype, device: str) -> None:
    exact, rounded = Streams((0, 1)), Streams((0, 1), dtype, device)
    normal = rounded.normal("data", (100,))
    assert (normal.dtype, normal.device.type) == (dtype, device)
    assert torch.equal(normal.cpu(), exact.normal("data", (100,)).to(dtype))
    uniform = rounded.uniform("weights", (100,), 0.01)
    torch.testing.assert_close(
        uniform.cpu().double(),
        exact.uniform("weights", (100,), 0.01),
        rtol=2 * torch.finfo(dtype).eps,
        atol=0,
    )


@pytest.mark.parametrize("seeds", [(3,), (3, 1, 2), (3, 3), (3, 1, 3)], ids=str)
def test_noise_that_is_drawn_ahead_is_the_same_noise(seeds: tuple[int, ...]) -> None:
    made = Streams(seeds, torch.float32)
    for step in (0, 1, 2, 7, 8, 3):
        ahead = made._ahead("noise", (40, 3), step)
        unique = list(dict.fromkeys(seeds))
        drawn = made.swift_normal("noise", (40, 3), step)
        assert torch.equal(ahead[[unique.index(seed) for seed in seeds]], drawn)


# Sequences


@given(st.permutations(range(12)))
def test_a_step_of_a_sequence_does_not_depend_on_the_steps_before(order: list[int]) -> None:
    made = Streams((0, 5))
    ordered = Sequences(made, "noise", (2,), steps_in_block=4)
    expected = [ordered[step] for step in range(12)]
    jumping = Sequences(made, "noise", (2,), steps_in_block=4)
    assert all(torch.equal(jumping[step], expected[step]) for step in order)


def test_a_sequence_repeats_no_number() -> None:
    sequence = Sequences(Streams((0, 1)), "data", (2, 3), steps_in_block=4)
    drawn = torch.stack([sequence[step] for step in range(12)])
    assert drawn.shape == (12, 2, 2, 3)
    assert drawn.unique().numel() == drawn.numel()


@given(st.integers(1, 20), st.integers(1, 20))
def test_blocks_of_another_length_agree_in_the_first_block_only(one: int, other: int) -> None:
    """``steps_in_block`` is part of what defines a sequence, not a matter of speed alone."""
    assume(one < other)
    a, b = (Sequences(Streams((3,)), "data", (2,), steps_in_block=n) for n in (one, other))
    assert all(torch.equal(a[step], b[step]) for step in range(one))
    assert not torch.equal(a[one], b[one])


# Errors


def test_an_unknown_stream_is_refused_with_the_streams_there_are() -> None:
    with pytest.raises(ValueError, match=r"'wieghts'.*weights") as error:
        generator(0, "wieghts")
    assert all(stream in str(error.value) for stream in STREAMS)
    with pytest.raises(ValueError, match="'dice'"):
        Streams((0,)).normal("dice", (2,))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more, not -3"):
        generator(-3, "data")
    with pytest.raises(ValueError, match=r"0 or more, .* not \(0, -1\)"):
        Streams((0, -1)).uniform("data", (2,), 1.0)
