"""A record describes itself: its schema ships with the package, and loading agrees with it."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnet_bench.interfaces import UserError
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.migration import Newer
from hnet_bench.runs.record import SCHEMA, SCHEMA_FILE, Record, check_scores
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import read_record

COMMITTED = sorted((Path(__file__).parents[2] / "results").rglob("*.json"))
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


def accepted(content):
    try:
        Record.from_json(content, where="a test")
    except UserError:
        return False
    return True


def sealed(content):
    """With the checksum that the content should have."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    return {**body, "sha256": checksum(body)}


def test_the_schema_is_a_schema_and_knows_every_field():
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(schema["required"]) == {*Record.__dataclass_fields__, "schema", "sha256"}
    assert schema["properties"]["schema"] == {"const": SCHEMA}


def test_every_committed_record_is_sound_and_fits_the_schema_after_migration():
    """And its spec still gives its run id: a field that was added to a protocol, a benchmark or a strategy must not
    orphan what was measured before."""
    assert len(COMMITTED) > 100
    for path in COMMITTED:
        content = json.loads(path.read_text())
        record = read_record(path)  # which knows where it belongs
        VALIDATOR.validate(record.to_json())
        assert record.score == content["score"]
        assert record.untrained == content["untrained"]
        assert record.provenance["dirty"] is False
        assert RunSpec.from_json(content["spec"]).run_id == content["run_id"], path


def test_a_record_is_read_back_with_its_checksum(spec_of, record_of):
    record = record_of(spec_of(), score=[[0.1 + 0.2]], untrained=[1 / 3])
    content = json.loads(json.dumps(record.to_json(), indent=1))
    VALIDATOR.validate(content)
    assert content["sha256"] == checksum({key: value for key, value in content.items() if key != "sha256"})
    assert Record.from_json(content, where="a test") == record


def test_a_record_of_schema_1_is_refused_since_nothing_says_whether_it_was_changed(spec_of, record_of):
    old = {**record_of(spec_of()).to_json(), "schema": 1}
    for content in (old, sealed(old), {key: value for key, value in old.items() if key != "sha256"}):
        with pytest.raises(UserError, match="a test is of schema 1, which had no checksum"):
            Record.from_json(content, where="a test")


def test_a_record_of_a_later_schema_is_not_called_damaged(spec_of, record_of):
    later = sealed({**record_of(spec_of()).to_json(), "schema": SCHEMA + 1})
    with pytest.raises(Newer, match=f"a test has schema {SCHEMA + 1}, and this .* reads records up to {SCHEMA}"):
        Record.from_json(later, where="a test")


def test_a_record_of_schema_2_keeps_its_checksum(spec_of, record_of):
    new = {"revisions", "arrays", "measured", "trainings"}
    content = {key: value for key, value in record_of(spec_of()).to_json().items() if key not in new}
    old = sealed({**content, "schema": 2})
    before = copy.deepcopy(old)
    assert Record.from_json(old, where="a test") == record_of(spec_of())
    assert old == before
    old["score"][1][1] = 0.99
    with pytest.raises(UserError, match="does not fit its sha256"):
        Record.from_json(old, where="a test")
    del old["sha256"]
    with pytest.raises(UserError, match="schema 2 needs a sha256"):
        Record.from_json(old, where="a test")
    with pytest.raises(UserError, match="schema 2 has no revisions"):
        Record.from_json(sealed({**old, "revisions": {}}), where="a test")


MEASURED = {
    "steps": [5, 5],
    "updates": [500, 500],
    "samples": [80, 80],
    "learning_rates": [0.001, 0.001],
    "optimisers": ["Adam"],
    "given": [20, 20],
    "kept": [{"networks": 100, "other": 0, "samples": 0}, {"networks": 100, "other": 0, "samples": 0}],
    "inputs": 12,
    "network": 100,
    "trained": 100,
    "answers_with": 100,
}


def test_a_record_of_schema_4_has_no_trainings_and_may_have_measured_no_bytes(spec_of, record_of):
    now = record_of(spec_of(), measured=MEASURED)
    content = {key: value for key, value in now.to_json().items() if key != "trainings"}
    old = sealed({**content, "schema": 4})
    assert Record.from_json(old, where="a test") == now
    assert now.trainings is None
    with pytest.raises(UserError, match="schema 4 has no trainings"):
        Record.from_json(sealed({**old, "trainings": []}), where="a test")


def test_a_record_says_which_trainings_it_shares_and_what_it_keeps_in_bytes(spec_of, record_of):
    training = {"name": "replay", "digest": "0123456789ab", "shared": True}
    kept = [{"networks": 100, "other": 24, "samples": 2, "bytes": 496, "sample_bytes": 96}] * 2
    new = {"kept": kept, "held_bytes": [496, 896], "operations": [10**12, 0], "step_operations": 10**9}
    measured = {**MEASURED, **new}
    record = record_of(spec_of(), measured=measured, trainings=[training, {**training, "seconds": 1.5}])
    assert Record.from_json(json.loads(json.dumps(record.to_json())), where="a test") == record
    for wrong in ({**training, "more": 1}, {"name": "replay", "digest": "0"}, {**training, "seconds": "1"}):
        with pytest.raises(UserError, match="trainings"):
            Record.from_json(record_of(spec_of(), trainings=[wrong]).to_json(), where="a test")


GAPS = [[0.9, None], [0.5, 0.7]]


@pytest.mark.parametrize(
    ("evaluation", "score", "sound"),
    [
        ("all", [[0.9, 0.1], [0.5, 0.7]], True),
        ("all", GAPS, False),
        ("diagonal_and_final", GAPS, True),
        ("diagonal_and_final", [[0.9, 0.1], [0.5, 0.7]], False),
        ("diagonal_and_final", [[0.9, None], [None, 0.7]], False),
        ("diagonal_and_final", [[None, None], [0.5, 0.7]], False),
    ],
)
@pytest.mark.parametrize("matrix", ["score", "task_inference"])
def test_a_matrix_has_gaps_just_where_the_schedule_does_not_evaluate(
    spec_of, record_of, evaluation, score, sound, matrix
):
    spec = spec_of(protocol={"iterations": 5, "evaluation": evaluation})
    assert ("evaluation" in spec.to_json()["protocol"]) == (evaluation != "all")  # so that earlier run ids stay
    whole = GAPS if evaluation != "all" else [[0.9, 0.1], [0.5, 0.7]]
    content = record_of(spec, **{"score": whole, matrix: score}).to_json()
    assert VALIDATOR.is_valid(content)
    assert accepted(json.loads(json.dumps(content))) == sound


@pytest.mark.parametrize("value", [True, "0.9", None, float("nan"), float("inf"), [0.9], 1j])
def test_what_is_no_finite_number_is_no_score(value):
    check_scores([[1, 0.5], [0.25, 0]], "a test", schedule="all")
    with pytest.raises(UserError, match="a test has no sound score matrix: expected T rows of T finite numbers"):
        check_scores([[1, 0.5], [0.25, value]], "a test", schedule="all")


@pytest.mark.parametrize("schema", [0, "2", None, True, 1.5])
def test_an_unknown_schema_is_refused(spec_of, record_of, schema):
    with pytest.raises(UserError, match=f"a test is not a record: expected schema 2, .* or {SCHEMA}, found "):
        Record.from_json({**record_of(spec_of()).to_json(), "schema": schema}, where="a test")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.sampled_from(["", "x", "class"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "a"]), inner, max_size=2),
    max_leaves=4,
)
PLACES = st.sampled_from(
    [
        ("schema",), ("run_id",), ("spec",), ("spec", "seed"), ("spec", "benchmark"), ("spec", "benchmark", "name"),
        ("spec", "scenario"), ("score",), ("score", 0), ("score", 0, 0), ("untrained",), ("task_inference",),
        ("parameters", "trained"), ("seconds",), ("seconds", "train"), ("seconds", "total"), ("peak_memory_bytes",),
        ("data",), ("diagnostics",), ("provenance",), ("provenance", "dirty"), ("more",), ("spec", "more"),
    ]
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
@given(place=PLACES, value=JSON, remove=st.booleans())
def test_loading_accepts_what_the_schema_accepts_and_what_only_code_can_say(spec_of, record_of, place, value, remove):
    content = json.loads(json.dumps(record_of(spec_of()).to_json()))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if remove and not isinstance(inner, list):
        inner.pop(place[-1], None)
    else:
        inner[place[-1]] = value
    content = sealed(content)
    score, spec = content.get("score"), content.get("spec")
    # The spec has the usual schedule, which leaves no gaps.
    inferred = content.get("task_inference")
    square = VALIDATOR.is_valid(content) and all(
        len(row) == len(matrix) and None not in row for matrix in (score, inferred or []) for row in matrix
    )
    counted = square and all(
        len(found) == len(score) for found in (content["untrained"], inferred) if found is not None
    )
    fits = (
        counted
        and content["run_id"]
        == f"seed{spec['seed']}-" + checksum({key: value for key, value in spec.items() if key != "seed"})[:12]
    )
    assert accepted(content) == fits
