"""Methods across the benchmarks of all tables: a board for each scenario, whose rules stand on the page.

A column holds cells with one benchmark and one protocol. A method is a strategy with settings that a paper reports a
number for, so that none was chosen by its score here; of several those of the table that comes first. Bounds stand
below, without a rank, and so does a bound whose strategy is a method elsewhere, under a name of its own. Reduced tables
and columns with few methods are left out.

Accuracies on different benchmarks have no common scale, so no mean of them is given. A mean rank is one among the
methods that have enough seeds in every column that counts: a rank among others would be another number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hnet_bench.config import to_settings
from hnet_bench.reporting.cells import Report, ReportCell, ranked
from hnet_bench.reporting.frames import written
from hnet_bench.reporting.statistics import MINIMUM_TO_RANK
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS
from hnet_bench.runs.canonical import canonical_json

FEWEST_METHODS = 3
FEWEST_COLUMNS = 2  # of which a mean is one


@dataclass(frozen=True)
class BoardColumn:
    """All strategies that have learned one benchmark by one protocol, by their names, the best first."""

    places: dict[str, ReportCell]  # with their ranks in this column

    @property
    def benchmark(self) -> str:
        """Its name as people write it."""
        return written(self._any.cell.benchmark["name"])

    @property
    def budget(self) -> str:
        """How long is trained on each experience."""
        protocol = self._any.records[0].spec["protocol"]
        return f"{protocol['iterations']} iterations of {protocol['batch_size']} samples"

    @property
    def tables(self) -> list[str]:
        """The names of those that its cells are of."""
        return list(dict.fromkeys(place.cell.table for place in self.places.values()))

    @cached_property
    def counted(self) -> list[str]:
        """Methods with enough seeds for a rank; none where these are too few to be compared."""
        enough = [
            name
            for name, place in self.places.items()
            if not place.cell.reference and len(place.records) >= MINIMUM_SEEDS
        ]
        return enough if len(enough) >= FEWEST_METHODS else []

    @cached_property
    def tested(self) -> list[str]:
        """Those of them that were tested against another."""
        enough = [name for name in self.counted if len(self.places[name].records) >= MINIMUM_TO_RANK]
        found = [name for name in enough if self.places[name].rank != "untested"]
        return found if len(found) > 1 else []

    def positions(self, names: Iterable[str]) -> dict[str, float]:
        """1 for the best of these and so on; those with the same mean share theirs."""
        means = {name: _mean(self.places[name]) for name in names}
        above = {name: sum(other > mean for other in means.values()) for name, mean in means.items()}
        return {name: above[name] + (1 + list(means.values()).count(mean)) / 2 for name, mean in means.items()}

    @property
    def _any(self) -> ReportCell:
        return next(iter(self.places.values()))


@dataclass(frozen=True)
class Board:
    """The board of a scenario, its columns with most methods first."""

    scenario: str
    columns: list[BoardColumn]

    @cached_property
    def mean_ranks(self) -> dict[str, float]:
        """The mean rank of each method that has enough seeds in all columns that count, among these; none where methods
        or columns are too few."""
        counted = [column for column in self.columns if column.counted]
        names = set.intersection(*(set(column.counted) for column in counted)) if counted else set()
        if len(counted) < FEWEST_COLUMNS or len(names) < FEWEST_METHODS:
            return {}
        ranks = [column.positions(names) for column in counted]
        means = {name: sum(one[name] for one in ranks) / len(ranks) for name in names}
        return dict(sorted(means.items(), key=lambda item: (item[1], item[0])))

    def best_of(self, name: str) -> tuple[int, int]:
        """In how many columns a method is the best or cannot be told from it, of how many in which that was tested."""
        tested = [column.places[name].rank for column in self.columns if name in column.tested]
        return len(tested) - tested.count(""), len(tested)

    @property
    def bodies(self) -> list[list[str]]:
        """Methods, then bounds: in the order of the first column, those that it lacks in that of the next."""
        order = dict.fromkeys(name for column in self.columns for name in column.places)
        bounds = {name for column in self.columns for name, place in column.places.items() if place.cell.reference}
        bodies = [[name for name in order if (name in bounds) == bound] for bound in (False, True)]
        return [body for body in bodies if body]


def boards(reports: Sequence[Report]) -> list[Board]:
    """A board for each scenario that has a column with enough methods."""
    cells = [cell for report in reports if not report.table.reduced for cell in report.cells]
    methods = {one.cell.strategy for one in cells if not one.cell.reference and one.reported}
    found: dict[str, dict[str, dict[str, ReportCell]]] = {}
    for cell in cells:
        name, is_bound = cell.cell.strategy, cell.cell.reference
        if cell.spec and cell.records and (cell.reported or is_bound):
            # Fixed streams stand beside drawn ones, as in the papers and as for the best of a table.
            facts = f"{cell.spec.benchmark} {cell.spec.build_benchmark().facts}"
            key = canonical_json([facts, to_settings(cell.spec.protocol)])
            same = found.setdefault(cell.scenario, {}).setdefault(key, {})
            same.setdefault(f"{name} as a bound" if is_bound and name in methods else name, cell)
    made = []
    for scenario, by_key in sorted(found.items()):
        columns = [_column(places) for places in by_key.values()]
        columns = [
            one for one in columns if sum(not place.cell.reference for place in one.places.values()) >= FEWEST_METHODS
        ]
        made.append(Board(scenario, sorted(columns, key=lambda column: -len(column.counted))))
    return [board for board in made if board.columns]


def _column(places: dict[str, ReportCell]) -> BoardColumn:
    """The column, ranked where its methods have seeds enough."""
    ordered = dict(sorted(places.items(), key=lambda item: -_mean(item[1])))
    counted = BoardColumn(ordered).counted
    ranks = dict(zip(counted, ranked([ordered[name] for name in counted]) if counted else [], strict=True))
    return BoardColumn({name: replace(cell, rank=ranks.get(name, "")) for name, cell in ordered.items()})


def _mean(cell: ReportCell) -> float:
    """What was measured, the higher the better."""
    assert cell.summary is not None
    return cell.summary.mean if cell.cell.better == "higher" else -cell.summary.mean
