"""iCaRL: stored exemplars are learnt together with new classes, and their mean features classify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from baselines.training.icarl import IcarlTemplate


@dataclass(frozen=True, kw_only=True)
class Icarl:
    """Rebuffi et al. 2017 (arXiv 1611.07725), as in van de Ven & Tolias, arXiv 1904.07734, Table 4 (`budget`), and
    van de Ven et al. 2022, Table 2 (`per_class`).

    A unit for every class learns by binary cross-entropy: those of the present experience its labels, those of earlier
    ones what they said before, softened. Units of classes not yet seen take no part, whatever the protocol.
    """

    name: ClassVar[str] = "icarl"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.CLASS,)

    budget: int = 2000  # exemplars in all, divided anew among the classes seen so far
    per_class: int | None = None  # if given, in place of the budget: exemplars of each class, for good
    temperature: float = 2.0  # that softens what units said before: sigmoid(logit / temperature)
    # Of the loss over the units of classes seen: the authors' first public code averages, their later one sums.
    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        for name in ("budget", "per_class"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} of icarl must be at least 1, found {number}.")
        if not self.temperature > 0:
            raise UserError(f"temperature of icarl must be positive, found {self.temperature}.")

    def exemplars_per_class(self, classes: int) -> int:
        """How many exemplars of each class are kept when so many classes were seen."""
        return self.budget // classes if self.per_class is None else self.per_class

    def build(self, setup: Setup) -> IcarlTemplate:
        """The strategy for one run. Raises UserError if the budget leaves a class without exemplars."""
        from baselines.training.icarl import IcarlTemplate

        if self.exemplars_per_class(setup.outputs) < 1:
            raise UserError(
                f"icarl expects a budget of at least one exemplar per class, that is {setup.outputs}, "
                f"found {self.budget}."
            )
        return IcarlTemplate(setup=setup, settings=self)
