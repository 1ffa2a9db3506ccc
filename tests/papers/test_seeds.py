"""Ranges of seeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnet_bench.interfaces import UserError
from hnet_bench.papers.seeds import format_seeds, parse_seeds


@given(st.sets(st.integers(0, 10_000), min_size=1))
def test_formatted_seeds_are_parsed_back(seeds: set[int]) -> None:
    ordered = tuple(sorted(seeds))
    assert parse_seeds(format_seeds(ordered)) == ordered


def test_the_order_of_a_range_is_kept_and_each_seed_comes_once() -> None:
    assert parse_seeds(" 7, 1 - 3,2") == (7, 1, 2, 3)


def test_seeds_may_be_numbers_and_lists() -> None:
    assert parse_seeds(3) == (3,)
    assert parse_seeds([2, 1, "1-3"]) == (2, 1, 3)
    for other in (True, 1.5, -1, [], [1.5], [None]):
        with pytest.raises(UserError, match="is not a range of seeds"):
            parse_seeds(other)  # type: ignore[arg-type]


def test_neighbours_are_joined() -> None:
    assert format_seeds((7, 3, 1, 2)) == "1-3,7"


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1..3", "5-1", "1,,2", "1.5", "1-999999999", "1" + 18 * "0"])
def test_anything_else_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_seeds(text)
    assert text in str(raised.value)


def test_seeds_of_thousands_of_digits_and_too_many_ranges_are_refused() -> None:
    assert parse_seeds("9" * 18) == (10**18 - 1,)
    with pytest.raises(UserError, match="a seed of too many digits: at most 18"):
        parse_seeds("9" * 5000)
    with pytest.raises(UserError, match="too many seeds: at most 100000"):
        parse_seeds("1-60000,70001-130000")
