"""Matrix products of the experiments' sizes: by oneDNN, and by what PyTorch takes for them."""

import pytest
import torch

from hnet_bench.nets import products

SIZES = {
    "outputs of the first layer": (128, 784, 400),
    "gradient of its weights": (400, 128, 784),
    "gradient of the second layer's inputs": (128, 400, 400),
    "evaluation": (1000, 784, 400),
    "outputs of permuted MNIST's first layer": (128, 1024, 1000),
    "outputs of its second layer": (128, 1000, 1000),
    "generated chunks": (12, 11, 42_000),
    "gradient of the hypernetwork's hidden units": (12, 42_000, 11),
    "regulariser of permuted MNIST-100": (702, 7500, 351),
}


@pytest.mark.skipif(products.library() == "PyTorch", reason="This PyTorch has no oneDNN.")
@pytest.mark.parametrize("name", list(SIZES))
def test_product(in_turns, monkeypatch, name):
    monkeypatch.setattr(products, "_by_pytorch", None)
    m, k, n = SIZES[name]
    left, right = torch.randn(m, k), torch.randn(k, n)
    in_turns.add("oneDNN", lambda: products.product(left, right))
    in_turns.add("torch.mm", lambda: torch.mm(left, right), baseline="torch.mm")
    in_turns.run(f"product {m} x {k} x {n}, {name}", rounds=20)
