"""ImageNet: folders as they are found, images as they are shown, and processes that train one."""

import csv
import io
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from helpers import ROOT, python
from PIL import Image

from bioprop import paths, processes, studies
from bioprop.book import logs, runs
from bioprop.book.records import RecordError, Store
from bioprop.deep import RULES
from bioprop.deep.training import OutOfMemory, Training
from bioprop.studies.journal import Journal
from bioprop.studies.xiao2018.imagenet import network, train
from bioprop.tasks import decoding, folders, generated_folders
from bioprop.tasks.datasets import DataError
from bioprop.tasks.decoding import CHANCES, Decoders, Request, Unreadable, random_crop, shown
from bioprop.tasks.imagenet import Crops, load, workers

IMAGENET = studies.get("imagenet")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 12 training and 4 test images; nobody changes them."""
    folder = tmp_path_factory.mktemp("data") / "imagenet"
    generated_folders.write(folder, classes=3, each=12, test=4)
    return folder


@pytest.fixture
def own(tree: Path, tmp_path: Path) -> Path:
    """A copy of the tree that a test may spoil."""
    return Path(shutil.copytree(tree, tmp_path / "imagenet"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache for each test, and the small tree for the generated one."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(generated_folders, "root", lambda: tree)


# Folders


def flat(root: Path) -> list[str]:
    """Put the images of ``val`` beside each other; return the class of each, in order."""
    answers, val = [], root / "val"
    for k, path in enumerate(sorted(val.glob("*/*")), start=1):
        answers.append(path.parent.name)
        path.rename(val / f"ILSVRC2012_val_{k:08d}.JPEG")
    for folder in [path for path in val.iterdir() if path.is_dir()]:
        folder.rmdir()
    return answers


def devkit(root: Path, answers: list[str]) -> None:
    folder = root / folders.DEVKIT
    folder.mkdir(parents=True)
    numbers = {"n00000000": 2, "n00000001": 3, "n00000002": 1}  # not in the order of the names
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O")]
    synsets = np.array([(number, name) for name, number in numbers.items()], dtype=kind)
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets})
    (folder / folders.TRUTH).write_text("".join(f"{numbers[name]}\n" for name in answers))


def solution(root: Path, answers: list[str]) -> None:
    with open(root.parent / "LOC_val_solution.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ImageId", "PredictionString"])
        for k, name in enumerate(answers, start=1):
            writer.writerow([f"ILSVRC2012_val_{k:08d}", f"{name} 1 2 3 4 "])


def annotations(root: Path, answers: list[str]) -> None:
    lines = (f"ILSVRC2012_val_{k:08d}.JPEG\t{n}\t0\t0\t9\t9\n" for k, n in enumerate(answers, 1))
    (root / "val" / "val_annotations.txt").write_text("".join(lines))


@pytest.mark.parametrize("write", [devkit, solution, annotations])
def test_validation_images_may_lie_flat_with_any_publishers_answers(
    own: Path, write: Callable[[Path, list[str]], None]
) -> None:
    in_folders = folders.read(own)
    write(own, flat(own))
    found = folders.read(own, 3)
    assert found.classes == in_folders.classes == ("n00000000", "n00000001", "n00000002")
    assert (
        found.test.labels.tolist()
        == in_folders.test.labels.tolist()
        == 4 * [0] + 4 * [1] + [*4 * [2]]
    )
    assert found.train.labels.tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert found.digest != in_folders.digest and found.digest == folders.read(own).digest


def spoil(root: Path, how: str) -> None:
    if how == "empty":
        shutil.rmtree(root / "train" / "n00000001")
        (root / "train" / "n00000001").mkdir()
    elif how in ("unanswered", "odd answers", "few answers"):
        answers = flat(root)
        if how == "odd answers":
            annotations(root, ["n99", *answers[1:]])
        if how == "few answers":
            devkit(root, answers[1:])
    elif how == "no val":
        shutil.rmtree(root / "val")
    else:
        shutil.rmtree(root / how)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("train/n00000001", "train has no folder n00000001, which val has: unpack"),
        ("val/n00000002", "val has no folder n00000002, which train has"),
        ("empty", r"no image in .*train/n00000001; endings are"),
        ("unanswered", r"nothing says which classes .* put ILSVRC2012_validation_ground_truth"),
        ("odd answers", r"val has images of 'n99', which train does not have"),
        ("few answers", "has answers for 11 images, and val has 12"),
        ("no val", r"val cannot be read: No such file or directory"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_by_what_it_lacks(
    own: Path, how: str, words: str
) -> None:
    spoil(own, how)
    with pytest.raises(DataError, match=words):
        folders.read(own)


def test_imagenet_is_found_by_any_of_its_names_and_has_a_thousand_classes(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (own, own.parent):
        monkeypatch.setenv("BIOPROP_DATA", str(place))
        assert folders.find(3).root == own
        with pytest.raises(DataError, match="train has 3 folders of classes, not 1000"):
            folders.find()
    monkeypatch.setenv("BIOPROP_DATA", str(own / "val"))
    with pytest.raises(DataError, match=r"ImageNet is not here: (.*\n)+.*val/ILSVRC2012\n"):
        folders.find()


# Images


@pytest.mark.parametrize(("width", "height"), [(500, 375), (64, 64), (1000, 20), (3, 400)])
def test_a_random_crop_lies_in_the_image_and_has_its_area_and_shape(
    width: int, height: int
) -> None:
    chances = np.random.default_rng(0).random((500, CHANCES))
    boxes = np.array([random_crop(width, height, each) for each in chances.tolist()])
    w, h = (boxes[:, 2:] - boxes[:, :2]).T
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= width).all()
    assert (boxes[:, 3] <= height).all() and (w > 0).all() and (h > 0).all()
    if width / height in (500 / 375, 1):
        share, shape = w * h / (width * height), w / h
        assert share.min() > 0.07 and share.max() <= 1 and share.std() > 0.2
        assert shape.min() > 0.7 and shape.max() < 1.4 and len(np.unique(boxes[:, 0])) > 20
    else:  # no crop of that shape has the area, or few: the middle is taken
        middle = [[(width - a) / 2, (height - b) / 2] for a, b in zip(w, h, strict=True)]
        assert (np.abs(boxes[:, :2] - middle) <= 0.5).mean() > 0.5


def test_odd_images_are_shown_as_what_they_show(tree: Path) -> None:
    train = sorted((tree / "train" / "n00000000").iterdir(), key=lambda p: int(p.stem[10:]))
    _, grey, inks, png, turned = train[:5]
    for path, what in ((grey, "L"), (inks, "CMYK"), (png, "PNG"), (turned, 6)):
        with Image.open(path) as image:
            assert what in (image.mode, image.format, image.getexif().get(0x0112))
            whole = np.asarray(image.convert("RGB"))  # not turned: as it is stored
        assert shown(Request(str(path)), 48).shape == (48, 48, 3)
        left = [0.99, 0.43] * 10 + [0.5, 0.5, 0.9]
        assert (
            np.abs(shown(Request(str(path), left), 48).mean((0, 1)) - whole.mean((0, 1))).max() < 9
        )
    assert np.ptp(shown(Request(str(grey)), 48), axis=2).max() == 0


def test_the_middle_is_shown_when_it_is_tested_and_flips_change_sides(tmp_path: Path) -> None:
    pixels = np.zeros((320, 512, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(512) // 2, np.arange(320)[:, None] // 2
    Image.fromarray(pixels).save(tmp_path / "ramp.png")
    centre = shown(Request(str(tmp_path / "ramp.png")), 224).astype(int)
    # 320 x 512 becomes 256 x 409; of it 224 x 224 from row 16 and column 92 on
    assert abs(centre[0, 0, 1] - (16.5 * 320 / 256) / 2) < 2
    assert abs(centre[0, 0, 0] - (92.5 * 512 / 409) / 2) < 2
    chances = [0.5, 0.5] * 10 + [0.3, 0.6]
    one, other = (shown(Request(str(tmp_path / "ramp.png"), [*chances, c]), 64) for c in (0.4, 0.6))
    assert np.array_equal(one, other[:, ::-1]) and not np.array_equal(one, other)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def test_a_decoder_that_is_not_installed_or_unknown_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"'simplejpeg' is not installed: .*pip install simplejpeg"
    ):
        Decoders(0, 1, 1, 64, "simplejpeg")
    with pytest.raises(ValueError, match="decoder"):
        Decoders(0, 1, 1, 64, "opencv")


def test_another_decoder_shows_the_same_images_and_leaves_to_pillow_what_it_cannot_read(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stand:  # as simplejpeg has them, by way of Pillow
        @staticmethod
        def is_jpeg(content: bytes) -> bool:
            return content[:3] == b"\xff\xd8\xff"

        @staticmethod
        def decode_jpeg(content: bytes) -> np.ndarray:
            with Image.open(io.BytesIO(content)) as image:
                return np.array(image.convert("RGB"))

    if decoding.importlib.util.find_spec("simplejpeg") is None:
        monkeypatch.setitem(sys.modules, "simplejpeg", Stand)
    chances = np.random.default_rng(0).random((12, CHANCES)).tolist()
    for path, each in zip(sorted((tree / "train/n00000000").iterdir()), chances, strict=True):
        request = Request(str(path), each)
        one, other = (shown(request, 32, name).astype(int) for name in decoding.DECODERS)
        assert np.abs(one - other).mean() < 2.5, path  # CMYK is converted otherwise


# Batches


def crops(tree: Path, **changes: Any) -> Crops:
    return Crops(folders.read(tree), 1, 12, 32, **{"shares": 2, **changes})


def same(one: Any, other: Any) -> bool:
    return all(
        torch.equal(a, b)
        for p, q in zip(one, other, strict=True)
        for a, b in zip(p, q, strict=True)
    )


def test_batches_depend_on_the_step_alone_however_many_processes_there_are(tree: Path) -> None:
    usual, decoded = crops(tree), crops(tree, workers=2)
    one, two = crops(tree, rank=0, size=2), crops(tree, rank=1, size=2)
    steps = [0, 1, 2, 4, 3, 9]  # on, and back
    batches = {step: usual(step) for step in steps}
    for step in reversed(steps):
        assert same(decoded(step), batches[step])
        assert same(one(step) + two(step), batches[step])
    x = torch.cat([images for step in range(3) for images, _ in crops(tree)(step)])
    assert x.shape == (36, 3, 32, 32) and x.is_contiguous(memory_format=torch.channels_last)
    assert abs(float(x.mean())) < 1 and len(x.unique(dim=0)) == 36
    assert same(decoded.test(), usual.test())
    assert same([*one.test(), *two.test()][:1], [*one.test()][:1])
    assert sum(len(y) for task in (one, two) for _, y in task.test()) == 12
    decoded.close()


def test_shares_that_cannot_be_divided_and_too_few_images_are_refused(tree: Path) -> None:
    for changes in ({"shares": 5}, {"shares": 2, "size": 3}):
        with pytest.raises(ValueError, match="the shares must divide the batch, and the processes"):
            crops(tree, **changes)
    with pytest.raises(ValueError, match="a batch of 48 needs more than 36 images"):
        Crops(folders.read(tree), 0, 48, 32)


def test_the_number_of_workers_is_a_core_each_or_what_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BIOPROP_WORKERS", raising=False)
    assert workers() >= 1 and workers(0) == 0
    monkeypatch.setenv("BIOPROP_WORKERS", "3")
    assert workers() == workers(0) == 3
    monkeypatch.setenv("BIOPROP_WORKERS", "many")
    with pytest.raises(ValueError, match=r"BIOPROP_WORKERS is a number of processes.*'many'"):
        workers()


def test_an_image_that_cannot_be_read_is_named_or_left_out_and_counted(own: Path) -> None:
    for path in ("train/n00000001/n00000001_3.JPEG", "val/n00000002/n00000002_0.JPEG"):
        truncate(own / path)
    with pytest.raises(Unreadable, match="OSError: image file is truncated"):
        shown(Request(str(own / path)), 32)
    strict = crops(own)
    with pytest.raises(DataError, match=r"n00000001_3.JPEG cannot be read \(OSErr.*skip = true"):
        [strict(step) for step in range(3)]
    with pytest.raises(DataError, match=r"val/n00000002/n00000002_0.JPEG cannot be read"):
        list(strict.test())
    lenient = crops(own, skip=True)
    with pytest.warns(UserWarning, match=r"left out: .*n00000001_3.JPEG cannot be read"):
        sizes = [len(x) for step in range(6) for x, _ in lenient(step)]  # named once in two epochs
    assert sorted(sizes) == [5] * 2 + [6] * 10 and lenient.left_out() == 2
    with pytest.warns(UserWarning, match="n00000002_0"):
        assert sum(len(x) for x, _ in lenient.test()) == 11
    assert lenient.left_out() == 1 and lenient.left_out() == 0


def test_a_worker_that_is_killed_is_said_with_what_to_do(tree: Path) -> None:
    task = crops(tree, workers=1)
    task(0)
    [worker] = multiprocessing.active_children()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    with pytest.raises(DataError, match=r"was killed, or ran out of memory; .*BIOPROP_WORKERS=2"):
        [task(step) for step in range(1, 9)]
    task.close()


PARENT = """
import multiprocessing
from bioprop.tasks.decoding import Decoders, Request

if __name__ == "__main__":
    decoders = Decoders(1, 1, 1, 32)
    decoders.take(decoders.begin(0, [Request(sys.argv[1])]))
    print(multiprocessing.active_children()[0].pid, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_parent_that_is_killed(tree: Path, tmp_path: Path) -> None:
    with python(PARENT, tmp_path, str(next((tree / "val").glob("*/*")))) as parent:
        assert parent.stdout is not None
        worker = Path("/proc") / parent.stdout.readline().strip()
        assert worker.name.isdecimal() and worker.exists()
        parent.kill()
        parent.wait()
        for _ in range(200):
            if not worker.exists() or "Z" in (worker / "stat").read_text().split()[2]:
                return
            time.sleep(0.05)
    raise AssertionError("the worker lives on")


# Processes that train together

SMALL = {"batch": 12, "side": 32, "width": 2, "shares": 4, "members": 1}


def settings(rule: str = "ss", **changes: Any) -> Any:
    return IMAGENET.configure("smoke", "ss", **{"rule": rule, **SMALL, **changes})


def learnt(rule: str, steps: int = 2, **changes: Any) -> dict[str, Any]:
    """Return what a network has learnt after some steps, and its errors."""
    chosen = settings(rule, **changes)
    training = train(chosen, load("generated"), 0, Journal())
    training.until(steps)
    errors = training.errors(training.batches.test())  # type: ignore[attr-defined]
    state = training.state_dict()["model"]
    return {k: v for k, v in state.items() if v.is_floating_point()} | {"e": torch.stack(errors)}


def in_two(target: Callable[..., None], *words: Any) -> list[int | None]:
    """Run a function in two processes that were started together; return how they ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # PyTorch need not be loaded again
    both = [context.Process(target=_placed, args=(k, port, target, *words)) for k in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
        process.kill()
    return [process.exitcode for process in both]


def _placed(rank: int, port: int, target: Callable[..., None], *words: Any) -> None:
    place = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in {**place, **meeting}.items()})
    target(*words)


forks = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
EXACT = {"precision": "float64"}
CASES: list[tuple[str, dict[str, Any]]] = [(rule, {}) for rule in RULES] + [
    ("ss", {"network": "alexnet", "side": 64, "batch": 36, "shares": 2}),
    ("kp", {"manhattan": True, "manhattan_in": "others", "last": "bp"}),
]


def _learn_all(folder: Path) -> None:
    for k, (rule, changes) in enumerate(CASES):
        found = learnt(rule, **changes, **EXACT)
        if processes.rank() == 0:
            torch.save(found, folder / f"{k}.pt")
        else:
            torch.save({n: v for n, v in found.items() if n != "e"}, folder / f"{k}-other.pt")


@forks
def test_two_processes_learn_the_weights_of_one_by_every_rule(tmp_path: Path) -> None:
    assert in_two(_learn_all, tmp_path) == [0, 0]
    for k, (rule, changes) in enumerate(CASES):
        one = learnt(rule, **changes, **EXACT)
        two, other = (torch.load(tmp_path / f"{k}{end}.pt") for end in ("", "-other"))
        start = network(settings(rule, **changes, **EXACT), 3, 0).state_dict()
        moved = [n for n in one if n != "e" and not torch.equal(one[n], start[n])]
        assert len(moved) > len(one) / 2, rule
        for name in one:
            torch.testing.assert_close(
                two[name], one[name], rtol=1e-8, atol=1e-10, msg=f"{rule} {name}"
            )
            assert name == "e" or torch.equal(other[name], two[name]), (
                f"{rule} {name} has come apart"
            )


def test_one_share_is_an_ordinary_batch_and_shares_have_statistics_of_their_own() -> None:
    one, four = learnt("bp", 1, shares=1), learnt("bp", 1)
    assert not torch.allclose(one["conv1.weight"], four["conv1.weight"], rtol=1e-3)
    chosen = settings("bp", shares=1)
    ours = train(chosen, load("generated"), 0, Journal())
    plain = Training(
        train(chosen, load("generated"), 0, Journal()).model,
        lambda step: crops_of(chosen)(step)[0],
        chosen.plan,
        crops_of(chosen).each_epoch,
    )
    for training in (ours, plain):
        training.until(2)
    for name, value in plain.model.state_dict().items():
        torch.testing.assert_close(ours.model.state_dict()[name], value, rtol=1e-6, atol=1e-7)


def crops_of(chosen: Any) -> Crops:
    return Crops(load("generated"), 0, chosen.plan.batch, chosen.side)


def _run(folder: Path, killed: int | None) -> None:
    """Make the record of four steps; the second process is killed in one of them."""
    if killed is not None and processes.rank() == 1:
        learn = Training._changed

        def changed(training: Any, loss: Any) -> None:
            if training.step == killed:
                os.kill(os.getpid(), signal.SIGKILL)
            learn(training, loss)

        Training._changed = changed  # type: ignore[method-assign]
    changes = {**SMALL, "epochs": 4, "batch": 36}
    runs.run(IMAGENET, "smoke", "ss", changes, store=Store(folder), every=0.0)


@forks
def test_a_run_of_two_one_of_them_killed_goes_on_to_the_same_weights_and_no_other_can(
    tmp_path: Path,
) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    assert in_two(_run, whole, None) == [0, 0]
    ends = in_two(_run, again, 2)
    assert ends[1] == -signal.SIGKILL and ends[0] != 0
    assert not Store(again).has("imagenet", "smoke", "ss")
    with pytest.raises(ValueError, match="another training: processes was 2 and is 1"):
        _run(again, None)
    assert in_two(_run, again, None) == [0, 0]
    one, other = (Store(folder).load("imagenet", "smoke", "ss") for folder in (whole, again))
    assert one.fingerprint == other.fingerprint and one.values == other.values
    assert one.provenance["processes"] == 2 and one.marks == [0, 36, 72, 108, 144]


@pytest.mark.parametrize(
    "changes",
    [{"rule": "fa"}, {"rate": 0.2}, {"shares": 2}, {"last": "bp"}, {"decoder": "simplejpeg"}],
)
def test_a_state_of_another_rule_or_setting_is_refused(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding.importlib.util, "find_spec", lambda name: True)
    saved = train(settings(), load("generated"), 0, Journal()).state_dict()
    other = train(settings(**changes), load("generated"), 0, Journal())
    [name] = changes
    with pytest.raises(ValueError, match=f"another training: .*{name} was .* and is "):
        other.load_state_dict(saved)


def test_too_large_a_batch_is_said_with_more_shares_to_try(monkeypatch: pytest.MonkeyPatch) -> None:
    training = train(settings(), load("generated"), 0, Journal())

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(training.model, "forward", full)
    with pytest.raises(OutOfMemory, match="try shares = 8, or smaller images"):
        training.until(1)


def test_images_left_out_are_counted_in_the_record(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated_folders, "root", lambda: own)
    for path in ("train/n00000001/n00000001_3.JPEG", "val/n00000002/n00000002_0.JPEG"):
        truncate(own / path)
    with pytest.warns(UserWarning, match="left out"):
        record = runs.run(
            IMAGENET, "smoke", "ss", {**SMALL, "skip": True}, store=Store(tmp_path / "runs")
        )
    assert record.values["left out"] == [[0.0], [1.0], [2.0]]
    assert record.values["left out of test"] == [[1.0]] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_said_with_what_to_do_and_costs_no_more_than_going_on_again(
    tmp_path: Path,
) -> None:
    changes = {**SMALL, "epochs": 4}
    whole = runs.run(IMAGENET, "smoke", "ss", changes, store=Store(tmp_path / "whole"))
    store = Store(tmp_path / "runs")
    target, kept = store.path("imagenet", "smoke", "ss"), [b""]

    def fill(examples: int, quantities: Any) -> None:
        """Leave no room for checkpoints from the third mark on, nor for the record."""
        if "error" in quantities and examples >= 72:
            [checkpoint] = (paths.CACHE / "checkpoints").glob("imagenet-ss-*.pt")
            kept.append(checkpoint.read_bytes())
            checkpoint.with_suffix(".partial").symlink_to("/dev/full")
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
            partial.unlink(missing_ok=True)
            partial.symlink_to("/dev/full")

    told = r"no checkpoint could be saved .*disk is full\. Free some space.* the checkpoint before"
    with (
        pytest.warns(UserWarning, match=told),
        pytest.raises(RecordError, match=rf"{target}: the disk is full\. Free some space"),
    ):
        runs.run(IMAGENET, "smoke", "ss", changes, store=store, every=0.0, watch=fill)
    assert not store.has("imagenet", "smoke", "ss")
    assert len(kept) == 4 and len(set(kept[1:])) == 1, "the checkpoint before stays as it was"
    marks: list[int] = []
    again = runs.run(
        IMAGENET, "smoke", "ss", changes, store=store, watch=lambda e, q: marks.append(e)
    )
    assert min(marks) >= 72, "what was learnt before is not learnt again"
    assert again.fingerprint == whole.fingerprint and again.values == whole.values
    assert not list((paths.CACHE / "checkpoints").glob("*.pt"))


# What is refused before it begins


def test_a_study_that_processes_cannot_share_and_a_card_that_is_not_here_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="device 'cuda:64' is not here"):
        runs.run(IMAGENET, "smoke", "ss", {**SMALL, "device": "cuda:64"})
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="trains in one process and 2 were started: leave out"):
        runs.run(studies.get("toy-network"), "smoke", "small", store=Store(tmp_path))
    with pytest.raises(ValueError, match=r"and not RANK, MASTER_ADDR, MASTER_PORT: start them"):
        runs.run(IMAGENET, "smoke", "ss", SMALL, store=Store(tmp_path))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="process 1 of this machine needs a card of its own"):
        runs.run(IMAGENET, "smoke", "ss", {**SMALL, "device": "cuda"}, store=Store(tmp_path))


def test_only_processes_that_were_started_together_have_a_place_among_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert (processes.size(), processes.rank(), processes.following()) == (1, 0, False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (processes.size(), processes.rank(), processes.following()) == (2, 1, True)
    monkeypatch.setenv("RANK", "first")
    assert not processes.following()
    with pytest.raises(ValueError, match="RANK = 'first' in the environment is no whole number"):
        processes.rank()


@pytest.mark.parametrize(
    "write, file, content",
    [
        (solution, "LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,\n"),
        (solution, "LOC_val_solution.csv", "image,class\n1,2\n"),
        (solution, "LOC_val_solution.csv", "ImageId,PredictionString\nß,ß\n"),
        (devkit, folders.TRUTH, "one two\n"),
        (devkit, folders.TRUTH, "99999\n" * 12),
        (devkit, "meta.mat", ""),
        (devkit, "meta.mat", "half of a file that was copied, and then some more of it" * 9),
    ],
)
def test_answers_that_are_not_as_published_are_refused(
    own: Path, write: Callable[[Path, list[str]], None], file: str, content: str
) -> None:
    write(own, flat(own))
    [path] = [each for each in own.parent.rglob("*") if each.name == Path(file).name]
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=r"the answers to val in .* cannot be read"):
        folders.read(own)


def test_shares_of_fewer_than_two_images_are_refused() -> None:
    for changes in ({"batch": 36, "shares": 5}, {"batch": 4, "shares": 4}):
        with pytest.raises(ValueError, match=r"not divided into . equal shares of two or more"):
            settings(**changes)


def test_logs_need_tensorboard_and_say_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"logs need TensorBoard: .*pip install tensorboard"):
        logs.tensorboard(Path("nowhere"))


def test_who_watches_is_told_of_what_is_measured_as_it_is_recorded(tmp_path: Path) -> None:
    told: list[tuple[int, dict[str, Any]]] = []
    record = runs.run(
        IMAGENET,
        "smoke",
        "ss",
        SMALL,
        store=Store(tmp_path),
        watch=lambda examples, quantities: told.append((examples, dict(quantities))),
    )
    assert [examples for examples, _ in told] == record.marks
    assert [q["error"] for _, q in told] == pytest.approx(np.array(record.values["error"]))


# The command


@pytest.mark.slow
def test_one_command_trains_in_two_processes_and_leaves_the_record_of_one(tmp_path: Path) -> None:
    (tmp_path / "data" / "reported").mkdir(parents=True)
    code = "import sys; from bioprop.start import settle; settle(); from bioprop.cli import main; "
    script = tmp_path / "command.py"
    script.write_text(code + "main()\n")
    words = ["run", "imagenet", "--tier", "smoke", "--variant", "ss", "--seeds", "1"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            str(script),
            *words,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "BIOPROP_ROOT": str(tmp_path), "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ss.json: 1 networks") == 1, "one speaks"
    [path] = (tmp_path / "data/cache/runs").rglob("ss.json")
    two = Store(path.parents[2]).load("imagenet", "smoke", "ss")
    assert two.provenance["processes"] == 2
