"""Predictions must follow from inputs alone, and in CL1 from the task label that is given with each."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.core import BaseSGDPlugin
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.objective import accuracy
from hnet_bench.avalanche_adapter.template import EVALUATION_BATCH, InMemoryTemplate
from hnet_bench.interfaces import Scenario

SMALL_BATCH = 7  # smaller than an experience, so that a batch could betray it


def predictions(template: InMemoryTemplate, experience: Any, wrong_label: int | None = None) -> Tensor:
    """What a strategy says about the samples of one experience, in their order, with their task labels replaced."""
    heard = _Predictions(wrong_label)
    template.plugins.append(heard)
    try:
        template.eval([experience])
    finally:
        template.plugins.remove(heard)
    return torch.cat(heard.said)


def depends_on_more_than_inputs(template: InMemoryTemplate, benchmark: InMemoryBenchmark) -> str | None:
    """In one clause what else predictions depend on; None if on nothing."""
    normal, template.eval_mb_size = template.eval_mb_size, SMALL_BATCH
    try:
        return _dependence(template, benchmark)
    finally:
        template.eval_mb_size = normal


def _dependence(template: InMemoryTemplate, benchmark: InMemoryBenchmark) -> str | None:
    stream = benchmark.avalanche.test_stream
    alone = [predictions(template, experience) for experience in stream]
    if benchmark.scenario is not Scenario.TASK:
        for index, experience in enumerate(stream):
            for shift in range(1, len(stream)):
                found = predictions(template, experience, wrong_label=(index + shift) % len(stream))
                if not torch.equal(found, alone[index]):
                    return "the task label that stands beside a sample"
    expected = [accuracy(said.cpu(), samples.y.cpu()) for said, samples in zip(alone, benchmark.test, strict=True)]
    # In CL2 and CL3 one pool in mixed order, in CL1 each experience; in either case in batches of another size, and one
    # by one, as the last sample of an evaluation may be, or so many as in runs.
    for template.eval_mb_size in (SMALL_BATCH + 4, 1, EVALUATION_BATCH):
        if Evaluator(benchmark).evaluate(template).score != expected:
            return "which experience is evaluated, or on the other samples of a batch"
    return None


class _Predictions(BaseSGDPlugin):  # type: ignore[misc]
    def __init__(self, wrong_label: int | None) -> None:
        super().__init__()
        self._wrong_label = wrong_label
        self.said: list[Tensor] = []

    def before_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        if self._wrong_label is not None:
            strategy.mbatch[-1] = torch.full_like(strategy.mbatch[-1], self._wrong_label)

    def after_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.said.append(strategy.mb_output.argmax(dim=1))
