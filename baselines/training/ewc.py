"""Elastic weight consolidation: the importance of a parameter is its entry on the diagonal of the Fisher matrix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor
from torch.nn import functional

from baselines.fisher_settings import Fisher, FisherSettings
from baselines.online_ewc import OnlineEwc
from baselines.training.anchored import AnchoredTemplate
from hnet_bench.interfaces import Setup


def fisher_derivatives(fisher: Fisher, outputs: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights (batch,), and derivatives of log-likelihoods by the outputs, both (batch, C); see `FisherSettings`."""
    probabilities = torch.softmax(outputs, dim=1)
    classes = outputs.shape[1]
    if fisher == "exact":
        for label, probability in enumerate(probabilities.unbind(1)):
            yield probability, functional.one_hot(torch.full_like(labels, label), classes) - probabilities
        return
    chosen = labels if fisher == "true" else outputs.argmax(1)
    yield torch.ones_like(probabilities[:, 0]), functional.one_hot(chosen, classes) - probabilities


class EwcTemplate(AnchoredTemplate):
    """One penalty for every earlier experience, about the weights that it left; `settings` as in `baselines.ewc`."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: FisherSettings,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._settings = settings
        self._sample_order = setup.generator("fisher_samples")
        super().__init__(setup=setup, scale=settings.scale, plugins=plugins, evaluator=evaluator)

    def consolidate(self) -> None:
        """Adds a penalty about the present weights."""
        self.penalty.add(self.fisher(), self.trained_parameters())

    def fisher(self) -> list[Tensor]:
        """Diagonal of the Fisher matrix at the present weights for the present experience, by parameter."""
        count = self._settings.fisher_samples
        chosen = None
        if count is not None:
            chosen = torch.randperm(self.present_count(), generator=self._sample_order)[:count]
        fisher = self._settings.fisher
        return self.importances(
            lambda outputs, labels: fisher_derivatives(fisher, outputs, labels), torch.square, chosen
        )


class OnlineEwcTemplate(EwcTemplate):
    """One penalty about the latest weights, with decaying importances; `settings` as in `baselines.online_ewc`."""

    _settings: OnlineEwc

    def consolidate(self) -> None:
        """Moves the penalty to the present weights."""
        self.penalty.move(self.fisher(), self.trained_parameters(), self._settings.decay)
