"""Where a run left the protocol of its table, or what it says of itself: decided by what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hnet_bench import catalog
from hnet_bench.interfaces import Settings, TrainingProtocol
from hnet_bench.runs.record import Record

# Upper bounds: what they are for is training on all data seen, which they keep.
_KEEP_ALL = ("joint", "multi_task")
# Densities of inputs in place of a classifier, which nothing in the protocol's network compares with.
_NO_CLASSIFIER = ("generative_classifier",)
# What small numbers beside a network, such as running statistics of its inputs, may add to what it answers with.
_SLACK = 1.1
# A method that replays may have as many samples beside those of the present experience.
_REPLAYED = 2
# From this share of the training samples until then on it is not a choice of them that is kept, but the data.
_SHARE_KEPT = 0.5


@dataclass(frozen=True)
class Departure:
    """One respect in which a run did something else: how it trained, what it keeps, or what it counts."""

    respect: Literal["training", "keeping", "counting"]
    what: str  # a clause about the strategy


def departures(
    *, strategy: str, protocol: TrainingProtocol, parameters: Settings, measured: Settings | None
) -> list[Departure]:
    """All departures of a run by a strategy of this name. None where nothing was measured."""
    if measured is None:
        return []
    found = {
        "training": [
            *_other_steps(protocol, measured),
            *_other_rates(protocol, measured),
            *_size(strategy, parameters, measured),
        ],
        "keeping": [*_data_kept(strategy, parameters, measured), *_uncounted_answers(parameters, measured)],
        "counting": _miscounted(parameters, measured),
    }
    return [Departure(respect, what) for respect, ones in found.items() for what in ones]  # type: ignore[arg-type]


def departures_of(record: Record) -> list[Departure]:
    """All departures of the run behind a record."""
    if record.measured is None:
        return []
    return departures(
        strategy=record.spec["strategy"]["name"],
        protocol=record.protocol,
        parameters=record.parameters,
        measured=record.measured,
    )


def counted(parameters: Settings) -> int:
    """All trained parameters that a strategy counts, whatever they are for; without those of networks that are
    generated, and without what is stored."""
    apart = ("target", "compression_ratio")
    return sum(
        number for name, number in parameters.items() if not name.endswith(apart) and not name.startswith("stored")
    )


def _other_steps(protocol: TrainingProtocol, measured: Settings) -> list[str]:
    experiences = len(measured["steps"])
    asked = protocol.all_steps(experiences)
    taken, updates, samples = (sum(measured[name]) for name in ("steps", "updates", "samples"))
    if taken != asked:
        return [f"takes {taken} optimiser steps in all, and the protocol has {asked}"]
    if updates > _SLACK * asked * measured["trained"]:
        return [
            f"updates parameters {updates} times, which is more than {asked} steps of the {measured['trained']} kept"
        ]
    if samples > _REPLAYED * asked * (protocol.batch_size + experiences):
        return [f"trains on {samples} samples, and {asked} batches of the protocol have {asked * protocol.batch_size}"]
    return []


def _other_rates(protocol: TrainingProtocol, measured: Settings) -> list[str]:
    found = []
    if others := sorted({*measured["optimisers"]} - {protocol.optimiser}):
        found.append(f"takes steps of {' and '.join(others)}, and the protocol's are {protocol.optimiser}'s")
    factors = [1.0, *(factor for _, factor in protocol.learning_rate_steps)]
    least, largest = min(factors) * protocol.learning_rate, max(factors) * protocol.learning_rate
    if any(not 0.999999 * least <= rate <= 1.000001 * largest for rate in measured["learning_rates"]):
        used = " to ".join(f"{rate:g}" for rate in dict.fromkeys(measured["learning_rates"]))
        found.append(f"trains with a learning rate of {used}, and the protocol's is {protocol.learning_rate:g}")
    return found


def _size(strategy: str, parameters: Settings, measured: Settings) -> list[str]:
    if strategy in _NO_CLASSIFIER:
        return []
    network = measured["network"]
    if parameters["target"] > network:
        return [f"has a target network of {parameters['target']} parameters, and the protocol's has {network}"]
    if parameters["trained"] > _SLACK * network and not _any_size(strategy):
        return [f"trains {parameters['trained']} parameters, and the protocol's network has {network}"]
    return []


def _any_size(strategy: str) -> bool:
    """Whether it is one of ours that says so: of others nothing that they say of themselves plays a part."""
    package = catalog.names("strategies").get(strategy, "").partition(".")[0]
    return package in catalog.OURS and bool(getattr(catalog.strategy_class(strategy), "any_size", False))


def _data_kept(strategy: str, parameters: Settings, measured: Settings) -> list[str]:
    if strategy in _KEEP_ALL:
        return []
    given = 0
    for experience, (kept, new) in enumerate(zip(measured["kept"], measured["given"], strict=True)):
        given += new
        samples = kept["samples"] or 0
        told = samples * measured["inputs"] <= _SLACK * parameters.get("stored_values", 0)
        if experience > 0 and samples >= _SHARE_KEPT * given and not told:
            return [f"keeps {samples} of the {given} training samples until then, without counting stored_values"]
    return []


def _uncounted_answers(parameters: Settings, measured: Settings) -> list[str]:
    told = counted(parameters) + parameters.get("stored_values", 0)
    used = measured["answers_with"]
    if used == measured["trained"]:  # whether these are counted is asked apart
        return []
    return [f"answers with {used} numbers that it keeps, and counts {told}"] if used > _SLACK * told else []


def _miscounted(parameters: Settings, measured: Settings) -> list[str]:
    trained, told = measured["trained"], counted(parameters)
    return [f"trains {trained} parameters, and counts {told}"] if trained > told else []
