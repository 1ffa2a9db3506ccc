"""Validation data: a part of the training data that nothing is trained on, in place of test data that are not there."""

import gc
import weakref

import pytest
import torch

from hnet_bench.avalanche_adapter.benchmark import Samples, concatenated, held_out, in_memory_benchmark
from hnet_bench.avalanche_adapter.images import ImageSamples
from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError
from hnet_bench.runs.learning import build_stream
from hnet_bench.runs.run import run

# Positions that a share of 0.3 takes with seed 101.
HELD = [0, 2, 4, 11]


def rows_of(parts):
    """Each sample as numbers that can be compared."""
    return [tuple(row) for part in parts for row in part.x.flatten(1).tolist()]


def stream_of(train, scenario=Scenario.CLASS):
    facts = BenchmarkFacts(experiences=len(train), classes_per_experience=2, input_shape=tuple(train[0].x.shape[1:]))
    test = [Samples(torch.zeros_like(part.x[:4]), part.y[:4]) for part in train]
    return in_memory_benchmark(facts=facts, scenario=scenario, train=train, test=test, data_sums={})


@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize("stream", [Synthetic(), Synthetic(image_side=6)])
def test_each_training_sample_is_trained_on_or_held_out_and_test_data_are_nowhere(stream, scenario):
    whole = stream.build(scenario=scenario, seed=1)
    trial = held_out(whole, 0.25, seed=1)
    for before, rest, validation in zip(whole.train, trial.train, trial.test, strict=True):
        assert sorted(rows_of([rest]) + rows_of([validation])) == sorted(rows_of([before]))
        assert 30 < len(validation) < 70  # of 200
        labels = dict(zip(rows_of([before]), before.y.tolist(), strict=True))
        assert [labels[row] for row in rows_of([validation])] == validation.y.tolist()
    assert not set(rows_of(trial.train)) & set(rows_of(trial.test))
    assert not set(rows_of(whole.test)) & set(rows_of([*trial.train, *trial.test]))
    assert trial.facts == whole.facts
    assert [type(part) for part in trial.train] == [ImageSamples if stream.image_side else Samples] * 3


def test_which_are_held_out_follows_from_the_seed_and_from_nothing_else():
    whole = Synthetic().build(scenario=Scenario.TASK, seed=1)
    first, again, other = (rows_of(held_out(whole, 0.25, seed=seed).test) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_which_are_held_out_has_not_changed_since_there_are_records_of_trials():
    """Values decide, so bytes that stand for them are held out as they are; permuting makes no difference."""
    x = torch.arange(80, dtype=torch.uint8).view(20, 4)
    found = []
    for samples in (
        Samples(x, torch.arange(20)),
        Samples(x.float() / 255, torch.arange(20)),
        Samples(x, torch.arange(20), torch.tensor([3, 1, 0, 2])),
        Samples(x.flip(0), torch.arange(20), rows=torch.arange(20).flip(0)),
    ):
        (held,) = held_out(stream_of([samples]), 0.3, seed=101).test
        found.append(held.y.tolist())
    assert found == [HELD] * 4


def test_what_is_trained_on_holds_no_other_sample_in_memory():
    """Not even where nobody should look."""
    trial = held_out(Synthetic().build(scenario=Scenario.DOMAIN, seed=1), 0.25, seed=1)
    held = {tuple(row) for part in trial.test for row in part.x.tolist()}
    for experience in trial.avalanche.train_stream:
        tensors = [
            one
            for one in reached([experience.in_memory, experience.dataset])
            if isinstance(one, torch.Tensor) and one.dim() == 2
        ]
        assert tensors
        assert not any(tuple(row) in held for tensor in tensors for row in tensor.tolist())


def test_permuted_samples_go_on_sharing_what_is_stored_and_an_image_is_on_one_side_in_every_experience():
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(300, 6, generator=generator), torch.arange(300) % 2
    orders = [torch.randperm(6, generator=generator) for _ in range(3)]
    trial = held_out(stream_of([Samples(images, labels, order) for order in orders]), 0.2, seed=3)
    assert len({id(part._stored) for part in trial.train}) == 1
    originals = [part.x[:, torch.argsort(order)] for part, order in zip(trial.test, orders, strict=True)]
    assert len(originals[0])
    assert all(map(torch.equal, originals, originals[1:] + originals[:1]))
    assert all(len(part) + len(held) == 300 for part, held in zip(trial.train, trial.test, strict=True))


def test_a_sample_that_occurs_again_is_never_trained_on_where_it_is_held_out():
    """Experiences of a user's benchmark may repeat samples, of their own and of each other."""
    first = torch.rand(200, 5, generator=torch.Generator().manual_seed(0))
    second = torch.cat([first[50:150], first[50:100], torch.rand(50, 5)])
    parts = [Samples(x, torch.arange(200) % 2) for x in (first, second)]
    trial = held_out(stream_of([*parts, concatenated(parts)]), 0.3, seed=1)
    assert min(map(len, trial.test)) > 30
    assert not set(rows_of(trial.train)) & set(rows_of(trial.test))


def test_mixed_samples_of_several_experiences_are_divided():
    generator = torch.Generator().manual_seed(0)
    images, orders = torch.rand(100, 4, generator=generator), (torch.tensor([0, 1, 2, 3]), torch.tensor([3, 2, 1, 0]))
    mixed = concatenated(
        [Samples(images, torch.full((100,), number), order) for number, order in enumerate(orders)],
        torch.randperm(200, generator=generator),
    )
    trial = held_out(stream_of([mixed]), 0.3, seed=1)
    found = rows_of(trial.train) + rows_of(trial.test)
    assert sorted(found) == sorted(rows_of([mixed]))
    labels = dict(zip(rows_of([mixed]), mixed.y.tolist(), strict=True))
    assert [labels[row] for row in found] == [*trial.train[0].y.tolist(), *trial.test[0].y.tolist()]


def test_samples_that_keep_their_inputs_elsewhere_would_overlap_and_are_refused():
    class Elsewhere(Samples):
        def __init__(self, x, y):
            super().__init__(torch.arange(len(y)).unsqueeze(1), y)
            self.images = x

        @property
        def x(self):
            return self.images

        def take(self, indices):
            return self.images[indices]

    part = Elsewhere(torch.rand(50, 3), torch.arange(50) % 2)
    with pytest.raises(UserError, match="Elsewhere cannot be divided into training and validation data, which would"):
        held_out(stream_of([part]), 0.3, seed=1)


def test_an_experience_of_too_few_samples_is_refused():
    whole = Synthetic(train_per_class=2).build(scenario=Scenario.TASK, seed=1)
    with pytest.raises(UserError, match=r"Experience 1 has 4 training samples, and with validation = 0.001 0 of them"):
        held_out(whole, 0.001, seed=1)


def test_a_run_with_validation_data_is_another_run_that_no_test_data_reach(spec_of, monkeypatch):
    built = []
    build = Synthetic.build

    def kept(self, **arguments):
        found = build(self, **arguments)
        built.extend(weakref.ref(part.y) for part in found.test)
        return found

    monkeypatch.setattr(Synthetic, "build", kept)
    ordinary, trial = spec_of(), spec_of(protocol={"iterations": 5, "validation": 0.25})
    assert "validation" not in ordinary.to_json()["protocol"]
    assert trial.to_json()["protocol"]["validation"] == 0.25
    assert trial.run_id != ordinary.run_id
    stream = build_stream(trial, None)
    gc.collect()
    assert [alive() for alive in built] == [None] * 3
    assert sum(map(len, stream.train)) + sum(map(len, stream.test)) == 600
    found = run(trial)
    for score, part in zip(found.score[-1], stream.test, strict=True):
        assert score == round(score * len(part)) / len(part)
    assert run(trial).score == found.score


def test_what_is_drawn_of_answers_to_test_samples_is_not_kept_of_a_trial(spec_of):
    trial = spec_of(
        benchmark={"name": "regression_1d"}, scenario=Scenario.TASK, protocol={"iterations": 5, "validation": 0.2}
    )
    assert Regression1d().build(scenario=Scenario.TASK, seed=1).keep
    assert build_stream(trial, None).keep is None
    assert run(trial).arrays == "none"


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_is_at_least_nothing_and_less_than_all(spec_of, share):
    with pytest.raises(UserError, match="validation must be at least 0 and below 1"):
        spec_of(protocol={"iterations": 5, "validation": share})
