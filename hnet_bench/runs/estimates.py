"""What runs are expected to cost: what the records of a store tell, or else a probe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hnet_bench.interfaces import UserError
from hnet_bench.runs.cost import Estimate, costs_of_store
from hnet_bench.runs.process import Died, Failed, in_own_process, quiet_libraries
from hnet_bench.runs.provenance import cpu_name
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store


def expects_gpu(device: str) -> bool:
    """Whether runs on a device, "auto", "cpu" or "cuda", will go to a GPU, as far as can be told without torch."""
    return device == "cuda" or (device == "auto" and Path("/proc/driver/nvidia/version").exists())


def estimator(
    store: Store,
    device: str,
    *,
    folder: Path | None,
    probe_unless: tuple[str, ...] | None,
    announce: Callable[[str], None],
) -> Callable[[RunSpec], Estimate | None]:
    """Estimates by cell. What no record tells of at least as well as `probe_unless` says is probed (None: nothing),
    with the data of `folder`, after `announce` is told. Raises UserError for what cannot be probed."""
    costs = costs_of_store(store, gpu=expects_gpu(device), cpu=cpu_name())
    known: dict[str, Estimate | None] = {}

    def estimate(spec: RunSpec) -> Estimate | None:
        if spec.cell_key in known:
            return known[spec.cell_key]
        found = costs.estimate(spec)
        if probe_unless is not None and (found is None or found.basis not in probe_unless):
            announce(f"Probing {spec.strategy} on {spec.benchmark} in {spec.scenario.label} ...")
            try:
                found = in_own_process(_probed, spec, device, folder)
            except (Died, Failed, UserError) as failure:
                what = f"{spec.strategy} on {spec.benchmark} in {spec.scenario.label}"
                raise UserError(f"{what} cannot be probed: {str(failure).rstrip('.')}.") from failure
        known[spec.cell_key] = found and replace(found, shares=costs.shares(spec))
        return known[spec.cell_key]

    return estimate


def _probed(spec: RunSpec, device: str, folder: Path | None) -> Estimate:
    """In a process of its own, as its runs have."""
    with quiet_libraries():
        from hnet_bench.runs.probe import probe
        from hnet_bench.runs.run import resolve_device

        return probe(spec, device=resolve_device(device), folder=folder)
