"""From numbers to text: the only place where fractions become percent and numbers are rounded, and what marks mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hnet_bench.config import flat, in_full
from hnet_bench.interfaces import Settings
from hnet_bench.metrics import Summary
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.reported import Reported, Unit
from hnet_bench.papers.seeds import parse_seeds
from hnet_bench.runs.plan import CellState, with_repeats

NOT_RUN = "not run"
MEBIBYTE = 2**20
GIBIBYTE = 2**30


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
        text = rounded(self.factor * score, self.form)
        return text.removeprefix("-") if float(text) == 0 else text

    def signed(self, difference: float) -> str:
        """A difference with its sign, also the plus."""
        text = self.text(difference)
        return text if text.startswith("-") else f"+{text}"

    def with_spread(self, mean: float, spread: float | None) -> str:
        """ "69.48 ± 0.80", or "69.48" without a spread."""
        return self.text(mean) if spread is None else f"{self.text(mean)} ± {self.text(spread)}"

    def summary(self, summary: Summary) -> str:
        """ "69.48 ± 0.80 (20)": mean, SEM and number of seeds."""
        return f"{self.with_spread(summary.mean, summary.sem)} ({summary.n})"


PERCENT = Scale("Accuracy in percent", "test accuracy", "percentage points", 100.0, ".2f")
SCALES: dict[Unit, Scale] = {
    "percent": PERCENT,
    "fraction": Scale("Accuracy", "test accuracy", "accuracy", 1.0, ".4f"),
    "mse": Scale("Mean squared error", "mean squared error on test data", "mean squared error", 1.0, "#.3g"),
}


@dataclass(frozen=True, kw_only=True)
class RecordMark:
    """A sign beside a number some of whose records are not as they should be."""

    sign: str
    seeds: Callable[[CellState], tuple[int, ...]]  # of these records, but for those that repeat draws
    meaning: str  # in legends
    name: str  # on the page, where `what` follows the seeds
    what: str = ""

    def all_seeds(self, cell: CellState) -> tuple[int, ...]:
        """Those that repeat draws of the cell included."""
        return tuple(seed for one in with_repeats([cell]) for seed in self.seeds(one))


RECORD_MARKS = (
    RecordMark(
        sign="§",
        seeds=lambda cell: cell.stale_seeds,
        meaning="stale: the code computes something else than when some of these runs were made; "
        "hnet-bench run TABLE --rerun-stale renews them.",
        name="Stale",
        what=": the code computes something else now",
    ),
    RecordMark(
        sign="‖",
        seeds=lambda cell: cell.departed_seeds,
        meaning="outside the protocol: some of these runs took other steps, learning rates, samples or networks than "
        "it has, or kept or trained more than they count, as measured; hnet-bench trace says what.",
        name="Outside the protocol",
    ),
    RecordMark(
        sign="⊗",
        seeds=lambda cell: cell.seeds_tuned_on_test_data,
        meaning="hyperparameters selected on test data, as many papers did: a reproduction of that, which flatters the "
        "method.",
        name="Hyperparameters selected on test data",
    ),
)

# How a reported number is known: its mark, and what that means.
KNOWN = {
    "verified": ("", ""),
    "second-hand": ("‡", "read in somebody else's transcription of the paper"),
    "recalled": ("†", "written down from memory, not checked against the paper"),
}


def record_marks(cell: CellState) -> str:
    """The marks of a cell's records."""
    return "".join(mark.sign for mark in RECORD_MARKS if mark.all_seeds(cell))


def record_legend(cells: Iterable[CellState]) -> list[str]:
    """A sentence for each of these marks that occurs."""
    found = set("".join(map(record_marks, cells)))
    return [f"{mark.sign} {mark.meaning}" for mark in RECORD_MARKS if mark.sign in found]


def legend(cells: Sequence[CellState]) -> list[str]:
    """What the numbers and marks of these cells mean, one sentence each."""
    scale = SCALES[cells[0].cell.unit]
    lines = [f"Measured: average {scale.score} over all experiences after the last one; mean ± SEM (number of seeds)."]
    lines += record_legend(cells)
    return lines + reported_legend(cells)


def reported_legend(cells: Iterable[CellState], *, spread: bool = True) -> list[str]:
    """What the reported numbers of these cells are, printed with their spread or without, and how they are known."""
    reported = [cell.cell.reported for cell in cells if cell.cell.reported]
    lines = []
    if reported:
        spreads = {"sem": "mean ± SEM", "sd": "mean ± SD", None: "mean"}
        kinds = sorted({spreads[number.spread_kind if spread else None] + number.over for number in reported})
        lines.append(f"Reported: {' or '.join(kinds)}.")
    occurring = {number.known for number in reported}
    return lines + [f"{mark} {known}: {text}." for known, (mark, text) in KNOWN.items() if mark and known in occurring]


def reported_sources(cells: Sequence[CellState]) -> list[str]:
    """How the reported numbers are known: one line for each way, with the cells that it holds for."""
    groups: dict[str, dict[str, list[str]]] = {}
    for cell in (state.cell for state in cells):
        if cell.reported:
            rows = groups.setdefault(source_text(cell.reported), {})
            rows.setdefault(cell.label, []).append(cell.scenario.label)
    return [f"{text}: {listed(rows)}" for text, rows in groups.items()]


def source_text(reported: Reported) -> str:
    """ "verified (read in the paper, Table 1)": how a reported number is known."""
    return f"{reported.known} ({reported.note})" if reported.note else reported.known


def listed(rows: dict[str, list[str]]) -> str:
    """ "HNET CL1, CL2; SI CL3": rows with their scenarios."""
    return "; ".join(f"{label} {', '.join(scenarios)}" for label, scenarios in rows.items())


def measured_text(cell: CellState) -> str:
    """ "69.48 ± 0.80 (20)", "69.48 (1)" or "not run", with the marks of its records."""
    if cell.summary is None:
        return NOT_RUN
    return f"{SCALES[cell.cell.unit].summary(cell.summary)}{record_marks(cell)}"


def reported_text(reported: Reported | None, unit: Unit = "percent") -> str:
    """ "69.48 ± 0.80" with the mark of how it is known, "" for None."""
    if reported is None:
        return ""
    return SCALES[unit].with_spread(reported.mean, reported.spread) + KNOWN[reported.known][0]


def code_text(cell: Cell) -> str:
    """ "62.91 ± 1.44 (7)": the mean of the authors' code, "" if nobody ran it."""
    return SCALES[cell.unit].summary(cell.by_authors_code) if cell.by_authors_code else ""


def code_sources(cells: Iterable[CellState]) -> list[str]:
    """How the authors' code was run: one line for each cell and setting, with the score of each seed."""
    lines = []
    for cell in (state.cell for state in cells):
        for runs in cell.authors_code:
            scores = zip(parse_seeds(runs.seeds), map(SCALES[cell.unit].text, runs.scores), strict=True)
            lines.append(
                f"{cell.label} {cell.scenario.label}: {', '.join(f'{score} (seed {seed})' for seed, score in scores)}; "
                f"{runs.code} at commit {runs.commit}, {runs.versions}: {runs.command}. Run by {runs.by}."
                + (f" {runs.note}" if runs.note else "")
            )
    return lines


def rounded(number: float, form: str) -> str:
    """A number in a format, as the decimal that it is but for its last bits: those depend on the order in which a mean
    was added up, and where it lies half way between two texts they would choose one.

    >>> rounded(37.68499999999999, ".2f"), rounded(37.685, ".2f")
    ('37.69', '37.69')
    """
    return format(float(f"{number:.12g}"), form)


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


def count(number: int, noun: str) -> str:
    """ "1 run", "2 runs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_toml(settings: Settings) -> dict[str, str]:
    """Every value of nested settings by its dotted name, as TOML writes it.

    >>> in_toml({"protocol": {"hidden_units": [400, 400], "lookahead": True}})
    {'protocol.hidden_units': '[400, 400]', 'protocol.lookahead': 'true'}
    """
    return {name: _value(value) for name, value in flat(settings).items()}


def one_line(settings: Settings) -> str:
    """ "chunk_size = 42000, lookahead = true"; strings without quotes."""
    return ", ".join(f"{name} = {text}" for name, text in in_toml(settings).items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if value is None:
        return "none"
    return in_full(value)
