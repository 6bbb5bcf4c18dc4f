"""Whoever uses an installed copy gets its types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

PROGRAM = """
import torch

from bioprop.deep import convert
from bioprop.learning import Dense, Network, Streams, Training, rule, sgd
from bioprop.learning.layers import LocallyConnected2d
from bioprop.tasks import Examples

streams = Streams((0, 1), torch.float32)
task = Examples(torch.rand(10, 3), torch.rand(10, 2), streams, 5)
network = Network([Dense(3, 2)], ["linear"], [streams.uniform("weights", (3, 2), 0.5)])
training = Training(network, rule("bp"), sgd(streams.each([0.1, 0.2])), task, streams)
training.until(task.each_epoch)
reveal_type(training.step)
reveal_type(network.weights)
reveal_type(convert(torch.nn.Linear(2, 2), "fa").converted)
reveal_type(LocallyConnected2d(3, 4, 8, 3).fan_in)
Dense("3", 2)
"""


def run(*words: str, folder: Path, **variables: str) -> str:
    """Run Python in a folder and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **variables},
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_mypy_finds_the_types_of_an_installed_copy(tmp_path: Path) -> None:
    sources, installed = tmp_path / "sources", tmp_path / "installed"
    shutil.copytree(ROOT / "src" / "bioprop", sources / "src" / "bioprop")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy2(ROOT / name, sources)
    pip = ("pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    said = run(*pip, "--target", str(installed), ".", folder=sources)
    assert (installed / "bioprop" / "py.typed").exists(), said
    (tmp_path / "program.py").write_text(PROGRAM)
    mypy = ("mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}", "program.py")
    said = run(*mypy, folder=tmp_path, PYTHONPATH=str(installed))
    assert [line.split(": ", 1)[-1] for line in said.splitlines()] == [
        'note: Revealed type is "int"',
        'note: Revealed type is "list[torch._tensor.Tensor]"',
        'note: Revealed type is "dict[str, str]"',
        'note: Revealed type is "float"',
        'error: Argument 1 to "Dense" has incompatible type "str"; expected "int"  [arg-type]',
        "Found 1 error in 1 file (checked 1 source file)",
    ], said
