"""Loggers only watch: one that fails is told no more, and what it watches goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from avalanche.logging import BaseLogger

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.loggers import Loggers, check_loggers, make_loggers
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError
from hnet_bench.runs.learning import build_template
from hnet_bench.runs.process import in_own_process

Told = list[tuple[str, float, int]]


class Listens(BaseLogger):  # type: ignore[misc]
    """Keeps what it is told, and fails when it is told more often than it may be."""

    def __init__(self, patience: int = 10**6) -> None:
        super().__init__()
        self._patience = patience
        self.told: Told = []
        self.closed = False

    def log_single_metric(self, name: str, value: float, x_plot: int) -> None:
        if len(self.told) == self._patience:
            raise ConnectionError("nobody is there")
        self.told.append((name, value, x_plot))

    def close(self) -> None:
        self.closed = True


def learn(loggers: Loggers, strategy: str = "finetune") -> list[float | None]:
    """Fine-tuning unless it is another, 100 steps for each of two experiences; the scores at the end."""
    benchmark = Synthetic(experiences=2).build(scenario=Scenario.CLASS, seed=1)
    protocol = TrainingProtocol(iterations=100, batch_size=16, hidden_units=(20,))
    setup = Setup(scenario=Scenario.CLASS, facts=benchmark.facts, protocol=protocol, seed=1)
    template = build_template(catalog.build("strategies", strategy, {}, where="a test"), setup)
    template.plugins.append(loggers)
    evaluator = Evaluator(benchmark)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
        evaluation = evaluator.evaluate(template)
        loggers.evaluated(template, evaluation)
    loggers.close()
    return evaluation.score


def test_loss_and_accuracy_are_told_every_50_steps_and_scores_after_each_experience() -> None:
    listens = Listens()
    score = learn(Loggers({"mine": listens}))
    steps = [(name, step) for name, _, step in listens.told if name.startswith("training/")]
    assert steps == [(f"training/{name}", step) for step in (50, 100, 150, 200) for name in ("loss", "accuracy")]
    assert listens.told[-2:] == [(f"accuracy/experience_{index}", score[index], 200) for index in (0, 1)]
    assert listens.closed


def test_of_a_method_that_puts_out_pixels_while_it_trains_no_accuracy_is_told_there() -> None:
    listens = Listens()
    learn(Loggers({"mine": listens}), "generative_classifier")
    assert {name for name, *_ in listens.told if name.startswith("training/")} == {"training/loss"}
    assert "accuracy/experience_1" in {name for name, *_ in listens.told}


def test_one_that_fails_is_told_no_more_and_the_others_are(caplog: pytest.LogCaptureFixture) -> None:
    sound, broken = Listens(), Listens(patience=3)
    with caplog.at_level(logging.WARNING):
        learn(Loggers({"broken": broken, "sound": sound}))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning == "the logger broken has failed and is told no more: ConnectionError: nobody is there"
    assert len(broken.told) == 3
    assert len(sound.told) == 4 * 2 + 2 * 2
    assert (broken.closed, sound.closed) == (False, True)


@pytest.mark.parametrize("name", ["csv", "tensorboard", "wandb"])
def test_one_that_cannot_begin_is_told_nothing_and_asked_before_it_is_a_sentence(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("")
    learn(make_loggers((name,), tmp_path / "logs", {}))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"the logger {name} cannot begin and is told nothing: ")
    with pytest.raises(UserError, match=f"^--logger {name} cannot write below {tmp_path}/logs: "):
        check_loggers((name,), tmp_path / "logs")


def test_weights_and_biases_without_an_account_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "NETRC", "WANDB_CONFIG_DIR"):  # where a key of this user may be
        monkeypatch.setenv(name, str(tmp_path / name))
    with pytest.raises(UserError, match=r"^--logger wandb cannot begin: UsageError: No API key configured\."):
        in_own_process(check_loggers, ("wandb",), tmp_path / "logs")
    assert not list((tmp_path / "logs").iterdir())


def test_what_is_asked_before_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    in_own_process(check_loggers, ("csv", "tensorboard", "wandb"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_run_that_goes_on_writes_beside_what_it_wrote_before(tmp_path: Path) -> None:
    for _ in range(3):
        learn(make_loggers(("csv",), tmp_path, {}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "csv-2", "csv-3"]
