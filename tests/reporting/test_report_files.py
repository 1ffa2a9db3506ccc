"""All files of a report at once, and what keeps a folder from holding them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.papers.table import Table
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.report_files import render, stale
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.store import Store

FILES = {"a.md": b"one\ntwo\n", "a.svg": b"<svg/>\n"}  # which names no data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds exactly `FILES`."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_same_records_give_the_same_bytes_in_any_order_of_reading(
    rich_table: Table, rich_report: Report, rich_store: Store, drawn: Callable[..., Any]
) -> None:
    again = build_report(rich_table, table_state(rich_table, rich_store), command="rich.toml")
    files = render([rich_report], drawn(rich_report), listed=[rich_report])
    kinds = ("csv", "json", "md", "svg", "tex")
    figures = ("during-and-final", "forest", "learning-curves", "matrices", "task-inference")
    assert sorted(files) == sorted(
        ["appendix.md", "index.html", *(f"rich.{kind}" for kind in kinds), *(f"rich.{kind}.svg" for kind in figures)]
    )
    assert files == render([again], drawn(again), listed=[again])
    assert all(content.endswith(b"\n") for content in files.values())


def test_without_records_there_is_no_picture(rich_table: Table, tmp_path: Path) -> None:
    report = build_report(rich_table, table_state(rich_table, Store(tmp_path)), command="")
    files = render([report], {}, pages=True)
    assert sorted(files) == [f"rich.{kind}" for kind in ("csv", "html", "json", "md", "tex")]
    assert b".svg" not in b"".join(files.values())


def test_a_folder_as_it_should_be_has_no_problems(folder: Path) -> None:
    assert stale(FILES, folder, ours=None, others=[]) == []


def test_what_differs_is_missing_or_superfluous_is_named(folder: Path) -> None:
    (folder / "a.md").write_bytes(b"one\n2\n")
    (folder / "a.svg").unlink()
    (folder / "b.md").write_bytes(b"")
    (folder / "deep").mkdir()
    (folder / "deep" / "c.png").write_bytes(b"")
    assert stale(FILES, folder, ours=None, others=[]) == [
        f"{folder / 'a.md'} differs from line 2 on",
        f"{folder / 'a.svg'} is missing",
        f"{folder / 'b.md'} is superfluous",
        f"{folder / 'deep' / 'c.png'} is superfluous",
    ]


def test_a_file_that_only_lost_its_end_differs_too(folder: Path) -> None:
    (folder / "a.md").write_bytes(b"one\ntwo")
    assert stale(FILES, folder, ours=None, others=[]) == [f"{folder / 'a.md'} differs from line 2 on"]


def test_files_of_trials_and_hidden_ones_may_stay(folder: Path) -> None:
    (folder / ".ipynb_checkpoints").mkdir()
    for name in ("quick.md", ".a.md.partial", ".ipynb_checkpoints/a-checkpoint.md"):
        (folder / name).write_bytes(b"")
    assert stale(FILES, folder, ours=None, others=["quick"]) == []


def test_asked_about_one_table_the_files_of_others_do_not_count(folder: Path) -> None:
    (folder / "b.md").write_bytes(b"")
    (folder / "a.old").write_bytes(b"")
    assert stale(FILES, folder, ours=["a"], others=[]) == [f"{folder / 'a.old'} is superfluous"]


def test_a_folder_that_does_not_exist_lacks_everything(tmp_path: Path) -> None:
    assert len(stale(FILES, tmp_path / "none", ours=None, others=[])) == 2
