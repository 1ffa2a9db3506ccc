#!/usr/bin/env bash
# deepsig: seeds 1 and 2 of the almost-stochastic-order test share 999 of 1000 bootstrap samples, and NumPy is reseeded.
#
# `aso(..., seed=s)` seeds bootstrap sample i with s + i. Whoever repeats the test with seeds 1 to 5 to see how much it
# depends on chance sees next to nothing of it: results of neighbouring seeds are the same in most digits, those of seeds
# far apart are not. In a single process it also sets NumPy's global generator, as a seeded test is not expected to: what
# the caller draws next is always the same number.
#
# Versions: deepsig 1.2.8, NumPy 2.4.6, Python 3.11.7. Two methods with five scores each.
#
# Seen:
#> seed 1: 0.5311
#> seed 2: 0.5311
#> seed 3: 0.5310
#> seed 5001: 0.5425
#> seed 10001: 0.5442
#> drawn next, after the caller's seeds 7 and 8: 0.8536 0.8536
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" deepsig==1.2.8 numpy==2.4.6 scipy==1.17.1 pandas==3.0.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import numpy
from deepsig import aso

A, B = [0.62, 0.71, 0.66, 0.58, 0.69], [0.60, 0.67, 0.64, 0.61, 0.63]
found = {seed: aso(A, B, seed=seed, num_jobs=1, show_progress=False) for seed in (1, 2, 3, 5001, 10001)}
for seed, epsilon in found.items():
    print(f"seed {seed}: {epsilon:.4f}")
drawn = []
for seed in (7, 8):
    numpy.random.seed(seed)
    aso(A, B, seed=1, num_jobs=1, show_progress=False)
    drawn.append(numpy.random.rand())
print("drawn next, after the caller's seeds 7 and 8:", *(f"{number:.4f}" for number in drawn))
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
