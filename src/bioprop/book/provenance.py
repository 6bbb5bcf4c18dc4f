"""Where and with what a run was made."""

import datetime
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import torch

from bioprop import paths

MODEL = ("vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part")
PRODUCTS = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "bf16", "i8mm")
LIBRARIES = re.compile(r"(?:Intel\(R\) (?:oneAPI )?Math Kernel Library|Intel\(R\) MKL-DNN) .*")
# Variables that choose other instructions or another order, not how many threads, or how loud.
DECIDES = re.compile(
    r"(?:(?:MKL|ONEDNN|DNNL|OPENBLAS|BLIS|NPY|ATEN|CUBLAS)_|NVIDIA_TF32|TORCH_ALLOW_TF32|KMP_DETER)"
    r"(?!.*(?:NUM_THREADS|VERBOSE|DUMP))"
)
PACKAGES = ("bioprop", "numpy", "scipy", "torch")


def describe(seconds: float, device: str, **more: Any) -> dict[str, Any]:
    """Return commit, packages, machine, threads, wall-clock seconds and date of a run."""
    return {
        "commit": commit(),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": f"{processor()}, {platform.system()}",
        "arithmetic": arithmetic(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 2),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        **more,
    }


def commit() -> str:
    """Return the commit of the code, with ``+`` where it has uncommitted changes; or unknown."""
    head = git("rev-parse", "--short=10", "HEAD")
    if not head:
        return "unknown"
    return head + ("+" if git("status", "--porcelain", "--", "src") else "")


def revision() -> str:
    """Return the whole name of :func:`commit`, as a repository gives it out; nothing for others.

    Others are code with uncommitted changes, or without a history.
    """
    return "" if commit().endswith("+") else git("rev-parse", "HEAD")


@cache
def _version(package: str) -> str:
    return importlib.metadata.version(package)


@cache
def code() -> str:
    """Return the SHA-256 of all source that a run depends on; what draws and judges is left out.

    It is read once: a process goes on with the source that it has loaded.
    """
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
    name = _cpuinfo().get("model name")
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return ", ".join([*filter(None, [name]), kind])


def arithmetic() -> dict[str, Any]:
    """Return what decides the bits of a sum beside the versions of packages and the threads.

    That is the processor's model as its maker counts it, the instructions it has for products, the
    set of them that PyTorch and its libraries chose, and settings that change their choice.
    """
    info = _cpuinfo()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "model": ", ".join(f"{key} {info[key]}" for key in MODEL if key in info),
        "instructions": " ".join(sorted(f for f in flags if f.startswith(PRODUCTS))),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "libraries": [m[0].strip() for m in LIBRARIES.finditer(torch.__config__.show())],
        "matmul precision": torch.get_float32_matmul_precision(),
        "settings": {key: os.environ[key] for key in sorted(os.environ) if DECIDES.match(key)},
    }


def _cpuinfo() -> dict[str, str]:
    """Return what Linux tells of the first processor; nothing elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def git(*words: str) -> str:
    """Return what git says of the project, nothing where it has no history here."""
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.ROOT), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
