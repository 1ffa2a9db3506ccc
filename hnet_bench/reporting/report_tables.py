"""The tables of a report in the order of its pages, and the first of them: measured, reported and verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.measures import account_table, details_table, metrics_table
from hnet_bench.reporting.statistics import MINIMUM_TO_RANK
from hnet_bench.reporting.text import code_text, legend, measured_text, reported_text
from hnet_bench.reporting.text_table import Column, TextTable, sections_of, text_table
from hnet_bench.reporting.verdict_tables import code_table, run_with_code, verdicts_table
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, VERDICTS

UNTESTED = (
    f"what has too few seeds to be told from the best, or where the best has too few: it takes {MINIMUM_TO_RANK} each"
)
RANK_MARKS = {"best": "", "tied": " ≈", "untested": " °", "": ""}

Row: TypeAlias = "dict[str, ReportCell]"  # the cells of a row by their scenario

ROW: Column[Row] = Column("", lambda row: next(iter(row.values())).label, "left")


def ranked_text(cell: ReportCell) -> str:
    """What was measured, with its marks and that of its rank."""
    return f"{measured_text(cell)}{RANK_MARKS[cell.rank]}"


MEASURED: Column[ReportCell] = Column("measured", ranked_text, shows="rank")
REPORTED: Column[ReportCell] = Column("reported", lambda cell: reported_text(cell.reported, cell.cell.unit))
SYMBOL: Column[ReportCell] = Column(
    "verdict", lambda cell: cell.verdict.kind.symbol if cell.verdict else "", "center", shows="verdict"
)
CODE: Column[ReportCell] = Column(
    "authors' code", lambda cell: " ".join(filter(None, (code_text(cell.cell), _symbol(cell))))
)


def _symbol(cell: ReportCell) -> str:
    return cell.beside_code.kind.symbol if cell.beside_code else ""


def results_table(report: Report) -> TextTable:
    """Measured, reported and verdict of each row in each scenario."""
    kinds = [MEASURED]
    kinds += [REPORTED] if any(cell.reported for cell in report.cells) else []
    kinds += [SYMBOL] if any(cell.verdict for cell in report.cells) else []
    coded = {cell.scenario for cell in run_with_code(report)}
    shown = [
        replace(kind, scenario=scenario, group=scenario)
        for scenario in report.scenarios
        for kind in [*kinds, *([CODE] if scenario in coded else [])]
    ]
    return text_table(
        [ROW, *shown],
        report.rows,
        name="results",
        title=report.scale.heading,
        sections=sections_of([next(iter(row.values())) for row in report.rows]),
        notes=(*legend(report.cells), *_rank_legend(report), *_verdict_legend(report), *code_legend(report)),
    )


def code_legend(report: Report) -> list[str]:
    """What a column of the authors' code says; nothing without one."""
    meaning = (
        "Authors' code: runs of the public code of the paper's authors, mean ± SEM (number of seeds); from "
        f"{MINIMUM_SEEDS} seeds on with the verdict on what is measured beside it, with the same margin."
    )
    return [meaning] if run_with_code(report) else []


def _rank_legend(report: Report) -> list[str]:
    meanings = {
        "best": "Bold: the best mean measured in a scenario, for each benchmark, bounds aside.",
        "tied": "≈ cannot be told from the best at 5 % (paired by seed where both learn the same data, Holm's "
        "correction for all pairs).",
        "untested": f"° {UNTESTED}.",
    }
    found = {cell.rank for cell in report.cells}
    return [meaning for rank, meaning in meanings.items() if rank in found]


def _verdict_legend(report: Report) -> list[str]:
    counts = report.outcomes
    judged = [cell.verdict for cell in report.cells if cell.verdict and cell.verdict.outcome != "inconclusive"]
    shaky = Counter(one.outcome for one in judged if one.known != "verified")
    present = []
    for name, kind in VERDICTS.items():
        if kind.meaning and counts[name]:
            beside = f", {shaky[name]} beside numbers that are not verified" if shaky[name] else ""
            present.append(f"{kind.symbol} {kind.meaning} ({counts[name]}{beside})")
    return [f"Verdict (number of cells): {'; '.join(present)}; not run ({counts['not run']})."] if present else []


@lru_cache(maxsize=64)  # several formats ask for those of the same reports
def tables_of(report: Report) -> tuple[TextTable, ...]:
    """The tables that a report has, in the order of its pages."""
    makers = (results_table, metrics_table, verdicts_table, code_table, details_table, account_table)
    return tuple(table for make in makers if (table := make(report)))
