"""A setting that is given is used, or it is refused: no study ignores one without a word."""

from typing import Any

import pytest

from bioprop import studies
from bioprop.studies.journal import Journal
from bioprop.studies.mnist import images, train


@pytest.mark.parametrize("name", ["fa", "dfa", "wm"])
def test_any_rule_that_draws_feedback_weights_draws_them_from_the_range_that_is_set(
    name: str,
) -> None:
    settings = studies.get("mnist").configure("smoke", "fa", rule=name, feedback=0.01)
    state = train(settings, images(settings, settings.streams())).state
    [B] = state["B"] if name == "wm" else state
    assert 0.009 < float(B.abs().max()) <= 0.01


@pytest.mark.parametrize("name", [name for name in studies.STUDIES if name != "theorems"])
def test_products_are_rounded_where_that_precision_is_set(name: str) -> None:
    study = studies.get(name)
    variant = list(study.variants)[-1]
    ends = set()
    for precision in ("float32", "bfloat16"):
        journal = Journal()
        study.run(study.configure("smoke", variant, precision=precision), journal)
        ends.add(journal.fingerprint)
    assert len(ends) == 2


def change(name: str, variant: str, **changes: Any) -> None:
    """Configure a variant of a study with changed settings."""
    studies.get(name).configure("smoke", variant, **changes)


@pytest.mark.parametrize("variant", ["bp-3", "bp-4", "shallow"])
def test_scales_of_feedback_are_refused_where_a_rule_gets_none(variant: str) -> None:
    rule = variant.partition("-")[0]
    words = rf"= \(.*would change nothing: rule '{rule}' gets no scales of B; leave them out"
    with pytest.raises(ValueError, match=f"study 'depth-rates': setting feedbacks {words}"):
        change("depth-rates", variant, feedbacks=((0.1, 0.2),))
    with pytest.raises(ValueError, match=f"study 'depth': setting feedback {words}"):
        change("depth", variant, feedback=(0.1,))
    change("depth-rates", variant, feedbacks=())
