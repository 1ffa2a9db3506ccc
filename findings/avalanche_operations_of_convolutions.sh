#!/usr/bin/env bash
# Avalanche: its count of multiplications leaves out a convolution's input channels, and misses layers that are called with
# generated weights.
#
# `MAC_metrics` counts output channels times pixels times the kernel's area: a 3 x 3 convolution of 64 channels costs as
# much as one of a single channel, so ResNets look cheaper than the perceptrons that they are compared with. A layer that
# is called through `torch.func.functional_call` and belongs to no module, as a hypernetwork's target is, counts nothing.
#
# Versions: avalanche-lib 0.6.0, torch 2.14.1, Python 3.11.7. The convolutions make 8 channels of 6 x 6 pixels each.
#
# Seen:
#> 1 input channel: counted 2592, true 2592
#> 64 input channels: counted 2592, true 165888
#> generated layer of 6 x 20 weights: counted 420, true 540
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
from avalanche.evaluation.metrics import MAC
from torch import nn

for channels in (1, 64):
    mac = MAC()
    mac.update(nn.Conv2d(channels, 8, 3), torch.zeros(1, channels, 8, 8))
    print(f"{channels} input channel{'s' * (channels > 1)}: counted {mac.result()}, true {channels * 8 * 36 * 9}")


class Generated(nn.Module):
    """A hypernetwork without hidden layers for a layer from 6 to 20 values."""

    def __init__(self):
        super().__init__()
        self.hypernetwork = nn.Linear(3, 140)
        self.embedding = nn.Parameter(torch.randn(1, 3))
        object.__setattr__(self, "target", nn.Linear(6, 20))

    def forward(self, x):
        flat = self.hypernetwork(self.embedding)[0]
        return torch.func.functional_call(self.target, {"weight": flat[:120].view(20, 6), "bias": flat[120:]}, (x,))


mac = MAC()
mac.update(Generated(), torch.zeros(1, 6))
print(f"generated layer of 6 x 20 weights: counted {mac.result()}, true {3 * 140 + 120}")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
