"""Avalanche's loggers beside a run: loss and accuracy while it trains, scores after each experience.

They are told what the run computes anyway. Avalanche's EvaluationPlugin would compute its metrics from the labels of
the evaluated stream, which our blind evaluation withholds. A logger that fails is told no more, and the run goes on.
"""

from __future__ import annotations

import logging
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from avalanche.core import BaseSGDPlugin
from avalanche.logging import BaseLogger, CSVLogger, TensorboardLogger

from hnet_bench.avalanche_adapter.evaluation import Evaluation
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, UserError

_log = logging.getLogger("hnet_bench.run")
# Reading a loss waits for the device, so not every step is told of.
_STEPS_BETWEEN_VALUES = 50


class WandBLogger(BaseLogger):  # type: ignore[misc]
    """A run of Weights & Biases. Avalanche 0.6.0 has one, which the releases of wandb that pip installs do not know."""

    def __init__(self, folder: Path, run: str, settings: Settings) -> None:
        import wandb

        super().__init__()
        folder.mkdir(parents=True)
        # Many runs share a terminal, so none of them is to write on it or to read from it.
        quiet = wandb.Settings(silent=True, console="off", save_code=False)
        self._run = wandb.init(project="hnet_bench", name=run, dir=str(folder), config=settings, settings=quiet)

    def log_single_metric(self, name: str, value: float, x_plot: int) -> None:
        self._run.log({name: value}, step=x_plot)

    def close(self) -> None:
        """Writes what is still held back."""
        self._run.finish()


class Loggers(BaseSGDPlugin):  # type: ignore[misc]
    """A plugin that tells loggers of the main loop; `evaluated` is to be called after each evaluation."""

    def __init__(self, loggers: Mapping[str, BaseLogger]) -> None:
        super().__init__()
        self._loggers = dict(loggers)
        self._latest = (float("nan"), float("nan"))  # loss and score of the last batch that was told of

    def after_training_iteration(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        step = strategy.clock.train_iterations
        if step % _STEPS_BETWEEN_VALUES:
            return
        objective = objective_of(strategy.setup.facts)

        def tell(logger: BaseLogger) -> None:
            outputs, loss, score = strategy.mb_output.detach(), float(strategy.loss.detach()), float("nan")
            logger.log_single_metric("training/loss", loss, step)
            if strategy.predicts_in_training:
                score = objective.metric(objective.predictions(outputs), strategy.mb_y)
                logger.log_single_metric(f"training/{objective.metric_name}", score, step)
            self._latest = loss, score

        self._each(tell)

    def evaluated(self, template: InMemoryTemplate, evaluation: Evaluation) -> None:
        """Tells of the scores after an experience."""
        step, experience = template.clock.train_iterations, template.task
        score_name = objective_of(template.setup.facts).metric_name

        def tell(logger: BaseLogger) -> None:
            for name, scores in ((score_name, evaluation.score), ("task_inference", evaluation.task_inference)):
                for index, score in _measured(scores):
                    logger.log_single_metric(f"{name}/experience_{index}", score, step)
            if isinstance(logger, CSVLogger):
                loss, of_batch = self._latest
                logger.print_train_metrics(experience, 1, of_batch, "", loss, "")
                for index, score in _measured(evaluation.score):
                    logger.print_eval_metrics(index, experience, score, "", "")

        self._each(tell)

    def close(self) -> None:
        """Writes what is still held back."""
        self._each(_close)

    def _each(self, tell: Callable[[BaseLogger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                tell(logger)
            except Exception as error:  # whatever a logger of somebody else's may raise
                del self._loggers[name]
                _log.warning("the logger %s has failed and is told no more: %s", name, _in_words(error))


def make_loggers(names: Sequence[str], folder: Path, settings: Settings) -> Loggers:
    """Loggers that write below a folder of one run; `settings` is what Weights & Biases shows as its configuration.

    Names are csv, tensorboard and wandb. One that cannot begin is told nothing, with a warning in the log.
    """
    begun = {}
    for name in names:
        try:
            begun[name] = _LOGGERS[name](_fresh(folder / name), folder.name, settings)
        except Exception as error:
            _log.warning("the logger %s cannot begin and is told nothing: %s", name, _in_words(error))
    return Loggers(begun)


def check_loggers(names: Sequence[str], folder: Path) -> None:
    """Raises UserError if one of these loggers could not begin below this folder, or an account that it needs is not
    there. Leaves nothing but the folder."""
    for name in names:
        probe = folder / f".probe-{uuid.uuid4().hex[:8]}"
        try:
            if name == "wandb":
                _check_wandb(probe)
            else:
                _close(_LOGGERS[name](probe, "probe", {}))
        except ImportError as error:
            raise UserError(f"--logger {name} needs {error.name or name}, which is not installed.") from error
        except OSError as error:
            raise UserError(f"--logger {name} cannot write below {folder}: {error.strerror or error}.") from error
        except Exception as error:
            raise UserError(f"--logger {name} cannot begin: {_in_words(error)}.") from error
        finally:
            shutil.rmtree(probe, ignore_errors=True)


def _check_wandb(probe: Path) -> None:
    # A run that is begun for a trial would stand among the user's own.
    import wandb

    probe.mkdir(parents=True)
    wandb.setup(settings=wandb.Settings(silent=True))
    wandb.login()  # raises an error if there is no key of an account, unless it is to write offline


def _in_words(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}{f': {text[0]}' if text else ''}".rstrip(".")


def _measured(scores: Sequence[float | None] | None) -> list[tuple[int, float]]:
    """The scores that there are, each with its experience."""
    return [(index, score) for index, score in enumerate(scores or []) if score is not None]


def _close(logger: BaseLogger) -> None:
    (logger.writer if isinstance(logger, TensorboardLogger) else logger).close()


_LOGGERS: dict[str, Callable[[Path, str, Settings], BaseLogger]] = {
    "csv": lambda folder, run, settings: CSVLogger(str(folder)),
    "tensorboard": lambda folder, run, settings: TensorboardLogger(folder),
    "wandb": WandBLogger,
}


def _fresh(folder: Path) -> Path:
    """The folder, or, since a run that goes on must not overwrite what it wrote before, one beside it."""
    number, chosen = 1, folder
    while chosen.exists():
        number += 1
        chosen = folder.with_name(f"{folder.name}-{number}")
    return chosen
