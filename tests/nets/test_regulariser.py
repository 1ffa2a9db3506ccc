"""The fast regulariser equals the plain formula: value and gradients, in float64 and float32, over random sizes."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hnet_bench.nets import regulariser as regulariser_module
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.regulariser import GramRegulariser, TaskDraw, plain_loss


@pytest.fixture(autouse=True)
def narrow_blocks(monkeypatch):
    """So that small sizes have several blocks of columns, and several groups of tasks, as well."""
    monkeypatch.setattr(regulariser_module, "CHUNKS_AT_ONCE", 4)
    monkeypatch.setattr(regulariser_module, "BLOCK_BYTES", 0)
    monkeypatch.setattr(regulariser_module, "LEAST_COLUMNS", 4)


@pytest.fixture(scope="session")
def moved(moved_hypernetwork):
    """Makes a hypernetwork, its regulariser against its first state, the old targets, and parameters a little away."""

    def make(old_tasks, *, draw=None, online=False, **sizes):
        hypernetwork, theta, _ = moved_hypernetwork(old_tasks, **sizes)
        with torch.no_grad():
            targets = [hypernetwork(task).clone() for task in range(old_tasks)]
        return hypernetwork, GramRegulariser(hypernetwork, old_tasks, 0.3, draw=draw, online=online), targets, theta

    return make


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def whole(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


sizes = st.fixed_dictionaries(
    {
        "chunk_size": st.integers(2, 30),
        "hidden_units": st.lists(st.integers(1, 7), max_size=2).map(tuple),
        "old_tasks": st.integers(1, 5),
        "activation": st.sampled_from(["relu", "elu"]),
        "seed": st.integers(0, 2**20),
    }
)


@settings(deadline=None, max_examples=60)
@given(sizes=sizes, chunks=st.integers(1, 5), used=st.floats(0, 1))
@example(
    sizes={"chunk_size": 10, "hidden_units": (4,), "old_tasks": 2, "activation": "elu", "seed": 0}, chunks=1, used=0.5
)
@example(
    sizes={"chunk_size": 10, "hidden_units": (4,), "old_tasks": 2, "activation": "elu", "seed": 0}, chunks=3, used=1.0
)
@example(
    sizes={"chunk_size": 10, "hidden_units": (), "old_tasks": 4, "activation": "relu", "seed": 0}, chunks=3, used=0.3
)
# The change of h and that of V nearly cancel here: 5e-6 is left of parts of size 0.1.
@example(
    sizes={"chunk_size": 2, "hidden_units": (), "old_tasks": 1, "activation": "relu", "seed": 20}, chunks=1, used=0.0
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_value_and_gradient_equal_float64_autograd_of_the_plain_formula(dtype, tolerance, sizes, chunks, used, moved):
    generated = (chunks - 1) * sizes["chunk_size"] + max(1, round(used * sizes["chunk_size"]))
    hypernetwork, regulariser, targets, theta = moved(generated=generated, dtype=dtype, **sizes)
    gradients = [torch.zeros_like(tensor) for tensor in theta]
    regulariser.add_gradient(theta, gradients)
    value = regulariser.loss(theta)

    reference = [tensor.double().requires_grad_() for tensor in theta]
    expected = plain_loss(hypernetwork.double(), reference, [target.double() for target in targets], 0.3)
    assert relative_error(value.double(), expected.detach()) < tolerance
    assert relative_error(whole(gradients).double(), whole(torch.autograd.grad(expected, reference))) < tolerance


def test_the_gradient_is_added_to_what_is_there(moved):
    _, regulariser, _, theta = moved(2)
    once = [torch.zeros_like(tensor) for tensor in theta]
    regulariser.add_gradient(theta, once)
    onto_ones = [torch.ones_like(tensor) for tensor in theta]
    regulariser.add_gradient(theta, onto_ones)
    for alone, added in zip(once, onto_ones, strict=True):
        torch.testing.assert_close(added, alone + 1)


def test_nothing_is_lost_where_nothing_moved(moved):
    hypernetwork, regulariser, _, _ = moved(2, dtype=torch.float32)
    theta = [parameter.detach() for parameter in hypernetwork.theta]
    gradients = [torch.zeros_like(tensor) for tensor in theta]
    regulariser.add_gradient(theta, gradients)
    assert regulariser.loss(theta) == 0
    assert not any(gradient.any() for gradient in gradients)


def test_the_value_by_hand(shape_of):
    """One linear chunk with one used column: f = e + bias, so moving the bias by 3 costs beta * 3^2 for any task."""
    hypernetwork = ChunkedHypernetwork(
        shape_of(generated=1, chunk_size=2, hidden_units=(), task_embedding_size=1, chunk_embedding_size=1)
    )
    regulariser = GramRegulariser(hypernetwork, old_tasks=2, strength=0.5)
    theta = [parameter.detach().clone() for parameter in hypernetwork.theta]
    theta[-1][-1, 0] += 3  # the bias of the column that is used
    theta[-1][-1, 1] += 100  # that of the column which is cut off
    assert regulariser.loss(theta).item() == pytest.approx(0.5 * 9)


def test_memory_holds_no_generated_targets(moved):
    """What is kept grows with small hidden activations, not with the parameters generated for each old task."""

    def kept(old_tasks):
        _, regulariser, _, _ = moved(old_tasks, generated=9_990, chunk_size=1_000)
        return sum(tensor.numel() for tensor in regulariser.kept)

    per_task = kept(5) - kept(4)
    assert per_task == 5 + 10 * 7  # an embedding; (6 hidden + 1) for each of 10 chunks; against 9,990 generated


@settings(deadline=None, max_examples=30)
@given(sizes=sizes, chunks=st.integers(1, 4), drawn=st.integers(1, 5), online=st.booleans())
def test_of_drawn_tasks_it_is_the_plain_sum_divided_by_their_number(sizes, chunks, drawn, online, moved):
    draw = TaskDraw(drawn, torch.Generator().manual_seed(3))
    generated, old_tasks = chunks * sizes["chunk_size"] - 1, sizes["old_tasks"]
    hypernetwork, regulariser, targets, theta = moved(generated=generated, draw=draw, online=online, **sizes)
    same = torch.Generator().manual_seed(3)
    for _ in range(3):  # every step has tasks of its own
        gradients = [torch.zeros_like(tensor) for tensor in theta]
        regulariser.add_gradient(theta, gradients)
        # With as many as there are nothing is drawn.
        tasks = torch.randperm(old_tasks, generator=same)[:drawn].tolist() if drawn < old_tasks else None
        reference = [tensor.clone().requires_grad_() for tensor in theta]
        expected = plain_loss(hypernetwork, reference, targets, 0.3, tasks)
        assert relative_error(whole(gradients), whole(torch.autograd.grad(expected, reference))) < 1e-10


def test_over_all_ways_to_draw_the_mean_is_the_whole_regulariser(moved):
    class Given:
        def __init__(self, tasks):
            self.tasks = torch.tensor(tasks)

        def of(self, old_tasks):
            return self.tasks

    total = 0
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for draw in [*map(Given, pairs), None]:
        _, regulariser, _, theta = moved(4, activation="elu", draw=draw)
        gradients = [torch.zeros_like(tensor) for tensor in theta]
        regulariser.add_gradient(theta, gradients)
        if draw:
            total = total + whole(gradients)
    assert relative_error(total / len(pairs), whole(gradients)) < 1e-12


def test_online_is_the_same_to_the_last_bit_and_keeps_nothing_for_each_task(moved):
    large, kept = {"generated": 990, "chunk_size": 100}, {}
    for online in (False, True):
        _, regulariser, _, theta = moved(4, **large, hidden_units=(6, 5), dtype=torch.float32, online=online)
        gradients = [torch.zeros_like(tensor) for tensor in theta]
        regulariser.add_gradient(theta, gradients)
        kept[online] = whole(gradients), regulariser.loss(theta)
    assert torch.equal(kept[True][0], kept[False][0])
    assert kept[True][1] == kept[False][1]

    def numbers(old_tasks):
        _, regulariser, _, _ = moved(old_tasks, **large, online=True)
        return sum(tensor.numel() for tensor in regulariser.kept)

    assert numbers(5) - numbers(4) == 5  # an embedding


def test_there_must_be_an_old_task(moved):
    hypernetwork, *_ = moved(1)
    with pytest.raises(ValueError, match="at least one old task, found 0"):
        GramRegulariser(hypernetwork, 0, 0.1)
