#!/usr/bin/env bash
# torch: from 2.4.1 to 2.13.0 a seed gives other dropout masks, draws without replacement and exponential numbers, yet
# twenty steps of SGD and Adam, also with a convolution, end in the same bits.
#
# On one processor, one thread. Uniform and normal numbers, permutations, the shuffles of loaders and the initial weights
# of layers are the same in both. Dropout, bernoulli_ with a number, exponential_ and multinomial without replacement are
# not (2.8.0 already has the newer ones). trunc_normal_ changed as well, after 2.8.0. So scores of methods without dropout
# can be repeated to the last bit across ten releases, and no score of one with dropout.
#
# Versions: torch 2.4.1 and 2.13.0, NumPy 1.26.4, Python 3.11.7.
#
# Seen:
#> same: rand randn randperm randint linear conv loader split bernoulli multinomial_with_replacement sgd adam conv_sgd
#> differs: dropout bernoulli_ exponential_ multinomial trunc_normal_ elu
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/results.py" <<'PYTHON'
import hashlib
import json

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(2)
X, Y = torch.randn(128, 784, generator=generator), torch.randint(0, 10, (128,), generator=generator)
SAMPLES = TensorDataset(torch.arange(100))


def trained(model, optimiser, **settings):
    optimiser = optimiser(model.parameters(), **settings)
    for _ in range(20):
        optimiser.zero_grad()
        functional.cross_entropy(model(X), Y).backward()
        optimiser.step()
    return torch.cat([parameter.flatten() for parameter in model.parameters()])


def perceptron():
    return nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))


def convolution():
    layers = nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 676, 10)
    return nn.Sequential(*layers)


RESULTS = {
    "rand": lambda: torch.rand(1000),
    "randn": lambda: torch.randn(1000),
    "randperm": lambda: torch.randperm(1000),
    "randint": lambda: torch.randint(0, 10, (1000,)),
    "linear": lambda: nn.Linear(30, 20).weight,
    "conv": lambda: nn.Conv2d(3, 8, 3).weight,
    "loader": lambda: torch.cat([batch[0] for batch in DataLoader(SAMPLES, 7, shuffle=True)]),
    "split": lambda: torch.tensor(random_split(SAMPLES, [50, 50])[0].indices),
    "bernoulli": lambda: torch.bernoulli(torch.full((1000,), 0.3)),
    "multinomial_with_replacement": lambda: torch.multinomial(torch.arange(100.0), 200, replacement=True),
    "sgd": lambda: trained(perceptron(), torch.optim.SGD, lr=0.1),
    "adam": lambda: trained(perceptron(), torch.optim.Adam),
    "conv_sgd": lambda: trained(convolution(), torch.optim.SGD, lr=0.1),
    "dropout": lambda: functional.dropout(torch.ones(1000), 0.3),
    "bernoulli_": lambda: torch.empty(1000).bernoulli_(0.3),
    "exponential_": lambda: torch.empty(1000).exponential_(),
    "multinomial": lambda: torch.multinomial(torch.ones(100), 20),
    "trunc_normal_": lambda: nn.init.trunc_normal_(torch.empty(1000)),
    "elu": lambda: functional.elu(X),
}
found = {}
for name, result in RESULTS.items():
    torch.manual_seed(0)
    found[name] = hashlib.sha256(result().detach().contiguous().numpy().tobytes()).hexdigest()
print(json.dumps(found))
PYTHON
for version in 2.4.1 2.13.0; do
    "$python" -m pip install --quiet --no-compile --target "$folder/$version" "torch==$version" numpy==1.26.4
    PYTHONPATH="$folder/$version" "$python" -W ignore "$folder/results.py" >"$folder/$version.json"
done
"$python" - "$folder"/2.4.1.json "$folder"/2.13.0.json >"$folder/seen" <<'PYTHON'
import json
import sys

old, new = (json.load(open(path)) for path in sys.argv[1:])
print("same:", *(name for name in old if old[name] == new[name]))
print("differs:", *(name for name in old if old[name] != new[name]))
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
