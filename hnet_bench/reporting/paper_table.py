r"""One table for a paper: methods by scenarios in a single float, which needs booktabs and nothing else.

It is never scaled: a table that fits into a column of an `article` with two is a `table`, any other a `table*`, and
letters are no smaller than footnotes, spreads no smaller than scripts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from hnet_bench.interfaces import UserError
from hnet_bench.metrics import Summary
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.latex import escape, reference
from hnet_bench.reporting.measures import named_metrics
from hnet_bench.reporting.report_tables import UNTESTED
from hnet_bench.reporting.text import KNOWN, NOT_RUN, RECORD_MARKS, Scale, record_marks, reported_legend
from hnet_bench.reporting.text_table import sections_of

_SIGNS = {"sem": "SEM", "sd": "SD"}
_COLUMN, _PAGE = 229.0, 469.0  # points, of an `article` of 10 pt with two columns
# The environment, its width, the size of letters by name and in points, and the space at either side of a column.
_LAYOUTS = (
    ("table", _COLUMN, "small", 9.0, 3.0),
    ("table", _COLUMN, "footnotesize", 8.0, 2.5),
    ("table*", _PAGE, "small", 9.0, 6.0),
    ("table*", _PAGE, "footnotesize", 8.0, 4.0),
)
_SCRIPT = 8.0  # points of spreads and marks: they are set in 7, but small letters are wider for their size


@dataclass(frozen=True)
class _Entry:
    """A number of a table: its mean, and what stands smaller behind it."""

    mean: str
    spread: str = ""
    marks: str = ""
    bold: bool = False

    @property
    def latex(self) -> tuple[str, str]:
        """Both parts: means are aligned on the right, spreads on the left."""
        mean = "--" if self.mean == NOT_RUN else escape(self.mean)
        spread = rf"{{\scriptsize\,$\pm$\,{escape(self.spread)}}}" if self.spread else ""
        marks = rf"\textsuperscript{{{escape(self.marks)}}}" if self.marks else ""
        return rf"\textbf{{{mean}}}" if self.bold and mean else mean, spread + marks


_NONE = _Entry("")


@dataclass(frozen=True)
class _Column:
    scenario: str
    heading: str  # below the scenario, "" for none
    entries: list[_Entry]

    @property
    def paired(self) -> bool:
        """Whether anything stands behind its means; then it is two columns to LaTeX."""
        return any(entry.spread or entry.marks for entry in self.entries)

    def width(self, size: float) -> float:
        """Points."""
        behind = (
            _points(entry.marks + (f"± {entry.spread}" if entry.spread else ""), _SCRIPT) for entry in self.entries
        )
        means = max(_points(entry.mean, 1.15 * size if entry.bold else size) for entry in self.entries)
        return max(means + max(behind), _points(self.heading or self.scenario, size))


def paper_table(
    report: Report,
    *,
    spread: str = "sem",
    bold: str = "best",
    reported: bool = True,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    r"""The float. `spread` is "sem", "sd" or "none"; `bold` is "best", "tied" (what cannot be told from the best, too)
    or "none"; `caption` and `label` are LaTeX."""
    if label and not re.fullmatch(r"[A-Za-z0-9_.:/+-]+", label):
        raise UserError(f"A label of LaTeX has letters, digits and _ . : / + -, found '{label}'.")
    shown = reported and any(cell.reported for cell in report.cells)
    columns = [column for scenario in report.scenarios for column in _columns(report, scenario, spread, bold, shown)]
    sections = _sections(report)
    environment, size, space, first = _layout([label for _, labels in sections for label in labels], columns)
    stop = "" if report.title.endswith(("?", "!", ".")) else "."
    title = caption or escape(f"{report.title}{stop} {report.scale.heading} after the last experience.")
    notes = " ".join(escape(note) for note in _notes(report, spread, bold, shown))
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\caption{{{title}}}\label{{{label or reference(f'tab:{report.name}')}}}",
        rf"\medskip\{size}\setlength{{\tabcolsep}}{{{space:g}pt}}",
        rf"\begin{{tabular}}{{@{{}}{first}{''.join('r@{}l' if column.paired else 'c' for column in columns)}@{{}}}}",
        r"\toprule",
        *_header(columns),
    ]
    rows = zip(*(column.entries for column in columns), strict=True)
    for head, labels in sections:
        lines.append(r"\midrule")
        if head:
            width = 1 + sum(1 + column.paired for column in columns)
            lines.append(rf"\multicolumn{{{width}}}{{@{{}}l}}{{\emph{{{escape(head)}}}}} \\")
        lines += [_row(one, columns, next(rows)) for one in labels]
    lines += [
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip",
        rf"\parbox{{\linewidth}}{{\footnotesize\raggedright {notes}}}",
        rf"\end{{{environment}}}",
        "",
    ]
    text = "\n".join(lines)
    needs = "booktabs and amssymb" if re.search(r"\\(checkmark|blacktriangle)", text) else "booktabs"
    made = f"% Table {' '.join(report.name.split())} of hnet_bench, from {len(report.runs)} records; needs {needs}.\n"
    # The name of a file that is no UTF-8 may have named the table.
    return (made + text).encode(errors="backslashreplace").decode()


def _sections(report: Report) -> list[tuple[str, list[str]]]:
    """The labels of the rows of each benchmark, and what all of these have before a comma, "" if that differs."""
    cells = [next(iter(row.values())) for row in report.rows]
    found = []
    for first, last in pairwise((0, *sections_of(cells), len(cells))):
        labels = [cell.label for cell in cells[first:last]]
        heads = {label.partition(", ")[0] if ", " in label else "" for label in labels}
        head = heads.pop() if len(heads) == 1 and len(labels) > 1 else ""
        found.append((head, [label.removeprefix(f"{head}, ") if head else label for label in labels]))
    return found


def _columns(report: Report, scenario: str, spread: str, bold: str, reported: bool) -> Iterable[_Column]:
    cells = [row.get(scenario) for row in report.rows]
    best = {"best": ("best",), "tied": ("best", "tied")}.get(bold, ())
    metrics = [measure for measure in named_metrics(report) if measure.metric != "average_accuracy"]
    heading = "measured" if reported else "final" if metrics else ""
    yield _Column(scenario, heading, [_measured(cell, spread, best) for cell in cells])
    if reported and any(cell and cell.reported for cell in cells):
        yield _Column(scenario, "reported", [_reported(cell, spread) for cell in cells])
    for measure in metrics:
        entries = [
            _of_summary(measure.value(cell), measure.scale_of(cell), spread) if cell else _NONE for cell in cells
        ]
        yield _Column(scenario, measure.heading.lower(), entries)


def _measured(cell: ReportCell | None, spread: str, best: Sequence[str]) -> _Entry:
    if cell is None:
        return _NONE
    if cell.summary is None:
        return _Entry(NOT_RUN)
    entry = _of_summary(cell.summary, cell.scale, spread)
    return replace(entry, marks=record_marks(cell), bold=cell.rank in best)


def _of_summary(summary: Summary | None, scale: Scale, spread: str) -> _Entry:
    if summary is None:
        return _NONE
    deviation = {"sem": summary.sem, "sd": None if summary.variance is None else math.sqrt(summary.variance)}.get(
        spread
    )
    return _Entry(scale.text(summary.mean), "" if deviation is None else scale.text(deviation))


def _reported(cell: ReportCell | None, spread: str) -> _Entry:
    if cell is None or cell.reported is None:
        return _NONE
    found, text = cell.reported, cell.scale.text
    behind = "" if found.spread is None or spread == "none" else text(found.spread)
    return _Entry(text(found.mean), behind, KNOWN[found.known][0])


def _layout(labels: Sequence[str], columns: Sequence[_Column]) -> tuple[str, str, float, str]:
    """The environment, the size of letters, the space beside a column, and the column of the labels."""
    for environment, available, name, size, space in _LAYOUTS:
        rest = available - sum(column.width(size) + 2 * space for column in columns)
        if max(_points(label, size) for label in labels) <= rest:
            return environment, name, space, "l"
    # Labels are broken between words, and if they get less than this the author chooses fewer columns.
    return environment, name, space, rf"p{{{max(rest, 60):.0f}pt}}"


def _points(text: str, size: float) -> float:
    """About how wide text is set in Computer Modern."""
    narrow, wide = " .,:;'|!()ijlt", "+±%&mwMW=<>@—"
    return size * sum(0.33 if c in narrow else 0.8 if c in wide or c.isupper() else 0.52 for c in text)


def _header(columns: Sequence[_Column]) -> Iterable[str]:
    if columns[0].heading:
        spans, rules, first = [], [], 2
        for scenario, members in groupby(columns, key=lambda column: column.scenario):
            width = sum(1 + column.paired for column in members)
            spans.append(rf"\multicolumn{{{width}}}{{c}}{{{scenario}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
            first += width
        yield f" & {' & '.join(spans)} \\\\"
        yield "".join(rules)
    yield f"Method & {' & '.join(_spanned(column, column.heading or column.scenario) for column in columns)} \\\\"


def _row(label: str, columns: Sequence[_Column], entries: Sequence[_Entry]) -> str:
    fields = [escape(label)]
    for column, entry in zip(columns, entries, strict=True):
        mean, behind = entry.latex
        if entry.mean == NOT_RUN:
            fields.append(_spanned(column, mean))
        else:
            fields += [mean, behind] if column.paired else [mean]
    return " & ".join(fields) + r" \\"


def _spanned(column: _Column, text: str) -> str:
    return rf"\multicolumn{{2}}{{c}}{{{text}}}" if column.paired else text


def _notes(report: Report, spread: str, bold: str, reported: bool) -> Iterable[str]:
    numbers = sorted({cell.summary.n for cell in report.cells if cell.summary})
    between = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
    sign = f" ± {_SIGNS[spread]}" if spread in _SIGNS and numbers[-1] > 1 else ""
    yield f"{'Measured: mean' if reported else 'Mean'}{sign} over {between} seed{'s' * (numbers[-1] > 1)}."
    yield from (metric.legend.format(differences=report.scale.differences) for metric in named_metrics(report))
    if any(cell.rank == "best" for cell in report.cells):
        aside = ", bounds aside" if any(cell.cell.reference for cell in report.cells) else ""
        if bold == "best":
            yield f"Bold: the best mean{aside}."
        if bold == "tied":
            untested = any(cell.rank == "untested" for cell in report.cells)
            yield f"Bold: the best mean{aside}, and what cannot be told from it at 5 %."
            yield from [f"Not tested, and not bold: {UNTESTED}."] if untested else []
    marks = "".join(record_marks(cell) for cell in report.cells)
    yield from (f"{mark.sign} {mark.name.lower()}{mark.what}." for mark in RECORD_MARKS if mark.sign in marks)
    if reported:
        yield from reported_legend(report.cells, spread=spread != "none")
    if report.table.reduced:
        yield f"Reduced: {report.table.reduced}."
