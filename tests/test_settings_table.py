"""Every setting of every study says where its value comes from."""

import dataclasses
import fnmatch
import inspect
import re

import pytest

from bioprop import studies
from bioprop.book.settings_table import NOT_READ, _text, comments, rows
from bioprop.studies import Study

FIELDS = [
    (study, field.name)
    for study in studies.STUDIES.values()
    for field in dataclasses.fields(study.settings)
]
# A place in the paper, or a choice of this project.
ORIGIN = re.compile(r"\bours\b|\b(Fig|Figure|Table|Methods|Eq|Proof|Section|Appendix)\b|\bp\. ?\d")
each_study = pytest.mark.parametrize("study", studies.STUDIES.values(), ids=lambda s: s.name)


@pytest.mark.parametrize("study, field", FIELDS, ids=[f"{s.name}-{f}" for s, f in FIELDS])
def test_a_setting_says_where_in_the_paper_it_stands_or_that_it_is_ours(
    study: Study, field: str
) -> None:
    why = comments(study.settings).get(field, "")
    assert ORIGIN.search(why), f"{field} of {study.settings.__name__} says {why!r}"


@each_study
def test_a_setting_stands_in_one_line_with_its_origin(study: Study) -> None:
    """What stands in the lines after is not read."""
    own = [cls for cls in study.settings.__mro__ if cls.__module__.startswith("bioprop")]
    wrapped = [line for cls in own for line in inspect.getsource(cls).splitlines()]
    assert [line for line in wrapped if re.match(r"    \w+: .* = \($", line)] == []


@each_study
def test_the_table_has_every_setting_once(study: Study) -> None:
    names = [name for name, _, _ in rows(study)]
    assert names == [field.name for field in dataclasses.fields(study.settings)]


def read(shown: str, variant: str) -> list[str]:
    """Return every value that a cell of the table gives a variant: one, if it is clear."""
    groups = [part.rpartition(": ")[::2] for part in shown.split("; ")]
    if groups[0][0] == "" and len(groups) == 1:
        return [shown]
    named = [(names or value, value) for names, value in groups]
    found = [
        value
        for names, value in named
        if any(fnmatch.fnmatch(variant, name.replace("…", "*")) for name in names.split(", "))
    ]
    return found or [value for names, value in named if names == "all others"]


@each_study
def test_a_reader_finds_the_value_of_each_variant_and_no_other(study: Study) -> None:
    tier = max(study.tiers, key=studies.TIERS.index)
    made = {variant: study.configure(tier, variant) for variant in study.variants}
    for name, shown, _ in rows(study):
        for variant, settings in made.items():
            value = NOT_READ if name in settings.unread() else _text(getattr(settings, name))
            assert read(shown, variant) == [value]


@each_study
def test_a_value_stands_once_in_the_row_of_its_setting(study: Study) -> None:
    for _, shown, _ in rows(study):
        values = [part.rpartition(": ")[2] for part in shown.split("; ")]
        assert len(values) == len(set(values))


def test_values_are_shown_as_a_reader_writes_them() -> None:
    shown = {name: value for name, value, _ in rows(studies.get("linear-task"))}
    assert shown["rate"] == "bp: 0.009; fa: 0.0099; np: 0.0024; shallow: 7.9"
    assert shown["rule"] == "bp; fa; np; shallow"
    assert shown["sizes"] == "30, 20, 10"
    assert shown["precision"] == "float64"
    searched = {name: value for name, value, _ in rows(studies.get("linear-rates"))}
    assert searched["sigmas"] == "np: 0.001, 0.01, 0.1; all others: not read"


def test_what_no_run_reads_has_the_reason_in_place_of_a_value() -> None:
    drawn = {name: rest for name, *rest in rows(studies.get("targets-sensitivity"))}
    assert drawn["rate"] == ["not read", "it is drawn from its range"]
    assert drawn["alpha"] == ["not read", "the method has none; it is drawn from its range"]
    assert drawn["members"][0] == "60"
    worth = {name: value for name, value, _ in rows(studies.get("signs-supports"))}
    assert worth["manhattan_in"] == "neither, bp-neither: not read; all others: all"


def test_variants_that_share_a_value_are_named_in_few_words() -> None:
    shown = {name: value for name, value, _ in rows(studies.get("mnist-readings"))}
    assert shown["hidden"] == "1000"
    assert shown["rule"] == "bp-…: bp; fa-…: fa; shallow-…: shallow"
    assert shown["rate"] == "…-fast: 0.02; all others: 0.001"
    assert shown["marks"] == "…-replication, bp-replication-…: 15; all others: 4"
    few = {name: value for name, value, _ in rows(studies.get("mnist"))}
    assert few["rule"] == "bp, bp-sparse: bp; fa, fa-sparse: fa; shallow"


def test_the_comment_of_a_subclass_goes_before_that_of_its_base() -> None:
    toy = studies.get("toy-network").settings
    assert comments(toy)["members"] != comments(studies.Settings)["members"]
    assert comments(toy)["device"] == comments(studies.Settings)["device"]
