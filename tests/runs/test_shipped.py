"""Records that are shipped: they count behind a user's own, as they were released, and nothing is written to them."""

import base64
import hashlib
import os
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from hnet_bench import api
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs import shipped
from hnet_bench.runs.files import file_sum, short_hash
from hnet_bench.runs.shipped import FOLDER, installed_records, sum_of, sums_of, unpack
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Shipped, Store, to_bytes

ROOT = Path(__file__).parents[2]


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def cells(user_table):
    """Specs of the table mine.toml: finetune in CL1 and CL3, joint in CL3, with seed 1."""
    return [resolve_cell(cell, 1) for cell in load_table("mine.toml").cells]


@pytest.fixture
def release(tmp_path, monkeypatch, cells, record_of):
    """A release with records of fine-tuning in CL1, seeds 1 and 2, and in CL3, seed 1, in site-packages of its own."""
    site = tmp_path / "site"
    store = Store(site / FOLDER)
    for spec in (cells[0], cells[0].with_seed(2), cells[1]):
        store.write(spec, record_of(spec))
    dist_info = site / "hnet_bench_records-0.1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text("Metadata-Version: 2.4\nName: hnet-bench-records\nVersion: 0.1.0\n")
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},{len(content)}"
        for name, content in files(site).items()
    ]
    (dist_info / "RECORD").write_text("\n".join([*lines, f"{dist_info.name}/RECORD,,"]) + "\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(shipped, "CHECKOUT", tmp_path / "none")
    monkeypatch.setattr(shipped, "SUM_FILE", tmp_path / "records.sha256")
    shipped.SUM_FILE.write_text(f"{sum_of(sums_of(site / FOLDER))}\n")
    return site / FOLDER


def test_the_sum_is_that_of_a_list_that_any_shell_makes(tmp_path, cells, record_of):
    store = Store(tmp_path / "results")
    first, second = sorted(store.write(spec, record_of(spec)) for spec in cells[:2])
    first.with_name("README").write_text("no record")
    first.with_suffix(".log").write_text("no record")
    first.with_name(f"{first.stem}.superseded-01234567.json").write_text("does not count")
    listed = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(tmp_path / 'results')}\n"
        for path in (first, second)
    )
    assert sum_of(sums_of(tmp_path / "results")) == hashlib.sha256(listed.encode()).hexdigest()


def test_a_users_table_has_what_was_shipped_and_a_sweep_does_the_rest(release, engine, said):
    before = files(release)
    assert "87.19" in said("status mine.toml").out
    assert api.status("mine.toml").done.tolist() == [2, 1, 0]
    said("run mine.toml")
    assert [(spec.strategy, spec.scenario.label, spec.seed) for spec in engine.calls[0]["specs"]] == [
        ("joint", "CL3", 1),
        ("finetune", "CL3", 2),
        ("joint", "CL3", 2),
    ]
    assert len(files(Path("results"))) == 3
    out = said("run mine.toml").out
    assert out.startswith("Nothing to do: all 6 runs of mine are done.")
    assert "3 of these records were installed" in out
    assert "1 of these records were installed" in said("status mine.toml --scenarios CL1 --seeds 1").out
    told = said("trace mine.toml finetune CL3").out
    assert f"{release}/synthetic/class/finetune/seed1-" in told
    assert " results/synthetic/class/finetune/seed2-" in told
    said("report mine.toml")
    assert api.records("mine.toml").seed.tolist() == [1, 2] * 3
    assert files(release) == before


def test_what_else_asks_for_records_finds_them(release, cells):
    assert [path.is_relative_to(release) for path in api.draw_records(3)] == [True] * 3
    found = Store(Path("results"), shipped=installed_records())
    assert [path.stem for path in found.record_files()] == [
        cells[1].run_id,
        cells[0].run_id,
        cells[0].with_seed(2).run_id,
    ]


def test_own_records_win_and_others_scores_are_said_once_per_revision(release, cells, record_of, said):
    spec, score = cells[0], [[0.8, 0.1], [0.4, 0.6]]
    path = Store(Path("results")).write(spec, record_of(spec, score=score))
    found = said("status mine.toml")
    assert f"Conflict, not counted: {release / spec.key}.json has other scores" in found.err
    assert api.records("mine.toml", seeds=1, rows="finetune", scenarios="CL1").average_accuracy.tolist() == [0.5]
    assert f" {path} " in said("trace mine.toml finetune CL1").out
    path.unlink()
    Store(Path("results")).write(
        spec, record_of(spec, score=score, revisions={**record_of(spec).revisions, "protocol": 2})
    )
    assert said("status mine.toml").err == ""
    # The same run with the same scores is one record.
    path.write_bytes((release / f"{spec.key}.json").read_bytes())
    assert said("status mine.toml").err == ""
    assert api.status("mine.toml").done.tolist() == [2, 1, 0]


def test_a_damaged_own_record_gives_way_and_a_stale_one_that_was_shipped_is_renewed(release, cells, record_of):
    spec, records = cells[0], installed_records()
    own = Store(Path("results"), shipped=records)
    own.path(spec).parent.mkdir(parents=True)
    own.path(spec).write_text("{")
    found = own.examine(spec)
    assert [one.path for one in found.damaged] == [own.path(spec)]
    assert found.files[1] == release / f"{spec.key}.json"
    assert own.has(spec)
    stale = hashlib.sha256((release / f"{spec.key}.json").read_bytes()).hexdigest()
    renewing = replace(own, renew=frozenset({stale}))
    assert not renewing.has(spec)
    assert renewing.has(spec.with_seed(2))
    path = renewing.write(spec, record_of(spec))
    assert path == own.path(spec)
    assert own.examine(spec).files[1] == path
    assert own.examine(spec).damaged == ()


def test_a_file_that_is_not_as_it_was_shipped_does_not_count(release, cells, record_of, said):
    spec, added = cells[0], cells[2]
    (release / f"{spec.key}.json").write_bytes(to_bytes(record_of(spec, score=[[1.0, 1.0], [1.0, 1.0]])))
    Store(release).write(added, record_of(added))
    told = said("status mine.toml").err
    for one in (spec, added):
        assert f"{release / one.key}.json is not as it was shipped" in told
    assert api.status("mine.toml").done.tolist() == [1, 1, 0]


def test_records_of_another_release_are_left_out_and_that_is_said(release, said):
    shipped.SUM_FILE.write_text("0" * 64)
    told = said("status mine.toml").err
    assert told.startswith("hnet-bench-records 0.1.0 does not hold the records that hnet_bench ")
    assert api.status("mine.toml").done.tolist() == [0, 0, 0]


def test_a_checkout_has_its_own(release, monkeypatch, tmp_path):
    assert installed_records() == Shipped(release.resolve(), sums_of(release))
    monkeypatch.setattr(shipped, "CHECKOUT", tmp_path / "mine.toml")
    assert installed_records() is None


def zipped(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def test_the_archive_of_a_release_is_merged(release, said, tmp_path):
    content = {f"{FOLDER}/{name}": one for name, one in files(release).items()}
    wheel = zipped(tmp_path / "records.whl", {**content, "hnet_bench_records-0.1.0.dist-info/METADATA": b"Name: x"})
    assert said(f"merge {wheel}").out == "3 records added to results; it has 3 now.\n"
    assert files(Path("results")) == files(release)


def test_another_archive_needs_its_sum(release, refused, said, tmp_path, cells, record_of):
    spec = cells[2]
    other = zipped(tmp_path / "other.zip", {f"results/{spec.key}.json": to_bytes(record_of(spec))})
    assert "holds other records than hnet_bench" in refused(f"merge {other}")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    assert f"expected SHA-256 {'0' * 64}, found {digest}" in refused(f"merge {other} --sha256 {'0' * 64}")
    assert files(Path("results")) == {}
    said(f"merge {other} --sha256 {digest}")
    assert list(files(Path("results"))) == [f"{spec.key}.json"]


def test_an_archive_that_holds_more_than_the_release_needs_its_sum_too(release, refused, tmp_path, cells):
    """Else it could say which of a user's own records do not count."""
    content = {f"{FOLDER}/{name}": one for name, one in files(release).items()}
    more = {f"{FOLDER}/{cells[2].key}.superseded-01234567.json": b"{}"}
    assert "holds other records than hnet_bench" in refused(f"merge {zipped(tmp_path / 'more.whl', content | more)}")


def test_the_archive_of_a_folder_is_merged_as_the_folder_is(tmp_path, cells, record_of):
    spec, failed, damaged = cells
    new, old, conflict = sorted(
        (to_bytes(record_of(spec, score=[[score]])) for score in (0.1, 0.2, 0.3)),
        key=lambda content: hashlib.sha256(content).hexdigest(),
        reverse=True,  # so that the old one counts, unless it is known that it is superseded
    )
    theirs = tmp_path / "theirs"
    for name, content in {
        f"{spec.key}.json": new,
        f"{spec.key}.npz": b"arrays",
        f"{spec.key}.superseded-{short_hash(old)}.json": old,
        f"{spec.key}.conflict-{short_hash(conflict)}.json": conflict,
        f"{failed.key}.failed": b"why",
        f"{damaged.key}.json.damaged-01234567": b"{",
        f"{damaged.key}.log": b"stays there",
    }.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_bytes(content)
    archive = zipped(tmp_path / "theirs.zip", {f"results/{name}": one for name, one in files(theirs).items()})
    mine = {}
    for other, digest in ((theirs, None), (archive, file_sum(archive))):
        results = tmp_path / f"into-{other.name}"
        (results / spec.folder).mkdir(parents=True)
        (results / f"{spec.key}.json").write_bytes(old)
        mine[other] = (api.merge(other, results=results, sha256=digest).records, files(results))
    assert mine[archive] == mine[theirs]
    assert len(mine[archive][1]) == 6


def test_different_files_of_an_archive_for_one_place_are_refused(tmp_path, cells, record_of):
    spec = cells[0]
    one, two = (to_bytes(record_of(spec, score=[[score]])) for score in (0.1, 0.2))
    for second, words in (
        (two, f"holds different files for {spec.key}.json: expected one results folder"),
        (one, None),
    ):
        names = [f"{folder}/results/{spec.key}.json" for folder in ("first", "second")]
        archive = zipped(tmp_path / "both.zip", dict(zip(names, (one, second), strict=True)))
        with pytest.raises(UserError, match=words) if words else nullcontext():
            assert api.merge(archive, results=tmp_path / "results", sha256=file_sum(archive)).added == 1


def test_a_sum_beside_a_folder_is_refused(release, refused, tmp_path):
    told = refused(f"merge {release} --sha256 {'0' * 64}")
    assert f"{release} is no file: expected an archive, since --sha256 is given" in told
    assert files(Path("results")) == {}


def test_nothing_of_an_archive_leaves_its_folder(tmp_path, cells, record_of):
    content = to_bytes(record_of(cells[0]))
    names = [
        f"../../../{cells[0].run_id}.json",
        f"a/../b/{cells[0].run_id}.json",
        f"/a/b/{cells[0].run_id}.json",
        "code.py",
    ]
    archive = zipped(tmp_path / "slipping.zip", {**dict.fromkeys(names, content), f"/{cells[0].key}.json": content})
    into = tmp_path / "deep" / "in" / "here"
    into.mkdir(parents=True)
    unpack(archive, into, hashlib.sha256(archive.read_bytes()).hexdigest())
    assert list(files(tmp_path / "deep")) == [f"in/here/{cells[0].key}.json"]


def test_archives_that_are_none_or_too_large_are_refused(tmp_path, cells, record_of, monkeypatch):
    content = to_bytes(record_of(cells[0]))
    archive = zipped(tmp_path / "one.zip", {f"{cells[0].key}.json": content})
    cases = [
        (zipped(tmp_path / "code.zip", {"code.py": b""}), "holds no records"),
        (tmp_path / "mine.toml", "unpacked"),
    ]
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:-30])
    for path, words in [*cases, (cut, "unpacked"), (tmp_path / "nowhere.zip", "cannot be unpacked")]:
        with pytest.raises(UserError, match=words):
            unpack(path, tmp_path / "into")
    for name, words in (("MOST_BYTES", "has .* bytes: expected at most"), ("_MOST_BYTES_OF_ARCHIVE", "holds .* bytes")):
        with monkeypatch.context() as patched:
            patched.setattr(shipped, name, len(content) - 1)
            with pytest.raises(UserError, match=words):
                unpack(archive, tmp_path / "into")
    assert not (tmp_path / "into").exists() or not os.listdir(tmp_path / "into")
