#!/usr/bin/env bash
# NumPy: in which order argsort leaves equal values depends on the processor, from ten values on.
#
# Random numbers, sorted values and sums have the same bits with and without AVX2 and AVX-512. The order of ties has not:
# `argsort` (as it is by default, not stable) and `argpartition` of the same ten small integers give other indices once
# NumPy is told to leave AVX2 alone, as it does on an older processor. Whoever picks "the ten most certain samples", or
# seeds by their rank, picks others on another machine; kind="stable" is the same everywhere.
#
# Versions: NumPy 2.4.6, Python 3.11.7, on a processor with AVX2 (elsewhere the script says so and checks nothing).
#
# Seen:
#> argsort of 10 values: differs
#> argpartition of 10 values: differs
#> stable argsort of 10 values: same
#> sorted values: same
#> normal numbers: same
#> float32 sum: same
set -euo pipefail
python=${PYTHON:-python3.11}
grep -qw avx2 /proc/cpuinfo || { echo "This processor has no AVX2: nothing to compare." >&2; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" numpy==2.4.6
cat >"$folder/results.py" <<'PYTHON'
import json

import numpy

random = numpy.random.default_rng(0)
values = random.integers(0, 5, 10)
normal = random.normal(size=1000)
print(
    json.dumps(
        {
            "argsort of 10 values": numpy.argsort(values).tolist(),
            "argpartition of 10 values": numpy.argpartition(values, 3).tolist(),
            "stable argsort of 10 values": numpy.argsort(values, kind="stable").tolist(),
            "sorted values": numpy.sort(normal).tolist(),
            "normal numbers": normal.tolist(),
            "float32 sum": float(normal.astype(numpy.float32).sum()),
        }
    )
)
PYTHON
export PYTHONPATH="$folder/packages"
"$python" "$folder/results.py" >"$folder/fast.json"
# NumPy warns of features that this processor has not.
NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL AVX512_SPR" "$python" -W ignore "$folder/results.py" >"$folder/plain.json"
"$python" - "$folder"/{fast,plain}.json >"$folder/seen" <<'PYTHON'
import json
import sys

fast, plain = (json.load(open(path)) for path in sys.argv[1:])
for name in fast:
    print(f"{name}: {'same' if fast[name] == plain[name] else 'differs'}")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
