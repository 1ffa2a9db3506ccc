"""HNET+R and HNET+TIR: what enters their losses, what they replay, what they forget."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol
from hnet_bench.nets.distillation import distillation_loss
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hnet_r import HnetR
from hnet_bench.strategies.hnet_tir import HnetTir
from hnet_bench.strategies.training.replay_model import ReplayModel

REPLAY = {"replay_chunk_size": 1000, "replay_decoder_hidden_units": (20,), "replay_regularisation_strength": 0.1}


def setup_of(scenario, iterations=20):
    protocol = TrainingProtocol(iterations=iterations, batch_size=16, hidden_units=(20,), learning_rate=1e-2)
    return Setup(scenario=scenario, facts=Synthetic().facts, protocol=protocol, seed=1)


def built(cls, scenario, iterations=20, **changes):
    torch.manual_seed(0)
    return cls(**{**REPLAY, **changes}).build(setup_of(scenario, iterations))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ReplayModel(setup_of(Scenario.CLASS), HnetR(**REPLAY))


@pytest.mark.parametrize(("old_tasks", "each"), [(1, 16), (2, 8)])
def test_every_old_task_is_replayed_equally_in_every_batch(model, old_tasks, each):
    for x, tasks in itertools.islice(model.replay(old_tasks, 16), 12):
        assert x.shape == (old_tasks * each, 12)
        assert tasks.bincount().tolist() == [each] * old_tasks
        assert x.min() >= 0
        assert x.max() <= 1


def test_batches_are_fresh_and_follow_the_seed(model):
    first = [x for x, _ in itertools.islice(model.replay(2, 16), 10)]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(first, 2))
    torch.manual_seed(0)
    again = ReplayModel(setup_of(Scenario.CLASS), HnetR(**REPLAY))
    torch.rand(3)
    assert all(torch.equal(one, x) for one, (x, _) in zip(first, again.replay(2, 16), strict=False))


def test_the_replay_model_learns_and_keeps_what_it_replays():
    """Samples of each experience lie where its data lie, also after the next one was learnt."""
    data = Synthetic(classes_per_experience=1, noise=0.02).build(scenario=Scenario.CLASS, seed=1)
    torch.manual_seed(0)
    model = ReplayModel(setup_of(Scenario.CLASS), HnetR(**REPLAY))
    means = [samples.x.mean(0) for samples in data.train]
    for task in range(2):
        learning = model.learning(task, FixedIterations([], 0))
        for _ in range(400):
            learning.step([data.train[task].x[torch.randint(0, 100, (16,))]])
        examples = model.examples(50, torch.Generator().manual_seed(0)).mean(1)
        for old in range(task + 1):
            assert (examples[old] - means[old]).abs().mean() < 0.06
            assert (examples[old] - means[old]).norm() < 0.5 * (examples[old] - means[1 - old]).norm()


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_loss_of_hnet_r_is_half_real_half_distilled(scenario):
    """Repeats the first step on the third experience from its parts: heads, teacher, zero logits of new classes."""
    stream = list(Synthetic().build(scenario=scenario, seed=1).avalanche.train_stream)
    template = built(HnetR, scenario)
    template.train(stream[:2], eval_streams=[])
    parts = {}

    class Listen:
        def before_forward(self, strategy, **kwargs):
            if "x" not in parts:
                parts.update(x=strategy.mb_x.flatten(1), y=strategy.mb_y, model=copy.deepcopy(strategy.model))
                parts["state"] = strategy.replay_model._latent.get_state()

        def before_backward(self, strategy, **kwargs):
            parts.setdefault("loss", strategy.loss.item())

    template.plugins.append(Listen())
    old = copy.deepcopy(template.model)
    template.replay_model._latent.manual_seed(7)
    template.train(stream[2], eval_streams=[])

    template.replay_model._latent.manual_seed(7)
    # The decoders have learnt no further experience since: the last one is never replayed.
    x, tasks = next(template.replay_model.replay(2, 16))
    if scenario is Scenario.TASK:
        real = parts["model"].mlp(parts["x"])[:, 4:6]
        student, teacher = parts["model"].mlp(x).view(-1, 3, 2), old.mlp(x).view(-1, 3, 2)
        rows = torch.arange(len(x))
        student, teacher = student[rows, tasks], teacher[rows, tasks]
    else:
        real, student, teacher = parts["model"](parts["x"]), parts["model"](x), old(x)
        if scenario is Scenario.CLASS:
            teacher = torch.cat([teacher[:, :4], torch.zeros(len(x), 2)], 1)
    expected = 0.5 * functional.cross_entropy(real, parts["y"]) + 0.5 * distillation_loss(student, teacher, 2.0)
    assert parts["loss"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("cls", "scenario"), [(HnetR, Scenario.CLASS), (HnetTir, Scenario.CLASS)])
def test_replay_beats_forgetting(cls, scenario):
    """Fine-tuning knows the last experience alone: one third."""
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    changes = {"chunk_size": 100, "regularisation_strength": 0.5} if cls is HnetTir else {}
    template = built(cls, scenario, iterations=400, **changes)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    evaluation = Evaluator(benchmark).evaluate(template)
    assert sum(evaluation.score) / 3 > 0.75
    if cls is HnetTir:
        assert sum(evaluation.task_inference) / 3 > 0.75


def test_inference_is_confined_to_tasks_seen():
    benchmark = Synthetic().build(scenario=Scenario.DOMAIN, seed=1)
    template = built(HnetTir, Scenario.DOMAIN, chunk_size=100)
    inferred = []

    class Listen:
        def after_eval_forward(self, strategy, **kwargs):
            inferred.append(strategy.mb_inferred_task)

    template.plugins.append(Listen())
    for seen, experience in enumerate(benchmark.avalanche.train_stream):
        template.eval(benchmark.avalanche.test_stream)
        assert max(int(tasks.max()) for tasks in inferred) <= max(0, seen - 1)
        inferred.clear()
        template.train(experience, eval_streams=[])


def test_the_classifiers_of_tir_are_those_of_ent_bit_for_bit():
    """What else TIR trains draws from random streams of its own."""
    hypernetworks = []
    for cls, changes in ((HnetEnt, {}), (HnetTir, REPLAY)):
        stream = Synthetic().build(scenario=Scenario.CLASS, seed=1).avalanche.train_stream
        torch.manual_seed(0)
        template = cls(chunk_size=100, **changes).build(setup_of(Scenario.CLASS))
        for experience in stream:
            template.train(experience, eval_streams=[])
        hypernetworks.append(template.classifier.hypernetwork)
    for one, other in zip(*(network.parameters() for network in hypernetworks), strict=True):
        assert torch.equal(one, other)
