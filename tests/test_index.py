"""index.json: what the site says of itself to machines."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import jsonschema
import pybtex.database
import pytest
from site_fixture import Built

import bioprop
from bioprop.book import changes, claims, figures
from bioprop.book.claims import best_tier
from bioprop.book.index import Index
from bioprop.book.records import RECORDED, Store
from bioprop.studies import STUDIES

pytest_plugins = ["site_fixture"]

# What others may rely on; more may be added beside it.
PROMISED = {
    "claims": "id paper study statement reported unit criterion recorded interval members tier live"
    " verdict figure",
    "figures": "id title alt chapter files study tier",
    "studies": "name title paper tier variants tiers",
}


@pytest.fixture(scope="module")
def schema(built: Built) -> dict[str, Any]:
    """The schema that the site publishes beside the index."""
    return json.loads((built.html / "index.schema.json").read_text("utf-8"))


def test_the_index_meets_the_published_schema(built: Built, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(built.index, schema)
    assert schema == Index.model_json_schema()


BREAK: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a claim without a verdict": lambda index: index["claims"][0].pop("verdict"),
    "a sixth verdict": lambda index: index["claims"][0].update(verdict="nearly"),
    "a number in words": lambda index: index["claims"][0].update(recorded="ten"),
    "half an interval": lambda index: index["claims"][0].update(interval=[1.0]),
    "a field that nobody described": lambda index: index["figures"][0].update(colour="red"),
    "no word on the build": lambda index: index.pop("built"),
}


@pytest.mark.parametrize("spoil", BREAK.values(), ids=BREAK)
def test_the_schema_refuses(
    spoil: Callable[[dict[str, Any]], Any], built: Built, schema: dict[str, Any]
) -> None:
    index = copy.deepcopy(built.index)
    spoil(index)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(index, schema)


@pytest.mark.parametrize("part", PROMISED)
def test_every_entry_has_the_promised_fields(part: str, built: Built) -> None:
    assert built.index.keys() == {"claims", "figures", "studies", "built"}
    assert built.index[part]
    for entry in built.index[part]:
        assert set(PROMISED[part].split()) <= entry.keys()


def test_the_index_says_what_was_built_and_never_when(built: Built) -> None:
    assert built.index["built"]["version"] == bioprop.__version__
    assert built.index["built"]["tier"] == "smoke"
    text = (built.html / "index.json").read_text("utf-8")
    assert not re.findall(r"\d{4}-\d\d-\d\d|\d\d?:\d\d:\d\d|\"(?:date|time|seconds)\"", text)
    assert str(built.root) not in text


def test_claims_are_those_of_the_studies_with_the_verdicts_of_the_records(built: Built) -> None:
    store = Store(built.root / "data" / "runs")
    entries = {entry["id"]: entry for entry in built.index["claims"]}
    assert list(entries) == [claim.id for study in STUDIES.values() for claim in study.claims]
    for study in STUDIES.values():
        tier = claims.best_tier(study, store)
        runs = store.runs(study, tier) if tier else None
        for judged in claims.judge_all(study, runs, tier or ""):
            entry = entries[judged.claim.id]
            found = [entry[key] for key in ("verdict", "why", "reported", "recorded")]
            interval = entry["interval"] and tuple(entry["interval"])
            found += [interval, entry["members"], entry["counted"], entry["wanted"]]
            found += [entry["tier"]]
            assert tuple(found) == astuple(judged)[1:10]
            assert entry["origin"] == judged.claim.origin
            assert entry["study"] == study.name and entry["paper"] == study.paper
            assert entry["text"]["recorded"] == judged.measured
            assert entry["text"]["paper"] == judged.paper
            assert entry["aside"] == judged.aside
            assert entry["summary"] == judged.claim.summary.name
            assert entry["in_unit"] == judged.claim.summary.in_unit
            assert entry["calibrated"] == judged.claim.calibrated
            assert entry["changed"] == changes.told(judged.claim.id, judged.claim.origin)
            assert entry["read"] == list(judged.read)
            assert list(map(len, entry["values"])) == list(map(len, judged.values))


def test_live_numbers_are_those_of_this_build(built: Built) -> None:
    store = Store(built.root / "_build" / "live")
    entries = {entry["id"]: entry for entry in built.index["claims"]}
    run = [study for study in STUDIES.values() if (store.folder / study.name).exists()]
    assert run
    for study in run:
        for judged in claims.judge_all(study, store.runs(study, "smoke"), "smoke"):
            assert entries[judged.claim.id]["live"] == judged.mean


def test_figures_are_those_of_the_recorded_studies(built: Built) -> None:
    recorded = [study for study in STUDIES.values() if best_tier(study, RECORDED)]
    known = {figure.id: (study, figure) for study in recorded for figure in study.figures}
    drawn = [entry for entry in built.index["figures"] if entry["study"]]
    assert [entry["id"] for entry in drawn] == list(known)
    papers = {c["paper"] for c in built.index["claims"] if c["origin"] == "paper" and c["interval"]}
    forests = {entry["id"] for entry in built.index["figures"] if not entry["study"]}
    assert {f"forest-{paper}" for paper in papers if paper != "xiao2018"} <= forests
    for entry in drawn:
        study, figure = known[entry["id"]]
        assert (entry["title"], entry["alt"]) == (figure.title, figure.alt)
        assert entry["study"] == study.name


def test_every_file_that_is_named_is_there(built: Built) -> None:
    for entry in built.index["figures"]:
        assert entry["files"] == figures.files(entry["id"])
        for name in entry["files"].values():
            assert (built.html / name).stat().st_size > 100, name


def test_the_folder_of_figures_holds_nothing_else(built: Built) -> None:
    named = {Path(name).name for f in built.index["figures"] for name in f["files"].values()}
    assert {path.name for path in (built.html / "figures").iterdir()} == {*named, "all.bib"}


def test_all_entries_for_a_bibliography_are_in_one_file(built: Built) -> None:
    shown = built.index["figures"]
    together = pybtex.database.parse_file(built.html / "figures" / "all.bib").entries
    assert list(together) == [f"bioprop-{figure['id']}" for figure in shown]
    for figure in shown:
        alone = pybtex.database.parse_file(built.html / figure["files"]["bib"]).entries
        assert list(alone.items()) == [
            (f"bioprop-{figure['id']}", together[f"bioprop-{figure['id']}"])
        ]


def test_what_is_not_recorded_is_not_attempted_and_has_no_numbers(small: Built) -> None:
    others = [entry for entry in small.index["claims"] if entry["study"] != "toy-network"]
    assert others
    for entry in others:
        assert entry["verdict"] == "not attempted"
        assert entry["recorded"] is entry["interval"] is entry["tier"] is None
    assert {figure["study"] for figure in small.index["figures"]} == {"toy-network"}
