"""Settings to dataclasses and back."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnet_bench.config import check_recordable, from_settings, read_toml, to_settings
from hnet_bench.interfaces import ADDED_LATER, LARGEST, UserError


@dataclass(frozen=True, kw_only=True)
class Method:
    steps: int
    strength: float = 1.0
    widths: tuple[int, ...] = (4, 4)
    range: tuple[float, str] = (0.0, "a")
    kind: Literal["soft", "hard"] = "soft"
    label: str | None = None
    on: bool = False
    more: dict[str, Any] | str = ""


FLOATS = st.floats(-LARGEST, LARGEST)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
METHODS = st.builds(
    Method,
    steps=INTEGERS,
    strength=FLOATS,
    widths=st.lists(INTEGERS).map(tuple),
    range=st.tuples(FLOATS, st.text()),
    kind=st.sampled_from(["soft", "hard"]),
    label=st.none() | st.text(),
    on=st.booleans(),
    more=st.text() | st.dictionaries(st.text(), st.integers()),
)


@given(METHODS)
def test_what_is_written_is_read_back(method: Method) -> None:
    assert from_settings(Method, to_settings(method), where="a test") == method


def test_every_default_is_written_out() -> None:
    assert set(to_settings(Method(steps=1))) == set(Method.__dataclass_fields__)


@dataclass(frozen=True, kw_only=True)
class Grown:
    steps: int
    smooth: bool = field(default=False, metadata=ADDED_LATER)


def test_a_field_that_was_added_later_is_left_out_while_it_has_its_default() -> None:
    assert to_settings(Grown(steps=1)) == {"steps": 1}
    assert to_settings(Grown(steps=1, smooth=True)) == {"steps": 1, "smooth": True}
    for grown in (Grown(steps=1), Grown(steps=1, smooth=True)):
        assert from_settings(Grown, to_settings(grown), where="a test") == grown


def test_integers_become_floats_where_floats_are_due_and_lists_become_tuples() -> None:
    method = from_settings(Method, {"steps": 1, "strength": 1000, "widths": [1, 2], "range": [1, "b"]}, where="x")
    assert isinstance(method.strength, float)
    assert method.widths == (1, 2)
    assert isinstance(method.range[0], float)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 1, "strenght": 2}, "Unknown key 'strenght' in row 'a': known keys are kind, label"),
        ({}, "Key 'steps' is missing in row 'a': required keys are steps."),
        ({"steps": 1.0}, "'steps' in row 'a' must be a whole number, found 1.0."),
        ({"steps": True}, "'steps' in row 'a' must be a whole number, found True."),
        ({"steps": 1, "strength": True}, "'strength' in row 'a' must be a number, found True."),
        ({"steps": 1, "strength": "2"}, "'strength' in row 'a' must be a number, found '2'."),
        ({"steps": 1, "widths": 4}, "'widths' in row 'a' must be a list, found 4."),
        ({"steps": 1, "widths": ["4"]}, "'widths' in row 'a' must be a whole number, found '4'."),
        ({"steps": 1, "range": [1.0]}, "'range' in row 'a' must have 2 items, found 1."),
        ({"steps": 1, "kind": "firm"}, "'kind' in row 'a' must be one of 'soft', 'hard', found 'firm'."),
        ({"steps": 1, "on": 1}, "'on' in row 'a' must be true or false, found 1."),
        ({"steps": 1, "label": 3}, "'label' in row 'a' must be a text, found 3."),
        ({"steps": 1, "more": 3}, "'more' in row 'a' must be a table or a text, found 3."),
        ("steps", "row 'a' must be a table, found 'steps'."),
    ],
)
def test_an_error_names_the_key_the_place_and_what_is_known(settings: Any, words: str) -> None:
    with pytest.raises(UserError) as raised:
        from_settings(Method, settings, where="row 'a'")
    assert words in str(raised.value)


def test_lists_stay_lists_with_items_of_their_type() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Listed:
        widths: list[float]
        pairs: list[tuple[int, str]] = field(default_factory=list)

    made = from_settings(Listed, {"widths": [7], "pairs": [[1, "a"]]}, where="x")
    assert (made.widths, made.pairs) == ([7.0], [(1, "a")])
    assert from_settings(Listed, to_settings(made), where="x") == made
    with pytest.raises(UserError, match="'widths' in x must be a number, found 'a'"):
        from_settings(Listed, {"widths": ["a"]}, where="x")


def test_a_type_that_no_setting_has_or_that_cannot_be_found_is_named() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        names: set[str]

    with pytest.raises(UserError, match=r"'names' in x has the type set\[str\], which no setting can have"):
        from_settings(Odd, {"names": ["a"]}, where="x")
    Odd.__annotations__["names"] = "Absent"
    lost = type("Lost", (Odd,), {})
    with pytest.raises(UserError, match=r"types of the fields of Lost cannot be found .*'Absent' is not defined"):
        from_settings(lost, {"names": ["a"]}, where="x")
    Odd.__annotations__["names"] = "pytest.Absent"
    with pytest.raises(UserError, match=r"types of the fields of Misspelt cannot be found .*no attribute 'Absent'"):
        from_settings(type("Misspelt", (Odd,), {}), {"names": ["a"]}, where="x")


def test_tuples_of_a_users_own_come_back_as_they_were() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Loose:
        sizes: tuple = (1, "a")  # type: ignore[type-arg]
        more: dict = field(default_factory=lambda: {"b": (1, 2)})  # type: ignore[type-arg]

    assert from_settings(Loose, {"sizes": [3, True]}, where="x").sizes == (3, True)
    written = to_settings(Loose())
    assert written == {"sizes": [1, "a"], "more": {"b": [1, 2]}}
    check_recordable(written, where="x")
    assert to_settings(from_settings(Loose, written, where="x")) == written


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (float("inf"), "'a' of 'more' in x must be a finite number"),
        (2**63, "'a' of 'more' in x must be a number of at most 64 bits, found one of 64 bits"),
        ({"b": [float("nan")]}, "'b' of 'a' of 'more' in x must be a finite number"),
        (date(2026, 1, 1), "'a' of 'more' in x must be a number, a text, true or false, a list or a table"),
    ],
)
def test_what_stands_in_a_table_of_a_users_own_must_fit_into_a_record(item: Any, words: str) -> None:
    check_recordable({"more": {"a": [1, {"b": 0.5}, "c", True, None]}}, where="x")
    with pytest.raises(UserError, match=words):
        check_recordable({"more": {"a": item}}, where="x")


def test_a_number_that_no_record_may_hold_is_refused() -> None:
    assert from_settings(Method, {"steps": 1, "strength": -LARGEST}, where="x").strength == -LARGEST
    with pytest.raises(UserError, match=r"'strength' in x must be at most 1e\+50 in size, found 1e\+155"):
        from_settings(Method, {"steps": 1, "strength": 1e155}, where="x")


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_number_without_end_is_refused(value: float) -> None:
    with pytest.raises(UserError, match="must be a finite number"):
        from_settings(Method, {"steps": 1, "strength": value}, where="x")


def test_what_a_message_quotes_is_shown_on_one_line_that_can_be_read() -> None:
    with pytest.raises(UserError) as raised:
        from_settings(Method, {"a\nb\x1b": 1}, where="x")
    assert str(raised.value).startswith("Unknown key 'a\\nb\\x1b' in x: known keys are ")
    with pytest.raises(UserError) as raised:
        from_settings(Method, {"steps": [7] * 5000}, where="x")
    text = str(raised.value)
    assert text.startswith("'steps' in x must be a whole number, found [7, 7, ")
    assert text.endswith("7, 7].")
    assert " [...] " in text
    assert len(text) < 1100


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_it(tmp_path):
    (tmp_path / "notepad.toml").write_bytes(b"\xef\xbb\xbftitle = 'T'")
    assert read_toml(tmp_path / "notepad.toml") == {"title": "T"}
