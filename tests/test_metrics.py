"""Metrics, checkable by head."""

import math
import re
from pathlib import Path

import pytest

from hnet_bench.metrics import (
    METRICS,
    Summary,
    anytime_accuracy,
    average_accuracy,
    backward_transfer,
    during_accuracy,
    forgetting,
    forward_transfer,
    summarise,
    worst_case_accuracy,
)
from hnet_bench.runs.account import ACCOUNT

# Trained on three experiences; the first is half forgotten, after a rise.
SCORE = [[0.8, 0.3, 0.1], [0.9, 0.7, 0.2], [0.4, 0.6, 0.8]]


def test_the_last_row_is_what_is_left_at_the_end() -> None:
    assert average_accuracy(SCORE) == pytest.approx(0.6)


def test_the_diagonal_is_what_was_learnt() -> None:
    assert during_accuracy(SCORE) == pytest.approx((0.8 + 0.7 + 0.8) / 3)


def test_backward_transfer_compares_the_end_with_the_diagonal() -> None:
    assert backward_transfer(SCORE) == pytest.approx((-0.4 - 0.1) / 2)


def test_forgetting_compares_the_end_with_the_best_before() -> None:
    assert forgetting(SCORE) == pytest.approx((0.5 + 0.1) / 2)


def test_forward_transfer_compares_the_step_before_with_no_training() -> None:
    assert forward_transfer(SCORE, [0.5, 0.25, 0.1]) == pytest.approx((0.05 + 0.1) / 2)


def test_anytime_accuracy_is_the_mean_over_time_of_what_was_known_of_the_past() -> None:
    assert anytime_accuracy(SCORE) == pytest.approx((0.8 + (0.9 + 0.7) / 2 + (0.4 + 0.6 + 0.8) / 3) / 3)


def test_the_worst_case_is_the_lowest_score_after_later_experiences_and_the_last_experiences_own() -> None:
    # Of the first 0.4, after 0.9; of the second 0.6. Not its 0.2 from before it was learnt, nor the 0.7 right after.
    assert worst_case_accuracy(SCORE) == pytest.approx((0.4 + 0.6 + 0.8) / 3)
    dip = [[0.8, 0.1, 0.1], [0.3, 0.7, 0.1], [0.6, 0.5, 0.9]]
    assert worst_case_accuracy(dip) == pytest.approx((0.3 + 0.5 + 0.9) / 3)


def test_of_errors_the_worst_is_the_highest_and_transfer_is_positive_where_they_fall() -> None:
    errors = [[1.0, 3.0, 3.0], [4.0, 1.0, 2.0], [2.0, 2.0, 1.0]]
    assert worst_case_accuracy(errors, "lower") == pytest.approx((4.0 + 2.0 + 1.0) / 3)
    assert backward_transfer(errors, "lower") == pytest.approx((-1.0 - 1.0) / 2)
    assert forgetting(errors, "lower") == pytest.approx((1.0 + 1.0) / 2)
    assert forward_transfer(errors, [5.0, 4.0, 4.0], "lower") == pytest.approx((1.0 + 2.0) / 2)


def test_a_single_experience_has_neither_transfer_nor_forgetting() -> None:
    assert backward_transfer([[0.5]]) == forgetting([[0.5]]) == forward_transfer([[0.5]], [0.1]) == 0.0
    assert anytime_accuracy([[0.5]]) == worst_case_accuracy([[0.5]]) == 0.5


def test_what_needs_a_score_that_was_not_measured_is_none_and_the_rest_is_as_before() -> None:
    gaps = [[0.8, None, None], [None, 0.7, None], [0.4, 0.6, 0.8]]
    for metric in (average_accuracy, during_accuracy, backward_transfer):
        assert metric(gaps) == metric(SCORE)
    # The best earlier score on the first experience was 0.9; from the diagonal alone it would be taken for 0.8.
    assert forgetting(gaps) is None
    assert forward_transfer(gaps, [0.5, 0.25, 0.1]) is None
    assert anytime_accuracy(gaps) is None
    assert worst_case_accuracy(gaps) is None  # which might lie between
    # Of two experiences the diagonal has all earlier scores.
    assert forgetting([[0.8, None], [0.5, 0.9]]) == pytest.approx(0.3)


def test_a_mean_never_leaves_out_what_every_record_has() -> None:
    with pytest.raises(ValueError, match="not measured"):
        average_accuracy([[0.8, None], [None, 0.7]])


def test_the_spread_is_the_standard_error_with_n_minus_one() -> None:
    summary = summarise([1.0, 2.0, 3.0])
    assert summary is not None
    assert (summary.mean, summary.n) == (2.0, 3)
    assert summary.sem == pytest.approx(1 / math.sqrt(3))


def test_one_seed_has_no_spread_and_none_has_no_summary() -> None:
    assert summarise([0.5]) == Summary(0.5, None, 1)
    assert summarise([]) is None


def test_docs_explain_every_metric_by_its_name_and_source() -> None:
    page = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    lines = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in lines] == list(METRICS)
    assert all(re.search(r"\d{4}", source) for *_, source in lines)
    account = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", page, re.MULTILINE)
    assert account == list(ACCOUNT)
