"""Processes that need not load the library: forks of the build, which has loaded it.

Loading takes longer than the own run of most chapters. What is forked starts from the same state as
a fresh process would reach, as the build has computed nothing by then.
"""

import atexit
import contextlib
import errno
import importlib
import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import EntryPoint
from multiprocessing import active_children, get_context
from typing import IO, Any, NoReturn, cast

import joblib
import psutil
from ipykernel import kernelapp
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from matplotlib.mathtext import MathTextParser

from bioprop.book.site import SiteError
from bioprop.start import loading

WORDS_AFTER = "ipykernel_launcher"  # in the command that would start a kernel
LATE = ("sklearn.datasets", "torch._dynamo")  # what live runs load by themselves, for seconds


@contextlib.contextmanager
def forked() -> Iterator[Callable[..., Any]]:
    """Give a ``map`` that works in a process for each core, and let Jupyter fork its kernels.

    All are forks of this process as it is now, where it may be forked: on Linux, while it has one
    thread of Python's. Those of OpenBLAS end before a fork and begin again when they are needed.
    Elsewhere processes are started as always. What is mapped raises ``SiteError`` when one of them
    is killed.
    """
    fork = sys.platform == "linux" and threading.active_count() == 1
    workers = ProcessPoolExecutor(
        joblib.cpu_count(), get_context("fork" if fork else "spawn"), _work_for, (os.getpid(),)
    )

    def each(function: Callable[[Any], Any], given: Iterable[Any]) -> Iterator[Any]:
        # Not the map of the workers, which cancels what waits: their manager then cannot end well.
        results = [workers.submit(function, one) for one in given]
        for result in results:
            try:
                yield result.result()
            except BrokenProcessPool as error:
                raise SiteError(
                    "a process of the build was killed, perhaps for want of memory. Build again"
                ) from error

    with _kernels() if fork else contextlib.nullcontext(), workers:
        try:
            with _ctrl_c_waits():
                first = workers.submit(os.getpid)  # where they are forked, all are from now on
            first.result()
            yield each
        except BaseException:
            for worker in active_children():
                worker.kill()
            raise


@contextlib.contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C wait meanwhile, and in what is forked until that lets it through."""
    if sys.platform == "win32":
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _work_for(parent: int) -> None:
    """Leave Ctrl-C to the process that began this one, and end with it, however it ends.

    The server of kernels is for that one: it ends once nobody else can ask.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for end in Provisioner.ends:
        end.close()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


@contextlib.contextmanager
def _kernels() -> Iterator[None]:
    """Let the kernels that Jupyter starts meanwhile be forks of this process as it is now."""
    with loading():
        for name in LATE:
            importlib.import_module(name)
        MathTextParser("agg").parse("$x$")  # it makes its grammar at the first formula
    near, far = socket.socketpair()
    sys.stdout.flush()  # what waits to be written is not for the fork to write
    server = os.fork()
    if not server:
        try:
            near.close()
            _serve(far)
        finally:  # whatever happens: the build is another process
            os._exit(1)
    far.close()
    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    name, place = "bioprop-forks", f"{__name__}:{Provisioner.__name__}"
    factory.provisioners[name] = EntryPoint(name, place, factory.GROUP_NAME)
    factory.default_provisioner_name = name
    try:
        with near, near.makefile(encoding="utf-8") as answers:
            Provisioner.ends = near, answers
            yield
    finally:
        Provisioner.ends = ()
        factory.default_provisioner_name = before
        os.waitpid(server, 0)


class Fork:
    """A kernel that was forked, with as much of ``subprocess.Popen`` as Jupyter looks at."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """Return None while it runs; how it ended only its parent knows."""
        with contextlib.suppress(psutil.NoSuchProcess):
            mine = self._process
            if mine and mine.is_running() and mine.status() != psutil.STATUS_ZOMBIE:
                return None
        return 0

    def wait(self) -> int:
        """Return how it ended, once :meth:`poll` has said that it did."""
        return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal; raises ``ProcessLookupError`` where it has ended."""
        if self.poll() is not None:  # its number may be that of another process by now
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class Provisioner(LocalProvisioner):
    """What starts a kernel for Jupyter: it asks the server of :func:`forked` for a fork."""

    ends: tuple[socket.socket, IO[str]] | tuple[()] = ()  # to ask it, and to hear it
    _one = threading.Lock()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start a kernel with the words after ``python -m ipykernel_launcher``.

        One of another make is started as always.
        """
        if WORDS_AFTER not in cmd or not self.ends:
            return await super().launch_kernel(cmd, **kwargs)
        words = cmd[cmd.index(WORDS_AFTER) + 1 :]
        folder = kwargs.get("cwd") or os.getcwd()
        job = {"words": words, "folder": folder, "environment": kwargs["env"]}
        said = "what forks kernels has ended"
        near, answers = self.ends
        with self._one, contextlib.suppress(ConnectionError):
            near.sendall(f"{json.dumps(job)}\n".encode())
            said = answers.readline().strip() or said
        if not said.isdecimal():
            raise RuntimeError(said)
        self.pid = self.pgid = int(said)
        self.process = cast(Any, Fork(self.pid))
        self.cwd = pathlib.Path(folder)
        return self.connection_info


def _serve(far: socket.socket) -> NoReturn:
    """Fork a kernel for each line that asks for one, until there is nobody left to ask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the build, which ends the kernels
    with contextlib.suppress(OSError), far.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            _reap()
            try:
                pid = os.fork()
            except OSError as error:  # such as too many processes
                print(error.strerror, file=lines, flush=True)
                continue
            if not pid:
                with open(os.devnull, "r+b") as nothing:
                    for number in (0, far.fileno()):  # far.close would wait until lines is closed
                        os.dup2(nothing.fileno(), number)
                _become(**json.loads(line))
            print(pid, file=lines, flush=True)
    _reap()
    os._exit(0)


def _reap() -> None:
    """Let go of kernels that have ended; their processor time counts as that of the build."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(words: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """Be a kernel, in a session of its own, and end with it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # it ends with this one
    status = 1
    try:
        kernelapp.launch_new_instance(argv=[*words, parent])
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        atexit._run_exitfuncs()
        os._exit(status)
