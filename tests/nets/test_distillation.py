"""Distillation against a sum written out, and where it is least."""

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


def test_the_student_can_do_no_better_than_the_teacher():
    teacher = torch.randn(5, 4, dtype=torch.float64)
    student = teacher.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distillation_loss(student, teacher), student)
    assert gradient.abs().max() < 1e-12
