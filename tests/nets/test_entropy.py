"""Entropy that stays a number, and the form that does not."""

import math

import pytest
import torch

from hnet_bench.nets.entropy import entropy


def test_known_values():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    expected = [math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    assert entropy(logits).tolist() == pytest.approx(expected)
    assert entropy(logits, "naive").tolist() == pytest.approx(expected)


def test_certainty_has_no_entropy():
    assert entropy(torch.tensor([[1000.0, 0.0]])).tolist() == [0.0]


def test_the_naive_form_turns_into_nan_past_a_gap_of_about_104_and_argmin_then_picks_it():
    """Why the authors' form is biased: torch takes NaN for the least value, so the first task with a NaN wins."""
    assert not entropy(torch.tensor([103.0, 0.0]), "naive").isnan()
    assert entropy(torch.tensor([105.0, 0.0]), "naive").isnan()
    by_task = torch.stack([entropy(torch.tensor([gap, 0.0]), "naive") for gap in (1.0, 105.0, 50.0)])
    assert by_task.argmin() == 1
