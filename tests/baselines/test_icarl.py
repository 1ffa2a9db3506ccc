"""iCaRL: which exemplars it keeps, what its units learn, and how it classifies."""

import copy

import pytest
import torch
from torch.nn.functional import normalize

from baselines.icarl import Icarl
from baselines.training.exemplars import herd, normalised_mean
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError


@pytest.fixture
def icarl(built):
    """Builds iCaRL with these settings."""

    def make(stream=None, protocol=None, **settings):
        protocol = {"iterations": 15, "hidden_units": (20, 8), **(protocol or {})}
        return built(Icarl(**settings), stream=stream, **protocol)

    return make


def benchmark_of(**shape):
    return Synthetic(**shape).build(scenario=Scenario.CLASS, seed=1)


def rows(x):
    return {tuple(row.tolist()) for row in x}


def test_herding_follows_the_running_mean_by_hand():
    """The mean direction is (2.4, 1.4) / 2.7785 = (0.864, 0.504). Nearest to it is the second (squared distance 0.013).
    With the first the mean becomes (0.9, 0.3), 0.043 away, with the third (0.7, 0.7), 0.065 away, though the third
    alone is nearer than the first."""
    features = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    assert normalised_mean(features).tolist() == pytest.approx([0.8638, 0.5039], abs=1e-4)
    assert herd(features, 3).tolist() == [1, 0, 2]
    assert herd(features, 2).tolist() == [1, 0]
    assert herd(features, 9).tolist() == [1, 0, 2]


def test_herding_takes_the_first_of_equals():
    near, far = [0.8, 0.6], [0.0, 1.0]
    assert herd(torch.tensor([far, near, far, near]), 1).tolist() == [1]
    assert herd(torch.tensor([near] * 40), 40).tolist() == list(range(40))


def test_herding_equals_trying_every_sample_at_every_step():
    generator = torch.Generator().manual_seed(3)
    features = normalize(torch.rand(40, 6, generator=generator, dtype=torch.float64), dim=1)
    mean = features.mean(0) / features.mean(0).norm()
    chosen = []
    for _ in range(25):
        left = [index for index in range(40) if index not in chosen]
        distances = [(features[[*chosen, index]].mean(0) - mean).norm().item() for index in left]
        chosen.append(left[distances.index(min(distances))])
    assert herd(features, 25).tolist() == chosen


def test_units_that_give_nothing_do_not_break_herding():
    assert sorted(herd(torch.zeros(3, 4), 3).tolist()) == [0, 1, 2]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("active", ["seen", "all"])
def test_the_loss_is_binary_cross_entropy_over_the_units_of_classes_seen(reduction, order, active, icarl, recorded):
    """In float64 from its definition, also where the classes seen are not the first ones."""
    stream = benchmark_of().avalanche.train_stream
    template = icarl(budget=60, reduction=reduction, temperature=3.0, protocol={"active_classes": active})
    template.train(stream[order[0]], eval_streams=[])
    before = copy.deepcopy(template.model).double()
    steps = recorded(template)
    template.train(stream[order[1]], eval_streams=[])
    old, new = ({2 * index, 2 * index + 1} for index in order[:2])
    for step in (steps[0], steps[-1]):
        logits, previous = step.model.double()(step.x.double()), before(step.x.double())
        total = 0.0
        for unit in old | new:
            said = torch.sigmoid(logits[:, unit])
            target = torch.sigmoid(previous[:, unit] / 3) if unit in old else (step.y == unit).double()
            total += -(target * said.log() + (1 - target) * (1 - said).log()).mean().item()
        assert step.loss == pytest.approx(total / 4 if reduction == "mean" else total, rel=1e-5)


def test_exemplars_are_learnt_together_with_the_present_experience_in_proportion(icarl, recorded):
    stream = benchmark_of().avalanche.train_stream
    template = icarl(per_class=50, protocol={"iterations": 75})
    template.train(stream[0], eval_streams=[])
    kept = template.exemplars.samples()
    steps = recorded(template)
    template.train(stream[1], eval_streams=[])
    labels = torch.cat([step.y for step in steps])
    # Four passes over 200 + 100 samples, 1200 in all.
    assert labels.bincount().tolist() == [200, 200, 400, 400]
    replayed = torch.cat([step.x[step.y < 2] for step in steps])
    assert rows(replayed) == rows(kept.x)


def test_a_budget_is_divided_anew_and_the_most_telling_exemplars_stay(icarl):
    benchmark = benchmark_of()
    template = icarl(budget=62)
    kept = []
    for index, (experience, each) in enumerate(zip(benchmark.avalanche.train_stream, (31, 15, 10), strict=True)):
        template.train(experience, eval_streams=[])
        Evaluator(benchmark).evaluate(template)
        kept.append([template.exemplars.of_label(label) for label in range(2 * index + 2)])
        assert [len(inputs) for inputs in kept[-1]] == [each] * (2 * index + 2)
        assert template.parameter_counts()["stored_values"] == each * (2 * index + 2) * 13
    for label in (0, 1):
        assert torch.equal(kept[2][label], kept[0][label][:10])
    for label, inputs in enumerate(kept[-1]):
        samples = benchmark.train[label // 2]
        assert len(rows(inputs)) == 10
        assert rows(inputs) <= rows(samples.x[samples.y == label])


def test_a_number_per_class_stays_and_small_classes_are_kept_whole(icarl):
    template = icarl(Synthetic(train_per_class=30), per_class=40)
    for index, experience in enumerate(benchmark_of(train_per_class=30).avalanche.train_stream):
        template.train(experience, eval_streams=[])
        assert template.exemplars.samples().y.bincount().tolist() == [30] * (2 * index + 2)


def test_exemplars_are_those_that_herding_chooses_by_the_trained_features(icarl):
    benchmark = benchmark_of()
    template = icarl(per_class=5)
    template.train(benchmark.avalanche.train_stream[0], eval_streams=[])
    samples = benchmark.train[0]
    of_class = samples.x[samples.y == 1]
    features = normalize(template.model.hidden(of_class).detach(), dim=1)
    assert torch.equal(template.exemplars.of_label(1), of_class[herd(features, 5)])


@pytest.mark.parametrize("order", [(0, 1), (2, 0)])
def test_the_nearest_mean_of_the_exemplars_features_classifies(order, icarl):
    """One sample and one class at a time, among the classes seen."""
    benchmark = benchmark_of()
    template = icarl(per_class=8)
    for index in order:
        template.train(benchmark.avalanche.train_stream[index], eval_streams=[])
    said = []

    class Listen:
        def after_eval_forward(self, strategy, **kwargs):
            said.append(strategy.mb_output.argmax(1))

    template.plugins.append(Listen())
    template.eval(benchmark.avalanche.test_stream[1])
    model = copy.deepcopy(template.model).double()
    means = {}
    for label in template.classes_seen:
        mean = sum(normalize(model.hidden(x[None].double())[0], dim=0) for x in template.exemplars.of_label(label)) / 8
        means[label] = mean / mean.norm()
    for x, found in zip(benchmark.test[1].x, torch.cat(said).tolist(), strict=True):
        feature = normalize(model.hidden(x[None].double())[0], dim=0)
        assert found == min(means, key=lambda label: (feature - means[label]).norm().item())


def test_before_any_exemplars_the_output_units_answer(icarl):
    benchmark = benchmark_of()
    template = icarl(per_class=8)
    expected = [(template.model(test.x).argmax(1) == test.y).float().mean().item() for test in benchmark.test]
    assert Evaluator(benchmark).evaluate(template).score == pytest.approx(expected)


def test_it_tells_all_classes_apart(icarl):
    benchmark = benchmark_of()
    template = icarl(budget=60, protocol={"iterations": 150})
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    assert min(Evaluator(benchmark).evaluate(template).score) > 0.85


def test_a_class_that_comes_again_keeps_its_number(icarl):
    stream = benchmark_of().avalanche.train_stream
    template = icarl(per_class=9)
    for experience in (stream[0], stream[1], stream[0]):
        template.train(experience, eval_streams=[])
    assert template.exemplars.samples().y.bincount().tolist() == [9] * 4


def test_batches_of_a_plugin_are_refused(icarl):
    from avalanche.training.plugins import ReplayPlugin

    stream = benchmark_of().avalanche.train_stream
    template = icarl(per_class=3)
    template.plugins.insert(0, ReplayPlugin(mem_size=10))
    with pytest.raises(UserError, match="iCaRL makes its own batches"):
        template.train(stream, eval_streams=[])
