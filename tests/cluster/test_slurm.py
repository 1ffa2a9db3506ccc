"""A real Slurm: workers are its jobs, which are cancelled while they work, refused, or end too early."""

import os
import shutil
import signal
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
        # Dask is told of less memory than any run takes, and would keep or end its worker.
        f'memory = "300MB"\njob_mem = "2G"\nwalltime = "00:10:00"\njob_name = "{JOB_NAME}"\n'
        f'python = "{sys.executable}"\nlog_directory = "{tmp_path}"\njob_script_prologue = {exports!r}\n'
    )
    yield path
    slurm("scancel", "-n", JOB_NAME)


def none_is_left():
    deadline = time.monotonic() + 60
    while slurm("squeue", "-h", "-n", JOB_NAME, "-o", "%i").stdout.split() and time.monotonic() < deadline:
        time.sleep(0.5)
    return not slurm("squeue", "-h", "-n", JOB_NAME, "-o", "%i").stdout.split()


@pytest.mark.parametrize("processes", [1, 2])
def test_the_only_job_is_cancelled_and_the_sweep_finishes(profile: Path, begin, processes):
    with profile.open("a") as file:
        file.write(f"processes = {processes}\n")
    sweep = begin("--slurm", str(profile), "-j", "1", "--seeds", "1-2")
    sweep.wait_for_checkpoint()
    (victim,) = jobs()
    slurm("scancel", victim)
    records = sweep.records()
    assert sorted(record["spec"]["seed"] for record in records.values()) == [1, 2]
    assert not list(sweep.results.rglob("*.failed"))
    assert none_is_left()  # what was started for the sweep ended with it


def test_what_slurm_refuses_is_said_in_its_words(profile: Path, begin):
    with profile.open("a") as file:
        file.write('queue = "nowhere"\n')
    sweep = begin("--slurm", str(profile))
    assert sweep.ended() == 2
    assert "Error: Slurm refuses the job: sbatch: error: " in sweep.lines[-1]
    assert "nvalid partition" in sweep.lines[-1]
    assert not any("Traceback" in line for line in sweep.lines)


def test_a_job_whose_prologue_fails_ends_the_sweep(profile: Path, begin):
    profile.write_text(profile.read_text().replace("job_script_prologue = [", 'job_script_prologue = ["exit 3", '))
    sweep = begin("--slurm", str(profile))
    assert sweep.ended() == 2
    (error,) = (line for line in sweep.lines if line.startswith("Error: "))
    assert error.startswith("Error: No worker can come any more: a job ended before a worker came from there, see ")
    assert Path(error.rpartition(" ")[2].strip().removesuffix(".")).is_file()


def test_ctrl_c_cancels_the_jobs(profile: Path, begin):
    sweep = begin("--slurm", str(profile))
    sweep.wait_for_checkpoint()
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.ended() == 130
    assert sweep.lines[-1].startswith("Interrupted: 0 of 4 runs finished, and their records are kept in ")
    assert none_is_left()


def test_security_makes_a_key_that_its_workers_have(profile: Path, begin, monkeypatch):
    pytest.importorskip("cryptography")
    monkeypatch.chdir(profile.parent)
    with profile.open("a") as file:
        file.write("security = true\n")
    sweep = begin("--slurm", str(profile), "--seeds", "1")
    sweep.wait_for_checkpoint()
    (output,) = profile.parent.glob(f"{JOB_NAME}-*.err")
    assert "tls://" in output.read_text()
    assert "tcp://" not in output.read_text()
    assert len(sweep.records()) == 1
    assert not list(profile.parent.glob(".dask-jobqueue*"))  # no key is left
