"""XdG: context-dependent gating. Every task switches off hidden units of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Settings, Setup, UserError

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


@dataclass(frozen=True, kw_only=True)
class Xdg:
    """Masse et al. 2018 (PNAS 115), as in van de Ven & Tolias, arXiv 1904.07734, Table 4, and van de Ven et al. 2022,
    Table 2: with a head for each task, and no other measure against forgetting.

    Which units are gated is drawn once for each task; it must be known at test time, hence CL1 alone.
    """

    name: ClassVar[str] = "xdg"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    gated_fraction: float = 0.95  # X: int(X * units) units of every hidden layer are gated; default: 2019, split MNIST
    # before_bias: the gate multiplies a unit's input before the bias is added, so that a gated unit still gives
    # relu(bias), as in the authors' code; after: a gated unit gives 0, as in the papers' text.
    gate: Literal["before_bias", "after"] = "before_bias"

    def __post_init__(self) -> None:
        if not 0 <= self.gated_fraction < 1:
            raise UserError(f"gated_fraction of xdg must be at least 0 and below 1, found {self.gated_fraction}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from baselines.training.task_networks import GatedMlp, TaskNetworkTemplate

        class XdgTemplate(TaskNetworkTemplate):
            def parameter_counts(self) -> Settings:
                """Those of the classifier, and the gates, which are not trained but must be known at test time."""
                gates = self.setup.facts.experiences * sum(self.setup.protocol.hidden_units)
                return {**super().parameter_counts(), "stored_values": gates}

        model = GatedMlp(setup, self.gated_fraction, before_bias=self.gate == "before_bias")
        return XdgTemplate(setup=setup, model=model)
