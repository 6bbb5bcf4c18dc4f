"""Images decoded, cropped and resized by processes of their own, into memory that all share.

A worker needs Pillow and NumPy, and PyTorch only for ``simplejpeg``: so it starts in a moment and
is small. What it does to an image follows from the numbers that come with it, never from which
worker it is, so their number changes nothing but the time.
"""

import importlib.util
import math
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.sharedctypes import RawArray
from typing import Any, NamedTuple

import numpy as np

from bioprop.choose import choose
from bioprop.tasks.datasets import DataError

DECODERS = ("pillow", "simplejpeg")
TRIES = 10  # of a crop that fits, before the middle of the image is taken, as torchvision does
CHANCES = 2 * TRIES + 3  # numbers that decide what is done to a training image
AREA, SHAPE = (0.08, 1.0), (3 / 4, 4 / 3)  # share of the image, width over height
WHOLE = 8 / 7  # rows of a test image over those of the crop in its middle: 256 to 224
CHUNK = 8  # images that a worker is handed at a time

Box = tuple[int, int, int, int]  # left, top, right, bottom
Taken = tuple[np.ndarray, list[tuple[int, str]]]  # images, and place and fault of those not read


class Request(NamedTuple):
    """An image and what is to be done to it: a random crop by ``chances``, or the centre."""

    path: str
    chances: Sequence[float] | None = None


class Unreadable(Exception):
    """An image that cannot be decoded; the message says why."""


def random_crop(width: int, height: int, chances: Sequence[float]) -> Box:
    """Return a crop of random area and shape: ``RandomResizedCrop`` of the official code."""
    low, high = (math.log(shape) for shape in SHAPE)
    left, top = chances[2 * TRIES : 2 * TRIES + 2]
    for k in range(TRIES):
        area = width * height * (AREA[0] + chances[2 * k] * (AREA[1] - AREA[0]))
        shape = math.exp(low + chances[2 * k + 1] * (high - low))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            x, y = int(left * (width - w + 1)), int(top * (height - h + 1))
            return x, y, x + w, y + h
    w, h = min(width, round(height * SHAPE[1])), min(height, round(width / SHAPE[0]))
    x, y = (width - w) // 2, (height - h) // 2
    return x, y, x + w, y + h


def mirrored(chances: Sequence[float]) -> bool:
    """Say whether a training image changes left and right."""
    return chances[2 * TRIES + 2] < 0.5


def shown(request: Request, side: int, decoder: str = "pillow") -> np.ndarray:
    """Return an image as it is learnt from, ``(side, side, 3)`` bytes.

    Grey and CMYK images become RGB. Which way the camera was held is not looked at, as in the
    official code. Raises ``Unreadable``.
    """
    try:
        pixels = _fast(request, side) if decoder == "simplejpeg" else None
        return _pillow(request, side) if pixels is None else pixels
    except Exception as error:  # each kind of damage has an error of its own
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _pillow(request: Request, side: int) -> np.ndarray:
    from PIL import Image  # here, as who reads no photographs needs none of it

    with Image.open(request.path) as opened:
        image = opened.convert("RGB")
    if request.chances is None:
        short = round(side * WHOLE)
        scale = short / min(image.size)
        size = tuple(max(short, int(length * scale + 1e-9)) for length in image.size)
        left, top = ((length - side) // 2 for length in size)
        whole = image.resize(size, Image.Resampling.BILINEAR)  # type: ignore[arg-type]
        return np.asarray(whole.crop((left, top, left + side, top + side)))
    box = random_crop(*image.size, request.chances)
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))
    return pixels[:, ::-1] if mirrored(request.chances) else pixels


def _fast(request: Request, side: int) -> np.ndarray | None:
    """Decode a JPEG for a training crop in three quarters of the time; None where it is none."""
    if request.chances is None:
        return None
    import simplejpeg
    import torch

    with open(request.path, "rb") as file:
        content = file.read()
    if not simplejpeg.is_jpeg(content):
        return None
    pixels = simplejpeg.decode_jpeg(content)
    left, top, right, bottom = random_crop(pixels.shape[1], pixels.shape[0], request.chances)
    crop = torch.from_numpy(pixels[top:bottom, left:right]).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(crop, (side, side), mode="bilinear", antialias=True)
    done = small[0].permute(1, 2, 0).numpy()
    return done[:, ::-1] if mirrored(request.chances) else done


class Ticket(NamedTuple):
    """A batch that was handed in: its slot, how many images, and what is still under way."""

    slot: int
    images: int
    chunks: list[Future[list[tuple[int, str]]]]


class Decoders:
    """Worker processes, and ``slots`` places for batches of up to ``batch`` images.

    With 0 ``workers`` this process decodes, when the batch is asked for. Workers end with the
    process that started them, however that ends. Raises ``ValueError`` for a decoder that is not
    installed.
    """

    def __init__(self, workers: int, slots: int, batch: int, side: int, decoder: str = "pillow"):
        choose("decoder", decoder, DECODERS)
        if decoder == "simplejpeg" and importlib.util.find_spec("simplejpeg") is None:
            raise ValueError(
                "decoder 'simplejpeg' is not installed: .venv/bin/python -m pip install simplejpeg"
            )
        self.slots, self.batch, self.side, self.decoder = slots, batch, side, decoder
        size = slots * batch * side * side * 3
        self._pool: ProcessPoolExecutor | None = None
        if not workers:
            self._pixels = np.empty(size, np.uint8)
        else:
            memory: Any = RawArray("B", size)
            self._pixels = np.frombuffer(memory, np.uint8)
            context = multiprocessing.get_context("spawn")  # threads of PyTorch survive no fork
            self._pool = ProcessPoolExecutor(
                workers, context, _begin, (memory, batch, side, decoder)
            )
        self._shaped = self._pixels.reshape(slots, batch, side, side, 3)

    def begin(self, slot: int, requests: Sequence[Request]) -> Ticket:
        """Let workers decode a batch into a slot, whose images were taken before."""
        parts = [(k, requests[k : k + CHUNK]) for k in range(0, len(requests), CHUNK)]
        if self._pool is None:
            chunks = [_later(partial(_fill, self._shaped[slot], self.decoder, *p)) for p in parts]
        else:
            try:
                chunks = [self._pool.submit(_work, slot, *part) for part in parts]
            except BrokenProcessPool:
                raise _died() from None
        return Ticket(slot, len(requests), chunks)

    def take(self, ticket: Ticket) -> Taken:
        """Return the images ``(image, side, side, 3)``, and place and fault of those not read.

        They stay as they are until something else is decoded into their slot.
        """
        try:
            faults = [fault for chunk in ticket.chunks for fault in chunk.result()]
        except BrokenProcessPool:
            raise _died() from None
        return self._shaped[ticket.slot, : ticket.images], faults

    def each(self, batches: Iterable[Sequence[Request]]) -> Iterator[Taken]:
        """Yield what :meth:`take` returns of batch after batch; the next are decoded meanwhile."""
        begun: deque[Ticket] = deque()
        for k, batch in enumerate(batches):
            if len(begun) == self.slots:
                yield self.take(begun.popleft())
            begun.append(self.begin(k % self.slots, batch))
        while begun:
            yield self.take(begun.popleft())

    def drop(self, ticket: Ticket) -> None:
        """Forget a batch; its slot is free when this returns."""
        wait([chunk for chunk in ticket.chunks if not chunk.cancel()])

    def close(self) -> None:
        """Leave nothing running."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


class _Later(Future[Any]):
    """What is done when its result is asked for."""

    def __init__(self, call: Any):
        super().__init__()
        self._call = call

    def result(self, timeout: float | None = None) -> Any:
        return self._call()


def _later(call: Any) -> Future[Any]:
    return _Later(call)


def _died() -> DataError:
    return DataError(
        "a process that decodes images was killed, or ran out of memory; the same command goes on "
        "from the last checkpoint. Fewer such processes need less memory: BIOPROP_WORKERS=2"
    )


_mine: dict[str, Any] = {}  # of a worker: where it puts images, and how it decodes them


def _begin(memory: Any, batch: int, side: int, decoder: str) -> None:
    """Get a worker ready; it ends when its parent does, even by kill -9."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    pixels = np.frombuffer(memory, np.uint8).reshape(-1, batch, side, side, 3)
    _mine.update(pixels=pixels, decoder=decoder)
    if decoder == "simplejpeg":
        import torch

        torch.set_num_threads(1)


def _follow(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _work(slot: int, first: int, requests: Sequence[Request]) -> list[tuple[int, str]]:
    return _fill(_mine["pixels"][slot], _mine["decoder"], first, requests)


def _fill(
    pixels: np.ndarray, decoder: str, first: int, requests: Sequence[Request]
) -> list[tuple[int, str]]:
    """Decode into ``pixels`` from place ``first`` on; return place and fault of those not read."""
    faults = []
    for place, request in enumerate(requests, start=first):
        try:
            pixels[place] = shown(request, pixels.shape[1], decoder)
        except Unreadable as error:
            faults.append((place, str(error)))
    return faults
