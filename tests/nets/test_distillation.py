"""Distillation against a sum written out."""

import math

import pytest
import torch

from hnet_bench.nets.distillation import distillation_loss


def test_the_value_by_hand():
    """Equal logits on both sides: the entropy of (1/2, 1/2), times T^2."""
    zeros = torch.zeros(3, 2)
    assert distillation_loss(zeros, zeros, 2.0).item() == pytest.approx(4 * math.log(2))
    teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    p = 1 / (1 + math.exp(-1))  # of 2 / T
    expected = -4 * (p * math.log(1 - p) + (1 - p) * math.log(p))
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected)


def test_classes_that_the_teacher_lacks_have_target_0():
    """Teacher over classes 2 and 0 of three: the sum of p_c log q_c over these two, the softmax of q over all three."""
    teacher, student = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 5.0, 3.0]])
    p = 1 / (1 + math.exp(-1))
    log_q = (student / 2).log_softmax(1)[0]
    expected = -(p * log_q[2] + (1 - p) * log_q[0])
    plain = distillation_loss(student, teacher, 2.0, known=[2, 0], times_temperature_squared=False)
    torch.testing.assert_close(plain, expected)
    mean = distillation_loss(student, teacher, 2.0, known=[2, 0], reduction="mean")
    torch.testing.assert_close(mean, 4 * expected / 3)


def test_known_classes_that_are_a_prefix_or_all_are_no_special_case():
    student, teacher = torch.randn(4, 5), torch.randn(4, 3)
    prefix = distillation_loss(student, teacher, known=[0, 1, 2])
    shuffled = distillation_loss(student[:, [3, 0, 1, 2, 4]], teacher, known=[1, 2, 3])
    torch.testing.assert_close(prefix, shuffled)
    torch.testing.assert_close(distillation_loss(student, student, known=range(5)), distillation_loss(student, student))
