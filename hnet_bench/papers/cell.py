"""A cell of a table: a row in a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Literal

from hnet_bench.interfaces import Scenario, Settings
from hnet_bench.metrics import Better, Summary, summarise
from hnet_bench.papers.reported import AuthorsCode, Reported, Unit
from hnet_bench.papers.search import Search
from hnet_bench.papers.seeds import parse_seeds

PAPERS = Path(__file__).parent  # the tables of the package


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row in one scenario: what to run, and what is reported for it."""

    table: str
    row: str
    label: str
    scenario: Scenario
    benchmark: Settings  # its name and settings
    protocol: Settings
    strategy: str
    hyperparameters: Settings
    reported: Reported | None
    authors_code: tuple[AuthorsCode, ...] = ()
    unit: Unit = "percent"
    better: Better = "higher"
    # A bound that the methods of the table are held against, such as joint training: never counted as its best.
    reference: bool = False
    folder: Path | None = None  # of the table, below which files of `path.py:Class` are looked for first
    search: Search | None = None  # by which hyperparameters are chosen; those that are stand in `hyperparameters`
    # Where the hyperparameters of a cell without a search are from; tables that have a search say so.
    origin: Literal["", "published", "given"] = ""
    # Of the table, in its order, whichever are chosen: looks are about the first ones, and with the first a benchmark
    # is asked whether it suits before there are runs.
    seeds: tuple[int, ...] = (0,)
    trial_seeds: tuple[int, ...] = ()  # of the table's trials: their records count in none of its cells
    tuned_on: tuple[int, ...] = ()  # by whose scores others chose the hyperparameters: nor do records of these

    @property
    def barred_seeds(self) -> tuple[int, ...]:
        """Those by which hyperparameters were chosen, and which so cannot judge them."""
        return (*self.trial_seeds, *self.tuned_on)

    @property
    def judged_seeds(self) -> tuple[int, ...]:
        """Those of the table by which the cell is judged, in its order."""
        return tuple(seed for seed in self.seeds if seed not in self.barred_seeds)

    @property
    def untuned(self) -> bool:
        """Whether its hyperparameters are still to be chosen."""
        return self.search is not None and self.search.choice is None

    @property
    def by_authors_code(self) -> Summary | None:
        """The mean over seeds of the authors' code, None if none was run."""
        return summarise(self.scores_of_authors_code)

    @property
    def scores_of_authors_code(self) -> list[float]:
        """One for each of its seeds. A seed that ran in several ways, such as with two versions of PyTorch, counts
        once, with the mean of its runs: they are no independent draws."""
        of_seed: dict[int, list[float]] = {}
        for runs in self.authors_code:
            for seed, score in zip(parse_seeds(runs.seeds), runs.scores, strict=True):
                of_seed.setdefault(seed, []).append(score)
        return [fsum(scores) / len(scores) for scores in of_seed.values()]

    @property
    def where(self) -> str:
        """How messages name this cell."""
        return f"row '{self.row}' ({self.scenario.label}) of table '{self.table}'"

    @property
    def shipped(self) -> bool:
        """Whether it stands in a table of the package, even if a user's table extends that."""
        return self.folder is not None and self.folder.resolve() == PAPERS.resolve()
