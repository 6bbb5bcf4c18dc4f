"""What a file system refuses, in words."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REASONS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "your share of the disk is used up. Free some space",
    errno.EROFS: "the file system is read-only. Point BIOPROP_ROOT at a copy you can write",
    errno.EACCES: "permission was refused. Make the folder writable",
    errno.EPERM: "permission was refused. Make the folder writable",
    errno.EISDIR: "a folder is where a file should be. Move it away",
    errno.ENOTDIR: "a file is where a folder should be. Move it away",
    errno.EEXIST: "a file is where a folder should be. Move it away",
    errno.ENAMETOOLONG: "its name is too long. Use a folder with a shorter one",
}


def why(error: OSError) -> str:
    """Say why something could not be read or written, and what to do."""
    return REASONS.get(error.errno or 0, f"{error.strerror or error}. Mend that")


@contextmanager
def using(place: Path, kind: type[Exception]) -> Iterator[None]:
    """Turn what the file system refuses meanwhile into a message of a kind.

    It names the file where the system does, else ``place``.
    """
    try:
        yield
    except OSError as error:
        what = error.filename if isinstance(error.filename, str) else place
        raise kind(f"could not read or write {what}: {why(error)}") from error
