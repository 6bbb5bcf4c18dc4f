"""pyproject.toml, constraints.txt and environment.yml describe one environment: this one."""

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())
EXTRAS = PROJECT["optional-dependencies"]
CONSTRAINTS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
# The pins that hold for this Python and platform.
PINS = {
    canonicalize_name(pin.name): pin.specifier
    for pin in CONSTRAINTS
    if pin.marker is None or pin.marker.evaluate()
}
CUDA = ("nvidia-", "cuda-", "triton")  # torch pins these itself, in its CUDA builds only


def installed(name: str) -> Version | None:
    """The version of a package here, without a build label such as ``+cpu``."""
    try:
        return Version(Version(distribution(name).version).public)
    except PackageNotFoundError:
        return None


def needed(requirement: Requirement, seen: set[tuple[str, str]]) -> None:
    """Collect in ``seen`` each (package, extra) that a requirement draws in, itself included."""
    name = canonicalize_name(requirement.name)
    for extra in {"", *requirement.extras} - {e for n, e in seen if n == name}:
        seen.add((name, extra))
        for child in map(Requirement, distribution(name).requires or []):
            if child.marker is None or child.marker.evaluate({"extra": extra}):
                if not child.name.startswith(CUDA):
                    needed(child, seen)


def test_every_constraint_is_one_exact_version() -> None:
    names = [canonicalize_name(pin.name) for pin in CONSTRAINTS]
    assert len(names) == len(set(names))
    for pin in CONSTRAINTS:
        [clause] = pin.specifier
        assert clause.operator == "==" and "*" not in clause.version, f"{pin} is not exact"
        assert pin.url is None, f"{pin} names a host"


@pytest.mark.parametrize("line", [*chain(PROJECT["dependencies"], *EXTRAS.values())])
def test_a_declared_dependency_is_pinned_at_a_version_that_it_admits(line: str) -> None:
    requirement = Requirement(line)
    pin = PINS[canonicalize_name(requirement.name)]
    [clause] = pin
    assert requirement.specifier.contains(clause.version), f"{line}, but the pin is {pin}"


def test_the_pins_are_all_that_the_project_draws_in_and_nothing_else() -> None:
    drawn: set[tuple[str, str]] = set()
    needed(Requirement(f"bioprop[{','.join(EXTRAS)}]"), drawn)
    assert {name for name, _ in drawn} - {"bioprop"} == set(PINS)


def test_what_is_installed_is_what_is_pinned() -> None:
    wrong = {
        name: f"{installed(name)}, pinned {pin}"
        for name, pin in PINS.items()
        if not pin.contains(installed(name) or "0")
    }
    assert not wrong


def test_conda_gives_a_python_that_the_project_admits() -> None:
    [python] = [d for d in CONDA["dependencies"] if str(d).startswith("python=")]
    admitted = SpecifierSet(PROJECT["requires-python"])
    assert python.removeprefix("python=") in admitted
    assert "{}.{}.{}".format(*sys.version_info) in admitted


def test_conda_installs_the_project_with_every_extra_under_the_constraints() -> None:
    assert CONDA["name"] == PROJECT["name"]
    [pip] = [d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict)]
    assert pip == ["-c constraints.txt", f"-e .[{','.join(EXTRAS)}]"]


def test_citations_name_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    assert citation["version"] == zenodo["version"] == PROJECT["version"]
    assert citation["title"] == zenodo["title"]
    assert all(part in zenodo["notes"] for part in ("MIT", "CC BY 4.0", "Apache"))


# Sets nothing up but the folder.
FAKE = """#!/bin/sh
[ "$2" = venv ] || exit 0
mkdir -p .venv/bin
ln -sf /bin/true .venv/bin/python
"""


@pytest.mark.parametrize("ahead", [-3600, 3600], ids=["of the past", "of times to come"])
def test_the_environment_is_set_up_once_whatever_the_clock_said(ahead: int, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    then = time.time() + ahead
    os.utime(tmp_path / "pyproject.toml", (then, then))
    (tmp_path / "fake").write_text(FAKE)
    (tmp_path / "fake").chmod(0o755)
    words = ["make", "-C", str(tmp_path), ".venv/ready", "PYTHON=./fake"]
    said = [subprocess.run(words, capture_output=True, text=True, check=True).stdout for _ in "ab"]
    assert ["Setting up" in each for each in said] == [True, False]
