#!/usr/bin/env bash
# hypnettorch: with biases, "hyperfan" initialisation makes networks that say nearly the same whatever they are asked.
#
# The initialisation is meant to give generated weights the variance that He's has. It gives a target with biases about
# half of it, and puts the other half into the generated biases, each with a variance near 1, where other
# initialisations have biases of 0. A bias is the same for all inputs: of the variance of the outputs (784-100-100-10,
# ReLU, standard normal inputs) 8 % is then between inputs, the rest between units. Without biases 58 % is. The chunked
# form, as it is by default, gives no layer the variance it should have: what an embedding shares with other chunks alone
# brings more than a wide layer's weights may have, and every weight ends near 0.9, 360 times the 2/784 of the first layer.
#
# Versions: hypnettorch 0.0.4, torch 2.13.0, NumPy 2.4.6, Python 3.11.7. Means over ten seeds.
#
# Seen:
#> with biases: weights 0.46 of He's variance, biases 0.9, outputs 8% between inputs
#> without biases: weights 0.87 of He's variance, outputs 58% between inputs
#> chunked: weights 3.6e+02 of He's variance, biases 0.9
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2
"$python" -m pip install --quiet --no-compile --target "$folder/packages" --no-deps hypnettorch==0.0.4
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/all" <<'PYTHON'
import numpy
import torch
from hypnettorch.hnets import HMLP, ChunkedHMLP
from hypnettorch.mnets import MLP


def of_seed(seed, bias, chunked=False):
    """Variance of the first layer's weights over 2/784, that of its biases, share of output variance between inputs."""
    torch.manual_seed(seed)
    target = MLP(n_in=784, n_out=10, hidden_layers=[100, 100], use_bias=bias, no_weights=True, verbose=False)
    sizes = {"num_cond_embs": 2, "layers": [50], "cond_in_size": 8, "verbose": False}
    if chunked:
        hypernetwork = ChunkedHMLP(target.param_shapes, 2000, chunk_emb_size=8, **sizes)
        hypernetwork.apply_chunked_hyperfan_init(mnet=target)
    else:
        hypernetwork = HMLP(target.param_shapes, **sizes)
        hypernetwork.apply_hyperfan_init(mnet=target)
    with torch.no_grad():
        weights = hypernetwork.forward(cond_id=0)
        outputs = target.forward(torch.randn(500, 784), weights=weights)
    between = outputs.var(0, correction=0).mean() / outputs.var(correction=0)
    return float(weights[0].var() / (2 / 784)), float(weights[1].var()), float(between)


for words, bias, chunked in (("with biases", True, False), ("without biases", False, False), ("chunked", True, True)):
    variance, biases, share = numpy.mean([of_seed(seed, bias, chunked) for seed in range(10)], axis=0)
    print(f"RESULT {words}: weights {variance:.2g} of He's variance", end="")
    print(f", biases {biases:.1f}" if bias else "", end="")
    print(f", outputs {share:.0%} between inputs" if not chunked else "")
PYTHON
sed -n 's/^RESULT //p' "$folder/all" >"$folder/seen"
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
