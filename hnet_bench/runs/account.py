"""What a run keeps and takes beside its scores, from what was measured of it (`avalanche_adapter.measured`)."""

from __future__ import annotations

from collections.abc import Mapping

from hnet_bench.runs.record import Record

_FLOAT_BYTES = 4

# Names in JSON and in frames.
ACCOUNT = (
    "stored_samples",  # training samples kept from one experience to the next, the most after any
    "stored_bytes",  # of these
    "kept_bytes",  # of all that is kept so, networks and stored samples included; state of optimisers does not count
    "held_bytes",  # the same while it learns, old copies and generated samples included, the most in any experience
    "network_bytes",  # of the network that the protocol asks for
    "samples",  # in the batches of training
    "operations",  # floating-point operations of all training, as `avalanche_adapter.operations` counts them
    "relative_operations",  # over those of as many steps of the protocol's network by itself
)


def account(record: Record) -> Mapping[str, float | None]:
    """The account of a run, every number None where the record is older than bytes and operations; those of stored
    samples where inputs have too few values to be recognised."""
    measured = record.measured
    if measured is None or "operations" not in measured:
        return dict.fromkeys(ACCOUNT)
    kept = measured["kept"]
    recognised = all(one["samples"] is not None for one in kept)
    operations = sum(measured["operations"])
    numbers = (
        max(one["samples"] for one in kept) if recognised else None,
        max(one["sample_bytes"] for one in kept) if recognised else None,
        max(one["bytes"] for one in kept),
        max(measured["held_bytes"]),
        _FLOAT_BYTES * measured["network"],
        sum(measured["samples"]),
        operations,
        operations / (record.protocol.all_steps(len(kept)) * measured["step_operations"]),
    )
    return dict(zip(ACCOUNT, numbers, strict=True))
