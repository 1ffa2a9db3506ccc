#!/usr/bin/env bash
# scikit-posthocs: Conover's test after Friedman's is certain (p = 0) of every pair, with three seeds that agree.
#
# Three methods, three seeds, the same order in each seed: the smallest p-value that any test of ranks can have is 1/36
# (the share of such agreement among all orders). Conover's and Durbin's tests give 0 for every pair, also for neighbours,
# since no rank is left unexplained and they divide by what is unexplained; Nemenyi's and Siegel's stay sober. One seed
# that disagrees, and Conover's p-values are ordinary numbers again.
#
# Versions: scikit-posthocs 0.17.1, SciPy 1.17.1, Python 3.11.7. The columns: first against second, first against third.
#
# Seen:
#> three seeds that agree
#> conover_friedman 0 0
#> durbin 0 0
#> nemenyi_friedman 0.44 0.038
#> siegel_friedman 0.22 0.014
#> two that agree and one with the first two swapped
#> conover_friedman 0.52 0.024
#> durbin 0.52 0.024
#> nemenyi_friedman 0.91 0.1
#> siegel_friedman 0.68 0.041
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" scikit-posthocs==0.17.1 statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.0.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import pandas
import scikit_posthocs

AGREE = [[0.91, 0.93, 0.95], [0.92, 0.94, 0.96], [0.93, 0.95, 0.97]]  # a row for each seed, a column for each method
SWAPPED = [*AGREE[:2], [0.95, 0.93, 0.97]]
for words, scores in (("three seeds that agree", AGREE), ("two that agree and one with the first two swapped", SWAPPED)):
    print(words)
    for test in ("conover_friedman", "durbin", "nemenyi_friedman", "siegel_friedman"):
        p = getattr(scikit_posthocs, f"posthoc_{test}")(pandas.DataFrame(scores))
        print(test, f"{p.iloc[0, 1]:.2g}", f"{p.iloc[0, 2]:.2g}")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
