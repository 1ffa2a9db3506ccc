"""Avalanche's loggers beside a run: loss and accuracy while it trains, scores after each experience.

They are told what the run computes anyway. Avalanche's EvaluationPlugin would compute its metrics from the labels of
the evaluated stream, which our blind evaluation withholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from avalanche.core import BaseSGDPlugin
from avalanche.logging import BaseLogger, CSVLogger, TensorboardLogger

from hnet_bench.avalanche_adapter.evaluation import Evaluation
from hnet_bench.avalanche_adapter.goals import goal_of
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, UserError

# Reading a loss waits for the device, so not every step is told of.
_STEPS_BETWEEN_VALUES = 50


class Loggers(BaseSGDPlugin):  # type: ignore[misc]
    """A plugin that tells loggers of the main loop; `evaluated` is to be called after each evaluation."""

    def __init__(self, loggers: Sequence[BaseLogger]) -> None:
        super().__init__()
        self._loggers = loggers
        self._latest = (float("nan"), float("nan"))  # loss and score of the last batch that was told of

    def after_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        step = strategy.clock.train_iterations
        if step % _STEPS_BETWEEN_VALUES:
            return
        goal = goal_of(strategy.setup.facts)
        score = goal.score(goal.answers(strategy.mb_output.detach()), strategy.mb_y)
        self._latest = float(strategy.loss), score
        for logger in self._loggers:
            for name, value in zip(("loss", goal.score_name), self._latest, strict=True):
                logger.log_single_metric(f"training/{name}", value, step)

    def evaluated(self, template: InMemoryTemplate, evaluation: Evaluation) -> None:
        """Tells of the scores after an experience."""
        step, experience = template.clock.train_iterations, template.task
        score_name = goal_of(template.setup.facts).score_name
        for logger in self._loggers:
            for name, scores in ((score_name, evaluation.score), ("task_inference", evaluation.task_inference)):
                for index, score in _measured(scores):
                    logger.log_single_metric(f"{name}/experience_{index}", score, step)
            if isinstance(logger, CSVLogger):
                loss, of_batch = self._latest
                logger.print_train_metrics(experience, 1, of_batch, "", loss, "")
                for index, score in _measured(evaluation.score):
                    logger.print_eval_metrics(index, experience, score, "", "")

    def close(self) -> None:
        """Writes what is still held back."""
        for logger in self._loggers:
            if isinstance(logger, CSVLogger):
                logger.close()
            elif isinstance(logger, TensorboardLogger):
                logger.writer.close()
            else:
                logger.wandb.finish()


def make_loggers(names: Sequence[str], folder: Path, settings: Settings) -> Loggers:
    """Loggers that write below a folder of one run; `settings` is what Weights & Biases shows as its configuration.

    Names are csv, tensorboard and wandb. Raises UserError if Weights & Biases is not installed, ValueError for others.
    """
    return Loggers([_logger(name, _fresh(folder / name), folder.name, settings) for name in names])


def _measured(scores: Sequence[float | None] | None) -> list[tuple[int, float]]:
    """The scores that there are, each with its experience."""
    return [(index, score) for index, score in enumerate(scores or []) if score is not None]


def _logger(name: str, folder: Path, run: str, settings: Settings) -> BaseLogger:
    if name == "csv":
        return CSVLogger(str(folder))
    if name == "tensorboard":
        return TensorboardLogger(folder)
    if name != "wandb":
        raise ValueError(f"Unknown logger '{name}'.")
    try:
        from avalanche.logging import WandBLogger

        folder.mkdir(parents=True)
        return WandBLogger(project_name="hnet_bench", run_name=run, dir=str(folder), config=settings, save_code=False)
    except ImportError as error:
        raise UserError("--logger wandb needs Weights & Biases: pip install wandb.") from error


def _fresh(folder: Path) -> Path:
    """The folder, or, since a run that goes on must not overwrite what it wrote before, one beside it."""
    number, chosen = 1, folder
    while chosen.exists():
        number += 1
        chosen = folder.with_name(f"{folder.name}-{number}")
    return chosen
