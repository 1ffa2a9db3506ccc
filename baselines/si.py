"""SI, synaptic intelligence: parameters stay near what they were, the more their movement has lowered the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Si:
    """Loss + strength * sum over parameters i of Omega_i (theta_i - theta_i*)^2, theta* the latest weights.

    After each experience Omega_i grows by w_i / (D_i^2 + damping): D_i is how far the parameter came, w_i the sum of
    -gradient * movement over all steps, where the gradient is that of the whole loss, penalty included. Omega may be
    negative. Zenke et al. 2017, arXiv 1703.04200, equations 4 and 5, whose own code leaves the penalty out of the
    gradient; as here in van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5. Defaults are theirs for split MNIST in
    CL1.
    """

    name: ClassVar[str] = "si"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 50.0  # c
    damping: float = 0.1  # xi, keeps importances of parameters that hardly moved finite

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")
        if not self.damping > 0:
            raise UserError(f"damping must be positive, found {self.damping}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import torch

        from baselines.training.quadratic_penalty import PenaltyTemplate, gradients_of
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK

        damping = self.damping

        class SiTemplate(PenaltyTemplate):
            learns_with = ANY_NETWORK

            # Of the present experience, by parameter: the weights it began with, and by how much moving each parameter
            # has lowered the loss since. Empty between experiences.
            _start: Sequence[Tensor] = ()
            _gain: Sequence[Tensor] = ()

            def begin_experience(self) -> None:
                super().begin_experience()
                self._start = [parameter.detach().clone() for parameter in self.trained_parameters()]
                self._gain = [torch.zeros_like(tensor) for tensor in self._start]

            def optimizer_step(self) -> None:
                parameters: list[Tensor] = [*self.trained_parameters()]
                before = [parameter.detach().clone() for parameter in parameters]
                super().optimizer_step()
                with torch.no_grad():
                    torch._foreach_sub_(before, parameters)
                    torch._foreach_addcmul_(list(self._gain), gradients_of(parameters), before)

            @torch.no_grad()
            def consolidate(self) -> None:
                """Moves the penalty to the present weights; importances of all experiences add up."""
                parameters = self.trained_parameters()
                importance = [
                    gain / ((parameter - start).square() + damping)
                    for gain, parameter, start in zip(self._gain, parameters, self._start, strict=True)
                ]
                self.penalty.move(importance, parameters)

            def end_experience(self) -> None:
                super().end_experience()
                self._start = self._gain = ()

        return SiTemplate(setup=setup, scale=self.strength)
