"""A small real sweep on split MNIST, its processes killed at random moments until enough of them died.

Whatever is killed, the processes of runs, what helps the sweep or the sweep itself, and whenever: going on leaves every
record as if nothing had happened, none missing and none damaged. `HNET_BENCH_KILLS` says how many kills there are to
be (default 50).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

TABLE = Path(__file__).with_name("sweep.toml")
KILLS = int(os.environ.get("HNET_BENCH_KILLS", "50"))
SEED = 7
# The longest time from the first run that starts to a kill, as a share of an undisturbed sweep: runs last about a
# quarter of it, so kills fall before, between and after checkpoints, experiences and runs.
LONGEST_WAIT = 0.3
TIMES = {"seconds", "peak_memory_bytes", "trainings", "provenance", "sha256"}
WHEN_AND_WHERE = {"started", "finished", "resumes"}


def begin(results):
    command = [sys.executable, "-m", "hnet_bench.cli", "run", str(TABLE), "-j", "2", "--device", "cpu"]
    return subprocess.Popen(
        [*command, "--checkpoint-every", "0.3", "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(results):
    """Lets a sweep end; the seconds from the first run that started."""
    process = begin(results)
    lines, started = [], time.monotonic()
    for line in process.stdout:
        if not any("] started" in earlier for earlier in lines):
            started = time.monotonic()
        lines.append(line)
    process.stdout.close()
    assert process.wait(timeout=900) == 0, "".join(lines)
    return time.monotonic() - started


def records(results):
    return {path.relative_to(results): json.loads(path.read_text()) for path in results.rglob("*.json")}


def artefacts(results):
    return {path.relative_to(results): path.read_bytes() for path in results.rglob("*.npz")}


def kill_something(process, draw, longest_wait):
    """Waits until runs are under way, then a random while, then kills a run, a helper or the sweep; which, or None."""
    for line in process.stdout:
        if "] started" in line:
            break
    time.sleep(draw.uniform(0, longest_wait))
    if process.poll() is not None:
        return None
    # Runs are forked by a child of the sweep, the server; another is multiprocessing's tracker of resources.
    helpers = psutil.Process(process.pid).children()
    runs = [run for helper in helpers for run in helper.children()]
    hit = draw.choices(("run", "helper", "sweep"), (4, 1, 5))[0]
    if victims := {"run": runs, "helper": helpers}.get(hit):
        with suppress(psutil.NoSuchProcess):
            draw.choice(victims).send_signal(signal.SIGKILL)
        return hit
    process.kill()
    process.wait()
    return "sweep"


def kill_until_done(results, draw, kills, longest_wait):
    """One sweep, begun again whenever it was killed, until it is done or there were enough kills."""
    hits = []
    while len(hits) < kills:
        with begin(results) as process:
            while len(hits) < kills:
                hit = kill_something(process, draw, longest_wait)
                if hit is None:
                    return hits  # done before it was its turn to die
                hits.append(hit)
                if hit == "sweep":
                    break
            else:
                process.communicate(timeout=900)
    return hits


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_no_kill_is_seen_in_any_record(tmp_path, capsys):
    longest_wait = LONGEST_WAIT * finish(tmp_path / "undisturbed")
    expected = records(tmp_path / "undisturbed")
    assert len(expected) == 8
    draw, hits, resumes, rounds = random.Random(SEED), [], 0, 0
    while len(hits) < KILLS:
        results = tmp_path / f"round-{rounds}"
        rounds += 1
        hits += kill_until_done(results, draw, KILLS - len(hits), longest_wait)
        finish(results)
        found = records(results)
        assert set(found) == set(expected)
        for path, record in found.items():
            resumes += len(record["provenance"]["resumes"])
            assert without_times(record) == without_times(expected[path]), path
        assert artefacts(results) == artefacts(tmp_path / "undisturbed")
        left = [path for path in results.rglob("*") if path.suffix not in (".json", ".npz", ".log", "")]
        assert not left
    with capsys.disabled():
        kinds = ", ".join(f"{hits.count(kind)} of a {kind}" for kind in ("run", "helper", "sweep"))
        print(f"\n{len(hits)} kills ({kinds}) in {rounds} sweeps; runs went on from {resumes} checkpoints")
    assert resumes > 0


def without_times(record):
    kept = {key: value for key, value in record.items() if key not in TIMES}
    provenance = record["provenance"]
    return kept | {key: provenance[key] for key in provenance if key not in WHEN_AND_WHERE | {"command"}}
