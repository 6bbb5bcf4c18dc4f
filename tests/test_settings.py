"""A setting that is given is used, or it is refused: no study ignores one without a word."""

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
