"""What records say of a cell beside its average: each measure is declared once, for JSON, CSV and the tables of a
report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import METRICS, Better, Summary, summarise
from hnet_bench.papers.search import ON_TEST_DATA
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.text import GIBIBYTE, MEBIBYTE, PERCENT, Scale, count, one_line
from hnet_bench.reporting.text_table import LABEL, SCENARIO, Align, Column, TextTable, sections_of, text_table
from hnet_bench.runs.record import Record

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
