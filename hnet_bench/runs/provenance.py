"""Where a record comes from: code, versions, hardware, command, time."""

from __future__ import annotations

import hashlib
import inspect
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import hnet_bench
from hnet_bench.config import to_settings
from hnet_bench.interfaces import Settings
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import revisions_of
from hnet_bench.runs.spec import RunSpec

# What a score can follow from: torch trains and evaluates, by Avalanche's loop and plugins; NumPy draws the papers'
# orders of classes and pixels; torchvision transforms the inputs of a benchmark of Avalanche's. What renders reports or
# hands out runs decides no score.
DISTRIBUTIONS = ("torch", "avalanche-lib", "numpy", "torchvision")
# Environment variables that choose among the instructions, or the precision, with which a library computes: each can
# change the last digits of a result, and with them a run, on some processor or GPU.
SWITCHES = (
    "ATEN_CPU_CAPABILITY",  # torch's own loops, initial weights and random numbers among them
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "DNNL_CPU_ISA_HINTS",
    "DNNL_DEFAULT_FPMATH_MODE",
    "OPENBLAS_CORETYPE",  # NumPy's matrix products
    "NPY_DISABLE_CPU_FEATURES",
    "GLIBC_TUNABLES",  # exp and log of Python
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def _cpu_capability() -> str:
    """The vector instructions that torch's own loops use."""
    import torch

    found: str = torch.backends.cpu.get_cpu_capability()
    return found


# Results and reports come and go while a sweep runs; they do not change what a run does.
_CHANGES = ("status", "--porcelain", "--", "hnet_bench", "baselines", "pyproject.toml")


@cache
def code_sum() -> str:
    """`sum_of_files` as it was when this was first asked: a process goes on with the code that it has loaded."""
    return sum_of_files()


def sum_of_files() -> str:
    """SHA-256 over the names and contents of this package's and the baselines' Python files as they are now: which code
    made a record, with and without git."""
    package = Path(hnet_bench.__file__).parent
    files = [*package.rglob("*.py"), *(package.parent / "baselines").rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda file: file.relative_to(package.parent).as_posix()):
        digest.update(path.relative_to(package.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def remember_code() -> None:
    """Takes note of the code as it is now, for all later records of this process and of its children."""
    code_sum()
    _git("rev-parse", "HEAD")
    _dirty()


def _products(device: str) -> str:
    """Which library computes matrix products: on the CPU it decides about the last digits and the time."""
    from hnet_bench.nets.products import library

    return library() if device == "cpu" else "PyTorch"


def strategy_sum(strategy: object) -> str | None:
    """SHA-256 of the file that defines the strategy's class, as it is now; None if there is no such file."""
    try:
        return hashlib.sha256(Path(inspect.getfile(type(strategy))).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return None


def command_line() -> str:
    """The command of this process, as a shell takes it; of absolute paths the last part, all that it says to others."""
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in sys.argv)


def device_name(device: str) -> str:
    """ "cpu", or what CUDA calls the device."""
    if device == "cpu":
        return device
    import torch

    return torch.cuda.get_device_name(device)


def unnamed_commit() -> str | None:
    """Why records will not name the commit of this checkout, in a sentence; None if they will, or if it is none."""
    try:
        _ask_git("rev-parse", "HEAD")
    except FileNotFoundError:
        problem = "there is no git here"
    except subprocess.CalledProcessError as error:
        problem = f"git says: {' '.join(error.stderr.split())[:200].rstrip('.')}"
    except (OSError, subprocess.SubprocessError) as error:
        problem = f"git does not answer ({type(error).__name__})"
    else:
        return None
    return f"Records will not name the commit of this checkout, only the checksum of its code: {problem}."


def uncommitted_code(results: Path) -> str | None:
    """Why records in this checkout's folder will say that they are "with changes", in a sentence; None if they will
    not, or if they are stored elsewhere."""
    checkout = Path(hnet_bench.__file__).resolve().parents[1]
    if not _dirty() or checkout not in results.resolve().parents:
        return None
    first, *more = (line.split(maxsplit=1)[1] for line in str(_git(*_CHANGES)).splitlines())
    changed = f"{first} (and {len(more)} more)" if more else first
    return (
        f"Records will say that their code has changes, which nobody else has: no commit holds {changed} as it is. "
        "Commit before a sweep whose records you will share."
    )


@cache
def _git(*arguments: str) -> str | None:
    try:
        return _ask_git(*arguments)
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(*arguments: str) -> str | None:
    # Only a checkout that holds this package counts; an installed copy may lie inside somebody else's repository.
    checkout = Path(hnet_bench.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


def _dirty() -> bool | None:
    changes = _git(*_CHANGES)
    return None if changes is None else bool(changes)


def _versions() -> Settings:
    return {
        "python": platform.python_version(),
        "hnet_bench": hnet_bench.__version__,
        **{name: _version(name) for name in DISTRIBUTIONS},
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@cache
def cpu_name() -> str:
    """Model of the processor and the number of its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({os.cpu_count()} cores)" if names else platform.machine()


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a process knows of the run that it does."""

    strategy_sha256: str | None  # from before the run, see `strategy_sum`: files may be edited while it lasts
    device: str  # "cpu" or "cuda"
    threads: int = 1
    command: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass(frozen=True)
class Field:
    """One thing that records say of a run's surroundings; none of it decides whether a record is stale."""

    name: str  # its key in `Record.provenance`
    find: Callable[[Circumstances], Any]
    compared: str = ""  # what `rerun` calls it where it differs; "": a difference is none of the surroundings
    traced: str = ""  # how `trace` says it of the hardware, "" if it does not
    needed: str = ""  # what a message calls it if a process may not go on with a run because it differs; "": it may


# A new field is a line here, and one of `record.schema.json` that says what it is.
FIELDS = (
    Field("commit", lambda here: _git("rev-parse", "HEAD")),
    # A file that is edited while a sweep runs may or may not have been loaded before.
    Field("dirty", lambda here: True if sum_of_files() != code_sum() else _dirty()),
    Field("code_sha256", lambda here: code_sum(), needed="code"),
    # Of its own, since it may stand in a user's file or in a package of somebody else.
    Field("strategy_sha256", lambda here: here.strategy_sha256, needed="strategy file"),
    Field("command", lambda here: here.command),
    Field("started", lambda here: here.started.isoformat(timespec="seconds")),
    Field("finished", lambda here: datetime.now(timezone.utc).isoformat(timespec="seconds")),
    Field("device", lambda here: device_name(here.device), compared="device"),
    Field("cpu", lambda here: cpu_name(), compared="cpu"),
    Field("threads", lambda here: here.threads, compared="threads", traced="threads: {}"),
    Field(
        "matrix_products",
        lambda here: _products(here.device),
        compared="library of matrix products",
        traced="matrix products by {}",
        needed="library of matrix products",
    ),
    # A run that goes on with other instructions ends in scores that neither of them gives alone.
    Field(
        "cpu_capability",
        lambda here: _cpu_capability(),
        compared="vector instructions of torch",
        traced="vector instructions of torch: {}",
        needed="set of vector instructions",
    ),
    Field(
        "switches",
        lambda here: {name: os.environ[name] for name in SWITCHES if name in os.environ},
        needed="setting of a numerical library",
    ),
    Field("platform", lambda here: platform.platform(), compared="platform", traced="{}"),
    Field("versions", lambda here: _versions(), needed="version of a library"),
)


def provenance(here: Circumstances) -> Settings:
    """What a record says of the run's surroundings."""
    return {one.name: one.find(here) for one in FIELDS}


def identity(*, spec: Settings, strategy: object, device: str, revisions: Settings) -> Settings:
    """What two processes must have in common for one to go on with the other's run, by words that a message can use.

    `revisions` are those of `revisions_of`: of a user's own code only they tell what stands beside the strategy's file,
    and what the benchmark's holds.
    """
    here = Circumstances(strategy_sha256=strategy_sum(strategy), device=device)
    needed = {one.needed: one.find(here) for one in FIELDS if one.needed}
    revised = {f"revision of the {part}": one for part, one in revisions.items()}
    return {"spec": spec, "kind of device": device, **needed, **revised}


def shared_identity(spec: RunSpec, *, device: str) -> Settings:
    """What two runs must have in common for one to take a training from the other, beside the training itself: more
    than to go on with a run, since times are taken over, too. Their strategies are ours, and so within the code."""
    revisions = {part: one for part, one in revisions_of(spec).items() if part != "strategy"}
    benchmark = {"name": spec.benchmark, **spec.benchmark_settings}
    common = {"benchmark": benchmark, "protocol": to_settings(spec.protocol), "seed": spec.seed}
    kind = device.partition(":")[0]  # of "cuda:1"
    return {**identity(spec=common, strategy=None, device=kind, revisions=revisions), **machine(device)}


def machine(device: str) -> Settings:
    """What a run is computed on."""
    return {"device": device_name(device), "cpu": cpu_name()}


def surroundings(record: Record, again: Record) -> list[str]:
    """What differs in the versions, the hardware and the data of two records, one line each."""
    switches = [name for one in (record, again) for name in one.provenance.get("switches") or {}]
    before, after = _compared(record, switches), _compared(again, switches)
    return [
        f"{name}: {_text(before.get(name))}, now {_text(after.get(name))}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _compared(record: Record, switches: Iterable[str]) -> dict[str, Any]:
    made = record.provenance
    # Records from before these were noted do not say that nothing was set.
    set_here = made.get("switches")
    return {
        **made.get("versions", {}),
        **{one.compared: made.get(one.name) for one in FIELDS if one.compared},
        **{name: None if set_here is None else set_here.get(name, "not set") for name in switches},
        **{f"data of {name}": value for name, value in record.data.items()},
    }


def _text(value: Any) -> str:
    return "not recorded" if value is None else str(value)
