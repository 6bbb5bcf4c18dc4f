"""A setting that is given is used, or it is refused: no study ignores one without a word."""

import pytest

from bioprop import studies
from bioprop.studies.mnist import images, train


@pytest.mark.parametrize("name", ["fa", "dfa", "wm"])
def test_any_rule_that_draws_feedback_weights_draws_them_from_the_range_that_is_set(
    name: str,
) -> None:
    settings = studies.get("mnist").configure("smoke", "fa", rule=name, feedback=0.01)
    state = train(settings, images(settings, settings.streams())).state
    [B] = state["B"] if name == "wm" else state
    assert 0.009 < float(B.abs().max()) <= 0.01
