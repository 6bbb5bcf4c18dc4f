"""Kernels and workers that are forks of the build: each alone, as a fresh one, gone at the end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from site_fixture import copy_small_book, write_chapter

linux = pytest.mark.skipif(sys.platform != "linux", reason="a process is forked on Linux alone")

BEGIN = """
import os, sys, threading, time
from pathlib import Path
from bioprop.start import loading, settle
settle()
with loading():
    import psutil
    from bioprop.book import chapters, forks
print("begun", os.getpid())
"""
KERNEL = """
import os, sys, psutil
mine = psutil.Process()
print(mine.ppid(), mine.parent().ppid(), os.getsid(0) == mine.pid)
print(os.getcwd(), os.environ["BIOPROP_BUILD"], "torch._dynamo" in sys.modules)
print(sorted(name for name in dir() if name in ("chapters", "forks", "each", "names")))
"""


def begin(root: Path, script: str, *cells: str) -> subprocess.Popen[str]:
    """Run a script in a process of its own, in a book with a chapter for each of the cells."""
    copy_small_book(root)
    for number, cell in enumerate(cells):
        write_chapter(root / "chapters" / "one" / f"chapter{number}.ipynb", cell)
    (root / "chapters" / "one" / "tiny.ipynb").unlink()
    (root / "script.py").write_text(BEGIN + script)
    return subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=root,
        env=os.environ | {"BIOPROP_ROOT": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines(process: subprocess.Popen[str]) -> dict[str, list[str]]:
    """Wait for a script; return the words after the first of each line that it printed."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return {words[0]: words[1:] for line in said.splitlines() if (words := line.split())}


def wait_for(what: Path) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + 120
    while not what.exists():
        assert time.monotonic() < end, f"{what} does not come"
        time.sleep(0.1)


EXECUTE = """
def slow(_):
    time.sleep(0.05)
    return os.getpid()

with forks.forked() as each:
    names = [path.stem for path in Path("chapters/one").glob("*.ipynb")]
    try:
        chapters.execute_all(dict.fromkeys(names, {}), Path("out").absolute(), lambda line: None)
    except chapters.ChapterError as error:
        print("error", *str(error).split())
    print("workers", *set(each(slow, range(50))))
print("left", *psutil.Process().children(recursive=True))
print("spent", os.times().children_user + os.times().children_system)
"""


@linux
def test_kernels_are_forks_of_what_has_loaded_the_library_and_end_with_their_chapters(
    tmp_path: Path,
) -> None:
    burn = "\nend = time.process_time() + 3\nwhile time.process_time() < end: pass"
    script = begin(tmp_path, EXECUTE, KERNEL, f"import time{burn}", f"import time{burn}")
    said = lines(script)
    done = nbformat.read(tmp_path / "out" / "chapters" / "one" / "chapter0.ipynb", as_version=4)
    processes, place, names = done.cells[-1].outputs[0].text.splitlines()
    server, build, alone = processes.split()
    assert server != build == said["begun"][0] and alone == "True"
    assert place.split() == [str(tmp_path), "1", "True"]
    assert names == "[]"
    assert len(said["workers"]) == os.cpu_count() and build not in said["workers"]
    assert not said["left"]
    assert float(said["spent"][0]) > 6, "what kernels spend counts as the build's"


@linux
def test_a_forked_kernel_that_dies_is_named_and_the_others_end(tmp_path: Path) -> None:
    dies = "import os, time\ntime.sleep(2)\nos._exit(3)"
    said = lines(begin(tmp_path, EXECUTE, dies, "import time\ntime.sleep(100)"))
    assert " ".join(said["error"]).startswith("chapter 'chapter0' stopped: its kernel died")
    assert said["workers"] and not said["left"]


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_goes_on_when_the_build_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    wait = "import pathlib, time\npathlib.Path('under-way').touch()\ntime.sleep(100)"
    with begin(tmp_path, EXECUTE, wait) as script:
        wait_for(tmp_path / "under-way")
        family = psutil.Process(script.pid).children(recursive=True)
        assert len(family) >= 3, "the server, a worker and a kernel"
        script.send_signal(number)
        assert script.wait(timeout=60)
        assert not psutil.wait_procs(family, timeout=60)[1]


WORK = """
def work(number):
    Path("under-way").touch()
    time.sleep(100)

with forks.forked() as each:
    list(each(work, range(50)))
"""


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_goes_on_when_the_build_is_stopped(
    number: signal.Signals, tmp_path: Path
) -> None:
    with begin(tmp_path, WORK) as script:
        wait_for(tmp_path / "under-way")
        family = psutil.Process(script.pid).children(recursive=True)
        script.send_signal(number)
        assert script.wait(timeout=60)
        assert not psutil.wait_procs(family, timeout=60)[1]


THREADED = """
if __name__ == "__main__":
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    with forks.forked() as each:
        print("result", *each(abs, [-3, 4]))
        print("servers", forks.KernelProvisionerFactory.instance().default_provisioner_name)
"""


@linux
def test_a_process_of_many_threads_is_not_forked(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, THREADED))
    assert said["result"] == ["3", "4"]
    assert said["servers"] == ["local-provisioner"]
