"""Strategy classes of Avalanche's, trained as a protocol says: what they do is theirs, the rest is the protocol's."""

import copy

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets
from avalanche.training import EWC, LwF, Naive
from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.stock import stock_template
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.ordinary import Mlp
from hnet_bench.strategies.stock import Stock


class OfPlugins:
    """Fine-tuning with plugins."""

    def __init__(self, *plugins):
        self.plugins = plugins

    def build(self, setup):
        return ClassifierTemplate(setup=setup, plugins=[make() for make in self.plugins])


def stock(name, **arguments):
    return Stock(of=f"avalanche.training.{name}", arguments=arguments)


def parameters(template):
    return torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize(
    ("strategy", "same"),
    [(stock("Naive"), OfPlugins()), (stock("Replay", mem_size=60), OfPlugins(lambda: ReplayPlugin(mem_size=60)))],
)
def test_a_class_that_is_a_plugin_is_bit_for_bit_our_classifier_with_it(learnt, strategy, same, scenario):
    assert torch.equal(parameters(learnt(strategy, scenario)), parameters(learnt(same, scenario)))


@pytest.mark.parametrize(
    ("kind", "arguments"), [(Naive, {}), (EWC, {"ewc_lambda": 100.0}), (LwF, {"alpha": 1.0, "temperature": 2.0})]
)
def test_it_trains_as_avalanche_itself_trains_the_class(built, setup_of, kind, arguments):
    """With batches that are the whole experience an epoch is one iteration, in whatever order its samples are."""
    stream = Synthetic(experiences=2)
    samples, steps = 200, 20
    wrapped = built(
        stock(kind.__name__, **arguments), Scenario.DOMAIN, stream=stream, batch_size=samples, iterations=steps
    )
    made = stream.build(scenario=Scenario.DOMAIN, seed=1)
    plain_streams = benchmark_from_datasets(train=[part.avalanche_dataset(task_label=0) for part in made.train])
    model = copy.deepcopy(wrapped.model)
    optimiser = setup_of(learning_rate=1e-2).optimiser(model.parameters())
    plain = kind(
        model=model,
        optimizer=optimiser,
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=samples,
        train_epochs=steps,
        evaluator=EvaluationPlugin(),
        **arguments,
    )
    begun = parameters(wrapped)
    for ours, theirs in zip(made.avalanche.train_stream, plain_streams.train_stream, strict=True):
        wrapped.train(ours, eval_streams=[])
        plain.train(theirs, eval_streams=[])
    assert (parameters(wrapped) - begun).abs().max() > 0.1
    torch.testing.assert_close(parameters(wrapped), parameters(plain), atol=2e-4, rtol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_class_puts_in_the_place_of_the_data_is_what_it_trains_on(learnt, recorded, built, stream_of):
    template = built(stock("GDumb", mem_size=10))
    steps = recorded(template)
    first, second = stream_of()[:2]
    template.train(first, eval_streams=[])
    template.train(second, eval_streams=[])
    assert len(torch.cat([step.x for step in steps[12:]]).unique(dim=0)) <= 10
    assert {int(label) for step in steps[12:] for label in step.y} == {0, 1, 2, 3}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_loop_of_its_own_takes_the_protocols_steps(learnt, recorded, built, stream_of):
    """ER-ACE brings its loop, and a loss in which stored samples take part."""
    template = built(stock("ER_ACE", mem_size=40, batch_size_mem=8))
    steps = recorded(template)
    for experience in stream_of():
        template.train(experience, eval_streams=[])
    assert len(steps) == 3 * 12
    assert {len(step.y) for step in steps} == {16}


def test_another_network_and_subclasses_of_ones_own(setup_of):
    class Wider(Mlp):
        pass

    class Mine(Naive):
        """One's own."""

        def __init__(self, *, model, optimizer, strength=1.0, **others):
            super().__init__(model=model, optimizer=optimizer, **others)
            self.strength = strength

        def criterion(self):
            return self.strength * super().criterion()

    template = stock_template(Mine, setup_of(), model=Wider(setup_of(hidden_units=(50,))), strength=2.0)
    assert (template.strength, type(template.model)) == (2.0, Wider)
    assert sum(parameter.numel() for parameter in template.model.parameters()) == 12 * 50 + 50 + 50 * 6 + 6


@pytest.mark.parametrize(
    ("of", "arguments", "sentence"),
    [
        ("avalanche.training.Nothing", {}, r"There is no class Nothing in avalanche.training\."),
        ("avalanche.training.Repaly", {}, r"Did you mean 'Replay'"),
        ("Replay", {}, "'Replay' must be a module and a class"),
        ("..training.Replay", {}, r"'\.\.training\.Replay' must be a module and a class"),
        ("avalanche.training.plugins.ReplayPlugin", {}, "ReplayPlugin is no SupervisedTemplate of Avalanche's"),
        ("avalanche.training.MER", {}, "MER is no SupervisedTemplate"),
        ("avalanche.training.JointTraining", {}, "JointTraining has its own train, and a protocol takes the place"),
        ("avalanche.training.StreamingLDA", {}, "StreamingLDA has its own make_optimizer"),
        ("avalanche.training.ICaRL", {}, "ICaRL makes its own network"),
        ("avalanche.training.Replay", {"size": 5}, r"Replay has no argument 'size': known are .*mem_size"),
        ("avalanche.training.Replay", {"train_mb_size": 5}, r"is the protocol's to say \(batch_size\)"),
        ("avalanche.training.EWC", {}, "EWC cannot be made: .*ewc_lambda"),
        ("avalanche.training.FeatureReplay", {}, "FeatureReplay cannot be made: 'Mlp' object has no attribute"),
        (
            "avalanche.training.SynapticIntelligence",
            {"si_lambda": 1.0},
            "SynapticIntelligencePlugin changes nothing on the CPU",
        ),
        ("avalanche.training.PNNStrategy", {}, "PNNStrategy cannot be made: PNNStrategy requires a PNN model"),
    ],
)
def test_what_a_protocol_cannot_train_is_refused_in_a_sentence(setup_of, of, arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        Stock(of=of, arguments=arguments).build(setup_of())
