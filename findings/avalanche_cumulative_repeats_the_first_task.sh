#!/usr/bin/env bash
# Avalanche: in CL1, cumulative training sees a third of the first task's samples twice in every epoch.
#
# With task labels the loader of `Cumulative` shares each batch out among the tasks, and what is left of the division goes
# to the first: 4 + 3 + 3 of ten with three tasks. The epoch ends with the last of the longer ones, and the shorter is
# begun anew meanwhile, so of 100 samples per task an epoch holds 136 of the first and 100 of each other, and its last
# batch has six. Without task labels an epoch is 30 batches of ten.
#
# Versions: avalanche-lib 0.6.0, torch 2.14.1, Python 3.11.7.
#
# Seen:
#> with task labels: 34 batches, samples by task 136 100 100, sizes 6 10
#> without: 30 batches, sizes 10
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 torchmetrics==1.9.0 \
    tensorboard==2.21.0 wandb==0.31.0 pytorchcv==0.0.74 matplotlib==3.11.2 \
    dill==0.4.1 psutil==7.2.2 tqdm==4.70.1 GPUtil==1.4.0 gdown==6.5.1 qpsolvers==4.13.0 packaging==26.4
"$python" -m pip install --quiet --no-compile --target "$folder/packages" --no-deps avalanche-lib==0.6.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
from collections import Counter

import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as dataset
from avalanche.core import SupervisedPlugin
from avalanche.models import MTSimpleMLP, SimpleMLP
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Cumulative


class Watch(SupervisedPlugin):
    def before_training_exp(self, strategy, **kwargs):
        self.samples, self.sizes = Counter(), []

    def after_training_iteration(self, strategy, **kwargs):
        self.samples.update(strategy.mb_task_id.tolist())
        self.sizes.append(len(strategy.mb_x))


def third_experience(task_labels: bool) -> Watch:
    torch.manual_seed(0)
    data = dataset(torch.randn(300, 6), torch.arange(6).repeat_interleave(50))
    benchmark = nc_benchmark(
        data, data, n_experiences=3, task_labels=task_labels, shuffle=False, class_ids_from_zero_in_each_exp=task_labels
    )
    model = (MTSimpleMLP if task_labels else SimpleMLP)(input_size=6, hidden_size=20)
    watch = Watch()
    strategy = Cumulative(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        train_mb_size=10,
        train_epochs=1,
        plugins=[watch],
        evaluator=EvaluationPlugin(loggers=[]),
    )
    for experience in benchmark.train_stream:
        strategy.train(experience)
    return watch


watch = third_experience(True)
by_task = (watch.samples[task] for task in range(3))
print(f"with task labels: {len(watch.sizes)} batches, samples by task", *by_task, end=", ")
print("sizes", *sorted(set(watch.sizes)))
watch = third_experience(False)
print(f"without: {len(watch.sizes)} batches, sizes", *sorted(set(watch.sizes)))
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
