#!/usr/bin/env bash
# statsmodels: with a missing p-value, corrections for many tests reject hypotheses whose corrected p-value is not a number.
#
# A cell with a single seed has no p-value, so NaN enters the list. Holm's and Bonferroni's corrections count it as a test
# (0.03 becomes 0.06 of four tests, not 0.04 of three). Benjamini and Hochberg's returns NaN for every corrected p-value,
# and yet says "rejected" for three of the four; Hochberg's step-up rejects one, Hommel's none. pingouin, which is built
# on the same library, leaves the missing one out and corrects for three.
#
# Versions: statsmodels 0.15.0, pingouin 0.7.0, SciPy 1.17.1, Python 3.11.7.
#
# Seen:
#> statsmodels holm: p 0.04 nan 0.06 0.06 rejected 1 0 0 0
#> statsmodels bonferroni: p 0.04 nan 0.08 0.12 rejected 1 0 0 0
#> statsmodels fdr_bh: p nan nan nan nan rejected 1 0 1 1
#> statsmodels simes-hochberg: p nan nan nan nan rejected 1 0 0 0
#> statsmodels hommel: p nan nan nan nan rejected 0 0 0 0
#> pingouin holm: p 0.03 nan 0.04 0.04 rejected 1 0 1 1
#> pingouin fdr_bh: p 0.03 nan 0.03 0.03 rejected 1 0 1 1
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" statsmodels==0.15.0 pingouin==0.7.0 scipy==1.17.1 numpy==2.4.6 pandas==3.0.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
from math import nan

import pingouin
from statsmodels.stats.multitest import multipletests

P = [0.01, nan, 0.02, 0.03]
for method in ("holm", "bonferroni", "fdr_bh", "simes-hochberg", "hommel"):
    rejected, p = multipletests(P, method=method)[:2]
    print(f"statsmodels {method}: p", *(f"{value:.2f}" for value in p), "rejected", *(int(one) for one in rejected))
for method in ("holm", "fdr_bh"):
    rejected, p = pingouin.multicomp(P, method=method)
    print(f"pingouin {method}: p", *(f"{value:.2f}" for value in p), "rejected", *(int(one) for one in rejected))
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
