"""Studies of what feedback has to know of the weights: what they measure, and what they claim."""

import dataclasses
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from bioprop import studies
from bioprop.book import claims
from bioprop.book.records import RECORDED
from bioprop.deep.dale import unit_signs
from bioprop.studies.journal import Journal
from bioprop.studies.long_runs import LONG_RUNS
from bioprop.studies.summaries import FEWEST, LARGEST, MEAN, SMALLEST, over_images
from bioprop.studies.xiao2018 import (
    alexnet_tiny,
    last_layer,
    networks,
    rules_rates,
    signs_angles,
    signs_cifar,
    signs_dale,
    signs_magnitudes,
    signs_supports,
    signs_tiny,
    signs_worth,
)
from bioprop.tasks.images import load

MODULES = (alexnet_tiny, last_layer, signs_angles, signs_cifar, signs_dale)
STUDIES = [m.STUDY for m in (*MODULES, signs_magnitudes, signs_supports, signs_worth)]
LAYERS = {"resnet": 20, "alexnet": 7}  # without the last


def finished(**columns: Any) -> Any:
    """Return a run of three seeds at its end: each column is a number for all, or one for each."""
    table = pd.DataFrame({"member": range(3), "seed": range(3), "examples": 100, **columns})
    return SimpleNamespace(table=table)


def measured(id: str, runs: Mapping[str, Any]) -> np.ndarray:
    [found] = [c for s in studies.STUDIES.values() for c in s.claims if c.id == id]
    return np.asarray(found.measure(runs)).round(6)


# What is built


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: s.name)
def test_a_variant_builds_what_it_is_called(study: studies.Study) -> None:
    for variant in study.variants:
        settings = study.configure("smoke", variant)
        training = networks.train(settings, load("digits"), 4, 0.1)
        layers = list(networks.converted(training.model).values())
        assert layers[0].rule == settings.rule
        assert layers[-1].rule == (settings.rule if settings.last == "rule" else "bp")
        assert (variant != "bp" and "-bp" in variant) == (settings.last == "bp")
        assert len(layers) == 1 + LAYERS["alexnet" if settings.network == "alexnet" else "resnet"]
        normal = any(isinstance(m, nn.BatchNorm2d) for m in training.model.modules())
        assert normal == (variant not in ("manhattan", "neither", "bp-neither", "bp-manhattan"))
        assert training.recipe.manhattan == (variant in ("manhattan", "both", "bp-manhattan"))
        lawful = bool((layers[1].weight * unit_signs(layers[1]) >= 0).all())
        assert lawful == variant.endswith("-dale") == bool(training.keep)


def test_the_law_holds_in_a_run() -> None:
    settings = signs_dale.STUDY.configure("smoke", "ss-dale")
    training = networks.train(settings, load("digits"), 0, 5.0)
    training.until(5)
    for layer in list(networks.converted(training.model).values())[1:]:
        assert (layer.weight * unit_signs(layer) >= 0).all()


def test_an_alexnet_without_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="norm = False: an AlexNet has batch normalisation here"):
        alexnet_tiny.STUDY.configure("smoke", "ss", norm=False)


@pytest.mark.parametrize("rule", ["ss-share:2", "ss-every:0", "ss-shar"])
def test_a_rule_with_a_number_that_it_cannot_have_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=rf"study 'signs-worth': setting rule = '{rule}': "):
        signs_worth.STUDY.configure("smoke", "ss", rule=rule)


# What is measured


@pytest.mark.parametrize("network", LAYERS)
def test_every_layer_has_an_angle_of_weights_and_all_but_the_last_two_of_signals(
    network: str,
) -> None:
    study, journal = signs_angles.STUDY, Journal()
    study.run(study.configure("smoke", f"{network}-fa", members=1, epochs=1), journal)
    run: Any = SimpleNamespace(table=journal.table())
    for quantity in ("angle", "gradient", "weights", "agreement"):
        names = list(networks.by_layer(run, quantity).columns)
        last = {"resnet": ["layer4.1.conv2", "fc"], "alexnet": ["classifier.fc2", "classifier.fc3"]}
        own = last[network] if quantity == "weights" else last[network][:1]
        assert len(names) == LAYERS[network] + len(own) - 1 and "conv1" in names[0], names
        assert names[-len(own) :] == own
    start = networks.by_layer(run, "gradient", 0)
    assert abs(start.iloc[:, :4].mean().mean() - 90) < 15
    assert "gradient conv1" not in networks.measured(
        networks.train(study.configure("smoke", "resnet-fa"), load("digits"), 0, 0.1),
        study.configure("smoke", "resnet-fa"),
        10,
    )


def test_initial_weights_have_the_angles_to_their_signs_that_are_drawn() -> None:
    for normal, angle in ((torch.randn, networks.GAUSSIAN), (torch.rand, networks.UNIFORM)):
        values = normal(100_000) - (0.5 if normal is torch.rand else 0)
        cosine = torch.nn.functional.cosine_similarity(values, values.sign(), dim=0)
        assert np.degrees(np.arccos(float(cosine))) == pytest.approx(angle, abs=0.2)


# What is claimed


def errors(**each: float) -> dict[str, Any]:
    return {
        name.replace("__", "/").replace("_", "-"): finished(error=e) for name, e in each.items()
    }


def test_monotone_is_decided_by_the_step_that_goes_up_most() -> None:
    falling = {name: finished(error=90.0 - k) for k, name in signs_worth.SHARES.items()}
    steps = measured("worth-monotone", falling)
    assert steps.shape == (5, 3) and (steps == -10).all()
    falling["share-80"] = finished(error=31.0)
    assert LARGEST.of(measured("worth-monotone", falling))[0] == 11.0


def test_differences_have_the_sign_that_their_unit_says() -> None:
    home = errors(signs_worth__bp=50, signs_worth__ss=55, signs_worth__fa=85)
    own = errors(ss_fixed=57, ss_redrawn=54, sizes=80, kp=51, dfa=82)
    for id, value in (("fixed", 2), ("redrawn", -1), ("sizes", -20), ("kp", 1), ("dfa", 32)):
        assert (measured(f"magnitudes-{id}", home | own) == value).all(), id
    lacking = errors(both=53, manhattan=65, neither=90)
    for id, value in (("either", -2), ("norm", 10), ("manhattan", 25)):
        assert (measured(f"supports-{id}", home | lacking) == value).all(), id
    lawful = errors(bp_dale=60, ss_dale=63)
    assert (measured("dale-close", lawful) == 3).all()
    assert (measured("dale-cost", lawful | home) == 8).all()
    shares = errors(fa=85, ss=55, every_10=56, every_1000=70)
    shares |= {
        signs_worth.own(n): finished(error=e) for n, e in (("share-50", 88), ("every-1000", 70))
    }
    for id, value in (("half", 3), ("refreshed", 1), ("stale", 15), ("stale-own", 15)):
        assert (measured(f"worth-{id}", shares) == value).all(), id
    alike = errors(neither=90, manhattan=65, bp_neither=80, bp_manhattan=60)
    assert (measured("supports-manhattan-more", alike) == 5).all()
    assert (measured("dale-once", errors(once_dale=70, ss_dale=63)) == 7).all()


def test_of_the_two_without_normalisation_one_that_diverged_is_not_the_better() -> None:
    runs = errors(signs_worth__ss=55, manhattan=65) | {"neither": finished(error=[50, 50, np.nan])}
    assert (measured("supports-norm", runs) == 10).all()


def test_where_backpropagation_learns_nothing_no_other_rule_loses_more() -> None:
    start = {"member": range(3), "seed": range(3), "examples": 0, "error": 98.0}
    runs = errors(signs_worth__bp=50, signs_worth__ss=55, neither=97)
    end = finished(error=[60, 97.5, 70]).table
    runs["bp-neither"] = SimpleNamespace(table=pd.concat([pd.DataFrame(start), end]))
    found = measured("supports-more", runs)
    assert found[[0, 2]].tolist() == [32, 22] and np.isnan(found[1])


@pytest.mark.parametrize("own", [{}, {"share-50": 0.05, "share-70": 0.1}])
def test_shares_of_signs_are_drawn_at_either_rate(
    own: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs_worth, "OWN", own)
    names = {*signs_worth.SHARES.values(), *(f"{name}-own" for name in own), "bp", "fa"}
    picture, drawn = signs_worth.draw_shares({name: finished(error=60.0) for name in names})
    plt.close(picture)
    assert set(drawn["variant"]) == names


def test_the_last_layer_is_compared_with_the_rule_in_all() -> None:
    runs = errors(signs_tiny__ss=60, resnet_ss_bp=61, signs_tiny__fa=90, resnet_fa_bp=84)
    runs |= errors(alexnet_ss=50, alexnet_ss_bp=49, alexnet_fa=70, alexnet_fa_bp=60)
    for id, value in (("ss-resnet", 1), ("fa-resnet", -6), ("ss-alexnet", -1), ("fa-alexnet", -10)):
        assert (measured(f"last-{id}", runs) == value).all(), id


@pytest.mark.parametrize("rule", ["ss", "fa"])
def test_both_sides_of_the_last_layer_have_equal_settings_but_for_it(rule: str) -> None:
    pairs = [(signs_tiny.STUDY, rule, f"resnet-{rule}-bp")]
    pairs += [(last_layer.STUDY, f"alexnet-{rule}", f"alexnet-{rule}-bp")]
    for home, whole, part in pairs:
        a, b = home.configure("reduced", whole), last_layer.STUDY.configure("reduced", part)
        for field in dataclasses.fields(networks.DeepSettings):
            assert (getattr(a, field.name) == getattr(b, field.name)) == (field.name != "last")
        assert a.rate == b.rate  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", [signs_magnitudes, signs_supports, signs_dale])
def test_what_stands_beside_signs_worth_has_its_settings(module: Any) -> None:
    home = signs_worth.STUDY.configure("reduced", "ss")
    for variant in module.VARIANTS:
        settings = module.STUDY.configure("reduced", variant)
        for name in ("images", "every", "epochs", "batch", "width", "stem", "recipe"):
            assert getattr(settings, name) == getattr(home, name)
        assert settings.seeds == home.seeds[: settings.members]


def test_an_order_is_decided_by_the_smaller_gap() -> None:
    gaps = measured("alexnet-order", errors(bp=50, ss=56, fa=55))
    assert gaps.shape == (2, 3) and SMALLEST.of(gaps)[0] == -1


def test_angles_are_compared_layer_by_layer() -> None:
    def angles(*values: float) -> Any:
        names = [f"{q} layer{k}" for q in ("angle", "gradient") for k in range(len(values))]
        return finished(**dict(zip(names, [*values, *(v + 1 for v in values)], strict=True)))

    runs = {"resnet-ss": angles(40, 50, 91), "resnet-fa": angles(90, 89, 90)}
    for id in ("signal", "gradient"):
        assert measured(f"angles-{id}-resnet", runs).tolist() == [[-50] * 3, [-39] * 3, [1] * 3]


def test_claims_are_about_the_images_that_they_name() -> None:
    for study in STUDIES:
        variant = next(iter(study.variants))
        for tier in study.tiers:
            about = tier in ("reduced", "paper")
            settings = study.configure(tier, variant)
            assert all(c.applies(settings) == about for c in study.claims), study.name


# One network for a row


def test_the_interval_of_one_network_is_that_of_its_test_images() -> None:
    mean, low, high = over_images(10_000).of(np.array([10.9]))
    assert mean == 10.9 and 10.2 < low < 10.9 < high < 11.6
    assert over_images(10_000).of(np.array([0.0]))[2] > 0
    narrow = over_images(1_000_000).of(np.array([10.9]))
    assert narrow[2] - narrow[1] < 0.1 * 1.5 * (high - low)
    assert over_images(10).fewest == 1 and MEAN.fewest == FEWEST == 3


@pytest.mark.parametrize("name", signs_cifar.VARIANTS)
def test_a_row_is_judged_by_one_network(name: str) -> None:
    study = signs_cifar.STUDY
    [claim] = [c for c in study.claims if c.id == f"cifar-{name}"]
    record = SimpleNamespace(
        settings=study.configure("reduced", name), seeds=(0,), wanted=1, members=1, diverged={},
        table=pd.DataFrame({"member": [0, 0], "seed": 0, "examples": [0, 1], "error": [90, 0.0]}),
    )  # fmt: skip
    number = claims.reported_value(study, claim)
    assert number
    for error, verdict in ((number, "reproduced"), (number + 6, "not reproduced")):
        record.table["error"] = [90.0, error]
        judged = claims.judge(study, claim, {name: record}, "reduced")  # type: ignore[dict-item]
        assert judged.verdict == verdict and judged.interval


# The search


def test_the_search_of_other_rules_sees_no_test_image_and_has_the_settings_of_the_results() -> None:
    sources = {f"alexnet-{n}": (alexnet_tiny.STUDY, n) for n in alexnet_tiny.NAMES}
    sources |= {n: (signs_magnitudes.STUDY, n) for n in signs_magnitudes.VARIANTS}
    sources |= {
        name: (signs_worth.STUDY, signs_worth.own(name))
        for name in (*signs_worth.SHARES.values(), "every-1000")
        if name != "ss"
    }
    sources |= {"bp-above": (signs_worth.STUDY, "bp")}
    sources |= {f"alexnet-{n}-bp": (last_layer.STUDY, last_layer.own(n)) for n in ("ss", "fa")}
    sources |= {n: (signs_supports.STUDY, n) for n in signs_supports.VARIANTS}
    sources |= {n: (signs_dale.STUDY, n) for n in signs_dale.STUDY.variants}
    parts = (*rules_rates.BEYOND, *(f"{name}-again" for name in rules_rates.AGAIN))
    sources |= {name: sources[rules_rates.whole(name)] for name in parts}
    assert set(sources) == set(rules_rates.VARIANTS)
    for name, (study, variant) in sources.items():
        search: Any = rules_rates.STUDY.configure("reduced", name)
        result: Any = study.configure("reduced", variant)
        assert search.held_out > 0 and result.held_out == 0
        assert not set(search.seeds) & set(result.seeds)
        fields = {f.name for f in dataclasses.fields(networks.OpenSettings)}
        apart = {"members", "first_seed", "held_out", "measured", "every", "epochs"}
        assert set(search.seeds) <= {1000, 1001, 1002}
        for field in fields - apart:
            assert getattr(search, field) == getattr(result, field), field
        share = LONG_RUNS if study is alexnet_tiny.STUDY else 1.0
        assert result.rate == rules_rates.RATES[rules_rates.whole(name)] * share


def recorded(*names: str) -> Any:
    """Return what is recorded of the search, of some variants of it or of all."""
    names = names or tuple(rules_rates.VARIANTS)
    there = [name for name in names if RECORDED.has("rules-rates", "reduced", name)]
    return {name: RECORDED.load("rules-rates", "reduced", name) for name in there}


def test_every_other_rule_has_the_rate_that_the_search_found() -> None:
    best = rules_rates.best(recorded())
    assert rules_rates.FOUND == {name: best[name] for name in rules_rates.FOUND}
    parts = {n for n in rules_rates.VARIANTS if rules_rates.whole(n) in rules_rates.FOUND}
    assert parts <= recorded().keys()


def test_lower_rates_are_a_part_of_a_grid() -> None:
    def tried(**errors: float) -> Any:
        rows = [{"member": k, "rate": float(rate[1:]) / 100, "error": e, "examples": 1, "seed": 0}
                for k, (rate, e) in enumerate(errors.items())]  # fmt: skip
        return SimpleNamespace(table=pd.DataFrame(rows))

    runs = {
        "alexnet-bp": tried(r2=60, r5=61),
        "alexnet-bp-below": tried(r1=np.nan),
        "kp": tried(r5=1),
    }
    assert rules_rates.best(runs) == {"alexnet-bp": 0.02, "kp": 0.05}
    runs["alexnet-bp-below"] = tried(r1=59)
    assert rules_rates.best(runs)["alexnet-bp"] == 0.01
    assert list(rules_rates.searched(runs)["alexnet-bp"].index) == [0.01, 0.02, 0.05]


@pytest.mark.parametrize("name", rules_rates.FOUND)
def test_no_rate_is_taken_from_an_end_of_its_grid(name: str) -> None:
    errors = rules_rates.searched(recorded())[name]
    if name == "bp-above":  # what lies below its lowest rate is known from signs-rates
        assert errors.idxmin() < errors.index[-1]
    else:
        assert errors.iloc[1:-1].min() <= errors.min() + 2.0


def test_a_rate_at_which_one_of_more_networks_diverged_is_not_the_best() -> None:
    def tried(rate: float, *errors: float) -> Any:
        rows = [{"member": k, "rate": rate, "error": e, "examples": 1, "seed": k}
                for k, e in enumerate(errors)]  # fmt: skip
        return SimpleNamespace(table=pd.DataFrame(rows))

    runs = {"sizes": tried(0.05, 84), "sizes-below": tried(0.02, 86)}
    assert rules_rates.best(runs) == {"sizes": 0.05}
    assert rules_rates.best(runs | {"sizes-again": tried(0.05, 80, 85)}) == {"sizes": 0.05}
    assert rules_rates.best(runs | {"sizes-again": tried(0.05, 80, np.nan)}) == {"sizes": 0.02}


def test_a_row_without_a_mark_says_that_networks_diverged() -> None:
    runs = {"bp": finished(error=60.0), "ss": finished(error=[50.0, np.nan, np.nan])}
    picture, axes = plt.subplots()
    networks.rows_of_dots(axes, runs, [("bp", "one"), ("ss", "two"), ("fa", "three")])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    plt.close(picture)
    assert labels == ["one", "two\n2 of 3 diverged", "three"]


def test_weights_that_are_zero_are_counted_under_dales_law() -> None:
    journal, study = Journal(), signs_dale.STUDY
    study.run(study.configure("smoke", "ss-dale", members=1, epochs=1), journal)
    zeros = journal.table()["zeros"]
    assert 30 < zeros.iloc[0] < 60 and zeros.iloc[1] != zeros.iloc[0]
