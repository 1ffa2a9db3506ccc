"""docs/tables.md names every key that a table may have, and no other, with its choices; its example is a table."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from hnet_bench.config import read_toml
from hnet_bench.interfaces import TrainingProtocol
from hnet_bench.papers import table
from hnet_bench.papers.reported import Reported
from hnet_bench.papers.search import Range, Tuning
from hnet_bench.papers.table import load_table
from hnet_bench.runs.spec import cell_spec

PAGE = (Path(__file__).parent.parent / "docs" / "tables.md").read_text()


def keys_below(heading):
    """Keys of the tables of a chapter, one list for each table."""
    (chapter,) = re.findall(rf"^## {heading}$(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    parts = re.split(r"^\| key.*$", chapter, flags=re.MULTILINE)[1:]
    return [re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE))) for part in parts]


@pytest.mark.parametrize(
    ("heading", "schemas"),
    [
        ("Of the table", [table._File]),
        ("Of a table that extends another", [table._Extends]),
        ("Of settings", [table._Group, TrainingProtocol]),
        ("Of a row", [table._Row, table._CellEntry]),
        ("Of a search", [Tuning, Range]),
        ("Of a reported number", [Reported]),
    ],
)
def test_the_page_names_the_keys_that_there_are(heading, schemas):
    found = keys_below(heading)
    assert [sorted(keys) for keys in found] == [sorted(field.name for field in fields(schema)) for schema in schemas]


def test_the_page_names_the_choices_of_the_protocol():
    for name, kind in get_type_hints(TrainingProtocol).items():
        if get_origin(kind) is Literal:
            (line,) = re.findall(rf"^\| `{name}` \| (.*?)[;|]", PAGE, re.MULTILINE)
            assert re.findall(r'`"(\w+)"`', line) == list(get_args(kind)), name


def test_the_examples_are_tables(tmp_path):
    text, extending, code = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "mine.toml").write_text(extending + code)
    extended = load_table(str(tmp_path / "mine.toml"))
    assert extended.rows == (*load_table("van_de_ven_2019_split_mnist").rows, "mine")
    assert cell_spec(extended.cells[-1])
    assert extended.cells[-1].authors_code[0].scores == (0.625, 0.6468, 0.6667, 0.669)
    (tmp_path / "mine.toml").write_text(text)
    mine = load_table(str(tmp_path / "mine.toml"))
    assert [(cell.row, cell.scenario.label) for cell in mine.cells] == [
        ("ewc_weak", "CL1"),
        ("ewc_weak", "CL3"),
        ("joint", "CL3"),
    ]
    assert read_toml(tmp_path / "mine.toml")["seeds"] == "1-3"
