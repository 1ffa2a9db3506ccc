"""HINT: its loss and schedules from their definition, what moves, and one network for all tasks in CL2."""

import copy

import pytest
import torch
from avalanche.training.plugins import ReplayPlugin
from torch.nn import functional

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.intervals import Interval
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hint import Hint

SIZES = {"chunk_size": 100, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}


def small(**changes):
    return Hint(**{**SIZES, "regularisation_strength": 0.5, **changes})


def generated(hypernetwork, centre, radius):
    """Middle and half-width of all target parameters, and of what is cut off."""
    return (part.flatten() for part in hypernetwork.interval_chunks(Interval(centre, radius)))


def bounds(x, lower, upper, shape):
    """Of the outputs for weights between two flat vectors, by the four products of each layer."""
    low = high = x
    layers = list(zip(shape.views(lower), shape.views(upper), strict=True))
    for (weight, bias), (high_weight, high_bias) in layers:
        low, high = low.clamp(min=0), high.clamp(min=0)
        low, high = (
            low @ weight.relu().T - high @ (-weight).relu().T + bias,
            high @ high_weight.relu().T - low @ (-high_weight).relu().T + high_bias,
        )
    return low, high


@pytest.mark.parametrize(
    ("scenario", "hidden_units"), [*((scenario, (8, 6)) for scenario in Scenario), (Scenario.DOMAIN, ())]
)
def test_the_loss_weighs_the_middle_and_the_worst_case_as_the_schedule_says(
    scenario, hidden_units, learnt, stream_of, recorded
):
    template = learnt(small(epsilon=0.3, hidden_units=hidden_units), scenario, experiences=1, iterations=6)
    steps = recorded(template)
    template.train(stream_of(scenario)[1], eval_streams=[])
    assert len(steps) == 6
    for done, step in enumerate(steps, start=1):
        model = step.model.double()
        hypernetwork, shape = model.hypernetwork, template.classifier.target.shape
        embedding = hypernetwork.task_embeddings[1]
        epsilon = 0.3 * min(1, 2 * done / 6)
        if scenario is Scenario.DOMAIN:
            radius = torch.full_like(embedding, epsilon / 5)
            centre = epsilon / 10 * embedding.cos()
        else:
            radius, centre = epsilon * hypernetwork.widths[1].softmax(0), embedding
        middle, width = generated(hypernetwork, centre, radius)
        x = step.x.flatten(1).double()
        columns = slice(0, 2) if scenario is Scenario.DOMAIN else slice(2, 4)
        labels = step.y - 2 if scenario is Scenario.CLASS else step.y
        lower, upper = (one[:, columns] for one in bounds(x, middle - width, middle + width, shape))
        worst = torch.where(functional.one_hot(labels, 2).bool(), lower, upper)
        share = 5e-5 * done if done <= 3 else 0.5
        expected = (1 - share) * functional.cross_entropy(mlp(x, middle, shape)[:, columns], labels)
        expected = expected + share * functional.cross_entropy(worst, labels)
        assert step.loss == pytest.approx(expected.item(), rel=1e-5)


def test_replayed_samples_of_a_plugin_have_the_intervals_of_their_tasks(learnt, stream_of, recorded):
    """Those of an old task all of epsilon, the present one half of it after one of four steps."""
    template = learnt(small(epsilon=0.3), Scenario.TASK, experiences=0, iterations=4)
    template.plugins.append(ReplayPlugin(mem_size=30))
    steps = recorded(template)
    for experience in stream_of(Scenario.TASK)[:2]:
        template.train(experience, eval_streams=[])
    step = steps[4]
    hypernetwork, shape = step.model.double().hypernetwork, template.classifier.target.shape
    expected, tasks = [], step.mbatch[-1].tolist()
    for x, label, task in zip(step.x.double(), step.y.tolist(), tasks, strict=True):
        radius = (0.3, 0.15)[task] * hypernetwork.widths[task].softmax(0)
        middle, width = generated(hypernetwork, hypernetwork.task_embeddings[task], radius)
        lower, upper = (one[0, 2 * task :][:2] for one in bounds(x.view(1, -1), middle - width, middle + width, shape))
        worst = torch.stack([(lower if label == one else upper)[one] for one in range(2)])
        losses = [mlp(x.view(1, -1), middle, shape)[0, 2 * task :][:2], worst]
        plain, worst_case = (functional.cross_entropy(one, torch.tensor(label)).item() for one in losses)
        expected.append((1 - 5e-5) * plain + 5e-5 * worst_case)
    assert set(tasks) == {0, 1}
    assert step.loss == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    # In the second half the worst case counts, also of what a stock loader brings.
    assert steps[7].gradients[-1].abs().max() > 0


def test_inputs_that_the_bounds_do_not_hold_for_are_refused(built, stream_of):
    experience = stream_of(Scenario.TASK)[0]
    experience.in_memory.x[3, 5] = -0.25
    with pytest.raises(UserError, match=r"hint needs inputs that are not negative, found -0.25 in experience 1 of 3\."):
        built(small(), Scenario.TASK).train(experience, eval_streams=[])


@pytest.mark.parametrize("scenario", [Scenario.TASK, Scenario.DOMAIN])
def test_theta_and_the_present_interval_move_alone(scenario, learnt, stream_of):
    template = learnt(small(), scenario, experiences=1, iterations=8)
    before = copy.deepcopy(template.hypernetwork)
    template.train(stream_of(scenario)[1], eval_streams=[])
    after = template.hypernetwork
    for name in ("task_embeddings", "widths"):
        pairs = zip(getattr(before, name), getattr(after, name), strict=True)
        moves = name == "task_embeddings" or scenario is Scenario.TASK
        assert [torch.equal(*pair) for pair in pairs] == [True, not moves, True]
    assert not any(map(torch.equal, before.theta, after.theta))


def test_in_domain_one_network_answers_for_all_tasks_and_none_is_inferred(learnt):
    template = learnt(small(epsilon=5.0), Scenario.DOMAIN, iterations=8)
    x = torch.rand(10, 12)
    template.is_training, template.mbatch = False, [x]
    template.model.eval()
    hypernetwork = template.hypernetwork
    with torch.no_grad():
        flat = (hypernetwork.hidden(hypernetwork.universal(3).unsqueeze(0))[0] @ hypernetwork.output).flatten()
        torch.testing.assert_close(template.forward(), mlp(x, flat, template.classifier.target.shape))
    assert template.mb_inferred_task is None
