"""A training step at the papers' sizes: ours through Avalanche's template and in a bare loop, hypnettorch, the floor.

The floor is nothing but matrix products: those of the target network's forward and backward pass, of the hypernetwork's
last layer, and of the regulariser in its Gram form; by the library that our products take, and by PyTorch's own, since
which is the faster one depends on the processor. The target network's products alone, by PyTorch's own, are what the
authors' code was compared with where it was measured.
"""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import FixedIterations, InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.template import head_columns
from hnet_bench.interfaces import Scenario
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.ordinary import Mlp
from hnet_bench.nets.regulariser import GramRegulariser, plain_loss
from hnet_bench.strategies.hint import Hint
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_tir import HnetTir
from hnet_bench.strategies.hypermask import HyperMask
from hnet_bench.strategies.posterior_replay import PosteriorReplay
from hnet_bench.strategies.training.replay_model import ReplayModel
from hnet_bench.strategies.training.task_inference import InferenceLearning, inference_network

# hypnettorch's lookahead was written for PyTorch 1.4.
pytestmark = pytest.mark.filterwarnings("ignore:This overload of add:UserWarning")

BATCH = 128


@pytest.fixture(scope="module")
def samples_of():
    """Makes as many random images as an experience of split MNIST has."""

    def make(facts):
        torch.manual_seed(0)
        return Samples(torch.rand(12_000, *facts.input_shape), torch.randint(0, 2, (12_000,)))

    return make


def stream_of(samples, experiment, scenario):
    """One experience after the other with the same samples."""
    tiny = Samples(samples.x[:10], samples.y[:10])
    count = experiment.facts.experiences
    built = in_memory_benchmark(
        facts=experiment.facts, scenario=scenario, train=[samples] * count, test=[tiny] * count, data_sums={}
    )
    return list(built.avalanche.train_stream)


def batches_of(samples):
    return InfiniteBatches(
        samples, task_label=0, batch_size=BATCH, generator=torch.Generator(), device=torch.device("cpu")
    )


def loop(step, samples, steps):
    """Takes `steps` steps on batches that are gathered as in our own training."""
    batches = batches_of(samples)

    def run():
        for x, y, _ in itertools.islice(batches, steps):
            step(x, y)

    return run


def template_loop(template, experience, setup):
    """Trains the same experience again and again with the setup's number of steps."""
    template.setup = setup
    task = template.tasks_seen - 1

    def run():
        template.tasks_seen = task
        template.train(experience, eval_streams=[])

    return run


def bare_step(classifier, task, experiment):
    """Our step without Avalanche."""
    hypernetwork, theta = classifier.hypernetwork, classifier.hypernetwork.theta
    trained = [*theta, hypernetwork.task_embeddings[task]]
    optimiser = torch.optim.Adam(trained, lr=experiment.protocol.learning_rate, fused=True)
    lookahead = AdamLookahead(optimiser, theta)
    strength = experiment.settings.regularisation_strength
    regulariser = GramRegulariser(hypernetwork, task, strength) if task else None

    def step(x, y):
        optimiser.zero_grad()
        functional.cross_entropy(classifier.head(x, task), y).backward()
        if regulariser:
            regulariser.add_gradient(lookahead.parameters(), [parameter.grad for parameter in theta])
        optimiser.step()

    return step


def autograd_step(classifier, task, experiment):
    """Our step with the regulariser as the paper writes it, differentiated by autograd."""
    hypernetwork, theta = classifier.hypernetwork, classifier.hypernetwork.theta
    trained = [*theta, hypernetwork.task_embeddings[task]]
    optimiser = torch.optim.Adam(trained, lr=experiment.protocol.learning_rate)
    lookahead = AdamLookahead(optimiser, theta)
    targets = [hypernetwork(old).detach() for old in range(task)]

    def step(x, y):
        optimiser.zero_grad()
        functional.cross_entropy(classifier.head(x, task), y).backward()
        if targets:
            at = [tensor.clone().requires_grad_() for tensor in lookahead.parameters()]
            loss = plain_loss(hypernetwork, at, targets, experiment.settings.regularisation_strength)
            for parameter, addition in zip(theta, torch.autograd.grad(loss, at), strict=True):
                parameter.grad.add_(addition)
        optimiser.step()

    return step


def mlp_sizes(widths, *, batch=BATCH, inputs_too=False):
    """The matrix products of a perceptron's forward and backward pass as (m, k, n); `inputs_too` if the gradient of its
    inputs is wanted."""
    sizes = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        sizes += [(batch, fan_in, fan_out), (fan_out, batch, fan_in)]  # outputs, gradient of the weights
        if index or inputs_too:
            sizes.append((batch, fan_out, fan_in))  # gradient of the layer's inputs
    return sizes


def hypernetwork_sizes(hypernetwork, task):
    """The matrix products with a long dimension of a hypernetwork's step as (m, k, n)."""
    shape, rows = hypernetwork.shape, len(hypernetwork.output)
    # Generated chunks, gradient of the last layer and of its inputs.
    sizes = [(shape.chunks, rows, shape.chunk_size), (rows, shape.chunks, shape.chunk_size)]
    sizes.append((shape.chunks, shape.chunk_size, rows))
    if task:
        sizes += [(rows, 2 * rows, shape.chunk_size), (2 * rows, shape.chunk_size, rows)]
    return sizes


# Steps per round: of ours many, since a call of `train` also sets the experience up, which happens once in 2000 steps.
@pytest.mark.parametrize(
    ("name", "task", "ours", "others"),
    [
        ("split MNIST", 0, 150, 40),
        ("split MNIST", 4, 150, 40),
        ("permuted MNIST-10", 4, 40, 2),
        ("permuted MNIST-10", 9, 40, 2),
    ],
)
def test_hypernetwork_step(in_turns, experiments, theirs, matrix_products, samples_of, name, task, ours, others):
    experiment = experiments[name]
    samples = samples_of(experiment.facts)
    stream = stream_of(samples, experiment, Scenario.TASK)
    template = experiment.settings.build(experiment.setup())
    for experience in stream[: task + 1]:
        template.train(experience, eval_streams=[])
    # Each way has weights of its own, since all of them train.
    bare, literal = experiment.classifier(), experiment.classifier()
    their_step = theirs(experiment.classifier()).training_step(
        task,
        head_columns(experiment.setup(), task),
        learning_rate=experiment.protocol.learning_rate,
        strength=experiment.settings.regularisation_strength,
    )
    of_target = mlp_sizes(bare.target.shape.widths)
    sizes = [*of_target, *hypernetwork_sizes(bare.hypernetwork, task)]

    in_turns.add(
        "Avalanche template", template_loop(template, stream[task], experiment.setup(iterations=ours)), steps=ours
    )
    in_turns.add("bare loop", loop(bare_step(bare, task, experiment), samples, ours), steps=ours, baseline="bare loop")
    in_turns.add(
        "plain regulariser by autograd", loop(autograd_step(literal, task, experiment), samples, others), steps=others
    )
    in_turns.add("hypnettorch", loop(their_step, samples, others), steps=others, baseline="hypnettorch")
    add_floors(in_turns, matrix_products, sizes)
    target_products = matrix_products(*of_target, multiply=torch.mm)
    in_turns.add("target network's products by torch.mm", target_products, baseline="target's products")
    in_turns.run(f"HNET step of {name}, {task} old tasks", rounds=3)


def add_floors(in_turns, matrix_products, sizes):
    in_turns.add("floor: matrix products", matrix_products(*sizes), baseline="floor")
    in_turns.add("floor: by torch.mm", matrix_products(*sizes, multiply=torch.mm), baseline="torch.mm's floor")


def test_classifier_step(in_turns, experiments, matrix_products, samples_of):
    experiment = experiments["split MNIST"]
    samples = samples_of(experiment.facts)
    setup = experiment.setup(Scenario.DOMAIN, iterations=150)
    template = ClassifierTemplate(setup=setup)
    template.tasks_seen = 1
    model = Mlp(setup)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step(x, y):
        optimiser.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    experience = stream_of(samples, experiment, Scenario.DOMAIN)[0]
    in_turns.add("Avalanche template", template_loop(template, experience, setup), steps=150)
    in_turns.add("bare loop", loop(step, samples, 150), steps=150, baseline="bare loop")
    add_floors(in_turns, matrix_products, mlp_sizes((784, 400, 400, setup.outputs)))
    in_turns.run("ordinary classifier step of split MNIST", rounds=3)


def test_step_of_later_methods(in_turns, experiments, samples_of):
    """Those since 2020 that train a hypernetwork in another way, beside HNET with the same classifier."""
    experiment, old_tasks, steps = experiments["split MNIST"], 3, 30
    stream = stream_of(samples_of(experiment.facts), experiment, Scenario.TASK)
    for kind in (Hnet, HyperMask, PosteriorReplay, Hint):
        template = kind().build(experiment.setup())
        for experience in stream[: old_tasks + 1]:
            template.train(experience, eval_streams=[])
        learn = template_loop(template, stream[old_tasks], experiment.setup(iterations=steps))
        in_turns.add(kind.name, learn, steps=steps, baseline="hnet" if kind is Hnet else None)
    in_turns.run(f"steps of later methods on split MNIST, {old_tasks} old tasks", rounds=3)


def test_replay_model_step(in_turns, experiments, matrix_products, samples_of):
    """That of HNET+TIR and HNET+R: a VAE whose decoder is generated, with three old tasks."""
    experiment = experiments["split MNIST"]
    samples, task = samples_of(experiment.facts), 3
    model = ReplayModel(experiment.setup(Scenario.CLASS), HnetTir())
    in_turns.add("step", phase_loop(model.learning(task, FixedIterations([], 0)), samples, 100), steps=100)
    encoder = [layer.in_features for layer in model.network.encoder if isinstance(layer, nn.Linear)]
    sizes = mlp_sizes((*encoder, model.network.encoder[-1].out_features))
    sizes += mlp_sizes(model.network.shape.decoder.widths, inputs_too=True)
    add_floors(in_turns, matrix_products, [*sizes, *hypernetwork_sizes(model.network.hypernetwork, task)])
    in_turns.run(f"replay model's step of split MNIST, {task} old tasks", rounds=3)


def test_inference_network_step(in_turns, experiments, matrix_products, samples_of):
    """That of HNET+TIR, with a batch that is replayed beside the real one; without its generation in the floor."""
    experiment = experiments["split MNIST"]
    samples, task = samples_of(experiment.facts), 3
    setup = experiment.setup(Scenario.CLASS)
    replay = ReplayModel(setup, HnetTir()).replay(task, BATCH)
    learning = InferenceLearning(
        setup, inference_network(setup), task, FixedIterations([], 0), replay=replay, replay_weight=0.5
    )
    in_turns.add("step", phase_loop(learning, samples, 100), steps=100)
    batch = BATCH + len(next(replay)[0])
    sizes = mlp_sizes((784, *setup.protocol.hidden_units, setup.facts.experiences), batch=batch)
    add_floors(in_turns, matrix_products, sizes)
    in_turns.run(f"inference network's step of split MNIST, {task} old tasks", rounds=3)


def phase_loop(phase, samples, steps):
    """Takes `steps` steps of a phase on batches that are gathered as in our own training."""
    return loop(lambda *batch: phase.step(list(batch)), samples, steps)
