"""The page of a table."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hnet_bench.papers.table import Table, load_table
from hnet_bench.reporting.cells import build_report
from hnet_bench.reporting.markdown import bullets, escape, page
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

RecordOf = Callable[..., Record]


def text_of(table: Table, store: Store, command: str = "mine.toml") -> str:
    return page(build_report(table, table_state(table, store), command=command))


@pytest.fixture
def table(user_table: Path) -> Table:
    return load_table(str(user_table))


@pytest.fixture
def store(table: Table, tmp_path: Path, record_of: RecordOf) -> Store:
    """Two seeds of the first cell are done."""
    made = Store(tmp_path / "results")
    for seed, accuracy in ((1, 0.5), (2, 0.7)):
        spec = resolve_cell(table.cells[0], seed)
        made.write(spec, record_of(spec, score=[[accuracy]]))
    return made


def test_measured_stands_beside_reported(table: Table, store: Store) -> None:
    text = text_of(table, store)
    assert text.startswith("# A table of my own\n\n## Accuracy in percent\n")
    assert "|  | CL1 measured | CL1 reported | CL3 measured | CL3 reported |\n| --- | ---: |" in text
    assert "| Fine-tuning | 60.00 ± 10.00 (2) | 87.19 ± 0.94† | not run |  |\n" in text
    assert "| joint |  |  | not run |  |\n" in text
    assert "- † recalled: " in text
    assert "- recalled: Fine-tuning CL1\n" in text


def test_details_leave_out_columns_that_say_nothing(table: Table, store: Store) -> None:
    text = text_of(table, store)
    assert "| Fine-tuning | CL1 | 1-2 | 60.00 | 60.00 | 0.00 | 1,200 | 1.200 | 2.2 |\n" in text
    assert "| Task inference |" not in text
    assert "| Diagnostics |" not in text


def test_the_last_line_says_what_is_left_to_do(table: Table, store: Store) -> None:
    assert text_of(table, store).endswith("To run what is missing: `hnet-bench run mine.toml`.\n")
    done = replace(table, cells=table.cells[:1], seeds=(1, 2))
    assert "All planned runs are done;" in text_of(done, store).splitlines()[-1]
    stale = [
        replace(state, changed=((), ("strategy: revision 1, now revision 2",))) for state in table_state(done, store)
    ]
    last = page(build_report(done, stale, command="mine.toml")).splitlines()[-1]
    assert last.endswith("To renew those marked §: `hnet-bench run mine.toml --rerun-stale`.")


def test_without_records_there_are_no_details(table: Table, tmp_path: Path) -> None:
    text = text_of(table, Store(tmp_path / "none"))
    assert "## Details" not in text
    assert "not run" in text


def test_the_same_records_give_the_same_bytes_wherever_they_lie(table: Table, store: Store, tmp_path: Path) -> None:
    elsewhere = store.root.rename(tmp_path / "elsewhere")
    once = text_of(table, Store(elsewhere))
    assert once == text_of(table, Store(elsewhere.rename(tmp_path / "again")))
    assert str(tmp_path) not in once


@pytest.mark.parametrize("name", ["quick", "von_oswald_2020_table_1"])
def test_a_shipped_table_says_how_to_run_it(name: str, tmp_path: Path) -> None:
    shipped = load_table(name)
    text = text_of(shipped, Store(tmp_path), name)
    assert text.endswith(f"`hnet-bench run {name}`.\n")
    assert ("Source: von Oswald et al." in text) == (name != "quick")


def test_a_label_cannot_break_the_table(table: Table, tmp_path: Path, user_table: Path) -> None:
    user_table.write_text(user_table.read_text().replace("Fine-tuning", "Fine|tuning"))
    changed = load_table(str(user_table))
    assert "| Fine\\|tuning | not run |" in text_of(changed, Store(tmp_path / "none"))


def read(text: str) -> str:
    """The text that a reader of Markdown sees, tags left out."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    return html.unescape(re.sub(r"<[^>]*>", "", page)).strip()


@given(st.text(st.sampled_from("[]()!*_~`|<>&#;:=+-.\\ \nab1x"), max_size=12))
@example("~~gone~~")
@example("__init__.py")
@example("a ___b___")
@example("[a](http://b.c)")
@example("a&amp;b &#35;")
@example("1. a")
@example("- [ ] a")
@example("a\n\n---")
def test_text_is_read_letter_for_letter(text: str) -> None:
    expected = " ".join(text.split())
    assert read(escape(text)) == expected
    assert " ".join(read(bullets([text])).split()) == expected
    assert " ".join(read(f"| a |\n| --- |\n| {escape(text)} |").split()) == " ".join(["a", *text.split()])


def test_a_file_with_blanks_is_linked_and_a_command_quoted(table: Table, tmp_path: Path) -> None:
    report = build_report(table, table_state(table, Store(tmp_path / "none")), command="my `own` table (2).toml")
    text = page(report, figures={"A [b]": "my table (2) #1.svg"})
    assert '<img src="my%20table%20%282%29%20%231.svg" alt="A [b]"' in MarkdownIt("commonmark").render(text)
    assert text.endswith("``hnet-bench run 'my `own` table (2).toml'``.\n")
    assert read(text).endswith("hnet-bench run 'my `own` table (2).toml'.")
