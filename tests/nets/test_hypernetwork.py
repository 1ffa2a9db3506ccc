"""The chunked hypernetwork: against the authors' library, and its sizes against the paper's."""

import pytest
import torch

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork


@pytest.mark.parametrize("hidden_units", [(6, 5), (7,), ()])
@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_generates_what_the_authors_library_generates_from_the_same_weights(
    hidden_units, activation, shape_of, assert_generates_what_ours_does
):
    from hypnettorch.hnets.chunked_mlp_hnet import ChunkedHMLP

    torch.manual_seed(0)
    ours = ChunkedHypernetwork(shape_of(hidden_units=hidden_units, activation=activation))
    targets = [[5, 3], [5], [1, 5], [1], [2]]  # 28 parameters in all
    theirs = ChunkedHMLP(
        targets,
        9,
        chunk_emb_size=4,
        cond_in_size=5,
        layers=hidden_units,
        activation_fn={"relu": torch.nn.ReLU(), "elu": torch.nn.ELU()}[activation],
        num_cond_embs=3,
        verbose=False,
    )
    layers = [*zip(ours.hidden_weights, ours.hidden_biases, strict=True), (ours.output[:-1].t(), ours.output[-1])]
    # The library puts the chunk embedding before the task embedding, the paper's code and ours after it.
    first_weight, first_bias = layers[0]
    layers[0] = (torch.cat([first_weight[:, 5:], first_weight[:, :5]], dim=1), first_bias)
    values = [*ours.task_embeddings, *(tensor for layer in layers for tensor in layer), ours.chunk_embeddings]
    assert_generates_what_ours_does(theirs, ours, values)


# Trained parameters over target parameters, as the paper counts them (spec of the authors' experiments).
@pytest.mark.parametrize(
    ("generated", "tasks", "chunk_size", "hidden_units", "task", "chunk", "trained", "chunks", "last_chunk"),
    [
        (478_410, 5, 42_000, (10, 10), 96, 96, 465_672, 12, 16_410),  # split MNIST, CL1 and CL3
        (475_202, 5, 42_000, (10, 10), 96, 96, 465_672, 12, 13_202),  # split MNIST, CL2
        (2_126_100, 10, 78_000, (25, 25), 24, 8, 2_029_939, 28, 20_100),  # permuted MNIST-10
        (468_540, 6, 7_000, (), 32, 32, 457_336, 67, 6_540),  # ResNet-32: no hidden layer
    ],
)
def test_sizes_are_those_of_the_paper(
    generated, tasks, chunk_size, hidden_units, task, chunk, trained, chunks, last_chunk, shape_of
):
    sizes = shape_of(
        generated=generated,
        tasks=tasks,
        chunk_size=chunk_size,
        hidden_units=hidden_units,
        task_embedding_size=task,
        chunk_embedding_size=chunk,
    )
    assert (sizes.chunks, sizes.last_chunk) == (chunks, last_chunk)
    assert ChunkedHypernetwork(sizes).trained_parameters == trained


def test_theta_is_everything_but_the_task_embeddings(shape_of):
    hypernetwork = ChunkedHypernetwork(shape_of())
    theta = {id(parameter) for parameter in hypernetwork.theta}
    embeddings = {id(parameter) for parameter in hypernetwork.task_embeddings}
    assert theta | embeddings == {id(parameter) for parameter in hypernetwork.parameters()}
    assert not theta & embeddings


def test_initialisation_follows_its_generator_alone(shape_of):
    first = ChunkedHypernetwork(shape_of(), torch.Generator().manual_seed(3))
    torch.rand(5)
    second = ChunkedHypernetwork(shape_of(), torch.Generator().manual_seed(3))
    assert torch.equal(first(1), second(1))


def test_initial_weights_are_xavier_uniform_and_biases_zero(shape_of):
    hypernetwork = ChunkedHypernetwork(shape_of(generated=90_000, chunk_size=30_000), torch.Generator().manual_seed(0))
    bound = (6 / (6 + 30_000)) ** 0.5
    weights = hypernetwork.output[:-1]
    assert weights.abs().max() <= bound
    assert weights.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    assert not hypernetwork.output[-1].any()
