"""The reproducibility appendix, written from records and tables: hardware, software, seeds, compute, settings, what
deviates from the papers, and every number that is not reproduced with what is known of the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from hnet_bench.config import to_settings
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.cells import Report, runs_of
from hnet_bench.reporting.plan_costs import why_not
from hnet_bench.reporting.provenance import commit, data, hardware, numbered, recorded, software
from hnet_bench.reporting.text import GIBIBYTE, duration, one_line
from hnet_bench.reporting.text_table import Column, TextTable, text_table
from hnet_bench.reporting.verdict_tables import not_reproduced
from hnet_bench.runs.record import Record

TITLE = "Reproducibility appendix"


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the appendix: sentences, then a table and a list where there are any."""

    heading: str
    text: str = ""
    table: TextTable | None = None
    items: tuple[str, ...] = ()


COMPUTE: tuple[Column[Report], ...] = (
    Column("Table", lambda report: report.name, "left"),
    Column("Runs", lambda report: f"{report.done} of {len(report.planned)}"),
    Column("Stale", lambda report: str(report.stale)),
    Column("Seeds planned", lambda report: format_seeds(report.table.seeds)),
    Column(
        "Seeds with a record",
        lambda report: format_seeds(tuple({seed for cell in report.cells for seed in cell.seeds})),
    ),
    Column("Time", lambda report: duration(report.seconds)),
    Column(
        "Longest run",
        lambda report: duration(max((record.seconds["total"] for record in report.runs.values()), default=0.0)),
    ),
    Column("Most memory", lambda report: _most_memory(report)),
)
MADE_WITH: dict[str, Callable[[Record], str]] = {
    "Hardware": lambda record: f"{hardware(record)}; threads per run: {record.provenance.get('threads')}",
    "Operating system": recorded("platform"),
    "Software": lambda record: f"{software(record)}; matrix products: {recorded('matrix_products')(record)}",
    "Code": lambda record: f"commit {commit(record)}",
    "Data": lambda record: f"SHA-256 of {data(record)}",
}


def sections(reports: Sequence[Report]) -> list[Section]:
    """The appendix of these tables, in the order of its page."""
    every = list(runs_of(reports).values())
    total = duration(sum(record.seconds["total"] for record in every))
    compute = Section(
        heading="Compute",
        text=f"{len(every)} different runs took {total}, one after the other; tables may share runs. Times were "
        "measured on machines that did other work as well. Stale: made by code that computed something else.",
        table=text_table(COMPUTE, reports, name="compute"),
    )
    deviations = Section(
        heading="Deviations from the papers, and what they leave open",
        items=tuple(f"{report.name}: {report.note}" for report in reports if report.note),
    )
    missed = {report.name: found for report in reports if (found := not_reproduced(report))}
    return [
        compute,
        *(Section(heading=kind, items=tuple(numbered(every, of))) for kind, of in MADE_WITH.items()),
        *map(_settings, reports),
        deviations,
        *(Section(heading=f"Not reproduced in {name}", table=one, items=rest) for name, (one, rest) in missed.items()),
    ]


def _settings(report: Report) -> Section:
    """Each row's settings with every default written out; what rows share in benchmark and protocol has a letter."""
    letters: dict[str, str] = {}
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for cell in report.cells:
        spec = cell.spec
        key = (cell.label, "", f"{cell.cell.strategy} ({why_not(cell)})", "")
        if spec is not None:
            benchmark = f"{spec.benchmark} ({one_line(spec.benchmark_settings)})"
            trained = f"{benchmark}; {one_line(to_settings(spec.protocol))}"
            letter = letters.setdefault(trained, chr(ord("A") + len(letters)))
            key = (cell.label, letter, spec.strategy, one_line(spec.hyperparameters))
        rows.setdefault(key, []).append(cell.scenario)
    lines = [(label, ", ".join(scenarios), *rest) for (label, *rest), scenarios in rows.items()]
    headings = ("Row", "Scenarios", "Trained", "Strategy", "Hyperparameters")
    columns: list[Column[tuple[str, ...]]] = [
        Column(heading, itemgetter(index), "left") for index, heading in enumerate(headings)
    ]
    return Section(
        heading=f"Settings of {report.name}",
        table=text_table(columns, lines, name="settings"),
        items=tuple(f"{letter}: {text}" for text, letter in letters.items()),
    )


def _most_memory(report: Report) -> str:
    known = [record.peak_memory_bytes for record in report.runs.values() if record.peak_memory_bytes]
    return f"{max(known) / GIBIBYTE:.2f} GiB" if known else ""
