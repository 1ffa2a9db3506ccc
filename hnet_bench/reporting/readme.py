"""Results in a README: what stands between two marks is rendered from records, like the reports.

<!-- results: von_oswald_2020_table_1 -->
whatever stands here is replaced
<!-- end of results -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hnet_bench.reporting.figures.kinds import KINDS, MAIN, file_name
from hnet_bench.reporting.grid import Column, Entry, Grid
from hnet_bench.reporting.grids import SYMBOLS
from hnet_bench.reporting.markdown import link, picture, table
from hnet_bench.reporting.model import Report, ReportCell
from hnet_bench.reporting.tables import MARKS, NOT_RUN, SCALES, Scale, record_legend, record_marks, reported_text

_BLOCK = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def with_results(text: str, reports: Mapping[str, Report], *, folder: str) -> str:
    """The text of a README with the blocks of these tables rendered anew, others as they are; `folder` is that of the
    reports, from the README."""

    def rendered(block: re.Match[str]) -> str:
        report = reports.get(block[2])
        return block[0] if report is None else f"{block[1]}\n{_block(report, folder)}\n\n{block[3]}"

    return _BLOCK.sub(rendered, text)


def _block(report: Report, folder: str) -> str:
    counts = report.outcomes
    verdicts = "; ".join(
        f"{symbol} {outcome} ({counts[outcome]})" for outcome, symbol in SYMBOLS.items() if symbol and counts[outcome]
    )
    known = {cell.reported.known for cell in report.cells if cell.reported}
    marks = ", ".join(f"{mark} {name}" for name, mark in MARKS.items() if mark and name in known)
    sentences = [
        f"{SCALES[report.unit].heading}: mean ± SEM (seeds).",
        f"Verdicts: {verdicts}; not run ({counts['not run']})." if verdicts else "",
        f"Reported numbers: {marks}, else verified." if marks else "",
        *record_legend(report.cells),
        f"All of it: {link(report.title, f'{folder}/{report.name}.md')}.",
    ]
    figure = picture(KINDS[MAIN], f"{folder}/{file_name(report.name, MAIN, 'svg')}")
    return "\n\n".join([table(_grid(report)), " ".join(filter(None, sentences)), figure])


def _grid(report: Report) -> Grid:
    """The rows that were run; for each scenario what was measured, with its verdict, and what is reported."""
    scale = SCALES[report.unit]
    reported = {cell.scenario for cell in report.cells if cell.reported}
    columns = [Column("", align="left")]
    for scenario in report.scenarios:
        columns += [Column(scenario), *([Column("reported")] if scenario in reported else [])]
    lines = []
    for cells in report.rows.values():
        if any(cell.measured for cell in cells):
            by_scenario = {cell.scenario: cell for cell in cells}
            fields = [Entry(cells[0].label)]
            for scenario in report.scenarios:
                cell = by_scenario.get(scenario)
                fields.append(Entry(_measured(cell, scale) if cell else ""))
                if scenario in reported:
                    fields.append(Entry(reported_text(cell.reported, report.unit) if cell else ""))
            lines.append(tuple(fields))
    return Grid(name="readme", title="", columns=tuple(columns), rows=tuple(lines))


def _measured(cell: ReportCell, scale: Scale) -> str:
    if cell.measured is None:
        return NOT_RUN
    final = cell.measured.final
    symbol = f" {SYMBOLS[cell.verdict.outcome]}" if cell.verdict else ""
    return f"{scale.with_spread(final.mean, final.sem)} ({final.n}){record_marks(cell)}{symbol}"
