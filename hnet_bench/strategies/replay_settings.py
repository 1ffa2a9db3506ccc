"""Hyperparameters of the hypernetwork-protected replay model, which HNET+TIR and HNET+R share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hnet_bench.interfaces import UserError


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """All begin with `replay_`, so that they stand apart from those of the classifier's hypernetwork."""

    replay_decoder_hidden_units: tuple[int, ...]  # of the generated decoder
    replay_chunk_size: int = 50_000  # parameters of the decoder that are generated at once
    replay_hidden_units: tuple[int, ...] = (10, 10)  # of the decoder's hypernetwork
    replay_activation: Literal["relu", "elu"] = "elu"  # after each of its hidden layers
    replay_task_embedding_size: int = 96
    replay_chunk_embedding_size: int = 96
    replay_regularisation_strength: float = 0.01  # beta of the decoder's hypernetwork
    replay_weight: float = 0.5  # share of replayed samples in the loss, whatever the number of old tasks

    def __post_init__(self) -> None:
        for name in ("replay_chunk_size", "replay_task_embedding_size", "replay_chunk_embedding_size"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, found {getattr(self, name)}.")
        for name in ("replay_decoder_hidden_units", "replay_hidden_units"):
            if min(getattr(self, name), default=1) < 1:
                raise UserError(f"Every item of {name} must be at least 1, found {list(getattr(self, name))}.")
        if self.replay_regularisation_strength < 0:
            found = self.replay_regularisation_strength
            raise UserError(f"replay_regularisation_strength must not be negative, found {found}.")
        if not 0 <= self.replay_weight <= 1:
            raise UserError(f"replay_weight must lie between 0 and 1, found {self.replay_weight}.")
