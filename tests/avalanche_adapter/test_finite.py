"""Whatever is not finite ends a run with one sentence that says where."""

import pytest
import torch
from torch import nn

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.finite import NotFinite
from hnet_bench.avalanche_adapter.resumable import Phase
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario
from hnet_bench.runs.run import run

PROTOCOL = {"iterations": 60, "batch_size": 32, "hidden_units": [20, 20]}


@pytest.mark.parametrize("strategy", ["finetune", "icarl", "dgr", "hnet_tir", "hnet_r", "ewc", "lwf"])
def test_a_learning_rate_that_is_far_too_large(strategy, spec_of):
    with pytest.raises(NotFinite, match=r"(In|After) experience \d of 3"):
        run(spec_of(strategy=strategy, protocol={**PROTOCOL, "learning_rate": 1e38}))


def test_a_damping_that_vanishes_in_floats(spec_of):
    with pytest.raises(NotFinite, match=r"In experience 2 of 3, at step \d+ of training, the loss is nan"):
        run(spec_of(strategy="si", protocol=PROTOCOL, hyperparameters={"damping": 1e-46}))


def test_a_loss_says_its_step(setup_of, stream_of):
    class Third(ClassifierTemplate):
        def criterion(self):
            return super().criterion() * (float("inf") if self.clock.train_iterations == 2 else 1)

    with pytest.raises(NotFinite, match="In experience 1 of 3, at step 3 of training, the loss is inf: look for"):
        Third(setup=setup_of()).train(stream_of()[0], eval_streams=[])


def test_a_phase_beside_the_main_loop_is_looked_at(setup_of, stream_of):
    class Diverging(Phase):
        def step(self, batch):
            self.loss = torch.tensor(torch.nan if self.batches.done == 15 else 1.0)

    class WithPhase(ClassifierTemplate):
        def further_phases(self):
            return [lambda: Diverging(self.more_batches(20))]

    with pytest.raises(NotFinite, match="at step 15 of Diverging, the loss is nan"):
        WithPhase(setup=setup_of()).train(stream_of()[0], eval_streams=[])


def test_parameters_are_looked_at_wherever_they_are_held(setup_of, stream_of):
    class Holder:
        def __init__(self):
            self.layers = {"generator": [nn.Linear(2, 2)]}

    class Holding(ClassifierTemplate):
        def __init__(self, setup):
            super().__init__(setup=setup)
            self.helper = Holder()
            with torch.no_grad():
                self.helper.layers["generator"][0].bias[1] = torch.inf

    with pytest.raises(NotFinite, match=r"After experience 1 of 3 parameters in Holding\.helper are not finite"):
        Holding(setup=setup_of()).train(stream_of()[0], eval_streams=[])


@pytest.mark.parametrize(
    ("column", "value", "sound"),
    [
        (0, -torch.inf, True),  # excludes a class
        (0, torch.nan, False),
        (0, torch.inf, False),
        (slice(None), -torch.inf, False),
    ],
)
def test_outputs_may_exclude_a_class_and_are_finite_otherwise(column, value, sound, setup_of):
    class Answering(ClassifierTemplate):
        def forward(self):
            outputs = super().forward().clone()
            if not self.is_training:
                outputs[-1, column] = value
            return outputs

    evaluator = Evaluator(Synthetic().build(scenario=Scenario.CLASS, seed=1))
    if sound:
        evaluator.evaluate(Answering(setup=setup_of()))
        return
    with pytest.raises(NotFinite, match="Before the first experience outputs for test samples are not finite"):
        evaluator.evaluate(Answering(setup=setup_of()))
