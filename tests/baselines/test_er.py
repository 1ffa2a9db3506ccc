"""ER: what it stores, what it replays, and how its loss is made."""

import pytest
import torch
from torch.nn import functional

from baselines.er import Er
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario

SMALL = {"iterations": 6, "batch_size": 15}


def rows(x):
    return {tuple(row.tolist()) for row in x.flatten(1)}


@pytest.mark.parametrize("scenario", list(Scenario))
def test_each_class_of_each_experience_is_stored_equally_often_and_nothing_of_the_test_data(scenario, built):
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    template = built(Er(per_class=7), scenario, **SMALL)
    for index, experience in enumerate(benchmark.avalanche.train_stream):
        template.train(experience, eval_streams=[])
        Evaluator(benchmark).evaluate(template)
        assert template.buffer.groups == list(range(index + 1))
        for past in range(index + 1):
            stored, seen = template.buffer.samples(past), benchmark.train[past]
            labels, counts = stored.y.unique(return_counts=True)
            assert torch.equal(labels, seen.y.unique())
            assert counts.tolist() == [7, 7]
            for label in labels:
                assert rows(stored.x[stored.y == label]) <= rows(seen.x[seen.y == label])
    assert len(rows(template.buffer.samples().x)) == 3 * 14
    assert not rows(template.buffer.samples().x) & set().union(*(rows(samples.x) for samples in benchmark.test))
    assert template.parameter_counts()["stored_values"] == 3 * 14 * (12 + 1)


def replayed_in(template, scenario, recorded, stream_of):
    """The inputs, labels and tasks that are replayed in every step of the second and the third experience."""
    first, *others = stream_of(scenario)
    template.train(first, eval_streams=[])
    steps = recorded(template)
    template.train(others, eval_streams=[])
    return [step.mbatch[2:5] for step in steps]


def test_in_task_each_batch_has_a_fair_share_of_every_past_experience(built, recorded, stream_of):
    template = built(Er(per_class=10), Scenario.TASK, **SMALL)
    replayed = replayed_in(template, Scenario.TASK, recorded, stream_of)
    assert [tasks.bincount().tolist() for _, _, tasks in replayed] == [[15]] * 6 + [[8, 8]] * 6
    for x, _, tasks in replayed:
        for task in tasks.unique().tolist():
            assert rows(x[tasks == task]) <= rows(template.buffer.samples(task).x)


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
def test_elsewhere_batches_come_from_all_stored_samples_each_once_in_a_pass(scenario, built, recorded, stream_of):
    template = built(Er(per_class=5), scenario, **SMALL)
    replayed = replayed_in(template, scenario, recorded, stream_of)
    # Ten samples after the first experience, fewer than a batch; twenty after the second.
    assert [len(x) for x, _, _ in replayed] == [10] * 6 + [15] * 6
    passes = torch.cat([x for x, _, _ in replayed[-6:]])[:80].split(20)
    stored = rows(torch.cat([template.buffer.samples(past).x for past in (0, 1)]))
    assert all(rows(samples) == stored for samples in passes)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_loss_is_a_third_current_and_two_thirds_replayed_in_the_third_experience(
    scenario, learnt, recorded, stream_of
):
    template = learnt(Er(per_class=10), scenario, experiences=2, **SMALL)
    steps = recorded(template)
    template.train(stream_of(scenario)[2], eval_streams=[])
    step, model = steps[0], steps[0].model
    replayed, labels, tasks = step.mbatch[2:5]
    if scenario is Scenario.TASK:
        current = functional.cross_entropy(model.network(step.x)[:, 4:6], step.y)
        heads = [model.network(replayed[tasks == past])[:, 2 * past : 2 * past + 2] for past in (0, 1)]
        losses = [functional.cross_entropy(head, labels[tasks == past]) for past, head in enumerate(heads)]
        past = sum(losses) / 2
    else:
        current = functional.cross_entropy(model(step.x), step.y)
        past = functional.cross_entropy(model(replayed), labels)
    assert past.item() > 0
    assert step.loss == pytest.approx((current / 3 + past * 2 / 3).item(), rel=1e-5)


@pytest.mark.parametrize("active", ["seen", "all"])
def test_only_seen_classes_compete_for_replayed_samples_unless_all_do(active, built, recorded, stream_of):
    template = built(Er(per_class=10), active_classes=active, **SMALL)
    steps = recorded(template)
    template.train(stream_of()[:2], eval_streams=[])
    unseen = steps[-1].gradients[-1][4:]  # of the output biases
    assert unseen.all() if active == "all" else not unseen.any()
