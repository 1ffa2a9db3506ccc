"""Any number of penalties merged into one equals their plain sum: value and gradient, over random terms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.training.quadratic_penalty import QuadraticPenalty

SHAPES = [(3, 2), (4,)]


def drawn(generator, scale=1.0):
    return [scale * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def plain(scale, terms, theta):
    """The sum as the papers write it."""
    parts = [(f * (t - a) ** 2).sum() for fs, anchors in terms for f, a, t in zip(fs, anchors, theta, strict=True)]
    return scale * sum(parts)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**20),
    # Powers of ten: importances of one parameter may differ by orders of magnitude, or be zero.
    magnitudes=st.lists(st.integers(-12, 3), min_size=1, max_size=6),
    absent=st.sampled_from([0.0, 0.3, 1.0]),
    scale=st.sampled_from([0.5, 1e10]),
    distance=st.sampled_from([1e-6, 1.0]),
)
def test_merged_terms_equal_the_plain_sum(seed, magnitudes, absent, scale, distance):
    generator = torch.Generator().manual_seed(seed)
    theta, terms = drawn(generator), []
    penalty = QuadraticPenalty(scale)
    for magnitude in magnitudes:
        importance = [10.0**magnitude * f.square() for f in drawn(generator)]
        for f in importance:
            f[torch.rand(f.shape, generator=generator) < absent] = 0
        anchor = [t + away for t, away in zip(theta, drawn(generator, distance), strict=True)]
        terms.append((importance, anchor))
        penalty.add(importance, anchor)

    leaves = [tensor.clone().requires_grad_() for tensor in theta]
    expected = plain(scale, terms, leaves)
    expected_gradients = torch.autograd.grad(expected, leaves)
    gradients = [torch.zeros_like(tensor) for tensor in theta]
    penalty.add_gradient(theta, gradients)
    allowed = 1e-12 * expected.detach()
    for index, (found, plainly) in enumerate(zip(gradients, expected_gradients, strict=True)):
        # As if each parameter were off by a few roundings, 1e-15 of its size; that is all.
        slack = 5e-15 * (theta[index].abs() + distance)
        curvature = 2 * scale * sum(f[index] for f, _ in terms)
        furthest = torch.stack([(theta[index] - a[index]).abs() for _, a in terms]).amax(0)
        assert ((found - plainly).abs() <= curvature * (slack + 1e-14 * furthest)).all()
        allowed += (curvature * furthest * slack).sum()
    assert (penalty.value(theta) - expected.detach()).abs() <= allowed


def test_by_hand():
    """1 * (x - 0)^2 + 3 * (x - 4)^2 = 4 * (x - 3)^2 + 12."""
    penalty = QuadraticPenalty(10.0)
    penalty.add([torch.tensor([1.0])], [torch.tensor([0.0])])
    penalty.add([torch.tensor([3.0])], [torch.tensor([4.0])])
    assert penalty.importance[0].item() == 4
    assert penalty.centre[0].item() == 3
    assert penalty.constant.item() == 12
    x = [torch.tensor([5.0])]
    assert penalty.value(x).item() == 10 * (25 + 3)
    gradient = [torch.tensor([0.5])]
    penalty.add_gradient(x, gradient)
    assert gradient[0].item() == 0.5 + 10 * 2 * (5 + 3 * 1)


def test_in_float32_no_digits_are_lost_at_large_strengths():
    """Weights of size 1 that moved by 1e-4: expanded squares would be off by as much as the penalty itself."""
    generator = torch.Generator().manual_seed(0)
    theta = [tensor.float() for tensor in drawn(generator)]
    penalty, terms = QuadraticPenalty(1e10), []
    for _ in range(4):
        importance = [1e-6 * tensor.float().square() for tensor in drawn(generator)]
        anchor = [t + 1e-4 * a.float() for t, a in zip(theta, drawn(generator), strict=True)]
        penalty.add(importance, anchor)
        terms.append(([f.double() for f in importance], [a.double() for a in anchor]))
    expected = plain(1e10, terms, [tensor.double() for tensor in theta])
    assert penalty.value(theta).item() == pytest.approx(expected.item(), rel=5e-3)
    expanded = sum(
        (f * t**2 - 2 * f * a * t + f * a**2).sum()
        for fs, anchors in terms
        for f, a, t in zip([f.float() for f in fs], [a.float() for a in anchors], theta, strict=True)
    )
    assert abs(1e10 * expanded.item() - expected.item()) > 0.5 * expected.item()


def test_moving_keeps_one_anchor_and_lets_old_importances_decay():
    penalty = QuadraticPenalty(0.5)
    penalty.move([torch.tensor([8.0, -2.0])], [torch.tensor([1.0, 1.0])], decay=0.25)
    assert penalty.importance[0].tolist() == [8, -2]
    anchor = torch.tensor([3.0, 0.0])
    penalty.move([torch.tensor([1.0, 1.0])], [anchor], decay=0.25)
    anchor += 100  # what is kept is a copy
    assert penalty.importance[0].tolist() == [3, 0.5]
    assert penalty.value([torch.tensor([5.0, 2.0])]).item() == 0.5 * (3 * 4 + 0.5 * 4)


def test_nothing_is_penalised_before_there_is_a_term():
    penalty = QuadraticPenalty(1e10)
    gradient = [torch.ones(2)]
    penalty.add_gradient([torch.ones(2)], gradient)
    assert gradient[0].tolist() == [1, 1]
    assert penalty.value([torch.ones(2)]) == 0
