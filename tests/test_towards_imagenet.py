"""The network for ImageNet, fewer classes at equal updates, shared weights; made-up runs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_autoencoder import record, verdicts

from bioprop import studies
from bioprop.book import claims
from bioprop.book.claims import judge
from bioprop.learning import Convolution, Layer, LocallyConnected, Streams, memory
from bioprop.studies.bartunov2018 import (
    sharing,
    sharing_cifar,
    towards_imagenet,
    towards_imagenet_classes,
)
from bioprop.studies.bartunov2018.methods import layers, learnt_from, marks, prepare
from bioprop.studies.bartunov2018.towards_imagenet_classes import PARTS, ClassesSettings
from bioprop.tasks import images
from bioprop.tasks.classify import error_rate, layered_network
from bioprop.tasks.images import Images

RESULT, CLASSES = studies.get("towards-imagenet"), studies.get("towards-imagenet-classes")


def built(variant: str, side: int, classes: int) -> list[Layer]:
    """The layers of a variant, for images of a size."""
    study = RESULT if variant in RESULT.variants else studies.get("towards-imagenet-others")
    settings: Any = study.configure("reduced", variant)
    return layers(settings, (3, side, side), classes)


@pytest.mark.parametrize("side, classes", [(224, 1000), (64, 200)])
def test_the_network_is_the_papers_layer_by_layer(side: int, classes: int) -> None:
    expected, size, below = [], side, 3
    for kernel, channels, stride in towards_imagenet.LOCAL:
        size = -(-size // stride)  # SAME padding
        expected.append((size * size, kernel * kernel * below, channels))
        below = channels
    local, shared = (built(name, side, classes) for name in ("fa", "bp-convnet"))
    assert [layer.weight_shape for layer in local] == [*expected, (size * size * 384, classes)]
    assert all(isinstance(layer, LocallyConnected) for layer in local[:-1])
    assert all(isinstance(layer, Convolution) for layer in shared[:-1])
    assert [layer.outputs for layer in local] == [layer.outputs for layer in shared]
    if side == 224:
        assert [rows for rows, *_ in expected] == [56**2, 28**2, 28**2, 14**2, 14**2, 7**2, 7**2]


def test_what_the_whole_network_keeps_follows_from_its_layers() -> None:
    sizes = towards_imagenet.sizes()
    table = sizes["kept (GB)"]
    local = built("bp", 224, 1000)
    numbers = [int(np.prod(layer.weight_shape)) for layer in local]
    biases = [layer.outputs for layer in local]
    hidden = biases[:-1]
    learnt = sum(numbers) + sum(biases)
    # Adam keeps two means; FA a B for each layer but the first, DFA one from each output.
    expected = {
        "backpropagation": 3 * learnt,
        "feedback alignment": 3 * learnt + sum(numbers[1:]),
        "direct feedback alignment": 3 * learnt + 1000 * sum(hidden),
        # An inverse of each layer but the first, and under DTP but the last.
        "DTP, parallel": 3 * (learnt + sum(numbers[1:-1]) + sum(hidden[:-1])),
        "SDTP, parallel": 3 * (learnt + sum(numbers[1:]) + sum(hidden)),
    }
    for name, count in expected.items():
        assert table[name] == pytest.approx(4 * count / 1e9, abs=0.006), name
    assert sizes["networks in 16 GB"]["direct feedback alignment"] >= 1


def test_the_whole_network_is_refused_where_it_does_not_fit_before_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    none = torch.zeros(2000, 1, dtype=torch.uint8).expand(-1, 3 * 224 * 224)
    labels = torch.zeros(2000, dtype=torch.uint8)
    whole = Images(none, labels, none[:1], labels[:1], *towards_imagenet.IMAGENET)
    monkeypatch.setitem(images.SETS, "imagenet", lambda: whole)
    monkeypatch.setattr(memory, "free", lambda device: int(12e9))
    settings: Any = RESULT.configure("reduced", "dtp-alternating", images="imagenet", held_out=1000)
    words = (
        r"takes at least 16\.7 GB for 3 members side by side, 5\.57 GB for each, .* 12 GB: 2 fit"
    )
    with pytest.raises(memory.TooLarge, match=words):
        prepare(settings, settings.streams())


def test_the_answer_may_be_any_of_several() -> None:
    streams = Streams((0, 1))
    network = layered_network(streams, built("bp", 16, 12)[-1:])
    x = streams.normal("data", (40, network.layers[0].inputs))[0]
    labels = torch.arange(40) % 12
    y = network.forward(x.expand(2, -1, -1))[-1]
    for top in (1, 3, 12):
        better = (y > y.gather(-1, labels.expand(2, -1)[..., None])).sum(-1)
        expected = 100 * (better >= top).double().mean(-1)
        assert torch.equal(error_rate(network, x, labels, chunk=7, top=top), expected)
    network.weights[0][1] = torch.nan
    assert error_rate(network, x, labels, top=3).isnan().tolist() == [False, True]


def test_table_2_shows_all_methods_that_are_there() -> None:
    table, *_ = RESULT.figures
    runs = {}
    for name in ("towards-imagenet", "towards-imagenet-others"):
        for variant in studies.get(name).variants:
            made = record(name, variant, TABLE_2[variant], 99.5, top5=50.0)
            runs[variant if name == "towards-imagenet" else f"{name}/{variant}"] = made
    drawn = table.draw(runs)[1]
    ours = drawn[drawn["quantity"] == "error"].set_index("rule")["mean"]
    assert list(ours.index) == list(towards_imagenet.VARIANTS)
    assert ours.to_dict() == pytest.approx(TABLE_2)
    theirs = drawn[drawn["quantity"] == "error, paper"].set_index("rule")["mean"]
    assert theirs["fa"] == 93.08 and "dfa" not in theirs
    own = {name: run for name, run in runs.items() if "/" not in name}
    assert set(table.draw(own)[1]["rule"]) == set(own)


# Fewer classes


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> Images:
    """Images of 200 classes in turns, each of one value, the number of its class."""
    labels = (torch.arange(4000) % 200).to(torch.uint8)
    tests = torch.arange(200).to(torch.uint8)
    made = Images(labels[:, None], labels, tests[:, None], tests, (1, 1, 1), 200)
    monkeypatch.setitem(images.SETS, "tiny-imagenet", lambda: made)
    towards_imagenet_classes.some_classes.cache_clear()
    return made


@pytest.mark.parametrize("part, count", [("few", 10), ("some", 50), ("all", 200)])
def test_fewer_classes_are_evenly_spaced_and_learnt_from_for_as_many_updates(
    part: str, count: int, coloured: Images
) -> None:
    settings: Any = CLASSES.configure("reduced", f"bp-{part}", held_out=1000)
    there = learnt_from(settings)
    step = 200 // count
    assert there.classes == count
    assert torch.equal(there.train[:, 0].long(), there.train_labels.long() * step)
    assert len(there.train) == 3000 // step and len(there.test) == 1000 // step
    held_out = there.test_labels.bincount()
    assert held_out.tolist() == [5] * count, "as many of each"
    assert list(marks(settings)) == [0, 3000, 6000, 9000], "whatever the classes"
    towards_imagenet_classes.some_classes.cache_clear()


def test_classes_that_cannot_be_evenly_spaced_are_refused_with_what_to_do() -> None:
    settings = ClassesSettings(rule="bp", images="digits", counts=(3, 5, 10), part="few")
    with pytest.raises(ValueError, match=r"3 of 10 classes .* give a divisor of 10"):
        settings.pictures()


# Claims, on made-up runs

TABLE_2 = {
    "bp": 71.4,
    "fa": 93.1,
    "dfa": 94.0,
    "dtp-parallel": 98.3,
    "dtp-alternating": 99.4,
    "sdtp-parallel": 99.3,
    "bp-convnet": 63.9,
}


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({}, {}),
        ({"fa": 80.0, "dfa": 82.0}, {"fa-behind-bp": "not reproduced"}),
        (
            {"dtp-parallel": 80.0},
            {
                "dtp-parallel-behind-fa": "not reproduced",
                "dtp-parallel-near-chance": "not reproduced",
            },
        ),
        ({"bp-convnet": 75.0}, {"convnet": "not reproduced"}),
        ({"dfa": 85.0}, {"dfa-behind-fa": "not reproduced"}),
    ],
)
def test_claims_about_table_2_can_fail(changed: dict[str, float], expected: dict[str, str]) -> None:
    errors = TABLE_2 | changed
    made = {
        name: {v: record(name, v, errors[v], 99.5) for v in studies.get(name).variants}
        for name in ("towards-imagenet", "towards-imagenet-others")
    }
    for name, runs in made.items():
        study = studies.get(name)
        for claim in study.claims:
            verdict = judge(study, claim, runs, "reduced", made["towards-imagenet"]).verdict
            words = expected.get(claim.id.removeprefix("towards-imagenet-"), "reproduced")
            assert verdict == words, claim.id


@pytest.mark.parametrize("kept, verdict", [(0.2, "reproduced"), (0.95, "not reproduced")])
def test_claims_about_classes_can_fail(kept: float, verdict: str) -> None:
    chance = dict(zip(PARTS, (90.0, 98.0, 99.5), strict=True))
    shares = {"bp": {}, "fa": {"all": kept}, "dtp-alternating": {"all": kept}}
    runs = {}
    for name, share in shares.items():
        for part, guess in chance.items():
            error = guess - 40 * (share.get(part, 0.9) if name != "bp" else 1.0)
            runs[f"{name}-{part}"] = record(
                "towards-imagenet-classes", f"{name}-{part}", error, guess
            )
    for claim in CLASSES.claims:
        assert judge(CLASSES, claim, runs, "reduced").verdict == verdict, claim.id


@pytest.mark.parametrize(
    "shared, expected",
    [
        ({}, {}),
        ({"bp": 4.1}, {"bp": "not reproduced", "fa-less": "not reproduced"}),
        ({"fa": 6.0}, {"fa": "not reproduced"}),
        ({"fa": 1.0}, {"fa-less": "not reproduced"}),
    ],
)
def test_claims_about_sharing_can_fail(shared: dict[str, float], expected: dict[str, str]) -> None:
    local = {"bp": 4.0, "fa": 5.0, "dtp-alternating": 5.0}
    better = {"bp": 2.0, "fa": 4.0, "dtp-alternating": 4.0} | shared
    errors = local | {f"{name}-convnet": error for name, error in better.items()}
    found = verdicts("sharing-mnist", errors, 90.0)
    for id, verdict in found.items():
        name = str(id).removeprefix("sharing-mnist-")
        also = "bp" in shared and shared["bp"] > 4 and name.endswith("-less")
        assert verdict == ("not reproduced" if also else expected.get(name, "reproduced")), id


def test_what_sharing_buys_is_compared_seed_by_seed_and_no_network_that_diverged_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: Any = {
        "bp": pd.Series({0: 4.0, 1: 5.0, 2: 6.0}),
        "bp-convnet": pd.Series({2: 1.0, 1: 2.0, 5: 9.0}),
        "fa": pd.Series({1: 5.0, 2: 8.0, 3: 7.0, 4: 7.0}),
        "fa-convnet": pd.Series({1: 4.0, 2: np.inf, 3: 6.0, 4: 5.0}),
        "dtp-alternating": pd.Series({0: 5.0, 2: np.inf}),
        "dtp-alternating-convnet": pd.Series({0: 5.0, 2: np.inf}),
    }
    monkeypatch.setattr(sharing, "by_seed", lambda run: run)
    assert sharing.bought(runs, "bp").tolist() == [3.0, 5.0]
    assert sharing.bought(runs, "fa").tolist() == [1.0, -np.inf, 1.0, 2.0]
    assert sharing.less(runs, "fa").tolist() == [3.0 - 1.0, np.inf]
    lost = sharing.bought(runs, "dtp-alternating")
    assert lost[0] == 0.0 and np.isnan(lost[1]), "two that diverged are no tie, and still there"


def test_sharing_on_photographs_is_compared_with_the_runs_beside_it() -> None:
    own = {name: record("sharing-cifar", name, 30.0, 90.0) for name in sharing_cifar.VARIANTS}
    errors = {"bp": 40.0, "bp-convnet": 25.0, "fa": 41.0, "dtp-alternating": 42.0}
    there = {name: record("targets-cifar-local", name, e, 90.0) for name, e in errors.items()}
    study = studies.get("sharing-cifar")
    found = {c.id: judge(study, c, own, "reduced", there).verdict for c in study.claims}
    assert set(found.values()) == {"reproduced"}, found
    for figure in study.figures:
        drawn = figure.draw({**own, **claims.of_study("targets-cifar-local", there)})[1]
        assert set(drawn["rule"]) == {*errors, *own}
        assert set(figure.draw(own)[1]["rule"]) == set(own)


def test_what_shared_weights_leave_is_shown_layer_by_layer() -> None:
    table = sharing.weights()
    first, second = 3 * 3 * 32 / 1000, 3 * 3 * 32 * 64 / 1000
    assert table["shared weights (ConvNet)"].tolist()[:2] == [round(first, 1), round(second, 1)]
    local = table["locally connected"].tolist()
    assert local[:2] == [round(14 * 14 * first, 1), round(7 * 7 * second, 1)]
    assert table.iloc[2:-1].T.drop_duplicates().shape[0] == 1, "dense layers share nothing"
    assert table.index[-1] == "all"
    assert np.allclose(table.iloc[-1], table.iloc[:-1].sum(), atol=0.3), "rounded layer by layer"
