#!/usr/bin/env bash
# Avalanche: the accuracy of a whole stream bears the name of its last task, and classes that a test set lacks get 0.0.
#
# In CL1 the accuracy of each experience has its task in its name, and so has that of the stream. The latter is the
# average over all tasks; the task in its name is that of whichever experience was evaluated last. Evaluate the stream
# backwards, and the same number stands under Task000. Early stopping and plots that pick "the stream accuracy of a task"
# pick this. In CL3 the accuracies of classes go on from experience to experience within one evaluation: the second
# experience, which has no sample of class 0, reports 0.0 for it, beside 1.0 in the first.
#
# Versions: avalanche-lib 0.6.0, torch 2.14.1, Python 3.11.7. The model is always right on labels 0 and 1.
#
# Seen:
#> CL1 Exp/Task000/Exp000 1.0
#> CL1 Exp/Task001/Exp001 0.0
#> CL1 Stream/Task001 0.5
#> CL1 backwards Stream/Task000 0.5
#> CL3 Exp/Task000/Exp000/0 1.0
#> CL3 Exp/Task000/Exp000/1 1.0
#> CL3 Exp/Task000/Exp001/0 0.0
#> CL3 Exp/Task000/Exp001/1 0.0
#> CL3 Exp/Task000/Exp001/2 0.0
#> CL3 Exp/Task000/Exp001/3 0.0
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 torchmetrics==1.9.0 \
    tensorboard==2.21.0 wandb==0.31.0 pytorchcv==0.0.74 matplotlib==3.11.2 \
    dill==0.4.1 psutil==7.2.2 tqdm==4.70.1 GPUtil==1.4.0 gdown==6.5.1 qpsolvers==4.13.0 packaging==26.4
"$python" -m pip install --quiet --no-compile --target "$folder/packages" --no-deps avalanche-lib==0.6.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as dataset
from avalanche.evaluation.metrics import accuracy_metrics, class_accuracy_metrics
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive

Y = torch.arange(4).repeat_interleave(5)


class Known(MultiTaskModule):
    """Says the sum of the inputs, which is the label, in the first task, and the other label afterwards."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, task_labels):
        wrong = (x[:, 0] > 1).long()
        return torch.nn.functional.one_hot((x[:, 0].long() % 2 + wrong) % 2, 4) + self.unused


def evaluated(task_labels: bool, metrics: list, backwards: bool = False) -> dict[str, float]:
    data = dataset(Y.float().view(-1, 1), Y)
    benchmark = nc_benchmark(
        data, data, n_experiences=2, task_labels=task_labels, shuffle=False, class_ids_from_zero_in_each_exp=task_labels
    )
    model = Known()
    strategy = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=torch.nn.CrossEntropyLoss(),
        eval_mb_size=20,
        evaluator=EvaluationPlugin(*metrics, loggers=[]),
    )
    stream = benchmark.test_stream
    return strategy.eval(stream[::-1] if backwards else stream)


def show(words: str, found: dict[str, float], wanted: str) -> None:
    for name, value in found.items():
        kind, _, _, *rest = name.split("/")
        kind = kind.rsplit("_", 1)[1]
        if kind in wanted:
            print(words, "/".join([kind, *rest]), value)


show("CL1", evaluated(True, [accuracy_metrics(experience=True, stream=True)]), "Exp Stream")
show("CL1 backwards", evaluated(True, [accuracy_metrics(stream=True)], backwards=True), "Stream")
show("CL3", evaluated(False, [class_accuracy_metrics(experience=True)]), "Exp")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
