"""A run that is done once more from its record: which record is meant, its spec by the present code, and the run."""

from __future__ import annotations

import os
import random
import shlex
from dataclasses import dataclass
from pathlib import Path

from hnet_bench.interfaces import UserError
from hnet_bench.runs.compare import Comparison, different_settings
from hnet_bench.runs.events import Observer
from hnet_bench.runs.process import Died, Failed, in_own_process, quiet_libraries
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """A run and its repetition."""

    path: Path
    spec: RunSpec
    record: Record
    again: Record
    found: Comparison
    errors: bool  # whether scores are errors rather than accuracies

    @property
    def verdict(self) -> str:
        """ "identical", "within tolerance" or "different"."""
        return self.found.verdict


def draw(number: int, seed: int, store: Store) -> list[Path]:
    """Files of so many different records, each as likely as any other; the same for the same seed and file names.

    Raises UserError if there are not so many.
    """
    paths = store.record_files()
    if len(paths) < number:
        found = f"{len(paths)} record{'' if len(paths) == 1 else 's'}"
        raise UserError(f"Below {store.root} {number} cannot be drawn: found {found}.")
    return random.Random(seed).sample(paths, number)


def find(run: str, store: Store) -> Path:
    """The file of a record, from its path or the beginning of its run id. Raises UserError if that is not one."""
    if run.endswith(".json"):
        if not os.path.isfile(run):
            raise UserError(f"There is no record {run}.")
        return Path(run)
    start = run.rstrip(".")
    matching = [path for path in store.record_files() if path.stem.startswith(start)]
    # A whole run id is meant as it stands, though the digits of another might begin like it.
    matching = [path for path in matching if path.stem == start] or matching
    if not matching:
        raise UserError(f"There is no record of a run '{run}' below {store.root}: hnet-bench trace shows the run ids.")
    if len(matching) > 1:
        shown = ", ".join(str(path) for path in matching[:5]) + (" ..." if len(matching) > 5 else "")
        raise UserError(f"{len(matching)} records are of a run '{run}...': give more digits or one of {shown}.")
    return matching[0]


def spec_of(record: Record, path: Path) -> RunSpec:
    """The spec of a record. Raises UserError if the present code would run something else.

    Where the sweep found a user's file it is found again: beside the table that the record's command names, from here
    or from where the results are.
    """
    command = str(record.provenance.get("command", ""))
    try:
        words = shlex.split(command)
    except ValueError:  # of a record that was made when commands were not quoted
        words = command.split()
    tables = [Path(word).parent for word in words if word.endswith(".toml")]
    home = path.resolve().parents[3].parent
    folders = list(dict.fromkeys([*tables, *(home / table for table in tables)]))
    spec = RunSpec.from_json(record.spec, folders=folders, where=f"the record {path}")
    if spec.run_id != record.run_id:
        names = ", ".join(different_settings(record.spec, spec.to_json()))
        raise UserError(f"{path} cannot be repeated: the present code has other settings than the record ({names}).")
    return spec


def repeat(spec: RunSpec, *, name: str, device: str, folder: Path | None, hear: Observer) -> Record:
    """The record of a run that is stored nowhere. Raises UserError if the run fails or takes its process with it."""
    try:
        # As in a sweep, whatever was repeated before in this process and whatever its strategy left.
        again: Record = in_own_process(_run, spec, device, folder, hear=hear)
    except (Died, Failed) as failure:
        raise UserError(f"{name} cannot be repeated: {str(failure).rstrip('.')}.") from failure
    return again


def _run(spec: RunSpec, device: str, folder: Path | None, observer: Observer) -> Record:
    """In the process of the run."""
    with quiet_libraries():
        from hnet_bench.runs.run import resolve_device, run

        return run(spec, device=resolve_device(device), folder=folder, observer=observer)
