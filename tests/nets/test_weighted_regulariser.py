"""The weighted regulariser equals its formula by autograd in float64, also where all weights are 1."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hnet_bench.nets.weighted_regulariser import WeightedRegulariser

STRENGTH = 0.3


def literal(hypernetwork, theta, masks):
    """Value and gradient of the formula, generated parameter by generated parameter."""
    theta = [tensor.clone().requires_grad_() for tensor in theta]
    total = torch.zeros((), dtype=torch.float64)
    for task, mask in enumerate(masks):
        target = hypernetwork(task).detach()
        embedding = hypernetwork.task_embeddings[task].detach().unsqueeze(0)
        generated = (hypernetwork.hidden(embedding, theta)[0] @ theta[-1]).flatten()[: len(target)]
        total = total + (mask * (target - generated).square()).sum()
    value = STRENGTH / len(masks) * total
    return value.detach(), torch.autograd.grad(value, theta)


def assert_same(regulariser, theta, value, gradients):
    found = [torch.ones_like(tensor) for tensor in theta]  # the gradient is added to what is there
    regulariser.add_gradient(theta, found)
    torch.testing.assert_close(regulariser.loss(theta), value, rtol=1e-10, atol=1e-14)
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one - 1, other, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    chunk_size=st.integers(2, 30),
    chunks=st.integers(1, 5),
    used=st.floats(0, 1),
    hidden_units=st.lists(st.integers(1, 7), max_size=2).map(tuple),
    old_tasks=st.integers(1, 4),
    masked=st.integers(0, 60),  # so many parameters at the end may be masked, or weighted
    weights=st.booleans(),  # any, rather than 0 or 1
    seed=st.integers(0, 2**20),
)
@example(
    chunk_size=9, chunks=4, used=0.5, hidden_units=(), old_tasks=3, masked=3, weights=False, seed=0
)  # within the last chunk
@example(
    chunk_size=9, chunks=4, used=0.5, hidden_units=(5,), old_tasks=3, masked=20, weights=True, seed=0
)  # across chunks
@example(
    chunk_size=9, chunks=1, used=0.5, hidden_units=(5,), old_tasks=2, masked=2, weights=True, seed=0
)  # only one chunk
@example(
    chunk_size=9, chunks=3, used=1.0, hidden_units=(5,), old_tasks=2, masked=0, weights=False, seed=0
)  # nothing is masked
def test_value_and_gradient_are_those_of_the_formula(
    chunk_size, chunks, used, hidden_units, old_tasks, masked, weights, seed, moved_hypernetwork
):
    generated = (chunks - 1) * chunk_size + max(1, round(used * chunk_size))
    hypernetwork, theta, generator = moved_hypernetwork(
        old_tasks, generated=generated, chunk_size=chunk_size, hidden_units=hidden_units, seed=seed, activation="elu"
    )
    masks = [torch.ones(generated, dtype=torch.float64) for _ in range(old_tasks)]
    masked = min(masked, generated)
    for mask in masks:
        some = (
            3 * torch.rand(masked, generator=generator) if weights else torch.randint(2, (masked,), generator=generator)
        )
        mask[generated - masked :] = some.double()
    regulariser = WeightedRegulariser(hypernetwork, masks, STRENGTH)
    assert_same(regulariser, theta, *literal(hypernetwork, theta, masks))


def test_what_is_masked_may_move_freely(moved_hypernetwork):
    hypernetwork, _, _ = moved_hypernetwork(1, generated=8, chunk_size=8, hidden_units=())
    mask = torch.ones(8)
    mask[6:] = 0
    regulariser = WeightedRegulariser(hypernetwork, [mask], 0.5)
    theta = [parameter.detach().clone() for parameter in hypernetwork.theta]
    theta[-1][-1, 6:] += 100  # the biases of masked parameters
    assert regulariser.loss(theta) == 0
    theta[-1][-1, 0] += 3
    assert regulariser.loss(theta).item() == pytest.approx(0.5 * 9)


def test_there_must_be_an_old_task(moved_hypernetwork):
    hypernetwork, *_ = moved_hypernetwork(1)
    with pytest.raises(ValueError, match="at least one old task, found 0"):
        WeightedRegulariser(hypernetwork, [], 0.1)
