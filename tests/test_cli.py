"""The command line does what it says, and says what is wrong in one line and with an exit code."""

import dataclasses
import errno
import inspect
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
import torch
import typer
from helpers import contents, copy_root, edit, python

from bioprop import cli, studies, values
from bioprop.book import parts, runs
from bioprop.book.closeness import Verification
from bioprop.book.records import Store, read
from bioprop.start import asks_for_help

DONE, FAILED, WRONG = 0, 1, 2
SMALL = ["--variant", "small"]  # the variant of a study that was recorded on a processor
COMMANDS = ["list", "run", "chapter", "verify", "scorecard", "explain", "book", "serve", "costs"]
COMMANDS += ["data list", "data fetch", "data check"]
STORED = "data/cache/runs/unchanged"

# One process that runs many command lines: what a line takes is its work, not its imports.
DRIVER = """
import contextlib, io, json, traceback
from bioprop.cli import main

for line in sys.stdin:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(json.loads(line))
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
            code = 99
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Said(NamedTuple):
    """What a command line left behind; white space and the frames of boxes are made plain."""

    code: int
    out: str
    err: str


Bioprop = Callable[[str], Said]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the command line reads, with one chapter more."""
    root = copy_root(tmp_path_factory.mktemp("root"))
    code = 'tier: str = "quick"\nmembers: int = 0\nrate: float = 0.0'
    cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["parameters"]})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    (root / "chapters" / "tests").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    nbformat.write(notebook, root / "chapters" / "tests" / "trial.ipynb")
    return root


@pytest.fixture(scope="module")
def bioprop(root: Path) -> Iterator[Bioprop]:
    """A function that runs a command line on the copy."""
    with python(DRIVER, root) as process:
        assert process.stdin is not None and process.stdout is not None
        talk = process.stdin, process.stdout

        def run(line: str) -> Said:
            talk[0].write(json.dumps(shlex.split(line)) + "\n")
            talk[0].flush()
            code, out, err = json.loads(talk[1].readline())
            assert "Traceback" not in out + err, err
            return Said(code, plain(out), plain(err))

        yield run


def plain(text: str) -> str:
    return " ".join(re.sub(r"[─-╿]", " ", text).split())


# Wrong words


@pytest.mark.parametrize(
    "line, words",
    [
        ("run linear-tsk", "no study 'linear-tsk'; allowed: toy ... mean 'linear-task'?"),
        ("scorecard linear-tsk", "no study 'linear-tsk'; ... mean 'linear-task'?"),
        ("list linear-tsk", "no study 'linear-tsk'; ... mean 'linear-task'?"),
        ("verify toy", "no study 'toy'; allowed: toy-network, linear-rates"),
        ("run toy-network --tier papper", "no tier 'papper'; ... mean 'paper'?"),
        ("run toy-network --pending --tier smoke", "leave out settings, --tier, --variant"),
        ("run toy-network --tier reduced", "no tier 'reduced'; allowed: smoke, quick, paper."),
        ("run --tier papper", "no tier 'papper'; ... mean 'paper'?"),
        ("book --tier papper", "no tier 'papper'; ... mean 'paper'?"),
        ("book -p rtae=1", "no parameter 'rtae' in the chapters; ... mean 'rate'?"),
        ("book -p rate=quick", "'rate' of 'target-propagation' must be float, not 'quick'"),
        ("book --tier smoke -p rate=nan", "setting rate = nan: Input ... finite"),
        ("book --tier smoke -p members=-1", "setting members = -1: ... or equal to 1"),
        (
            "run linear-task --variant bpp",
            "no variant 'bpp' in study 'linear-task'; ... mean 'bp'?",
        ),
        ("run linear-task --set rtae=1", "no setting 'rtae' in study 'linear-task'; ... 'rate'?"),
        ("run linear-task --set tier=smoke", "no setting 'tier' in study 'linear-task'"),
        ("run linear-task --set variant=fa", "no setting 'variant' in study 'linear-task'"),
        ("run linear-task --set self=1", "no setting 'self' in study 'linear-task'"),
        ("run linear-task --set rate", "settings are given as name=value, ... not 'rate'"),
        ("run linear-task --set =0.1", "settings are given as name=value, ... not '=0.1'"),
        ("run linear-task --set ''", "settings are given as name=value, ... not ''"),
        ("run linear-task --set 'sizes=[30, 20'", "'[30, 20' is no list; ... [30, 20, 10]"),
        ("run linear-task --set rate=fast", "setting rate = 'fast': Input ... a valid number"),
        ("run linear-task --set rate=", "setting rate = '': Input ... a valid number"),
        ("run linear-task --set rate=-1", "setting rate = -1: Input ... greater than 0"),
        ("run linear-task --set rate=nan", "setting rate = nan: Input ... finite"),
        ("run linear-task --set rate=1e999", "setting rate = inf: Input ... finite"),
        ("run linear-task --set examples=1.5", "setting examples = 1.5: ... a valid integer"),
        ("run linear-task --set rate=yes", "setting rate = 'yes': Input ... a valid number"),
        ("run linear-task --set members=1:30", "setting members = '1:30': ... a valid integer"),
        ("run linear-task --set members=true", "setting members = 'true': ... a valid integer"),
        ("run linear-task --set slope=1", "no setting 'slope'"),
        ("run linear-task --set rate=1 --set rate=2", "rate is given twice, as 1 and as 2"),
        ("run linear-task --seeds 3 --set members=2", "members is given twice, by --set and by"),
        ("run toy-network mnist --tier reduced", "no tier of toy-network 'reduced'; ... paper"),
        ("run mnist --tier smoke --set slope=perhaps", "setting slope = 'perhaps': ... boolean"),
        (f"run linear-task --set members={10**20}", "setting members = 1000 ... equal to 1000000"),
        ("run linear-task --set members=1e9", "setting members = 1000 ... equal to 1000000"),
        (f"run linear-task --seeds {10**30}", "setting members = 1000 ... equal to 1000000"),
        ("run linear-task --set first_seed=1e10", "setting first_seed = ... equal to 1000000000"),
        ("run linear-task --set 'sizes=[30, 20]'", "setting sizes.2 = [30, 20]: Field required"),
        ("run linear-task --set sizes=3,2,1", "setting sizes = '3,2,1': ... as [30, 20, 10]"),
        ("run linear-task --set 'sizes=[3, 0, 1]'", "setting sizes.1 = 0: ... or equal to 1"),
        ("run linear-task --seeds 0", "setting members = 0: ... or equal to 1"),
        ("run --tier smoke --set rtae=1", "no setting 'rtae' in study 'toy-network'"),
        ("run linear-task --set rate=2024-01-01", "setting rate = '2024-01-01': Input"),
        ("run linear-task --precision float16", "setting precision = 'float16': ... 'float32'"),
        (
            "run linear-task --device gpu",
            "setting device = 'gpu': allowed are cpu, ... cuda:1",
        ),
        (
            "run linear-task --device mps",
            "setting device = 'mps': allowed are cpu, ... cuda:1",
        ),
        ("run freezing --set turns=[12,5]", "setting turns.1 = '5': ... such as 12 or 4"),
        ("run linear-task --tier smoke --device cuda:99", "'cuda:99' is not here ... --device cpu"),
        ("run linear-task --tier smoke --set rule=bpp", "no learning rule 'bpp'; ... mean 'bp'?"),
        ("run linear-task --tier smoke --set rule=7", "setting rule = '7': no learning rule '7'"),
        ("run toy-network --tier smoke --set rule=np", "setting rule = 'np': ... 'bp' or 'fa'"),
        ("run alignment-needed --set rule=bp", "setting rule = 'bp': ... 'rotated'"),
        ("chapter trail", "no chapter 'trail'; ... mean 'trial'?"),
        ("chapter trial -p membres=5", "no parameter 'membres' in chapter 'trial'; ... 'members'?"),
        ("chapter trial -p members", "settings are given as name=value, ... not 'members'"),
        ("chapter trial -p members=many", "'members' of 'trial' must be int, not 'many'"),
        ("chapter trial -p members=1.5", "'members' of 'trial' must be int, not '1.5'"),
        ("chapter trial -p members=1:30", "'members' of 'trial' must be int, not '1:30'"),
        ("chapter trial -p rate=yes", "'rate' of 'trial' must be float, not 'yes'"),
        ("chapter trial -p rate=[1]", "'rate' of 'trial' must be float, not '[1]'"),
        ("chapter linear-task -p members=-3", "setting members = -3: ... or equal to 1"),
        ("chapter linear-task -p members=1e9", "setting members = ... equal to 1000000"),
        ("chapter linear-task -p rate=inf", "setting rate = inf: Input ... finite"),
        ("chapter deeper -p rate=-1", "setting rate = -1.0: ... greater than 0"),
        ("chapter linear-task -p tier=reduced", "no tier 'reduced' in study 'linear-task'"),
        ("data fetch mnits", "no data set 'mnits'; allowed: mnist, cifar10, ... mean 'mnist'?"),
        ("data check cifar", "no data set 'cifar'; ... mean 'cifar10'?"),
        ("data check imagenet", "imagenet is neither fetched nor checked"),
        ("data fetch digits", "digits is neither fetched nor checked"),
        ("paint", "No such command 'paint'"),
        ("run linear-task --seed 3", "No such option: --seed"),
        ("run linear-task --seeds many", "'--seeds': Input should be a valid integer"),
        ("run toy-network --part 4-3", "first and last seed, such as 3-4, not '4-3'"),
        ("run toy-network --tier paper --part 39-40", "seed 40 is none of ... seeds are 0-39"),
        ("run --pending --set rate=1", "--pending makes what is missing as it is declared"),
        ("run --pending --variant bp", "--pending makes what is missing as it is declared"),
        ("run --pending linear-tsk", "no study 'linear-tsk'; ... mean 'linear-task'?"),
        ("run --hours 1", "--hours, --jobs and --scheduler are for --pending"),
        ("run --jobs 2", "--hours, --jobs and --scheduler are for --pending"),
        ("run --pending --jobs 0", "'--jobs': Input should be greater than or equal to 1"),
        ("verify toy-network --part a", "first and last seed, such as 3-4, not 'a'"),
        ("verify toy-network --variant smal", "no variant 'smal'; ... mean 'small'?"),
        ("verify toy-network --device gpu", "device 'gpu': allowed are cpu, cuda, and cuda:1"),
        ("verify toy-network --device cuda:x", "device 'cuda:x': allowed are cpu, cuda, and"),
        ("verify toy-network --device ''", "device '': allowed are cpu, cuda, and"),
        ("verify --threads 0", "'--threads': Input should be greater than or equal to 1"),
        ("serve --port 70000", "'--port': Input should be less than or equal to 65535"),
    ],
)
def test_wrong_words_are_refused_with_what_was_given_and_what_is_allowed(
    line: str, words: str, bioprop: Bioprop, root: Path
) -> None:
    before = contents(root / "data")
    said = bioprop(line)
    assert said.code == WRONG and not said.out
    place = 0
    for part in words.split(" ... "):
        assert part in said.err[place:]
        place = said.err.index(part, place) + len(part)
    assert contents(root / "data") == before, "nothing is written"


@pytest.mark.slow
def test_a_run_of_all_studies_leaves_out_those_that_refuse_a_setting(bioprop: Bioprop) -> None:
    said = bioprop("run --tier smoke --variant bp --seeds 2")
    assert said.code == DONE
    for words in (
        "left out: study 'receptive-fields': setting members = 2",
        "left out: no variant 'bp' in study 'toy-network'",
        "linear-task/smoke/bp.json: 2 networks",
    ):
        assert words in said.out


def test_no_words_at_all_show_what_there_is(bioprop: Bioprop) -> None:
    assert "scorecard" in bioprop("").out


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example(command: str, bioprop: Bioprop) -> None:
    said = bioprop(f"{command} --help")
    assert said.code == DONE
    assert re.search(rf"Examples?: bioprop {command}", said.out)


def test_every_command_is_in_these_tests() -> None:
    group = typer.main.get_command(cli.app)
    names = list(group.commands)  # type: ignore[attr-defined]
    names.remove("data")
    names += [f"data {name}" for name in group.commands["data"].commands]  # type: ignore[attr-defined]
    assert sorted(names) == sorted(COMMANDS)


def examples() -> list[str]:
    """Return every example of the help texts, without its first word."""
    infos = [*cli.app.registered_commands, *cli.data.registered_commands]
    texts = [inspect.getdoc(info.callback) or "" for info in infos]
    return [found for text in texts for found in re.findall(r"`bioprop ([^`]+)`", text)]


@pytest.mark.parametrize("line", examples())
def test_an_example_of_the_help_is_understood(line: str) -> None:
    command: Any = typer.main.get_command(cli.app)
    words = shlex.split(line)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with command.make_context("bioprop", words) as context:
        given = context.params
    named = given.get("study") or []
    for name in [named] if isinstance(named, str) else named:
        study = studies.get(name)
        for variant in given.get("variant") or study.variants:
            changes = study.read(values.pairs(given.get("set_", [])))
            study.configure(given.get("tier", "quick"), variant, **changes)


def test_help_does_not_wait_for_pytorch() -> None:
    code = "import sys, bioprop.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert asks_for_help([]) and asks_for_help(["run", "--help"]) and not asks_for_help(["list"])
    assert cli.TIERS == studies.TIERS


STOPPED = """
import importlib, signal, sys
from bioprop.start import command
importlib.import_module = lambda _: signal.raise_signal(signal.SIGINT)
sys.argv = ["bioprop", "list"]
command()
"""


def test_ctrl_c_while_the_library_loads_is_told_in_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (FAILED, "Aborted.\n")


def test_explain_shows_all_that_is_behind_a_verdict(bioprop: Bioprop) -> None:
    said = bioprop("explain toy-aligns")
    assert said.code == DONE
    words = "claim toy-aligns: .* recorded .* criterion .* verdict .* since .* measure .* records "
    assert re.match(words, said.out)
    assert "bioprop verify toy-network --variant small" in said.out
    assert "data/runs/toy-network/paper/small.json" in said.out
    wrong = bioprop("explain toy-aligned")
    assert wrong.code == WRONG and "Did you mean 'toy-aligns'?" in wrong.err
    assert len(wrong.err) < 300, "of so many names those near it will do"
    far = bioprop("explain xyz")
    assert far.code == WRONG and re.search(r"no claim 'xyz' among \d+\.", far.err)


def test_explain_lists_the_claims_of_a_study(bioprop: Bioprop) -> None:
    said = bioprop("explain toy-network")
    claims = studies.get("toy-network").claims
    assert said.code == DONE and claims
    assert all(f"{claim.id} {claim.statement}" in said.out for claim in claims)


# Work


def test_list_names_every_study_and_what_is_recorded(bioprop: Bioprop) -> None:
    said = bioprop("list")
    assert said.code == DONE
    row = r"linear-task The linear task (smoke, quick, paper \(4/4 recorded in [\d.]+ (s|min|h)\))"
    assert re.search(row, said.out)
    assert all(study in said.out for study in studies.STUDIES)
    named = bioprop("list linear-task").out
    assert "shallow" not in said.out and "variants: bp, fa, np, shallow" in named
    own = "as tier quick of variant bp has them: members=10, first_seed=100, precision=float64"
    assert f"settings of linear-task, for --set, {own}" in named


def test_the_settings_that_are_listed_are_words_that_are_read() -> None:
    for study in studies.STUDIES.values():
        own = dataclasses.asdict(study.configure("quick", next(iter(study.variants))))
        read = study.read({name: cli._written(value) for name, value in own.items()})
        assert study.configure("quick", next(iter(study.variants)), **read) == study.configure(
            "quick", next(iter(study.variants))
        ), study.name


def test_a_run_is_kept_apart_from_the_published_records_which_are_not_repeated(
    bioprop: Bioprop, root: Path
) -> None:
    published = contents(root / "data" / "runs")
    said = bioprop("run toy-network --tier smoke")
    kept = contents(root / STORED / "toy-network")
    assert said.code == DONE and sorted(kept) == [
        f"smoke/{variant}.json" for variant in ("anywhere", "backprop", "small")
    ]
    assert f"{root / STORED}/toy-network/smoke/small.json: 3 networks" in said.out
    again = bioprop("run toy-network --tier paper")
    assert again.out.count("already there; --again runs it anew") == 3
    assert "w0 " in said.out, "what was measured is not shown"
    assert said.out.count("published, tier paper, ") == 3 and "networks: w0 " in said.out
    changed = bioprop("run toy-network --tier paper --variant small --seeds 2 --set examples=100")
    assert changed.code == DONE and ": 2 networks" in changed.out
    assert contents(root / STORED / "toy-network") == kept
    assert contents(root / "data" / "runs") == published


@pytest.mark.slow
def test_a_run_of_all_studies_makes_every_record(bioprop: Bioprop, root: Path) -> None:
    assert bioprop("run --tier smoke").code == DONE
    kept = set(contents(root / STORED))
    assert kept >= {
        f"{s.name}/smoke/{v}.json" for s in studies.STUDIES.values() for v in s.variants
    }


def test_a_run_that_diverges_is_done_and_says_so(bioprop: Bioprop) -> None:
    said = bioprop("run linear-task --tier smoke --variant fa --set rate=10")
    assert said.code == DONE and "3 networks" in said.out and "3 diverged" in said.out


def test_a_run_counts_what_the_members_of_its_study_are(bioprop: Bioprop) -> None:
    said = bioprop("run receptive-fields --tier smoke --variant bp")
    assert said.code == DONE and "bp.json: 9 hidden units, " in said.out
    assert "at the last mark, mean over hidden units: change " in said.out


def test_a_list_can_be_set(bioprop: Bioprop, root: Path) -> None:
    said = bioprop("run linear-task --tier smoke --variant bp --set 'sizes=[6, 4, 2]'")
    [path] = re.findall(r"(/\S+\.json): 3 networks", said.out)
    assert json.loads(Path(path).read_text())["configuration"]["sizes"] == [6, 4, 2]


def test_the_scorecard_has_a_verdict_for_every_claim(bioprop: Bioprop) -> None:
    said = bioprop("scorecard")
    assert said.code == DONE
    claims = [claim.id for study in studies.STUDIES.values() for claim in study.claims]
    words = "not reproduced|reproduced|partly|holds in part|holds|does not hold|not attempted"
    verdicts = re.findall(rf"({words}|cannot be judged) ([\w-]+): ", said.out)
    assert [claim for _, claim in verdicts] == claims
    own = {c.id for study in studies.STUDIES.values() for c in study.claims if c.origin == "ours"}
    assert not {claim for verdict, claim in verdicts if "repro" in verdict} & own


def test_the_scorecard_of_studies_that_are_named_has_their_claims_alone(bioprop: Bioprop) -> None:
    said = bioprop("scorecard depth linear-task depth")
    claims = [claim.id for name in ("depth", "linear-task") for claim in studies.get(name).claims]
    assert said.code == DONE and re.findall(r" ([a-z][\w-]+): [A-Z(]", said.out) == claims


def test_a_scorecard_without_claims_says_so(bioprop: Bioprop) -> None:
    said = bioprop("scorecard linear-rates mnist-rates")
    assert said.code == DONE
    assert said.out == "no claims in linear-rates, mnist-rates: nothing is judged there"


def test_verify_makes_the_records_again(bioprop: Bioprop) -> None:
    said = bioprop("verify toy-network")
    assert said.code == DONE and said.out.count(": agrees") == 3


def test_verify_makes_one_record_again_where_one_is_named(bioprop: Bioprop) -> None:
    said = bioprop("verify toy-network --variant small")
    assert said.code == DONE and said.out.count(": agrees") == 1


@pytest.mark.parametrize("words", ["", "--device cpu", "mnist-depth"])
def test_what_was_made_on_a_device_that_is_not_here_is_left_out_or_run_on_another(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(runs, "verify", lambda *_, **__: Verification("in a test"))
    here, card = "toy-network/paper/small", "mnist-depth/paper/bp-2"
    named = ["--variant", "bp-2", *(SMALL if words != "mnist-depth" else [])]
    with pytest.raises(SystemExit) as stop:
        cli.main(["verify", *words.split(), *named])
    said = capsys.readouterr()
    if words == "mnist-depth":
        assert stop.value.code == WRONG and "device 'cuda' is not here" in said.err
        return
    assert stop.value.code in (None, DONE) and f"{here}: agrees" in said.out
    assert (f"{card}: agrees" in said.out) == bool(words)
    assert ("left out" in said.out and card in said.out.split("\n")[0]) == (not words)
    assert ("some of it was on another device" in plain(said.out)) == bool(words)


@pytest.fixture
def kept(root: Path) -> Iterator[Path]:
    """A record that a test may spoil."""
    path = root / "data" / "runs" / "toy-network" / "paper" / "small.json"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


@pytest.fixture
def begun(kept: Path) -> Iterator[Path]:
    """The first two seeds of a record, as a part, in the place of the record."""
    store, names = Store(kept.parents[2]), ("toy-network", "paper", "small")
    whole = read(kept)
    made = {"provenance": whole.provenance}
    first = parts.join([whole], range(2)).model_copy(update=made)
    kept.unlink()
    yield store.save(first, part=True)
    for path in store.files(*names):
        path.unlink()


@pytest.mark.slow
def test_what_is_missing_is_said(bioprop: Bioprop, begun: Path) -> None:
    assert "paper (3/3 recorded, 82 of 120 seeds so far, in" in bioprop("list").out
    said = bioprop("scorecard").out
    unfinished = re.findall(r"\d+ of (\d+) [a-z ]+ so far", said)  # other studies may be, too
    assert said.count("2 of 40 networks so far") == unfinished.count("40") == 2
    assert len(unfinished) == said.count("so far")


def test_a_scorecard_says_which_record_it_lacks(bioprop: Bioprop, kept: Path) -> None:
    kept.unlink()
    said = bioprop("scorecard toy-network")
    assert said.code == DONE and "toy-network: no record of small at tier paper" in said.out
    assert "bioprop run toy-network --tier paper --variant small" in said.out


def test_pending_makes_what_is_missing_and_says_how_long_that_will_take(
    bioprop: Bioprop, begun: Path
) -> None:
    said = bioprop("run --pending toy-network linear-task")
    assert said.code == DONE
    assert re.search(r"toy-network/paper/small, seeds 2-39 .* as recorded", said.out)
    assert re.search(r"1 parts, about \d+ s on 1 at a time", said.out)
    assert re.search(r"seeds 2-39: 38 networks in \d+ s; 1 of 1 parts$", said.out)
    assert begun.with_name("small.2-39.json").exists()
    again = bioprop("run --pending toy-network linear-task")
    assert again.out == "nothing is pending of toy-network, linear-task"
    assert "so far" not in bioprop("list toy-network").out
    assert "of 40 networks so far" not in bioprop("scorecard").out
    there = bioprop("run toy-network --tier paper --variant small")
    assert there.out.count("already there; --again runs it anew") == 2


def test_a_part_is_made_verified_and_made_again_by_its_seeds(bioprop: Bioprop, begun: Path) -> None:
    line = "toy-network --variant small --part 2-5"
    made = bioprop(f"run --tier paper {line}")
    path = begun.with_name("small.2-5.json")
    assert made.code == DONE and f"{path}: 4 networks" in made.out
    before = path.read_bytes()
    assert "already there" in bioprop(f"run --tier paper {line}").out
    said = bioprop(f"verify {line}")
    assert said.code == DONE and said.out.startswith("toy-network/paper/small.2-5: agrees")
    assert bioprop("verify toy-network --variant small").out.count(": agrees") == 2
    path.write_text("{")
    [command] = re.findall(r"anew with: bioprop (.*)", bioprop("scorecard toy-network").err)
    assert bioprop(command).code == DONE
    assert json.loads(path.read_text())["values"] == json.loads(before)["values"]
    rest = bioprop("run toy-network --tier paper --variant small")
    assert rest.code == DONE and "small.6-39.json: 34 networks" in rest.out


def test_parts_that_do_not_belong_together_fail_whatever_reads_them(
    bioprop: Bioprop, begun: Path
) -> None:
    other = begun.with_name("small.1-2.json")
    content = json.loads(begun.read_text())
    shifted = content["configuration"] | {"first_seed": 1}
    other.write_text(begun.read_text())
    edit(other, configuration=shifted, labels={"seed": [1, 2]})
    said = bioprop("scorecard")
    other.unlink()
    assert said.code == FAILED
    assert "small.0-1.json, small.1-2.json" in said.err and "both have seed 1" in said.err


def test_verify_fails_where_a_record_was_sealed_anew_with_other_values(
    bioprop: Bioprop, kept: Path
) -> None:
    values = json.loads(kept.read_text())["values"]
    values["w"][-1][0] += 0.5
    edit(kept, values=values)
    said = bioprop("verify toy-network")
    assert said.code == FAILED
    assert "toy-network/paper/small: w differs by 0.5 (member 0, after" in said.out
    assert said.out.count(": agrees") == 2, "the others are verified as well"


def test_a_damaged_record_fails_whatever_reads_it(bioprop: Bioprop, kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-10])
    for line in ("scorecard", "verify toy-network", "list"):
        said = bioprop(line)
        assert said.code == FAILED
        assert said.err.startswith(f"bioprop: record {kept} is truncated or damaged")
        assert "bioprop run toy-network --tier paper --variant small --again" in said.err


def test_the_command_that_a_damaged_record_names_mends_it(
    bioprop: Bioprop, root: Path, kept: Path
) -> None:
    sound = json.loads(kept.read_text())
    kept.write_text("")
    [command] = re.findall(r"anew with: bioprop (.*)", bioprop("scorecard toy-network").err)
    assert bioprop(command).code == DONE
    assert json.loads(kept.read_text())["values"] == sound["values"]
    assert bioprop("scorecard toy-network").code == DONE


def test_verify_fails_where_nothing_is_recorded(bioprop: Bioprop, kept: Path) -> None:
    folder, aside = kept.parent, kept.parent.with_name("aside")
    folder.rename(aside)
    try:
        said = bioprop("verify toy-network")
    finally:
        aside.rename(folder)
    assert (said.code, said.err) == (
        FAILED,
        "bioprop: nothing is recorded to verify; see bioprop list",
    )


def test_a_file_in_the_way_is_named(bioprop: Bioprop, root: Path) -> None:
    (root / STORED).mkdir(parents=True, exist_ok=True)
    place = root / "data" / "cache" / "runs" / "unchanged" / "linear-task"
    aside = place.rename(place.with_name("aside")) if place.exists() else None
    place.touch()
    try:
        said = bioprop("run linear-task --tier smoke --variant bp")
    finally:
        place.unlink()
        if aside:
            aside.rename(place)
    assert said.code == FAILED and f"could not write record {place}" in said.err


def test_data_that_are_not_there_are_named_with_the_command_that_fetches_them(
    bioprop: Bioprop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BIOPROP_DATA", raising=False)
    said = bioprop("data check mnist")
    assert said.code == FAILED and "Fetch it with: bioprop data fetch mnist" in said.err


def test_image_sets_are_listed_with_where_they_are_and_where_they_come_from(
    bioprop: Bioprop, root: Path
) -> None:
    folder = root / "data" / "cache" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "test_batch").touch()
    try:
        said = bioprop("data list")
    finally:
        shutil.rmtree(folder)
    assert said.code == DONE
    for words in (
        "mnist 70 000 handwritten digits, 28 x 28, grey not here; bioprop data fetch mnist from",
        f"here in part: {folder}; bioprop data fetch cifar10",
        "licence: CC BY-SA 3.0 to download: 11.6 MB",
        "digits 1797 handwritten digits, 8 x 8, grey here from scikit-learn",
        "imagenet 1 331 167 photographs of 1000 classes not here from https",
    ):
        assert "".join(words.split()) in "".join(said.out.split()), words


def test_imagenet_that_is_not_here_is_said_before_anything_is_timed(bioprop: Bioprop) -> None:
    said = bioprop("run imagenet-local --tier paper --variant fa")
    assert said.code == FAILED and "ImageNet is not here: no folder with train and val" in said.err
    assert "this takes" not in said.out


# The site


def test_serve_without_a_site_says_how_to_make_one(bioprop: Bioprop) -> None:
    said = bioprop("serve --no-browser")
    assert (said.code, said.err) == (
        FAILED,
        "bioprop: there is no built site yet; make it with: make book",
    )


@pytest.fixture
def site(root: Path) -> Iterator[Path]:
    """A built site of one page."""
    page = root / "_build" / "html" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>a page</p>")
    yield page
    page.unlink()
    page.parent.rmdir()


def test_serve_shows_the_site_to_this_machine_only(root: Path, site: Path) -> None:
    code = "from bioprop.cli import main\nmain(['serve', '--port', '0', '--no-browser'])"
    with python(f"sys.stdout.reconfigure(line_buffering=True)\n{code}", root) as process:
        assert process.stdout is not None
        watch = threading.Timer(30, process.kill)
        watch.start()
        [address] = re.findall(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        with urllib.request.urlopen(address, timeout=10) as page:
            assert page.read() == site.read_bytes()
        watch.cancel()


def test_a_port_that_is_taken_is_named(bioprop: Bioprop, site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = bioprop(f"serve --no-browser --port {taken.getsockname()[1]}")
    assert said.code == FAILED and "cannot be used (Address already in use); --port 0" in said.err


@pytest.mark.parametrize("ending", [".html", ".js", ".css", ".svg", ".json", ".woff", ".pdf"])
def test_pages_have_types_of_their_own_whatever_the_machine_lists(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetypes.guess_type", lambda *_, **__: ("text/odd", None))
    server = object.__new__(cli.Pages)
    assert cli.Pages.guess_type(server, f"/page{ending}") not in ("text/odd", "text/plain")


def test_what_the_file_system_refuses_is_said_in_words(bioprop: Bioprop, root: Path) -> None:
    build = root / "_build"
    aside = build.rename(root / "aside") if build.exists() else None
    build.write_text("in the way")
    try:
        for line in ("chapter trial", "book --tier smoke"):
            said = bioprop(line)
            assert said.code == FAILED and "Errno" not in said.err
            assert f"could not read or write {build}" in said.err
            assert "a file is where a folder should be. Move it away" in said.err
    finally:
        build.unlink()
        if aside:
            aside.rename(build)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "a file: the disk is full"),
        (OSError(errno.EROFS, "Read-only", "/there"), "/there: the file system is read-only"),
        (OSError(errno.EIO, "Input/output error", "/there"), "/there: Input/output error"),
    ],
)
def test_a_fault_of_the_disk_is_said_in_words(
    error: OSError,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "chosen", fail)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", "toy-network"])
    assert stopped.value.code == FAILED
    assert f"could not read or write {words}" in " ".join(capsys.readouterr().err.split())


def test_who_interrupts_a_run_is_told_how_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run", interrupted)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "toy-network", "--tier", "smoke", "--variant", "small"])
    assert stopped.value.code == 130
    said = capsys.readouterr().out
    assert "toy-network/smoke/small: interrupted; the same command goes on" in said


# The installed command


@pytest.mark.parametrize("words, code", [(["list"], DONE), (["run", "linear-tsk"], WRONG)])
def test_the_installed_command_ends_with_the_exit_code(
    words: list[str], code: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOPROP_ROOT", str(root))
    command = [str(Path(sys.executable).with_name("bioprop")), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "encoding"),
    [(["scorecard"], e) for e in ("ascii", "latin-1", "utf-8")] + [(["run", "–"], "ascii")],
)
def test_the_installed_command_prints_in_any_locale(
    words: list[str], encoding: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIOPROP_ROOT", str(root))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("COLUMNS", "120")
    command = [str(Path(sys.executable).with_name("bioprop")), *words]
    done = subprocess.run(command, capture_output=True, encoding=encoding, timeout=60)
    assert done.returncode == (WRONG if "–" in words else DONE), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if words == ["scorecard"]:
        minus = "−" if encoding == "utf-8" else "-"
        said = " ".join(done.stdout.partition("linear-fa-lead-10:")[2].split())
        about = "≈" if encoding == "utf-8" else "~"
        assert re.match(rf".* reported {about} {minus}0\.80, recorded {minus}0\.\d\d \[", said)


def test_a_readers_settings_reach_no_command(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONSTARTUP": "mine.py",
        "SOURCE_DATE_EPOCH": "0",
        "MPLBACKEND": "tkagg",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    (tmp_path / "matplotlibrc").write_text("savefig.bbox: tight\n")
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    code = (
        "import json, os\nfrom bioprop.start import settle\nsettle()\nimport matplotlib\n"
        "own = matplotlib.rcParams\n"
        "print(json.dumps([dict(os.environ), own['backend'], own['savefig.bbox']]))"
    )
    with python(code, root) as process:
        said, complaint = process.communicate(timeout=60)
    left, backend, box = json.loads(said)
    assert (backend.lower(), box) == ("agg", None), complaint
    assert not {name for name in theirs if left.get(name) == theirs[name]}
    assert left["PATH"] == os.environ["PATH"]


# Messages and faults


def stumble(code: str, monkeypatch: pytest.MonkeyPatch, file: str = cli.__file__) -> None:
    """Run the command line with a line of code in the middle of it, as if it stood in ``file``."""
    line = compile(code, file, "exec")
    monkeypatch.setattr(cli, "chosen", lambda _: exec(line, {}))
    cli.main(["verify", "toy-network"])


@pytest.mark.parametrize(
    "code, fault",
    [
        ("int('x')", "invalid literal"),
        ("float('x')", "could not convert"),
        ("[].remove(1)", "not in list"),
        ("import numpy; numpy.zeros(2) + numpy.zeros(3)", "could not be broadcast"),
        ("b'\\xff'.decode()", "can't decode"),
        ("raise ValueError(int('x'))", "invalid literal"),
        ("with open('/dev/null'): int('x')", "invalid literal"),
        ("import json; json.loads('{')", "Expecting property name"),
    ],
)
def test_an_error_of_a_library_is_no_message_even_where_its_last_line_is_ours(
    code: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=fault):
        stumble(code, monkeypatch)


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError('no such rule')",
        "if True: raise ValueError(\n    'no such rule',\n)",
        "try:\n    int('x')\nexcept ValueError:\n    raise ValueError('no such rule') from None",
        "with open('/dev/null'):\n    raise ValueError('no such rule')",
    ],
)
def test_what_this_project_refuses_is_a_message(
    code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        stumble(code, monkeypatch)
    assert stopped.value.code == WRONG
    assert "bioprop: " in capsys.readouterr().err


def test_what_others_refuse_is_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no such axis"):
        stumble("raise ValueError('no such axis')", monkeypatch, file="/site-packages/other.py")
