"""HNET+R: an ordinary classifier that learns from replayed samples; a hypernetwork protects the replay model.

von Oswald et al. 2020, section 3. In each experience first the classifier learns: its samples with their labels, and
replayed samples of all earlier ones with the outputs that it had for them before. Then (but for the last experience)
the replay model learns it. Adam starts anew with every experience, for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Scenario, Settings, Setup, UserError
from hnet_bench.strategies.settings import ReplaySettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

    from hnet_bench.avalanche_adapter.resumable import Phase, Trained


@dataclass(frozen=True, kw_only=True)
class HnetR(ReplaySettings):
    """Defaults are those of the authors' split MNIST experiments (hypercl, mnist/train_args_default.py)."""

    name: ClassVar[str] = "hnet_r"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    replay_decoder_hidden_units: tuple[int, ...] = (250, 350)
    temperature: float = 2.0  # of the distillation on replayed samples

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise UserError(f"temperature must be positive, found {self.temperature}.")

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The replay model, whose initial parameters are drawn after those of a classifier with so many outputs; and
        the classifier, which no other trains."""
        return {
            "classifier": {**to_settings(self), "scenario": setup.scenario.value},
            "replay_model": {**self.replay_settings(), "outputs": setup.outputs},
        }

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import torch

        from hnet_bench.avalanche_adapter.replay import ReplayTemplate, frozen_copy
        from hnet_bench.nets.distillation import distillation_loss
        from hnet_bench.nets.ordinary import xavier_initialise
        from hnet_bench.strategies.training.replay_model import ReplayedBatches, ReplayModel

        replay_weight, temperature = self.replay_weight, self.temperature

        class ReplayClassifierTemplate(ReplayTemplate):
            fresh_optimiser = True

            _teacher: torch.nn.Module | None = None
            _replay: ReplayedBatches | None = None

            def __init__(self, settings: HnetR) -> None:
                super().__init__(setup=setup)
                xavier_initialise(self.model)
                self.replay_model = ReplayModel(setup, settings)

            @property
            def planned_steps(self) -> int:
                return self.setup.protocol.iterations * (self.setup.facts.experiences + self.replay_model.tasks)

            def parameter_counts(self) -> Settings:
                return {**super().parameter_counts(), **self.replay_model.parameter_counts()}

            def artefacts(self) -> dict[str, numpy.ndarray]:
                return self.replay_model.artefacts()

            def begin_experience(self) -> None:
                super().begin_experience()
                if self.task > 0:
                    self._teacher = frozen_copy(self.model)
                    self._replay = self.replay_model.replay(self.task, self.setup.protocol.batch_size)

            def replayed(self) -> list[Tensor | None]:
                """Samples of old tasks, their tasks, and the teacher's outputs for them."""
                assert self._replay is not None
                x, tasks = next(self._replay)
                with torch.no_grad():
                    teacher = self.competing(self.all_outputs(x, self._teacher), tasks)
                if self.scenario is Scenario.CLASS and self.setup.protocol.active_classes == "seen":
                    # Of the classes that compete those which the teacher did not know yet get the logit 0, as in the
                    # authors' code: not excluded. Where all classes compete it always had outputs for all, and they
                    # are the targets as they are.
                    old = {label for classes in self.classes_of[:-1] for label in classes}
                    teacher[:, [label for label in self.classes_of[-1] if label not in old]] = 0
                return [x, tasks, teacher]

            def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
                tasks, teacher = targets
                return distillation_loss(self.competing(outputs, tasks), teacher, temperature)

            def weights(self) -> tuple[float, float]:
                return 1 - replay_weight, replay_weight

            def end_experience(self) -> None:
                super().end_experience()
                self._teacher = self._replay = None

            def trained_by(self) -> dict[str, Trained]:
                return {"replay_model": self.replay_model.trained(self._more_data_order)}

            def further_phases(self) -> list[Callable[[], Phase]]:
                return [self._replay_learning] if self.task < self.replay_model.tasks else []

            def _replay_learning(self) -> Phase:
                return self.replay_model.learning(self.task, self.more_batches(self.setup.protocol.iterations))

        return ReplayClassifierTemplate(self)
