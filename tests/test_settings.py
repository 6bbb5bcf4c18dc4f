"""A setting that no run of a study would read is refused, and every other is read by some."""

import dataclasses
import math
from typing import Any, get_args

import pytest
from helpers import way

from bioprop import studies
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import images, train


@pytest.mark.parametrize("name", ["fa", "dfa", "wm"])
def test_any_rule_that_draws_feedback_weights_draws_them_from_the_range_that_is_set(
    name: str,
) -> None:
    settings = studies.get("mnist").configure("smoke", "fa", rule=name, feedback=0.01)
    state = train(settings, images(settings, settings.streams())).state
    [B] = state["B"] if name == "wm" else state
    assert 0.009 < float(B.abs().max()) <= 0.01


def takes(study: studies.Study, precision: str) -> bool:
    fields = {field.name: field.type for field in dataclasses.fields(study.settings)}
    return precision in get_args(fields["precision"])


@pytest.mark.parametrize(
    "name", [name for name, study in studies.STUDIES.items() if takes(study, "bfloat16")]
)
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
    words = rf"= \(.*would change nothing: rule '{rule}' takes no scales of B as 'fa' does"
    with pytest.raises(ValueError, match=f"study 'depth-rates': setting feedbacks {words}"):
        change("depth-rates", variant, feedbacks=((0.1, 0.2),))
    with pytest.raises(ValueError, match=f"study 'depth': setting feedback {words}"):
        change("depth", variant, feedback=(0.1,))
    change("depth-rates", variant, feedbacks=())


@pytest.mark.parametrize("rule", ["dfa", "kp"])
def test_half_is_not_removed_where_a_rule_would_keep_all_feedback_weights(rule: str) -> None:
    with pytest.raises(ValueError, match=f"removed = 0.5: rule '{rule}' would keep all"):
        change("mnist", "fa-sparse", rule=rule)
    change("mnist", "fa", rule=rule)


REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "one range where several are tried": ("mnist-readings", "fa-unit", {"bound": 0.1}, "bounds"),
    "one scale": ("mnist-readings", "fa-unit", {"feedback": 0.1}, "feedbacks"),
    "one share": ("mnist-ablation", "both", {"removed": 0.9}, "shares"),
    "layers for no signs": ("imagenet", "ss", {"manhattan_in": "last"}, "with manhattan = True"),
    "layers where no gradient is a sign": (
        "signs-supports",
        "neither",
        {"manhattan_in": "last"},
        "stay",
    ),
    "noise without a rule for it": ("linear-rates", "bp", {"sigmas": (0.1,)}, "'bp' adds no noise"),
    "more networks than are shown": ("receptive-fields", "fa", {"members": 2}, "should be 1"),
    "images for no angle": ("receptive-fields", "fa", {"probe": 9}, "no angle is measured"),
    "images for no error": ("autoencoder-pictures", "bp", {"measured": 9}, "no error is measured"),
    "images where there are none": ("nonlinear-feedback", "sign-fa", {"held_out": 9}, "no images"),
    "images beside none": ("predictive-coding", "pc", {"images": "digits"}, "no images"),
    "a precision no solver has": ("theorems", "dynamics", {"precision": "float32"}, "'float64'"),
    "a device no solver has": ("theorems", "single-pair", {"device": "cuda"}, "'cpu'"),
}


@pytest.mark.parametrize(("name", "variant", "given", "words"), REFUSED.values(), ids=REFUSED)
def test_a_setting_that_would_change_nothing_is_refused_with_what_to_do(
    name: str, variant: str, given: dict[str, Any], words: str
) -> None:
    [setting] = given
    with pytest.raises(ValueError, match=f"study '{name}': setting {setting} = .*{words}"):
        change(name, variant, **given)
    change(name, variant)


# What a study has of another and refuses to be given.
UNREAD = {
    "receptive-fields": {"probe"},
    "autoencoder-pictures": {"probe", "measured"},
    "nonlinear-feedback": {"images", "held_out"},
    "predictive-coding": {"images", "held_out"},
    "found-feedback": {"images", "held_out"},
    "no-phases": {"images", "held_out"},
}


@pytest.mark.parametrize("name", studies.STUDIES)
def test_every_other_setting_is_read(name: str) -> None:
    study, read = studies.get(name), set()
    for variant in {way(name, variant): variant for variant in study.variants}.values():
        settings = study.configure("smoke", variant)

        class Spy(type(settings)):  # type: ignore[misc]
            def __getattribute__(self, setting: str) -> Any:
                read.add(setting)
                return super().__getattribute__(setting)

        spy = object.__new__(Spy)
        vars(spy).update(vars(settings))
        study.run(spy, Journal())
    fields = {field.name for field in dataclasses.fields(study.settings)}
    assert fields - read == UNREAD.get(name, set())


@pytest.mark.parametrize("name", studies.STUDIES)
def test_a_number_that_no_run_could_use_is_refused_where_it_is_set(name: str) -> None:
    study = studies.get(name)
    variant = next(iter(study.variants))
    for field in dataclasses.fields(study.settings):
        if isinstance(field.default, bool) or not isinstance(field.default, int | float):
            continue
        too_large = [10**20, -(10**20)] if isinstance(field.default, int) else []
        answer = [True] if field.default != 1 else []  # where 1 alone is allowed, True is 1
        for value in (*too_large, *answer, math.nan, math.inf, "2", None):
            with pytest.raises(ValueError, match=f"study '{name}': setting {field.name} = "):
                study.configure("smoke", variant, **{field.name: value})


def test_lists_are_taken_for_tuples_as_records_hold_them() -> None:
    settings = studies.get("linear-task").configure("smoke", "fa", sizes=[3, 2, 1])
    assert settings.sizes == (3, 2, 1)
