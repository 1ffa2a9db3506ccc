"""One run: a spec in, a record out. All that a run draws at random comes from its seed.

The same spec on the same machine with the same versions gives the same scores, bit for bit, whatever ran before in
the process and whatever runs beside it: one thread, every global generator seeded, and a stream of its own for each
purpose.
"""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import torch
from avalanche.core import BaseSGDPlugin

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Setup, Strategy, UserError, stream_seed
from hnet_bench.runs.code import code_of
from hnet_bench.runs.events import Observer, event_of, ignore
from hnet_bench.runs.memory import peak_bytes, reset_peak
from hnet_bench.runs.provenance import command_line, provenance
from hnet_bench.runs.record import Record, check_scores
from hnet_bench.runs.spec import RunSpec

_THREADS = 1
_SECONDS_BETWEEN_EVENTS = 0.5


def run(
    spec: RunSpec,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    observer: Observer = ignore,
    command: str | None = None,
) -> Record:
    """Trains and evaluates as the spec says; the record alone, see `run_with_artefacts`."""
    return run_with_artefacts(spec, device=device, folder=folder, observer=observer, command=command)[0]


def run_with_artefacts(
    spec: RunSpec,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    observer: Observer = ignore,
    command: str | None = None,
) -> tuple[Record, bytes | None]:
    """Trains and evaluates as the spec says; returns the record, and a NumPy archive of the arrays to keep beside it.

    `device` is "cpu" or "cuda"; `folder` holds the data sets (default: the user's data folder); `command` is what the
    record says it was made by (default: this process's). Raises UserError for what the user can mend.
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    code = code_of(spec.strategy, spec.benchmark).hashes()  # now: a run may last longer than its files stay unedited
    reset_peak()
    torch.set_num_threads(_THREADS)
    _seed_everything(spec.seed, "initialisation")
    benchmark = spec.build_benchmark().build(scenario=spec.scenario, seed=spec.seed, folder=folder)
    setup = Setup(scenario=spec.scenario, facts=benchmark.facts, protocol=spec.protocol, seed=spec.seed, device=device)
    strategy = spec.build_strategy()
    template = build_template(strategy, setup)
    evaluator = Evaluator(benchmark)
    untrained = evaluator.evaluate(template).score
    evaluations, seconds = _learn(template, benchmark, evaluator, spec, observer)
    counts = template.parameter_counts()
    inference = [evaluation.task_inference for evaluation in evaluations]
    record = Record(
        run_id=spec.run_id,
        spec=spec.to_json(),
        score=[evaluation.score for evaluation in evaluations],
        untrained=untrained,
        task_inference=None if None in inference else [row for row in inference if row is not None],
        parameters={**counts, "compression_ratio": counts["trained"] / counts["target"]},
        seconds={**seconds, "total": round(time.perf_counter() - clock, 3)},
        peak_memory_bytes=peak_bytes(),
        data=benchmark.data_sums,
        diagnostics=dict(template.diagnostics),
        provenance=provenance(
            strategy=strategy,
            code=code,
            device=device,
            threads=_THREADS,
            command=command or command_line(),
            started=started,
        ),
    )
    check_scores(record.score, f"run {spec.run_id}")
    return record, _archive(template.artefacts())


def resolve_device(name: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises UserError for another name or if there is no CUDA device."""
    if name not in ("auto", "cpu", "cuda"):
        raise UserError(f"Unknown device '{name}': expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("Device 'cuda' was asked for, but torch finds none here: use --device cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


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


def _learn(
    template: InMemoryTemplate, benchmark: InMemoryBenchmark, evaluator: Evaluator, spec: RunSpec, observer: Observer
) -> tuple[list[Evaluation], dict[str, Any]]:
    """An evaluation on all experiences after each, and the seconds that training and evaluating took."""
    progress = _Progress(spec, template.planned_steps, observer)
    template.plugins.append(progress)
    template.count_step = progress.count
    evaluations, train, evaluate = [], [], []
    for experience in benchmark.avalanche.train_stream:
        begun = time.perf_counter()
        template.train(experience, eval_streams=[])
        trained = time.perf_counter()
        evaluations.append(evaluator.evaluate(template))
        train.append(round(trained - begun, 3))
        evaluate.append(round(time.perf_counter() - trained, 3))
    return evaluations, {"train": train, "evaluate": evaluate}


def _archive(arrays: dict[str, numpy.ndarray]) -> bytes | None:
    if not arrays:
        return None
    buffer = BytesIO()
    numpy.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _seed_everything(seed: int, stream: str) -> None:
    value = stream_seed(seed, stream)
    random.seed(value)
    numpy.random.seed(value % 2**32)
    torch.manual_seed(value)


class _Progress(BaseSGDPlugin):  # type: ignore[misc]
    """Tells an observer how far training has come, at most a few times a second."""

    def __init__(self, spec: RunSpec, steps: int, observer: Observer) -> None:
        super().__init__()
        self._spec, self._observer = spec, observer
        self._done, self._total = 0, steps
        self._begun = self._told = time.perf_counter()

    def after_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.count()

    def count(self) -> None:
        self._done += 1
        now = time.perf_counter()
        if now - self._told >= _SECONDS_BETWEEN_EVENTS:
            self._told = now
            self._observer(
                event_of(self._spec, "progress", done=self._done, total=self._total, seconds=now - self._begun)
            )
