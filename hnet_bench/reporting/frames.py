"""The tidy frames that figures are drawn from, users' own ones too: one line for each score, or for each cell."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hnet_bench.interfaces import Scenario, Settings
from hnet_bench.metrics import METRICS, summarise
from hnet_bench.papers.cell import Cell
from hnet_bench.reporting.cells import evidence
from hnet_bench.reporting.text import measured_text, reported_text
from hnet_bench.reporting.verdicts import difference_of, level_of
from hnet_bench.runs.account import ACCOUNT, account
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec

if TYPE_CHECKING:
    from pandas import DataFrame

# Names as people write them, where `written` does not see how.
_BENCHMARKS = {
    "split_cifar": "Split CIFAR-10/100",
    "regression_1d": "1-D regression",
}
_FEWEST_VALUES = 3  # of a hyperparameter, from which on rows are a sweep over it

_SCORE_COLUMNS = ("row", "scenario", "seed", "after", "experience", "score", "inferred", "step_seconds", "experiences")
_FIRST = ("table", "row", "label", "scenario", "benchmark", "seed", "after", "experience", "score", "inferred")
_RECORD_COLUMNS = (
    *("table", "row", "label", "scenario", "strategy", "benchmark", "seed", "run_id", *METRICS),
    *("trained_parameters", "compression_ratio", "seconds", *ACCOUNT, "stale", "score", "settings", "file"),
)
_TRIAL_COLUMNS = (
    *("row", "method", "strategy", "group", "title", "scenario", "unit", "better"),
    *("rule", "hyperparameter", "value", "score", "chosen", "published"),
)
# Of a frame of cells: what is a number even where none is known.
_NUMBERS = (
    *("value", "compression_ratio", "mean", "sem"),
    *("reported", "reported_spread", "reported_n", "margin"),
    *("difference", "difference_low", "difference_high", "difference_confidence"),
    *ACCOUNT,
)


def named(cell: Cell) -> Settings:
    """The first columns of frames: `row` names a row on the command line, `label` is how tables print it."""
    return {"table": cell.table, "row": cell.row, "label": cell.label, "scenario": cell.scenario.label}


def overview(states: Sequence[CellState]) -> DataFrame:
    """Rows by scenarios, as tables print them: mean ± SEM (seeds), beside what is reported where anything is."""
    from pandas import DataFrame, MultiIndex

    texts: dict[tuple[str, str], dict[str, str]] = {}
    for scenario in Scenario:
        cells = [state for state in states if state.cell.scenario is scenario]
        if cells:
            texts[scenario.label, "measured"] = {one.cell.row: measured_text(one) for one in cells}
        if any(one.cell.reported for one in cells):
            reported = {one.cell.row: reported_text(one.cell.reported, one.cell.unit) for one in cells}
            texts[scenario.label, "reported"] = reported
    rows = list(dict.fromkeys(state.cell.row for state in states))
    columns = MultiIndex.from_tuples(list(texts), names=["scenario", None])
    return DataFrame([[of.get(row, "") for of in texts.values()] for row in rows], index=rows, columns=columns)


def records(states: Sequence[CellState]) -> DataFrame:
    """One line for each record of each cell, with its metrics; `api.records` says more."""
    from pandas import DataFrame

    lines = [
        {
            **named(state.cell),
            "strategy": record.spec["strategy"]["name"],
            "benchmark": record.spec["benchmark"]["name"],
            "seed": record.spec["seed"],
            "run_id": record.run_id,
            **{name: metric(record, state.cell.better) for name, metric in METRICS.items()},
            "trained_parameters": record.parameters["trained"],
            "compression_ratio": record.parameters["compression_ratio"],
            "seconds": record.seconds["total"],
            **account(record),
            "stale": bool(changed),
            "score": record.score,
            "settings": record.spec,
            "file": state.files[record.spec["seed"]],
        }
        for state in states
        for record, changed in zip(state.records, state.changed, strict=True)
    ]
    return DataFrame(lines, columns=list(_RECORD_COLUMNS))


def scores(states: Sequence[CellState]) -> DataFrame:
    """One line for each score: on test data of `experience`, `after` training on so many (from 1).

    `inferred` is the share of these test samples whose task was inferred right, `step_seconds` what a training step on
    experience `after` took, `experiences` their number; what stands in `cells` is repeated beside each score. What was
    not evaluated has no line.
    """
    from pandas import DataFrame

    lines = [
        (
            state.cell.row,
            state.cell.scenario.label,
            record.spec["seed"],
            after + 1,
            experience + 1,
            score,
            record.task_inference[after][experience] if record.task_inference else None,
            _step_seconds(record, after),
            len(record.score),
        )
        for state in states
        for record in state.records
        for after, line in enumerate(record.score)
        for experience, score in enumerate(line)
        if score is not None
    ]
    facts = _cells(states)
    found = DataFrame(lines, columns=list(_SCORE_COLUMNS)).astype({"inferred": float}).merge(facts, "left")
    # Categories keep the order of the table, whatever part of the frame is drawn.
    for name in ("row", "method", "title", "scenario"):
        found[name] = found[name].astype("category").cat.set_categories(list(facts[name].unique()))
    return found[[*_FIRST, *(name for name in found.columns if name not in _FIRST)]]


def cells(states: Sequence[CellState]) -> DataFrame:
    """One line for each cell: what it is, mean and SEM over `n` seeds, what is reported, and their difference with the
    interval that verdicts are read from. Scores are as in records: fractions, or errors where `unit` is "mse".

    `title` is the benchmark as people name it, `method` the row's label without that. Where the rows of a benchmark and
    scenario are one sweep, differing in one number alone, that is `hyperparameter`, and `value` what it is. Each metric
    of `METRICS` has its mean and, as `<name>_sem`, its SEM, and each number of `ACCOUNT` its mean.
    """
    from pandas import DataFrame

    metrics = DataFrame(map(_metrics, states)).astype(float)
    return _cells(states).join(metrics)


def _cells(states: Sequence[CellState]) -> DataFrame:
    """The same without metrics, which follow from scores."""
    from pandas import DataFrame

    titles = _benchmark_titles(states)
    sweeps = _sweeps(states, titles)
    methods = _methods(states, titles)
    lines = [
        _cell(state, methods[state.cell.row], titles[_benchmark(state)], sweeps.get(id(state))) for state in states
    ]
    return DataFrame(lines).astype(dict.fromkeys(_NUMBERS, float))


def trials(states: Sequence[CellState]) -> DataFrame:
    """One line for each value of a hyperparameter that a search tried: what its rule makes of that trial (`score`) and
    whether it is the one that was `chosen`; from the choices that the table has.

    `published` is the value of a row with published hyperparameters that is equal but for what is searched, None if
    there is none. Rows of a strategy whose labels, without the benchmark, are the same up to a comma are one `group`.
    Values that are no numbers are texts.
    """
    from pandas import DataFrame

    lines = []
    for state in states:
        search = state.cell.search
        if search is None or search.choice is None:
            continue
        known = _published(state, states)
        lines += [
            {
                "row": state.cell.row,
                "method": state.cell.label,
                "strategy": state.cell.strategy,
                "group": _without_benchmark(state.cell.label, state).partition(",")[0],
                "title": written(state.cell.benchmark["name"]),
                "scenario": state.cell.scenario.label,
                "unit": state.cell.unit,
                "better": state.cell.better,
                "rule": search.rule,
                "hyperparameter": name,
                "value": _plain(value),
                "score": trial.score,
                "chosen": trial.values == search.choice.values,
                "published": _plain(known[name]) if name in known else None,
            }
            for name in search.space
            for trial in search.choice.trials
            for value in [trial.values[name]]
        ]
    return DataFrame(lines, columns=list(_TRIAL_COLUMNS))


def _published(state: CellState, states: Sequence[CellState]) -> Settings:
    """The hyperparameters of a row that has published ones and is equal to this one but for what is searched."""
    search = state.cell.search
    if search is None or state.spec is None:
        return {}

    def rest(spec: RunSpec) -> str:
        kept = {name: value for name, value in spec.hyperparameters.items() if name not in search.space}
        return replace(spec, hyperparameters=kept).digest

    known = (one.spec for one in states if one.spec and one.cell.origin == "published")
    return next((spec.hyperparameters for spec in known if rest(spec) == rest(state.spec)), {})


def _plain(value: object) -> float | str:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _cell(state: CellState, method: str, title: str, swept: tuple[str, float] | None) -> Settings:
    cell, summary, reported = state.cell, state.summary, state.cell.reported
    return {
        **named(cell),
        "benchmark": cell.benchmark["name"],
        "title": title,
        "method": method,
        "strategy": cell.strategy,
        "reference": cell.reference,
        "unit": cell.unit,
        "hyperparameter": swept[0] if swept else None,
        "value": swept[1] if swept else None,
        "compression_ratio": state.records[0].parameters["compression_ratio"] if state.records else None,
        "mean": summary.mean if summary else None,
        "sem": summary.sem if summary else None,
        "n": summary.n if summary else 0,
        "reported": reported and reported.mean,
        "reported_spread": reported and reported.spread,
        "reported_spread_kind": reported and reported.spread_kind,
        "reported_n": reported and reported.n,
        "known": reported and reported.known,
        "margin": reported and reported.margin,
        **_difference(state),
        **state.account,
    }


def _difference(state: CellState) -> dict[str, float | None]:
    """Measured minus reported with its interval, as verdicts have it, and how sure that is (0.9 where no looks are)."""
    found, reported = evidence(state), state.cell.reported
    summary = summarise(list(found.scores.values()))
    difference = low = high = None
    if summary and reported:
        difference, low, high = difference_of(summary, reported, shared=found.shared, look=found.look)
    return {
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "difference_confidence": 2 * level_of(reported, found.look) - 1 if reported and low is not None else None,
    }


def _metrics(state: CellState) -> dict[str, float | None]:
    """Mean and SEM of each metric over those that are there."""
    found = {name: state.over_seeds(metric) for name, metric in METRICS.items()}
    parts = (("", "mean"), ("_sem", "sem"))
    return {f"{name}{end}": getattr(one, part, None) for name, one in found.items() for end, part in parts}


def _row_names(states: Sequence[CellState]) -> dict[str, str]:
    """Labels of rows; of those that share one, each with the row's name."""
    labels = {state.cell.row: state.cell.label for state in states}
    shared = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return {row: f"{label} ({row})" if label in shared else label for row, label in labels.items()}


def _methods(states: Sequence[CellState], titles: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """What rows are called where the benchmark is named beside them: their labels without it, or the whole where two
    rows would be called the same there."""
    labels = _row_names(states)
    short = {state.cell.row: _without_benchmark(labels[state.cell.row], state) for state in states}
    rows: dict[tuple[str, str], set[str]] = defaultdict(set)
    for state in states:
        rows[titles[_benchmark(state)], short[state.cell.row]].add(state.cell.row)
    shared = set().union(*(some for some in rows.values() if len(some) > 1))
    return {row: labels[row] if row in shared else name for row, name in short.items()}


def _without_benchmark(label: str, state: CellState) -> str:
    name = written(state.cell.benchmark["name"])
    return label[len(name) + 2 :] if label.lower().startswith(f"{name.lower()}, ") else label


def _benchmark(state: CellState) -> tuple[str, int]:
    return state.cell.benchmark["name"], len(state.records[0].score) if state.records else 0


def _benchmark_titles(states: Sequence[CellState]) -> dict[tuple[str, int], str]:
    """Names of benchmarks, with the number of experiences where one is there with several."""
    known = {_benchmark(state) for state in states}
    sizes = Counter(name for name, experiences in known if experiences)
    return {
        (name, number): f"{written(name)}, {number} experiences" if number and sizes[name] > 1 else written(name)
        for name, number in known
    }


def written(benchmark: str) -> str:
    """The name of a benchmark as people write it: its words with a capital, MNIST in capitals."""
    words = benchmark.rpartition(":")[2].replace("_", " ")
    return _BENCHMARKS.get(benchmark, words[:1].upper() + words[1:].replace("mnist", "MNIST"))


def _sweeps(states: Sequence[CellState], titles: Mapping[tuple[str, int], str]) -> dict[int, tuple[str, float]]:
    """The one hyperparameter in which a cell differs from others that are equal but for it, and its value; none where a
    benchmark has two such sweeps in a scenario, which would become one line."""
    alike: dict[str, list[CellState]] = defaultdict(list)
    for state in states:
        if state.spec:
            same = {**state.spec.to_json(), "seed": None, "strategy": state.spec.strategy}
            alike[json.dumps(same, sort_keys=True)].append(state)
    sweeps: dict[tuple[str, str], list[dict[int, tuple[str, float]]]] = defaultdict(list)
    for members in alike.values():
        settings = [member.spec.hyperparameters for member in members if member.spec]
        # A spec leaves out defaults that were added later, so that a name may be missing in some.
        names = dict.fromkeys(name for one in settings for name in one)
        differing = [name for name in names if len({json.dumps(one.get(name)) for one in settings}) > 1]
        values = [one.get(differing[0]) for one in settings] if len(differing) == 1 else []
        numbers = [float(one) for one in values if isinstance(one, (int, float)) and not isinstance(one, bool)]
        if len(set(numbers)) == len(members) >= _FEWEST_VALUES:
            place = titles[_benchmark(members[0])], members[0].cell.scenario.label
            sweep = {id(member): (differing[0], number) for member, number in zip(members, numbers, strict=True)}
            sweeps[place].append(sweep)
    return {key: swept for several in sweeps.values() if len(several) == 1 for key, swept in several[0].items()}


def _step_seconds(record: Record, after: int) -> float | None:
    """Seconds of a training step; None for a record that does not say how long each experience took."""
    seconds, protocol = record.seconds["train"], record.spec["protocol"]
    if after >= len(seconds):
        return None
    first: int = protocol["iterations"]
    steps = protocol.get("later_iterations") or first if after else first
    return float(seconds[after] / steps)
