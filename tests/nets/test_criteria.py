"""Criteria of task inference against their formulas, and where rounding would make a choice."""

import math

import pytest
import torch

from hnet_bench.nets.criteria import disagreement, doubt, entropy, entropy_gradient, gap, mean_prediction


def test_known_values():
    logits = torch.tensor([[0.0, 0.0], [math.log(3.0), 0.0]])
    expected = [math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    assert entropy(logits).tolist() == pytest.approx(expected)
    assert entropy(logits, "naive").tolist() == pytest.approx(expected)
    assert doubt(logits).tolist() == pytest.approx([math.log(0.5), math.log(0.25)])
    assert gap(logits).tolist() == pytest.approx([0, math.log(3)])
    assert gap(torch.tensor([[1.0, 7.0, -2.0, 4.5]])).tolist() == [2.5]


def test_certainty_has_no_entropy():
    assert entropy(torch.tensor([[1000.0, 0.0]])).tolist() == [0.0]


def test_the_naive_form_turns_into_nan_past_a_gap_of_about_104_and_argmin_then_picks_it():
    """Why the authors' form is biased: torch takes NaN for the least value, so the first task with a NaN wins."""
    assert not entropy(torch.tensor([103.0, 0.0]), "naive").isnan()
    assert entropy(torch.tensor([105.0, 0.0]), "naive").isnan()
    by_task = torch.stack([entropy(torch.tensor([gap, 0.0]), "naive") for gap in (1.0, 105.0, 50.0)])
    assert by_task.argmin() == 1


def test_doubt_is_least_where_confidence_is_greatest_and_tells_apart_what_rounds_to_certainty():
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    confidence = torch.softmax(logits, 1).amax(1)
    torch.testing.assert_close(doubt(logits), torch.log1p(-confidence))
    sure = torch.tensor([[20.0, 0.0], [60.0, 0.0], [40.0, 0.0]])
    assert torch.softmax(sure, 1).amax(1).tolist() == [1, 1, 1]
    assert doubt(sure).argmin() == 1


def test_with_two_classes_entropy_confidence_and_gap_infer_the_same_tasks():
    logits = 20 * torch.randn(5, 400, 2, generator=torch.Generator().manual_seed(2))  # (tasks, batch, classes)
    assert torch.equal(entropy(logits).argmin(0), gap(logits).argmax(0))
    assert torch.equal(doubt(logits).argmin(0), gap(logits).argmax(0))


def test_networks_that_agree_do_so_however_unsure_they_are():
    """Two networks, two inputs, two classes: they agree on a coin for the first input, and contradict on the second."""
    log_probabilities = torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[0.5, 0.5], [0.1, 0.9]]]).log()
    torch.testing.assert_close(mean_prediction(log_probabilities), torch.full((2, 2), 0.5).log())
    assert disagreement(log_probabilities).tolist() == pytest.approx([0, 0.4])
    assert disagreement(log_probabilities[:1]).tolist() == [0, 0]


@pytest.mark.parametrize("tasks", [1, 3, 12])
def test_the_entropy_gradient_is_that_of_finite_differences(tasks):
    """Of a little hypernetwork in float64, share by share."""
    generator = torch.Generator().manual_seed(tasks)
    embeddings, weights, x = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((tasks, 4), (4, 6), (9, 3))
    )

    def logits(embedding):
        return torch.relu(x) @ torch.tanh(embedding @ weights).view(3, 2)

    def entropies(shares):
        return entropy(logits(shares @ embeddings))

    equal, step = torch.full((tasks,), 1 / tasks, dtype=torch.float64), 1e-6
    expected = [
        (entropies(equal + step * share) - entropies(equal - step * share)) / (2 * step)
        for share in torch.eye(tasks, dtype=torch.float64)
    ]
    torch.testing.assert_close(entropy_gradient(logits, embeddings), torch.stack(expected), rtol=1e-7, atol=1e-8)
