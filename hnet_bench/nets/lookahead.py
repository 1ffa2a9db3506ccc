"""The lookahead: where Adam would move parameters for the gradient that they hold now, without moving them.

The regulariser is taken at theta + delta, with delta the optimiser's step for the task loss alone (von Oswald et al.
2020, eq. 2). The moments of Adam are those of the real optimiser, which have seen the gradients of the whole loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

_STATE = ("step", "exp_avg", "exp_avg_sq")


class AdamLookahead:
    """Copies of `parameters` that take the step which `optimiser` is about to take.

    A second Adam works on the copies, so that the step is by construction the optimiser's own.
    """

    def __init__(self, optimiser: torch.optim.Adam, parameters: list[torch.nn.Parameter]) -> None:
        self._optimiser = optimiser
        self._parameters = parameters
        self._copies = [parameter.detach().clone() for parameter in parameters]
        group = optimiser.param_groups[0]
        known = {id(parameter) for parameter in group["params"]}
        if len(optimiser.param_groups) != 1 or any(id(parameter) not in known for parameter in parameters):
            raise ValueError("The lookahead needs an Adam with one parameter group that holds all the parameters.")
        settings = {key: group[key] for key in ("lr", "betas", "eps", "weight_decay", "amsgrad", "fused", "foreach")}
        self._copy_optimiser = torch.optim.Adam(self._copies, **settings)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def parameters(self) -> list[Tensor]:
        """theta + delta, in the order of the parameters; valid until the next call."""
        torch._foreach_copy_(self._copies, self._parameters)
        sources, targets = [], []
        for parameter, copy in zip(self._parameters, self._copies, strict=True):
            copy.grad = parameter.grad
            state = self._optimiser.state.get(parameter)
            if not state:
                continue
            copy_state = self._copy_optimiser.state[copy]
            for key in _STATE:
                if key not in copy_state:
                    copy_state[key] = torch.empty_like(state[key])
                sources.append(state[key])
                targets.append(copy_state[key])
        if targets:
            torch._foreach_copy_(targets, sources)
        else:
            self._copy_optimiser.state.clear()
        self._copy_optimiser.step()
        for copy in self._copies:
            copy.grad = None
        return self._copies
