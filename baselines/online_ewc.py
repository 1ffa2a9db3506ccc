"""Online EWC: EWC with one penalty, whose importances decay as experiences pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.fisher_settings import FisherSettings
from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from baselines.training.ewc import OnlineEwcTemplate


@dataclass(frozen=True, kw_only=True)
class OnlineEwc(FisherSettings):
    """Loss + strength / 2 * decay * sum over parameters i of F_i (theta_i - theta_i*)^2, theta* the latest weights.

    After each experience F becomes decay * F + the Fisher matrix of that experience. Schwarz et al. 2018, arXiv
    1805.06370, equation 8; van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5. Their text has no decay in the
    penalty, the authors' code has it (issue 9 of GMvandeVen/continual-learning): without it, a strength of theirs must
    be multiplied by the decay. Defaults are theirs for split MNIST in CL1.
    """

    name: ClassVar[str] = "online_ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 1e8  # lambda, of the half sum of squares
    decay: float = 0.8  # gamma, of what F was before, with every experience
    decay_in_penalty: bool = True  # multiplies the penalty by gamma once more

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise UserError(f"decay must be above 0 and at most 1, found {self.decay}.")

    @property
    def scale(self) -> float:
        """Factor of the sum of squares in the loss."""
        return super().scale * (self.decay if self.decay_in_penalty else 1)

    def build(self, setup: Setup) -> OnlineEwcTemplate:
        """The strategy for one run."""
        from baselines.training.ewc import OnlineEwcTemplate

        return OnlineEwcTemplate(setup=setup, settings=self)
