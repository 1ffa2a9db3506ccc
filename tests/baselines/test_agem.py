"""A-GEM: the projection by explicit algebra, alone and in training."""

import pytest
import torch
from torch.nn import functional

from baselines.agem import Agem, project
from baselines.er import Er
from hnet_bench.interfaces import Scenario


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize("reference", [[2.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
def test_any_other_gradient_stays_as_it_is(reference):
    gradient = [torch.tensor([3.0, 0.0])]
    project(gradient, [torch.tensor(reference)])
    assert gradient[0].tolist() == [3.0, 0.0]


def test_the_small_constant_is_added_to_the_squared_norm():
    gradient = [torch.tensor([1.0], dtype=torch.float64)]
    project(gradient, [torch.tensor([-1e-4], dtype=torch.float64)])
    assert gradient[0].item() == pytest.approx(1 - 1e-8 / (1e-8 + 1e-7), rel=1e-12)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_every_step_takes_the_projected_gradient(scenario, learnt, stream_of, recorded):
    """Both gradients anew from a copy of the model, and the formula on flat vectors, in float64."""
    template = learnt(Agem(per_class=10), scenario, experiences=2, iterations=25)
    drawn, draw = [], template.stored_batch
    template.stored_batch = lambda: drawn.append(draw()) or drawn[-1]
    steps = recorded(template)
    template.train(stream_of(scenario)[2], eval_streams=[])

    def outputs(model, x, tasks):
        if scenario is Scenario.TASK:
            return model.network(x.double()).view(len(x), 3, 2)[torch.arange(len(x)), tasks]
        return model(x.double())

    products = []
    for step, (replayed, labels, tasks) in zip(steps, drawn, strict=True):
        model = step.model.double()
        current = functional.cross_entropy(outputs(model, step.x, torch.full_like(step.y, 2)), step.y)
        past = functional.cross_entropy(outputs(model, replayed, tasks), labels)
        g, r = (flat(torch.autograd.grad(loss, list(model.parameters()))) for loss in (current, past))
        products.append((g @ r).item())
        if products[-1] < 0:
            g = g - (g @ r) / (r @ r + 1e-7) * r
            assert g @ r > -1e-4
        assert (flat(step.gradients) - g).norm() < 1e-4 * g.norm()
    assert min(products) < 0


def test_what_is_stored_is_that_of_er(learnt):
    templates = [learnt(cls(per_class=7), Scenario.DOMAIN) for cls in (Agem, Er)]
    assert torch.equal(*(template.buffer.samples().x for template in templates))
    assert [template.parameter_counts()["stored_values"] for template in templates] == [3 * 14 * 13] * 2
