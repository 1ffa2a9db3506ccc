"""One run: a spec in, a record out. All that a run draws at random comes from its seed.

The same spec on the same machine with the same versions gives the same scores, bit for bit, whatever runs beside it and
however often it was stopped: one thread, every global generator seeded, a stream of its own for each purpose, and
checkpoints that hold everything. Sweeps and repetitions give it a process of its own (`process.py`); called from here,
it shares one with whatever a strategy before it may have left there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import torch

from hnet_bench.avalanche_adapter.loggers import Loggers
from hnet_bench.interfaces import UserError
from hnet_bench.runs.checkpoint import Checkpoints
from hnet_bench.runs.deadline import Deadline
from hnet_bench.runs.events import Observer, ignore
from hnet_bench.runs.learning import Learning
from hnet_bench.runs.provenance import Circumstances, command_line, provenance, strategy_sum
from hnet_bench.runs.record import NO_ARRAYS, Record, check_scores, is_number
from hnet_bench.runs.revisions import loaded_from_elsewhere, revisions_of
from hnet_bench.runs.sharing import Sharing
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.trainings import trainings_of

_THREADS = 1


def run(spec: RunSpec, **options: Any) -> Record:
    """Trains and evaluates as the spec says; the record alone. Options are those of `run_with_artefacts`."""
    return run_with_artefacts(spec, **options)[0]


def run_with_artefacts(
    spec: RunSpec,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    observer: Observer = ignore,
    command: str | None = None,
    checkpoints: Checkpoints | None = None,
    loggers: Loggers | None = None,
    deadline: Deadline | None = None,
    sharing: Sharing | None = None,
) -> tuple[Record, bytes | None]:
    """Trains and evaluates as the spec says; returns the record, and a NumPy archive of the arrays to keep beside it.

    `device` is "cpu" or "cuda"; `folder` holds the data sets (default: the user's data folder); `command` is what the
    record says it was made by (default: this process's). With `checkpoints` it goes on where an earlier process left
    off, and leaves checkpoints itself. `loggers` are told how it goes. With `sharing` it takes trainings from other
    runs, and leaves its own to them.
    Raises UserError for what the user can mend, and Stopped if it had to leave off at the deadline.
    """
    started = datetime.now(timezone.utc)
    # Now, since a user's file may be edited while it lasts; whoever builds its strategy reads it again.
    revisions, trainings, strategy_sha256 = revisions_of(spec), trainings_of(spec), strategy_sum(spec.build_strategy())
    torch.set_num_threads(_THREADS)
    learning = Learning(
        spec,
        device=device,
        folder=folder,
        observer=observer,
        checkpoints=checkpoints,
        loggers=loggers,
        deadline=deadline,
        sharing=sharing,
    )
    _check_loaded(spec)
    learning.learn()
    template, progress = learning.template, learning.progress
    _check_diagnostics(template.diagnostics)
    archive = _archive(learning.artefacts())
    counts = template.parameter_counts()
    inference = [row for row in progress.task_inference if row is not None]
    record = Record(
        run_id=spec.run_id,
        spec=spec.to_json(),
        score=progress.score,
        untrained=progress.untrained or None,
        task_inference=inference if len(inference) == len(progress.score) else None,
        parameters={**counts, "compression_ratio": counts["trained"] / counts["target"]},
        seconds={"train": progress.train, "evaluate": progress.evaluate, "total": round(progress.elapsed, 3)},
        peak_memory_bytes=progress.peak_memory_bytes,
        data=learning.data_sums,
        revisions=revisions,
        diagnostics=dict(template.diagnostics),
        measured=learning.measured(),
        trainings=[
            {
                "name": one.name,
                "digest": one.digest,
                "shared": one.name in progress.saved,
                "seconds": round(progress.training.get(one.name, 0.0), 3),
                "saved": round(progress.saved.get(one.name, 0.0), 3),
            }
            for one in trainings
        ],
        provenance={
            **provenance(
                Circumstances(
                    strategy_sha256=strategy_sha256,
                    device=device,
                    threads=_THREADS,
                    command=command or command_line(),
                    started=started,
                )
            ),
            "resumes": progress.resumes,
        },
    )
    check_scores(record.score, f"run {spec.run_id}", schedule=spec.protocol.evaluation)
    return replace(record, arrays=hashlib.sha256(archive).hexdigest() if archive else NO_ARRAYS), archive


def _check_loaded(spec: RunSpec) -> None:
    if found := loaded_from_elsewhere(spec):
        own, loaded = found
        raise UserError(f"{own} is not what Python imports, which is {loaded} of the same name: rename one.")


def _check_diagnostics(found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        if not is_number(value):
            raise UserError(f"The strategy's diagnostic '{name}' is no number to keep: found {value!r:.100}.")


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises UserError for another name or if there is no CUDA device."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"Unknown device '{name}': expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("Device 'cuda' was asked for, but torch finds none here: use --device cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _archive(arrays: dict[str, Any]) -> bytes | None:
    if not arrays:
        return None
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise UserError(f"The strategy's array '{name}' holds Python objects: expected numbers.")
    buffer = BytesIO()
    numpy.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
