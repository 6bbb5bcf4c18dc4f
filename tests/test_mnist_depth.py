"""Deeper networks on digits: their angles, their images, and what is claimed of them."""

from typing import Any

import pandas as pd
import pytest
import torch

from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import mnist, mnist_depth
from bioprop.studies.lillicrap2014.mnist_depth import STUDY


def test_there_is_an_angle_for_each_hidden_layer_and_it_is_zero_under_the_transposes() -> None:
    training, task = mnist_depth.prepare(STUDY.configure("smoke", "fa-3"))
    training.state = [W.mT for W in training.network.weights[1:]]
    angles = mnist.signal_angles(training, *task.test(50))
    assert len(angles) == 3
    assert max(float(angle.max()) for angle in angles) < 1e-2  # in float32


def test_settings_are_chosen_by_images_that_are_not_test_images() -> None:
    settings = STUDY.configure("smoke", "bp-2", held_out=300)
    _, task = mnist_depth.prepare(settings)
    _, tested = mnist_depth.prepare(STUDY.configure("smoke", "bp-2"))
    assert torch.equal(task.images.test, tested.images.train[-300:])
    assert len(task.images.train) == len(tested.images.train) - 300


def test_angles_are_measured_where_there_is_feedback() -> None:
    for variant, expected in (("bp-2", set()), ("fa-2", {"angle-1", "angle-2"})):
        journal = Journal()
        STUDY.run(STUDY.configure("smoke", variant, examples=40, marks=1), journal)
        assert {name for name in journal.table() if name.startswith("angle")} == expected


def test_the_angle_is_asked_for_at_every_layer_of_every_depth() -> None:
    class Ended:
        def __init__(self, depth: int):
            angles = {f"angle-{k}": [10.0 * depth + k, 99.0 - k] for k in range(1, depth + 1)}
            self.table = pd.DataFrame({"member": range(2), "examples": 1, **angles})

    runs: Any = {f"fa-{depth}": Ended(depth) for depth in (1, 2, 3)}
    angles = mnist_depth.all_angles(runs)
    assert angles.shape == (6, 2) and angles.max(0).tolist() == [33.0, 98.0]


@pytest.mark.parametrize("hidden", [(0,), (200, -1)])
def test_a_layer_without_units_is_refused_by_name(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="setting hidden"):
        STUDY.configure("smoke", "fa-3", hidden=hidden)
