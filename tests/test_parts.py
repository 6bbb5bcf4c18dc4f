"""Members made in parts read as the members made at once."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TOY, edit, made, python

from bioprop import paths, studies
from bioprop.book import claims, closeness, parts, runs
from bioprop.book.records import RECORDED, Record, RecordError, Store, read

TOYS = studies.get("toy-network")
SMALL = [s for s in studies.STUDIES.values() if s.name in ("toy-network", "linear-task")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


# Names


@pytest.mark.parametrize(
    "stem, variant, seeds",
    [
        ("fa", "fa", None),
        ("fa.3-4", "fa", range(3, 5)),
        ("fa-2.3-3", "fa-2", range(3, 4)),
        ("bp.0-19", "bp", range(20)),
    ],
)
def test_a_file_is_named_by_variant_and_seeds(
    stem: str, variant: str, seeds: range | None, store: Store
) -> None:
    assert parts.split(stem) == (variant, seeds)
    assert store.path("s", "paper", variant, seeds).stem == stem


@pytest.mark.parametrize("text, seeds", [("3-4", range(3, 5)), ("7", range(7, 8))])
def test_seeds_are_read(text: str, seeds: range) -> None:
    assert parts.seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "4-3", "a", "1-", "-1", "1-2-3", "1,2"])
def test_what_are_no_seeds_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"first and last seed, such as 3-4, not"):
        parts.seeds(text)


@pytest.mark.parametrize(
    "wanted, size, cut",
    [
        ([], None, []),
        ([0, 1, 2, 3, 4], None, ["0-4"]),
        ([0, 1, 2, 3, 4], 2, ["0-1", "2-3", "4-4"]),
        ([4, 0, 1, 7, 8], 2, ["0-1", "4-4", "7-8"]),
        ([3, 5], 5, ["3-3", "5-5"]),
    ],
)
def test_seeds_are_cut_into_blocks(wanted: list[int], size: int | None, cut: list[str]) -> None:
    assert [parts.words(block) for block in parts.blocks(wanted, size)] == cut


# Joining

ROWS = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [1.0, np.nan, -3.0, 4.0, np.nan]])


def part(seeds: range, rows: np.ndarray = ROWS) -> Record:
    """Return the part of a record of five members with some seeds."""
    record = made(*rows[:, seeds.start : seeds.stop].tolist(), seeds=tuple(seeds))
    settings = record.configuration | {"first_seed": seeds.start}
    update = {"configuration": settings, "provenance": {"seconds": 1.0, "commit": f"c{seeds[0]}"}}
    return record.model_copy(update=update)


CUTS = [[range(2), range(2, 5)], [range(4), range(4, 5)], [range(k, k + 1) for k in range(5)]]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_parts_read_as_the_whole(cut: list[range], store: Store) -> None:
    for block in reversed(cut):
        store.save(part(block), part=True)
    whole, joined = part(range(5)), store.load(*TOY)
    assert joined.values == whole.values and joined.labels == whole.labels
    assert joined.table.equals(whole.table)
    assert joined.diverged == whole.diverged == {1: 10, 4: 10}
    assert joined.settings == whole.settings and joined.seeds == (0, 1, 2, 3, 4)
    assert joined.provenance["seconds"] == len(cut)
    kept = joined.provenance["parts"]
    assert list(kept) == [parts.words(block) for block in cut]
    assert [p["commit"] for p in kept.values()] == [f"c{block[0]}" for block in cut]
    assert [p["digest"] for p in kept.values()] == [p.digest for p in joined.parts]


def test_a_whole_record_is_read_as_it_is_and_can_be_added_to(store: Store) -> None:
    store.save(part(range(3)))
    assert store.load(*TOY) == part(range(3)).sealed()
    store.save(part(range(3, 5)), part=True)
    assert store.load(*TOY).table.equals(part(range(5)).table)
    assert set(store) == set(store.files(*TOY)) and len(list(store)) == 2


def test_parts_of_another_variant_are_left_alone(store: Store) -> None:
    store.save(part(range(2)), part=True)
    other = store.path("toy-network", "smoke", "small-2", range(2, 5))
    shutil.copy(store.files(*TOY)[0], other)
    assert store.load(*TOY).seeds == (0, 1)


def differently(**changes: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        edit(path, configuration=content["configuration"] | changes)

    return damage


def rename(path: Path) -> None:
    path.rename(path.with_name("small.5-6.json"))


def without_w0(path: Path) -> None:
    values = json.loads(path.read_text())["values"]
    edit(path, values={"w": values["w"]})


MISFITS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an overlap": (differently(), "cannot be joined: both have seed 1"),
    "other settings": (differently(rate=0.5, start=3.0), "they have another start and rate"),
    "other marks": (lambda p: edit(p, marks=[0, 20]), "they have other marks"),
    "other quantities": (without_w0, "they have other quantities"),
    "another order": (
        lambda p: edit(p, labels={"seed": [4, 3, 2]}),
        "do not go through the seeds in the same way",
    ),
    "another schema": (lambda p: edit(p, schema_version=2), "schema version 2"),
    "other seeds than its name": (rename, "small.5-6.json holds the seeds 2-4"),
    "another variant's": (lambda p: edit(p, variant="anywhere"), "toy-network/smoke/anywhere"),
    "edited": (lambda p: edit(p, sealed=False, marks=[0, 20]), "does not match its digest"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_belong_together_is_refused_by_name(misfit: str, store: Store) -> None:
    damage, words = MISFITS[misfit]
    store.save(part(range(2)), part=True)
    path = store.save(part(range(2, 5)), part=True)
    if misfit == "an overlap":
        store.save(part(range(1, 5)), part=True)
    damage(path)
    with pytest.raises(RecordError) as refused:
        store.load(*TOY)
    assert words in str(refused.value) and "small." in str(refused.value)


def test_parts_made_on_different_devices_belong_together(store: Store) -> None:
    store.save(part(range(2)), part=True)
    differently(device="cuda")(store.save(part(range(2, 5)), part=True))
    joined = store.load(*TOY)
    assert joined.seeds == (0, 1, 2, 3, 4)
    assert [each.settings.device for each in joined.parts] == ["cpu", "cuda"]


@pytest.mark.parametrize(
    "learnt, fits",
    [(["a", "a", "a"], True), (["a", None, "a"], True), (["a", None, "b"], False)],
)
def test_parts_that_learnt_from_other_data_are_refused(learnt: list[Any], fits: bool) -> None:
    made_of = [part(range(k, k + 1)) for k in range(3)]
    for each, digest in zip(made_of, learnt, strict=True):
        each.provenance |= {"data": {"mnist": digest}} if digest else {}
    if fits:
        assert parts.join(made_of).seeds == (0, 1, 2)
    else:
        with pytest.raises(ValueError, match="the data set mnist that they learnt from"):
            parts.join(made_of)


def test_a_damaged_part_is_named_with_the_command_that_makes_it(store: Store) -> None:
    path = store.save(part(range(2, 5)), part=True)
    path.write_text("{")
    command = r"bioprop run toy-network --tier smoke --variant small --part 2-4 --again"
    with pytest.raises(RecordError, match=re.escape(command)):
        store.load(*TOY)


# Running


def together(study: studies.Study, variant: str, store: Store, *blocks: range) -> Record:
    for block in blocks:
        runs.run(study, "smoke", variant, {"members": 5}, seeds=block, store=store)
    return store.load(study.name, "smoke", variant)


@pytest.mark.parametrize("study", SMALL, ids=lambda study: study.name)
def test_in_small_networks_2_and_3_members_are_the_5_made_at_once_bit_for_bit(
    study: studies.Study, store: Store, tmp_path: Path
) -> None:
    for variant in study.variants:
        first = study.configure("smoke", variant).first_seed
        cut = range(first, first + 2), range(first + 2, first + 5)
        joined = together(study, variant, store, *cut)
        whole = runs.run(study, "smoke", variant, {"members": 5}, store=Store(tmp_path / "once"))
        assert joined.values == whole.values, variant
        assert joined.labels == whole.labels and joined.settings == whole.settings


SPLIT = [
    study
    for study in studies.STUDIES.values()
    if study.configure("smoke", next(iter(study.variants))).members > 1
]


@pytest.mark.parametrize("study", SPLIT, ids=lambda study: study.name)
def test_the_parts_of_any_study_read_as_the_whole_searches_too(
    study: studies.Study, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = next(iter(study.variants))
    seeds = study.configure("smoke", variant).seeds
    cut = [range(seeds[0], seeds[0] + 1), range(seeds[1], seeds[-1] + 1)]
    for block in cut:
        runs.run(study, "smoke", variant, seeds=block, store=store)
    joined = store.load(study.name, "smoke", variant)
    whole = runs.run(study, "smoke", variant, store=Store(tmp_path / "once"))
    assert joined.labels == whole.labels
    monkeypatch.setattr(paths, "TWINS", tmp_path / "twins")
    assert not closeness.compare(whole, joined, study).faults


# Makes seeds of a variant of five members, saving each checkpoint; with a sixth word it waits for
# a line at the mark of that number.
CHILD = """
from bioprop import studies
from bioprop.book import parts, runs
from bioprop.book.records import Store
from pathlib import Path

folder, name, variant, seeds, *hold = sys.argv[1:]

def told(done, total):
    if hold and done == int(hold[0]):
        print("waiting", flush=True)
        sys.stdin.readline()

runs.run(studies.get(name), "smoke", variant, {"members": 5}, seeds=parts.seeds(seeds),
    store=Store(Path(folder)), progress=told, every=0.0)
print("done", flush=True)
"""


@pytest.mark.slow
def test_parts_of_two_processes_one_killed_and_resumed_are_the_whole_bit_for_bit(
    store: Store, tmp_path: Path
) -> None:
    name, variant, hold, cut = "linear-task", "fa", "50", ("100-101", "102-104")

    def child(seeds: str, *words: str) -> Any:
        return python(CHILD, tmp_path, str(store.folder), name, variant, seeds, *words)

    with child(cut[0], hold) as one, child(cut[1], hold) as other:
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n", process.communicate()
        one.kill()
        assert other.communicate("\n", timeout=60)[0] == "done\n"
    assert store.missing(studies.get(name), "smoke", variant) & set(parts.seeds(cut[0]))
    [left] = (tmp_path / "data" / "cache" / "checkpoints").glob("*.pt")
    assert cut[0] in left.name
    with child(cut[0]) as again:
        assert again.communicate(timeout=60)[0] == "done\n"
    whole = runs.run(
        studies.get(name), "smoke", variant, {"members": 5}, store=Store(tmp_path / "once")
    )
    joined = store.load(name, "smoke", variant)
    assert len(store.files(name, "smoke", variant)) == 2
    assert joined.values == whole.values and joined.labels == whole.labels
    assert joined.settings == whole.settings and joined.diverged == whole.diverged


def test_a_part_of_other_seeds_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"seed 3 is none of toy-network/smoke/small: .* are 0-2"):
        runs.run(TOYS, "smoke", "small", seeds=range(2, 4), store=store)


def test_members_that_are_there_are_not_made_again_under_another_name(store: Store) -> None:
    runs.run(TOYS, "smoke", "small", seeds=range(2), store=store)
    for seeds in (range(1, 3), None):
        with pytest.raises(RecordError, match=r"seed [01] is in .*small\.0-1\.json already"):
            runs.run(TOYS, "smoke", "small", seeds=seeds, store=store)
    runs.run(TOYS, "smoke", "small", seeds=range(2), store=store)  # itself it may replace
    assert len(list(store)) == 1


# What is missing


def test_what_is_missing_is_known(store: Store) -> None:
    assert store.missing(TOYS, "smoke", "small") == {0, 1, 2}
    assert not store.has(*TOY)
    store.save(part(range(1, 2)), part=True)
    assert store.missing(TOYS, "smoke", "small") == {0, 2} and store.has(*TOY)
    joined = store.load(*TOY)
    assert (joined.members, len(joined.seeds), joined.wanted) == (1, 1, 3)


LINEAR = studies.get("linear-task")


def recorded(store: Store, **kept: int) -> None:
    """Put the records of the linear task into a store, of some variants the first seeds only."""
    for variant, record in RECORDED.runs(LINEAR, "paper").items():
        if variant in kept:
            record = parts.join([record], record.seeds[: kept[variant]])
        store.save(record, part=variant in kept)


@pytest.mark.parametrize("kept", [{"fa": 4}, {"bp": 5, "fa": 4, "np": 19}])
def test_claims_are_judged_from_the_seeds_that_all_variants_have(
    kept: dict[str, int], store: Store
) -> None:
    recorded(store, **kept)
    assert claims.best_tier(LINEAR, store) == "paper"
    found = store.runs(LINEAR, "paper")
    whole = RECORDED.runs(LINEAR, "paper")
    fewer = {name: parts.join([record], record.seeds[:4]) for name, record in whole.items()}
    assert {name: run.seeds for name, run in found.items()} == {
        name: run.seeds for name, run in fewer.items()
    }
    judged = claims.judge_all(LINEAR, found, "paper")
    for one, other in zip(judged, claims.judge_all(LINEAR, fewer, "paper"), strict=True):
        assert (one.mean, one.interval, one.verdict) == (other.mean, other.interval, other.verdict)
        assert (one.members, one.wanted) == (4, 20)
        assert one.count == "4 of 20 networks so far"


def test_claims_need_three_seeds(store: Store) -> None:
    recorded(store, fa=2)
    judged = claims.judge_all(LINEAR, store.runs(LINEAR, "paper"), "paper")
    for judgement in judged:
        assert judgement.verdict == "cannot be judged"
        assert judgement.why == "an interval needs 3 networks or more, there are 2"


def test_a_tier_that_can_be_judged_goes_before_one_that_has_more_to_come(store: Store) -> None:
    recorded(store, fa=2)
    for variant in LINEAR.variants:
        runs.run(LINEAR, "smoke", variant, store=store)
    assert claims.best_tier(LINEAR, store) == "smoke"
    recorded(store, fa=3)
    store.path("linear-task", "paper", "fa", range(100, 102)).unlink()
    assert claims.best_tier(LINEAR, store) == "paper"


def test_variants_without_a_seed_in_common_are_as_none(store: Store) -> None:
    recorded(store, fa=1, bp=3)
    path = store.path("linear-task", "paper", "fa", range(100, 101))
    path.unlink()
    store.save(parts.join([RECORDED.load("linear-task", "paper", "fa")], [109]), part=True)
    assert store.shared(LINEAR, "paper") == 0
    assert claims.best_tier(LINEAR, store) is None


@pytest.mark.parametrize("by, moved", [(0.0, False), (5.0, True)])
def test_a_part_that_comes_out_otherwise_moves_the_claims_of_the_whole(
    by: float, moved: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "RECORDED", store)
    recorded(store)
    [path] = store.files("linear-task", "paper", "fa")
    whole = read(path)
    path.unlink()
    for seeds in (whole.seeds[:6], whole.seeds[6:]):
        half = parts.join([whole], seeds).model_copy(update={"provenance": whole.provenance})
        last = store.save(half, part=True)
    record = read(last)
    values = {name: [[v + by for v in row] for row in rows] for name, rows in record.values.items()}
    again = record.model_copy(update={"values": values, "provenance": {}})
    found, stand = closeness.moved_claims(record, again, LINEAR)
    assert bool(found) == moved
    assert bool(stand) == (not moved)
