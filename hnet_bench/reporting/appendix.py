"""The reproducibility appendix, written from records and tables: hardware, software, seeds, compute, settings, what
deviates from the papers, and every number that is not reproduced with what is known of the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hnet_bench.config import to_settings
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.grid import Column, Entry, Grid
from hnet_bench.reporting.made_of import commit, data, hardware, products, software
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.not_reproduced import not_reproduced
from hnet_bench.reporting.settings_text import one_line
from hnet_bench.reporting.standing import records_of, standing
from hnet_bench.reporting.tables import duration
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec

TITLE = "Reproducibility appendix"

_GIBIBYTE = 2**30


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the appendix: sentences, then a grid and a list where there are any."""

    heading: str
    text: str = ""
    grid: Grid | None = None
    items: tuple[str, ...] = ()


def sections(reports: Sequence[Report]) -> list[Section]:
    """The appendix of these tables, in the order of its page."""
    runs = records_of(state for report in reports for state in report.states)
    every = list(runs.values())
    return [
        _compute(reports, every),
        *_surroundings(every),
        *(_settings(report) for report in reports),
        _deviations(reports),
        *(found for report in reports if (found := _open_numbers(report))),
    ]


def _compute(reports: Sequence[Report], every: Sequence[Record]) -> Section:
    rows = []
    for report in reports:
        found = records_of(report.states)
        how_far = standing(report)
        seeds = {record.spec["seed"] for record in found.values()}
        rows.append(
            (
                report.name,
                f"{how_far.done} of {how_far.planned}",
                str(how_far.stale),
                format_seeds(report.table.seeds),
                format_seeds(tuple(sorted(seeds))),
                duration(how_far.seconds),
                duration(max((record.seconds["total"] for record in found.values()), default=0.0)),
                _memory(found.values()),
            )
        )
    total = duration(sum(record.seconds["total"] for record in every))
    headings = ("Table", "Runs", "Stale", "Seeds planned", "Seeds with a record", "Time", "Longest run", "Most memory")
    return Section(
        heading="Compute",
        text=f"{len(every)} different runs took {total}, one after the other; tables may share runs. Times were "
        "measured on machines that did other work as well. Stale: made by code that computed something else.",
        grid=_grid("compute", headings, rows, left=1),
    )


def _surroundings(every: Sequence[Record]) -> list[Section]:
    kinds: dict[str, Callable[[Record], str]] = {
        "Hardware": lambda record: f"{hardware(record)}; threads per run: {record.provenance.get('threads')}",
        "Operating system": lambda record: str(record.provenance.get("platform", "not recorded")),
        "Software": lambda record: f"{software(record)}; matrix products: {products(record)}",
        "Code": lambda record: f"commit {commit(record)}",
        "Data": lambda record: f"SHA-256 of {data(record)}",
    }
    return [Section(heading=heading, items=tuple(_counted(every, value_of))) for heading, value_of in kinds.items()]


def _counted(records: Iterable[Record], value_of: Callable[[Record], str]) -> list[str]:
    counts: dict[str, int] = {}
    for record in records:
        counts[value_of(record)] = counts.get(value_of(record), 0) + 1
    return [f"{value} ({count} run{'' if count == 1 else 's'})" for value, count in sorted(counts.items())]


def _settings(report: Report) -> Section:
    """Each row's settings with every default written out; what rows share in benchmark and protocol has a letter."""
    letters: dict[str, str] = {}
    rows: dict[tuple[str, ...], list[str]] = {}
    for state in report.states:
        spec = state.spec
        if spec is None:
            rows.setdefault((state.cell.label, "", f"{state.cell.strategy} (not here yet)", ""), []).append(
                state.cell.scenario.label
            )
            continue
        letter = letters.setdefault(_frame(spec), chr(ord("A") + len(letters)))
        key = (state.cell.label, letter, spec.strategy, one_line(spec.hyperparameters))
        rows.setdefault(key, []).append(state.cell.scenario.label)
    lines = [
        (label, ", ".join(scenarios), letter, name, text) for (label, letter, name, text), scenarios in rows.items()
    ]
    headings = ("Row", "Scenarios", "Trained", "Strategy", "Hyperparameters")
    return Section(
        heading=f"Settings of {report.name}",
        grid=_grid("settings", headings, lines, left=5),
        items=tuple(f"{letter}: {text}" for text, letter in letters.items()),
    )


def _frame(spec: RunSpec) -> str:
    benchmark = f"{spec.benchmark} ({one_line(spec.benchmark_settings)})"
    return f"{benchmark}; {one_line(to_settings(spec.protocol))}"


def _deviations(reports: Sequence[Report]) -> Section:
    return Section(
        heading="Deviations from the papers, and what they leave open",
        items=tuple(f"{report.name}: {report.note}" for report in reports if report.note),
    )


def _open_numbers(report: Report) -> Section | None:
    found = not_reproduced(report)
    if found is None:
        return None
    grid, not_run = found
    return Section(heading=f"Not reproduced in {report.name}", grid=grid, items=not_run)


def _grid(name: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Grid:
    return Grid(
        name=name,
        title="",
        columns=tuple(Column(text, align="left" if index < left else "right") for index, text in enumerate(headings)),
        rows=tuple(tuple(Entry(text) for text in row) for row in rows),
    )


def _memory(records: Iterable[Record]) -> str:
    known = [record.peak_memory_bytes for record in records if record.peak_memory_bytes]
    return f"{max(known) / _GIBIBYTE:.2f} GiB" if known else ""
