"""Hyperparameters that all strategies with a hypernetwork-generated classifier share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hnet_bench.interfaces import ADDED_LATER, UserError


@dataclass(frozen=True, kw_only=True)
class HypernetworkSettings:
    """Defaults are those of the authors' split MNIST experiments (hypercl, mnist/train_args_default.py)."""

    chunk_size: int = 42_000  # parameters generated at once
    hidden_units: tuple[int, ...] = (10, 10)  # of the hypernetwork
    activation: Literal["relu", "elu"] = "relu"  # after each hidden layer of the hypernetwork
    task_embedding_size: int = 96
    chunk_embedding_size: int = 96
    regularisation_strength: float = 0.01  # beta
    lookahead: bool = True  # regularise at theta + delta rather than at theta
    # Old tasks that are regularised in a step, drawn anew for each (the authors' hnet_reg_batch_size); None: all.
    regularised_tasks: int | None = field(default=None, metadata=ADDED_LATER)
    # What old tasks are held to is computed at every step rather than kept: memory that does not grow with the tasks.
    online_targets: bool = field(default=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        sizes = {
            "chunk_size": self.chunk_size,
            "task_embedding_size": self.task_embedding_size,
            "chunk_embedding_size": self.chunk_embedding_size,
            "every item of hidden_units": min(self.hidden_units, default=1),
            "regularised_tasks": 1 if self.regularised_tasks is None else self.regularised_tasks,
        }
        for name, size in sizes.items():
            if size < 1:
                raise UserError(f"{name} of a hypernetwork must be at least 1, found {size}.")
        if self.regularisation_strength < 0:
            raise UserError(f"regularisation_strength must not be negative, found {self.regularisation_strength}.")
