"""Bartunov et al. 2018: settings as printed, networks of Table 3, and what is measured."""

import dataclasses
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from test_autoencoder import record

from bioprop import studies
from bioprop.book.claims import best_tier, judge
from bioprop.book.records import RECORDED
from bioprop.studies import reported
from bioprop.studies.bartunov2018 import (
    figures,
    imagenet_local,
    measures,
    tables,
    targets_sdtp,
    untaught,
)
from bioprop.studies.bartunov2018.measures import chosen, lowest
from bioprop.studies.bartunov2018.methods import (
    METHODS,
    MethodSettings,
    beside,
    changes,
    in_full,
    layers,
    prepare,
    present,
    taught_by,
)
from bioprop.studies.bartunov2018.search import LAST as THREE
from bioprop.studies.bartunov2018.search import best
from bioprop.studies.bartunov2018.table_claims import below_full
from bioprop.studies.bartunov2018.tables import PAPER
from bioprop.studies.bartunov2018.targets_cifar_grid import LAST
from bioprop.studies.bartunov2018.targets_defect import LEFT_OUT, sparing
from bioprop.studies.bartunov2018.targets_mnist_table5 import TABLE_5
from bioprop.studies.journal import Journal
from bioprop.studies.long_runs import LONG_RUNS, for_long_runs
from bioprop.studies.signals import steepest

SMALL = {"images": "digits", "hidden": (12, 12), "held_out": 200, "batch": 50, "members": 3}


@pytest.mark.parametrize(
    ("network", "table", "name"),
    [("mnist-fc", TABLE_5, name) for name in TABLE_5]
    + [("imagenet-lc", imagenet_local.TABLE_5, name) for name in imagenet_local.TABLE_5],
)
def test_the_printed_settings_are_those_of_table_5(
    network: str, table: dict[str, dict[str, float]], name: str
) -> None:
    rows = reported.table("bartunov2018")["value"]
    printed = {
        mine: float(rows[key])
        for mine, word in tables.NAMES.items()
        if (key := f"table5-{network}-{name}-{word}") in rows.index
    }
    if (network, name) == ("imagenet-lc", "dfa"):
        assert not printed and table["dfa"] == table["fa"], "which did not fit, and has no column"
    else:
        assert table[name] == printed


@pytest.mark.parametrize(
    "study, column",
    [
        ("targets-mnist", "mnist-fc"),
        ("targets-mnist-local", "mnist-lc"),
        ("targets-cifar", "cifar10-fc"),
        ("targets-cifar-local", "cifar10-lc"),
    ],
)
def test_every_cell_of_table_1_has_a_claim(study: str, column: str) -> None:
    cells = {key for key in reported.table("bartunov2018").index if key.startswith(column)}
    claimed = {claim.reported for claim in studies.get(study).claims}
    assert {cell for cell in cells if cell.endswith("-test")} <= claimed


@pytest.mark.parametrize(
    "study, variant, sizes",
    [
        ("targets-mnist", "bp", [(784, 256), *[(256, 256)] * 4, (256, 10)]),
        (
            "targets-mnist-local",
            "fa",
            [(196, 9, 32), (49, 288, 64), (3136, 1024), (1024, 10)],
        ),
        (
            "targets-mnist-local",
            "bp-convnet",
            [(32, 1, 3, 3), (64, 32, 3, 3), (3136, 1024), (1024, 10)],
        ),
    ],
)
def test_the_networks_are_those_of_table_3(
    study: str, variant: str, sizes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bioprop.studies.bartunov2018 import methods
    from bioprop.tasks.images import Images

    blank = torch.zeros(6000, 784, dtype=torch.uint8), torch.zeros(6000, dtype=torch.uint8)
    mnist = Images(*blank, *blank, (1, 28, 28))
    monkeypatch.setattr(methods, "load", lambda name, held_out=0: mnist.held_out(held_out))
    settings = studies.get(study).configure("reduced", variant, members=1)
    training, _ = prepare(settings, settings.streams())
    assert [layer.weight_shape for layer in training.network.layers] == sizes
    assert training.network.activations[-1] == "softmax"


def run(name: str, **changes: object) -> tuple[MethodSettings, Journal]:
    settings = MethodSettings(**{**METHODS[name], **SMALL, "epochs": 2, **changes})
    journal = Journal()
    studies.get("targets-mnist").run(settings, journal)
    return settings, journal


@pytest.mark.parametrize("name", METHODS)
def test_marks_are_forward_epochs_whatever_the_schedule(name: str) -> None:
    settings, journal = run(name)
    assert [mark for mark, _ in journal.rows] == [k * settings.each_epoch for k in range(3)]
    errors = journal.table()
    assert {"error", "validation", "training", "angle-1", "angle-2"} <= set(errors)


def test_backpropagation_is_at_no_angle_to_itself() -> None:
    _, journal = run("bp")
    assert journal.table()[["angle-1", "angle-2"]].to_numpy() == pytest.approx(0, abs=1e-3)


def test_a_tiny_step_is_its_own_limit_and_the_whole_one_is_not() -> None:
    for step, low, high in ((1e-3, 0, 0.5), (1.0, 1.0, 90)):
        settings = MethodSettings(
            **{**METHODS["sdtp-parallel"], **SMALL, "step": step, "reads": "output"},
            precision="float64",
        )
        training, task = prepare(settings, settings.streams())
        training.until(40)
        found = beside(training, present(training.network, *task.test()), limits=True)
        assert low <= float(found["limit-1"].mean()) < high


@pytest.mark.parametrize("local", [(), ((3, 4, 2), (3, 8, 1))], ids=["dense", "local"])
@pytest.mark.parametrize("name", ["bp", "dfa", "dtp-parallel", "ao-sdtp-parallel"])
def test_what_rounding_turns_is_measured_at_equal_weights(name: str, local: tuple) -> None:
    found = {}
    for precision in ("float32", "bfloat16"):
        values = {**METHODS[name], **SMALL, "local": local, "precision": precision}
        settings = MethodSettings(**values)
        training, task = prepare(settings, settings.streams())
        training.until(20)
        x, labels = task.test()
        trial = present(training.network, x[:50], labels[:50])
        found[precision] = beside(training, trial)
        own = taught_by(training.rule, training.network, training.state, trial)
        own, full = changes(training.network, trial, own), in_full(training, trial)
        differ = [not torch.equal(a, b) for a, b in zip(own, full, strict=True)]
        assert all(differ) if precision == "bfloat16" else not any(differ)
    names = {f"rounding-{k}" for k in range(1, len(local) + 3)}
    turned = {key for key in found["bfloat16"] if key.startswith("rounding")}
    assert turned == names and not turned & set(found["float32"])
    assert all(0 < found["bfloat16"][key].max() < 2 for key in names)


def test_a_gap_is_rounded_relative_to_itself() -> None:
    values = {**METHODS["dtp-parallel"], **SMALL, "alpha": 1e-4, "precision": "bfloat16"}
    settings = MethodSettings(**values)
    training, task = prepare(settings, settings.streams())
    x, labels = task.test()
    found = beside(training, present(training.network, x[:50], labels[:50]))
    assert found["rounding-1"].max() < 5, "a target that is so near is lost in rounding"


def test_the_steepest_step_is_the_gradient_of_the_loss_at_each_activity() -> None:
    settings = MethodSettings(**{**METHODS["bp"], **SMALL}, precision="float64")
    training, task = prepare(settings, settings.streams())
    network = training.network
    x, labels = task.test()
    trial = present(network, x[:5], labels[:5])
    for layer, gap in enumerate(steepest(network, trial)):
        h = trial.activities[layer + 1].clone().requires_grad_()
        y = h
        for index in range(layer + 1, len(network.layers)):
            W, b = network.weights[index], network.biases[index]
            a = y @ W + b
            y = torch.softmax(a, -1) if index == len(network.layers) - 1 else torch.tanh(a)
        (expected,) = torch.autograd.grad(network.losses(y, trial.target).sum(), h)
        torch.testing.assert_close(gap, expected)


def test_the_epoch_is_chosen_on_held_out_images_and_a_lost_member_has_none() -> None:
    settings, journal = run("bp", epochs=3)
    table = journal.table()

    class Run:
        pass

    found = Run()
    found.settings, found.table = settings, table  # type: ignore[attr-defined]
    wide = table.pivot(index="examples", columns="member", values="validation")
    error = table.pivot(index="examples", columns="member", values="error")
    expected = [error[m][wide[m].idxmin()] for m in wide]
    assert chosen(found) == pytest.approx(expected)  # type: ignore[arg-type]
    assert (lowest(found) <= chosen(found)).all()  # type: ignore[arg-type]
    table.loc[(table["member"] == 1) & (table["examples"] > 0), ["error", "validation"]] = np.nan
    assert np.isnan(chosen(found)).tolist() == [False, True, False]  # type: ignore[arg-type]
    assert lowest(found)[1] == error[1].iloc[0], "before it diverged"  # type: ignore[arg-type]


def test_networks_that_are_switched_learn_as_the_others_until_half_way() -> None:
    study = studies.get("targets-sdtp")
    tables = {}
    for variant in ("steady", "switched"):
        settings = study.configure("smoke", variant, epochs=4, precision="float64")
        journal = Journal()
        targets_sdtp.run(settings, journal)
        tables[variant] = journal.table().pivot(
            index="examples", columns="member", values="angle-1"
        )
    same = (tables["steady"] == tables["switched"]).all(axis=1).tolist()
    assert same == [True, True, True, False, False]


def test_table_5_is_compared_with_table_4_number_by_number() -> None:
    printed = tables.printed()
    assert len(printed) == sum(key.startswith("table5") for key in reported.table(PAPER).index)
    assert tables.allowed("forward-rate", 1e-4) and not tables.allowed("forward-rate", 3.01e-4)
    assert tables.allowed("inverse-beta2", 0.999) and not tables.allowed("inverse-beta2", 0.95)
    counted = tables.outside()
    assert (counted["printed"].sum(), counted["outside"].min()) == (len(printed), 0)
    assert (
        counted.loc["mnist fc", "outside"]
        == (~printed["allowed"])[printed["network"] == "mnist fc"].sum()
    )


def test_what_is_left_out_of_the_updates_stays_as_it_was_and_the_rest_learns() -> None:
    settings = studies.get("targets-defect").configure("smoke", "dtp-left-out")
    training, _ = prepare(settings, settings.streams())
    training.optimiser = sparing(training.optimiser, **LEFT_OUT)
    before = [W.clone() for W in training.network.weights]
    turn = settings.each_epoch // settings.batch  # the inverses' own, in which nothing else learns
    training.until(turn + 3)
    same = [torch.equal(a, b) for a, b in zip(before, training.network.weights, strict=True)]
    assert [index for index, still in enumerate(same) if still] == [5]
    biases = training.network.biases
    assert [i for i, b in enumerate(biases) if b is not None and not b.any()] == [4]


@pytest.mark.parametrize(
    "study, search, last",
    [
        ("targets-mnist", "targets-mnist-rates", THREE),
        ("targets-mnist-local", "targets-mnist-local-rates", THREE),
        ("targets-cifar", "targets-cifar-rates", THREE),
        ("targets-cifar-letter", "targets-cifar-letter-rates", THREE),
        ("targets-cifar-local", "targets-cifar-local-rates", LAST),
        ("sharing-cifar", "sharing-cifar-rates", LAST),
        ("autoencoder", "autoencoder-longer-rates", THREE),
        ("activations", "activations-longer-rates", THREE),
        ("sharing-mnist", "sharing-mnist-rates", THREE),
    ],
)
def test_every_method_has_the_settings_that_the_search_found(
    study: str, search: str, last: int
) -> None:
    searched = studies.get(search)
    tier = best_tier(searched, RECORDED)
    if tier is None:
        pytest.skip("the search is not recorded yet")
    found = best(RECORDED.runs(searched, tier), last)
    for name in studies.get(study).variants:
        values, settings = found[name], studies.get(study).configure("reduced", name)
        assert {key: getattr(settings, key) for key in values} == values, name


@pytest.mark.parametrize(
    "study, search, last",
    [
        ("towards-imagenet", "towards-imagenet-rates", LAST),
        ("towards-imagenet-others", "towards-imagenet-rates", LAST),
    ],
)
def test_far_longer_runs_have_a_share_of_the_rates_that_the_search_found(
    study: str, search: str, last: int
) -> None:
    searched = studies.get(search)
    tier = best_tier(searched, RECORDED)
    if tier is None:
        pytest.skip("the search is not recorded yet")
    found = best(RECORDED.runs(searched, tier), last)
    for name in studies.get(study).variants:
        settings: Any = studies.get(study).configure("reduced", name)
        for key, value in found[name].items():
            own = value * LONG_RUNS if "rate" in key else value
            assert getattr(settings, key) == own, (name, key)


def test_of_a_setting_for_long_runs_the_rates_are_made_smaller_and_nothing_else() -> None:
    short = {"dtp": {"rate": 4e-4, "inverse_rate": 1e-3, "eps": 1e-8}}
    assert for_long_runs(short, 0.5) == {"dtp": {"rate": 2e-4, "inverse_rate": 5e-4, "eps": 1e-8}}
    assert for_long_runs({}) == {}


def test_a_table_says_beneath_a_method_how_many_of_its_networks_diverged() -> None:
    def result(*errors: float) -> Any:
        rows = [
            {"member": m, "examples": mark, "error": e, "validation": e}
            for m, e in enumerate(errors)
            for mark in (0, 1)
        ]
        settings = SimpleNamespace(images="digits")
        return SimpleNamespace(table=pd.DataFrame(rows), settings=settings)

    runs = {"bp": result(2.0, 3.0), "sdtp-parallel": result(2.0, np.nan)}
    picture, _ = figures.draw_table("mnist-fc", runs)  # type: ignore[arg-type]
    labels = [label.get_text() for label in picture.axes[0].get_yticklabels()]
    plt.close(picture)
    assert labels == ["backpropagation", "SDTP, parallel\n1 of 2 diverged"]


def test_a_change_of_what_is_no_number_of_a_member_is_refused() -> None:
    for change in (("nonsense", 1.0), ("reads", 1.0), ("rate", -1.0)):
        with pytest.raises(ValueError, match="setting changes"):
            studies.get("targets-sdtp").configure("smoke", "knobs", changes=(change,))


def test_a_method_without_an_inverse_has_no_error_of_one() -> None:
    _, journal = run("dtp-parallel", hidden=(12,))
    assert "reconstruction" not in journal.table()
    _, journal = run("sdtp-parallel", hidden=(12,))
    assert "reconstruction" in journal.table()


def test_a_method_that_diverged_is_not_the_best_of_the_others() -> None:
    lost, good, ahead = np.array([[np.nan, 2.0], [2.0, 3.0], [np.nan, -1.0]])
    for others, left in (
        ((lost, good), [good]),
        ((good, lost), [good]),
        ((lost, lost), [lost] * 2),
        ((ahead, good), [ahead, good]),  # and it cannot be said that backpropagation is the best
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(measures, "excess", Mock(side_effect=others))
            found = measures.above_backprop({}, ("one", "two"))
        assert np.array_equal(found, left, equal_nan=True)


def test_seeds_are_paired_by_their_number_where_some_are_missing() -> None:
    def run_of(seeds: tuple[int, ...], errors: list[float]) -> SimpleNamespace:
        rows = [
            {"member": m, "seed": s, "examples": x, "validation": 5.0 - x, "error": e}
            for m, (s, e) in enumerate(zip(seeds, errors, strict=True))
            for x in (0, 1)
        ]
        return SimpleNamespace(table=pd.DataFrame(rows))

    runs = {"bp": run_of((0, 2, 3), [1.0, 1.5, 2.0])}
    runs["targets-mnist/bp"] = run_of((0, 1, 2), [3.0, 9.0, 4.0])
    assert below_full(runs, "bp").tolist() == [2.0, 2.5]  # type: ignore[arg-type]


@pytest.mark.parametrize("variant", ["random", "random-fa", "shallower"])
def test_layers_that_nobody_teaches_stay_as_they_were_drawn_and_the_others_learn(
    variant: str,
) -> None:
    settings: Any = studies.get("targets-mnist-local-untaught").configure("smoke", variant)
    streams = settings.streams([0, 0])
    points = {"rate": streams.each([1e-3, 1e-2])}
    training, _ = untaught.prepare(settings, streams, **points)
    network = training.network
    parts = [*network.weights, *network.biases]
    before = [p.clone() for p in parts if p is not None]
    training.until(3)
    moved = [not torch.equal(p, old) for p, old in zip(parts, before, strict=True)]  # type: ignore[arg-type]
    assert moved == ([True] * 4 if variant == "shallower" else 2 * [False, False, True, True])
    if variant != "shallower":
        home: Any = studies.get("targets-mnist-local").configure("smoke", "fa")
        begun = prepare(home, streams)[0].network.weights
        assert all(map(torch.equal, before, begun)), "they start as one"


def test_a_shallower_network_sees_the_image_without_the_layers_that_nobody_teaches() -> None:
    sizes = {"targets-mnist-local": [784, 1024], "targets-cifar": [3072, 1024]}
    for name, inputs in sizes.items():
        settings: Any = studies.get(f"{name}-untaught").configure("reduced", "shallower")
        built = layers(untaught.without_lower(settings), (1, 1, inputs[0]), 10)
        assert [layer.inputs for layer in built] == inputs
    with pytest.raises(ValueError, match="untaught = 2 of 2 hidden layers leaves none that learns"):
        studies.get("targets-cifar-untaught").configure("smoke", "shallower", untaught=2)


# What a control may have otherwise than its methods: its own, and what is searched.
APART = {"untaught", "shallower", "rates", "epsilons", "rate", "eps", "inverse_rates"}


@pytest.mark.parametrize(
    "study, home",
    [
        ("targets-mnist-local-untaught-rates", "targets-mnist-local-rates"),
        ("targets-mnist-local-untaught", "targets-mnist-local"),
        ("targets-cifar-untaught-grid", "targets-cifar-grid"),
        ("targets-cifar-untaught-rates", "targets-cifar-rates"),
        ("targets-cifar-untaught", "targets-cifar"),
    ],
)
def test_controls_are_trained_as_their_methods_are(study: str, home: str) -> None:
    for name, rule in untaught.RULES.items():
        own: Any = studies.get(study).configure("reduced", name)
        theirs: Any = studies.get(home).configure("reduced", rule)
        searched = ("-grid", "-local-rates", "-local-untaught-rates")
        apart = APART - ({"rates", "epsilons"} if home.endswith(searched) else set())
        for field in dataclasses.fields(theirs):
            if field.name not in apart:
                assert getattr(own, field.name) == getattr(theirs, field.name), field.name


@pytest.mark.parametrize(
    "study",
    ["targets-mnist-local-untaught", "targets-cifar-untaught-rates", "targets-cifar-untaught"],
)
def test_controls_have_the_settings_that_their_search_found(study: str) -> None:
    searched = studies.get(str(studies.get(study).after))
    tier = best_tier(searched, RECORDED)
    if tier is None:
        pytest.skip("the search is not recorded yet")
    last = LAST if searched.name.endswith("-grid") else THREE
    for name, point in best(RECORDED.runs(searched, tier), last).items():
        settings: Any = studies.get(study).configure("reduced", name)
        assert max(settings.rates) == point["rate"] and settings.epsilons == (point["eps"],)


def test_a_control_that_learns_nothing_blocks_a_claim_unless_that_is_its_answer() -> None:
    study = studies.get("targets-cifar-untaught")
    there = {name: record("targets-cifar", name, 40.0, 90.0) for name in METHODS}
    for lost in ("random", "shallower"):
        ends = {name: 89.0 if name == lost else 60.0 for name in untaught.RULES}
        own = {name: record(study.name, name, end, 90.0) for name, end in ends.items()}
        found = {c.id: judge(study, c, own, "reduced", there).verdict for c in study.claims}
        taught = {found[f"targets-cifar-untaught-{name}-taught"] for name in untaught.OWN}
        deeper = {found[f"targets-cifar-untaught-{name}-deeper"] for name in METHODS}
        assert taught == {"reproduced"}
        assert deeper == {"reproduced" if lost == "random" else "cannot be judged"}
