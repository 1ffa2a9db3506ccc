"""A real Slurm: workers are its jobs, one of which is cancelled while it works."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

JOB_NAME = "hnet-bench-test"


def slurm(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def reason_to_skip():
    if shutil.which("sbatch") is None:
        return "Slurm is not installed"
    idle = slurm("sinfo", "-h", "-o", "%T")
    return None if idle.returncode == 0 and idle.stdout.strip() else "no Slurm answers"


pytestmark = pytest.mark.skipif(reason_to_skip() is not None, reason=str(reason_to_skip()))


def jobs():
    return slurm("squeue", "-h", "-n", JOB_NAME, "-t", "RUNNING", "-o", "%i").stdout.split()


@pytest.fixture
def profile(tmp_path):
    pytest.importorskip("dask_jobqueue")
    path = tmp_path / "slurm.toml"
    exports = [f"export {name}={os.environ[name]}" for name in ("PYTHONPATH", "HNET_BENCH_DATA") if name in os.environ]
    path.write_text(
        f'memory = "2GB"\nwalltime = "00:10:00"\njobs = 2\njob_name = "{JOB_NAME}"\npython = "{sys.executable}"\n'
        f'log_directory = "{tmp_path}"\njob_script_prologue = {exports!r}\n'
    )
    yield path
    slurm("scancel", "-n", JOB_NAME)


def test_a_job_is_cancelled_and_the_sweep_finishes(profile: Path, begin):
    sweep = begin("--slurm", str(profile))
    sweep.wait_for_checkpoint()
    victim = jobs()[0]
    slurm("scancel", victim)
    records = sweep.records()
    assert sorted(record["spec"]["seed"] for record in records.values()) == [1, 2, 3, 4]
    assert not list(sweep.results.rglob("*.failed"))
    deadline = time.monotonic() + 60
    while jobs() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not jobs()  # what was started for the sweep ended with it
