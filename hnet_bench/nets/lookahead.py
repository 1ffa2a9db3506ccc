"""The lookahead: where Adam would move parameters for the gradient that they hold now, without moving them.

The regulariser is taken at theta + delta, with delta the optimiser's step for the task loss alone (von Oswald et al.
2020, eq. 2). The moments of Adam are those of the real optimiser, which have seen the gradients of the whole loss.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.adam import adam

from hnet_bench.interfaces import TrainingProtocol, UserError


def require_adam(protocol: TrainingProtocol) -> None:
    """Raises UserError for a protocol with another optimiser than that whose steps are known beforehand."""
    if protocol.optimiser != "Adam":
        raise UserError(
            "What a hypernetwork generated before is held where its optimiser is about to step, which is known of Adam "
            f"alone: expected the optimiser Adam in the protocol, or lookahead = false, found {protocol.optimiser}."
        )


class AdamLookahead:
    """Copies of `parameters` that take the step which `optimiser` is about to take.

    The copies are moved by the very function that the optimiser's `step` calls, so both agree bit for bit.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]) -> None:
        group = optimiser.param_groups[0]
        known = {id(parameter) for parameter in group["params"]}
        alone = isinstance(optimiser, torch.optim.Adam) and len(optimiser.param_groups) == 1
        if not alone or any(id(parameter) not in known for parameter in parameters):
            raise ValueError("The lookahead needs an Adam with one parameter group that holds all the parameters.")
        self._optimiser = optimiser
        self._group = group
        self._parameters = parameters
        self._copies = [parameter.detach().clone() for parameter in parameters]
        self._first_moments = [torch.zeros_like(copy) for copy in self._copies]
        self._second_moments = [torch.zeros_like(copy) for copy in self._copies]
        self._steps = [torch.zeros((), dtype=torch.float32, device=copy.device) for copy in self._copies]

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def parameters(self) -> list[Tensor]:
        """theta + delta, in the order of the parameters, which all need gradients; valid until the next call."""
        targets, sources = list(self._copies), [parameter.detach() for parameter in self._parameters]
        state = self._optimiser.state
        if not state.get(self._parameters[0]):  # before the optimiser's first step
            torch._foreach_zero_([*self._first_moments, *self._second_moments, *self._steps])
        else:
            targets += [*self._first_moments, *self._second_moments, *self._steps]
            for key in ("exp_avg", "exp_avg_sq", "step"):
                sources += [state[parameter][key] for parameter in self._parameters]
        torch._foreach_copy_(targets, sources)
        beta1, beta2 = self._group["betas"]
        adam(
            self._copies,
            [parameter.grad for parameter in self._parameters],  # type: ignore[misc]
            self._first_moments,
            self._second_moments,
            [],
            self._steps,
            fused=self._group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=self._group["lr"],
            weight_decay=self._group["weight_decay"],
            eps=self._group["eps"],
            maximize=False,
        )
        return self._copies
