"""HyperMask: its loss and gradients by plain autograd in float64, the sparsity, what moves, which task is inferred."""

import copy
import math

import numpy
import pytest
import torch
from avalanche.training.plugins import ReplayPlugin
from torch.nn import functional

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hypermask import HyperMask

CHUNKS = {"chunk_size": 60, "chunk_embedding_size": 3}
SIZES = [240, 20, 120]  # of the tensors that are masked: (20, 12), (20,), (6, 20); the 6 biases of outputs are not


def small(**changes):
    strengths = {"regularisation_strength": 0.5, "weight_change_strength": 0.01, "percentile": 40.0}
    return HyperMask(**{"hidden_units": (8, 6), "task_embedding_size": 5, **strengths, **changes})


def plain_raw(hypernetwork, task):
    """What is generated for a task, written out for one chunk after the other."""
    embedding, size = hypernetwork.task_embeddings[task], hypernetwork.shape.generated
    of_chunks = getattr(hypernetwork, "chunk_embeddings", [torch.zeros(0, dtype=embedding.dtype)])
    chunks = []
    for of_chunk in of_chunks:
        values = torch.cat([embedding, of_chunk])
        for weight, bias in zip(hypernetwork.hidden_weights, hypernetwork.hidden_biases, strict=True):
            values = functional.elu(weight @ values + bias)
        chunks.append(hypernetwork.output[:-1].t() @ values + hypernetwork.output[-1])
    return torch.cat(chunks)[:size]


def plain_mask(raw, sizes, percentile):
    """A mask and the 1 of each bias of the outputs, by NumPy's percentile of each tensor."""
    masks = []
    for part in raw.split(sizes):
        values = part.tanh().abs()
        cut = numpy.percentile(values.detach().numpy(), percentile)
        masks.append(torch.where(values < cut, 0.0, values))
    return torch.cat(masks)


@pytest.mark.parametrize("masked_changes", [True, False])
@pytest.mark.parametrize("chunks", [CHUNKS, {}])
@pytest.mark.parametrize("scenario", Scenario)
def test_loss_and_gradients_are_those_of_the_formula(scenario, chunks, masked_changes, learnt, stream_of, recorded):
    strategy = small(masked_changes=masked_changes, **chunks)
    template = learnt(strategy, scenario, experiences=2, iterations=2)
    before = copy.deepcopy(template.model).double()
    steps = recorded(template)
    template.train(stream_of(scenario)[2], eval_streams=[])
    model = steps[1].model.double()
    outputs = 2 if scenario is Scenario.DOMAIN else 6
    raw = [plain_raw(model.hypernetwork, task) for task in range(3)]
    mask = functional.pad(plain_mask(raw[2], [240, 20, 20 * outputs], 40.0), (0, outputs), value=1.0)
    found = mlp(steps[1].x.double(), model.weights * mask, model.target.shape)
    head = found if scenario is Scenario.DOMAIN else found[:, 4:6]
    loss = functional.cross_entropy(head, steps[1].y - 4 if scenario is Scenario.CLASS else steps[1].y)
    drift = sum((plain_raw(before.hypernetwork, task).detach() - raw[task]).square().sum() for task in range(2))
    change = (model.weights - before.weights.detach()).abs()
    total = loss + 0.5 / 4 * drift + 0.01 * (change * mask if masked_changes else change).sum()
    assert min(0.5 / 4 * drift, 0.01 * change.sum()) > 1e-4 * total
    assert steps[1].loss == pytest.approx(total.item(), rel=1e-5)
    hypernetwork = model.hypernetwork
    trained = [model.weights, *hypernetwork.theta, *hypernetwork.task_embeddings]
    expected = torch.autograd.grad(total, trained)
    assert all(gradient.abs().max() > 0 for gradient in expected)
    for one, other in zip(steps[1].gradients, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-5 * other.abs().max().item())


@pytest.mark.parametrize("percentile", [0.0, 50.0])
def test_sparsity_rises_from_step_to_step_of_the_first_experience_and_then_stays(
    percentile, built, stream_of, recorded
):
    template = built(small(percentile=percentile), Scenario.CLASS, iterations=5)
    steps = recorded(template, after=lambda strategy: strategy.mb_mask.detach())
    for experience in stream_of(Scenario.CLASS)[:2]:
        template.train(experience, eval_streams=[])
    for number, step in enumerate(steps, start=1):
        share = min(number, 5) / 5 * percentile / 100
        *masked, biases = step.after.split([*SIZES, 6])
        # With n values those whose rank, counted from 0, is below the share of n - 1 are cut off.
        assert [int((part == 0).sum()) for part in masked] == [math.ceil(share * (size - 1)) for size in SIZES]
        assert biases.tolist() == [1.0] * 6


def test_replayed_samples_of_a_plugin_have_the_masks_and_heads_of_their_tasks(learnt, stream_of, recorded):
    strategy = small(regularisation_strength=0.0, weight_change_strength=0.0)
    template = learnt(strategy, Scenario.TASK, experiences=0, iterations=3)
    template.plugins.append(ReplayPlugin(mem_size=30))
    steps = recorded(template)
    for experience in stream_of(Scenario.TASK)[:2]:
        template.train(experience, eval_streams=[])
    model, tasks = steps[4].model.double(), steps[4].mbatch[-1].tolist()
    losses = []
    for x, label, task in zip(steps[4].x.double(), steps[4].y, tasks, strict=True):
        mask = functional.pad(plain_mask(plain_raw(model.hypernetwork, task), SIZES, 40.0), (0, 6), value=1.0)
        head = mlp(x.view(1, -1), model.weights * mask, model.target.shape)[0, 2 * task :][:2]
        losses.append(functional.cross_entropy(head, label).item())
    assert set(tasks) == {0, 1}
    assert steps[4].loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_shared_weights_and_old_embeddings_move_and_later_ones_do_not(learnt, stream_of):
    template = learnt(small(), Scenario.TASK, experiences=1, iterations=5)
    before = copy.deepcopy(template.model)
    template.train(stream_of(Scenario.TASK)[1], eval_streams=[])
    old, new = (model.hypernetwork.task_embeddings for model in (before, template.model))
    assert [torch.equal(one, other) for one, other in zip(old, new, strict=True)] == [False, False, True]
    assert not torch.equal(before.weights, template.model.weights)


def test_the_task_under_whose_mask_entropy_is_least_answers(learnt):
    """Against the plain loop over samples and tasks."""
    stream = Synthetic(test_per_class=5)
    benchmark = stream.build(scenario=Scenario.CLASS, seed=1)
    template = learnt(small(), stream=stream, iterations=30)
    found = Evaluator(benchmark).evaluate(template)
    model = copy.deepcopy(template.model).double()
    right = []
    for samples in benchmark.test:
        answers = []
        for x in samples.x.double():
            entropies, classes = [], []
            for task in range(3):
                mask = functional.pad(plain_mask(plain_raw(model.hypernetwork, task), SIZES, 40.0), (0, 6), value=1.0)
                p = torch.softmax(mlp(x.view(1, -1), model.weights * mask, model.target.shape)[0, 2 * task :][:2], 0)
                entropies.append(-(p * p.log()).sum().item())
                classes.append(2 * task + int(p.argmax()))
            answers.append(classes[entropies.index(min(entropies))])
        right.append((torch.tensor(answers) == samples.y).double().mean().item())
    assert found.score == pytest.approx(right)
    assert max(right) > 0.5


def test_parameters_are_those_of_both_networks(built):
    hypernetwork = 3 * 5 + (5 + 1) * 8 + (8 + 1) * 6 + (6 + 1) * sum(SIZES)
    assert built(small(), Scenario.TASK).parameter_counts() == {"trained": hypernetwork + 386, "target": 386}


def test_a_size_of_chunks_without_chunks_is_refused():
    with pytest.raises(UserError, match="chunk_embedding_size of hypermask is of no use without a chunk_size"):
        HyperMask(chunk_embedding_size=4)
    assert HyperMask(chunk_size=50, chunk_embedding_size=4).chunk_embedding_size == 4
