"""Image sets are read as published, kept as bytes, held out, and cropped and mirrored."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from bioprop import paths
from bioprop.learning import Streams
from bioprop.tasks import datasets, folders, formats, images, known, tiny_imagenet
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.datasets import DataError, Dataset, Tree
from bioprop.tasks.images import Classification, Images

HERE = np.random.default_rng(0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and no other place to look at."""
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    monkeypatch.delenv("BIOPROP_DATA", raising=False)
    return tmp_path


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_every_set_that_can_be_learnt_from_is_listed_with_its_licence() -> None:
    assert {each.name for each in known.KNOWN} == set(images.SETS)
    assert {each.name for each in known.KNOWN if each.fetched} == set(datasets.DATASETS)
    for each in known.KNOWN:
        assert each.licence and bool(each.size) == (each.fetched or each.name == "imagenet")


def test_imagenet_is_here_in_part_while_classes_are_missing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [imagenet] = [each for each in known.KNOWN if each.name == "imagenet"]
    assert imagenet.found() == ("not here", None)
    for name in ("train/n1", "train/n2", "val"):
        (home / "ILSVRC2012" / name).mkdir(parents=True)
    assert imagenet.found() == ("here in part", home / "ILSVRC2012")
    monkeypatch.setattr(folders, "CLASSES", 2)
    assert imagenet.found() == ("here", home / "ILSVRC2012")


# CIFAR-10

FILES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"]


@pytest.fixture
def cifar(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """A folder as CIFAR-10's publisher ships it, of four images a batch; their pixels by file."""
    pixels = {name: HERE.integers(0, 256, (4, 3072), dtype=np.uint8) for name in FILES[:-1]}
    packed = {FILES[-1]: pickle.dumps({b"label_names": []})}
    for k, (name, batch) in enumerate(pixels.items()):
        packed[name] = pickle.dumps({b"data": batch, b"labels": [k, 1, 2, 9]})
    (home / "cifar-10-batches-py").mkdir()
    for name, content in packed.items():
        (home / "cifar-10-batches-py" / name).write_bytes(content)
    small = Dataset("cifar-10-batches-py", {name: md5(packed[name]) for name in FILES}, "")
    monkeypatch.setattr(datasets, "DATASETS", {"cifar10": small})
    return pixels


def test_cifar_is_read_in_the_order_of_its_batches(cifar: dict[str, np.ndarray]) -> None:
    train, labels, test, answers = formats.cifar10()
    assert torch.equal(train, torch.from_numpy(np.concatenate([cifar[f] for f in FILES[:5]])))
    assert torch.equal(test, torch.from_numpy(cifar["test_batch"]))
    assert labels.tolist() == [v for k in range(5) for v in (k, 1, 2, 9)]
    assert answers.tolist() == [5, 1, 2, 9]
    assert {part.dtype for part in (train, labels, test, answers)} == {torch.uint8}


class Trap:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle that was not checked was opened",)


def test_a_pickle_that_is_not_the_published_one_is_never_opened(
    cifar: dict[str, np.ndarray], home: Path
) -> None:
    (home / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="data_batch_3: MD5 is"):
        formats.cifar10()


# Tiny ImageNet


def jpeg(pixels: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "JPEG", quality=95)
    return packed.getvalue()


@pytest.fixture
def tiny(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as Tiny ImageNet's publisher ships it: 3 classes of 2 images, 3 to validate with.

    Every image of class k is of shade 80 k, those of class 1 are grey; class names are not sorted.
    """
    folder = home / "tiny-imagenet-200"
    names, order, each = ["n20", "n03", "n11"], ["n03", "n11", "n20"], 2
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(names))
    shade = {
        name: np.full((64, 64) if name == "n11" else (64, 64, 3), 80 * k, np.uint8)
        for k, name in enumerate(order)
    }
    answers = ["n20", "n03", "n11"]
    lines = [f"val_{i}.JPEG\t{name}\t0\t0\t9\t9\n" for i, name in enumerate(answers)]
    (folder / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    train = [f"train/{n}/images/{n}_{i}.JPEG" for n in order for i in range(each)]
    files = train + [f"val/images/val_{i}.JPEG" for i in range(3)]
    digest = hashlib.sha256()
    for path, name in zip(files, [n for n in order for _ in range(each)] + answers, strict=True):
        content = jpeg(shade[name])
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    lists = {n: md5((folder / n).read_bytes()) for n in ("wnids.txt", "val/val_annotations.txt")}
    tree = Tree(("train", "val/images"), lambda folder: files, digest.hexdigest())
    small = Dataset("tiny-imagenet-200", lists, "", None, tree)
    monkeypatch.setattr(datasets, "DATASETS", {"tiny-imagenet": small})
    monkeypatch.setattr(datasets, "tiny_imagenet_paths", lambda folder: files)
    for name, value in {"CLASSES": 3, "TRAIN": 6, "TEST": 3}.items():
        monkeypatch.setattr(tiny_imagenet, name, value)
    return folder


def test_photographs_are_decoded_in_turns_of_the_sorted_classes(tiny: Path) -> None:
    train, labels, test, answers = tiny_imagenet.load()
    assert train.shape == (6, 12288) and test.shape == (3, 12288)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2] and answers.tolist() == [2, 0, 1]
    for pixels, classes in ((train, labels), (test, answers)):
        assert ((pixels.float() - 80 * classes[:, None]).abs() <= 2).all()


def test_channels_come_first_then_rows_then_columns(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:16, :, 0], pixels[:, :16, 2] = 255, 255
    (tmp_path / "a.JPEG").write_bytes(jpeg(pixels))
    red, green, blue = np.frombuffer(tiny_imagenet._decoded(tmp_path / "a.JPEG"), np.uint8).reshape(
        3, 64, 64
    )
    assert red[:8].mean() > 240 and red[32:, 32:].mean() < 15 and green.mean() < 60
    assert blue[:, :8].mean() > 240 and blue[32:, 32:].mean() < 15


def test_photographs_are_decoded_once(tiny: Path, home: Path) -> None:
    first = [part.clone() for part in tiny_imagenet.load()]
    (tiny / "wnids.txt").unlink()  # what was decoded needs no publisher's file any more
    again = tiny_imagenet.load()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert [p.name for p in home.iterdir() if p.is_file()] == ["tiny-imagenet-200.uint8"]


@pytest.mark.parametrize("damage", ["a bit", "the end", "all"])
def test_a_damaged_cache_is_made_anew(damage: str, tiny: Path, home: Path) -> None:
    first = [part.clone() for part in tiny_imagenet.load()]
    path = home / "tiny-imagenet-200.uint8"
    content = path.read_bytes()
    broken = bytearray(content)
    broken[999] ^= 1
    path.unlink()
    path.write_bytes({"a bit": bytes(broken), "the end": content[:-1], "all": b""}[damage])
    again = tiny_imagenet.load()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert path.read_bytes() == content


def test_photographs_that_are_not_the_published_ones_are_not_decoded(
    tiny: Path, home: Path
) -> None:
    (tiny / "val" / "images" / "val_1.JPEG").write_bytes(b"no photograph")
    with pytest.raises(DataError, match="SHA-256 of its 9 images"):
        tiny_imagenet.load()
    assert [p.name for p in home.iterdir()] == ["tiny-imagenet-200"]


# Choices of images


def few(count: int = 12, classes: int = 6) -> Images:
    train = torch.arange(count * 12, dtype=torch.uint8).view(count, 12)
    labels = torch.arange(count, dtype=torch.uint8) % classes
    return Images(train, labels, train[:6], labels[:6], (3, 2, 2), classes)


@pytest.mark.parametrize("step, classes", [(2, 3), (3, 2), (5, 2)])
def test_every_so_manieth_class_is_counted_anew(step: int, classes: int) -> None:
    all_of_them, some = few(), few().every(step)
    assert some.classes == classes and some.shape == all_of_them.shape
    kept = all_of_them.train_labels % step == 0
    assert torch.equal(some.train, all_of_them.train[kept])
    assert torch.equal(some.train_labels * step, all_of_them.train_labels[kept])
    assert torch.equal(some.test_labels * step, all_of_them.test_labels[::step])


@pytest.mark.parametrize("step", [0, -1, 6, 7])
def test_a_choice_without_classes_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"every {step}th of 6 classes is no choice"):
        few().every(step)


def test_what_is_held_out_is_not_trained_on_and_keeps_the_kind_of_images() -> None:
    images, held = few(), few().held_out(4)
    assert torch.equal(torch.cat([held.train, held.test]), images.train)
    assert (held.shape, held.classes) == (images.shape, images.classes)


def test_normalisation_is_that_of_the_training_images() -> None:
    mean, deviation = few().normalisation()
    channels = few().train.view(-1, 3, 4).double().transpose(0, 1).flatten(1) / 255
    torch.testing.assert_close(mean, channels.mean(1), rtol=1e-12, atol=0)
    torch.testing.assert_close(deviation, channels.std(1), rtol=1e-12, atol=0)


# Crops and flips

SEEDS = (5, 2)


def shown(size: tuple[int, int] = (7, 6), batch: int = 300) -> Tensor:
    """Return images ``(member, batch, 2, row, column)`` of which all pixels differ from 0."""
    drawn = HERE.integers(1, 256, (len(SEEDS), batch, 2, *size), dtype=np.uint8)
    return torch.from_numpy(drawn)


def candidates(image: Tensor, pad: int, flips: str) -> set[bytes]:
    """Return every crop of an image, in the slow way."""
    axes = {"none": [()], "horizontal": [(), (-1,)], "vertical": [(), (-2,)]}
    axes["both"] = [(), (-1,), (-2,), (-2, -1)]
    height, width = image.shape[-2:]
    padded = torch.nn.functional.pad(image, (pad,) * 4)
    crops = [
        padded[:, top : top + height, left : left + width]
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    ]
    return {crop.flip(axis).numpy().tobytes() for crop in crops for axis in axes[flips]}


@pytest.mark.parametrize("flips", ["none", "horizontal", "vertical", "both"])
@pytest.mark.parametrize("pad", [0, 1])
def test_every_crop_and_flip_comes_up_and_nothing_else(pad: int, flips: str) -> None:
    image = shown()[:1, :1].expand(len(SEEDS), 600, -1, -1, -1)
    made = Augmentation(pad, flips)(image, Streams(SEEDS), 3)
    assert made.dtype == torch.uint8 and made.shape == image.shape
    drawn = {one.numpy().tobytes() for one in made.flatten(0, 1)}
    assert drawn == candidates(image[0, 0], pad, flips)


def test_what_happens_depends_on_seed_step_and_place_alone() -> None:
    images, change = shown(), Augmentation(2)
    made = change(images, Streams(SEEDS), 7)
    for member, seed in enumerate(SEEDS):
        alone = change(images[member : member + 1], Streams((seed,), torch.float32), 7)
        assert torch.equal(alone[0], made[member])
    assert torch.equal(made, change(images, Streams(SEEDS), 7))
    assert not torch.equal(made, change(images, Streams(SEEDS), 8))
    same = images[:1].expand_as(images)
    first, second = change(same, Streams(SEEDS), 7)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "changes, words",
    [({"flips": "vertcal"}, "Did you mean 'vertical'"), ({"pad": -1}, "border of -1 pixels")],
)
def test_an_augmentation_that_makes_no_sense_is_refused(changes: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Augmentation(**changes)


def test_a_task_crops_training_images_and_no_test_images() -> None:
    digits, streams = images.load("digits"), Streams(SEEDS, torch.float32)
    plain = Classification(digits, streams, 20)
    cropped = Classification(digits, streams, 20, augmentation=Augmentation(1))
    x, y = plain(5)
    made, targets = cropped(5)
    assert torch.equal(y, targets) and torch.equal(plain.test()[0], cropped.test()[0])
    as_images = (x * 255).round().to(torch.uint8).view(2, 20, 1, 8, 8)
    wanted = Augmentation(1)(as_images, streams, 5).view(x.shape)
    torch.testing.assert_close(made * 255, wanted.float())
    assert not torch.equal(made, x)


def test_targets_have_as_many_units_as_there_are_classes() -> None:
    task = Classification(few(), Streams(SEEDS), 3)
    _, targets = task(0)
    assert targets.shape == (2, 3, 6)


def test_inputs_hold_the_channels_of_the_first_pixel_first() -> None:
    images, streams = few(), Streams(SEEDS)
    bare = Classification(images, streams, 3, augmentation=Augmentation(0, "none"))
    for task in (Classification(images, streams, 3), bare):
        x, _ = task.test()
        channels_last = images.test.view(-1, *images.shape).movedim(1, -1).flatten(1)
        assert torch.equal((x * 255).round().byte(), channels_last)
        seen = task(0)[0].flatten(0, 1)
        known = images.train.view(-1, *images.shape).movedim(1, -1).flatten(1)
        assert {row.numpy().tobytes() for row in (seen * 255).round().byte()} <= {
            row.numpy().tobytes() for row in known
        }
