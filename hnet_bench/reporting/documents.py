"""Documents beside a folder of reports whose numbers are rendered from records, as the reports are.

In a README.md what stands between two marks:

    <!-- results: von_oswald_2020_table_1 -->
    whatever stands here is replaced
    <!-- end of results -->

And docs/findings.md as a whole, from its template docs/findings.md.j2: `table("quick")` there is what `Numbers` says of
a table.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hnet_bench.interfaces import UserError
from hnet_bench.metrics import Summary, average_accuracy, during_accuracy, summarise
from hnet_bench.papers.reported import Reported
from hnet_bench.papers.seeds import parse_seeds
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.figures.kinds import KINDS, MAIN, file_name
from hnet_bench.reporting.markdown import escape, link, picture, table
from hnet_bench.reporting.report_tables import CODE, REPORTED, ROW, code_legend
from hnet_bench.reporting.text import KNOWN, in_toml, measured_text, record_legend, rounded
from hnet_bench.reporting.text_table import Column, text_table
from hnet_bench.reporting.verdict_tables import difference_text, interval_in_words, run_with_code
from hnet_bench.reporting.verdicts import VERDICTS, Verdict, beside_authors_code, verdict_of
from hnet_bench.runs.record import Record
from hnet_bench.runs.shipped import SUM_FILE, sum_of, sums_of

_BLOCK = re.compile(r"(<!-- results: (\S+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
FINDINGS = Path("docs/findings.md")


def documents(reports: Sequence[Report], folder: Path, *, records: Path) -> dict[Path, bytes]:
    """The documents beside the folder of these reports that ask for their numbers; in a checkout also the file which
    says what records a release has."""
    beside, name = Path(os.path.normpath(folder / "..")), os.path.basename(os.path.abspath(folder))
    by_name = {one.name: one for one in reports}
    found: dict[Path, bytes] = {}
    if "<!-- results: " in (text := _read(beside / "README.md")):
        found[beside / "README.md"] = with_results(text, by_name, folder=name).encode()
    if template := _read(beside / f"{FINDINGS}.j2"):
        found[beside / FINDINGS] = rendered(template, by_name).encode()
    if (sums := beside / SUM_FILE.parent.name / SUM_FILE.name).is_file():
        found[sums] = f"{sum_of(sums_of(records))}\n".encode()
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Numbers:
    """What the records of a table say, for the text of a document: of a row in a scenario, over such seeds as "1-5"."""

    report: Report

    def records(self, row: str, scenario: str, seeds: str) -> list[Record]:
        """The records of these seeds. Raises UserError if one is not there."""
        asked = self._cells.get(f"{row}/{scenario}")
        by_seed = {record.spec["seed"]: record for record in asked.records} if asked else {}
        if absent := [str(seed) for seed in parse_seeds(seeds) if seed not in by_seed]:
            raise UserError(
                f"{FINDINGS}.j2 asks for row '{row}' ({scenario}) of table '{self.report.name}' with seed {absent[0]}, "
                "of which there is no record."
            )
        return [by_seed[seed] for seed in parse_seeds(seeds)]

    def has(self, row: str, scenario: str, seeds: str) -> bool:
        """Whether there is a record of each of these seeds."""
        asked = self._cells.get(f"{row}/{scenario}")
        found = {record.spec["seed"] for record in asked.records} if asked else set()
        return found.issuperset(parse_seeds(seeds))

    def chosen(self, row: str, scenario: str) -> str:
        """ "1e+06": the values that a search chose for a row. Raises UserError if it has none."""
        found = self._cells.get(f"{row}/{scenario}")
        search = found.cell.search if found else None
        if search is None or search.choice is None:
            raise UserError(
                f"{FINDINGS}.j2 asks what was chosen for row '{row}' ({scenario}) of table '{self.report.name}', for "
                "which nothing was."
            )
        return ", ".join(in_toml(search.choice.values).values())

    def scores(self, row: str, scenario: str, seeds: str, *, during: bool = False) -> list[float]:
        """Average scores of the seeds, after the last experience or right after each."""
        metric = during_accuracy if during else average_accuracy
        return [metric(record.score) for record in self.records(row, scenario, seeds)]

    def experiences(self, row: str, scenario: str, seeds: str, *, during: bool = False) -> list[list[float | None]]:
        """For each experience the scores of the seeds on it, after the last or right after itself."""
        scores = [record.score for record in self.records(row, scenario, seeds)]
        return [[one[at if during else -1][at] for one in scores] for at in range(len(scores[0]))]

    def mean(self, row: str, scenario: str, seeds: str, *, during: bool = False) -> str:
        """ "62.51 ± 1.17": their mean and SEM."""
        return self._mean(self.scores(row, scenario, seeds, during=during))

    def gain(self, row: str, other: str, scenario: str, seeds: str) -> str:
        """ "+0.94 ± 1.70": how much higher a row is than another with the same seeds, paired."""
        pairs = zip(self.scores(row, scenario, seeds), self.scores(other, scenario, seeds), strict=True)
        text = self._mean([one - two for one, two in pairs])
        return text if text.startswith("-") else f"+{text}"

    def authors_code(self, row: str, scenario: str) -> str:
        """ "62.91 ± 1.44 (7)": what the authors' code gave. Raises UserError if nobody ran it."""
        return self.report.scale.summary(self._of_code(row, scenario))

    def beside_code(self, row: str, scenario: str, seeds: str) -> str:
        """ "-0.39, 90 % interval -3.91 to +3.12: inconclusive": these seeds beside the authors' code."""
        code, scores = self._of_code(row, scenario), self.scores(row, scenario, seeds)
        reported = self._reported(row, scenario)
        look = len(scores) if len(scores) in reported.looks else None
        return self._judged(beside_authors_code(scores, code, reported, look=look))

    def code_beside_reported(self, row: str, scenario: str) -> str:
        """The same of the authors' code beside what the paper reports."""
        self._of_code(row, scenario)
        scores = self._cells[f"{row}/{scenario}"].cell.scores_of_authors_code
        # Its seeds are those that somebody ran; the looks of the table are about ours.
        return self._judged(verdict_of(scores, replace(self._reported(row, scenario), looks=())))

    def _judged(self, found: Verdict | None) -> str:
        if found is None or found.interval_low is None:
            raise UserError(f"{FINDINGS}.j2 asks for a verdict in table '{self.report.name}' on too few seeds.")
        scale = self.report.scale
        return f"{difference_text(found, scale)}, {interval_in_words(found, scale)}: {found.outcome}"

    def _reported(self, row: str, scenario: str) -> Reported:
        reported = self._cells[f"{row}/{scenario}"].reported
        if reported is None or reported.margin is None:
            raise UserError(f"{FINDINGS}.j2 asks for a verdict on row '{row}' ({scenario}), which has no margin.")
        return reported

    def _of_code(self, row: str, scenario: str) -> Summary:
        cell = self._cells.get(f"{row}/{scenario}")
        if cell is None or (code := cell.cell.by_authors_code) is None:
            raise UserError(
                f"{FINDINGS}.j2 asks for the authors' code of row '{row}' ({scenario}) of table '{self.report.name}', "
                "which nobody ran."
            )
        return code

    @property
    def _cells(self) -> dict[str, ReportCell]:
        return {cell.key: cell for cell in self.report.cells}

    def _mean(self, values: Sequence[float]) -> str:
        summary = summarise(values)
        return self.report.scale.with_spread(summary.mean, summary.sem) if summary else ""


def rendered(template: str, reports: Mapping[str, Report]) -> str:
    """A document from its template. Raises UserError for what the template has wrong."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    def numbers(name: str) -> Numbers:
        if name not in reports:
            raise UserError(f"{FINDINGS}.j2 asks for table '{name}', which has no record.")
        return Numbers(reports[name])

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    environment.filters["percent"] = lambda fraction, digits=2: rounded(100 * fraction, f".{digits}f")
    try:
        return environment.from_string(template).render(table=numbers)
    except TemplateError as error:
        raise UserError(f"{FINDINGS}.j2 is no sound template: {error}.") from error


def with_results(text: str, reports: Mapping[str, Report], *, folder: str) -> str:
    """The text of a README with the blocks of these tables rendered anew, others as they are; `folder` is that of the
    reports, from the README."""

    def rendered(block: re.Match[str]) -> str:
        report = reports.get(block[2])
        return block[0] if report is None else f"{block[1]}\n{_block(report, folder)}\n\n{block[3]}"

    return _BLOCK.sub(rendered, text)


def _block(report: Report, folder: str) -> str:
    """The rows that were run; for each scenario what was measured, with its verdict, and what is reported."""
    measured: Column[ReportCell] = Column("", _measured)
    reported = {cell.scenario for cell in report.cells if cell.reported}
    coded = {cell.scenario for cell in run_with_code(report)}
    columns: list[Column[Any]] = [ROW]
    for scenario in report.scenarios:
        columns += [replace(measured, heading=scenario, scenario=scenario)]
        columns += [replace(REPORTED, scenario=scenario)] if scenario in reported else []
        columns += [replace(CODE, scenario=scenario)] if scenario in coded else []
    rows = [row for row in report.rows if _was_run(row)]
    left_out = ", ".join(escape(ROW.of(row)) for row in report.rows if not _was_run(row))
    counts = report.outcomes
    verdicts = "; ".join(
        f"{kind.symbol} {name} ({counts[name]})" for name, kind in VERDICTS.items() if kind.symbol and counts[name]
    )
    known = {cell.reported.known for cell in report.cells if cell.reported}
    marks = ", ".join(f"{mark} {name}" for name, (mark, _) in KNOWN.items() if mark and name in known)
    sentences = [
        f"{report.scale.heading}: mean ± SEM (seeds).",
        f"Verdicts: {verdicts}; not run ({counts['not run']})." if verdicts else "",
        f"Rows without a run are not shown: {left_out}." if left_out else "",
        f"Reported numbers: {marks}, else verified." if marks else "",
        *code_legend(report),
        *record_legend(report.cells),
        f"All of it: {link(report.title, f'{folder}/{report.name}.md')}.",
    ]
    figure = picture(KINDS[MAIN].title, f"{folder}/{file_name(report.name, MAIN, 'svg')}")
    return "\n\n".join([table(text_table(columns, rows)), " ".join(filter(None, sentences)), figure])


def _was_run(row: Mapping[str, ReportCell]) -> bool:
    return any(cell.records for cell in row.values())


def _measured(cell: ReportCell) -> str:
    symbol = f" {cell.verdict.kind.symbol}" if cell.verdict and cell.records else ""
    return f"{measured_text(cell)}{symbol}"
