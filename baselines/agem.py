"""A-GEM: a step may not raise the loss on stored samples, as far as gradients tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from baselines.training.agem import AgemTemplate


@dataclass(frozen=True, kw_only=True)
class Agem:
    """Chaudhry et al. 2019 (arXiv 1812.00420), equation 11, as in van de Ven et al. 2022, Table 2.

    Samples are stored and drawn as in `er`; they do not enter the loss. Their gradient r bounds that of the current
    batch, g: where g.r < 0, g loses its component along r.
    """

    name: ClassVar[str] = "agem"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    per_class: int = 100  # samples stored of each class of every experience, also where experiences share labels

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise UserError(f"per_class of agem must be at least 1, found {self.per_class}.")

    def build(self, setup: Setup) -> AgemTemplate:
        """The strategy for one run."""
        from baselines.training.agem import AgemTemplate

        return AgemTemplate(setup=setup, per_class=self.per_class)
