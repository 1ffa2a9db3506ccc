"""Criteria by which HNET+ENT infers the task: each against one sample at a time in float64, by its formula."""

import copy

import pytest
import torch

from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hint import Hint
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hypermask import HyperMask
from hnet_bench.strategies.posterior_replay import PosteriorReplay

SIZES = {"chunk_size": 100, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}
STREAM = Synthetic(classes_per_experience=3, test_per_class=5, noise=0.3)
TASKS, K = 3, 3


class PlainClassifiers:
    """The classifiers of a template as they are now, in float64."""

    def __init__(self, template):
        self.model = copy.deepcopy(template.classifier).double()
        self.heads = template.scenario is Scenario.CLASS

    def logits(self, x, task):
        """Of the head of a task for one input."""
        features = self.model.target.features(x.view(1, -1))
        every = mlp(features, self.model.hypernetwork(task), self.model.target.shape)[0]
        return every[K * task : K * task + K] if self.heads else every

    def of_mixture(self, x, shares):
        """Of all heads that were trained, for one input, by the network of a mixture of embeddings."""
        hypernetwork = self.model.hypernetwork
        mixed = sum(share * embedding for share, embedding in zip(shares, hypernetwork.task_embeddings, strict=False))
        flat = (hypernetwork.hidden(mixed.view(1, -1))[0] @ hypernetwork.output).flatten()
        every = mlp(self.model.target.features(x.view(1, -1)), flat, self.model.target.shape)[0]
        return every[: K * len(shares)] if self.heads else every


def entropy(plain, x, task, medians):
    p = torch.softmax(plain.logits(x, task), 0)
    return -(p * p.log()).sum()


def confidence(plain, x, task, medians):
    return -torch.softmax(plain.logits(x, task), 0).max()


def calibrated_gap(plain, x, task, medians):
    first, second, _ = plain.logits(x, task).sort(descending=True).values
    return -(first - second) / medians[task]


def entropy_gradient(plain, x, task, medians):
    shares = torch.full((len(medians),), 1 / len(medians), dtype=torch.float64, requires_grad=True)
    p = torch.softmax(plain.of_mixture(x, shares), 0)
    return torch.autograd.grad(-(p * p.log()).sum(), shares)[0][task]


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
@pytest.mark.parametrize(
    ("formula", "settings"),
    [
        *((formula, {}) for formula in (entropy, confidence, calibrated_gap, entropy_gradient)),
        (entropy_gradient, {"generated_layers": 1}),
    ],
)
def test_a_criterion_infers_what_its_formula_says_after_every_experience(formula, settings, scenario, built, inferred):
    """Medians are those of right after each task was learnt, whatever is learnt later."""
    strategy = HnetEnt(**SIZES, criterion=formula.__name__, **settings)
    template = built(strategy, scenario, stream=STREAM, iterations=30)
    data = STREAM.build(scenario=scenario, seed=1)
    medians = []
    for seen, experience in enumerate(data.avalanche.train_stream):
        template.train(experience, eval_streams=[])
        plain = PlainClassifiers(template)
        gaps = [plain.logits(x, seen).topk(2).values for x in data.train[seen].x.double()]
        medians.append(torch.stack([first - second for first, second in gaps]).median())
        tasks, _ = inferred(template, data.avalanche.test_stream)
        every = [x for samples in data.test for x in samples.x.double()]
        by_task = [[formula(plain, x, task, medians).item() for task in range(seen + 1)] for x in every]
        assert tasks == [found.index(min(found)) for found in by_task]
    assert len(set(tasks)) > 1  # or nothing was compared


def test_the_number_that_is_kept_for_each_task_is_counted(built):
    counts = built(HnetEnt(**SIZES, criterion="calibrated_gap"), stream=STREAM).parameter_counts()
    assert counts == {**built(HnetEnt(**SIZES), stream=STREAM).parameter_counts(), "stored_values": TASKS}


INFERRING = [HnetEnt(**SIZES), Hint(**SIZES), HyperMask(), PosteriorReplay(**SIZES)]


@pytest.mark.parametrize("strategy", INFERRING, ids=lambda one: one.name)
def test_inferring_the_task_needs_two_classes(strategy, built):
    """One network for all tasks, as HINT has in CL2, does not."""
    single = Synthetic(classes_per_experience=1)
    for scenario in strategy.scenarios:
        if scenario is Scenario.TASK or (strategy.name, scenario) == ("hint", Scenario.DOMAIN):
            built(strategy, scenario, stream=single)
            continue
        with pytest.raises(UserError, match="needs at least 2 classes in every experience, found 1"):
            built(strategy, scenario, stream=single)


@pytest.mark.parametrize("strategy", INFERRING, ids=lambda one: one.name)
def test_heads_are_compared_only_where_all_of_their_outputs_were_trained(strategy, built):
    """In CL2 every experience trains all outputs, whatever classes it has."""
    for scenario in (Scenario.DOMAIN, Scenario.CLASS):
        whole = STREAM.build(scenario=scenario, seed=1)
        first, second, _ = whole.train
        few = Samples(second.x[second.y < second.y.max()], second.y[second.y < second.y.max()])
        train = [first, few, few]
        data = in_memory_benchmark(facts=whole.facts, scenario=scenario, train=train, test=whole.test, data_sums={})
        template = built(strategy, scenario, stream=STREAM, iterations=2)
        template.train(data.training(0), eval_streams=[])
        if scenario is Scenario.CLASS:
            with pytest.raises(
                UserError, match="of their 3 classes, and experience 2 of 3 has 2: give every experience 3"
            ):
                template.train(data.training(1), eval_streams=[])
        else:
            template.train(data.training(1), eval_streams=[])


def test_a_hypernetwork_for_each_task_forgets_nothing_and_infers_by_the_same_criteria(learnt, stream_of):
    strategy = HnetEnt(**SIZES, criterion="calibrated_gap", one_per_task=True, regularisation_strength=0)
    template = learnt(strategy, experiences=2, iterations=5)
    first = [template.classifier.chunks(task).detach() for task in range(2)]
    gaps = template.usual_gaps.clone()
    template.train(stream_of()[2], eval_streams=[])
    assert all(torch.equal(before, template.classifier.chunks(task)) for task, before in enumerate(first))
    assert torch.equal(template.usual_gaps[:2], gaps[:2])
    assert template.parameter_counts()["trained"] == sum(one.numel() for one in template.model.parameters())
