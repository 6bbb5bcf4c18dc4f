"""Digits: images held out, shares removed, readings, and what hidden units look for."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop import studies
from bioprop.learning import Streams
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import images, train
from bioprop.studies.lillicrap2014.mnist_ablation import by_share, turned_less
from bioprop.studies.lillicrap2014.mnist_readings import READINGS, RULES, ReadingSettings
from bioprop.tasks.images import load

MNIST = studies.get("mnist")
ABLATION = studies.get("mnist-ablation")
READ = studies.get("mnist-readings")
FIELDS = studies.get("receptive-fields")


def finished(study: studies.Study, variant: str, **changes: object) -> Journal:
    """Run a variant at smoke and return its journal."""
    journal = Journal()
    study.run(study.configure("smoke", variant, **changes), journal)
    return journal


def test_images_held_out_are_the_last_training_images_and_are_not_trained_on() -> None:
    whole = load("digits")
    split = whole.held_out(300)
    assert len(split.train) == len(whole.train) - 300
    assert torch.equal(torch.cat([split.train, split.test]), whole.train)
    assert torch.equal(torch.cat([split.train_labels, split.test_labels]), whole.train_labels)


@pytest.mark.parametrize("count", [0, -1, 1437, 10_000])
def test_holding_out_no_image_or_all_of_them_is_refused(count: int) -> None:
    assert len(load("digits").train) == 1437
    with pytest.raises(ValueError, match="hold out 1 to 1436"):
        load("digits").held_out(count)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused_by_name(share: float) -> None:
    with pytest.raises(ValueError, match="removed = "):
        MNIST.configure("smoke", "fa", removed=share)
    with pytest.raises(ValueError, match="shares"):
        ABLATION.configure("smoke", "both", shares=(0.5, share))


@pytest.mark.parametrize("variant", ["w", "b", "both", "bp"])
def test_removed_connections_stay_removed_where_the_variant_says(variant: str) -> None:
    settings = ABLATION.configure("smoke", variant)
    streams = Streams((0, 0), torch.float32)
    removed = streams.each((0.0, 0.9))
    training = train(
        settings,
        images(settings, streams),
        removed=removed if settings.forward else 0.0,
        removed_back=removed if settings.backward else 0.0,
    )
    training.until(5)

    def missing(tensor: torch.Tensor) -> list[float]:
        return [round(float((member == 0).double().mean()), 1) for member in tensor]

    assert missing(training.network.weights[1]) == [0, 0.9 if settings.forward else 0]
    if settings.rule == "fa":
        assert missing(training.state[0]) == [0, 0.9 if settings.backward else 0]
    assert missing(training.network.weights[0]) == [0, 0]  # the input weights are all there


def test_a_share_of_zero_in_an_ablation_is_the_network_itself() -> None:
    ablated = finished(ABLATION, "both", members=3, marks=4)
    whole = finished(MNIST, "fa")
    settled = ablated.rows[-1][1]["error"][:3]
    assert settled == whole.rows[-1][1]["error"]


def test_angles_are_compared_where_the_whole_network_had_the_same_error() -> None:
    marks, whole, thin = [0, 1, 2], (90.0, 10.0, 5.0), (90.0, 12.0, 7.5)
    rows = [
        {"member": (seed, share), "seed": seed, "share": share, "examples": mark}
        | {"error": e, "angle": a + seed * share}
        for seed in (0, 1)
        for share, errors, angles in ((0.0, whole, (90, 60, 40)), (0.75, thin, (90, 80, 70)))
        for mark, e, a in zip(marks, errors, angles, strict=True)
    ]
    settings = SimpleNamespace(members=2)
    runs: Any = {"both": SimpleNamespace(table=pd.DataFrame(rows), settings=settings)}
    assert turned_less(runs, 0.75) == pytest.approx([20.0, 20.75]), "70 at 7.5 %, not 40 but 50"
    assert np.isnan(turned_less(runs, 0.9)).all(), "a share that was not tried"


def test_the_end_of_an_ablation_is_sorted_by_share_and_seed() -> None:
    journal = finished(ABLATION, "both")

    class Finished:
        settings, table = ABLATION.configure("smoke", "both"), journal.table()

    errors = by_share(Finished, "error")  # type: ignore[arg-type]
    assert errors.index.tolist() == [0.0, 0.5, 0.9] and errors.columns.tolist() == [0, 1]
    assert errors.to_numpy().ravel().tolist() == journal.rows[-1][1]["error"]


def test_a_decay_for_each_example_shrinks_weights_and_one_times_the_rate_hardly_does() -> None:
    settings = {
        kind: MNIST.configure("smoke", "shallow", decay=1e-3, decay_with=kind, rate=1e-9)
        for kind in ("rate", "example")
    }
    ratio = {}
    for kind, chosen in settings.items():
        training = train(chosen, images(chosen, chosen.streams()))
        before = training.network.weights[1].clone()
        training.until(10)
        ratio[kind] = float((training.network.weights[1] / before).mean())
    assert ratio["rate"] == pytest.approx(1.0, abs=1e-4)
    assert ratio["example"] == pytest.approx((1 - 1e-3 * 20) ** 10, abs=1e-4)


def test_every_reading_is_tried_under_every_rule() -> None:
    names = {f"{name}-{reading}" for reading in READINGS for name in RULES}
    assert names == {v for v in READ.variants if "replication" not in v}
    kinds = {(s.slope, s.inputs, s.decay_with, s.rate) for s in map(configured, sorted(names))}
    assert len(kinds) == len(READINGS)


def configured(variant: str) -> ReadingSettings:
    return READ.configure("paper", variant)  # type: ignore[return-value]


def test_readings_are_measured_on_held_out_images_and_the_replication_on_test_images() -> None:
    assert configured("fa-unit").held_out == 10_000
    assert configured("fa-replication").held_out == 0


@pytest.mark.parametrize("tier", READ.tiers)
@pytest.mark.parametrize("variant", [name for name in READ.variants if "replication" in name])
def test_the_replication_is_that_reading_at_every_tier(tier: str, variant: str) -> None:
    what = ("slope", "inputs", "rate", "bounds", "feedbacks", "held_out")
    small, whole = READ.configure(tier, variant), configured(variant)
    assert [getattr(small, name) for name in what] == [getattr(whole, name) for name in what]


def test_receptive_fields_are_what_changed_in_the_input_weights_of_the_units_named() -> None:
    journal = finished(FIELDS, "fa", units=5)
    table = journal.table()
    settings = FIELDS.configure("smoke", "fa", units=5)
    training = train(settings, images(settings, settings.streams()))
    before = training.network.weights[0].clone()
    training.until(settings.examples // settings.batch)
    units = table["unit"].unique()
    assert len(units) == 5
    pixel = table.pivot(index="examples", columns="unit", values="change").to_numpy()
    expected = (training.network.weights[0] - before)[0][:, units].numpy()
    np.testing.assert_allclose(pixel, expected, atol=6e-5)


def test_a_batch_of_more_images_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 20 needs more than 7 images"):
        READ.run(READ.configure("smoke", "bp-unit", held_out=1430), Journal())


@pytest.mark.parametrize("name", ["bounds", "feedbacks", "hidden"])
def test_nothing_to_try_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} = \(\).*at least 1 item"):
        READ.configure("smoke", "fa-unit", **{name: ()})
