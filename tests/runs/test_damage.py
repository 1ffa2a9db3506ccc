"""What stands in the place of a record and is none is named, loses nothing, and stops no command."""

import copy
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.cli import main
from hnet_bench.interfaces import LARGEST, Scenario, Settings, UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.checkpoint import Checkpoints, steps_kept
from hnet_bench.runs.files import read_regular
from hnet_bench.runs.merge import merge
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import MOST_BYTES, MOST_BYTES_OF_ARRAYS, Store, to_bytes

TABLE = """
title = "Damage"
seeds = "1-40"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 5 }
[[rows]]
name = "finetune"
settings = "tiny"
[rows.CL1]
strategy = "finetune"
reported = { mean = 70.0, spread = 0.5, spread_kind = "sem", n = 20, margin = 2.0, known = "verified", note = "read" }
"""
SCORES = [[0.9, 0.5, 0.5], [0.8, 0.9, 0.5], [0.7, 0.7, 0.7]]  # the synthetic benchmark has three experiences
TOO_LARGE = 10**400


def sealed(content):
    body = {key: value for key, value in content.items() if key != "sha256"}
    return {**body, "sha256": checksum(body)}


def with_number(*place, value):
    """The text of a record with a value in one place, under a checksum that fits it where JSON has one."""

    def text(content):
        inner: Any = content
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        return json.dumps(sealed(content))

    return text


def beyond_floats(*place):
    """The same with a number that is read as infinite; such a record has no checksum."""
    marked = with_number(*place, value=12345678901234567890)
    return lambda content: marked(content).replace("12345678901234567890", "1e400")


def inserted(content):
    """A sound record, then one character more."""
    content["peak_memory_bytes"] = 1073741824
    return json.dumps(sealed(content)).replace("1073741824", "1e073741824")


def resized(content):
    return json.dumps(sealed({**content, "score": [[0.9, 0.1], [0.7, 0.7]]}))


CONTENT: dict[str, Callable[[Settings], str]] = {
    "score, integer": with_number("score", 0, 0, value=TOO_LARGE),
    "score, float": beyond_floats("score", 0, 0),
    "untrained": with_number("untrained", value=[TOO_LARGE, 0.5, 0.5]),
    "task inference": with_number("task_inference", value=[[TOO_LARGE] * 3] * 3),
    "seconds": with_number("seconds", "total", value=TOO_LARGE),
    "seconds of an experience": beyond_floats("seconds", "train", 0),
    "parameters": with_number("parameters", "trained", value=TOO_LARGE),
    "compression": beyond_floats("parameters", "compression_ratio"),
    "memory": with_number("peak_memory_bytes", value=-TOO_LARGE),
    "diagnostics": with_number("diagnostics", value={"drawn": TOO_LARGE}),
    "provenance": with_number("provenance", "threads", value=TOO_LARGE),
    "deep in the provenance": with_number("provenance", "resumes", value=[{"step": [TOO_LARGE]}]),
    "diagnostics that are no numbers": with_number("diagnostics", value={"drawn": "many"}),
    "diagnostics that are a list": with_number("diagnostics", value={"drawn": [1]}),
    "task inference of another size": with_number("task_inference", value=[[1.0]]),
    "untrained of another size": with_number("untrained", value=[0.5]),
    "a character inserted": inserted,
    "a matrix of another size": resized,
}


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as here:
        os.chdir(path.parent)  # a socket's path may be no longer than 107 bytes
        here.bind(path.name)


def holes(path):
    path.touch()
    os.truncate(path, 10 * 2**30)


def device(path):
    path.symlink_to("/dev/zero")


PLACES: dict[str, Callable[[Path], None]] = {
    "a pipe": pipe,
    "a socket": listening,
    "a file with holes": holes,
    "a device": device,
    "a folder": Path.mkdir,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TABLE)
    return tmp_path


def spec_with(seed):
    return resolve_cell(load_table("mine.toml").cells[0], seed)


def put(store, seed, record_of):
    return store.write(spec_with(seed), record_of(spec_with(seed), score=SCORES))


def damage_everything(store, record_of):
    """Files of sound records, and the paths of what is damaged: one seed for each kind."""
    sound = [put(store, seed, record_of) for seed in range(1, 7)]
    broken = []
    for seed, damage in enumerate(CONTENT.values(), start=10):
        path = put(store, seed, record_of)
        path.write_text(damage(copy.deepcopy(record_of(spec_with(seed), score=SCORES).to_json())))
        broken.append(path)
    here = Path.cwd()
    for index, stand_in in enumerate(PLACES.values()):
        broken.append(store.path(spec_with(30 + index)))
        stand_in(broken[-1])
        # And in the place of the arrays beside a sound record.
        broken.append(sound[index].with_suffix(".npz"))
        stand_in(broken[-1])
        os.chdir(here)
    return sound, broken


def misfit(broken):
    """The record that only its neighbours show to be damaged."""
    return broken[list(CONTENT).index("a matrix of another size")]


def commands(other):
    return [
        ["status", "mine.toml"],
        ["status", "mine.toml", "--json"],
        ["verify", "mine.toml"],
        ["trace", "mine.toml", "finetune", "CL1"],
        ["plan", "mine.toml"],
        ["report", "mine.toml", "--html"],
        ["figures", "mine.toml"],
        ["list"],
        ["merge", other],
    ]


def test_every_command_goes_on_beside_every_damage_and_names_it(folder, record_of, capsys):
    store, other = Store(folder / "results"), Store(folder / "other")
    sound, broken = damage_everything(store, record_of)
    put(other, 7, record_of)
    before = {path: path.read_bytes() for path in sound}
    there = {path: path.lstat().st_ino for path in broken}
    for command in commands("other"):
        assert main(command) == 0, command
        captured = capsys.readouterr()
        if command[0] in ("status", "verify", "trace", "report"):
            assert [path.name for path in broken if path.name not in captured.err] == [], command
    assert {path: path.read_bytes() for path in sound} == before
    # Merging set aside, under another name, what it could read and found damaged.
    kept = {path.lstat().st_ino for path in store.path(spec_with(1)).parent.iterdir()}
    assert {path.name for path, number in there.items() if number not in kept and not path.exists()} <= {
        path.name for path in broken[: len(CONTENT)]
    }
    assert (
        len(list((folder / "results").rglob("*.json.damaged-*"))) >= len(CONTENT) - 1
    )  # the misfit is sound by itself
    assert store.done_seeds(spec_with(1)) == (1, 2, 3, 4, 5, 6, 7)


def test_a_store_of_damage_can_be_merged_into_another(folder, record_of):
    damaged, ours = Store(folder / "damaged"), Store(folder / "results")
    _, broken = damage_everything(damaged, record_of)
    put(ours, 7, record_of)
    before = {path.name: path.lstat().st_ino for path in broken}
    for _ in range(2):
        found = merge(damaged.root, ours.root)
        named = {path.name for path, _ in found.unreadable}
        named |= {f"{path.name.partition('.')[0]}.json" for path, _ in found.damaged}
        # By itself the matrix of another size is sound, and folders that are named like files are none of a store's.
        expected = [path for path in broken if path != misfit(broken) and not path.is_dir()]
        assert [path.name for path in expected if path.name not in named] == []
    assert set(ours.done_seeds(spec_with(1))) >= {1, 2, 3, 4, 5, 6, 7}
    assert {path.name: path.lstat().st_ino for path in broken} == before


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_is_kept_when_a_record_takes_its_place(folder, record_of, kind):
    store, spec = Store(folder / "results"), spec_with(1)
    path = store.path(spec)
    path.parent.mkdir(parents=True)
    for place in (path, path.with_suffix(".npz")):
        PLACES[kind](place)
        os.chdir(folder)
    numbers = {place.lstat().st_ino for place in path.parent.iterdir()}
    assert not store.has(spec)
    store.write(spec, record_of(spec, score=SCORES), b"arrays")
    assert store.has(spec)
    assert path.with_suffix(".npz").read_bytes() == b"arrays"
    assert {place.lstat().st_ino for place in path.parent.glob("*.damaged-*")} == numbers


def test_rerun_of_what_is_damaged_is_one_sentence(folder, record_of, capsys):
    _, broken = damage_everything(Store(folder / "results"), record_of)
    for path in broken:
        if path.suffix == ".json" and path != misfit(broken):
            assert main(["rerun", path.stem]) == 2
            err = capsys.readouterr().err
            assert err.startswith("Error: ")
            assert path.name in " ".join(err.split()) or path.stem in err


def test_a_matrix_of_another_size_is_done_again_and_kept(folder, record_of):
    store = Store(folder / "results")
    put(store, 1, record_of)
    odd = spec_with(2)
    store.write(odd, record_of(odd, score=[[0.5]]))
    found = store.examine(odd)
    assert [record.spec["seed"] for record in found.records] == [1]
    assert "has scores of 1 experiences, other than its neighbours: synthetic has 3" in found.damaged[0].problem
    assert not store.has(odd)
    put(store, 2, record_of)
    assert store.done_seeds(odd) == (1, 2)
    assert len(list(store.root.rglob("*.json.damaged-*"))) == 1


@pytest.mark.parametrize(("name", "score"), [("synthetic", 1.5), ("synthetic", -0.5), ("regression_1d", -0.5)])
def test_a_score_that_none_can_be_is_damage(tmp_path, spec_of, record_of, name, score):
    learns_values = name == "regression_1d"
    spec = spec_of(benchmark={"name": name}, scenario=Scenario.TASK, strategy="finetune")
    store = Store(tmp_path)
    store.write(
        spec, record_of(spec, score=[[0.9, 0.1, 0.2], [0.5, 0.7, 0.2], [0.1, 0.2, 1.5 if learns_values else 1.0]])
    )
    assert not store.examine(spec).damaged
    other = spec.with_seed(2)
    store.path(other).write_bytes(
        to_bytes(record_of(other, score=[[0.9, 0.1, 0.2], [0.5, 0.7, 0.2], [0.1, 0.2, score]]))
    )
    found = store.examine(spec)
    assert [record.spec["seed"] for record in found.records] == [1]
    assert "has a score that none can be: expected " in found.damaged[0].problem
    assert not store.has(other)


@pytest.mark.parametrize(
    "place", [("seconds", "total"), ("parameters", "trained"), ("peak_memory_bytes",), ("diagnostics", "drawn")]
)
def test_the_largest_numbers_that_a_record_may_hold_are_no_trouble(folder, record_of, place, capsys):
    store = Store(folder / "results")
    for seed in range(1, 4):
        path = put(store, seed, record_of)
        content = {**json.loads(path.read_text()), "diagnostics": {"drawn": 1}}
        value = int(LARGEST) if place != ("seconds", "total") else LARGEST
        path.write_text(with_number(*place, value=value)(content))
    for command in commands("results"):
        assert main(command) in ((2,) if command[0] in ("merge", "verify") else (0,)), command
    assert "Damaged" not in capsys.readouterr().err


def test_a_checkpoint_that_is_no_file_or_all_holes_is_not_waited_for(tmp_path):
    for kind in ("a pipe", "a device", "a folder", "a file with holes"):
        path = tmp_path / kind
        PLACES[kind](path)
        assert Checkpoints(path, {}).read() is None
        assert steps_kept(path) == 0


def test_a_regular_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 0 MiB"):
        read_regular(path, 4)


@pytest.mark.parametrize(("name", "limit"), [("record", "MOST_BYTES"), ("array archive", "MOST_BYTES_OF_ARRAYS")])
def test_what_would_be_too_large_to_read_is_not_written(folder, record_of, monkeypatch, name, limit):
    assert MOST_BYTES < MOST_BYTES_OF_ARRAYS
    monkeypatch.setattr(f"hnet_bench.runs.store.{limit}", 5)
    with pytest.raises(UserError, match=f"The {name} of .* bytes: expected at most 5"):
        Store(folder).write(spec_with(1), record_of(spec_with(1)), b"arrays")
