"""A run beside its repetition."""

import pytest

from hnet_bench.runs.compare import compare, different_settings


@pytest.mark.parametrize(
    ("changes", "verdict", "largest", "where"),
    [
        ({}, "identical", 0.0, (0, 0)),
        ({"score": [[0.9, 0.1], [0.5, 0.72]]}, "within tolerance", 0.02, (1, 1)),
        ({"score": [[0.9, 0.1], [0.5, 0.7201]]}, "different", 0.0201, (1, 1)),
        ({"score": [[0.9, 0.4], [0.5, 0.7]]}, "different", 0.3, (0, 1)),
        ({"score": [[0.6]]}, "different", 1.0, None),
        ({"untrained": [0.5, 0.5]}, "identical", 0.0, (0, 0)),  # the record may be older than this
        ({"task_inference": [[1.0, 0.0], [0.5, 0.5]]}, "within tolerance", 0.0, (0, 0)),
    ],
)
def test_every_score_counts(spec_of, record_of, changes, verdict, largest, where):
    found = compare(record_of(spec_of()), record_of(spec_of(), **changes))
    assert (found.verdict, found.where) == (verdict, where)
    assert found.largest == pytest.approx(largest)


def test_the_tolerance_can_be_chosen_and_the_average_moves_with_its_sign(spec_of, record_of):
    record, again = record_of(spec_of()), record_of(spec_of(), score=[[0.9, 0.1], [0.4, 0.7]])
    assert compare(record, again, 0.1).verdict == "within tolerance"
    assert compare(record, again, 0.09).verdict == "different"
    assert compare(record, again).average == pytest.approx(-0.05)


def test_errors_are_compared_in_relation_to_each_other(spec_of, record_of):
    record = record_of(spec_of(), score=[[0.004, 3.0], [0.0, 5.0]])
    near, far = ([[0.00396, 3.0], [0.0, 5.1]], [[0.0039, 3.0], [0.0, 5.0]])
    assert compare(record, record_of(spec_of(), score=near), errors=True).verdict == "within tolerance"
    found = compare(record, record_of(spec_of(), score=far), errors=True)
    # (0.004 - 0.0039) / 0.004
    assert (found.verdict, found.where, found.largest) == ("different", (0, 0), pytest.approx(0.025))
    assert compare(record, record, errors=True).verdict == "identical"


def test_settings_are_named_by_their_place(spec_of):
    one, two = spec_of().to_json(), spec_of(protocol={"iterations": 6}).to_json()
    two["strategy"]["strength"] = 1.0
    assert different_settings(one, two) == ["protocol.iterations", "strategy.strength"]
