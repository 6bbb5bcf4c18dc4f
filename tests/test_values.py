"""What a reader types is read as the kind of value that is wanted, or refused."""

import math
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioprop import values


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_are_read_as_they_are_written(number: int) -> None:
    assert values.read(str(number), int) == number
    assert values.read(f" {number} ", float) == float(number)


@given(st.floats(allow_nan=False))
def test_numbers_are_read_as_they_are_written(number: float) -> None:
    assert values.read(repr(number), float) == number


@given(
    st.lists(st.lists(st.integers(0, 99), max_size=3), max_size=3), st.sampled_from([list, tuple])
)
def test_lists_are_read_as_they_are_written(listed: list[list[int]], as_: type) -> None:
    read = values.read(str(as_(map(as_, listed))), tuple[tuple[int, ...], ...])
    assert read == tuple(map(tuple, listed))


@given(st.text())
def test_a_text_is_read_as_a_number_only_where_it_is_one(text: str) -> None:
    try:
        read = values.read(text, float)
    except ValueError:
        return
    there = float(text.strip().strip("'\""))
    assert read == there or math.isnan(there)


@given(st.text())
def test_any_text_that_is_no_list_is_a_word(text: str) -> None:
    word = text.strip().strip("'\"")
    if not text.strip().startswith(("[", "(")):
        assert values.read(text, str) == word


@pytest.mark.parametrize("text", ["1:30", "yes", "true", "null", "", "0x10", "2024-01-01", "1,5"])
@pytest.mark.parametrize("kind", [int, float])
def test_no_other_way_to_write_is_taken_for_a_number(text: str, kind: type) -> None:
    with pytest.raises(pydantic.ValidationError):
        values.read(text, kind)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("1e3", int, 1000),
        ("12", str, "12"),
        ("[12, 4]", tuple[str, ...], ("12", "4")),
        ("(1000,)", tuple[int, ...], (1000,)),
        ("[]", tuple[int, ...], ()),
        ("no", bool, False),
        ("fa", str, "fa"),
    ],
)
def test_the_type_decides_what_a_text_means(text: str, kind: Any, value: Any) -> None:
    assert values.read(text, kind) == value


@pytest.mark.parametrize("text", ["[1, 2", "[1] 2", "[" * 100_000, "[a: 1]]"])
def test_a_list_without_an_end_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no list; one is written as"):
        values.read(text, tuple[int, ...])
