"""HNET+R: an ordinary classifier that learns from replayed samples; a hypernetwork protects the replay model.

von Oswald et al. 2020, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.strategies.replay_settings import ReplaySettings

if TYPE_CHECKING:
    from hnet_bench.strategies.training.replay_classifier import ReplayClassifierTemplate


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

    def build(self, setup: Setup) -> ReplayClassifierTemplate:
        """The strategy for one run."""
        from hnet_bench.strategies.training.replay_classifier import ReplayClassifierTemplate

        return ReplayClassifierTemplate(setup=setup, settings=self)
