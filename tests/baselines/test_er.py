"""ER: what it stores, what it replays, and how its loss is made."""

import copy

import pytest
import torch
from torch.nn import functional

from baselines.er import Er
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

OUTPUTS = {Scenario.TASK: 6, Scenario.DOMAIN: 2, Scenario.CLASS: 6}


def built(scenario, *, per_class=10, benchmark=None, **protocol):
    settings = {"iterations": 6, "batch_size": 15, "hidden_units": (20,), "learning_rate": 1e-2, **protocol}
    facts = (benchmark or Synthetic()).facts
    torch.manual_seed(0)
    return Er(per_class=per_class).build(
        Setup(scenario=scenario, facts=facts, protocol=TrainingProtocol(**settings), seed=1)
    )


def train_stream(scenario, benchmark=None):
    return list((benchmark or Synthetic()).build(scenario=scenario, seed=1).avalanche.train_stream)


def listen_to_replay(template):
    """Every batch that the template draws from what it stored."""
    drawn, draw = [], template.stored_batch

    def listen():
        drawn.append(draw())
        return drawn[-1]

    template.stored_batch = listen
    return drawn


def rows(x):
    return {tuple(row.tolist()) for row in x.flatten(1)}


@pytest.mark.parametrize("scenario", list(Scenario))
def test_each_class_of_each_experience_is_stored_equally_often_and_nothing_of_the_test_data(scenario):
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    template = built(scenario, per_class=7)
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


def test_in_task_each_batch_has_a_fair_share_of_every_past_experience():
    stream = train_stream(Scenario.TASK)
    template = built(Scenario.TASK)
    drawn = listen_to_replay(template)
    for experience in stream:
        template.train(experience, eval_streams=[])
    tasks = [batch[2].bincount().tolist() for batch in drawn if batch is not None]
    assert tasks == [[15]] * 6 + [[8, 8]] * 6
    for x, _, labels in filter(None, drawn):
        for task in labels.unique().tolist():
            assert rows(x[labels == task]) <= rows(template.buffer.samples(task).x)


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
def test_elsewhere_batches_come_from_all_that_is_stored_each_sample_once_in_a_pass(scenario):
    stream = train_stream(scenario)
    template = built(scenario, per_class=5)
    drawn = listen_to_replay(template)
    for experience in stream:
        template.train(experience, eval_streams=[])
    # Ten samples after the first experience, fewer than a batch; twenty after the second.
    assert [len(batch[0]) for batch in drawn if batch is not None] == [10] * 6 + [15] * 6
    passes = torch.cat([batch[0] for batch in drawn[-6:]])[:80].split(20)
    stored = rows(torch.cat([template.buffer.samples(past).x for past in (0, 1)]))
    assert all(rows(samples) == stored for samples in passes)


@pytest.mark.parametrize("active", ["seen", "all"])
@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_loss_is_a_third_current_and_two_thirds_replayed_in_the_third_experience(scenario, active):
    stream = train_stream(scenario)
    template = built(scenario, active_classes=active)
    template.train(stream[:2], eval_streams=[])
    parts, drawn = {}, listen_to_replay(template)

    class Listen:
        def before_forward(self, strategy, **kwargs):
            parts.setdefault("before", (strategy.mb_x, strategy.mb_y, copy.deepcopy(strategy.model)))

        def before_backward(self, strategy, **kwargs):
            parts.setdefault("loss", strategy.loss.item())

    template.plugins.append(Listen())
    template.train(stream[2], eval_streams=[])
    x, y, model = parts["before"]
    replayed, labels, tasks = drawn[0]
    if scenario is Scenario.TASK:
        current = functional.cross_entropy(model.mlp(x)[:, 4:6], y)
        heads = [model.mlp(replayed[tasks == past])[:, 2 * past : 2 * past + 2] for past in (0, 1)]
        losses = [functional.cross_entropy(head, labels[tasks == past]) for past, head in enumerate(heads)]
        past = sum(losses) / 2
    else:
        current, past = functional.cross_entropy(model(x), y), functional.cross_entropy(model(replayed), labels)
    assert past.item() > 0
    assert parts["loss"] == pytest.approx((current / 3 + past * 2 / 3).item(), rel=1e-5)


def test_only_seen_classes_compete_for_replayed_samples_unless_the_protocol_says_all():
    stream = train_stream(Scenario.CLASS)
    gradients = {}
    for active in ("seen", "all"):
        template = built(Scenario.CLASS, active_classes=active)

        class Listen:
            def before_update(self, strategy, active=active, **kwargs):
                gradients[active] = strategy.model.output.bias.grad.clone()

        template.plugins.append(Listen())
        template.train(stream[:2], eval_streams=[])
    assert not gradients["seen"][4:].any()
    assert gradients["all"][4:].all()


@pytest.mark.parametrize("scenario", list(Scenario))
def test_replay_beats_forgetting(scenario):
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    template = built(scenario, iterations=200)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    assert sum(Evaluator(benchmark).evaluate(template).score) / 3 > 0.9


@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize(
    "shape",
    [
        {"experiences": 1},
        {"experiences": 2, "classes_per_experience": 1},
        {"experiences": 3, "train_per_class": 3},
    ],
)
def test_small_streams(scenario, shape):
    benchmark = Synthetic(**shape)
    template = built(scenario, benchmark=benchmark)
    for experience in train_stream(scenario, benchmark):
        template.train(experience, eval_streams=[])
    assert len(template.buffer.samples()) == shape["experiences"] * benchmark.classes_per_experience * min(
        10, benchmark.train_per_class
    )


def test_at_least_one_sample_per_class():
    with pytest.raises(UserError, match="per_class of er must be at least 1, found 0"):
        Er(per_class=0)
