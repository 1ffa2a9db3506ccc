"""What is reported for a cell, by a paper or by whoever ran its authors' code, and how that is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

from hnet_bench.config import from_settings, naming
from hnet_bench.interfaces import ADDED_LATER, Settings, UserError
from hnet_bench.papers.seeds import Seeds, format_seeds, parse_seeds

LEAST_REPEATS = 10  # of draws, with which it is known well enough how runs of one draw spread (docs/verdicts.md)

# percent: fractions in records, written and printed times 100. fraction: printed as they are. mse: mean squared errors.
Unit: TypeAlias = Literal["percent", "fraction", "mse"]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A number as a paper reports it, in the unit of records (fractions, never percent), and how we know it."""

    mean: float
    spread: float | None = None
    spread_kind: Literal["sem", "sd"] | None = None
    n: int | None = None  # number of seeds
    margin: float | None = None  # what differs by less counts as reproduced; None: nobody declared it
    # verified: read in the paper or its authors' own text; second-hand: read in somebody's transcription;
    # recalled: written down from memory, not checked against the paper's text.
    known: Literal["verified", "second-hand", "recalled"]
    note: str = ""  # where it was read: what was not recalled has one
    # Why what is measured differs, or what was ruled out, once somebody looked into it; shown beside any verdict but
    # *reproduced*.
    reason: str = ""
    # The seeds that the paper ran, such as "2-21", where its authors say so and equal seeds draw the same data; and of
    # how many of these draws another run is done, which tells how runs of one draw spread. docs/verdicts.md says when.
    seeds: str = field(default="", metadata=ADDED_LATER)
    repeats: int = field(default=0, metadata=ADDED_LATER)
    # After how many seeds it is looked whether a number is decided, ascending; (): the seeds were chosen before.
    looks: tuple[int, ...] = field(default=(), metadata=ADDED_LATER)

    @cached_property
    def draws(self) -> tuple[int, ...]:
        """The seeds that the paper ran, () if nobody says which."""
        return parse_seeds(self.seeds) if self.seeds else ()

    @property
    def over(self) -> str:
        """What it is the mean of, as it follows the number in a text, with a space before; "" if nobody says."""
        if self.n is None:
            return ""
        return " of one run" if self.n == 1 else f" over {self.n} seeds"


@dataclass(frozen=True, kw_only=True)
class AuthorsCode:
    """Runs of the authors' own code that differ in their seed alone, with their scores in the unit of records."""

    code: str  # the repository
    commit: str
    versions: str  # of what it ran with
    command: str
    by: str  # who ran it, and when
    seeds: str | int | tuple[int | str, ...]
    scores: tuple[float, ...]  # averages over all experiences after the last one, in the order of the seeds
    note: str = ""

    @property
    def runs(self) -> set[tuple[str, ...]]:
        """What tells each of its runs from others."""
        return {(self.code, self.commit, self.versions, self.command, str(seed)) for seed in parse_seeds(self.seeds)}


def read_reported(settings: Settings, unit: Unit, seeds: Seeds, where: str) -> Reported:
    """What a table says is reported for a cell; `seeds` are the table's. Raises UserError for what cannot be."""
    reported = from_settings(Reported, settings, where=f"'reported' in {where}")
    _check_reported(reported, unit, where)
    _check_design(reported, parse_seeds(seeds), where)
    scores: dict[str, Any] = {
        name: _score(value, unit)
        for name in ("mean", "spread", "margin")
        if (value := getattr(reported, name)) is not None
    }
    return replace(reported, **scores)


def _score(printed: float, unit: Unit) -> float:
    """A printed number in the unit of records."""
    # Rounding undoes the last-digit noise of dividing a printed decimal by 100.
    return round(printed / 100, 12) if unit == "percent" else printed


def read_authors_code(entries: Iterable[Settings], unit: Unit, where: str) -> tuple[AuthorsCode, ...]:
    """What a table says of runs of the authors' code for a cell. Raises UserError for what cannot be."""
    found = [from_settings(AuthorsCode, entry, where=f"'authors_code' in {where}") for entry in entries]
    for index, one in enumerate(found):
        for name in ("code", "commit", "versions", "command", "by"):
            if not getattr(one, name).strip():
                raise UserError(f"'{name}' of 'authors_code' in {where} must say something, found an empty text.")
        if len(seeds := _seeds(one.seeds, f"'authors_code' in {where}")) != len(one.scores):
            raise UserError(
                f"'authors_code' in {where} must have a score for each of its seeds, {format_seeds(seeds)}, found "
                f"{len(one.scores)}."
            )
        if twice := one.runs & set().union(*(other.runs for other in found[:index])):
            raise UserError(
                f"'authors_code' in {where} has the run of seed {min(twice)[-1]} at commit {one.commit} twice."
            )
    return tuple(replace(one, scores=tuple(_score(score, unit) for score in one.scores)) for one in found)


def _seeds(given: Seeds, where: str) -> tuple[int, ...]:
    with naming(f"'seeds' of {where}"):
        return parse_seeds(given)


def _check_reported(reported: Reported, unit: Unit, where: str) -> None:
    most = {"percent": 100, "fraction": 1}.get(unit)
    if reported.mean < 0 or (most and reported.mean > most):
        lie = f"lie between 0 and {most}" if most else "not be negative"
        raise UserError(f"'mean' in {where} must {lie}, found {reported.mean:g}.")
    if reported.spread is not None and reported.spread < 0:
        raise UserError(f"'spread' in {where} must not be negative, found {reported.spread:g}.")
    if reported.margin is not None and reported.margin <= 0:
        raise UserError(f"'margin' in {where} must be positive, found {reported.margin:g}.")
    if reported.spread_kind == "sd" and reported.n is None:
        raise UserError(
            f"'spread' in {where} is a standard deviation (spread_kind = \"sd\"), but 'n' is missing: without the "
            "number of seeds nothing says how well the mean is known."
        )
    if reported.n is not None and reported.n < 1:
        raise UserError(f"'n' in {where} must be a number of seeds, found {reported.n}.")
    if reported.known != "recalled" and not reported.note.strip():
        raise UserError(
            f"The reported number in {where} is {reported.known}, and nothing says where it was read: write it into "
            'its \'note\', such as note = "read in the paper, Table 1", or write known = "recalled".'
        )


def _check_design(reported: Reported, seeds: tuple[int, ...], where: str) -> None:
    """What is declared of the paper's seeds and of looks, beside the seeds of the table."""
    looks, draws = reported.looks, _seeds(reported.seeds, f"'reported' in {where}") if reported.seeds else ()
    if draws and reported.n != len(draws):
        raise UserError(
            f"'seeds' in {where} are {len(draws)}, and 'n' is {reported.n}: expected all those that the mean is over."
        )
    if reported.repeats and not draws:
        raise UserError(f"'repeats' in {where} are of draws that the paper has, too: write its 'seeds' beside it.")
    common = len(set(draws).intersection(seeds))
    if reported.repeats and not LEAST_REPEATS <= reported.repeats <= common:
        raise UserError(
            f"'repeats' in {where} must be at least {LEAST_REPEATS}, and at most the {common} seeds that the table and "
            f"the paper have in common, found {reported.repeats}."
        )
    if looks and (looks[0] < 3 or sorted(set(looks)) != list(looks) or looks[-1] > len(seeds)):
        raise UserError(
            f"'looks' in {where} must be ascending numbers of seeds, at least 3 and at most the {len(seeds)} of the "
            f"table, found {list(looks)}."
        )


# What `status` says of a reported number.
STATUS_KEYS = ("mean", "spread", "spread_kind", "n", "known", "note")
