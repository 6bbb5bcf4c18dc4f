"""The studies of sign-symmetry: what they measure, what they choose, what they claim."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bioprop import studies
from bioprop.book.records import RECORDED
from bioprop.studies.journal import Journal
from bioprop.studies.study import Study
from bioprop.studies.summaries import LARGEST
from bioprop.studies.xiao2018 import networks, signs_rates, signs_tiny, signs_tiny_rates
from bioprop.tasks.images import load

TINY = studies.get("signs-tiny")
LAYERS = 20  # of a ResNet-18, without the last


def ran(variant: str, **changes: Any) -> Journal:
    journal = Journal()
    TINY.run(TINY.configure("smoke", variant, **changes), journal)
    return journal


def finished(seeds: list[int], **columns: Any) -> Any:
    """Return a run of two marks: each column is a function of mark and seed."""
    rows = [
        {"member": member, "seed": seed, "examples": 100 * mark}
        | {name: value(mark, seed) for name, value in columns.items()}
        for mark in (0, 1)
        for member, seed in enumerate(seeds)
    ]
    return SimpleNamespace(table=pd.DataFrame(rows))


def test_members_in_parts_are_those_of_the_whole_bit_for_bit() -> None:
    whole, first, second = ran("ss"), ran("ss", members=1), ran("ss", members=2, first_seed=1)
    for (mark, rows), (_, one), (_, two) in zip(whole.rows, first.rows, second.rows, strict=True):
        assert rows == {name: one[name] + two[name] for name in rows}, mark


def test_all_rules_of_a_seed_start_from_the_same_weights_and_see_the_same_images() -> None:
    trainings = [
        networks.train(TINY.configure("smoke", name), load("digits"), 4, 0.1)
        for name in TINY.variants
    ]
    first, *others = trainings
    for other in others:
        for name, p in first.model.named_parameters():
            assert (other.model.get_parameter(name) == p).all()
        for step in (0, 5):
            assert (other.batches(step)[0] == first.batches(step)[0]).all()


def test_signals_of_every_layer_but_the_last_are_measured_and_weights_of_all() -> None:
    journal = ran("fa", members=1)
    run = SimpleNamespace(table=journal.table())
    for quantity in ("angle", "agreement", "ratio"):
        names = list(networks.by_layer(run, quantity).columns)
        assert len(names) == LAYERS and names[0] == "conv1" and names[-1] == "layer4.1.conv2"
        assert "fc" not in names
    for quantity in ("weights", "size"):
        names = list(networks.by_layer(run, quantity).columns)
        assert len(names) == LAYERS + 1 and names[0] == "conv1" and names[-1] == "fc"


def test_backpropagation_is_not_compared_with_itself() -> None:
    assert set(ran("bp", members=1).rows[0][1]) == {"error", "top5", "training"}


def test_sizes_are_those_beside_backpropagations() -> None:
    run = SimpleNamespace(table=ran("ss", members=1).table())
    last = networks.by_layer(run, "ratio", 0)["layer4.1.conv2"]
    size = networks.by_layer(run, "size", 0)["fc"]
    assert last.item() == pytest.approx(size.item(), rel=0.5)


def test_fixed_random_feedback_starts_at_90_degrees_and_signs_at_37() -> None:
    fa, ss = (SimpleNamespace(table=ran(name).table()) for name in ("fa", "ss"))
    start = networks.by_layer(fa, "weights", 0)
    assert abs(start.mean().mean() - 90) < 3
    assert abs(networks.by_layer(ss, "weights", 0).mean().mean() - networks.GAUSSIAN) < 2


# Claims


def claim(id: str, runs: Mapping[str, Any]) -> list[Any]:
    [found] = [c for s in studies.STUDIES.values() for c in s.claims if c.id == id]
    return np.asarray(found.measure(runs)).round(6).tolist()


def angles(*of_layers: float) -> dict[str, Any]:
    return {
        f"angle layer{k:02}": lambda mark, seed, value=value: value * mark + seed
        for k, value in enumerate(of_layers)
    }


def test_errors_are_compared_seed_by_seed_where_both_have_one() -> None:
    runs = {
        "bp": finished([0, 1, 2], error=lambda mark, seed: 50.0 + seed),
        "ss": finished([1, 2, 5], error=lambda mark, seed: 54.0 + 2 * seed),
        "fa": finished([2, 0], error=lambda mark, seed: 80.0 + 3 * seed),
    }
    assert claim("tiny-ss-close", runs) == [5.0, 6.0]
    assert claim("tiny-fa-behind", runs) == [30.0, 34.0]


def test_nearer_in_every_layer_is_decided_by_the_worst_one() -> None:
    runs = {
        "ss": finished([0, 1], **angles(40, 50, 91)),
        "fa": finished([0, 1], **angles(90, 89, 90)),
    }
    assert np.shape(by_layer := claim("tiny-ss-nearer", runs)) == (3, 2)
    assert LARGEST.of(np.array(by_layer))[0] == 1.0


def test_the_last_third_of_the_layers_is_that_next_to_the_output() -> None:
    of_layers = [10.0] * (LAYERS - 7) + [-3.0] * 7
    assert claim("tiny-fa-turns", {"fa": finished([0], **angles(*of_layers))}) == [-3.0]


def test_angles_are_means_over_layers_at_the_end() -> None:
    run = finished([0, 3], **angles(30, 50))
    assert claim("tiny-ss-angle", {"ss": run}) == [40.0, 43.0]
    assert claim("tiny-ss-turns", {"ss": run}) == [40.0, 40.0]


def test_claims_are_about_photographs_alone() -> None:
    for tier, about in (("smoke", False), ("quick", False), ("reduced", True)):
        settings = TINY.configure(tier, "ss")
        assert all(c.applies(settings) == about for c in TINY.claims)


# The search


def searched(**errors: list[float | None]) -> dict[str, Any]:
    rates = [0.1, 0.2, 0.4]
    return {
        name: SimpleNamespace(
            table=pd.DataFrame(
                {"member": range(3), "rate": rates, "examples": 5, "error": row}
            ).astype({"error": float})
        )
        for name, row in errors.items()
    }


def test_the_rate_with_the_lowest_error_is_chosen_and_never_one_that_diverged() -> None:
    runs = searched(bp=[3.0, 2.0, None], ss=[None, 5.0, 4.0], fa=[1.0, 1.0, 2.0])
    assert signs_rates.best(runs) == {"bp": 0.2, "ss": 0.4, "fa": 0.1}


@pytest.mark.parametrize(
    "stage", [signs_rates.STUDY, signs_tiny_rates.STUDY], ids=lambda study: study.name
)
def test_the_search_sees_no_test_image_and_no_seed_of_the_result(stage: Study) -> None:
    for name in TINY.variants:
        search: Any = stage.configure("reduced", name)
        result: Any = TINY.configure("reduced", name)
        assert search.held_out > 0 and result.held_out == 0
        assert not set(search.seeds) & set(result.seeds)
        for field in ("rule", "images", "width", "stem", "batch", "recipe", "precision", "last"):
            assert getattr(search, field) == getattr(result, field)
        if stage is signs_tiny_rates.STUDY:
            assert (search.epochs, search.every) == (result.epochs, result.every)


@pytest.mark.skipif(
    not all(RECORDED.has("signs-rates", "reduced", name) for name in signs_tiny.NAMES),
    reason="the search is not recorded",
)
def test_every_rule_has_half_of_the_rate_that_the_search_found() -> None:
    found = signs_rates.best(RECORDED.runs(signs_rates.STUDY, "reduced"))
    assert found == signs_rates.FOUND
    if RECORDED.has("rules-rates", "reduced", "bp-above"):
        above = RECORDED.load("rules-rates", "reduced", "bp-above")
        found["bp"] = signs_rates.best({"bp": above})["bp"]
    for name, rate in found.items():
        assert signs_tiny_rates.TWO[name] == (rate, rate / 2)
        assert TINY.configure("reduced", name).rate == rate / 2
