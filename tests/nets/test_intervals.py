"""Bounds that hold for everything in an interval, cases to check by head, the embedding that all intervals share."""

import pytest
import torch

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.intervals import Interval, IntervalHypernetwork, IntervalRegulariser, interval_mlp
from hnet_bench.nets.target import MlpShape, mlp


@pytest.fixture
def hypernetwork(shape_of):
    """Makes one in float64 with the given seed; further arguments are sizes."""

    def make(seed=0, *, epsilon=3.0, nested=False, **sizes):
        torch.manual_seed(seed)
        found = IntervalHypernetwork(shape_of(**sizes), epsilon=epsilon, nested=nested).double()
        for parameter in (*found.hidden_biases, *found.widths):
            torch.nn.init.normal_(parameter)
        return found

    return make


def generated(found, interval):
    """Centre and radius of all target parameters, (generated,)."""
    return Interval(*(part.flatten()[: found.shape.generated] for part in found.interval_chunks(interval)))


def members(interval, count=300):
    """Points of an interval, its corners among them."""
    generator = torch.Generator().manual_seed(1)
    at = 2 * torch.rand(count, *interval.centre.shape, generator=generator, dtype=torch.float64) - 1
    at[: count // 3] = at[: count // 3].sign()
    return interval.centre + at * interval.radius


def test_two_units_by_head(hypernetwork):
    """The first unit lies in [0, 2] around 1, the second is never above 0: its 5s play no part."""
    found = hypernetwork(generated=2, chunk_size=2, hidden_units=(2,), task_embedding_size=2, chunk_embedding_size=1)
    with torch.no_grad():
        found.hidden_weights[0].copy_(torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]))
        found.hidden_biases[0].zero_()
        found.output.copy_(torch.tensor([[2.0, -1.0], [5.0, 5.0], [0.5, 0.0]]))
        interval = Interval(torch.tensor([1.0, 0.0]).double(), torch.tensor([0.5, 0.5]).double())
        middle, radius = generated(found, interval)
    assert middle.tolist() == [2.5, -1.0]
    assert radius.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("hidden_units", "activation"), [((), "relu"), ((6,), "relu"), ((6, 5), "elu")])
def test_every_embedding_of_an_interval_generates_parameters_within_the_bounds(
    hypernetwork, hidden_units, activation, nested
):
    found = hypernetwork(hidden_units=hidden_units, activation=activation, nested=nested)
    with torch.no_grad():
        interval = found.interval(1)
        middle, radius = generated(found, interval)
        found_there = (found.hidden(members(interval)) @ found.output).flatten(1)[:, : len(middle)]
    assert ((found_there - middle).abs() <= radius + 1e-9).all()
    # Not idly wide: without hidden layers corners reach the bounds of some.
    assert ((found_there - middle).abs() / radius).max() > (0.8 if not hidden_units else 0.1)


def test_an_interval_of_no_width_generates_what_its_embedding_does(hypernetwork):
    found = hypernetwork(epsilon=0.0)
    middle, radius = generated(found, found.interval(2))
    torch.testing.assert_close(middle, found.of_embedding(found.task_embeddings[2]))
    torch.testing.assert_close(ChunkedHypernetwork.chunks(found, 2), found.chunks(2))
    assert not radius.any()


def test_half_widths_sum_to_epsilon_and_are_at_first_the_same(hypernetwork, shape_of):
    untrained = IntervalHypernetwork(shape_of(), epsilon=3.0, nested=False)
    assert untrained.interval(0).radius.tolist() == pytest.approx([0.6] * 5)
    radius = hypernetwork().interval(0, share=0.5).radius
    assert radius.sum().item() == pytest.approx(1.5)
    assert radius.std() > 0


def test_the_universal_embedding_is_the_middle_of_what_all_intervals_have_in_common(hypernetwork):
    found = hypernetwork(nested=True, epsilon=5.0, tasks=6)
    with torch.no_grad():
        universal = found.universal(6)
        intervals = [found.interval(task) for task in range(6)]
    assert all(((universal - centre).abs() <= radius).all() for centre, radius in intervals)
    # Half-widths are 1, centres cos(e) / 2.
    centres = torch.stack([0.5 * embedding.cos() for embedding in found.task_embeddings])
    torch.testing.assert_close(universal, ((centres.amax(0) - 1) + (centres.amin(0) + 1)).detach() / 2)


def test_intervals_that_do_not_meet_have_the_middle_between_them(hypernetwork):
    found = hypernetwork(epsilon=0.5, tasks=2, task_embedding_size=1)  # half-widths 0.5
    with torch.no_grad():
        found.task_embeddings[0].fill_(0.0)
        found.task_embeddings[1].fill_(4.0)
    assert found.universal(2).item() == 2.0


def test_one_unit_by_head():
    """Of x = 1 the unit is at most 2, since its weight is; its own weight is at least -3 and at most 1."""
    parameters = Interval(torch.tensor([0.5, 0.0, -1.0, 0.25]), torch.tensor([1.5, 0.0, 2.0, 0.25]))
    lower, middle, upper = interval_mlp(torch.ones(1, 1), parameters, MlpShape((1, 1, 1)))
    assert (lower.item(), middle.item(), upper.item()) == (-6.0, -0.25, 2.5)


def test_bounds_and_their_gradients_are_those_of_the_products_by_sign():
    """In every layer lower ends of weights that are positive meet lower ends of inputs, those that are not meet upper
    ends; and the other way round."""
    shape = MlpShape((4, 6, 5, 3))
    generator = torch.Generator().manual_seed(3)
    ends = [torch.randn(shape.parameters + 3, generator=generator, dtype=torch.float64) for _ in range(2)]
    centre, radius = ends[0].requires_grad_(), (0.3 * ends[1].abs()).requires_grad_()
    x = torch.rand(8, 4, generator=generator, dtype=torch.float64)
    to_lower, to_upper = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
    lower, middle, upper = interval_mlp(x, Interval(centre.view(2, -1), radius.view(2, -1)), shape)
    torch.testing.assert_close(middle, mlp(x, centre, shape))
    low = high = x
    for (weight, bias), (more, more_bias) in zip(
        shape.views(centre - radius), shape.views(centre + radius), strict=True
    ):
        low, high = low.relu(), high.relu()
        low, high = (
            low @ weight.clamp(min=0).T + high @ weight.clamp(max=0).T + bias,
            high @ more.clamp(min=0).T + low @ more.clamp(max=0).T + more_bias,
        )
    torch.testing.assert_close((lower, upper), (low, high))
    found = torch.autograd.grad((lower * to_lower + upper * to_upper).sum(), (centre, radius))
    expected = torch.autograd.grad((low * to_lower + high * to_upper).sum(), (centre, radius))
    torch.testing.assert_close(found, expected)
    assert found[1].abs().max() > 0


@pytest.mark.parametrize("hidden_units", [(6,), ()])
@pytest.mark.parametrize("ends", [False, True])
def test_the_regulariser_is_the_mean_squared_change(ends, hidden_units, hypernetwork):
    found = hypernetwork(nested=ends, hidden_units=hidden_units)
    theta = [(tensor + 0.1 * torch.randn_like(tensor)).detach() for tensor in found.theta]
    gradients = [torch.ones_like(tensor) for tensor in theta]
    IntervalRegulariser(found, 2, 0.3, ends=ends).add_gradient(theta, gradients)

    at = [tensor.clone().requires_grad_() for tensor in theta]
    total = 0
    for task in range(2):
        interval = Interval(*(part.detach().unsqueeze(0) for part in found.interval(task)))
        (old, old_radius), (new, radius) = (
            (hidden.centre[0] @ theta[-1], hidden.radius[0] @ theta[-1].abs())
            for theta in (found.theta, at)
            for hidden in [found.interval_hidden(interval, theta)]
        )
        ways = (-1, 0, 1) if ends else (0,)
        changes = [(old + way * old_radius).detach() - (new + way * radius) for way in ways]
        total = total + sum(change.flatten()[:28].square().sum() for change in changes) / len(changes)
    for one, expected in zip(gradients, torch.autograd.grad(0.3 * total / 2, at), strict=True):
        torch.testing.assert_close(one, 1 + expected)
