"""The journal of a run: what was measured, and enough to go on after an interruption."""

import hashlib
import io
import math
import os
import pickle
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bioprop.deep.team import team
from bioprop.disk import why
from bioprop.learning.memory import give_back

SEAL = 32  # bytes: a checkpoint ends with the SHA-256 of the rest
ZIP = b"PK"  # PyTorch's files begin so; the checkpoints of before with their seal
CHUNK = 2**20  # bytes that are hashed at a time
TIDY = 5.0  # seconds, at least, from one giving back of memory to the next


class CheckpointError(Exception):
    """A checkpoint that no run can go on from; the message names it and says what to do."""


class OutOfTime(Exception):
    """A run that stopped at its last checkpoint before a deadline; it can go on from there."""


class Trained(Protocol):
    """What a training shows of its network: the tensors that learning changed."""

    @property
    def weights(self) -> Sequence[Tensor]:
        """Those of the layers."""

    @property
    def biases(self) -> Sequence[Tensor | None]:
        """Those of the units, where they have any."""


class Trainable(Protocol):
    """A training that a journal can follow: a population, or deep networks one by one."""

    @property
    def step(self) -> int:
        """How many batches it has seen."""

    @property
    def network(self) -> Trained:
        """What it has learnt."""

    def until(self, step: int) -> None:
        """Go on until it has seen ``step`` batches."""

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        """Return all that is needed to go on; no copies of it for who writes it at once."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Journal:
    """Collects one row for each member and mark, and saves checkpoints.

    ``checkpoint`` is the file to go on from, or None; it is replaced atomically, at most every
    ``every`` seconds, and less often where saving would take more than a twentieth of the time; 0
    is at every chance. ``progress(done, total)`` is told of each mark. ``deadline`` is a time of
    ``time.time()``: at the last mark that comes before it a checkpoint is saved, and the run stops
    with ``OutOfTime``. ``watch(examples, quantities)`` is told of what is measured, one number for
    each member, as soon as it is.
    """

    def __init__(
        self,
        checkpoint: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        every: float = 10.0,
        deadline: float = math.inf,
        watch: Callable[[int, Mapping[str, Sequence[float]]], None] | None = None,
    ):
        self.checkpoint, self.progress, self.every = checkpoint, progress, every
        self.deadline, self.watch = deadline, watch
        self.rows: list[tuple[int, dict[str, list[float]]]] = []
        self.labels: dict[str, Sequence[Any]] = {}
        self.data: dict[str, str] = {}
        self.fingerprint = ""
        self._started, self._before = time.perf_counter(), 0.0
        self._saved = time.monotonic()  # when the last checkpoint was
        self._taken = 0.0  # seconds that saving it took
        self._tidied = time.monotonic()  # when the memory that measuring took was given back
        self._leg = time.time(), 0  # when progress was last told, and of how many examples

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of the run so far, those before the last checkpoint included."""
        return self._before + time.perf_counter() - self._started

    def label(self, **columns: Sequence[Any]) -> None:
        """Name what sets the members apart, one value for each: ``seed``, and what is searched."""
        self.labels = columns

    def learns_from(self, name: str, tensors: Sequence[Tensor], digest: str | None = None) -> None:
        """Note a data set that was read from files, by the SHA-256 of what was read.

        Or by a ``digest``, where that would take too long.
        """
        self.data[name] = digest or fingerprint(tensors)

    def begin(self, *tensors: Tensor) -> None:
        """Note what a run starts from, before its first step; a twin's starts elsewhere."""

    def write(self, examples: int, **quantities: Tensor | np.ndarray) -> None:
        """Write what was measured after ``examples`` examples, shape ``(member,)`` each."""
        lists = {name: torch.as_tensor(v).double().tolist() for name, v in quantities.items()}
        self.rows.append((int(examples), lists))
        self.glance(int(examples), lists)

    def glance(self, examples: int, quantities: Mapping[str, Sequence[float]]) -> None:
        """Show numbers to who watches, which need not be worth keeping."""
        if self.watch:
            self.watch(examples, quantities)

    def follow(
        self,
        training: Trainable,
        marks: Iterable[int],
        batch: int = 1,
        stride: int | None = None,
    ) -> Iterator[int]:
        """Train to each mark (in examples) and yield it; the caller measures and writes.

        A run that was interrupted goes on after its last checkpoint, with the same result. Where
        the way from mark to mark is long, ``stride`` is the number of batches after which progress
        is told, and a checkpoint saved if it is due.
        """
        self.begin(*training.network.weights)
        done = self._resume(training)
        self._saved = time.monotonic()
        self._leg = time.time(), training.step * batch
        ordered = sorted({int(mark) // batch * batch for mark in marks})  # whole batches only
        for place, mark in enumerate(ordered):
            if mark > done:
                while stride and training.step + stride < mark // batch:
                    training.until(training.step + stride)
                    seen = training.step * batch
                    self._told(training, done, seen, min(seen + stride * batch, mark), ordered[-1])
                training.until(mark // batch)
                yield mark
                self._tidy()
                done = mark
                following = ordered[place + 1] if mark < ordered[-1] else mark
                near = min(mark + stride * batch, following) if stride else following
                self._told(training, done, mark, near, ordered[-1])
        network = training.network
        biases = [bias for bias in network.biases if bias is not None]
        self.fingerprint = fingerprint([*network.weights, *biases])

    def _tidy(self) -> None:
        """Give back the memory that measuring took, which is more than steps need, now and then."""
        if time.monotonic() - self._tidied > TIDY:
            give_back()
            self._tidied = time.monotonic()

    def _told(
        self, training: Trainable, mark: int, examples: int, following: int, total: int
    ) -> None:
        """Tell of progress, and save a checkpoint if one is due; the last row is that of ``mark``.

        Where the ``following`` example would be reached after the deadline, save and stop.
        """
        if self.progress:
            self.progress(examples, total)
        (begun, before), now = self._leg, time.time()
        pace = (now - begun) / (examples - before) if examples > before else 0.0
        self._leg = now, examples
        stop = following > examples and now + pace * (following - examples) > self.deadline
        moment = time.monotonic()
        pause = max(self.every, 20 * self._taken) if self.every else 0.0
        if self.checkpoint and (stop or moment - self._saved >= pause):
            self._save(training, mark)
            self._saved = time.monotonic()
            self._taken = self._saved - moment
        if stop:
            raise OutOfTime(f"stopped after {examples} of {total} examples")

    def table(self) -> pd.DataFrame:
        """Return the tidy table: member, labels, examples, and each quantity."""
        frames = []
        for examples, quantities in self.rows:
            members = len(next(iter(quantities.values())))
            frame = {"member": range(members), **self.labels, "examples": examples, **quantities}
            frames.append(pd.DataFrame(frame))
        return pd.concat(frames, ignore_index=True)

    def _save(self, training: Trainable, mark: int) -> None:
        assert self.checkpoint is not None
        partial = self.checkpoint.with_suffix(".partial")  # one writer: what is there is left over
        state = {"training": training.state_dict(copy=False), "rows": self.rows, "mark": mark}
        try:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as file:
                _write(state | {"seconds": self.seconds}, file)
            os.replace(partial, self.checkpoint)
        except OSError as error:
            last = "goes on from the checkpoint before" if self.checkpoint.exists() else "is lost"
            warnings.warn(
                f"no checkpoint could be saved in {self.checkpoint.parent}: {why(error)}. The run "
                f"goes on, and tries again later; if it is interrupted meanwhile, it {last}",
                stacklevel=2,
            )
            with suppress(OSError):
                partial.unlink()

    def _resume(self, training: Trainable) -> int:
        there = self.checkpoint is not None and self.checkpoint.exists()
        if team().size > 1:  # who trains with others has none of its own
            own = self.checkpoint.read_bytes() if self.checkpoint and there else None
            content = team().from_first(own)
            state = None if content is None else _read(io.BytesIO(content), self.checkpoint)
        elif self.checkpoint and there:
            with open(self.checkpoint, "rb") as file:
                state = _read(file, self.checkpoint)
        else:
            state = None
        if state is None:
            return -1
        training.load_state_dict(state["training"])
        self.rows, self._before = state["rows"], state["seconds"]
        return state["mark"]


def spent(checkpoint: Path) -> float:
    """Return the seconds of a run that a checkpoint holds; 0 where there is none that is sound."""
    try:
        with open(checkpoint, "rb") as file:
            return float(_load(file)["seconds"])
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError):
        return 0.0


class Sealing:
    """A file to write to, and the SHA-256 of what was written.

    What the disk refuses is raised by ``end``: PyTorch's writer is not to be stopped halfway.
    """

    def __init__(self, file: BinaryIO):
        self.file, self.digest = file, hashlib.sha256()
        self.refused: OSError | None = None

    def write(self, content: bytes | memoryview) -> int:
        """Write some bytes, unless some were refused before."""
        try:
            if not self.refused:
                self.digest.update(content)
                self.file.write(content)
        except OSError as error:
            self.refused = error
        return len(content)

    def flush(self) -> None:
        """Nothing: the file is flushed as it is closed. PyTorch's writer asks for it."""

    def end(self) -> None:
        """Write the seal; ``OSError`` where something was refused."""
        if self.refused:
            raise self.refused
        self.file.write(self.digest.digest())


def _write(state: Mapping[str, Any], file: BinaryIO) -> None:
    """Write a checkpoint from where its tensors lie, tensor by tensor, and its seal."""
    sealing = Sealing(file)
    torch.save(state, sealing)  # type: ignore[arg-type]
    sealing.end()


def _read(file: BinaryIO, name: Path | None) -> dict[str, Any]:
    """Return what a checkpoint holds; ``CheckpointError`` where it does not match its digest."""
    rest = file.seek(0, os.SEEK_END) - SEAL
    file.seek(rest if (last := _sealed_last(file)) else 0)
    seal = file.read(SEAL)
    file.seek(0 if last else SEAL)
    digest = hashlib.sha256()
    while rest > 0 and (chunk := file.read(min(rest, CHUNK))):
        digest.update(chunk)
        rest -= len(chunk)
    if seal != digest.digest():
        raise CheckpointError(
            f"checkpoint {name} is damaged: it does not match its digest. Delete it to start this "
            "run from the beginning"
        )
    return _load(file)


def _sealed_last(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(ZIP)) == ZIP


def _load(file: BinaryIO) -> dict[str, Any]:
    """Return what a checkpoint holds, unchecked; tensors stay on the disk until they are read."""
    if not _sealed_last(file):
        file.seek(SEAL)
        return torch.load(file, weights_only=True)
    if isinstance(file, io.BytesIO):
        file.seek(0)
        return torch.load(file, weights_only=True)
    return torch.load(file.name, weights_only=True, mmap=True)


class Twin(Journal):
    """The journal of a run that starts one unit in the last place away from where it should.

    As rounding goes on, it is moved by as much again at every mark, and in each batch for its
    length, up or down at random. How far it comes from the run itself says what becomes of a last
    bit: of the order in which a processor takes its sums, for one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._chance = torch.Generator().manual_seed(0)

    def begin(self, *tensors: Tensor) -> None:
        """Move every number that is not zero to the next one that there is, above or below."""
        for tensor in tensors:
            tensor.copy_(self._beside(tensor))

    def _beside(self, tensor: Tensor) -> Tensor:
        up = torch.randint(2, tensor.shape, generator=self._chance, dtype=torch.bool)
        end = torch.where(up, torch.inf, -torch.inf).to(tensor)
        return torch.where(tensor == 0, tensor, torch.nextafter(tensor, end))

    def follow(
        self,
        training: Trainable,
        marks: Iterable[int],
        batch: int = 1,
        stride: int | None = None,
    ) -> Iterator[int]:
        """Train to each mark as the run does, and move the weights there and during each batch."""
        for mark in super().follow(_Rounded(training, self._beside), marks, batch, stride):
            yield mark
            self.begin(*training.network.weights)


class _Rounded:
    """A training whose weights are others during each batch, and moved back after it.

    So what the batch makes of them is rounded otherwise, as on another processor, and the weights
    do not drift for it. What the batch makes 0 stays 0: a rule may put weights there, such as
    Dale's law, and a sign would stand where none is.
    """

    def __init__(self, training: Trainable, beside: Callable[[Tensor], Tensor]):
        self._training, self._beside = training, beside
        self.state_dict, self.load_state_dict = training.state_dict, training.load_state_dict

    @property
    def step(self) -> int:
        return self._training.step

    @property
    def network(self) -> Trained:
        return self._training.network

    def until(self, step: int) -> None:
        for following in range(self.step + 1, step + 1):
            weights = self.network.weights
            moves = [(self._beside(w) - w).nan_to_num_(0.0, 0.0, 0.0) for w in weights]
            for weight, move in zip(weights, moves, strict=True):
                weight.add_(move)
            self._training.until(following)
            for weight, move in zip(weights, moves, strict=True):
                weight.sub_(torch.where(weight == 0, 0.0, move))


def fingerprint(tensors: Sequence[Tensor]) -> str:
    """Return the SHA-256 of the tensors' bytes: equal only when every bit is."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
