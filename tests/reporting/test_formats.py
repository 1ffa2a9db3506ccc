"""Every format says the same: each is read back, as a reader would, and held against the model."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import Settings
from hnet_bench.papers.table import Table
from hnet_bench.reporting import data_files, latex, markdown
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.data_files import CSV_COLUMNS, cell_json
from hnet_bench.reporting.documents import with_results
from hnet_bench.reporting.html_page import page as html_page
from hnet_bench.reporting.measures import account_table
from hnet_bench.reporting.report_tables import tables_of
from hnet_bench.reporting.verdict_tables import verdicts_table
from hnet_bench.runs.account import ACCOUNT
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.store import Store

Rows = list[list[str]]


def of_tables(report: Report) -> list[Rows]:
    """The rows of every grid, what is best in asterisks."""
    return [
        [[f"*{entry.text}*" if entry.best else entry.text for entry in row] for row in table.rows]
        for table in tables_of(report)
    ]


def of_markdown(text: str) -> list[Rows]:
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()[2:]]
        found.append([[re.sub(r"\\(.)", r"\1", field.replace("**", "*").strip()) for field in row] for row in rows])
    return found


def of_latex(text: str) -> list[Rows]:
    found = []
    for tabular in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        rows = [line for line in tabular.splitlines() if line.endswith(r"\\")]
        found.append([[plain(field.strip()) for field in re.split(r"(?<!\\)&", row[:-2])] for row in rows])
    return found


def plain(field: str) -> str:
    """What LaTeX would print."""
    field = re.sub(r"^\{\\bfseries\\boldmath (.*)\}$", r"*\1*", field)
    signs = {r"\pm": "±", r"\approx": "≈", r"^\circ": "°", r"\checkmark": "✓"}
    signs |= {r"\blacktriangledown": "▼", r"\blacktriangle": "▲", "-": "-", "<": "<", ">": ">"}
    for sign, character in signs.items():
        field = field.replace(f"${sign}$", character)
    field = field.replace(r"\dag{}", "†").replace(r"\ddag{}", "‡")
    return re.sub(r"\\([&%_#${}])", r"\1", field)


class Page(HTMLParser):
    """Collects the fields of the bodies of all tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Rows] = []
        self.headings: Rows = []
        self._body = self._field = False
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "details":
            self._inside += 1
        if self._inside:  # what stands behind numbers, and the appendix
            return
        if tag == "table":
            self.tables.append([])
        elif tag in ("tbody", "thead"):
            self._body = tag == "tbody"
        elif tag == "tr":
            (self.tables[-1] if self._body else self.headings).append([])
        elif tag in ("td", "th"):
            (self.tables[-1] if self._body else self.headings)[-1].append("")
            self._field = True
        elif tag == "strong":
            self.handle_data("*")

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "details"
        if tag == "strong" and not self._inside:
            self.handle_data("*")
        elif tag in ("td", "th"):
            self._field = False

    def handle_data(self, data: str) -> None:
        if self._inside or not self.tables:
            return
        rows = self.tables[-1] if self._body else self.headings
        if rows and rows[-1] and self._field:
            rows[-1][-1] += data


def as_json(report: Report) -> str:
    return data_files.as_json(report, [cell_json(cell) for cell in report.cells])


def as_csv(report: Report) -> str:
    return data_files.as_csv([cell_json(cell) for cell in report.cells])


def html_of(report: Report) -> str:
    return html_page([report], {}, [])


def of_html(text: str) -> list[Rows]:
    page = Page()
    page.feed(text)
    return [[[field.strip() for field in row] for row in table] for table in page.tables]


def test_markdown_latex_and_html_show_the_same_fields(rich_report: Report) -> None:
    expected = of_tables(rich_report)
    assert [len(table) for table in expected] == [7, 5, 6]
    assert of_markdown(markdown.page(rich_report)) == expected
    assert of_latex(latex.document(rich_report)) == expected
    assert of_html(html_of(rich_report)) == expected


def kept_by(record: Any) -> Settings:
    """What a run measures that keeps 25 of 50 samples of 12 values and computes twice what fine-tuning does."""
    experiences = len(record.score)
    kept = {"networks": 500, "other": 300, "samples": 25, "bytes": 4 * 800, "sample_bytes": 1200}
    return {
        "steps": [5] * experiences,
        "updates": [6000] * experiences,
        "samples": [1280] * experiences,
        "learning_rates": [0.001, 0.001],
        "optimisers": ["Adam"],
        "given": [50] * experiences,
        "kept": [{**kept, "samples": 12, "sample_bytes": 576, "bytes": 4 * 650}, *[kept] * (experiences - 1)],
        "held_bytes": [3200, *[2**21] * (experiences - 1)],
        "operations": [2 * 5 * 10**6] * experiences,
        "step_operations": 10**6,
        "inputs": 12,
        "network": 1200,
        "trained": 1200,
        "answers_with": 1200,
    }


@pytest.fixture
def account_report(rich_table: Table, rich_store: Store) -> Report:
    """A table that names metrics, some of whose records say what was kept."""
    table = replace(rich_table, columns=("worst_case_accuracy", "task_inference", "backward_transfer"))
    for state in table_state(table, rich_store):
        if state.cell.row in ("good", "single"):
            assert state.spec is not None
            for record in state.records:
                spec = state.spec.with_seed(record.spec["seed"])
                rich_store.path(spec).unlink()
                rich_store.write(spec, replace(record, measured=kept_by(record)))
    return build_report(table, table_state(table, rich_store), command="rich.toml")


def test_metrics_that_a_table_names_stand_in_every_format_with_their_spread(account_report: Report) -> None:
    expected = of_tables(account_report)
    assert [len(table) for table in expected] == [7, 6, 5, 6, 2]
    for found in (
        of_markdown(markdown.page(account_report)),
        of_latex(latex.document(account_report)),
        of_html(html_of(account_report)),
    ):
        assert found == expected
    good = next(row for row in expected[1] if row[0].startswith("good"))
    # The first experience fell from 90 to 69.5, 70.5, 68.5, 69.5 and 69.5, where the second had a point more.
    assert good[2:] == ["1-5", "70.00 ± 0.32", "60.00 ± 0.00", "-20.50 ± 0.32"]
    single = next(row for row in expected[1] if row[0].startswith("single"))
    assert single[2:] == ["1", "60.00", "", "-30.50"]
    (cell,) = (
        cell
        for cell in json.loads(as_json(account_report))["cells"]
        if (cell["row"], cell["scenario"]) == ("good", "CL3")
    )
    assert cell["measured"]["backward_transfer"]["mean"] == pytest.approx(-0.205)
    line = next(line for line in csv.DictReader(io.StringIO(as_csv(account_report))) if line["measured_stored_samples"])
    assert (line["row"], float(line["measured_worst_case_accuracy_mean"])) == ("good", pytest.approx(0.7))


def test_verdicts_beside_numbers_that_nobody_verified_are_counted_apart(rich_report: Report) -> None:
    # The row `low`, whose number is recalled, is the one that is below.
    text = markdown.page(rich_report)
    assert "▼ below, the measured number is lower by more than the margin (1, 1 beside numbers that are not" in text
    assert "? inconclusive (2)" in text


def test_what_is_kept_stands_where_it_was_measured(account_report: Report) -> None:
    table = account_table(account_report)
    assert table is not None
    assert [column.heading for column in table.columns] == [
        *("", "Scenario", "Seeds", "Stored samples", "Stored, MiB", "Kept, MiB", "Held, MiB", "Network, MiB"),
        "Operations",
    ]
    assert [[field.text for field in row][2:] for row in table.rows] == [
        [seeds, "25", "0.00", "0.00", "2.00", "0.00", "2.00"] for seeds in ("1-5", "1")
    ]
    # Seeds are those whose records say it, which earlier ones do not.
    earlier = tuple(
        replace(cell, records=(*(replace(one, measured=None) for one in cell.records[:2]), *cell.records[2:]))
        for cell in account_report.cells
    )
    table = account_table(replace(account_report, cells=earlier))
    assert table is not None
    assert table.rows[0][2].text == "3-5"
    measured = {cell["row"]: cell["measured"] for cell in map(cell_json, account_report.cells) if cell["measured"]}
    assert [measured["good"][name] for name in ACCOUNT] == [25, 1200, 3200, 2**21, 4800, 2560, 2 * 10**7, 2.0]
    assert "kept_bytes" not in measured["low"]


def test_csv_and_json_hold_the_numbers_that_the_pages_show(rich_report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(rich_report))))
    cells = json.loads(as_json(rich_report))["cells"]
    shown = {row[0]: row for row in of_markdown(markdown.page(rich_report))[0]}
    assert len(lines) == len(cells) == len(rich_report.cells) == 8
    for line, cell in zip(lines, cells, strict=True):
        assert (line["row"], line["scenario"]) == (cell["row"], cell["scenario"])
        if cell["scenario"] == "CL3" and cell["measured"]:
            for mean, sem in (
                (float(line["measured_final_mean"]), float(line["measured_final_sem"] or "nan")),
                (cell["measured"]["final"]["mean"], cell["measured"]["final"]["sem"]),
            ):
                spread = f" ± {100 * sem:.2f}" if cell["measured"]["final"]["n"] > 1 else ""
                text = f"{100 * mean:.2f}{spread} ({cell['measured']['final']['n']})"
                assert shown[line["label"]][4].strip("*").startswith(text)


def test_the_verdicts_of_csv_and_json_are_those_of_the_pages(rich_report: Report) -> None:
    cells = {(cell["label"], cell["scenario"]): cell for cell in json.loads(as_json(rich_report))["cells"]}
    lines = {(line["label"], line["scenario"]): line for line in csv.DictReader(io.StringIO(as_csv(rich_report)))}
    for row in of_markdown(markdown.page(rich_report))[1]:
        label, scenario, seeds, difference, interval, margin, outcome, equal = row
        verdict, line = cells[label, scenario]["verdict"], lines[label, scenario]
        assert verdict["seeds"] == int(seeds)
        assert f"{round(100 * verdict['difference'], 2) + 0.0:+.2f}" == difference  # 0.0 takes the sign from a zero
        if interval:
            assert f"{100 * verdict['interval_low']:+.2f} to {100 * verdict['interval_high']:+.2f}" == interval
            assert float(line["verdict_interval_low"]) == verdict["interval_low"]
        assert f"{100 * verdict['margin']:.2f}" == margin
        assert verdict["outcome"] == line["verdict_outcome"] == outcome.rstrip("†‡")
        assert str(verdict["seeds_if_equal"] or "") == line["verdict_seeds_if_equal"] == equal


def test_the_authors_code_stands_in_every_format_with_its_verdict(code_report: Report) -> None:
    expected = of_tables(code_report)
    assert [row[-1] for row in expected[0][:4]] == ["98.00 ± 0.58 (3)", "70.50 ± 0.29 (3) ✓", "", "21.00 (1)"]
    low = "low & 100 % of _it_"
    assert expected[2][1][1:8] == ["CL3", "5", "70.50 ± 0.29 (3)", "-0.50", "-1.57 to +0.57", "2.50", "reproduced"]
    assert expected[2][2] == [low, "CL3", "5", "21.00 (1)", "", "", "", "", ""]
    assert of_markdown(markdown.page(code_report)) == expected
    assert of_latex(latex.document(code_report)) == expected
    assert of_html(html_of(code_report)) == expected
    run = "70.00 (seed 1), 70.50 (seed 2); a/b at commit first, PyTorch 1.4.0: python a_b.py --seed SEED. Run by us."
    page, web = markdown.page(code_report), html_of(code_report)
    assert "## How the authors' code was run" in page
    assert f"CL3: {run} As published." in page
    assert run in web
    assert run in latex.document(code_report)
    assert "<dt>Beside it</dt><dd>reproduced, -0.50 percentage points, 90 % interval -1.57 to +0.57</dd>" in web


def test_csv_and_json_hold_the_authors_code(code_report: Report) -> None:
    cells = {(cell["row"], cell["scenario"]): cell for cell in json.loads(as_json(code_report))["cells"]}
    good, low = cells["good", "CL3"]["authors_code"], cells["low", "CL3"]["authors_code"]
    assert (good["mean"], good["n"], good["verdict"]["outcome"]) == (pytest.approx(0.705), 3, "reproduced")
    assert [(one["commit"], one["scores"]) for one in good["runs"]] == [("first", [0.7, 0.705]), ("last", [0.71])]
    assert (low["mean"], low["sem"], low["verdict"]) == (0.21, None, None)
    assert cells["high", "CL3"]["authors_code"] is None
    lines = {(line["row"], line["scenario"]): line for line in csv.DictReader(io.StringIO(as_csv(code_report)))}
    line = lines["good", "CL3"]
    assert float(line["authors_code_mean"]) == pytest.approx(0.705)
    assert (line["authors_code_n"], line["authors_code_verdict_outcome"]) == ("3", "reproduced")
    assert float(line["authors_code_verdict_interval_low"]) == good["verdict"]["interval_low"]
    assert {value for key, value in lines["high", "CL3"].items() if key.startswith("authors_code")} == {""}


def test_the_columns_of_the_csv_are_the_same_for_every_table(
    rich_table: Table, tmp_path: Path, rich_report: Report
) -> None:
    empty = build_report(rich_table, table_state(rich_table, Store(tmp_path / "none")), command="")
    headers = [as_csv(report).splitlines()[0] for report in (empty, rich_report)]
    assert headers[0] == headers[1] == ",".join(CSV_COLUMNS).replace(".", "_")


def test_groups_of_columns_stand_above_them(rich_report: Report) -> None:
    page = Page()
    page.feed(html_of(rich_report))
    headings = [[text.strip() for text in row] for row in page.headings]
    assert headings[0] == ["", "CL1", "CL3"]
    assert headings[1] == ["Row", *2 * ["measured", "reported", "verdict"]]
    text = latex.document(rich_report)
    assert r"\multicolumn{1}{c}{} & \multicolumn{3}{c}{CL1} & \multicolumn{3}{c}{CL3} \\" in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text


def test_a_new_benchmark_is_set_apart(rich_report: Report) -> None:
    assert [len(body) for body in tables_of(rich_report)[0].bodies] == [6, 1]
    assert [len(table) for table in of_html(html_of(rich_report))] == [7, 5, 6]
    assert re.sub("<details.*?</details>", "", html_of(rich_report), flags=re.DOTALL).count("<tbody>") == 4
    assert latex.document(rich_report).count("\\midrule") == 4


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"50 % of a_b & c#d $5", r"50 \% of a\_b \& c\#d \$5"),
        ("-1.5 to +2.0, 1-3, x-y", "$-$1.5 to +2.0, 1-3, x-y"),
        ("run --rerun-stale ---", r"run -{}-rerun-stale -{}-{}-"),
        ("{~^}\\", r"\{\textasciitilde{}\textasciicircum{}\}\textbackslash{}"),
        ("[1] of [2]", r"{[}1] of [2]"),
        ("* ours", r"{*} ours"),
        ("\u03b1 and \u03a9 at \u03b5 \u2264 \u221e", r"$\alpha$ and $\Omega$ at $\varepsilon$ $\le$ $\infty$"),
        ("\u4e2d \U0001f600", r"\texttt{U+4E2D} \texttt{U+1F600}"),
        ("e\u0301t\u00e9 \u0142", "\u00e9t\u00e9 \u0142"),
        ("two\n\nlines ,, '' `` ?`", "two lines ,{}, '{}' `{}` ?{}`"),
    ],
)
def test_latex_sets_text_letter_for_letter(text: str, escaped: str) -> None:
    assert latex.escape(text) == escaped


def test_latex_compiles_alone_and_within_a_paper(
    rich_report: Report, tmp_path: Path, compiled: Callable[[str, Path], str]
) -> None:
    (tmp_path / "rich.tex").write_text(latex.document(rich_report))
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{amssymb,booktabs,graphicx}"
        r"\begin{document}\input{rich}\input{rich}\end{document}"
    )
    for name in ("rich", "paper"):
        assert "Overfull" not in compiled(name, tmp_path)
        assert (tmp_path / f"{name}.pdf").stat().st_size > 10_000


ODD = [
    "[1] a",
    "* b",
    "  [c",
    "\u03b1\u03b2 \u03a9",
    "\u4e2d \U0001f600 \u05d0",
    "a\n\nb",
    "#1 100 % $x_2$ ^~",
    "\\input{x}",
]
ODD += [
    "<<>> ,, '' `` -- --- ?` |",
    "\u0159\u0142\u00e9 \u2014 \u2019 \u2192 \xa0 \xb5 \xd7",
    "& \\\\ }{",
    "\u2713\u25b2\xb1\u2020",
]


def test_latex_compiles_whatever_labels_and_files_are_called(
    rich_table: Table, rich_store: Store, tmp_path: Path, compiled: Callable[[str, Path], str]
) -> None:
    labels = dict(zip(rich_table.rows, ODD, strict=False))
    cells = tuple(replace(cell, label=labels[cell.row]) for cell in rich_table.cells)
    table = replace(
        rich_table, name="a #1 100%_\u03b1", title=" ".join(ODD), source="a\nb % c", note="\n".join(ODD), cells=cells
    )
    for _ in range(2):  # first the one half of the labels, then the other
        report = build_report(table, table_state(table, rich_store), command="a #1.toml")
        (tmp_path / "odd.tex").write_text(latex.document(report), encoding="utf-8")
        compiled("odd", tmp_path)
        labels = dict(zip(rich_table.rows, ODD[-len(rich_table.rows) :], strict=True))
        table = replace(table, cells=tuple(replace(cell, label=labels[cell.row]) for cell in table.cells))


def test_every_format_says_that_a_table_is_reduced(rich_table: Table, rich_store: Store) -> None:
    table = replace(rich_table, reduced="a tenth of the iterations")
    report = build_report(table, table_state(table, rich_store), command="made_up")
    texts = [markdown.page(report), html_page([report], {}, []), latex.document(report), as_json(report)]
    for text in texts:
        assert "Reduced: a tenth of the iterations." in text
        assert "marks (reduced)" in text


def marked(table: Table, store: Store, **changes: Any) -> tuple[Report, dict[str, str]]:
    """The report with changes to the state of the row `good`, and the texts that name it."""
    states = table_state(table, store)
    good = next(index for index, state in enumerate(states) if state.cell.row == "good" and state.records)
    states[good] = replace(states[good], **changes)
    report = build_report(table, states, command="made_up")
    block = "<!-- results: rich -->\n<!-- end of results -->\n"
    readme = with_results(block, {"rich": report}, folder="reports")
    return report, {"readme": readme, "page": html_of(report), "markdown": markdown.page(report)}


def measured_of(report: Report) -> dict[str, Any]:
    return next(cell_json(cell)["measured"] for cell in report.cells if cell.row == "good" and cell.records)


def test_stale_seeds_are_marked_wherever_a_number_stands(rich_table: Table, rich_store: Store) -> None:
    report, texts = marked(rich_table, rich_store, changed=(("strategy",), (), ("strategy",)))
    for name, text in texts.items():
        assert "(5)§" in text, name
        assert "§ stale: the code computes something else" in text, name
    assert "seeds 1,3: the code computes something else now" in texts["page"]
    verdicts = verdicts_table(report)
    assert verdicts is not None
    assert [row[2].text for row in verdicts.rows if row[0].text.startswith("good")] == ["5§"]
    lines = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {line["measured_stale_seeds"] for line in lines if line["row"] == "good"} == {"", "1 3"}


def test_rows_that_left_the_protocol_are_marked_wherever_a_number_stands(
    rich_table: Table, rich_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = build_report(rich_table, table_state(rich_table, rich_store), command="made_up")
    assert "‖" not in markdown.page(plain) + latex.document(plain)
    left = lambda record: ["more steps"] if record.spec["strategy"]["name"] == "er" else []  # noqa: E731
    monkeypatch.setattr("hnet_bench.runs.plan.departures_of", left)
    report, texts = marked(rich_table, rich_store)
    for name, text in texts.items():
        assert "(5)‖" in text, name
        assert "‖ outside the protocol: some of these runs took other steps" in text, name
    assert r"(5)$\|$" in latex.document(report)
    assert measured_of(report)["departed_seeds"] == [1, 2, 3, 4, 5]
