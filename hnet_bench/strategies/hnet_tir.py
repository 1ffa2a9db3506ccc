"""HNET+TIR: HNET with a network that infers the task, trained on replayed samples.

von Oswald et al. 2020, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.strategies.replay_settings import ReplaySettings
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from hnet_bench.strategies.training.task_inference import TaskInferenceTemplate


@dataclass(frozen=True, kw_only=True)
class HnetTir(ReplaySettings, HypernetworkSettings):
    """For CL2 and CL3; in CL1 the task is given and this is HNET.

    Defaults are those of the authors' split MNIST experiments at their last revision. The decoder's sizes were changed
    twice after publication, so Table 1 was probably made with others.
    """

    name: ClassVar[str] = "hnet_tir"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.DOMAIN, Scenario.CLASS)

    replay_decoder_hidden_units: tuple[int, ...] = (50, 150)

    def __post_init__(self) -> None:
        HypernetworkSettings.__post_init__(self)
        ReplaySettings.__post_init__(self)

    def build(self, setup: Setup) -> TaskInferenceTemplate:
        """The strategy for one run."""
        from hnet_bench.strategies.training.task_inference import TaskInferenceTemplate

        return TaskInferenceTemplate(setup=setup, settings=self)
