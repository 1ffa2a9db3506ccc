"""In DOMAIN and CLASS no strategy gets at the task identity, and nowhere at test labels.

What every strategy of ours does with what it gets, and that test data do not reach training, is asked in
tests/conformance.
"""

import pytest
import torch
from torch import nn

from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.avalanche_adapter.resumable import after_every_step
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.leaks import predictions
from hnet_bench.interfaces import BenchmarkFacts, Scenario


class Cheat(ClassifierTemplate):
    """Answers with whatever the evaluation lets slip about experience and class."""

    def __init__(self, setup, source):
        super().__init__(setup=setup)
        self.source = source

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        if self.source == "class label":
            said = self.mb_y
        elif self.source == "task label":
            said = 2 * self.mb_task_id
        else:
            said = torch.full_like(self.mb_y, 2 * self.experience.current_experience)
        return nn.functional.one_hot(said.clamp(0, 5), 6).float()


@pytest.mark.parametrize("source", ["class label", "task label", "current experience"])
def test_a_cheater_gains_nothing(source, setup_of):
    """On Avalanche's own stream each of these sources is worth at least half of all samples in some experience; here
    it always says class 0, which is right for half of the first experience and nothing else."""
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    cheat = Cheat(setup_of(Scenario.CLASS), source)
    assert Evaluator(benchmark).evaluate(cheat).score == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
def test_only_the_samples_that_a_schedule_needs_are_asked_for_and_they_tell_no_more(scenario, setup_of):
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    seen = []

    class Peek(ClassifierTemplate):
        def forward(self):
            if not self.is_training:
                told = {int(self.experience.current_experience), *self.mb_y.tolist(), *self.mb_task_id.tolist()}
                seen.append((self.mb_x, told))
            return super().forward()

    template = Peek(setup=setup_of(scenario))
    evaluator = Evaluator(benchmark)
    whole = evaluator.evaluate(template).score
    for on in ([1], [2], [0, 2]):
        seen.clear()
        assert evaluator.evaluate(template, on).score == [whole[j] if j in on else None for j in range(3)]
        asked = torch.cat([x for x, _ in seen])
        expected = torch.cat([benchmark.test[index].x for index in on])
        assert sorted(map(tuple, asked.tolist())) == sorted(map(tuple, expected.tolist()))
        assert not torch.equal(asked, expected)  # mixed
        assert [told for _, told in seen] == [{0}] * len(seen)


def test_the_same_cheater_wins_on_a_stream_that_tells_the_experience(setup_of):
    """Shows that the check above can fail: by experience it is right for half of every experience."""
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    cheat = Cheat(setup_of(Scenario.CLASS), "current experience")
    found = [predictions(cheat, experience) for experience in benchmark.avalanche.test_stream]
    right = [(said == samples.y).float().mean().item() for said, samples in zip(found, benchmark.test, strict=True)]
    assert right == [0.5, 0.5, 0.5]


def held_by(samples):
    return {id(value) for value in vars(samples).values() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("scenario", list(Scenario))
def test_nothing_that_a_strategy_is_given_leads_to_data_of_other_experiences_or_to_labels(scenario, setup_of):
    """Attributes, items, closures and bound methods are followed from the template and its experience, in the middle of
    training and of evaluation, while a run watches."""
    benchmark = PermutedMnistLike().build(scenario)
    found = []

    class Curious(ClassifierTemplate):
        def forward(self):
            self.experience.dataset[0]
            found.append({id(one) for one in reached(self, self.experience) if isinstance(one, torch.Tensor)})
            return super().forward()

    template = Curious(setup=setup_of(scenario, stream=PermutedMnistLike))
    evaluator = Evaluator(benchmark)
    after_every_step(template, lambda: benchmark and evaluator and None)
    template.train(benchmark.training(1), eval_streams=[])
    evaluator.evaluate(template)
    others = held_by(benchmark.train[0]) | held_by(benchmark.train[2])
    labels = {id(samples.y) for samples in benchmark.test}
    own = held_by(benchmark.train[1])
    assert own & found[0]  # the walk finds what is there
    for tensors in found:
        assert not tensors & (others - own)
        assert not tensors & labels
    if scenario is not Scenario.TASK:
        permutations = {id(samples._permutation) for samples in benchmark.test}
        assert not found[-1] & permutations


class PermutedMnistLike:
    """Three experiences that share stored inputs and differ in a permutation."""

    facts = BenchmarkFacts(experiences=3, classes_per_experience=2, input_shape=(12,))

    def build(self, scenario):
        generator = torch.Generator().manual_seed(1)

        def drawn(index):
            y = torch.arange(60) % 2 + (2 * index if scenario is Scenario.CLASS else 0)
            return Samples(stored, y, torch.randperm(12, generator=generator))

        stored = torch.rand(60, 12, generator=generator)
        train, test = [drawn(index) for index in range(3)], [drawn(index) for index in range(3)]
        return in_memory_benchmark(facts=self.facts, scenario=scenario, train=train, test=test, data_sums={})


class Ordering(ClassifierTemplate):
    """Takes the order of the pool from whatever may tell it, and answers with the experience."""

    def __init__(self, setup, source):
        super().__init__(setup=setup)
        self.source, self.position = source, 0

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        where = torch.arange(self.position, self.position + len(outputs))
        self.position += len(outputs)
        return nn.functional.one_hot(2 * self.source(self)[where], 6).float()


def of_the_seed(template):
    return torch.randperm(180, generator=torch.Generator().manual_seed(template.setup.seed)) // 60


def of_a_constant(template):
    return torch.randperm(180, generator=torch.Generator().manual_seed(0x6D6978)) // 60


def of_the_permutations(template):
    which = vars(template.experience.in_memory).get("_which")
    return torch.zeros(180, dtype=torch.int64) if which is None else which


@pytest.mark.parametrize("source", [of_the_seed, of_a_constant, of_the_permutations])
def test_the_order_of_the_pool_can_neither_be_computed_nor_read(source, setup_of):
    """Whoever knew it would be right for half of every experience; mixed at random it is a third of that."""
    benchmark = PermutedMnistLike().build(Scenario.CLASS)
    template = Ordering(setup_of(Scenario.CLASS, stream=PermutedMnistLike), source)
    score = Evaluator(benchmark).evaluate(template).score
    assert sum(score) / 3 < 0.3
    knowing = Evaluator(benchmark)
    order = knowing._stream_of((0, 1, 2)).order
    template = Ordering(setup_of(Scenario.CLASS, stream=PermutedMnistLike), lambda _: order // 60)
    assert knowing.evaluate(template).score == [0.5, 0.5, 0.5]  # shows that the check above can fail


def test_the_order_of_the_pool_is_the_same_in_every_process_and_another_for_other_labels():
    benchmark = PermutedMnistLike().build(Scenario.CLASS)
    orders = [Evaluator(benchmark)._stream_of((0, 1, 2)).order for _ in range(2)]
    assert torch.equal(*orders)
    test = [samples.labelled(samples.y.flip(0)) for samples in benchmark.test]
    other = in_memory_benchmark(
        facts=benchmark.facts, scenario=Scenario.CLASS, train=benchmark.train, test=test, data_sums={}
    )
    assert not torch.equal(Evaluator(other)._stream_of((0, 1, 2)).order, orders[0])


def test_an_experience_to_train_on_is_the_only_one_of_its_stream():
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    second = benchmark.training(1)
    assert second.current_experience == 1
    assert [one is second for one in second.origin_stream] == [True]
    assert second.classes_in_this_experience == [2, 3]
    assert [one.current_experience for one in benchmark.avalanche.train_stream] == [0, 1, 2]
    with pytest.raises(IndexError):
        second.origin_stream[2]
