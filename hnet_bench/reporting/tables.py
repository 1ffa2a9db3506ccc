"""From numbers to text: the only place where fractions become percent and numbers are rounded.

What the text is laid out in, `markdown`, `latex`, `html` and `terminal`, shows these strings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hnet_bench.interfaces import Settings
from hnet_bench.papers.table import Reported, Unit
from hnet_bench.runs.plan import CellState

NOT_RUN = "not run"
MARKS = {"verified": "", "second-hand": "‡", "recalled": "†"}

STALE, UNKNOWN, DEPARTED = "§", "¶", "‖"
_RECORD_LEGENDS = {
    STALE: f"{STALE} stale: the code computes something else than when some of these runs were made; "
    "hnet-bench run TABLE --rerun-stale renews them.",
    UNKNOWN: f"{UNKNOWN} whether some of these runs are stale cannot be told: nothing of their code was recorded that "
    "could be compared.",
    DEPARTED: f"{DEPARTED} outside the protocol: some of these runs took other steps, learning rates, samples or "
    "networks than it has, or kept or trained more than they count, as measured; hnet-bench trace says what.",
}

_MEANING = {
    "second-hand": "read in somebody else's transcription of the paper",
    "recalled": "written down from memory, not checked against the paper",
}


@dataclass(frozen=True)
class Scale:
    """How the scores of a table are written."""

    heading: str  # of a table of scores
    score: str  # what one score is
    differences: str  # unit of a difference of two scores
    factor: float
    form: str  # of a number, after the factor

    def text(self, score: float) -> str:
        """A score or a difference, rounded."""
        text = format(self.factor * score, self.form)
        return text.removeprefix("-") if float(text) == 0 else text

    def signed(self, difference: float) -> str:
        """A difference with its sign, also the plus."""
        text = self.text(difference)
        return text if text.startswith("-") else f"+{text}"

    def with_spread(self, mean: float, spread: float | None) -> str:
        """ "69.48 ± 0.80", or "69.48" without a spread."""
        return self.text(mean) if spread is None else f"{self.text(mean)} ± {self.text(spread)}"


_PERCENT = Scale("Accuracy in percent", "test accuracy", "percentage points", 100.0, ".2f")
SCALES: dict[Unit, Scale] = {
    "percent": _PERCENT,
    "fraction": Scale("Accuracy", "test accuracy", "accuracy", 1.0, ".4f"),
    "mse": Scale("Mean squared error", "mean squared error on test data", "mean squared error", 1.0, "#.3g"),
}


class Measurable(Protocol):
    """A cell, whether of a plan or of a report."""

    @property
    def stale_seeds(self) -> tuple[int, ...]: ...

    @property
    def unknown_seeds(self) -> tuple[int, ...]: ...

    @property
    def departed_seeds(self) -> tuple[int, ...]: ...


def record_marks(cell: Measurable) -> str:
    """§ for a cell with stale records, ¶ for one of whose records that cannot be told, ‖ for one with runs outside the
    protocol."""
    marks = {STALE: cell.stale_seeds, UNKNOWN: cell.unknown_seeds, DEPARTED: cell.departed_seeds}
    return "".join(mark for mark, seeds in marks.items() if seeds)


def record_legend(cells: Iterable[Measurable]) -> list[str]:
    """A sentence for each of these marks that occurs."""
    found = set("".join(map(record_marks, cells)))
    return [sentence for mark, sentence in _RECORD_LEGENDS.items() if mark in found]


def legend(states: Sequence[CellState]) -> list[str]:
    """What the numbers and marks of these cells mean, one sentence each."""
    scale = SCALES[states[0].cell.unit]
    lines = [f"Measured: average {scale.score} over all experiences after the last one; mean ± SEM (number of seeds)."]
    lines += record_legend(states)
    reported = [state.cell.reported for state in states if state.cell.reported]
    if not reported:
        return lines
    kinds = sorted({_spread_meaning(number) for number in reported})
    lines.append(f"Reported: {' or '.join(kinds)}.")
    for known, meaning in _MEANING.items():
        if any(number.known == known for number in reported):
            lines.append(f"{MARKS[known]} {known}: {meaning}.")
    return lines


def reported_sources(states: Sequence[CellState]) -> list[str]:
    """How the reported numbers are known: one line for each way, with the cells that it holds for."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for state in states:
        number = state.cell.reported
        if number:
            rows = groups.setdefault((number.known, number.note), {})
            rows.setdefault(state.cell.label, []).append(state.cell.scenario.label)
    return [
        f"{known}{f' ({note})' if note else ''}: "
        + "; ".join(f"{label} {', '.join(scenarios)}" for label, scenarios in rows.items())
        for (known, note), rows in groups.items()
    ]


def made_with(states: Sequence[CellState]) -> list[str]:
    """The versions of the code, the versions of torch and the processors behind the records, and the time they took."""
    by_run = {record.key: record for state in states for record in state.records}
    kinds: dict[str, Counter[str]] = {"Code": Counter(), "torch": Counter(), "Device": Counter()}
    for record in by_run.values():
        made = record.provenance
        dirty = " with changes" if made.get("dirty") else ""
        kinds["Code"][f"{_code(made)}{dirty}"] += 1
        kinds["torch"][str(made.get("versions", {}).get("torch"))] += 1
        device = made.get("device")
        kinds["Device"][str(made.get("cpu") if device == "cpu" else device)] += 1
    lines = [
        f"{kind}: {', '.join(f'{name} ({_runs(count)})' for name, count in sorted(counter.items()))}"
        for kind, counter in kinds.items()
        if counter
    ]
    total = sum(record.seconds["total"] for record in by_run.values())
    return [*lines, f"Time: {duration(total)} in all, one run at a time"] if lines else []


def _code(made: Settings) -> str:
    """The commit, or where git did not name one the checksum of the code."""
    if made.get("commit"):
        return f"commit {made['commit'][:8]}"
    return f"code {made['code_sha256'][:8]}" if made.get("code_sha256") else "code not recorded"


def scenarios(states: Sequence[CellState]) -> list[str]:
    """Labels of the scenarios that occur, in order."""
    return sorted({state.cell.scenario.label for state in states})


def measured_text(state: CellState) -> str:
    """ "69.48 ± 0.80 (20)", "69.48 (1)" or "not run", with a mark if a record is stale."""
    summary = state.summary
    if summary is None:
        return NOT_RUN
    text = SCALES[state.cell.unit].with_spread(summary.mean, summary.sem)
    return f"{text} ({summary.n}){record_marks(state)}"


def reported_text(reported: Reported | None, unit: Unit = "percent") -> str:
    """ "69.48 ± 0.80" with the mark of how it is known, "" for None."""
    if reported is None:
        return ""
    return SCALES[unit].with_spread(reported.mean, reported.spread) + MARKS[reported.known]


def percent(fraction: float) -> str:
    """Two decimals, as the papers print.

    >>> percent(0.6948)
    '69.48'
    """
    return _PERCENT.text(fraction)


def probability(p: float) -> str:
    """A p-value in as many digits as anybody needs.

    >>> probability(0.0004)
    '< 0.001'
    """
    return "< 0.001" if p < 0.001 else "> 0.999" if p > 0.999 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """A time that people can read at a glance.

    >>> duration(3725)
    '1 h 02 min'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _spread_meaning(reported: Reported) -> str:
    kind = {"sem": "mean ± SEM", "sd": "mean ± SD", None: "mean"}[reported.spread_kind]
    return kind + reported.over
