"""How many images of ImageNet does a core decode in a second, and how many does a step learn from?

Made-up photographs of 500 x 375 pixels, cropped at random to 224 x 224. The time is that of the
process, so a machine that is busy elsewhere changes little. See README.md.
"""

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from population import Contender, Row, ratio, report, turns

from bioprop.deep import convert, resnet18
from bioprop.deep.recipes import recipe
from bioprop.deep.team import Team, TeamTraining
from bioprop.learning import generator
from bioprop.studies.xiao2018.imagenet_cost import photograph
from bioprop.tasks.decoding import CHANCES, Request, shown
from bioprop.tasks.folders import Folders, Listed
from bioprop.tasks.imagenet import Crops

SIDE, BATCH = 224, 32


def photographs(folder: Path, count: int = 48) -> list[str]:
    """Write photographs that differ in where they begin; return their names."""
    pixels = photograph()
    names = [f"{k}.JPEG" for k in range(count)]
    for k, name in enumerate(names):
        Image.fromarray(np.roll(pixels, 7 * k, (0, 1))).save(folder / name, quality=92)
    return names


def decoded(folder: Path, names: Sequence[str]) -> Contender:
    """Decode each photograph, and nothing else."""

    def turn() -> None:
        for name in names:
            with Image.open(folder / name) as image:
                image.convert("RGB")

    return lambda: turn


def cropped(folder: Path, names: Sequence[str], decoder: str) -> Contender:
    """Decode, crop and resize each photograph."""
    chances = generator(0, "augmentation").random((len(names), CHANCES)).tolist()
    requests = [Request(str(folder / n), c) for n, c in zip(names, chances, strict=True)]

    def turn() -> None:
        for request in requests:
            shown(request, SIDE, decoder)

    return lambda: turn


def trained(images: Folders, rule: str, alone: bool) -> Contender:
    """One step of ResNet-18 on a share of 32, its images decoded here or, ``alone``, at hand."""
    model = resnet18()
    convert(model, rule)
    task = Crops(images, 0, BATCH, SIDE)
    kept = task(0)
    batches = (lambda step: kept) if alone else task
    training = TeamTraining(
        model, batches, recipe("xiao"), 1000, Team(), 1, autocast=torch.bfloat16
    )
    return lambda: lambda: training.until(training.step + 1)


def measure(count: int) -> list[Row]:
    """Return the rows of decoding, and of a step with and without it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names = photographs(folder)
        decoders = ["pillow"]
        if importlib.util.find_spec("simplejpeg"):
            decoders.append("simplejpeg")
        inputs = {name: cropped(folder, names, name) for name in decoders}
        bare = decoded(folder, names)
        rows = compare("decoded alone", {"bare": bare, **inputs}, len(names), count)
        listed = Listed(names, np.zeros(len(names), int))
        images = Folders(folder, ("one",), listed, listed)
        for rule in ("bp", "ss"):
            both = {f"step, {rule}": trained(images, rule, False)}
            at_hand = trained(images, rule, True)
            rows += compare("images at hand", {"bare": at_hand, **both}, BATCH, count)
        return rows


def compare(without: str, contenders: dict[str, Contender], images: int, count: int) -> list[Row]:
    """Return images a second of each contender beside those of the one that is called bare."""
    seconds = turns(contenders, count, time.process_time)
    rate = {name: images / statistics.median(taken) for name, taken in seconds.items()}
    return [
        {
            "what": f"{name}: images/s / {without}",
            "ours": rate[name],
            "other": rate["bare"],
            "ratio": ratio(seconds["bare"], seconds[name]),
        }
        for name in contenders
        if name != "bare"
    ]


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=5)
