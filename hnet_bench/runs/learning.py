"""How a run learns: experience by experience, from wherever an earlier process left off."""

from __future__ import annotations

import logging
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy
import psutil
import torch

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, held_out, require_types, stored_tensors
from hnet_bench.avalanche_adapter.checkpoint import CheckpointError, restore_state, save_state
from hnet_bench.avalanche_adapter.conversion import in_memory
from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator
from hnet_bench.avalanche_adapter.loggers import Loggers
from hnet_bench.avalanche_adapter.measured import Meter
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.avalanche_adapter.random_state import preserved_random_state
from hnet_bench.avalanche_adapter.resumable import Part, after_every_step
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, Setup, Strategy, UserError, evaluated, stream_seed
from hnet_bench.runs.checkpoint import Checkpoints, RunProgress
from hnet_bench.runs.deadline import Deadline, Stopped
from hnet_bench.runs.events import Event, Observer
from hnet_bench.runs.provenance import machine
from hnet_bench.runs.sharing import OWN_STEPS, Sharing, state_of
from hnet_bench.runs.spec import RunSpec

_SECONDS_BETWEEN_EVENTS = 0.5
_log = logging.getLogger("hnet_bench.run")


class Learning:
    """A strategy that learns a benchmark, from wherever the checkpoint left it."""

    def __init__(
        self,
        spec: RunSpec,
        *,
        device: str,
        folder: Path | None,
        observer: Observer,
        checkpoints: Checkpoints | None,
        loggers: Loggers | None,
        deadline: Deadline | None = None,
        sharing: Sharing | None = None,
    ) -> None:
        self._began = time.perf_counter()
        self._spec, self._observer, self._loggers = spec, observer, loggers
        _seed_everything(spec.seed, "initialisation")
        # Before the data are loaded: whoever notes what made a run has just read a user's file, which may be edited.
        self.strategy = spec.build_strategy()
        benchmark = build_stream(spec, folder)
        self.data_sums = benchmark.data_sums
        self._benchmark = benchmark
        self._experiences = benchmark.facts.experiences
        self._evaluator = Evaluator(benchmark)
        self._latest: Evaluation | None = None
        self._deadline = deadline
        contents = {f"content of {name}": found for name, found in benchmark.data_sums.items()}
        self._checkpoints = checkpoints and replace(checkpoints, identity={**checkpoints.identity, **contents})
        self._sharing = sharing and replace(sharing, identity={**sharing.identity, "data": benchmark.data_sums})
        self._seconds_to_save = 0.0  # what the last checkpoint took
        self._advanced = False  # whether this process has taken a step
        self._setup = Setup(
            scenario=spec.scenario, facts=benchmark.facts, protocol=spec.protocol, seed=spec.seed, device=device
        )
        self.template = build_template(self.strategy, self._setup)
        self._data = stored_tensors(benchmark.train, self.template.device)
        _log.info("%s on %s, seed %d, on %s", spec.strategy, spec.benchmark, spec.seed, device)
        self._meter = Meter()
        self.progress = self._resumed() or RunProgress()
        self._began -= self.progress.elapsed  # so that it counts what earlier processes took
        # Only forward transfer needs these, which in turn needs more than the diagonal.
        if spec.protocol.evaluation == "all" and not self.progress.untrained:
            scores = self._evaluator.evaluate(self.template).score
            self.progress.untrained = [score for score in scores if score is not None]
        if loggers is not None:
            self.template.plugins.append(loggers)
        after_every_step(self.template, self._after_step)
        self._last_event = self._last_checkpoint = time.perf_counter()

    def learn(self) -> None:
        """Learns every experience that is not over, with an evaluation after each as the protocol's schedule says.

        Raises Stopped, when there is a checkpoint, if the deadline comes before the end.
        """
        try:
            self._learn()
        finally:
            if self._loggers is not None:
                self._loggers.close()

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """Arrays to keep beside the record: the strategy's, and what the benchmark makes of its final answers."""
        template, keep = self.template, self._benchmark.keep
        with preserved_random_state(template.device), torch.no_grad():
            arrays = {**template.artefacts(), **template.evaluated_artefacts(self._evaluator)}
        return {**arrays, **keep(self._latest.predictions)} if keep and self._latest else arrays

    def measured(self) -> Settings:
        """What the run did and keeps, measured. For the end, since it takes a few more evaluations."""
        return self._meter.outcome(self.template, self._evaluator, self._setup)

    def _learn(self) -> None:
        progress = self.progress
        while len(progress.score) < self._experiences:
            # An earlier process may have left off between the two.
            if len(progress.train) == len(progress.score):
                self._train()
                self._stop_unless_there_is_time(self._expected_evaluation())
            self._evaluate()
            if len(progress.score) < self._experiences:
                self._save()
                if self._deadline and not self._deadline.leaves(0.0):
                    raise Stopped

    def _train(self) -> None:
        progress = self.progress
        self._experience_begun = time.perf_counter() - progress.in_experience
        index = len(progress.score)
        with self._meter.training(self.template):
            self.template.train(self._benchmark.training(index), eval_streams=[])
        self._meter.experience_is_over(self.template, self._benchmark.train[: index + 1])
        progress.train.append(round(time.perf_counter() - self._experience_begun, 3))
        progress.in_experience = progress.part_began = 0.0

    def _evaluate(self) -> None:
        progress, begun = self.progress, time.perf_counter()
        evaluation = self._evaluator.evaluate(self.template, self._evaluated())
        progress.evaluate.append(round(time.perf_counter() - begun, 3))
        progress.score.append(evaluation.score)
        self._latest = evaluation
        progress.task_inference.append(evaluation.task_inference)
        progress.elapsed = time.perf_counter() - self._began
        progress.peak_memory_bytes = self._peak()
        self._log_scores()
        if self._loggers is not None:
            self._loggers.evaluated(self.template, evaluation)

    def _expected_evaluation(self) -> float:
        """Seconds that the next evaluation should take, from those of the last; 0 for the first."""
        progress = self.progress
        if not progress.evaluate:
            return 0.0
        before = sum(score is not None for score in progress.score[-1])
        return progress.evaluate[-1] / before * len(self._evaluated())

    def _stop_unless_there_is_time(self, seconds: float) -> None:
        """Leaves off with a checkpoint unless so many seconds are left after it. Every process takes a step at least,
        so that a piece which is too short for anything else still advances."""
        if not self._advanced or self._deadline is None or self._deadline.leaves(seconds + self._seconds_to_save):
            return
        self._save()
        raise Stopped

    def _evaluated(self) -> list[int]:
        """Experiences to evaluate on after the present one."""
        return evaluated(self._spec.protocol.evaluation, len(self.progress.score), self._experiences)

    def _resumed(self) -> RunProgress | None:
        """Restores the strategy, if there is a checkpoint that fits."""
        found = self._checkpoints.read() if self._checkpoints else None
        if found is None:
            return None
        progress, state = found
        try:
            beside = restore_state(self.template, state, self._data)
        except CheckpointError as error:
            _log.warning("checkpoint is not used, the run begins anew: %s", error)
            self.template = build_template(self.strategy, self._setup)
            return None
        self._meter = Meter(progress.measured)
        self._meter.state = beside
        progress.resumes.append({"experience": len(progress.score), "step": progress.steps, **progress.machine})
        if progress.machine != machine(str(self.template.device)):
            progress.part_state = ""  # what is trained on two machines is no other run's
        _log.info("goes on in experience %d after step %d", len(progress.score), progress.steps)
        return progress

    def _after_step(self) -> None:
        self.progress.steps += 1
        with self._meter.between_steps(self.template):
            self._between_steps()

    def _between_steps(self) -> None:
        now = time.perf_counter()
        if now - self._last_event >= _SECONDS_BETWEEN_EVENTS:
            self._last_event = now
            done, total, seconds = self.progress.steps, self.template.planned_steps, now - self._began
            self._observer(
                Event(
                    kind="progress",
                    key=self._spec.key,
                    iterations_done=done,
                    iterations_total=total,
                    seconds=seconds,
                )
            )
        self._advanced = True
        self.progress.in_experience = now - self._experience_begun
        self._share(self.template.part)
        self._stop_unless_there_is_time(0.0)
        if self._checkpoints and now - self._last_checkpoint >= self._checkpoints.seconds_between:
            self._save()

    def _share(self, part: Part) -> None:
        """After the first steps of a part goes to its end, if another run has been there; at its end leaves it for
        others. In either case the times are those that it takes, here or there."""
        progress, sharing, experience = self.progress, self._sharing, len(self.progress.train)
        taken = None
        if part.batches.done == OWN_STEPS and part.batches.left and sharing and part.trained is not None:
            progress.part_state = state_of(part.trained)
            taken = sharing.take(part, experience, progress.part_state)
        if taken is not None:
            left = self.template.skip()
            progress.steps += left
            self._meter.skipped(self.template, left)
            saved = max(0.0, taken - (progress.in_experience - progress.part_began))
            self._began, self._experience_begun = self._began - saved, self._experience_begun - saved
            progress.in_experience += saved
            progress.saved[part.training] = progress.saved.get(part.training, 0.0) + saved
        if not part.batches.left:
            seconds = progress.in_experience - progress.part_began
            progress.training[part.training] = progress.training.get(part.training, 0.0) + seconds
            if sharing and taken is None and progress.part_state:
                sharing.leave(part, experience, progress.part_state, seconds)
            progress.part_began, progress.part_state = progress.in_experience, ""

    def _save(self) -> None:
        if self._checkpoints is None:
            return
        begun = time.perf_counter()
        self.progress.elapsed = time.perf_counter() - self._began
        self.progress.peak_memory_bytes = self._peak()
        self.progress.machine = machine(str(self.template.device))
        try:
            self.progress.measured = self._meter.to_json()
            state = save_state(self.template, self._data, self._meter.state)
        except CheckpointError as error:
            # A plugin may hold what cannot be kept within an experience; `hnet-bench check` asks for more.
            _log.warning("no checkpoint after step %d: %s", self.progress.steps, error)
        else:
            self._checkpoints.write(self.progress, state)
        self._last_checkpoint = time.perf_counter()
        self._seconds_to_save = self._last_checkpoint - begun

    def _peak(self) -> int:
        # Also that of earlier processes.
        return max(_peak_bytes(), self.progress.peak_memory_bytes or 0)

    def _log_scores(self) -> None:
        objective, progress = objective_of(self._benchmark.facts), self.progress
        scores = " ".join(format(one, objective.metric_format) for one in progress.score[-1] if one is not None)
        name, where = objective.metric_name.replace("_", " "), (len(progress.score), self._experiences)
        _log.info("experience %d of %d learnt in %.1f s; %s: %s", *where, progress.train[-1], name, scores)


def _peak_bytes() -> int:
    """Highest resident memory of this process, which is the run's own."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # it has kibibytes on Linux, bytes on macOS


def build_stream(spec: RunSpec, folder: Path | None) -> InMemoryBenchmark:
    """The benchmark of a run, with validation data in place of test data where its protocol holds any out."""
    whole = in_memory(spec.build_benchmark(), scenario=spec.scenario, seed=spec.seed, folder=folder)
    require_types(whole)
    share = spec.protocol.validation
    return held_out(whole, share, spec.seed) if share else whole


def build_template(strategy: Strategy, setup: Setup) -> InMemoryTemplate:
    """What a strategy builds, with every global random generator seeded for the training that follows.

    Raises UserError if it builds something else than a template of ours.
    """
    # Initial parameters depend on the seed and on nothing that was drawn before, such as by the benchmark.
    _seed_everything(setup.seed, "initialisation")
    template = strategy.build(setup)
    if not isinstance(template, InMemoryTemplate):
        raise UserError(
            f"{type(strategy).__name__} builds a {type(template).__name__}: expected a subclass of "
            "hnet_bench.avalanche_adapter.template.InMemoryTemplate, which trains for a given number of iterations."
        )
    _seed_everything(setup.seed, "training")
    return template


def _seed_everything(seed: int, stream: str) -> None:
    value = stream_seed(seed, stream)
    random.seed(value)
    numpy.random.seed(value % 2**32)
    torch.manual_seed(value)
