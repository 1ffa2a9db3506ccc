"""Results in a README: what stands between two marks is rendered from records, like the reports.

<!-- results: von_oswald_2020_table_1 -->
whatever stands here is replaced
<!-- end of results -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.columns import ROW, Column, Row, in_scenario, text_table
from hnet_bench.reporting.figures.kinds import KINDS, MAIN, file_name
from hnet_bench.reporting.markdown import link, picture, table
from hnet_bench.reporting.text import KNOWN, measured_text, record_legend, reported_text
from hnet_bench.reporting.verdicts import VERDICTS

_BLOCK = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def with_results(text: str, reports: Mapping[str, Report], *, folder: str) -> str:
    """The text of a README with the blocks of these tables rendered anew, others as they are; `folder` is that of the
    reports, from the README."""

    def rendered(block: re.Match[str]) -> str:
        report = reports.get(block[2])
        return block[0] if report is None else f"{block[1]}\n{_block(report, folder)}\n\n{block[3]}"

    return _BLOCK.sub(rendered, text)


def _block(report: Report, folder: str) -> str:
    """The rows that were run; for each scenario what was measured, with its verdict, and what is reported."""
    columns: list[Column[Row]] = [ROW]
    reported = {cell.scenario for cell in report.cells if cell.reported}
    for scenario in report.scenarios:
        columns.append(in_scenario(scenario, _measured, scenario))
        if scenario in reported:
            columns.append(in_scenario("reported", lambda cell: reported_text(cell.reported, cell.cell.unit), scenario))
    rows = [row for row in report.rows if any(cell.records for cell in row.values())]
    counts = report.outcomes
    verdicts = "; ".join(
        f"{kind.symbol} {name} ({counts[name]})" for name, kind in VERDICTS.items() if kind.symbol and counts[name]
    )
    known = {cell.reported.known for cell in report.cells if cell.reported}
    marks = ", ".join(f"{mark} {name}" for name, (mark, _) in KNOWN.items() if mark and name in known)
    sentences = [
        f"{report.scale.heading}: mean ± SEM (seeds).",
        f"Verdicts: {verdicts}; not run ({counts['not run']})." if verdicts else "",
        f"Reported numbers: {marks}, else verified." if marks else "",
        *record_legend(report.cells),
        f"All of it: {link(report.title, f'{folder}/{report.name}.md')}.",
    ]
    figure = picture(KINDS[MAIN], f"{folder}/{file_name(report.name, MAIN, 'svg')}")
    return "\n\n".join([table(text_table(columns, rows)), " ".join(filter(None, sentences)), figure])


def _measured(cell: ReportCell) -> str:
    symbol = f" {cell.verdict.kind.symbol}" if cell.verdict and cell.records else ""
    return f"{measured_text(cell)}{symbol}"
