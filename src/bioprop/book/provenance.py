"""Where and with what a run was made."""

import datetime
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from bioprop import paths

PACKAGES = ("bioprop", "numpy", "scipy", "torch")


def describe(seconds: float, device: str, **more: Any) -> dict[str, Any]:
    """Return commit, packages, machine, threads, wall-clock seconds and date of a run."""
    return {
        "commit": commit(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{processor()}, {platform.system()}",
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 2),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        **more,
    }


def commit() -> str:
    """Return the commit of the code, with ``+`` where it has uncommitted changes; or unknown."""
    head = _git("rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown"
    return head + ("+" if _git("status", "--porcelain", "--", "src") else "")


def code() -> str:
    """Return the SHA-256 of all source that a run depends on; what draws and judges is left out."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] in ("learning", "deep", "tasks", "studies"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def processor() -> str:
    """Return the processor's model, where the system tells, and what it computes with.

    The model matters: libraries add in an order that they choose by it.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return ", ".join([*names[:1], kind])


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.ROOT), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
