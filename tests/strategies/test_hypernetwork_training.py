"""HNET: one training step against the formula by plain autograd; what moves and what stays; learning on real data."""

import copy

import pytest
import torch
from torch.nn import functional

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.config import to_settings
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError
from hnet_bench.nets.regulariser import plain_loss
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_ent import HnetEnt

SETTINGS = {
    "chunk_size": 100,
    "hidden_units": (8, 6),
    "task_embedding_size": 5,
    "chunk_embedding_size": 4,
    "regularisation_strength": 0.5,
}


def built(cls, scenario, iterations=1, **changes):
    torch.manual_seed(0)
    protocol = TrainingProtocol(iterations=iterations, batch_size=16, hidden_units=(20,), learning_rate=1e-2)
    setup = Setup(scenario=scenario, facts=Synthetic().facts, protocol=protocol, seed=1)
    return cls(**{**SETTINGS, **changes}).build(setup)


class Snapshot:
    """Copies a template's model, and its batch, just before the second step on the third experience."""

    def __init__(self):
        self.before = None
        self.count = 0

    def before_forward(self, strategy, **kwargs):
        self.count += 1
        if self.count == 6:  # two steps on each of three experiences
            self.before = copy.deepcopy(strategy.model)
            self.batch = (strategy.mb_x.clone(), strategy.mb_y.clone())
            self.optimiser = copy.deepcopy(strategy.optimizer.state_dict())


@pytest.mark.parametrize("lookahead", [True, False])
@pytest.mark.parametrize(
    ("cls", "scenario"), [(Hnet, Scenario.TASK), (HnetEnt, Scenario.DOMAIN), (HnetEnt, Scenario.CLASS)]
)
def test_one_step_is_that_of_the_paper(cls, scenario, lookahead):
    """Repeats a step on task 2 in float64 with plain autograd and an Adam written out, and compares all parameters."""
    stream = Synthetic().build(scenario=scenario, seed=1).avalanche
    template = built(cls, scenario, iterations=2, lookahead=lookahead)
    snapshot = Snapshot()
    template.plugins.append(snapshot)
    for experience in list(stream.train_stream)[:2]:
        template.train(experience, eval_streams=[])
    with torch.no_grad():
        targets = [template.classifier.hypernetwork(task).double() for task in range(2)]
    template.train(stream.train_stream[2], eval_streams=[])

    model = snapshot.before.double()
    hypernetwork = model.hypernetwork
    x, y = snapshot.batch[0].double(), snapshot.batch[1]
    outputs = mlp(x, hypernetwork(2), model.target)
    head = outputs if scenario is Scenario.DOMAIN else outputs[:, 4:6]
    labels = y - 4 if scenario is Scenario.CLASS else y
    trained = [*hypernetwork.theta, hypernetwork.task_embeddings[2]]
    gradients = torch.autograd.grad(functional.cross_entropy(head, labels), trained)

    state = snapshot.optimiser["state"]

    def adam(parameter, gradient, index):
        first = 0.9 * state[index]["exp_avg"].double() + 0.1 * gradient
        second = 0.999 * state[index]["exp_avg_sq"].double() + 0.001 * gradient**2
        corrected = first / (1 - 0.9**2), second / (1 - 0.999**2)
        return parameter - 1e-2 * corrected[0] / (corrected[1].sqrt() + 1e-8)

    theta = hypernetwork.theta
    at = [adam(p, g, i) for i, (p, g) in enumerate(zip(theta, gradients[:-1], strict=True))] if lookahead else theta
    at = [tensor.detach().requires_grad_() for tensor in at]
    extra = torch.autograd.grad(plain_loss(hypernetwork, at, targets, 0.5), at)
    assert max(tensor.abs().max() for tensor in extra) > 0
    totals = [g + e for g, e in zip(gradients[:-1], extra, strict=True)] + [gradients[-1]]
    expected = [adam(p, g, i) for i, (p, g) in enumerate(zip(trained, totals, strict=True))]
    found = [*template.classifier.hypernetwork.theta, template.classifier.hypernetwork.task_embeddings[2]]
    moved = sum((e - p).square().sum() for e, p in zip(expected, trained, strict=True)).sqrt()
    apart = sum((f.double() - e).square().sum() for f, e in zip(found, expected, strict=True)).sqrt()
    assert apart < 1e-3 * moved


def test_only_theta_and_the_present_embedding_move():
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    template = built(Hnet, Scenario.TASK, iterations=5)
    template.train(stream.train_stream[0], eval_streams=[])
    before = copy.deepcopy(template.classifier.hypernetwork)
    template.train(stream.train_stream[1], eval_streams=[])
    after = template.classifier.hypernetwork
    assert [torch.equal(a, b) for a, b in zip(before.task_embeddings, after.task_embeddings, strict=True)] == [
        True,
        False,
        True,
    ]
    assert not any(torch.equal(a, b) for a, b in zip(before.theta, after.theta, strict=True))


def drift(strength):
    """How far the classifier of the first task moves while the others are learnt."""
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    template = built(Hnet, Scenario.TASK, iterations=60, regularisation_strength=strength)
    template.train(stream.train_stream[0], eval_streams=[])
    first = template.classifier.hypernetwork(0).detach()
    template.train(list(stream.train_stream)[1:], eval_streams=[])
    return (template.classifier.hypernetwork(0).detach() - first).norm().item()


def test_the_regulariser_keeps_old_classifiers_in_place():
    assert drift(1.0) < 0.2 * drift(0.0)


def test_drawing_the_regularised_tasks_is_part_of_training_and_of_the_spec_only_if_asked_for():
    def learnt(**settings):
        stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
        template = built(Hnet, Scenario.TASK, iterations=4, **settings)
        template.train(stream.train_stream, eval_streams=[])
        return torch.cat([parameter.detach().flatten() for parameter in template.classifier.hypernetwork.theta])

    every = learnt()
    assert torch.equal(learnt(regularised_tasks=2), every)  # there are two old tasks at most
    assert torch.equal(learnt(online_targets=True), every)
    assert not torch.equal(learnt(regularised_tasks=1), every)
    assert torch.equal(learnt(regularised_tasks=1), learnt(regularised_tasks=1))
    assert {"regularised_tasks", "online_targets"}.isdisjoint(to_settings(Hnet()))
    with pytest.raises(UserError, match="regularised_tasks of a hypernetwork must be at least 1, found 0"):
        Hnet(regularised_tasks=0)


def test_entropy_template_infers_among_learnt_tasks_only():
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    template = built(HnetEnt, Scenario.CLASS, iterations=30)
    inferred = []

    class Listen:
        def after_eval_forward(self, strategy, **kwargs):
            inferred.append(strategy.mb_inferred_task)

    template.plugins.append(Listen())
    highest = []
    for experience in benchmark.avalanche.train_stream:
        template.eval(benchmark.avalanche.test_stream)
        highest.append(int(torch.cat(inferred).max()))
        inferred.clear()
        template.train(experience, eval_streams=[])
    assert highest == [0, 0, 1]


def test_in_class_the_answer_is_a_class_of_the_inferred_task():
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    template = built(HnetEnt, Scenario.CLASS, iterations=30)

    class Check:
        def after_eval_forward(self, strategy, **kwargs):
            assert torch.equal(strategy.mb_output.argmax(1) // 2, strategy.mb_inferred_task)
            assert strategy.mb_output.isfinite().all()

    template.plugins.append(Check())
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
        template.eval(benchmark.avalanche.test_stream)


def test_inference_agrees_with_one_sample_at_a_time():
    """All samples in batches against the plain loop: weights of each task for each sample, entropy by its formula."""
    benchmark = Synthetic(test_per_class=5).build(scenario=Scenario.CLASS, seed=1)
    template = built(HnetEnt, Scenario.CLASS, iterations=30)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    found = []

    class Listen:
        def after_eval_forward(self, strategy, **kwargs):
            found.extend(strategy.mb_inferred_task.tolist())

    template.plugins.append(Listen())
    template.eval(benchmark.avalanche.test_stream)
    expected = []
    model = copy.deepcopy(template.classifier).double()
    for samples in benchmark.test:
        for x in samples.x.double():
            entropies = []
            for task in range(3):
                logits = mlp(x.view(1, -1), model.hypernetwork(task), model.target)[0, 2 * task : 2 * task + 2]
                p = torch.softmax(logits, 0)
                entropies.append(-(p * p.log()).sum().item())
            expected.append(entropies.index(min(entropies)))
    assert found == expected


def test_parameters_are_counted_as_in_the_paper():
    template = built(Hnet, Scenario.TASK)
    trained = sum(parameter.numel() for parameter in template.model.parameters())
    assert template.parameter_counts() == {"trained": trained, "target": 12 * 20 + 20 + 20 * 6 + 6}
