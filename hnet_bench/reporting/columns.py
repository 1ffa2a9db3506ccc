"""The tables of a report: a column is declared once, with its heading and what it says, and all formats render it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import METRICS, Better, Summary, summarise
from hnet_bench.papers.search import ON_TEST_DATA
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.provenance import TracedRecord
from hnet_bench.reporting.statistics import (
    ERROR_RATE,
    INTERVAL,
    LEVEL,
    MINIMUM_TO_RANK,
    confidence,
    error_rate,
    level_at,
)
from hnet_bench.reporting.text import (
    GIBIBYTE,
    KNOWN,
    MEBIBYTE,
    PERCENT,
    Scale,
    code_text,
    count,
    legend,
    listed,
    measured_text,
    one_line,
    record_legend,
    record_marks,
    reported_text,
)
from hnet_bench.reporting.verdicts import (
    MINIMUM_SEEDS,
    MINIMUM_TO_REPRODUCE,
    VERDICTS,
    Verdict,
    has_known_error,
)
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record
from hnet_bench.runs.tuning import Tuned

Item = TypeVar("Item")
Align: TypeAlias = Literal["left", "right", "center"]

NO_REASON = "no reason known"
# Share of the margin from which on a difference, rather than the spread of seeds, keeps a number from being reproduced.
_NEAR = 0.5
ABSENT = "not measured"
_GAPS = {
    metric: f"{what} is not measured where a run evaluates after each experience on that one alone, and on all of them "
    f"after the last: {why} is then not known."
    for metric, what, why in (
        ("forgetting", "Forgetting", "the best earlier score"),
        ("worst_case_accuracy", "The worst case", "the worst later score"),
        ("anytime_accuracy", "Anytime accuracy", "the average score before the end"),
    )
}
UNTESTED = (
    f"what has too few seeds to be told from the best, or where the best has too few: it takes {MINIMUM_TO_RANK} each"
)
RANK_MARKS = {"best": "", "tied": " ≈", "untested": " °", "": ""}


@dataclass(frozen=True)
class Entry:
    """One entry of a table."""

    text: str
    best: bool = False  # to be set in bold
    outcome: str = ""  # of the verdict that it shows
    cell: str = ""  # the cell whose records stand behind it, as `ReportCell.key`


@dataclass(frozen=True)
class Column(Generic[Item]):
    """One column: what stands above it, also above it and its neighbours of the same group, and what it says of an
    item, such as a cell or a record."""

    heading: str
    of: Callable[[Item], str]
    align: Align = "right"
    group: str = ""
    scenario: str = ""  # where items are rows: the scenario of the cell that it is about
    shows: Literal["", "rank", "verdict"] = ""  # the best rank in bold, the verdict in colour
    # In a terminal that is too narrow for all columns the one with the highest number is left out first; one with 0,
    # such as a name that is to be typed, never.
    spare: int = 0
    prose: bool = False  # a narrow terminal may begin a new line between its words


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text with its legend."""

    name: str  # short, fit for a label
    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Entry, ...], ...]
    sections: tuple[int, ...] = ()  # indices of rows before which a new section begins
    notes: tuple[str, ...] = ()

    @property
    def bodies(self) -> list[tuple[tuple[Entry, ...], ...]]:
        """The rows of each section."""
        ends = (*self.sections, len(self.rows))
        return [self.rows[first:last] for first, last in zip((0, *self.sections), ends, strict=True)]


def text_table(
    columns: Sequence[Column[Any]],
    items: Iterable[Any],
    *,
    name: str = "",
    title: str = "",
    sections: tuple[int, ...] = (),
    notes: Iterable[str] = (),
    drop_empty: bool = False,
) -> TextTable:
    """A table with a row for each item; with `drop_empty` without columns that say nothing of any."""
    rows = [[_field(column, item) for column in columns] for item in items]
    kept = [index for index in range(len(columns)) if not drop_empty or any(row[index].text for row in rows)]
    return TextTable(
        name=name,
        title=title,
        columns=tuple(columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in rows),
        sections=sections,
        notes=tuple(notes),
    )


def _field(column: Column[Any], item: Any) -> Entry:
    if column.scenario:
        item = item.get(column.scenario)
        if item is None:
            return Entry("")
    if not isinstance(item, ReportCell):
        return Entry(column.of(item))
    outcome = item.verdict.outcome if item.verdict and column.shows == "verdict" else ""
    return Entry(column.of(item), best=column.shows == "rank" and item.rank == "best", outcome=outcome, cell=item.key)


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


def run_with_code(report: Report) -> list[ReportCell]:
    """The cells that somebody ran the authors' code for."""
    return [cell for cell in report.cells if cell.cell.authors_code]


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


NAME: Column[CellState] = Column("Row", lambda state: state.cell.row, "left")
LABEL: Column[ReportCell] = Column("", lambda cell: cell.label, "left")
SCENARIO: Column[ReportCell] = Column("Scenario", lambda cell: cell.scenario, "left")


def difference_text(found: Verdict, scale: Scale) -> str:
    """ "-0.06", "" without a record."""
    return "" if found.difference is None else scale.signed(found.difference)


def interval_text(found: Verdict, scale: Scale) -> str:
    """ "-0.14 to +0.02", "" without an interval."""
    if found.interval_low is None or found.interval_high is None:
        return ""
    own = "" if found.level == LEVEL else f" ({confidence(found.level)})"
    return f"{scale.signed(found.interval_low)} to {scale.signed(found.interval_high)}{own}"


def interval_in_words(found: Verdict, scale: Scale) -> str:
    """ "90 % interval -0.14 to +0.02", "" without an interval."""
    text = interval_text(replace(found, level=LEVEL), scale)
    return text and f"{confidence(found.level)} interval {text}"


def _judged(text: Callable[[Verdict, Scale], str]) -> Callable[[ReportCell], str]:
    return lambda cell: text(cell.verdict, cell.scale) if cell.verdict else ""


def _seeds(cell: ReportCell) -> str:
    """ "7", or "5 of 7" where the others wait for the next look."""
    judged, measured = cell.verdict.seeds if cell.verdict else 0, len(cell.records)
    return str(measured) if judged in (0, measured) else f"{judged} of {measured}"


VERDICT_COLUMNS: tuple[Column[ReportCell], ...] = (
    LABEL,
    SCENARIO,
    Column("Seeds", lambda cell: f"{_seeds(cell)}{record_marks(cell)}", spare=1),
    Column("Difference", _judged(difference_text), spare=2),
    Column(INTERVAL, _judged(interval_text), spare=3),
    Column("Margin", _judged(lambda found, scale: scale.text(found.margin)), spare=4),
    Column("Verdict", _judged(lambda found, _: found.outcome + KNOWN[found.known][0]), "left", shows="verdict"),
    Column("Seeds if equal", _judged(lambda found, _: str(found.seeds_if_equal or "")), spare=5),
)
_BY_HEADING = {column.heading: column for column in VERDICT_COLUMNS}
NOT_REPRODUCED_COLUMNS: tuple[Column[ReportCell], ...] = (
    replace(LABEL, heading="Row"),
    *(_BY_HEADING[heading] for heading in ("Scenario", "Verdict")),
    Column("Seeds", _seeds),
    *(_BY_HEADING[heading] for heading in ("Difference", INTERVAL, "Seeds if equal")),
    Column("Reason", lambda cell: reason_of(cell), "left"),
)


def verdicts_table(report: Report, columns: tuple[Column[Any], ...] = VERDICT_COLUMNS) -> TextTable | None:
    """What each verdict rests on, for cells that were run; None if there is none."""
    judged = [cell for cell in report.cells if cell.verdict and cell.records]
    if not judged:
        return None
    return text_table(
        columns,
        judged,
        name="verdicts",
        title="Verdicts",
        sections=sections_of(judged),
        notes=_verdict_notes(report),
    )


CODE_COLUMNS: tuple[Column[ReportCell], ...] = (
    *VERDICT_COLUMNS[:3],
    Column("Authors' code", lambda cell: code_text(cell.cell)),
    *VERDICT_COLUMNS[3:],
)


def code_table(report: Report, columns: tuple[Column[Any], ...] = CODE_COLUMNS) -> TextTable | None:
    """The same of the runs of the authors' code, for cells that have any; None if none has."""
    if not (cells := run_with_code(report)):
        return None
    return text_table(
        columns,
        [replace(cell, verdict=cell.beside_code) for cell in cells],
        name="code",
        title="Beside the authors' code",
        sections=sections_of(cells),
        notes=(
            "Difference: measured minus the mean of the authors' code. Margin, test and least numbers of seeds are "
            "those of the verdicts above. Seeds are not paired: the same one draws other numbers in other code.",
            f"With fewer than {MINIMUM_SEEDS} seeds of the authors' code there is no verdict. No number: these are too "
            "few, however many of ours there were.",
        ),
    )


def _verdict_notes(report: Report) -> Iterable[str]:
    yield (
        f"Difference: measured minus reported, in {report.scale.differences}. Reproduced if its {INTERVAL} lies "
        "within the margin, above or below if it lies beyond it, else inconclusive: two one-sided tests at "
        f"{ERROR_RATE}. The margin stands in the table and does not depend on what is measured. Fewer than "
        f"{MINIMUM_SEEDS} seeds are inconclusive, and fewer than {MINIMUM_TO_REPRODUCE} never reproduce a number, "
        "since some methods fail on single seeds."
    )
    yield (
        "Seeds if equal: how many it takes in all to decide with a chance of 80 %, with the spread measured so far, if "
        "measured and reported are equal in truth. No number: the reported mean itself is too uncertain."
    )
    if any(
        cell.verdict and cell.verdict.matched is None and cell.reported and not has_known_error(cell.reported)
        for cell in report.cells
    ):
        yield (
            "Where a paper gives no spread its number is taken as exact, and where it gives one without the number of "
            "seeds, this as large. What would then be reproduced is called close, since no error rate holds; above "
            "and below are so from the number as it is printed."
        )
    yield from _design_notes(report)
    yield from record_legend(report.cells)
    if not_run := _not_run(report):
        yield f"Not run: {listed(not_run)}."


def _design_notes(report: Report) -> Iterable[str]:
    """What is to be known of matched designs and of looks."""
    for looks in dict.fromkeys(cell.reported.looks for cell in report.cells if cell.verdict and cell.reported):
        if looks:
            rates = [error_rate(level_at(looks, look)) for look in looks]
            yield (
                f"Judged after {', '.join(map(str, looks))} seeds, the first ones of the table, by tests at "
                f"{', '.join(rates)}, which add up to {ERROR_RATE}: seeds may be added until a number is decided. "
                "Difference and interval are those of the last look that was reached. "
                f"More than {looks[-1]}: none is likely to decide."
            )
    matched = [
        f"{cell.label} {cell.scenario} ({cell.scale.text(found.within)}; {found.matched} draws in common)"
        for cell in report.cells
        if (found := cell.verdict) and found.matched is not None and found.within is not None
    ]
    if matched:
        yield (
            "Matched: the paper's draws are known, and what the same draw does to both means is left out of the "
            f"interval. Standard deviation of runs of one draw: {', '.join(matched)}."
        )


def _not_run(report: Report) -> dict[str, list[str]]:
    """The scenarios of each row that has a verdict in them, but no record."""
    found: dict[str, list[str]] = {}
    for cell in report.cells:
        if cell.verdict and not cell.records:
            found.setdefault(cell.label, []).append(cell.scenario)
    return found


def traced_columns(scale: Scale) -> tuple[Column[TracedRecord], ...]:
    """Of the records behind a number, as `trace` prints them."""
    return (
        Column("Seed", lambda one: str(one.seed), "left"),
        Column(scale.heading, lambda one: scale.text(one.average), "left"),
        Column("Code", lambda one: one.code, "left", spare=1),
        Column("Run", lambda one: one.record.run_id, "left"),
        Column("Record", lambda one: str(one.path), "left", spare=2),
    )


def not_reproduced(report: Report) -> tuple[TextTable | None, tuple[str, ...]] | None:
    """A table of the cells that were run, and a line for each row that was not; None if every number is reproduced."""
    judged = [cell for cell in report.cells if cell.verdict and cell.verdict.outcome != "reproduced"]
    measured = [cell for cell in judged if cell.records]
    table = text_table(NOT_REPRODUCED_COLUMNS, measured, name="not-reproduced") if measured else None
    lines = (f"Not run: {label}, {', '.join(scenarios)}" for label, scenarios in _not_run(report).items())
    return (table, tuple(lines)) if judged else None


def reason_of(cell: ReportCell) -> str:
    """Why a number is not reproduced, as far as anybody knows; "" for one that is, or that nobody judges."""
    found = cell.verdict
    if found is None or found.outcome in ("reproduced", "not run"):
        return ""
    if cell.reported and cell.reported.reason:
        return cell.reported.reason
    if found.seeds < MINIMUM_SEEDS:
        return f"{NO_REASON}; fewer than {MINIMUM_SEEDS} seeds decide nothing"
    if cell.reported and cell.reported.looks and found.interval_low is None:
        return "not judged before the first look that the table declares"
    if found.outcome == "close":
        return "the paper does not say how uncertain its number is"
    if found.lacks_seeds_alone:
        return f"{NO_REASON}; within the margin so far, but fewer than {MINIMUM_TO_REPRODUCE} seeds reproduce no number"
    if found.outcome == "inconclusive" and found.difference is not None:
        share = abs(found.difference) / found.margin
        if share > _NEAR:
            of = "of" if share < 1 else "times"
            return f"{NO_REASON}; the difference so far is {share:.2g} {of} the margin"
        return f"{NO_REASON}; the seeds so far spread too much to decide"
    return NO_REASON


@dataclass(frozen=True)
class Measure:
    """What the records of a cell say: its name in JSON, its heading in a table ("": none), its value, and that as text.
    Most values are means over seeds; these are in the CSV, too, of others those that `data_files` names."""

    name: str
    heading: str
    value: Callable[[ReportCell], Any]
    text: Callable[[Any, Scale], str] = lambda value, scale: scale.text(value.mean)
    absent: str = ""  # the text where there is no value
    align: Align = "right"
    over_seeds: bool = True
    legend: str = ""  # below a table that has the column; {differences} stands for the unit of differences
    of: Literal["details", "account", "metrics"] = "details"  # the table that has it, unless a table names it
    metric: str = ""  # by which name in `METRICS` a table may name it

    def column(self) -> Column[ReportCell]:
        """Its column."""

        def text(cell: ReportCell) -> str:
            value = self.value(cell)
            return self.absent if value is None else self.text(value, cell.scale)

        return Column(self.heading, text, self.align)

    def with_spread(self, cell: ReportCell) -> str:
        """ "69.48 ± 0.80": its mean and SEM."""
        value = self.value(cell)
        if value is None:
            return self.absent
        return self.scale_of(cell).with_spread(value.mean, value.sem)

    def scale_of(self, cell: ReportCell) -> Scale:
        """How a metric is written: shares of inferred tasks in percent, all else as scores."""
        return PERCENT if self.metric == "task_inference" else cell.scale


def _mean(metric: Callable[[Record, Better], float | None]) -> Callable[[ReportCell], Summary | None]:
    return lambda cell: cell.over_seeds(metric)


def _metric(name: str, heading: str, legend: str, **rest: Any) -> Measure:
    """A metric of `METRICS`; `as_` is its name in JSON, if that is another."""
    key = rest.pop("as_", name)
    return Measure(key, heading, _mean(METRICS[name]), metric=name, legend=f"{heading}: {legend}", **rest)


def _of_account(name: str, heading: str, text: Callable[[float], str], legend: str) -> Measure:
    """A number of the account of a run."""
    return Measure(
        name,
        heading,
        lambda cell: cell.account[name],
        lambda value, _: text(value),
        ABSENT,
        over_seeds=False,
        legend=legend,
        of="account",
    )


def _mebibytes(number: float) -> str:
    return f"{number / MEBIBYTE:.2f}"


def _diagnostics(cell: ReportCell) -> dict[str, float]:
    """Means of the counters that strategies keep."""
    names = sorted({name for record in cell.records for name in record.diagnostics})
    counts = {name: [record.diagnostics.get(name, 0) for record in cell.records] for name in names}
    return {name: summary.mean for name, values in counts.items() if (summary := summarise(values))}


def _plain(form: str) -> Callable[[Any, Scale], str]:
    return lambda value, _: format(value, form)


def _chosen(cell: ReportCell) -> Settings | None:
    """How the hyperparameters of a cell were chosen, in tables that have a search."""
    search = cell.cell.search
    if search is None or search.choice is None:
        return {"how": cell.cell.origin} if cell.cell.origin and cell.cell.trial_seeds else None
    how = "selected on test data" if search.rule == ON_TEST_DATA else f"selected by {search.rule}"
    return {"how": how, "trials": search.choice.different, "values": search.choice.values}


def _chosen_text(value: Settings, _: Scale) -> str:
    if "trials" not in value:
        return str(value["how"])
    return f"{value['how']}, {count(value['trials'], 'trial')}: {one_line(value['values'])}"


# In the order of the details; a new metric is a function in `metrics` and an entry here, with its legend.
MEASURES = (
    Measure(
        "settings",
        "Settings",
        _chosen,
        _chosen_text,
        align="left",
        over_seeds=False,
        legend="Settings: published by a paper, given by whoever wrote the table, or selected among trials.",
    ),
    _metric("during_accuracy", "During", "score on each experience right after training on it.", as_="during"),
    _metric("average_accuracy", "Final", "after the last one.", as_="final"),
    _metric(
        "forgetting",
        "Forgetting",
        "what is lost from the best earlier score to the final one, in {differences}.",
        absent=ABSENT,
    ),
    _metric(
        "forward_transfer",
        "Forward transfer",
        "how much better each experience but the first is right before training on it than before any training, for "
        "runs that were evaluated then.",
    ),
    _metric(
        "backward_transfer",
        "Backward transfer",
        "how much better each experience but the last is in the end than right after training on it, in {differences}.",
        absent=ABSENT,
        of="metrics",
    ),
    _metric(
        "anytime_accuracy",
        "Anytime",
        "mean over experiences of the average score, after each, on all until then.",
        absent=ABSENT,
        of="metrics",
    ),
    _metric(
        "worst_case_accuracy",
        "Worst case",
        "mean of the last experience's score and, for each other, the worst score after a later experience; what lies "
        "between two evaluations is not seen.",
        absent=ABSENT,
        of="metrics",
    ),
    Measure("stale_seeds", "", lambda cell: cell.stale_seeds, over_seeds=False),
    Measure("departed_seeds", "", lambda cell: cell.departed_seeds or None, over_seeds=False),
    _metric(
        "task_inference",
        "Task inference",
        "after the last experience, how often the right task was inferred, in percent.",
        text=lambda mean, _: PERCENT.text(mean.mean),
    ),
    Measure(
        "trained_parameters",
        "Trained parameters",
        lambda cell: cell.records[0].parameters["trained"],
        _plain(","),
        over_seeds=False,
    ),
    Measure(
        "compression_ratio",
        "Compression ratio",
        lambda cell: cell.records[0].parameters["compression_ratio"],
        _plain(".3f"),
        over_seeds=False,
        legend="Compression ratio: trained parameters over those of the network that classifies.",
    ),
    Measure(
        "seconds",
        "Seconds per run",
        _mean(lambda one, _: one.seconds["total"]),
        lambda mean, _: f"{mean.mean:.1f}",
        legend="Seconds depend on the machine.",
    ),
    Measure(
        "peak_memory_bytes",
        "Memory, GiB",
        _mean(lambda record, _: record.peak_memory_bytes or None),
        lambda mean, _: f"{mean.mean / GIBIBYTE:.2f}",
        legend="Memory: the most that the process held at a time, what measuring takes included.",
    ),
    Measure(
        "diagnostics",
        "Diagnostics",
        _diagnostics,
        lambda value, _: ", ".join(f"{name} {mean:g}" for name, mean in value.items()),
        align="left",
        over_seeds=False,
    ),
    _of_account("stored_samples", "Stored samples", "{:,.0f}".format, "Stored: training samples kept for later ones."),
    _of_account("stored_bytes", "Stored, MiB", _mebibytes, ""),
    _of_account(
        "kept_bytes",
        "Kept, MiB",
        _mebibytes,
        "Kept: all of it, networks, importances, masks and samples, but for the state of optimisers.",
    ),
    _of_account(
        "held_bytes",
        "Held, MiB",
        _mebibytes,
        "Held: the same at the end of training on an experience, old copies and generated samples included.",
    ),
    _of_account("network_bytes", "Network, MiB", _mebibytes, "Network: the one that the protocol asks for."),
    _of_account(
        "relative_operations",
        "Operations",
        "{:.2f}".format,
        "Operations: those of matrix products and convolutions in all training, over those of as many steps of that "
        "network by itself.",
    ),
    Measure("samples", "", lambda cell: cell.account["samples"], over_seeds=False, of="account"),
    Measure("operations", "", lambda cell: cell.account["operations"], over_seeds=False, of="account"),
)
TUNED_COLUMNS: tuple[Column[Tuned], ...] = (
    Column("Row", lambda one: one.cell.row, "left"),
    Column("Scenario", lambda one: one.cell.scenario.label, "left"),
    Column("Rule", lambda one: one.choice.search["rule"], "left", spare=1),
    Column("Trials", lambda one: str(one.choice.different), spare=2),
    Column("Chosen", lambda one: one_line(one.choice.values), "left"),
)
SEEDS: Column[ReportCell] = Column("Seeds", lambda cell: format_seeds(cell.seeds))
# Of the records that say what a method keeps and computes, which earlier ones do not.
_ACCOUNT_SEEDS = replace(SEEDS, of=lambda cell: format_seeds(cell.seeds_with_account))


def named_metrics(report: Report) -> list[Measure]:
    """The metrics that the table names, in its order."""
    by_name = {measure.metric: measure for measure in MEASURES}
    return [by_name[name] for name in report.table.columns]


def _measures_table(report: Report, *, name: str, title: str, note: str) -> TextTable | None:
    """What the records tell beside scores, of the cells whose records say so; None if none does. Empty columns are left
    out."""
    measures = named_metrics(report) if name == "metrics" else [one for one in MEASURES if one.of == name]
    cells = [one for one in report.cells if (one.seeds_with_account if name == "account" else one.records)]
    shown = [measure for measure in measures if measure.heading]
    if not shown or not cells:
        return None
    columns = [Column(one.heading, one.with_spread) if name == "metrics" else one.column() for one in shown]
    table = text_table(
        [LABEL, SCENARIO, _ACCOUNT_SEEDS if name == "account" else SEEDS, *columns],
        cells,
        name=name,
        title=title,
        sections=sections_of(cells),
        drop_empty=True,
    )
    headings = [column.heading for column in table.columns]
    legends = [measure.legend for measure in shown if measure.legend and measure.heading in headings]
    lines = [" ".join([note, *legends]).format(differences=report.scale.differences)]
    for measure in shown:
        if why := _GAPS.get(measure.metric):
            at = headings.index(measure.heading)
            lines += [why] if any(row[at].text == ABSENT for row in table.rows) else []
    return replace(table, notes=tuple(lines))


details_table = partial(_measures_table, name="details", title="Details", note="Means over seeds.")
account_table = partial(
    _measures_table,
    name="account",
    title="What methods keep and compute",
    note="The most after any experience, as measured: means over the seeds whose records say so.",
)
# Those that the table names, with their spread.
metrics_table = partial(_measures_table, name="metrics", title="Metrics", note="Mean ± SEM over seeds.")


@lru_cache(maxsize=64)  # several formats ask for those of the same reports
def tables_of(report: Report) -> tuple[TextTable, ...]:
    """The tables that a report has, in the order of its pages."""
    makers = (results_table, metrics_table, verdicts_table, code_table, details_table, account_table)
    return tuple(table for make in makers if (table := make(report)))


def sections_of(cells: Sequence[ReportCell]) -> tuple[int, ...]:
    """Where the benchmark changes from one row to the next."""
    names = [str(cell.cell.benchmark.get("name", "")) for cell in cells]
    return tuple(index for index, (one, other) in enumerate(pairwise(names), start=1) if one != other)
