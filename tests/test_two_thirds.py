"""The law of two thirds: matrices between transpose and pseudoinverse, and what is compared."""

import pytest
import torch

from bioprop.book.records import RECORDED
from bioprop.learning.rules import pseudoinverse
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import initial_weights, theorems, two_thirds
from bioprop.studies.study import at, rows_at

BS = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.manual_seed(0))


def finished(variant: str, tier: str = "smoke", **changes: object) -> object:
    """A run of the study as claims see it."""
    settings = two_thirds.STUDY.configure(tier, variant, **changes)
    journal = Journal()
    two_thirds.run(settings, journal)
    return type("Run", (), {"table": journal.table(), "settings": settings})


def test_powers_lead_from_the_transpose_to_the_pseudoinverse() -> None:
    torch.testing.assert_close(two_thirds.between(BS, 0.0), BS.mT)
    torch.testing.assert_close(two_thirds.between(BS, 1.0), pseudoinverse(BS))
    root = two_thirds.between(BS, 2 / 3) @ BS  # the cube root of B^T B
    torch.testing.assert_close(torch.linalg.matrix_power(root, 3), BS.mT @ BS)


@pytest.mark.parametrize("power", [-0.5, 0.25, 2 / 3])
def test_the_power_of_a_matrix_is_found_again(power: float) -> None:
    found = two_thirds.nearest_power(3 * two_thirds.between(BS, power), BS)
    assert found.tolist() == pytest.approx([power] * 3, abs=1e-4)


def test_a_whitened_teacher_has_equal_singular_values_and_its_mean_square() -> None:
    white = two_thirds.whitened(BS)
    values = torch.linalg.svdvals(white)
    torch.testing.assert_close(values, values[:, :1].expand(3, 4))
    torch.testing.assert_close(white.square().sum((1, 2)), BS.square().sum((1, 2)))


def test_the_matrix_of_the_law_stays_what_the_conserved_relation_makes_it() -> None:
    """B W + W^T B^T = A A^T and W A = T, for W = k G^(-2/3) B^T and T T^T = s^2 I."""
    B, s = BS[0], 1.7
    k = (s**2 / 2) ** (1 / 3)
    W = k * two_thirds.between(B, 2 / 3)
    T = s * torch.linalg.qr(torch.randn(9, 4, dtype=torch.float64))[0].T
    A = B @ torch.linalg.solve(W @ B, T)
    torch.testing.assert_close(W @ A, T)
    torch.testing.assert_close(B @ W + W.T @ B.T, A @ A.T)


def test_the_flow_starts_at_the_transpose_and_ends_at_two_thirds() -> None:
    run = finished("white", members=2, time=6.0, marks=40)
    assert at(run, "power", 0) == pytest.approx([0, 0], abs=0.02)
    assert at(run, "power") == pytest.approx([2 / 3] * 2, abs=1e-3)
    assert (at(run, "to_law") < 0.01).all()


def test_one_pair_is_that_of_theorem_2() -> None:
    ours = finished("single-pair", first_seed=0, time=3.0, marks=6)
    journal = Journal()
    settings = theorems.STUDY.configure("smoke", "single-pair", time=3.0, marks=6)
    theorems.run(settings, journal)
    both = at(ours, "to_pbp"), at(ours, "to_bp"), journal.table().query("examples == 5")["angle"]
    for degrees in both:
        assert (degrees < 1e-6).all()


def test_what_is_learnt_is_what_was_recorded_from_the_smallest_weights() -> None:
    recorded = rows_at(RECORDED.runs(initial_weights.STUDY, "paper")["fa"])
    recorded = recorded[recorded["bound"] == two_thirds.ZERO]
    learnt = rows_at(finished("learnt"))
    assert learnt["seed"].tolist() == recorded["seed"].tolist()[:3]
    for quantity in two_thirds.QUANTITIES:
        assert learnt[quantity].tolist() == pytest.approx(recorded[quantity].tolist()[:3], abs=1e-3)


def test_a_miss_is_counted_by_seed() -> None:
    predicted = finished("predicted")
    table = rows_at(predicted).assign(bound=two_thirds.ZERO, angle=lambda t: t["to_bp"] - 3)
    table = table.iloc[::-1].assign(member=range(3), to_bp=lambda t: t["to_bp"] - 1)
    other = type("Run", (), {"table": table})
    runs = {"predicted": predicted, "initial-weights/fa": other, "linear-task/fa": other}
    assert two_thirds.missed("to_bp")(runs) == pytest.approx([1.0] * 3)
    assert two_thirds.missed_in_task(runs) == pytest.approx([3.0] * 3)
