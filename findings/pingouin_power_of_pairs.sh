#!/usr/bin/env bash
# pingouin: the power beside a paired t-test is that of an effect size which the pairing has nothing to do with.
#
# Five seeds, two methods; seeds differ by ten points, the methods by half a point in each seed, and p is far below 0.001.
# In the same row `power` says that the test would have found such an effect in 5 % of cases, that is, hardly more often
# than by chance: it is computed from Cohen's d with the average spread of both groups, which pairing removes. From the
# same differences, tested against zero, p is the same and the power 1.
#
# Versions: pingouin 0.7.0, SciPy 1.17.1, Python 3.11.7.
#
# Seen:
#> paired: p 9.3e-05, d 0.063, power 0.051
#> differences: p 9.3e-05, d 7.071, power 1.000
set -euo pipefail
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" pingouin==0.7.0 statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.0.0
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import pingouin

A = [60.0, 65.0, 70.0, 75.0, 80.0]
B = [60.5, 65.6, 70.5, 75.4, 80.5]
differences = [b - a for a, b in zip(A, B)]
for words, test in (("paired", pingouin.ttest(B, A, paired=True)), ("differences", pingouin.ttest(differences, 0))):
    p, d, power = (float(test[column].iloc[0]) for column in ("p_val", "cohen_d", "power"))
    print(f"{words}: p {p:.1e}, d {d:.3f}, power {power:.3f}")
PYTHON
diff <(sed -n 's/^#> //p' "$0") "$folder/seen"
