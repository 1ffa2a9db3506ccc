"""HNET with a full hypernetwork, which generates all parameters at once (von Oswald et al. 2020, section 2, Fig. 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate

    from hnet_bench.nets.full_hypernetwork import FullHypernetwork


@dataclass(frozen=True, kw_only=True)
class HnetFull:
    """For CL1 and small target networks. Defaults are those of the authors' regression (hypercl, toy_example).

    With no regularisation this is fine-tuning: the hypernetwork goes on to the next task, embeddings of old ones stay.
    """

    name: ClassVar[str] = "hnet_full"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)
    any_size: ClassVar[bool] = True  # see `HypernetworkSettings`

    hidden_units: tuple[int, ...] = (10, 10)  # of the hypernetwork
    activation: Literal["relu", "elu", "sigmoid"] = "sigmoid"  # after each hidden layer of the hypernetwork
    task_embedding_size: int = 2  # entries of what tells the hypernetwork the task
    regularisation_strength: float = 0.005  # beta
    lookahead: bool = True  # regularise at theta + delta rather than at theta
    from_scratch: bool = False  # a new hypernetwork for every task; there is nothing to regularise then

    def __post_init__(self) -> None:
        if self.task_embedding_size < 1:
            raise UserError(f"task_embedding_size must be at least 1, found {self.task_embedding_size}.")
        if min(self.hidden_units, default=1) < 1:
            raise UserError(f"Every item of hidden_units must be at least 1, found {list(self.hidden_units)}.")
        if not self.regularisation_strength >= 0:
            raise UserError(f"regularisation_strength must not be negative, found {self.regularisation_strength}.")
        if self.from_scratch and self.regularisation_strength > 0:
            raise UserError("With from_scratch nothing is regularised: set regularisation_strength to 0.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from hnet_bench.nets.full_hypernetwork import FullHypernetwork
        from hnet_bench.nets.networks import PlainMlp
        from hnet_bench.strategies.training.generated import GeneratedClassifier
        from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate

        class FullHypernetworkTemplate(HypernetworkTemplate):
            # Generated weights are initialised by their hypernetwork, whatever the protocol says of others.
            learns_with = ("regression", "sigmoid", "xavier")

        target = PlainMlp(setup)

        def hypernetwork(tasks: int) -> FullHypernetwork:
            return FullHypernetwork(
                target.layout,
                tasks=tasks,
                hidden_units=self.hidden_units,
                activation=self.activation,
                task_embedding_size=self.task_embedding_size,
            )

        return FullHypernetworkTemplate(
            setup=setup,
            model=GeneratedClassifier(setup, target, hypernetwork, one_per_task=self.from_scratch),
            strength=self.regularisation_strength,
            lookahead=self.lookahead,
        )
