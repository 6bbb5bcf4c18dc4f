"""Kernels and workers that are forks of the build: each alone, as a fresh one, gone at the end."""

import errno
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

pytestmark = pytest.mark.slow
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


def environment(root: Path) -> dict[str, str]:
    """Return the variables of a process that works in a book, with one thread for each."""
    return os.environ | {"BIOPROP_ROOT": str(root), "OMP_NUM_THREADS": "1"}


def begin(root: Path, script: str, *cells: str, before: str = "") -> subprocess.Popen[str]:
    """Run a script in a process of its own, in a book with a chapter for each of the cells."""
    copy_small_book(root)
    for number, cell in enumerate(cells):
        write_chapter(root / "chapters" / "one" / f"chapter{number}.ipynb", cell)
    (root / "chapters" / "one" / "tiny.ipynb").unlink()
    (root / "script.py").write_text(before + BEGIN + script)
    return subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=root,
        env=environment(root),
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


THREADS = """
import os, numpy, torch
count = lambda: len(os.listdir("/proc/self/task"))
before, ones, others = count(), torch.ones(1500, 1500).double(), numpy.ones((1500, 1500))
sums = float((ones @ ones).sum()), float((others @ others).sum())
print(torch.get_num_threads(), count() > before, *sums)
"""
FORK_WITH_THREADS = """
import os, warnings
os.environ |= {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
warnings.filterwarnings("error", "This process .* is multi-threaded")  # from Python 3.12 on
"""


@linux
def test_a_fork_has_threads_of_its_own_for_products_of_matrices(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, EXECUTE, THREADS, before=FORK_WITH_THREADS))
    done = nbformat.read(tmp_path / "out" / "chapters" / "one" / "chapter0.ipynb", as_version=4)
    assert done.cells[-1].outputs[0].text.split() == ["2", "True", *2 * [f"{1500.0**3}"]]
    assert "error" not in said and not said["left"]


SERVER_ENDS = """
import signal
os.environ["COVERED"] = "x" * 300_000  # more than a socket holds at once
with forks.forked() as each:
    (server,) = [each for each in psutil.Process().children() if each.num_threads() == 1]
    for turn in range(2):
        try:
            chapters.execute_all({"chapter0": {}}, Path("out").absolute(), lambda line: None)
            print("done")
        except chapters.ChapterError as error:
            print("error", *str(error).split())
        server.kill()
print("left", *psutil.Process().children(recursive=True))
"""


@linux
def test_a_chapter_says_so_where_nothing_forks_kernels_any_more(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, SERVER_ENDS, "print(1)"))
    assert said["done"] == []
    assert " ".join(said["error"]).startswith("chapter 'chapter0' stopped: its kernel died")
    assert "(what forks kernels has ended)" in " ".join(said["error"])
    assert not said["left"]


NO_ROOM = """
import errno
build, real = os.getpid(), os.fork

def fork():
    if os.getpid() == build:
        return real()
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

os.fork = fork
"""


@linux
def test_a_chapter_says_so_where_there_is_no_room_for_its_kernel(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, NO_ROOM + EXECUTE, "print(1)"))
    assert f"({os.strerror(errno.EAGAIN)})" in " ".join(said["error"])
    assert said["workers"] and not said["left"]


AT_ONCE = """
import signal
build, real = os.getpid(), os.fork

def fork():
    pid = real()
    if not pid and os.getppid() == build and forks.Provisioner.ends:
        signal.raise_signal(signal.SIGINT)
    return pid

os.fork = fork
with forks.forked() as each:
    print("result", *each(abs, [-3, 4]))
"""


@linux
def test_ctrl_c_is_the_builds_alone_from_the_beginning_of_a_worker(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, AT_ONCE))
    assert set(said) == {"begun", "result"} and said["result"] == ["3", "4"]


WORKER_DIES = """
def die(number):
    os.kill(os.getpid(), 9)

try:
    with forks.forked() as each:
        list(each(die, [1, 2]))
except forks.SiteError as error:
    print("error", *str(error).split())
print("left", *psutil.Process().children(recursive=True))
"""


@linux
def test_a_worker_that_is_killed_is_said_in_words(tmp_path: Path) -> None:
    said = lines(begin(tmp_path, WORKER_DIES))
    assert " ".join(said["error"]).startswith("a process of the build was killed")
    assert not said["left"]


WAIT = """
import pathlib, sys, time
pathlib.Path("forked" if "torch._dynamo" in sys.modules else "started").touch()
time.sleep(100)
"""


@linux
def test_the_command_forks_and_a_second_one_stops_before_it_does(tmp_path: Path) -> None:
    copy_small_book(tmp_path)
    write_chapter(tmp_path / "chapters" / "one" / "tiny.ipynb", WAIT)
    command = [str(Path(sys.executable).with_name("bioprop")), "book", "--tier", "smoke"]
    given = {"cwd": tmp_path, "env": environment(tmp_path), "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, **given) as first:
        wait_for(tmp_path / "forked")
        family = psutil.Process(first.pid).children(recursive=True)
        second = subprocess.run(command, text=True, stdout=subprocess.PIPE, **given)
        assert second.returncode == 1 and "another build of the book is under" in second.stderr
        wrong = subprocess.run([*command, "-p", "no=1"], stdout=subprocess.PIPE, **given)
        assert wrong.returncode == 2
        assert all(process.is_running() for process in family)
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=60)[1]
        assert first.returncode and "Traceback" not in said
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
