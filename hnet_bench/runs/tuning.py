"""Hyperparameters that are chosen by runs: which trials a search takes, and which of them a rule chooses.

Trials are ordinary runs, on validation data and with seeds of their own (`papers.search`). Every rule looks at their
score matrices alone, so another rule costs no other runs, but for `test`, whose trials are judged on test data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from hnet_bench.config import in_full
from hnet_bench.interfaces import Settings, UserError, evaluated
from hnet_bench.metrics import Better, ScoreMatrix, average_accuracy
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.choices import choices_bytes, read_choices, search_question
from hnet_bench.papers.search import Choice, Range, RuleName, Search, Trial, check_space
from hnet_bench.papers.table import Table
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store

# Trials whose values a sampler gives at once, before it hears what came of them; whatever the number of workers, so
# that it gives the same in every sweep.
AT_ONCE = 5

# The score matrices of a trial, one for each of its seeds.
Matrices: TypeAlias = "Sequence[ScoreMatrix]"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one of several trials is chosen: what it makes of each, in the order in which the table lists them, and the
    position of the one that it takes."""

    scores: Callable[[Sequence[Matrices], Search, Better], list[float]]
    choose: Callable[[Sequence[float], Search, Better], int]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was chosen for a cell."""

    cell: Cell
    choice: Choice

    @property
    def at_an_end(self) -> bool:
        """Whether one of the chosen numbers is the least or the greatest of its list: better ones may lie beyond."""
        lists = {name: values for name, values in self.choice.search["search"].items() if isinstance(values, list)}
        return any(
            all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
            and len(values) > 1
            and self.choice.values[name] in (min(values), max(values))
            for name, values in lists.items()
        )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)  # the same in any order of them


def _final(trials: Sequence[Matrices], search: Search, better: Better) -> list[float]:
    return [_mean([average_accuracy(matrix) for matrix in matrices]) for matrices in trials]


def _of_first(trials: Sequence[Matrices], search: Search, better: Better) -> list[float]:
    first = search.tuning.first
    found = []
    for matrices in trials:
        _check_first(first, len(matrices[0]), sum(score is not None for score in matrices[0][:first][-1][:first]))
        found.append(_mean([score for matrix in matrices for score in matrix[first - 1][:first] if score is not None]))
    return found


def _check_first(first: int, experiences: int, measured: int) -> None:
    """Raises UserError unless there are so many experiences, and the scores on all of them after the last."""
    if experiences < first:
        raise UserError(f"The rule first_experiences looks at {first} experiences, found {experiences}.")
    if measured < first:
        raise UserError(
            f"The rule first_experiences needs the scores on {first} experiences after number {first}, and with "
            'evaluation = "diagonal_and_final" they are not measured.'
        )


def _plasticity(trials: Sequence[Matrices], search: Search, better: Better) -> list[float]:
    """The share of the greatest plasticity that each trial keeps, on the experience where that is least. Plasticity is
    the score on an experience right after it, and the greatest that of any trial."""
    new = [
        [_mean([matrix[at][at] or 0.0 for matrix in matrices]) for at in range(len(matrices[0]))] for matrices in trials
    ]
    tiny = 1e-12
    if better == "lower":
        least = [min(errors) for errors in zip(*new, strict=True)]
        return [min((b + tiny) / (e + tiny) for e, b in zip(errors, least, strict=True)) for errors in new]
    most = [max(scores) for scores in zip(*new, strict=True)]
    return [min((s + tiny) / (b + tiny) for s, b in zip(scores, most, strict=True)) for scores in new]


def _best(scores: Sequence[float], search: Search, better: Better) -> int:
    """The first of those with the best score."""
    return scores.index(max(scores) if better == "higher" else min(scores))


def _strongest(scores: Sequence[float], search: Search, better: Better) -> int:
    """The last, and so the strongest regularisation, that keeps enough; if none does, the first."""
    kept = [index for index, score in enumerate(scores) if score >= 1 - search.tuning.drop]
    return kept[-1] if kept else 0


RULES: dict[RuleName, Rule] = {
    "final_validation": Rule(scores=_final, choose=_best),  # Buzzega et al. 2020, arXiv 2004.07211, and others
    "first_experiences": Rule(scores=_of_first, choose=_best),  # Chaudhry et al. 2019, arXiv 1812.00420
    "per_experience": Rule(scores=_plasticity, choose=_strongest),  # De Lange et al. 2022, arXiv 1909.08383
    "test": Rule(scores=_final, choose=_best),  # many papers, among them van de Ven & Tolias 2019
}


def trial_cell(cell: Cell, values: Settings) -> Cell:
    """A cell that is run with these values, on validation data unless the rule takes test data."""
    assert cell.search is not None
    validation = cell.search.validation
    return replace(
        cell,
        row=f"{cell.row}, {', '.join(f'{name} {in_full(value)}' for name, value in values.items())}",
        protocol={**cell.protocol, **({"validation": validation} if validation else {})},
        hyperparameters={**cell.hyperparameters, **values},
        search=None,
        reported=None,
        seeds=cell.search.seeds,
        trial_seeds=(),
        tuned_on=(),
    )


def searched(table: Table, rule: RuleName | None) -> Table:
    """The cells of a table that have a search, with another rule if one is given. Raises UserError if none has, for
    what `check_search` finds, and for a file that choices would be written over."""
    cells = []
    for cell in table.cells:
        if cell.search:
            if rule is None:
                _check_replaceable(cell.search)
            else:
                check_space(cell.search.space, cell.search.tuning, rule, cell.where)
                cell = replace(cell, search=replace(cell.search, rule=rule))
            check_search(cell)
            cells.append(cell)
    if not cells:
        raise UserError(f"Nothing to tune: none of the chosen rows of table '{table.name}' has a search.")
    return replace(table, cells=tuple(cells))


def _check_replaceable(search: Search) -> None:
    """Raises UserError, before any trial, where the file that a table names for its choices holds something else: it
    may be the only copy of another table's."""
    if not search.tuning.chosen:
        return
    try:
        read_choices(search.file, search.table, search.command)
    except UserError as error:
        raise UserError(
            f"{search.file}, which 'chosen' of table '{search.table}' names, holds no sound choices of this table, and "
            "would be replaced: give 'chosen' another name, or move the file away."
        ) from error


def check_search(cell: Cell) -> None:
    """Raises UserError, before anything is run, for a hyperparameter that the strategy does not have, a value that it
    does not take, a table that takes the wrong scores for the better ones, and a rule that needs others than there are.
    """
    assert cell.search is not None
    specs = [resolve_cell(trial_cell(cell, values)) for values in cell.search.grid()]
    facts = specs[0].build_benchmark().facts
    what, better = ("errors", "lower") if facts.problem_type == "regression" else ("accuracies", "higher")
    if cell.better != better:
        raise UserError(
            f"The scores of the {cell.where} are {what}, and its trials would be chosen as if {cell.better} ones were "
            f'better: write better = "{better}" into the table.'
        )
    if cell.search.rule == "first_experiences":
        first = cell.search.tuning.first
        _check_first(
            first, facts.experiences, len(evaluated(specs[0].protocol.evaluation, first - 1, facts.experiences))
        )


def check_trials(cell: Cell) -> None:
    """Raises UserError if a choice was made by other runs than the trials of a cell are now, as when a default that the
    table does not name has changed."""
    search = cell.search
    assert search is not None
    for trial in search.choice.trials if search.choice else ():
        spec = resolve_cell(trial_cell(cell, trial.values))
        expected = sorted(spec.with_seed(seed).run_id for seed in search.seeds)
        if sorted(trial.runs) != expected:
            raise UserError(
                f"What was chosen for the {cell.where} was chosen by other runs than its trials are now: with "
                f"{trial.values}, run {expected[0]} is none of {', '.join(trial.runs)}: hnet-bench tune "
                f"{search.command} chooses anew."
            )


def trials_of(cell: Cell, store: Store) -> list[Settings]:
    """The values of a cell's trials, in the order of the table; drawn ones as far as the records go."""
    assert cell.search is not None
    return _drawn(cell, cell.search, store) if cell.search.ranges else list(cell.search.grid())


def trials_table(table: Table, store: Store) -> tuple[Table, set[str]]:
    """The trials of all searches of a table as a table of their own, and the keys of their runs: cells may have other
    seeds for theirs. Rows whose trials are the same share them."""
    cells: dict[str, Cell] = {}
    seeds: set[int] = set()
    runs: set[str] = set()
    for cell in table.cells:
        if cell.search is None:
            continue
        for values in trials_of(cell, store):
            one = trial_cell(cell, values)
            spec = resolve_cell(one)
            cells.setdefault(spec.cell_key, one)
            seeds.update(cell.search.seeds)
            runs.update(spec.with_seed(seed).key for seed in cell.search.seeds)
    trials = replace(table, title=f"Trials of {table.title}", seeds=tuple(sorted(seeds)), cells=tuple(cells.values()))
    return trials, runs


def chosen(cell: Cell, store: Store) -> Choice:
    """What the cell's rule chooses. Raises UserError if a trial has no record."""
    search = cell.search
    assert search is not None
    trials = trials_of(cell, store)
    matrices = []
    runs: list[tuple[str, ...]] = []
    for values in trials:
        found, specs = scores_of(cell, values, store)
        if lacking := [spec.run_id for spec, matrix in zip(specs, found, strict=True) if matrix is None]:
            raise UserError(
                f"Nothing can be chosen for the {cell.where}: the trial with {values} has no record of {lacking[0]}."
            )
        matrices.append([matrix for matrix in found if matrix is not None])
        runs.append(tuple(spec.run_id for spec in specs))
    scores = RULES[search.rule].scores(matrices, search, cell.better)
    taken = RULES[search.rule].choose(scores, search, cell.better)
    return Choice(
        search=search_question(cell),
        values=trials[taken],
        trials=tuple(
            Trial(values=values, runs=ids, score=score) for values, ids, score in zip(trials, runs, scores, strict=True)
        ),
    )


def files_of(tuned: Sequence[Tuned]) -> dict[Path, bytes]:
    """The files of choices of their tables, with these in place of what stands there for the same cells."""
    mine: dict[Path, dict[str, Choice]] = {}
    searches = {}
    for one in tuned:
        assert one.cell.search is not None
        searches[one.cell.search.file] = one.cell.search
        mine.setdefault(one.cell.search.file, {})[f"{one.cell.row}/{one.cell.scenario.label}"] = one.choice
    files = {}
    for file, search in searches.items():
        try:
            others = read_choices(file, search.table, search.command)
        except UserError:
            others = {}  # no choices of this table's
        files[file] = choices_bytes(search.table, {**others, **mine[file]})
    return files


def scores_of(cell: Cell, values: Settings, store: Store) -> tuple[list[ScoreMatrix | None], list[RunSpec]]:
    """The score matrices of a trial by seed, None without a record; and its specs."""
    assert cell.search is not None
    spec = resolve_cell(trial_cell(cell, values))
    specs = [spec.with_seed(seed) for seed in cell.search.seeds]
    found = {record.spec["seed"]: record.score for record in store.records(spec)}
    return [found.get(one.seed) for one in specs], specs


def _drawn(cell: Cell, search: Search, store: Store) -> list[Settings]:
    """The values that Optuna's TPE gives, `AT_ONCE` at a time, told the scores of those before; up to the first ones
    that lack a record. The same records give the same values, so a search that was interrupted goes on."""
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"The {cell.where} searches in a range, which needs Optuna: pip install hnet_bench[tune]."
        ) from error
    from hnet_bench.interfaces import stream_seed

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=stream_seed(search.seeds[0], "tuning") % 2**32),
        direction="maximize" if cell.better == "higher" else "minimize",
    )
    space = {name: _distribution(optuna, values) for name, values in search.space.items()}
    trials: list[Settings] = []
    total = search.tuning.trials or 0
    while len(trials) < total:
        asked = [study.ask(space) for _ in range(min(AT_ONCE, total - len(trials)))]
        trials += [dict(one.params) for one in asked]
        for one in asked:
            found, _ = scores_of(cell, dict(one.params), store)
            if any(matrix is None for matrix in found):
                return trials
            matrices = [[matrix for matrix in found if matrix is not None]]
            study.tell(one, RULES[search.rule].scores(matrices, search, cell.better)[0])
    return trials


def _distribution(optuna: Any, values: Any) -> Any:
    if isinstance(values, list):
        return optuna.distributions.CategoricalDistribution(values)
    one = Range(**values)
    whole = isinstance(one.low, int) and isinstance(one.high, int)
    kind = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    return kind(one.low, one.high, log=one.log)
