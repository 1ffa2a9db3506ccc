"""HNET+R and HNET+TIR: what enters their losses, what they replay, what they forget."""

import copy
import itertools

import pytest
import torch
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.distillation import distillation_loss
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hnet_r import HnetR
from hnet_bench.strategies.hnet_tir import HnetTir
from hnet_bench.strategies.training.replay_model import ReplayModel

REPLAY = {"replay_chunk_size": 1000, "replay_decoder_hidden_units": (20,), "replay_regularisation_strength": 0.1}


@pytest.fixture
def replay_model(setup_of):
    """Makes a replay model, the same whenever it is called."""

    def make():
        torch.manual_seed(0)
        return ReplayModel(setup_of(), HnetR(**REPLAY))

    return make


def test_more_experiences_than_the_decoder_can_tell_apart_are_refused(setup_of):
    """Its one-hot code has a hundred entries, and the last experience is never replayed."""
    assert ReplayModel(setup_of(stream=Synthetic(experiences=101)), HnetR(**REPLAY)).tasks == 100
    with pytest.raises(UserError, match=r"learns at most 101 experiences, .* found 102"):
        ReplayModel(setup_of(stream=Synthetic(experiences=102)), HnetR(**REPLAY))


@pytest.mark.parametrize(("old_tasks", "each"), [(1, 16), (2, 8)])
def test_every_old_task_is_replayed_equally_in_every_batch(replay_model, old_tasks, each):
    for x, tasks in itertools.islice(replay_model().replay(old_tasks, 16), 12):
        assert x.shape == (old_tasks * each, 12)
        assert tasks.bincount().tolist() == [each] * old_tasks
        assert x.min() >= 0
        assert x.max() <= 1


def test_batches_are_fresh_and_follow_the_seed(replay_model):
    first = [x for x, _ in itertools.islice(replay_model().replay(2, 16), 10)]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(first, 2))
    again = replay_model()
    torch.rand(3)
    assert all(torch.equal(one, x) for one, (x, _) in zip(first, again.replay(2, 16), strict=False))


def test_the_replay_model_learns_and_keeps_what_it_replays(replay_model):
    """Samples of each experience lie where its data lie, also after the next one was learnt."""
    data = Synthetic(classes_per_experience=1, noise=0.02).build(scenario=Scenario.CLASS, seed=1)
    model = replay_model()
    means = [samples.x.mean(0) for samples in data.train]
    for task in range(2):
        learning = model.learning(task, FixedIterations([], 0))
        for _ in range(400):
            learning.step([data.train[task].x[torch.randint(0, 100, (16,))]])
        samples = model.samples(50, torch.Generator().manual_seed(0)).mean(1)
        for old in range(task + 1):
            assert (samples[old] - means[old]).abs().mean() < 0.06
            assert (samples[old] - means[old]).norm() < 0.5 * (samples[old] - means[1 - old]).norm()


@pytest.mark.parametrize(
    ("scenario", "active"), [*((scenario, "seen") for scenario in Scenario), (Scenario.CLASS, "all")]
)
def test_the_loss_of_hnet_r_is_half_real_half_distilled(scenario, active, learnt, stream_of, recorded):
    """Repeats the first step on the third experience from its parts: heads, teacher, and where classes seen compete the
    zero logits of new ones."""
    template = learnt(HnetR(**REPLAY), scenario, experiences=2, active_classes=active)
    old, steps = copy.deepcopy(template.model), recorded(template)
    template.replay_model.latent.manual_seed(7)
    template.train(stream_of(scenario)[2], eval_streams=[])
    template.replay_model.latent.manual_seed(7)
    # The decoders have learnt no further experience since: the last one is never replayed.
    x, tasks = next(template.replay_model.replay(2, 16))
    step, model = steps[0], steps[0].model
    if scenario is Scenario.TASK:
        real = model.network(step.x)[:, 4:6]
        student, teacher = model.network(x).view(-1, 3, 2), old.network(x).view(-1, 3, 2)
        rows = torch.arange(len(x))
        student, teacher = student[rows, tasks], teacher[rows, tasks]
    else:
        real, student, teacher = model(step.x), model(x), old(x)
        if scenario is Scenario.CLASS and active == "seen":
            teacher = torch.cat([teacher[:, :4], torch.zeros(len(x), 2)], 1)
    expected = 0.5 * functional.cross_entropy(real, step.y) + 0.5 * distillation_loss(student, teacher, 2.0)
    assert step.loss == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "strategy", [HnetR(**REPLAY), HnetTir(**REPLAY, chunk_size=100, regularisation_strength=0.5)], ids=lambda s: s.name
)
def test_replay_beats_forgetting(strategy, learnt):
    """Fine-tuning knows the last experience alone: one third."""
    template = learnt(strategy, iterations=400)
    evaluation = Evaluator(Synthetic().build(scenario=Scenario.CLASS, seed=1)).evaluate(template)
    assert sum(evaluation.score) / 3 > 0.75
    if evaluation.task_inference is not None:
        assert sum(evaluation.task_inference) / 3 > 0.75


def test_the_classifiers_of_tir_are_those_of_ent_bit_for_bit(learnt):
    """What else TIR trains draws from random streams of its own."""
    hypernetworks = [
        learnt(strategy, iterations=20).classifier.hypernetwork
        for strategy in (HnetEnt(chunk_size=100), HnetTir(chunk_size=100, **REPLAY))
    ]
    for one, other in zip(*(network.parameters() for network in hypernetworks), strict=True):
        assert torch.equal(one, other)
