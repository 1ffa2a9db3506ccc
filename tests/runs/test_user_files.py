"""A user's own strategy file stands beside the table that names it; nothing depends on the folder one is in."""

import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hnet_bench import api
from hnet_bench.cli import main
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.revisions import changed_since, loaded_from_elsewhere, revisions_of
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store, read_record

STRATEGY = """
from dataclasses import dataclass
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mine:
    name: ClassVar[str] = "mine"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    def build(self, setup):
        from user_files_helper import make
        return make(setup)
"""
HELPER = """
def make(setup):
    from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
    return ClassifierTemplate(setup=setup)
"""
TABLE = """
title = "A table of my own"
seeds = "1-2"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 5 }
[[rows]]
name = "mine"
settings = "tiny"
CL3 = { strategy = "my.py:Mine" }
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The current folder, in whose `tables` are mine.toml and the file of its strategy, which imports another."""
    tables = tmp_path / "project" / "tables"
    tables.mkdir(parents=True)
    (tables / "mine.toml").write_text(TABLE)
    (tables / "my.py").write_text(STRATEGY)
    (tables / "user_files_helper.py").write_text(HELPER)
    monkeypatch.chdir(tables.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tables.parent
    sys.modules.pop("user_files_helper", None)


def spec_of_table(name):
    return resolve_cell(load_table(name).cells[0], 1)


def test_a_run_has_the_same_id_whatever_folder_its_files_are_in(project, monkeypatch):
    found = [spec_of_table("tables/mine.toml"), spec_of_table(str(project / "tables" / "mine.toml"))]
    shutil.copytree(project / "tables", project / "elsewhere")
    found.append(spec_of_table("elsewhere/mine.toml"))
    monkeypatch.chdir(project / "tables")
    found.append(spec_of_table("mine.toml"))
    table = Path("mine.toml")
    table.write_text(table.read_text().replace("my.py", str(project / "tables" / "my.py")))
    found.append(spec_of_table("mine.toml"))
    assert len({spec.run_id for spec in found}) == 1
    assert {(spec.strategy, str(spec.folder)) for spec in found} == {("my.py:Mine", "synthetic/class/my-Mine")}
    assert [str(spec.files["my.py:Mine"].relative_to(project)) for spec in found] == [
        f"{folder}/my.py" for folder in ("tables", "tables", "elsewhere", "tables", "tables")
    ]
    assert found[0] == found[2]


def test_a_file_beside_the_table_is_taken_before_one_in_the_current_folder(project):
    (project / "my.py").write_text("raise RuntimeError")
    assert spec_of_table("tables/mine.toml").files["my.py:Mine"].parent.name == "tables"
    (project / "my.py").write_text(STRATEGY)
    (project / "tables" / "my.py").unlink()
    assert spec_of_table("tables/mine.toml").files["my.py:Mine"].parent.name == "project"


def test_a_record_leads_back_to_a_table_whose_folder_has_a_blank(project, monkeypatch, record_of):
    from hnet_bench.runs.provenance import command_line
    from hnet_bench.runs.repeat import spec_of

    (project / "tables").rename(project / "my tables")
    spec = spec_of_table("my tables/mine.toml")
    monkeypatch.setattr(sys, "argv", ["/bin/hnet-bench", "run", "my tables/mine.toml"])
    for command in (command_line(), "it's hnet-bench run tables/mine.toml 'my.toml"):
        record = record_of(spec, provenance={"command": command})
        path = Store(project / "results").write(spec, record)
        if command.startswith("hnet-bench"):
            assert spec_of(record, path).files["my.py:Mine"].parent.name == "my tables"
        else:
            with pytest.raises(UserError, match=r"There is no file my\.py"):
                spec_of(record, path)


@pytest.mark.parametrize("command", ["run", "plan", "status"])
def test_a_file_that_is_nowhere_is_a_sentence_with_the_places(project, command, capsys):
    (project / "tables" / "my.py").unlink()
    assert main([command, "tables/mine.toml"]) == 2
    assert capsys.readouterr().err == (
        "Error: There is no file my.py in tables or in the current folder, which row 'mine' (CL3) of table 'mine' "
        "names.\n"
    )


def test_two_files_of_one_name_are_refused_though_only_one_row_is_chosen(project, capsys):
    table = project / "tables" / "mine.toml"
    row = '[[rows]]\nname = "other"\nsettings = "tiny"\nCL3 = { strategy = "%s:Mine" }\n'
    table.write_text(TABLE + row % "./my.py")
    assert main(["status", "tables/mine.toml"]) == 0
    table.write_text(TABLE + row % "deeper/my.py")
    capsys.readouterr()
    assert main(["status", "tables/mine.toml", "--rows", "mine"]) == 2
    assert (
        "Table 'mine' has two files of the same name, tables/my.py and tables/deeper/my.py" in capsys.readouterr().err
    )


def test_a_sweep_and_all_that_follows_find_the_file_beside_its_table(project, monkeypatch, capsys):
    arguments = ["run", "tables/mine.toml", "--seeds", "1", "-j", "1", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["hnet-bench", *arguments])  # what the record says
    assert main(arguments) == 0
    assert main(["plan", "tables/mine.toml", "--json"]) == 0
    capsys.readouterr()
    assert main(["trace", "tables/mine.toml", "mine", "CL3", "--json"]) == 0
    (traced,) = json.loads(capsys.readouterr().out)
    assert traced["code"] == "current"
    record = read_record(Path(traced["file"]))
    assert record.revisions == revisions_of(spec_of_table("tables/mine.toml"))
    assert re.fullmatch("[0-9a-f]{12}", record.revisions["strategy"])
    assert main(["rerun", record.run_id]) == 0
    assert "Identical" in capsys.readouterr().out
    assert api.rerun(record.run_id).verdict == "identical"
    assert api.trace("tables/mine.toml", "mine", "CL3").run_id.tolist() == [record.run_id]
    helper = project / "tables" / "user_files_helper.py"
    helper.write_text(HELPER.replace("setup=setup", "setup=setup, plugins=[]"))
    assert main(["trace", "tables/mine.toml", "mine", "CL3"]) == 0
    assert f"Changed since: strategy: content {record.revisions['strategy']}, now content " in capsys.readouterr().out
    (elsewhere := project / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["rerun", str(Path("..", traced["file"]))]) == 0
    (project / "tables" / "my.py").unlink()
    assert main(["rerun", str(Path("..", traced["file"]))]) == 2
    places = f"in tables or in {project}/tables or in the current folder"
    assert f"There is no file my.py {places}, which the record ../results" in capsys.readouterr().err


def test_the_content_of_a_users_file_and_of_what_it_imports_beside_it_is_its_revision(project, monkeypatch):
    spec = spec_of_table("tables/mine.toml")
    before = revisions_of(spec)
    assert before == {"strategy": before["strategy"], "benchmark": 1, "protocol": 1}
    shutil.copytree(project / "tables", project / "elsewhere")
    assert revisions_of(spec_of_table("elsewhere/mine.toml")) == before  # wherever the files are
    monkeypatch.chdir(project.parent)
    assert revisions_of(spec) == before
    tables = project / "tables"
    (tables / "stranger.py").write_text("nobody imports it")
    (tables / "my.py").write_bytes(STRATEGY.replace("\n", "\r\n").encode())
    assert revisions_of(spec) == before
    changed = []
    for file in ("my.py", "user_files_helper.py"):
        kept = (tables / file).read_text()
        (tables / file).write_text(f"{kept}# a remark\n")
        changed.append(revisions_of(spec)["strategy"])
        assert [one.partition(":")[0] for one in changed_since(before, revisions_of(spec))] == ["strategy"]
        (tables / file).write_text(kept)
    assert len({before["strategy"], *changed}) == 3


def test_a_package_beside_a_users_file_belongs_to_it_as_a_whole_and_so_does_what_that_imports(project):
    tables = project / "tables"
    (tables / "my.py").write_text(STRATEGY.replace("user_files_helper", "deep.below"))
    (tables / "deep").mkdir()
    (tables / "deep" / "__init__.py").write_text("")
    (tables / "deep" / "below.py").write_text("from .beside import make")
    (tables / "deep" / "beside.py").write_text(HELPER + "import user_files_helper as other")
    spec, found = spec_of_table("tables/mine.toml"), []
    for file in ("deep/__init__.py", "deep/below.py", "deep/beside.py", "user_files_helper.py"):
        found.append(revisions_of(spec)["strategy"])
        with (tables / file).open("a") as content:
            content.write("\n# changed")
    assert len({*found, revisions_of(spec)["strategy"]}) == 5


def test_a_module_of_the_same_name_from_elsewhere_is_found(project, monkeypatch):
    spec = spec_of_table("tables/mine.toml")
    assert loaded_from_elsewhere(spec) is None
    spec.build_strategy()
    import user_files_helper

    assert loaded_from_elsewhere(spec) is None
    other = project / "user_files_helper.py"
    other.write_text(HELPER)
    monkeypatch.setattr(user_files_helper, "__file__", str(other))
    assert loaded_from_elsewhere(spec) == (project / "tables" / "user_files_helper.py", other)


def test_a_run_whose_record_would_name_other_code_than_it_runs_is_refused(project, monkeypatch):
    from hnet_bench.runs.run import run

    (project / "user_files_helper.py").write_text(HELPER)
    monkeypatch.syspath_prepend(str(project))
    with pytest.raises(UserError, match=r"tables/user_files_helper.py is not what Python imports, which is .*: rename"):
        run(spec_of_table("tables/mine.toml"))


def test_a_worker_that_does_not_have_the_file_says_so_and_is_not_asked_again(project):
    from hnet_bench.runs import worker

    content = spec_of_table("tables/mine.toml").to_json()
    elsewhere = {"my.py:Mine": Path("/not/on/this/machine/my.py")}
    context: Any = SimpleNamespace(store=None)
    assert worker.attempt(content, elsewhere, context, {}, "0", lambda event: None) == worker.Result(
        "mistake", "There is no file my.py in the current folder, which a spec names."
    )
