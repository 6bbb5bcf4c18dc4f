"""Executing chapters: papermill, with unknown parameters refused and outputs made repeatable."""

import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import nbformat
import papermill
import psutil
import pydantic
from jupyter_core.utils import ensure_event_loop
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from bioprop import paths, values
from bioprop.choose import choose
from bioprop.disk import using

# What papermill can read of a parameter's annotation; a union is not among it.
TYPES: Mapping[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}

SOCKET = 100  # bytes of a socket's name: Linux has room for 107, macOS for 103

KERNEL_ARGUMENTS = (
    "--log-level=50",  # a kernel told to stop says so
    "--IPKernelApp.extra_extensions=bioprop.start",
)


class ChapterError(Exception):
    """A chapter that stopped; the message names the chapter and the cell."""


def chapters() -> dict[str, Path]:
    """Return every chapter's source by name, in the order of their folders."""
    found: dict[str, Path] = {}
    for path in sorted(paths.CHAPTERS.glob("*/*.ipynb")):
        if path.stem in found:
            raise ValueError(
                f"two chapters are called {path.stem!r}: {found[path.stem]} and {path}"
            )
        found[path.stem] = path
    return found


def find(name: str) -> Path:
    """Return a chapter's source; an unknown name raises ``ValueError`` with the nearest one."""
    return chapters()[choose("chapter", name, chapters())]


def page(name: str) -> str:
    """Return the name of a chapter's page in the site, without its ending."""
    return find(name).relative_to(paths.ROOT).with_suffix("").as_posix()


def parameters(source: Path) -> dict[str, dict[str, Any]]:
    """Return name, type, default and help of each parameter of a chapter."""
    return papermill.inspect_notebook(str(source))


def check(source: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters with their declared types, or raise ``ValueError``.

    A text is read as what its parameter wants; any other value must be of that type.
    """
    known = parameters(source)
    checked = {}
    for name, value in given.items():
        choose("parameter", name, known, f"chapter {source.stem!r}")
        declared = known[name]["inferred_type_name"]
        kind = TYPES.get(declared, Any)
        try:
            if isinstance(value, str):
                checked[name] = values.read(value, kind)
            else:
                checked[name] = pydantic.TypeAdapter(kind).validate_python(value, strict=True)
        except pydantic.ValidationError:
            raise ValueError(
                f"parameter {name!r} of {source.stem!r} must be {declared}, not {value!r}"
            ) from None
    return checked


@contextmanager
def building() -> Iterator[None]:
    """Let the chapters executed meanwhile keep their runs with those of the build."""
    before = os.environ.get("BIOPROP_BUILD")
    os.environ["BIOPROP_BUILD"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["BIOPROP_BUILD"]


def execute_all(
    given: Mapping[str, Mapping[str, Any]], folder: Path, told: Callable[[str], None]
) -> None:
    """Execute the named chapters with their parameters, as many at a time as there are cores.

    Each goes to its place in ``folder``, an absolute path, as it has in the project. The first
    that fails raises what :func:`execute` raises, and ends the others.
    """
    sources = {name: find(name) for name in given}
    under_way: dict[Future[float], str] = {}
    others = set(psutil.Process().children(recursive=True))
    # papermill changes the working directory, which all threads share: so it is the same for all.
    with building(), chdir(paths.ROOT), ThreadPoolExecutor(joblib.cpu_count()) as pool:
        try:
            for name, source in sources.items():
                target = folder / source.relative_to(paths.ROOT)
                under_way[pool.submit(_execute_in_thread, name, target, given[name])] = name
            for done in as_completed(under_way):
                told(f"chapter {under_way[done]}: {done.result():.0f} s")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _end(under_way, others)
            raise


def _end(under_way: Collection[Future[float]], others: set[psutil.Process]) -> None:
    """End the chapters that run, without Jupyter's word on each that its kernel died."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        while any(chapter.running() for chapter in under_way):
            with suppress(psutil.NoSuchProcess, KeyboardInterrupt):  # whoever presses Ctrl-C twice
                for kernel in set(psutil.Process().children(recursive=True)) - others:
                    kernel.kill()
                time.sleep(0.1)
    finally:
        logging.disable(level)


def _execute_in_thread(name: str, target: Path, given: Mapping[str, Any]) -> float:
    """Execute a chapter in a thread and close the event loop that Jupyter made for the thread."""
    try:
        return execute(name, target, given)
    finally:
        ensure_event_loop().close()


def execute(name: str, target: Path, given: Mapping[str, Any]) -> float:
    """Execute a chapter into ``target`` and return the seconds it took.

    Raises ``ValueError`` for a parameter that is unknown or of a wrong type, ``ChapterError`` when
    a cell fails; the notebook with the traceback is then kept in ``_build/failed``.
    """
    source = find(name)
    checked = check(source, given)
    with using(target, ChapterError):
        return _execute(name, source, target, checked)


def _execute(name: str, source: Path, target: Path, checked: Mapping[str, Any]) -> float:
    partial = paths.BUILD / "failed" / f"{name}.ipynb"
    partial.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    try:
        with _short_folder() as sockets:
            # ipc sockets need no network at all, not even a loopback interface.
            kernel = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            own = f"--ipython-dir={sockets}"  # not the reader's: it may run code of theirs
            papermill.execute_notebook(
                str(source),
                str(partial),
                checked,
                kernel_name="python3",
                progress_bar=False,
                extra_arguments=[*KERNEL_ARGUMENTS, own],
                start_timeout=600,  # many kernels may start at once on a busy machine
                config=Config({"KernelManager": kernel}),
                cwd=str(paths.ROOT),
            )
    except PapermillExecutionError as error:
        raise ChapterError(
            f"chapter {name!r} stopped in code cell {error.exec_count}: {error.ename}: "
            f"{error.evalue}\nthe notebook with the traceback is {partial}"
        ) from None
    except RuntimeError as error:  # of the kernel: it died, or did not start
        raise ChapterError(
            f"chapter {name!r} stopped: its kernel died, perhaps for want of memory ({error})\n"
            f"the notebook up to there is {partial}"
        ) from None
    seconds = time.perf_counter() - started
    notebook = clean(nbformat.read(partial, as_version=4))
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    partial.unlink()
    return seconds


@contextmanager
def _short_folder() -> Iterator[str]:
    """Make a folder for sockets, where its name leaves room for theirs; then remove it."""
    for place in (None, "/tmp"):
        try:
            folder = tempfile.TemporaryDirectory(prefix="b", dir=place)
        except OSError:
            continue
        with folder as name:
            if len(os.fsencode(f"{name}/kernel-99999")) <= SOCKET:
                yield name
                return
    raise ChapterError(
        f"the folder for temporary files, {tempfile.gettempdir()}, has a name too long for a "
        "socket, or cannot be written: set TMPDIR to another one"
    )


def clean(notebook: NotebookNode) -> NotebookNode:
    """Drop what changes from run to run (times, random ids), and give each live figure its alt.

    That is what :meth:`bioprop.book.page.Page.show` says of it.
    """
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", ()):
            if told := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": told}}
    return notebook


def figures_of(source: Path) -> list[str]:
    """Return the ids of the figures that a chapter publishes, in order."""
    cells = nbformat.read(source, as_version=4).cells
    return [id for cell in cells for id in re.findall(r"\{result-figure\} ([\w-]+)", cell.source)]


def homes() -> dict[str, str]:
    """Return the name of the chapter that shows each figure, by the figure's id."""
    return {id: name for name, path in chapters().items() for id in figures_of(path)}


def forget_failures() -> None:
    """Remove the notebooks that earlier failures left."""
    shutil.rmtree(paths.BUILD / "failed", ignore_errors=True)
