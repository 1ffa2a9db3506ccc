"""A sweep: does the runs of a selection, within a budget or until they decide, and says how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hnet_bench.arguments import device, seconds_of
from hnet_bench.data import load as data_sets
from hnet_bench.interfaces import File, UserError
from hnet_bench.messages import say, warn
from hnet_bench.reporting.progress import SweepState, Watcher
from hnet_bench.reporting.terminal import console
from hnet_bench.reporting.text import count, duration
from hnet_bench.reporting.until_decided import check_seeds, next_looks, runs_of_looks
from hnet_bench.runs import engine
from hnet_bench.runs.budget import Once, fitting, once
from hnet_bench.runs.checkpoint import steps_kept
from hnet_bench.runs.cluster import Cluster, runs_at_a_time
from hnet_bench.runs.cost import BASES
from hnet_bench.runs.estimates import estimator
from hnet_bench.runs.plan import Selection, runs_to_do, with_repeats
from hnet_bench.runs.provenance import uncommitted_code, unnamed_commit
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.trainings import forget_needless


@dataclass(frozen=True, kw_only=True)
class Swept:
    """How a sweep ended."""

    todo: list[RunSpec] = field(default_factory=list)
    failed: list[RunSpec] = field(default_factory=list)
    left: list[RunSpec] = field(default_factory=list)  # for another sweep, when the time of this one was over
    begun: int = 0  # of those that are left, with a checkpoint


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What a sweep is to do, and how."""

    chosen: Selection
    cluster: Cluster
    options: engine.Options
    budget: str | None = None  # within which its runs are expected to end, such as "2h"
    stop_after: str | None = None  # when it ends
    quiet: bool = False  # says nothing but what fails

    def all_runs(self) -> Swept:
        """Does the runs that have no record yet. Raises UserError as `do` and `within_budget` do."""
        todo = runs_to_do(self.chosen.states, self.chosen.store)
        forget_needless(self.chosen.store, self.chosen.runs, todo)
        if todo and self.budget:
            todo, _ = self.within_budget(todo)
        return self.do(todo) if todo else Swept()

    def until_decided(self) -> Swept:
        """Does what open cells need for their next look, those first of which most are decided in an hour, until none
        is open or has a look left. A run that fails is not tried again, and its cell stays where it is."""
        check_seeds(self.chosen)
        store, options = self.chosen.store, self.options
        estimate = estimator(store, device(options.device), folder=options.folder, probe_unless=None, announce=warn)
        now, whole = self, Swept()
        while True:
            looks, tried = next_looks(now.chosen.states, store, estimate), {spec.key for spec in whole.todo}
            wanted = [spec for spec in runs_of_looks(looks) if spec.key not in tried]
            if not wanted:
                return whole
            self._say(f"{count(len(looks), 'cell')} open: {count(len(wanted), 'run')} until the next look of each.")
            todo = wanted
            if now.budget:
                try:
                    todo, seconds = now.within_budget(wanted, in_order=True)
                except UserError as error:
                    if not whole.todo:
                        raise
                    self._say(str(error))
                    return whole
                now = replace(now, budget=f"{max(seconds_of(now.budget) - seconds, 1):.0f}s")
            forget_needless(store, now.chosen.runs, todo)
            part = now.do(todo)
            whole = replace(part, todo=[*whole.todo, *todo], failed=[*whole.failed, *part.failed])
            if part.left or len(todo) < len(wanted):
                return whole
            # That nothing advances is a mistake of whoever gave too little time, but not after a look that was reached.
            now = replace(now, chosen=now.chosen.again(), stop_after=None)

    def within_budget(self, todo: list[RunSpec], *, in_order: bool = False) -> tuple[list[RunSpec], float]:
        """The runs that fit into the budget, most informative first or as they stand, and the seconds that they are
        expected to take; says what was left out.

        Where no record tells of any cost, each strategy is probed first. Raises UserError if not even one run fits.
        """
        seconds, where, store = seconds_of(str(self.budget)), device(self.options.device), self.chosen.store
        workers = runs_at_a_time(self.cluster, len(todo), where)
        estimate = estimator(store, where, folder=self.options.folder, probe_unless=BASES, announce=warn)
        found = fitting(
            todo,
            self.chosen.states,
            estimate,
            seconds=seconds,
            jobs=workers,
            shared=once(todo, store) if self.options.share else None,
            in_order=in_order,
        )
        if not found.runs:
            raise UserError(f"None of the {count(len(todo), 'run')} to do is expected to end within {self.budget}.")
        left = f"; {count(found.too_long, 'run')} left out" if found.too_long else ""
        fit = f"{len(found.runs)} of {count(len(todo), 'run')} fit into {self.budget}"
        self._say(f"{fit}, about {duration(found.seconds)} at {workers} at a time{left}.")
        return list(found.runs), found.seconds

    def do(self, todo: list[RunSpec]) -> Swept:
        """Does these runs. Raises UserError if nothing advanced in the time of `stop_after`; KeyboardInterrupt after
        it was said what is kept."""
        store = self.chosen.store
        before = self._steps(todo)
        try:
            sweep, others = self._watched(todo)
        except KeyboardInterrupt:
            done = sum(store.has(spec) for spec in todo)
            warn(
                f"Interrupted: {done} of {count(len(todo), 'run')} finished, and their records are kept in "
                f"{store.root}; the same command does the rest."
            )
            raise
        failed = [spec for spec in todo if spec.key in sweep.failures]
        left = [spec for spec in todo if spec not in failed and not store.has(spec)]
        after = self._steps(left)
        if self.stop_after and after == before and not others:
            came = "no run that was begun came as far as its next checkpoint"
            raise UserError(
                f"Nothing advanced in the {self.stop_after} of --stop-after: "
                f"{came if sweep.begun else 'they were over before a run began'}. The same command would do the same "
                "again: give it more time."
            )
        return Swept(todo=todo, failed=failed, left=left, begun=sum(steps > 0 for steps in after.values()))

    def _watched(self, todo: list[RunSpec]) -> tuple[SweepState, bool]:
        """Does the runs and shows them: how far they came, and whether another sweep was found at some of them.

        What can be checked is checked before the first.
        """
        store, options = self.chosen.store, self.options
        store.check_writable()
        if problem := unnamed_commit() or uncommitted_code(store.root):
            warn(problem)
        if self.cluster.is_local:  # elsewhere the workers' machines need the data, not this one
            for one in dict.fromkeys(one for spec in todo for one in spec.build_benchmark().datasets):
                fetch: Callable[..., Any] = data_sets.load_file if isinstance(one, File) else data_sets.load
                fetch(one, folder=options.folder, progress=self._say)
        shared = Once()
        for spec in todo if options.share else ():
            shared.add(spec, None)
        trainings = shared.taken + len(shared.trained)
        common = f" Of their {trainings} trainings they take {shared.taken} from each other." if shared.taken else ""
        self._say(f"{count(len(todo), 'run')} to do.{common}")
        # By its row, since rows may differ in hyperparameters alone.
        states = with_repeats(self.chosen.states)
        rows = {state.spec.cell_key: state.cell.row for state in reversed(states) if state.spec}
        names = {spec.key: f"{rows[spec.cell_key]} {spec.scenario.label} seed {spec.seed}" for spec in todo}
        with Watcher(names, console(quiet=self.quiet)) as watcher:
            outcome = engine.run_all(
                todo, store=store, cluster=self.cluster, options=options, observer=watcher, announce=watcher.announce
            )
        for spec in todo:
            if event := watcher.sweep.failures.get(spec.key):
                noted = store.failure(spec) == event.message  # unless the disk did not take it
                place = f" (more in {store.failure_path(spec)})" if noted else ""
                warn(f"Failed: {watcher.name(event)}: {event.message}{place}")
        return watcher.sweep, outcome.others

    def _steps(self, runs: list[RunSpec]) -> dict[str, int]:
        """Optimiser steps that the checkpoints of runs hold."""
        return {spec.key: steps_kept(self.chosen.store.checkpoint_path(spec)) for spec in runs}

    def _say(self, sentence: str) -> None:
        if not self.quiet:
            say(sentence)
