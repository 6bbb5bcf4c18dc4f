"""Data sets are found, fetched from a server on this machine, checked, and never half-written."""

import gc
import hashlib
import http.server
import io
import os
import re
import shutil
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import contents

from bioprop import paths
from bioprop.tasks import datasets
from bioprop.tasks.datasets import DataError, Dataset, Tree

FILES = {"images": b"pixels " * 5000, "labels": b"digits " * 100}


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def archive(**members: bytes) -> bytes:
    """Return a tar archive; ``_`` in a name stands for ``/``."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("_", "/"))
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(**members: bytes) -> bytes:
    """Return a zip archive; ``_`` in a name stands for ``/``."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "/"), content)
    return packed.getvalue()


class Server:
    """What a publisher's server does: sends ``files``, and ``broken`` ones half; counts.

    Before that it answers in each of the ways that ``moods`` lists, once: a code, or 0 to hang up.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.moods: list[int] = []
        self.asked: list[str] = []
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on this machine that sends what a test puts into it."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            state.asked.append(name)
            mood = state.moods.pop(0) if state.moods else 200 if name in state.files else 404
            if mood != 200:
                self.send_error(mood) if mood else self.connection.close()
                return
            content = state.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in state.broken else content)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{running.server_port}/"
        yield state
        running.shutdown()
        thread.join(10)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and no other place to look at."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets, "PAUSES", (0.0, 0.0))
    monkeypatch.delenv("BIOPROP_DATA", raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / "cache"


@pytest.fixture(params=["files", "tar.gz", "zip"])
def publisher(
    request: pytest.FixtureRequest, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """A server of the data set ``small``, which is published as single files or in an archive."""
    digests = {name: md5(content) for name, content in FILES.items()}
    if request.param == "files":
        server.files = dict(FILES)
        small = Dataset("small", digests, server.url)
    else:
        pack = {"tar.gz": archive, "zip": zipped}[request.param]
        packed = pack(**{f"small_{name}": content for name, content in FILES.items()})
        server.files = {f"small.{request.param}": packed}
        small = Dataset("small", digests, f"{server.url}small.{request.param}", md5(packed))
    monkeypatch.setattr(datasets, "DATASETS", {"small": small})
    return server


def put(folder: Path, **files: bytes) -> Path:
    """Put files of the data set below a folder."""
    (folder / "small").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / "small" / name).write_bytes(content)
    return folder / "small"


@pytest.fixture
def sockets() -> Iterator[None]:
    """Collect the socket of a failed download, which pooch leaves to the garbage collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


# Fetching


def test_what_is_fetched_is_as_published_and_is_fetched_once(
    publisher: Server, cache: Path
) -> None:
    assert datasets.fetch("small") == [cache / "small" / name for name in FILES]
    assert contents(cache) == {f"small/{name}": content for name, content in FILES.items()}
    assert sorted(publisher.asked) == sorted(publisher.files)
    datasets.fetch("small")
    datasets.check("small")
    assert sorted(publisher.asked) == sorted(publisher.files)


def test_only_what_is_missing_is_fetched(publisher: Server, cache: Path) -> None:
    put(cache, images=FILES["images"])
    before = (cache / "small" / "images").stat()
    datasets.fetch("small")
    assert (cache / "small" / "images").stat() == before
    assert len(publisher.asked) == 1
    assert contents(cache / "small") == FILES


def drop(server: Server) -> None:
    server.broken = set(server.files)


def send_another(server: Server) -> None:
    server.files = dict.fromkeys(server.files, b"<html>Please log in</html>")


def send_nothing(server: Server) -> None:
    server.files = {}


BREAK: dict[str, tuple[Callable[[Server], None], str]] = {
    "the connection is dropped half-way": (drop, "could not fetch"),
    "another file is sent": (send_another, "26 bytes that begin with b'<html>Please log in"),
    "the file is not there": (send_nothing, "404"),
}


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("fault", BREAK)
def test_a_failed_download_names_the_address_and_leaves_nothing(
    fault: str, publisher: Server, cache: Path
) -> None:
    first = next(iter(publisher.files))
    spoil, words = BREAK[fault]
    spoil(publisher)
    advice = r"Try again later, or put .* into .*(small|cache) from"
    with pytest.raises(DataError, match=advice) as refused:
        datasets.fetch("small")
    assert f"{publisher.url}{first}" in str(refused.value) and words in str(refused.value)
    assert contents(cache) == {}


@pytest.mark.usefixtures("sockets")
def test_after_a_failed_download_the_next_one_serves(publisher: Server, cache: Path) -> None:
    drop(publisher)
    with pytest.raises(DataError):
        datasets.fetch("small")
    publisher.broken = set()
    datasets.fetch("small")
    assert contents(cache / "small") == FILES


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize("mood", [0, 429, 500, 503])
def test_a_download_that_breaks_off_is_tried_again(
    mood: int, publisher: Server, cache: Path
) -> None:
    publisher.moods = [mood, mood]
    datasets.fetch("small")
    assert contents(cache) == {f"small/{name}": content for name, content in FILES.items()}
    assert len(publisher.asked) == len(publisher.files) + 2


@pytest.mark.usefixtures("sockets")
@pytest.mark.parametrize(("mood", "times"), [(503, 3), (403, 1), (404, 1)])
def test_a_download_is_given_up_after_three_tries_and_at_once_where_the_server_refuses_it(
    mood: int, times: int, publisher: Server
) -> None:
    publisher.moods = [mood] * 9
    with pytest.raises(DataError, match=f"could not fetch .*{mood}"):
        datasets.fetch("small")
    assert len(publisher.asked) == times


@pytest.mark.usefixtures("sockets")
def test_the_advice_of_a_failed_download_can_be_followed_to_the_letter(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    sound, publisher.files = publisher.files, {}
    with pytest.raises(DataError, match=f"BIOPROP_DATA is '{tmp_path / 'own'}'") as refused:
        datasets.fetch("small")
    [(names, place)] = re.findall(r"or put (.*) into (\S+) from a copy", str(refused.value))
    Path(place).mkdir(parents=True, exist_ok=True)
    for name in names.split(", "):
        (Path(place) / name).write_bytes(sound[name])
    assert datasets.fetch("small") == [tmp_path / "own" / "small" / name for name in FILES]


def test_what_a_killed_download_left_is_swept_by_the_next(publisher: Server, cache: Path) -> None:
    left = cache / "small" / ".partial"
    (left / "folder").mkdir(parents=True)
    for name in ("half", "lock", "folder/file"):
        (left / name).write_bytes(b"half of a file")
    datasets.fetch("small")
    assert contents(cache) == {f"small/{name}": content for name, content in FILES.items()}


def test_a_second_process_at_the_same_download_is_refused(publisher: Server, cache: Path) -> None:
    with datasets._scratch(cache / "small"), pytest.raises(DataError, match="another process is"):
        datasets.fetch("small")
    assert publisher.asked == []


def test_a_folder_that_cannot_be_written_is_named_and_not_the_server(
    publisher: Server, cache: Path
) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file")
    with pytest.raises(DataError, match=f"could not write in {cache}/small: a file is where a fol"):
        datasets.fetch("small")
    assert publisher.asked == []


def test_what_is_missing_in_a_folder_that_cannot_be_written_is_fetched_elsewhere(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = put(tmp_path / "own", images=FILES["images"])
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    can = os.access  # who runs this may be allowed everything
    monkeypatch.setattr(
        os, "access", lambda path, mode: "own" not in Path(path).parts and can(path, mode)
    )
    assert datasets.fetch("small") == [cache / "small" / name for name in FILES]
    assert contents(own) == {"images": FILES["images"]}


@pytest.mark.usefixtures("sockets")
def test_a_publisher_that_cannot_be_reached_is_named(
    publisher: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = datasets.DATASETS
    small = datasets.DATASETS[name]
    away = Dataset(small.folder, small.files, "http://127.0.0.1:9/" + small.url[-12:])
    monkeypatch.setitem(datasets.DATASETS, name, away)
    with pytest.raises(DataError, match=r"could not fetch http://127\.0\.0\.1:9/"):
        datasets.fetch("small")


# What is there already


@pytest.mark.parametrize("ask", [datasets.fetch, datasets.check])
@pytest.mark.parametrize("labels", [FILES["labels"], None], ids=["complete", "one missing"])
def test_a_corrupt_file_is_named_with_both_digests_and_stays(
    labels: bytes | None, ask: Callable[[str], list[Path]], publisher: Server, cache: Path
) -> None:
    put(cache, images=b"pixles", **({"labels": labels} if labels else {}))
    before = contents(cache)
    with pytest.raises(DataError) as refused:
        ask("small")
    place = cache / "small" / "images"
    fault = f"{place}: MD5 is {md5(b'pixles')}, expected {md5(FILES['images'])}"
    assert fault in str(refused.value)
    assert "Delete what is wrong" in str(refused.value)
    assert contents(cache) == before and publisher.asked == []


def test_checking_names_every_missing_file_and_fetches_none(publisher: Server, cache: Path) -> None:
    folder = put(cache)
    with pytest.raises(DataError) as refused:
        datasets.check("small")
    for name in FILES:
        assert f"{folder / name}: missing" in str(refused.value)
    assert publisher.asked == []


def test_checking_what_is_nowhere_says_where_it_was_looked_for(
    publisher: Server, cache: Path
) -> None:
    with pytest.raises(DataError, match="Fetch it with: bioprop data fetch small") as refused:
        datasets.check("small")
    assert "BIOPROP_DATA is not set" in str(refused.value) and str(cache) in str(refused.value)


# Where it is looked for


def test_the_folder_that_the_reader_names_is_looked_at_first(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cache, **FILES)
    own = put(tmp_path / "own", **FILES)
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    assert datasets.find("small") == own
    assert datasets.fetch("small") == [own / name for name in FILES]
    shutil.rmtree(own)
    assert datasets.find("small") == cache / "small"
    shutil.rmtree(cache)
    assert datasets.find("small") is None
    assert publisher.asked == []


def test_an_incomplete_folder_does_not_hide_a_complete_one(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "own", images=FILES["images"])
    put(cache, **FILES)
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    assert datasets.fetch("small") == [cache / "small" / name for name in FILES]
    assert publisher.asked == []


def test_what_is_missing_from_the_readers_folder_is_fetched_into_it(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = put(tmp_path / "own", images=FILES["images"])
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    datasets.fetch("small")
    assert contents(own) == FILES
    assert os.listdir(tmp_path / "own") == ["small"]


def test_a_home_folder_that_nobody_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIOPROP_DATA", "~nobody-at-all/data")
    with pytest.raises(DataError, match=r"'~nobody-at-all/data'.*name the folder whole"):
        datasets.check("mnist")


def test_the_home_folder_and_other_names_of_a_folder_are_known(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {name: md5(content) for name, content in FILES.items()}
    small = Dataset("other", digests, "http://127.0.0.1:9/", others=("Named/small",))
    monkeypatch.setattr(datasets, "DATASETS", {"small": small})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BIOPROP_DATA", "~/own")
    folder = put(tmp_path / "own" / "Named", **FILES)
    assert datasets.check("small") == [folder / name for name in FILES]


@pytest.mark.parametrize("named", ["", "Named", "Named/small"])
def test_the_variable_may_name_the_folder_of_the_data_set_itself(
    named: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {name: md5(content) for name, content in FILES.items()}
    small = Dataset("other", digests, "http://127.0.0.1:9/", others=("Named/small",))
    monkeypatch.setattr(datasets, "DATASETS", {"small": small})
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own" / named))
    folder = put(tmp_path / "own" / "Named", **FILES)
    assert datasets.check("small") == [folder / name for name in FILES]


def test_without_a_copy_of_the_book_the_variable_names_the_folder(
    publisher: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "REPORTED", tmp_path / "nowhere")
    for ask in (datasets.fetch, datasets.check):
        with pytest.raises(DataError, match="set BIOPROP_DATA to a folder for data sets"):
            ask("small")
    assert not cache.exists() and publisher.asked == []
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    assert datasets.fetch("small") == [tmp_path / "own" / "small" / name for name in FILES]


# Archives


@pytest.mark.parametrize(
    "packed, words",
    [
        (archive(small_images=FILES["images"], **{".._escaped": b"!"}), "outside"),
        (zipped(small_images=FILES["images"], **{".._escaped": b"!"}), "outside"),
        (archive(small_images=FILES["images"], small_other=b"?"), "labels"),
        (b"no archive at all", "could not unpack"),
    ],
    ids=["a member escapes", "of a zip", "a file is not in it", "it is none"],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused_and_leaves_nothing(
    packed: bytes,
    words: str,
    server: Server,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.files = {"small.tar.gz": packed}
    digests = {name: md5(content) for name, content in FILES.items()}
    small = Dataset("small", digests, f"{server.url}small.tar.gz", md5(packed))
    monkeypatch.setattr(datasets, "DATASETS", {"small": small})
    with pytest.raises(DataError, match=words) as refused:
        datasets.fetch("small")
    assert f"could not unpack {server.url}small.tar.gz" in str(refused.value)
    left = contents(tmp_path)
    assert "cache/escaped" not in left and "escaped" not in left
    assert not set(left) - {"cache/small/images"}


@pytest.fixture(params=["tar.gz", "zip"])
def by_hand(
    request: pytest.FixtureRequest, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The archive of the data set ``small`` in a folder of the reader's, from no server."""
    pack = {"tar.gz": archive, "zip": zipped}[request.param]
    packed = pack(**{f"small_{name}": content for name, content in FILES.items()})
    digests = {name: md5(content) for name, content in FILES.items()}
    url = f"http://127.0.0.1:9/small.{request.param}"
    monkeypatch.setattr(
        datasets, "DATASETS", {"small": Dataset("small", digests, url, md5(packed))}
    )
    monkeypatch.setenv("BIOPROP_DATA", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / f"small.{request.param}").write_bytes(packed)
    return tmp_path / "own" / f"small.{request.param}"


@pytest.mark.parametrize("ask", [datasets.fetch, datasets.check])
def test_an_archive_that_was_put_there_by_hand_is_taken(
    ask: Callable[[str], list[Path]], by_hand: Path, cache: Path
) -> None:
    folder = by_hand.parent / "small"
    assert ask("small") == [folder / name for name in FILES]
    assert contents(folder) == FILES
    by_hand.unlink()
    assert datasets.check("small") == [folder / name for name in FILES]


@pytest.mark.parametrize("ask", [datasets.fetch, datasets.check])
def test_an_archive_in_the_cache_is_taken(
    ask: Callable[[str], list[Path]], by_hand: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIOPROP_DATA")
    cache.mkdir()
    by_hand.rename(cache / by_hand.name)
    assert ask("small") == [cache / "small" / name for name in FILES]


def test_an_archive_completes_a_folder_and_never_replaces_what_is_wrong_there(
    by_hand: Path, cache: Path
) -> None:
    folder = put(cache, images=FILES["images"])
    datasets.check("small")
    assert contents(folder) == FILES
    (folder / "labels").unlink()
    (folder / "images").write_bytes(b"pixles")
    with pytest.raises(DataError, match="MD5 is"):
        datasets.check("small")
    assert contents(folder) == {"images": b"pixles"}


@pytest.mark.parametrize("ask", [datasets.fetch, datasets.check])
def test_a_damaged_archive_is_named_and_is_not_opened(
    ask: Callable[[str], list[Path]], by_hand: Path, cache: Path
) -> None:
    by_hand.write_bytes(by_hand.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{by_hand}: MD5 is"):
        ask("small")
    assert not cache.exists()


# Many small files

TREE = {f"train/{name}.JPEG": f"picture {name}".encode() for name in "abc"}


@pytest.fixture
def tree(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of one list and three images that share a digest, in the cache."""
    digest = hashlib.sha256()
    for path, content in TREE.items():
        digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    many = Tree(("train",), lambda folder: list(TREE), digest.hexdigest())
    small = Dataset("small", {"list": md5(b"a b c")}, "http://127.0.0.1:9/", None, many)
    monkeypatch.setattr(datasets, "DATASETS", {"small": small})
    folder = put(cache, list=b"a b c")
    (folder / "train").mkdir()
    for path, content in TREE.items():
        (folder / path).write_bytes(content)
    return folder


def swap(folder: Path) -> None:
    a, b = (folder / path for path in list(TREE)[:2])
    a.write_bytes(TREE["train/b.JPEG"])
    b.write_bytes(TREE["train/a.JPEG"])


SPOIL: dict[str, tuple[Callable[[Path], object], str]] = {
    "two images are exchanged": (swap, "the SHA-256 of its 3 images is"),
    "an image is lost": (lambda f: (f / "train/b.JPEG").unlink(), "b.JPEG: missing, one of 1 of 3"),
    "all images are lost": (lambda f: shutil.rmtree(f / "train"), "missing, one of 3 of 3"),
    "the list is damaged": (lambda f: (f / "list").write_bytes(b"a b"), "list: MD5 is"),
    "the list is a folder": (lambda f: ((f / "list").unlink(), (f / "list").mkdir()), "a folder"),
}


def test_many_files_are_checked_against_one_digest(tree: Path) -> None:
    assert datasets.check("small") == [tree / "list", tree / "train"]


@pytest.mark.parametrize("fault", SPOIL)
def test_a_fault_in_many_files_is_found(fault: str, tree: Path) -> None:
    spoil, words = SPOIL[fault]
    spoil(tree)
    with pytest.raises(DataError, match=words):
        datasets.check("small")


# The published digests


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_a_published_data_set_has_a_digest_for_every_file_and_a_safe_address(name: str) -> None:
    dataset = datasets.DATASETS[name]
    digests = [*dataset.files.values(), *([dataset.archive] if dataset.archive else [])]
    assert len(set(digests)) == len(digests)
    assert all(len(bytes.fromhex(digest)) == 16 for digest in digests)
    assert dataset.url.startswith("https://")
    assert dataset.url.endswith("/") == (dataset.archive is None)


def test_the_page_on_data_sets_has_every_name_address_file_and_digest() -> None:
    page = (Path(__file__).parent.parent / "data-sets.md").read_text("utf-8")
    for name, dataset in datasets.DATASETS.items():
        assert f"| `{name}` |" in page and f"<{dataset.url}>" in page
        for folder in (dataset.folder, *dataset.others):
            assert f"`{folder}`" in page
        for file, digest in dataset.files.items():
            assert f"| `{dataset.folder}/{file}` | `{digest}` |" in page
        if dataset.archive:
            assert f"| `{dataset.archive_name}` | `{dataset.archive}` |" in page
        if dataset.tree:
            assert f"`{dataset.tree.sha256}`" in page
