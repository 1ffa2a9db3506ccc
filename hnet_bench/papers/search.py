"""What a table says of the search for hyperparameters.

    [tuning]
    seeds = "101-103"

    [[rows]]
    name = "ewc"
    settings = "split"
    search = { strength = [1.0, 100.0, 10_000.0] }

`hnet-bench tune TABLE` runs the trials and writes what it chooses into a file beside the table (`papers.choices`). See
docs/tuning.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hnet_bench.config import from_settings
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.papers.seeds import format_seeds, parse_seeds

# How one of the trials is chosen; `runs.tuning.RULES` has what each computes, and where it is from.
RuleName: TypeAlias = Literal["final_validation", "first_experiences", "per_experience", "test"]

ON_TEST_DATA = "test"


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How the hyperparameters of a table's rows are searched for."""

    seeds: str | int | tuple[int | str, ...]  # of the trials, none of the table's
    rule: RuleName = "final_validation"  # of rows that name no other
    validation: float = 0.1  # share of the training samples that trials are judged on
    first: int = 3  # experiences that `first_experiences` looks at
    drop: float = 0.2  # share of the greatest plasticity that `per_experience` gives away
    trials: int | None = None  # of a search with a range
    chosen: str = ""  # file of the choices, beside the table; by default TABLE.chosen.json

    def __post_init__(self) -> None:
        parse_seeds(self.seeds)  # which raises if they are none
        if not 0 < self.validation < 1:
            raise UserError(f"'validation' of trials must lie between 0 and 1, found {self.validation:g}.")
        if self.first < 1:
            raise UserError(f"'first' must be a number of experiences, found {self.first}.")
        if not 0 <= self.drop < 1:
            raise UserError(f"'drop' must be at least 0 and below 1, found {self.drop:g}.")
        if self.trials is not None and self.trials < 1:
            raise UserError(f"'trials' must be at least 1, found {self.trials}.")
        # Whatever else it named, such as the table itself, would be written over.
        if self.chosen and not self.chosen.endswith(".json"):
            raise UserError(f"'chosen' must name a file of choices, such as mine.chosen.json, found '{self.chosen}'.")


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values from `low` to `high`, both included; whole numbers if both are."""

    low: int | float
    high: int | float
    log: bool = False  # drawn evenly on a logarithmic scale

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            above = " above 0" if self.log else ""
            raise UserError(
                f"A range to search must go from a number{above} up to a greater, found {self.low} to {self.high}."
            )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Values that were tried, the runs that tried them, and what the rule makes of their scores."""

    values: dict[str, Any]
    runs: tuple[str, ...]  # run ids, one for each seed
    score: float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a rule chose, and among what."""

    search: dict[str, Any]  # `Search.question`
    values: dict[str, Any]
    trials: tuple[Trial, ...]

    @property
    def different(self) -> int:
        """Number of different trials; a sampler may give the same values again, which are not run again."""
        return len({trial.runs for trial in self.trials})


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is tried for a cell, on which data, by which rule one of it is chosen, and what was."""

    space: Settings  # by hyperparameter: a list of values, or the settings of a `Range`
    rule: RuleName
    tuning: Tuning
    seeds: tuple[int, ...]  # of the trials
    file: Path
    table: str  # that has the search, also where another one extends it
    command: str  # how the command line calls that
    choice: Choice | None = None
    problem: str = ""  # why what the file has is no choice for this search

    @property
    def ranges(self) -> bool:
        """Whether values are drawn; else every combination of them is tried."""
        return any(isinstance(values, dict) for values in self.space.values())

    @property
    def validation(self) -> float:
        """Share of the training samples that trials are judged on, 0 where they are judged on test data."""
        return 0.0 if self.rule == ON_TEST_DATA else self.tuning.validation

    def grid(self) -> Iterator[Settings]:
        """Every combination of values; those of the last hyperparameter change first. Of a range its two ends."""
        ends = {
            name: [values["low"], values["high"]] if isinstance(values, dict) else values
            for name, values in self.space.items()
        }
        for values in itertools.product(*ends.values()):
            yield dict(zip(ends, values, strict=True))

    def question(self, **fixed: Any) -> Settings:
        """All that a choice depends on, as its file has it; `fixed` is what the trials have in common."""
        asked = {**fixed, "search": self.space, "rule": self.rule, "seeds": format_seeds(self.seeds)}
        if self.rule != ON_TEST_DATA:
            asked["validation"] = self.tuning.validation
        if self.rule == "first_experiences":
            asked["first"] = self.tuning.first
        if self.rule == "per_experience":
            asked["drop"] = self.tuning.drop
        if self.ranges:
            asked["trials"] = self.tuning.trials
        plain: Settings = json.loads(json.dumps(asked))
        return plain


def check_space(space: Settings, tuning: Tuning, rule: RuleName, where: str) -> None:
    """Raises UserError for values that cannot be tried; `where` is the name of a cell, `Cell.where`."""
    for name, values in space.items():
        if isinstance(values, dict):
            from_settings(Range, values, where=f"the search for '{name}' in the {where}")
            if tuning.trials is None:
                raise UserError(
                    f"The {where} searches '{name}' in a range: say how many trials that may take, in [tuning]."
                )
            if rule == "per_experience":
                raise UserError(
                    f"The {where} searches '{name}' in a range, and the rule per_experience needs a list, from the "
                    "weakest regularisation to the strongest."
                )
        elif not isinstance(values, list) or not values:
            raise UserError(
                f"The search for '{name}' in the {where} must be a list of values to try, or a range such as "
                f"{{ low = 1e-4, high = 1e-1, log = true }}, found {values!r}."
            )
        elif any(values.count(value) > 1 for value in values):
            raise UserError(f"The search for '{name}' in the {where} has a value twice: {values}.")
