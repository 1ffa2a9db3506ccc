#!/usr/bin/env bash
# dask-jobqueue: a job with more processes than cores asks for workers with no threads, and a job with one core left over
# wastes it.
#
# Threads per worker are cores divided by processes, rounded down. Three cores and four processes make `--nthreads 0`,
# without a warning; the worker takes 0 for "not given" and counts the node's cores instead, also those of other jobs.
# Four cores and three processes make three threads of the four that Slurm is asked for. Memory is rounded up where Slurm
# is asked, to whole units of the largest that fits, and not where the workers are told: for 1.5 GiB Slurm keeps 2 GiB
# and the worker stops at 1.5. No Slurm is needed to see the job script.
#
# Versions: dask-jobqueue 0.9.0, distributed 2026.8.0, Python 3.11.7.
#
# Seen:
#> cores 3, processes 4: --cpus-per-task=3 --nworkers 4 --nthreads 0
#> cores 4, processes 3: --cpus-per-task=4 --nworkers 3 --nthreads 1
#> memory 1GB: --mem=954M --memory-limit 0.93GiB
#> memory 1.5GiB: --mem=2G --memory-limit 1.50GiB
set -euo pipefail
here=$(realpath "$0")
python=${PYTHON:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip install --quiet --no-compile --target "$folder/packages" dask-jobqueue==0.9.0 distributed==2026.8.0 dask==2026.8.0
cd "$folder"
PYTHONPATH="$folder/packages" "$python" -W ignore - >"$folder/seen" <<'PYTHON'
import re

from dask_jobqueue import SLURMCluster


def script(**settings):
    settings = {"memory": "1GB", "cores": 1, **settings}
    with SLURMCluster(**settings, scheduler_options={"dashboard_address": None}) as cluster:
        return cluster.job_script()


def found(text, *options):
    return " ".join(re.search(rf"{option}[ =]\S+", text).group() for option in options)


for cores, processes in ((3, 4), (4, 3)):
    text = script(cores=cores, processes=processes)
    print(f"cores {cores}, processes {processes}:", found(text, "--cpus-per-task", "--nworkers", "--nthreads"))
for memory in ("1GB", "1.5GiB"):
    print(f"memory {memory}:", found(script(memory=memory), "--mem", "--memory-limit"))
PYTHON
diff <(sed -n 's/^#> //p' "$here") "$folder/seen"
