"""Units in continuous time: errors that come late, learning that waits, and going on."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bioprop.learning import Sequences, Streams, Training, sgd
from bioprop.learning.rules import continuous_time
from bioprop.studies import get

STREAMS = Streams((3, 1, 4))


def made(population: Any, moments: int = 1, **options: Any) -> Training:
    """A training of feedback alignment whose inputs last for some moments."""
    network = population(STREAMS)
    data = Sequences(STREAMS, "data", (4, 5))

    def batches(step: int) -> tuple[Tensor, Tensor]:
        x = data[step // moments]
        return x, torch.softmax(x[..., :3], -1)

    return Training(network, continuous_time(**options, batch=4), sgd(0.0), batches, STREAMS)


def taught(training: Training) -> list[Tensor]:
    """The signals of the moment that comes next, which is then past."""
    trial = training.network.present(*training.batches(training.step), training.step)
    training.step += 1
    deltas = training.rule.teach(training.network, training.state, trial)
    return [delta for delta in deltas if delta is not None]


def test_units_go_an_equal_share_of_their_way_in_equal_times(population: Any) -> None:
    training = made(population, moments=10, share=0.25, bound=0.5)
    x, target = training.batches(0)
    end = training.network.present(x, target).activities[1]
    for step in range(1, 6):
        taught(training)
        ours = training.state["activities"][1]
        torch.testing.assert_close(ours, end * (1 - 0.75**step))


def test_an_error_comes_as_late_as_each_member_is_told(population: Any) -> None:
    late = torch.tensor([0, 1, 3])
    now, then = made(population, share=0.5), made(population, share=0.5, delay=late)
    errors, delayed = ([taught(t)[-1] for _ in range(6)] for t in (now, then))
    for step in range(6):
        for member, wait in enumerate(late.tolist()):
            expected = errors[step - wait] if step >= wait else torch.zeros_like(errors[0])
            assert torch.equal(delayed[step][member], expected[member])


def test_layers_that_wait_for_stillness_learn_nothing_before_and_all_after(
    population: Any,
) -> None:
    always, waits = (
        made(population, moments=60, share=0.3, bound=0.5, still=still) for still in (None, 0.1)
    )
    seen = [(taught(always), taught(waits)) for _ in range(60)]
    assert not any(delta.any() for delta in seen[0][1])
    assert all(torch.equal(a, b) for a, b in zip(*seen[-1], strict=True))
    opened = [[bool(delta.any()) for delta in deltas] for _, deltas in seen]
    first = [column.index(True) for column in zip(*opened, strict=True)]
    assert first[0] >= first[-1] > 0  # what comes down later is still later


def test_time_goes_on_where_it_was_saved(population: Any) -> None:
    options: dict[str, Any] = {"moments": 3, "share": 0.4, "delay": 2, "bound": 0.5}
    whole, first, second = (made(population, **options) for _ in range(3))
    whole.until(11)
    first.until(5)
    second.load_state_dict(first.state_dict())
    second.until(11)
    for name in ("activities", "signals"):
        assert all(map(torch.equal, whole.state[name], second.state[name]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"share": 0.0}, "share, .* is above 0 and at most 1"),
        ({"share": 1.5}, "share, .* is above 0 and at most 1"),
        ({"share": 0.5, "delay": -1}, "0 or more, not -1"),
        ({"share": 0.5, "delay": torch.tensor(0.5)}, "whole number of moments"),
        ({"share": 0.5, "still": 0.0}, "still, .* is above 0"),
        ({"share": 0.5, "batch": 0}, "1 example or more"),
        ({"share": 0.5, "bound": -1.0}, "0 or more"),
    ],
)
def test_what_has_no_time_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        continuous_time(**options)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"delays": (601.0,)}, "601 inputs late never comes in a run of 600"),
        ({"delays": (0.001,)}, "no whole number of its 50 moments"),
        ({"durations": (0.0,)}, "greater than 0"),
        ({"images": "digits"}, "no images"),
        ({"still": 0.2}, "layers learn at every moment"),
    ],
)
def test_a_study_of_time_refuses_what_never_comes(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        get("no-phases").configure("paper", "linear", **given)
