"""What several test files use: small records, a root of their own, and processes to talk to."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bioprop import studies
from bioprop.book.records import Record, make
from bioprop.studies.journal import Journal

ROOT = Path(__file__).parent.parent
TOY = ("toy-network", "smoke", "small")


def way(name: str, variant: str) -> tuple[Any, ...]:
    """Return what decides through which code a run goes: its function and settings.

    Of a number that is whether it is zero, as nothing may then be removed, held out or drawn, and
    of several whether there are any. Of a rule that differs from others in a number, its family.
    """
    study = studies.get(name)
    settings = vars(study.configure("smoke", variant)) | {"first_seed": 0}
    decides = {k: bool(v) if isinstance(v, int | float | tuple) else v for k, v in settings.items()}
    decides["rule"] = str(settings.get("rule")).partition(":")[0]
    return study.run, *sorted(map(str, decides.items()))


def made(*rows: list[float], seeds: tuple[int, ...] = (0, 1, 2)) -> Record:
    """Return a record of the toy network without running it: ``rows`` are w at each mark."""
    study = studies.get(TOY[0])
    journal = Journal()
    journal.label(seed=seeds)
    for mark, row in enumerate(rows):
        w = torch.tensor(row, dtype=torch.float64)
        journal.write(10 * mark, w0=torch.zeros_like(w), w=w)
    journal.fingerprint = hashlib.sha256(repr(rows).encode()).hexdigest()
    settings = study.configure(TOY[1], TOY[2], members=len(seeds))
    return make(study, TOY[1], TOY[2], settings, journal)


def digest(content: dict[str, Any]) -> str:
    """Return the digest that a record with this content must carry."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    plain = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(plain.encode()).hexdigest()


def edit(path: Path, sealed: bool = True, **changes: Any) -> None:
    """Change members of a record file, None removes one; ``sealed`` gives it a digest that fits."""
    content = json.loads(path.read_text()) | changes
    content = {key: value for key, value in content.items() if value is not None}
    if sealed:
        content["digest"] = digest(content)
    path.write_text(json.dumps(content))


def copy_root(folder: Path) -> Path:
    """Copy what the command line reads of this repository, so that it can write there."""
    for name in ("data/reported", "data/runs", "data/twins", "data/reruns", "chapters"):
        if (ROOT / name).exists():  # no twin may have been measured yet
            shutil.copytree(ROOT / name, folder / name)
    shutil.copy2(ROOT / "data/changed-verdicts.yaml", folder / "data")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, to see what was added, changed or removed."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@contextmanager
def python(code: str, root: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start Python on ``code`` with a root of its own and pipes to talk through; killed at last.

    What makes a root one is put there, where it is missing.
    """
    (root / "data" / "reported").mkdir(parents=True, exist_ok=True)
    tests = str(Path(__file__).parent)
    variables = {"BIOPROP_ROOT": str(root), "COLUMNS": "200", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.append({tests!r})\n{code}", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
