"""Products by oneDNN equal PyTorch's, in value and gradient, for every layout; else PyTorch's are used."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hnet_bench.nets import products
from hnet_bench.nets.products import Linear, linear, matmul, product

sizes = st.integers(1, 40)
layouts = st.sampled_from(["rows", "columns", "every other row", "expanded"])


@pytest.fixture(autouse=True)
def no_work_too_small(monkeypatch):
    monkeypatch.setattr(products, "LEAST_WORK", 0)


def matrix(rows, columns, layout, seed):
    generator = torch.Generator().manual_seed(seed)
    if layout == "columns":
        return torch.randn(columns, rows, generator=generator).t()
    if layout == "every other row":
        return torch.randn(2 * rows, columns, generator=generator)[::2]
    if layout == "expanded":
        return torch.randn(rows, 1, generator=generator).expand(rows, columns)
    return torch.randn(rows, columns, generator=generator)


def close(found, expected, terms):
    # A sum of so many products of numbers of size 1, each rounded to 24 bits.
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-6 * (terms + 1))


@settings(deadline=None, max_examples=150)
@given(m=sizes, k=sizes, n=sizes, left=layouts, right=layouts, seed=st.integers(0, 99))
def test_products_equal_float64(m, k, n, left, right, seed):
    a, b = matrix(m, k, left, seed), matrix(k, n, right, seed + 1)
    for multiply in (product, matmul):
        close(multiply(a, b), a.double() @ b.double(), k)


@settings(deadline=None, max_examples=60)
@given(
    m=sizes, k=sizes, n=sizes, left=layouts, right=layouts, bias=st.booleans(), data=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_gradients_equal_those_of_float64_also_of_a_first_layer(m, k, n, left, right, bias, data, seed):
    """What goes into a first layer is data, which needs no gradient."""
    x, weight = matrix(m, k, left, seed), matrix(n, k, right, seed + 1)
    inputs = [x, weight] + ([matrix(1, n, "rows", seed + 2)[0]] if bias else [])
    single = [tensor.clone().requires_grad_(not (data and tensor is x)) for tensor in inputs]
    double = [tensor.double().requires_grad_(not (data and tensor is x)) for tensor in inputs]
    asked = slice(1 if data else 0, None)
    weights = matrix(m, n, "rows", seed + 3)
    found = torch.autograd.grad((linear(*single) * weights).sum(), single[asked])
    expected = torch.autograd.grad((functional.linear(*double) * weights.double()).sum(), double[asked])
    for one, other in zip(found, expected, strict=True):
        close(one, other, max(m, n, k))
    found = torch.autograd.grad((matmul(single[0], single[1].t()) * weights).sum(), single[:2][asked])
    for one, other in zip(found, expected, strict=False):
        close(one, other, max(m, n, k))


def test_a_layer_is_torchs_own_in_all_but_the_product():
    torch.manual_seed(0)
    ours = Linear(6, 4)
    torch.manual_seed(0)
    theirs = nn.Linear(6, 4)
    x = torch.randn(7, 6)
    torch.testing.assert_close(ours(x), theirs(x))
    assert isinstance(ours, nn.Linear)
    assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize("shape", [(6,), (2, 3, 6)])
def test_inputs_of_other_dimensions_are_left_to_torch(shape):
    layer, x = Linear(6, 4), torch.randn(shape)
    torch.testing.assert_close(layer(x), functional.linear(x, layer.weight, layer.bias))


def test_other_precisions_are_left_to_torch():
    a, b = torch.randn(8, 8, dtype=torch.float64), torch.randn(8, 8, dtype=torch.float64)
    assert torch.equal(product(a, b), a @ b)
    assert linear(a, b).dtype == torch.float64


def test_without_onednn_everything_is_left_to_torch(monkeypatch):
    a, b = torch.randn(300, 300), torch.randn(300, 300)
    monkeypatch.setattr(products, "_times_transposed", None)
    assert products.library() == "PyTorch"
    assert torch.equal(product(a, b), a @ b)
    assert torch.equal(linear(a, b), functional.linear(a, b))


def test_products_too_small_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(products, "LEAST_WORK", 1000)
    monkeypatch.setattr(products, "_by_pytorch", None)

    def never(*arguments):
        raise AssertionError("oneDNN was asked for a small product")

    monkeypatch.setattr(products, "_times_transposed", never)
    product(torch.randn(9, 10), torch.randn(10, 11))
    with pytest.raises(AssertionError):
        product(torch.randn(10, 10), torch.randn(10, 10))


@pytest.mark.parametrize(
    ("size", "library_with_avx2"),
    [
        ((128, 784, 400), "oneDNN"),
        ((128, 1024, 1000), "PyTorch"),
        ((1000, 128, 1024), "oneDNN"),
        ((127, 1000, 1000), "oneDNN"),
        ((12, 42_000, 11), "oneDNN"),
        ((12, 11, 42_000), "PyTorch"),
        ((28, 26, 7_800), "oneDNN"),
    ],
)
@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_the_library_follows_from_vector_instructions_and_sizes(monkeypatch, capability, size, library_with_avx2):
    asked = []

    def onednn(x, weight, bias, then, *others):
        asked.append("oneDNN")
        return functional.linear(x, weight, bias)

    monkeypatch.setattr(products, "_times_transposed", onednn)
    monkeypatch.setattr(products, "_by_pytorch", products.BY_PYTORCH.get(capability))
    m, k, n = size
    left, right = torch.randn(m, k), torch.randn(k, n)
    found = [product(left, right), linear(left, right.t()), products.affine(left, right.t(), torch.zeros(n))]
    expected = library_with_avx2 if capability == "AVX2" else "oneDNN"
    assert asked == (3 * ["oneDNN"] if expected == "oneDNN" else [])
    for one in found:
        torch.testing.assert_close(one, left @ right)
    assert products.library() == ("oneDNN or PyTorch by size" if capability == "AVX2" else "oneDNN")


@pytest.mark.skipif(products.library() == "PyTorch", reason="This PyTorch has no oneDNN.")
def test_the_same_product_gives_the_same_bits():
    a, b = torch.randn(128, 784), torch.randn(784, 400)
    assert all(torch.equal(product(a, b), product(a, b)) for _ in range(5))
