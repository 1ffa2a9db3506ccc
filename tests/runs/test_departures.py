"""Where a run left the protocol: decided by what was measured, for each respect by itself."""

from dataclasses import replace

import pytest

from hnet_bench import catalog
from hnet_bench.interfaces import TrainingProtocol
from hnet_bench.runs.departures import departures, departures_of
from hnet_bench.runs.run import run

PROTOCOL = TrainingProtocol(iterations=100, batch_size=10, learning_rate=0.01, hidden_units=(20,))
HONEST = {
    "steps": [100, 100],
    "updates": [50_000, 50_000],
    "samples": [1000, 1000],
    "learning_rates": [0.01, 0.01],
    "optimisers": ["Adam"],
    "given": [400, 400],
    "kept": [{"networks": 500, "other": 0, "samples": 0}, {"networks": 500, "other": 0, "samples": 0}],
    "inputs": 12,
    "network": 500,
    "trained": 500,
    "answers_with": 500,
}
COUNTS = {"trained": 500, "target": 500, "compression_ratio": 1.0}


def found(strategy="mine.py:Mine", counts=None, protocol=PROTOCOL, **measured):
    return [
        (one.respect, one.what)
        for one in departures(
            strategy=strategy,
            protocol=protocol,
            parameters={**COUNTS, **(counts or {})},
            measured={**HONEST, **measured},
        )
    ]


def keeping(samples):
    return [{"networks": 500, "other": 12 * count, "samples": count} for count in samples]


def test_an_honest_run_departs_in_nothing():
    assert found() == []
    # What is allowed: all steps in the end, a replayed sample beside each, copies that do not answer, a few samples.
    assert found(steps=[0, 200]) == []
    assert found(samples=[1000, 2000]) == []
    assert found(kept=[{"networks": 1500, "other": 5000, "samples": 40}] * 2) == []
    scheduled = replace(PROTOCOL, learning_rate_steps=((0.5, 0.1),), later_iterations=50)
    assert found(protocol=scheduled, steps=[100, 50], updates=[50_000, 25_000], learning_rates=[0.001, 0.01]) == []


@pytest.mark.parametrize(
    ("measured", "clause"),
    [
        ({"steps": [100, 101]}, "takes 201 optimiser steps in all, and the protocol has 200"),
        ({"steps": [100, 99]}, "takes 199 optimiser steps in all"),
        ({"updates": [50_000, 70_000]}, "updates parameters 120000 times"),
        ({"samples": [2000, 3000]}, "trains on 5000 samples, and 200 batches of the protocol have 2000"),
        ({"learning_rates": [0.01, 0.02]}, "a learning rate of 0.01 to 0.02, and the protocol's is 0.01"),
        ({"learning_rates": [0.001, 0.01]}, "a learning rate of 0.001 to 0.01"),
        ({"optimisers": ["Adam", "SGD"]}, "takes steps of SGD, and the protocol's are Adam's"),
    ],
)
def test_other_training_than_the_protocols(measured, clause):
    ((respect, what),) = found(**measured)
    assert respect == "training"
    assert clause in what


def test_a_larger_network():
    large = {"trained": 2500, "answers_with": 2500, "updates": [250_000, 250_000]}
    assert found(counts={"trained": 2500, "target": 2500}, **large) == [
        ("training", "has a target network of 2500 parameters, and the protocol's has 500")
    ]
    assert found(counts={"trained": 2500}, **large) == [
        ("training", "trains 2500 parameters, and the protocol's network has 500")
    ]
    assert found(strategy="from_scratch", counts={"trained": 2500}, **large) == []
    assert found(strategy="generative_classifier", counts={"trained": 2500, "target": 2500}, **large) == []
    assert found(counts={"target": 10**9}) == [
        ("training", "has a target network of 1000000000 parameters, and the protocol's has 500")
    ]


def test_what_generates_networks_may_be_of_any_size_if_it_is_ours(monkeypatch):
    large = {"trained": 2500, "answers_with": 2500, "updates": [250_000, 250_000]}
    for name, reference in catalog.names("strategies").items():
        departed = found(strategy=name, counts={"trained": 2500}, **large)
        generates = name != "hnet_r" and name.startswith(("hnet", "hint", "hypermask", "posterior_replay"))
        assert bool(departed) != (generates or name in ("from_scratch", "generative_classifier")), reference
    # Another package's may say what it likes.
    foreign = type("Foreign", (), {"any_size": True})
    monkeypatch.setattr(catalog, "names", lambda kind: {"foreign": "mine:Foreign"})
    monkeypatch.setattr(catalog, "strategy_class", lambda name: foreign)
    assert found(strategy="foreign", counts={"trained": 2500}, **large)


def test_samples_that_are_kept_without_being_counted():
    assert found(kept=keeping([400, 400])) == [
        ("keeping", "keeps 400 of the 800 training samples until then, without counting stored_values")
    ]
    assert found(kept=keeping([400, 399])) == []  # a choice
    assert found(kept=keeping([400, 800]), counts={"stored_values": 800 * 13}) == []
    assert found(strategy="joint", kept=keeping([400, 800])) == []


def test_networks_that_answer_without_being_counted():
    assert found(answers_with=1500) == [("keeping", "answers with 1500 numbers that it keeps, and counts 500")]
    assert found(answers_with=1500, counts={"stored_values": 1000}) == []
    assert found(counts={"trained": 1}) == [("counting", "trains 500 parameters, and counts 1")]


def test_records_from_before_this_was_measured_depart_in_nothing():
    assert departures(strategy="finetune", protocol=PROTOCOL, parameters=COUNTS, measured=None) == []


@pytest.mark.parametrize("strategy", ["finetune", "joint", "hnet_ent", "icarl", "dgr"])
def test_the_record_of_a_run_holds_what_was_measured(strategy, spec_of):
    record = run(spec_of(strategy=strategy, protocol={"iterations": 20, "batch_size": 16, "hidden_units": [24]}))
    assert record.measured is not None
    assert record.measured["steps"] == [20, 20, 20]
    replayed = 320 if strategy == "dgr" else 0
    assert record.measured["samples"] == [320, 320 + replayed, 320 + replayed]
    assert record.measured["given"] == [200, 200, 200]
    assert record.measured["network"] == 12 * 24 + 24 + 24 * 6 + 6
    kept = [one["samples"] for one in record.measured["kept"]]
    assert kept == ([200, 400, 600] if strategy in ("joint", "icarl") else [0, 0, 0])
    assert departures_of(record) == []
    assert type(record).from_json(record.to_json(), where="a test") == record
