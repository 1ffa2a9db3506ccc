"""What a template is between two experiences: nothing that cannot be saved, and enough to go on from."""

import copy
import io
import pickle
import types

import pytest
import torch

from baselines.agem import Agem
from baselines.er import Er
from baselines.from_scratch import FromScratch
from baselines.icarl import Icarl
from baselines.xdg import Xdg
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol

STRATEGIES = [Er(per_class=5), Agem(per_class=5), Icarl(budget=30), Xdg(gated_fraction=0.5), FromScratch()]
CASES = [(strategy, scenario) for strategy in STRATEGIES for scenario in strategy.scenarios]


def weights(template):
    return torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])


@pytest.mark.parametrize(("strategy", "scenario"), CASES, ids=lambda value: getattr(value, "name", None))
def test_copies_go_on_as_the_original_would(strategy, scenario):
    stream = Synthetic().build(scenario=scenario, seed=1).avalanche.train_stream
    protocol = TrainingProtocol(iterations=8, batch_size=16, hidden_units=(20,))
    torch.manual_seed(0)
    template = strategy.build(Setup(scenario=scenario, facts=Synthetic().facts, protocol=protocol, seed=1))
    template.train(stream[0], eval_streams=[])
    copies = [copy.deepcopy(template), pickle.loads(pickle.dumps(template))]
    for value in vars(template).values():
        assert not isinstance(value, (types.GeneratorType, types.LambdaType))
    for one in (template, *copies):
        one.train(stream[1], eval_streams=[])
        one.train(stream[2], eval_streams=[])
    assert all(torch.equal(weights(template), weights(one)) for one in copies)


def test_what_is_stored_can_be_saved_with_torch():
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche.train_stream
    protocol = TrainingProtocol(iterations=2, batch_size=16, hidden_units=(20,))
    template = Er(per_class=5).build(Setup(scenario=Scenario.TASK, facts=Synthetic().facts, protocol=protocol, seed=1))
    template.train(stream[0], eval_streams=[])
    file = io.BytesIO()
    torch.save(vars(template.buffer), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    assert torch.equal(loaded["_inputs"][0][1], template.buffer.of_label(1))
