"""A-GEM: the projection by explicit algebra, alone and in training."""

import copy

import pytest
import torch
from torch.nn import functional

from baselines.agem import Agem
from baselines.finetune import Finetune
from baselines.training.agem import project
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError


def setup_of(scenario, **protocol):
    settings = {"iterations": 25, "batch_size": 16, "hidden_units": (20,), "learning_rate": 1e-2, **protocol}
    return Setup(scenario=scenario, facts=Synthetic().facts, protocol=TrainingProtocol(**settings), seed=1)


def built(scenario, per_class=10, **protocol):
    torch.manual_seed(0)
    return Agem(per_class=per_class).build(setup_of(scenario, **protocol))


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


def test_an_opposed_gradient_loses_what_opposes():
    """g = (1, 0), r = (-1, 1): g.r = -1 and |r|^2 = 2, so g + r / 2 = (1/2, 1/2)."""
    gradient = [torch.tensor([1.0], dtype=torch.float64), torch.tensor([[0.0]], dtype=torch.float64)]
    reference = [torch.tensor([-1.0], dtype=torch.float64), torch.tensor([[1.0]], dtype=torch.float64)]
    project(gradient, reference)
    assert flat(gradient).tolist() == pytest.approx([0.5, 0.5], abs=1e-7)


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
def test_every_step_takes_the_projected_gradient(scenario):
    """Both gradients anew from a copy of the model, and the formula on flat vectors, in float64."""
    stream = list(Synthetic().build(scenario=scenario, seed=1).avalanche.train_stream)
    template = built(scenario)
    template.train(stream[:2], eval_streams=[])
    drawn, draw = [], template.stored_batch
    template.stored_batch = lambda: drawn.append(draw()) or drawn[-1]
    steps = []

    class Listen:
        def before_forward(self, strategy, **kwargs):
            steps.append([strategy.mb_x, strategy.mb_y, copy.deepcopy(strategy.model).double()])

        def before_update(self, strategy, **kwargs):
            steps[-1].append(flat([parameter.grad for parameter in strategy.model.parameters()]))

    template.plugins.append(Listen())
    template.train(stream[2], eval_streams=[])

    def outputs(model, x, tasks):
        if scenario is Scenario.TASK:
            return model.mlp(x.double()).view(len(x), 3, 2)[torch.arange(len(x)), tasks]
        return model(x.double())

    products = []
    for (x, y, model, used), (replayed, labels, tasks) in zip(steps, drawn, strict=True):
        parameters = list(model.parameters())
        current = functional.cross_entropy(outputs(model, x, torch.full_like(y, 2)), y)
        past = functional.cross_entropy(outputs(model, replayed, tasks), labels)
        g, r = (flat(torch.autograd.grad(loss, parameters)) for loss in (current, past))
        products.append((g @ r).item())
        if products[-1] < 0:
            g = g - (g @ r) / (r @ r + 1e-7) * r
            assert g @ r > -1e-4
        assert (used - g).norm() < 1e-4 * g.norm()
    assert min(products) < 0


def test_the_first_experience_is_fine_tuning_bit_for_bit():
    stream = list(Synthetic().build(scenario=Scenario.CLASS, seed=1).avalanche.train_stream)
    weights = []
    for strategy in (Agem(), Finetune()):
        torch.manual_seed(0)
        template = strategy.build(setup_of(Scenario.CLASS))
        for experience in stream[:2]:
            template.train(experience, eval_streams=[])
            weights.append(flat(template.model.parameters()).detach().clone())
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[1], weights[3])


def test_it_forgets_less_than_fine_tuning():
    benchmark = Synthetic().build(scenario=Scenario.DOMAIN, seed=1)
    first = []
    for strategy in (Agem(), Finetune()):
        torch.manual_seed(0)
        template = strategy.build(setup_of(Scenario.DOMAIN, iterations=200))
        for experience in benchmark.avalanche.train_stream:
            template.train(experience, eval_streams=[])
        first.append(Evaluator(benchmark).evaluate(template).score[0])
    assert first[0] > first[1] + 0.2


def test_what_is_stored_is_that_of_er():
    from baselines.er import Er

    stream = list(Synthetic().build(scenario=Scenario.DOMAIN, seed=1).avalanche.train_stream)
    stored = []
    for cls in (Agem, Er):
        template = cls(per_class=7).build(setup_of(Scenario.DOMAIN))
        for experience in stream:
            template.train(experience, eval_streams=[])
        stored.append(template.buffer.samples())
        assert template.parameter_counts()["stored_values"] == 3 * 14 * 13
    assert torch.equal(stored[0].x, stored[1].x)


def test_at_least_one_sample_per_class():
    with pytest.raises(UserError, match="per_class of agem must be at least 1, found -3"):
        Agem(per_class=-3)
