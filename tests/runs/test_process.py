"""A process of its own: what it gives back, how it may end, and what it leaves behind, which is nothing."""

from __future__ import annotations

import importlib
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from hnet_bench import catalog
from hnet_bench.interfaces import UserError
from hnet_bench.runs.process import ENVIRONMENT, Died, Failed, in_own_process


def test_it_gives_back_a_result_from_another_process_that_then_is_gone() -> None:
    process = in_own_process(os.getpid)
    assert process != os.getpid()
    assert not psutil.pid_exists(process)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of functions that only another process should call."""
    (tmp_path / "process_helper.py").write_text(
        "import multiprocessing, os, time\n"
        "from pathlib import Path\n"
        "def count(start, tell):\n"
        "    for number in range(start, 0, -1):\n"
        "        tell(number)\n"
        "    return 'zero'\n"
        "def begin_another():\n"
        "    other = multiprocessing.get_context('fork').Process(target=os._exit, args=(7,))\n"
        "    other.start(); other.join()\n"
        "    return other.exitcode\n"
        "def what_it_has_beside_the_server():\n"
        "    import gc, sys\n"
        "    gc.collect()\n"
        "    return sorted(sys.modules), {line.split()[0]: int(line.split()[1]) for line in "
        "open('/proc/self/smaps_rollup') if line.endswith('kB\\n')}\n"
        "def die_before_a_child(mark):\n"
        "    if os.fork() == 0:  # it has the pipe of what began it\n"
        "        while not Path(mark).exists(): time.sleep(0.01)\n"
        "        os._exit(0)\n"
        "    os._exit(5)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "process_helper", raising=False)
    return importlib.import_module("process_helper")


def test_it_says_things_while_it_lasts(helper: Any) -> None:
    heard: list[int] = []
    assert in_own_process(helper.count, 3, hear=heard.append) == "zero"
    assert heard == [3, 2, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems say less of a process.")
def test_it_shares_what_the_server_loaded_and_loads_no_more(helper: Any) -> None:
    modules, kibibytes = in_own_process(helper.what_it_has_beside_the_server)
    assert "torch" in modules
    assert not {"dask", "distributed", "typer", "sklearn"} & set(modules)
    # Looking for garbage would otherwise write to all that the libraries hold: 130 MB.
    assert kibibytes["Private_Dirty:"] < 30_000 < 300_000 < kibibytes["Rss:"]


def test_it_may_begin_others_which_keep_nobody_waiting_when_it_dies(tmp_path: Path, helper: Any) -> None:
    assert in_own_process(helper.begin_another) == 7
    try:
        with pytest.raises(Died, match="exit code 5"):
            in_own_process(helper.die_before_a_child, str(tmp_path / "mark"))
    finally:
        (tmp_path / "mark").touch()


def test_a_mistake_comes_as_its_sentence_and_another_exception_with_its_traceback() -> None:
    with pytest.raises(UserError, match=r"^Unknown benchmark 'nothing': known are "):
        in_own_process(catalog.benchmark_class, "nothing")
    with pytest.raises(Failed, match=r"^ValueError: .*") as raised:
        in_own_process(math.sqrt, -1)
    assert "in _call" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("end", "argument", "words"),
    [
        (signal.raise_signal, signal.SIGKILL, "its process was ended by SIGKILL, as when memory runs out"),
        (signal.raise_signal, signal.SIGTERM, "its process was ended by SIGTERM"),
        (os._exit, 3, "its process ended with exit code 3"),
        (sys.exit, 4, "its process ended with exit code 4"),
    ],
)
def test_a_process_that_ends_by_itself_is_no_result(end: object, argument: int, words: str) -> None:
    assert callable(end)
    with pytest.raises(Died) as died:
        in_own_process(end, argument)
    assert str(died.value) == words


def test_it_ends_when_nobody_wants_it_any_longer() -> None:
    with pytest.raises(Died):
        in_own_process(time.sleep, 10**6, wanted=lambda: False)


def test_what_is_changed_in_it_is_changed_there_alone(tmp_path: Path) -> None:
    here = os.getcwd()
    in_own_process(os.chdir, tmp_path)
    in_own_process(os.putenv, "HNET_BENCH_LEFT", "behind")
    assert in_own_process(os.getcwd) == os.getcwd() == here
    assert in_own_process(os.getenv, "HNET_BENCH_LEFT") is None


def test_its_environment_is_that_of_now_with_what_libraries_need(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        assert in_own_process(os.getenv, name) == os.environ.get(name, value)
    monkeypatch.setenv("HNET_BENCH_NEW", "set after the server began")
    assert in_own_process(os.getenv, "HNET_BENCH_NEW") == "set after the server began"
    monkeypatch.delenv("HNET_BENCH_NEW")
    assert in_own_process(os.getenv, "HNET_BENCH_NEW") is None


def test_it_ends_with_the_process_that_waits_for_it_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import time; from hnet_bench.runs.process import in_own_process as call; "
        "call(print, 'begun'); call(time.sleep, 10**6)"
    )
    command = [sys.executable, "-c", code]
    if sys.version_info >= (3, 11):  # as commands do, it looks for no module here, nor does what it begins
        (tmp_path / "torch.py").write_text("print('a file of the user')")
        command.insert(1, "-P")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "begun\n"
        whole = [*psutil.Process(waiting.pid).children(recursive=True)]
        while len(whole) < 3:  # the server, multiprocessing's tracker of resources, and the one that sleeps
            whole = [*psutil.Process(waiting.pid).children(recursive=True)]
        waiting.kill()
        assert psutil.wait_procs(whole, timeout=60)[1] == []
