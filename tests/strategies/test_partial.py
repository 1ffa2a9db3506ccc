"""Partial hypernetworks: which layers are generated and which are shared, what moves, what is regularised."""

from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.regulariser import plain_loss
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hnet_tir import HnetTir

# Layers of the synthetic benchmark's network with these hidden units: (12, 10), (10, 8), (8, 6).
WIDTHS = {"hidden_units": (10, 8)}


def partial(cls=Hnet, **changes):
    sizes = {"chunk_size": 50, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}
    return cls(**{**sizes, "regularisation_strength": 0.5, "generated_layers": 2, **changes})


def shared_of(template):
    return [parameter.detach().clone() for parameter in template.classifier.target.parameters()]


@pytest.mark.parametrize(("generated", "shared"), [(1, [(10, 12), (10,), (8, 10), (8,)]), (2, [(10, 12), (10,)])])
def test_the_last_layers_are_generated_and_the_others_are_shared(generated, shared, built):
    template = built(partial(generated_layers=generated), Scenario.TASK, **WIDTHS)
    found = shared_of(template)
    assert [tuple(one.shape) for one in found] == shared
    x = torch.rand(7, 12)
    for task in range(3):
        values = x
        for weight, bias in zip(found[::2], found[1::2], strict=True):
            values = (values @ weight.t() + bias).clamp(min=0)
        flat = template.classifier.hypernetwork(task)
        sizes = [(6, 8), (6,)] if generated == 1 else [(8, 10), (8,), (6, 8), (6,)]
        parts = flat.split([torch.Size(size).numel() for size in sizes])
        *hidden, weight, bias = (part.view(size) for part, size in zip(parts, sizes, strict=True))
        if hidden:
            values = (values @ hidden[0].t() + hidden[1]).clamp(min=0)
        expected = (values @ weight.t() + bias)[:, 2 * task : 2 * task + 2]
        torch.testing.assert_close(template.classifier.head(x, task), expected)


def test_all_parameters_are_counted_whether_generated_or_shared(built):
    counts = built(partial(), Scenario.TASK, **WIDTHS).parameter_counts()
    whole = built(partial(generated_layers=None), Scenario.TASK, **WIDTHS).parameter_counts()
    assert counts["target"] == whole["target"] == 130 + 88 + 54
    # Three chunks in place of six, and the 130 of the shared layer.
    assert counts["trained"] == whole["trained"] - 3 * 4 + 130


@pytest.mark.parametrize("shared_layers", ["frozen", "learnt"])
def test_shared_layers_learn_in_the_first_experience_and_then_stay_bit_for_bit_or_go_on(
    shared_layers, built, stream_of
):
    template = built(partial(shared_layers=shared_layers), Scenario.TASK, **WIDTHS)
    seen = [shared_of(template)]
    for experience in stream_of(Scenario.TASK):
        template.train(experience, eval_streams=[])
        seen.append(shared_of(template))
    same = [all(map(torch.equal, *pair)) for pair in pairwise(seen)]
    assert same == [False, *[shared_layers == "frozen"] * 2]


@pytest.mark.parametrize("shared_layers", ["frozen", "learnt"])
@pytest.mark.parametrize(("cls", "scenario"), [(Hnet, Scenario.TASK), (HnetEnt, Scenario.DOMAIN)])
def test_one_step_is_the_papers_on_what_is_generated_and_that_of_the_task_loss_alone_on_what_is_shared(
    cls, scenario, shared_layers, learnt, stream_of, recorded, papers_step
):
    strategy = partial(cls, shared_layers=shared_layers)
    template = learnt(strategy, scenario, experiences=2, iterations=2, **WIDTHS)
    with torch.no_grad():
        targets = [template.classifier.hypernetwork(task).double() for task in range(2)]
    steps = recorded(template)
    template.train(stream_of(scenario)[2], eval_streams=[])
    model = steps[1].model.double().requires_grad_()
    hypernetwork, target = model.hypernetwork, model.target
    outputs = mlp(target.shared(steps[1].x.double()), hypernetwork(2), target.shape)
    loss = functional.cross_entropy(outputs if scenario is Scenario.DOMAIN else outputs[:, 4:6], steps[1].y)
    of_shared = torch.autograd.grad(loss, list(target.parameters()), retain_graph=True)
    papers_step(
        template,
        steps[1],
        loss,
        lambda theta: plain_loss(hypernetwork, theta, targets, 0.5),
        lookahead=True,
    )
    found = steps[1].gradients[len(hypernetwork.theta) + 1 :]
    assert len(found) == (0 if shared_layers == "frozen" else 2)
    for one, expected in zip(found, of_shared if found else (), strict=True):
        torch.testing.assert_close(one.double(), expected, rtol=1e-3, atol=1e-6)


def test_at_least_one_layer_must_be_shared(built):
    for generated in (3, 4):
        with pytest.raises(UserError, match=f"Of the 3 layers .* found generated_layers {generated}"):
            built(partial(generated_layers=generated), Scenario.TASK, **WIDTHS)


def test_the_replay_models_training_depends_on_what_is_drawn_before_it(setup_of):
    """Fewer generated parameters take fewer random numbers."""
    setup = setup_of(Scenario.CLASS, **WIDTHS)
    whole, part = (partial(HnetTir, generated_layers=layers).random_numbers(setup) for layers in (None, 2))
    assert (whole["chunks"], part["chunks"]) == (6, 3)
