"""The reproducibility appendix: counted, and with a reason for whatever is not reproduced."""

from __future__ import annotations

from dataclasses import replace

from hnet_bench.reporting.appendix import Section, sections
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.markdown import appendix_page
from hnet_bench.reporting.verdict_tables import reason_of


def section(report: Report, heading: str) -> Section:
    (found,) = [one for one in sections([report]) if one.heading == heading]
    return found


def rows(found: Section) -> list[list[str]]:
    assert found.table is not None
    return [[entry.text for entry in row] for row in found.table.rows]


def test_compute_counts_each_run_once(rich_report: Report) -> None:
    # 24 runs of 2.25 s, eight of them beyond the plan; 8 cells with three seeds each are planned.
    assert rows(section(rich_report, "Compute")) == [["rich", "16 of 24", "0", "1-3", "1-5", "54 s", "2 s", "1.00 GiB"]]
    both = sections([rich_report, rich_report])[0]
    assert both.text.startswith("24 different runs took 54 s")


def test_settings_have_every_default_and_share_what_is_the_same(rich_report: Report) -> None:
    found = section(rich_report, "Settings of rich")
    assert [row[2] for row in rows(found)] == ["A", "A", "A", "A", "A", "A", "B"]
    good = next(row for row in rows(found) if row[0].startswith("good"))
    assert good[1] == "CL1, CL3"
    assert good[3] == "er"
    assert good[4] == "per_class = 100"
    assert found.items[0].startswith("A: synthetic (")
    assert "iterations = 5, batch_size = 128, learning_rate = 0.001" in found.items[0]


def test_whatever_is_not_reproduced_has_a_reason_or_none_is_known(rich_report: Report) -> None:
    found = section(rich_report, "Not reproduced in rich")
    by_row = {row[0].split()[0]: (row[2], row[-1]) for row in rows(found)}
    assert by_row == {
        "high": ("above", "no reason known"),
        "low": ("below†", "no reason known"),
        "open": ("inconclusive", "no reason known; the difference so far is 0.64 of the margin"),
        "single": ("inconclusive", "no reason known; fewer than 3 seeds decide nothing"),
    }
    assert found.items == ("Not run: elsewhere & 100 % of _it_, CL3",)


def test_a_reason_that_the_table_gives_stands_beside_the_verdict_unless_it_is_reproduced(rich_report: Report) -> None:
    cells = {cell.row: cell for cell in rich_report.cells if cell.scenario == "CL3"}
    for row, expected in (("low", "Bad luck."), ("good", ""), ("elsewhere", "")):
        of_table = cells[row].cell
        assert of_table.reported is not None
        known = replace(of_table, reported=replace(of_table.reported, reason="Bad luck."))
        assert reason_of(replace(cells[row], cell=known)) == expected


def test_what_awaits_its_first_look_is_not_called_undecided(rich_report: Report) -> None:
    (cell,) = (cell for cell in rich_report.cells if (cell.cell.row, cell.scenario) == ("open", "CL3"))
    assert cell.reported
    assert cell.verdict
    waiting = replace(
        cell,
        cell=replace(cell.cell, reported=replace(cell.reported, looks=(9,))),
        verdict=replace(cell.verdict, interval_low=None, interval_high=None),
    )
    assert reason_of(waiting) == "not judged before the first look that the table declares"


def test_the_page_has_all_sections(rich_report: Report) -> None:
    text = appendix_page(sections([rich_report]))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Reproducibility appendix",
        *(f"## {name}" for name in ("Compute", "Hardware", "Operating system", "Software", "Code", "Data")),
        "## Settings of rich",
        "## Deviations from the papers, and what they leave open",
        "## Not reproduced in rich",
    ]
    assert "- commit unknown (24 runs)" in text
    assert r"- rich: Costs 5 % of {x}\_1 ~ \<nothing>." in text
