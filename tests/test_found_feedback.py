"""A search for B: what it sees, what it keeps, and how what it found is read."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bioprop.studies import get
from bioprop.studies.journal import Journal
from bioprop.studies.questions import found_feedback as found
from bioprop.studies.questions.best_feedback import even


def small(**changes: Any) -> found.FoundSettings:
    """Settings of a search that takes a moment."""
    few = {"members": 3, "examples": 200, "pairs": 4, "generations": 12}
    settings = get("found-feedback").configure("paper", "one", **{**few, **changes})
    assert isinstance(settings, found.FoundSettings)
    return settings


def test_the_exponent_tells_a_transpose_from_an_inverse_and_from_neither() -> None:
    streams = small().streams()
    T = found.teacher_of(streams)
    rows = torch.linalg.qr(streams.normal("probe", (20, 20)))[0][:, :10]
    for B, expected in (
        (found.shaped("inverse of the teacher", small(), streams, Journal()), -1.0),
        (found.shaped("orthonormal", small(), streams, Journal()), 0.0),
        (T.mT @ torch.linalg.svd(T, full_matrices=False)[0] @ rows, 1.0),
    ):
        assert (found.exponent(B, T) - expected).abs().max() < 1e-9


def test_the_inverse_is_as_large_in_every_direction_as_the_teacher_is_weak() -> None:
    streams = small().streams()
    B, T = found.shaped("inverse of the teacher", small(), streams, Journal()), found.teacher_of
    both = torch.linalg.svdvals(B).flip(1) * torch.linalg.svdvals(T(streams))
    torch.testing.assert_close(both, both[:, :1].expand_as(both))


def test_a_search_lowers_the_error_of_its_start() -> None:
    settings, journal = small(), Journal()
    streams = settings.streams()
    start = even(streams.uniform("feedback", (10, 20), 1.0, 1))
    end = found.evolved(settings, streams, journal)
    torch.testing.assert_close(end, even(end))
    pair = torch.stack([B.flatten(1) for B in (start, end)], 1)
    pair = torch.cat([pair, torch.zeros_like(pair[:, :, :1])], 2)
    fresh = found.elsewhere(streams, [1] * 3)
    before, after = found.error_of(pair, settings, fresh, journal).T
    assert (after < before).all()


@pytest.mark.parametrize(("seen", "teachers"), [("one", 1), ("many", 12)])
def test_a_search_meets_one_teacher_or_a_new_one_in_each_generation(
    monkeypatch: pytest.MonkeyPatch, seen: str, teachers: int
) -> None:
    met: list[Tensor] = []
    taught_by = found.taught_by

    def noted(T: Tensor, *rest: Any) -> Any:
        met.append(T[:3])
        return taught_by(T, *rest)

    monkeypatch.setattr(found, "taught_by", noted)
    settings = small(seen=seen, examples=2)
    found.evolved(settings, settings.streams(), Journal())
    assert len(met) == 12 and len({float(T[0, 0, 0]) for T in met}) == teachers
    own = found.teacher_of(settings.streams())
    assert all(torch.equal(T, own) for T in met) == (seen == "one")


def test_candidates_that_diverge_are_the_worst() -> None:
    settings = small(examples=400)
    tried = torch.zeros(3, 2, 201).double()
    tried[:, :, :-1] = settings.streams().normal("feedback", (2, 200))
    tried[:, 0, -1] = 20.0  # of the rate's logarithm
    errors = found.error_of(tried, settings, settings.streams(), Journal())
    assert errors[:, 0].isposinf().all() and errors[:, 1].isfinite().all()


def test_a_search_for_several_matrices_is_refused() -> None:
    with pytest.raises(ValueError, match="2 hidden layers have as many B; one is searched for"):
        small(hidden=(20, 10))
