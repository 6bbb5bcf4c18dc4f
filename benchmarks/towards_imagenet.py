"""What does a step of the whole network for ImageNet take: 224 x 224 pixels, 1000 classes?

The locally connected network of Bartunov et al. 2018, Table 3, 259 million weights, one network,
batch 100, Adam, float32, random images. Each method has a process of its own. An epoch is that of
ImageNet, 12 811 batches, of alternating DTP as many again with the inverses. See README.md.
"""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from population import Row, report

from bioprop.learning import memory
from bioprop.studies.bartunov2018.imagenet_local import made_up
from bioprop.studies.bartunov2018.towards_imagenet import VARIANTS, ImageNetSettings, whole

EPOCH = 12_811  # batches
METHODS = ("bp", "fa", "dfa", "dtp-parallel", "sdtp-parallel", "bp-convnet")


def step(name: str, count: int, threads: int) -> tuple[float, float, float]:
    """Return processor seconds of a step, GB kept from step to step, and GB at most.

    The least of some steps: what else the machine does can only add to it.
    """
    torch.set_num_threads(threads)
    begun, settings = _status("VmRSS"), ImageNetSettings(**VARIANTS[name], members=1)
    training, seconds = made_up(settings), []
    for last in range(1, count + 2):
        start = time.process_time()
        training.until(last)
        seconds.append(time.process_time() - start)
    kept = memory.needed(*whole(settings))
    return min(seconds[1:]), kept / 1e9, (_status("VmHWM") - begun) / 1e6


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(key))


def measure(count: int) -> list[Row]:
    """Return two rows for each method: a step and hours of an epoch, GB kept and at most."""
    rows: list[Row] = []
    for name in METHODS:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as fresh:
            took, kept, most = fresh.submit(step, name, count, torch.get_num_threads()).result()
        hours = took * EPOCH / 3600
        rows += [
            {"what": f"{name}: s of a step, h of an epoch", "ours": took, "other": hours}
            | {"ratio": took / float(rows[0]["ours"]) if rows else 1.0},
            {"what": f"{name}: GB kept, GB at most", "ours": kept, "other": most}
            | {"ratio": most / kept},
        ]
    return rows


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0], turns=3)
