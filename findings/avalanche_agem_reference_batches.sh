#!/usr/bin/env bash
# Avalanche: A-GEM's reference gradient comes from batches of unequal size, and Python's `random` fills its memory.
#
# With sample_size=64 and 50 stored samples per experience, the loader of the memory is not endless but begins anew
# whenever its parts are used up: in the second experience all 50 stored samples make each reference gradient, in the
# third batches of 64 and 36 take turns, in the fourth batches of 63, 63 and 24. A sample that falls into the small batch
# weighs 2.6 times as much as one in a large batch. Which samples are stored is drawn by `random.shuffle`: with torch
# and NumPy seeded alike, another seed of Python's own generator gives another model.
#
# Versions: avalanche-lib 0.6.0, torch 2.14.1, Python 3.11.7.
#
# Seen:
#> experience 2: 50
#> experience 3: 36 64
#> experience 4: 24 63
#> the same seeds: the same weights
#> another seed of Python's random: other weights
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 torchmetrics==1.9.0 \
    tensorboard==2.21.0 wandb==0.31.0 pytorchcv==0.0.74 matplotlib==3.11.2 \
    dill==0.4.1 psutil==7.2.2 tqdm==4.70.1 GPUtil==1.4.0 gdown==6.5.1 qpsolvers==4.13.0 packaging==26.4
"$python" -m pip install --quiet --no-compile --target "$folder/packages" --no-deps avalanche-lib==0.6.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import random

import numpy
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as dataset
from avalanche.training.plugins import AGEMPlugin, EvaluationPlugin
from avalanche.training.supervised import AGEM


def trained(python_seed: int) -> tuple[list[set[int]], torch.Tensor]:
    """Sizes of the reference batches by experience, and the weights in the end."""
    random.seed(python_seed)
    numpy.random.seed(0)
    torch.manual_seed(0)
    x, y = torch.randn(400, 6), torch.arange(8).repeat_interleave(50)
    benchmark = nc_benchmark(dataset(x, y), dataset(x, y), n_experiences=4, task_labels=False, shuffle=False)
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 8)
    strategy = AGEM(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        patterns_per_exp=50,
        sample_size=64,
        train_mb_size=10,
        evaluator=EvaluationPlugin(loggers=[]),
    )
    (plugin,) = (plugin for plugin in strategy.plugins if isinstance(plugin, AGEMPlugin))
    draw, sizes = plugin.sample_from_memory, []

    def counted() -> list[torch.Tensor]:
        batch = draw()
        sizes[-1].add(len(batch[0]))
        return batch

    plugin.sample_from_memory = counted
    for experience in benchmark.train_stream:
        sizes.append(set())
        strategy.train(experience)
    return sizes, model.weight.detach().clone()


sizes, weights = trained(python_seed=1)
for number, found in enumerate(sizes[1:], 2):
    print(f"experience {number}:", *sorted(found))
print("the same seeds:", "the same weights" if torch.equal(weights, trained(1)[1]) else "other weights")
print("another seed of Python's random:", "the same weights" if torch.equal(weights, trained(2)[1]) else "other weights")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
