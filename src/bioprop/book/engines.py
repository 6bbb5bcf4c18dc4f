"""Where parts are made: here, in processes of this machine, or on a cluster.

All three take a function and its arguments and return a future, as ``concurrent.futures`` has it.
Dask's client has that interface too, so nothing else is needed between the two.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

PATIENCE = 30  # seconds that a scheduler may take to answer


class Here:
    """This process: work is done when it is handed in."""

    workers = 1
    shows = True  # progress bars of what runs

    def submit(self, function: Callable[..., Any], *words: Any) -> Future[Any]:
        """Call a function and return its future, which has ended."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*words))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Leave nothing running."""


class Processes:
    """Processes of this machine. One that dies breaks the work of all; they are then made anew."""

    shows = False

    def __init__(self, jobs: int):
        self.workers = jobs
        self._pool = self._start()

    def _start(self) -> Executor:
        # Forking a process in which torch has run threads is not safe.
        return ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"))

    def submit(self, function: Callable[..., Any], *words: Any) -> Future[Any]:
        """Hand a call to a process that is free."""
        try:
            return self._pool.submit(function, *words)
        except BrokenExecutor:
            self._pool = self._start()
            return self._pool.submit(function, *words)

    def close(self) -> None:
        """Leave nothing running."""
        self._pool.shutdown(cancel_futures=True)


class Cluster:
    """The workers of a Dask scheduler, given by its address or by the file that it writes.

    What a worker that dies was at, Dask gives to another.
    """

    shows = False

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError:
            raise ValueError(
                "a scheduler needs Dask: .venv/bin/python -m pip install -c constraints.txt "
                "-e '.[cluster]'"
            ) from None
        file = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        if "scheduler_file" in file:
            _wait_for(Path(address))
        try:
            self._client = Client(**file, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"no Dask scheduler answers at {address!r}: {error}") from None
        self._pool = self._client.get_executor(pure=False)

    @property
    def workers(self) -> int:
        """How many workers there are now, but at least one: more may come."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def submit(self, function: Callable[..., Any], *words: Any) -> Future[Any]:
        """Hand a call to a worker."""
        future: Future[Any] = self._pool.submit(function, *words)
        return future

    def close(self) -> None:
        """Leave the cluster, which goes on."""
        self._client.close()


def _wait_for(file: Path) -> None:
    """Wait until a scheduler that starts has written its address."""
    for _ in range(10 * PATIENCE):
        if file.exists():
            return
        time.sleep(0.1)
    raise ValueError(f"no Dask scheduler has written its address to {file}")


Engine = Here | Processes | Cluster


def engine(jobs: int = 1, scheduler: str | None = None) -> Engine:
    """Return where parts are to be made; raises ``ValueError`` where no scheduler answers."""
    if scheduler:
        return Cluster(scheduler)
    return Processes(jobs) if jobs > 1 else Here()
