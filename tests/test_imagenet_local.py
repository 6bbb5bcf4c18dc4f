"""Table 2 on ImageNet itself: images at one size on disk, what it would take, what is refused."""

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_autoencoder import verdicts
from test_towards_imagenet import TABLE_2

from bioprop import paths, studies
from bioprop.book import estimates
from bioprop.learning import memory
from bioprop.studies.bartunov2018 import imagenet_local, towards_imagenet
from bioprop.studies.journal import Journal
from bioprop.tasks import folders, generated_folders, images, resized
from bioprop.tasks.datasets import DataError
from bioprop.tasks.decoding import Decoders, Request, shown
from bioprop.tasks.folders import Folders

LOCAL = studies.get("imagenet-local")
SIDE = 32
SMALL: dict[str, Any] = {"images": "imagenet", "held_out": 6, "batch": 4, "members": 1, "epochs": 1}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 7, 5 and 6 training images and 2 test images; nobody changes them."""
    folder = tmp_path_factory.mktemp("data") / "imagenet"
    generated_folders.write(folder, classes=3, each=7, test=2)
    for k, place in ((1, 2), (1, 6), (2, 0)):
        (folder / f"train/n{k:08d}/n{k:08d}_{place}.JPEG").unlink()
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for each test, and this process to decode."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("BIOPROP_WORKERS", "0")
    monkeypatch.setattr(resized, "BATCH", 4)
    return tmp_path / "cache"


@pytest.fixture
def found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Folders]:
    """The tree in the place of ImageNet."""
    read = folders.read(tree)
    monkeypatch.setattr(folders, "find", lambda: read)
    images._imagenet.cache_clear()
    yield read
    images._imagenet.cache_clear()


# Images at one size


def test_classes_take_turns_and_the_last_images_are_a_balanced_choice() -> None:
    labels = np.repeat([0, 1, 2], [3, 1, 2])
    order = resized.in_turns(labels)
    assert order.tolist() == [0, 1, 4, 2, 3, 5]
    assert labels[order].tolist() == [0, 0, 2, 0, 1, 2]
    alike = resized.in_turns(np.repeat([0, 1], 3))
    assert alike.tolist() == [0, 3, 1, 4, 2, 5], "as those of Tiny ImageNet"


@pytest.mark.parametrize("side", [SIDE, 224])
def test_images_lie_on_disk_as_the_other_run_on_imagenet_shows_test_images(
    found: Folders, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = images.from_folders(found, side)
    assert made.shape == (3, side, side) and made.classes == 3 and made.digest == found.digest
    assert made.train_labels.bincount().tolist() == [7, 5, 6]
    assert made.held_out(6).test_labels.bincount().tolist() == [2, 2, 2]
    order = resized.in_turns(found.train.labels)
    for k in (0, 4, 17):
        pixels = shown(Request(str(found.root / found.train.paths[order[k]])), side)
        assert torch.equal(made.train[k].view(3, side, side), torch.tensor(pixels).permute(2, 0, 1))
        assert made.train_labels[k] == found.train.labels[order[k]]
    last = shown(Request(str(found.root / found.test.paths[-1])), side)
    assert torch.equal(made.test[-1].view(3, side, side), torch.tensor(last).permute(2, 0, 1))
    assert resized.place(found, side).stat().st_size == resized.size(found, side)
    monkeypatch.setattr(Decoders, "begin", lambda *_: pytest.fail("decoded again"))
    assert torch.equal(images.from_folders(found, side).train, made.train)


def test_what_was_decoded_before_an_interruption_is_not_decoded_again(
    found: Folders, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = resized.load(found, SIDE)[0].clone()
    resized.place(found, SIDE).unlink()
    own = Path(shutil.copytree(tree, tmp_path / "imagenet"))
    copy = dataclasses.replace(found, root=own)
    late = own / found.train.paths[resized.in_turns(found.train.labels)[13]]
    content = late.read_bytes()
    late.write_bytes(content[:200])
    with pytest.raises(DataError, match=rf"{late.name} cannot be read \(.*\)\. Put a sound copy"):
        resized.load(copy, SIDE)
    partial = resized.place(found, SIDE).with_suffix(".partial")
    assert partial.stat().st_size == 12 * 3 * SIDE**2
    late.write_bytes(content)
    with open(partial, "ab") as file:
        file.write(b"half an image")
    begun: list[int] = []
    begin = Decoders.begin
    monkeypatch.setattr(
        Decoders, "begin", lambda self, slot, r: begun.append(len(r)) or begin(self, slot, r)
    )
    assert torch.equal(resized.load(copy, SIDE)[0], whole)
    assert sum(begun) == 18 + 6 - 12 and not partial.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_disk_without_room_is_said_before_and_when_it_is_full(
    found: Folders, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir()
    partial = resized.place(found, 224).with_suffix(".partial")
    partial.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"could not read or write .*: the disk is full\. Free"):
        resized.load(found, 224)
    partial.unlink()
    little = SimpleNamespace(free=3 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: little)
    with pytest.raises(
        DataError, match=r"at 224 x 224 pixels take 3\.61 MB in .*cache, and 3 MB are free\. Free"
    ):
        resized.room(found, 224)
    partial.write_bytes(bytes(10**6))
    resized.room(found, 224)


def test_a_class_that_is_missing_is_named(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(shutil.copytree(tree, tmp_path / "imagenet"))
    shutil.rmtree(own / "train" / "n00000001")
    monkeypatch.setenv("BIOPROP_DATA", str(own))
    images._imagenet.cache_clear()
    with pytest.raises(DataError, match="train has no folder n00000001, which val has: unpack"):
        LOCAL.run(LOCAL.configure("smoke", "bp", images="imagenet"), Journal())
    with pytest.raises(DataError, match="train has no folder n00000001, which val has: unpack"):
        estimates.estimate(LOCAL, "paper", "bp")


# The study


@pytest.fixture
def reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks for images of another size where those for ImageNet are counted and timed."""
    for module in (imagenet_local, towards_imagenet):
        monkeypatch.setattr(module, "IMAGENET", ((3, SIDE, SIDE), 3))


def test_images_that_stay_on_disk_are_learnt_from_as_those_in_memory(
    found: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LOCAL.configure("smoke", "dtp-alternating", **SMALL)
    ends = []
    for limit in (2**40, 0):
        monkeypatch.setattr(images, "STAYS", limit)
        monkeypatch.setattr(images, "PARTS", limit)
        LOCAL.run(settings, journal := Journal())
        ends.append((journal.rows, journal.fingerprint))
        assert journal.data == {"imagenet": found.digest}
    assert ends[0] == ends[1]


def test_what_it_takes_is_told_from_a_step_before_an_image_is_read(
    found: Folders, reduced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resized, "load", lambda *_: pytest.fail("images were read"))
    changes = {"local": ((9, 4, 4),), "held_out": 6, "batch": 4}
    for variant in ("bp", "dtp-alternating"):
        settings = LOCAL.configure("paper", variant, **changes)
        seconds, how = imagenet_local.forecast(dataclasses.replace(settings, members=1))
        step = float(how.split("a step of ")[1].split(" s;")[0])
        assert seconds == pytest.approx(500 * 3 * step, rel=0.06)
        assert "MB of memory and ImageNet 0.0737 MB of disk" in how
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "free", lambda device: 10**5)
    for call in (imagenet_local.forecast, lambda settings: LOCAL.run(settings, Journal())):
        with pytest.raises(memory.TooLarge, match=r"takes at least .* cpu has 0\.1 MB: not one"):
            call(settings)


def test_the_forecast_stands_for_a_trial_and_is_kept(
    found: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    told = dataclasses.replace(LOCAL, forecast=lambda s: calls.append(s) or (5000.0, "as was told"))
    for device in ("cpu", "cpu", "cuda"):
        estimate = estimates.estimate(told, "paper", "fa", device=device)
        assert (estimate.seconds, estimate.how) == (5000.0, "as was told")
    once = [(settings.members, settings.device) for settings in calls]
    assert once == [(1, "cpu"), (1, "cuda")], "for one seed, once for each device"


def test_claims_about_imagenet_can_fail() -> None:
    assert set(verdicts("imagenet-local", TABLE_2, 99.9, top5=50.0)) == {"reproduced"}
    changed = {"bp": 80.0, "fa": 85.0, "dtp-parallel": 90.0, "bp-convnet": 81.0}
    found = verdicts("imagenet-local", TABLE_2 | changed, 99.9, top5=50.0)
    kept = {
        "imagenet-local-dtp-alternating-near-chance",
        "imagenet-local-sdtp-parallel-near-chance",
    }
    assert set(found[found == "reproduced"].index) == kept
