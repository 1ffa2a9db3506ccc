"""What methods share that penalise the movement of important parameters: the penalty, and when it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor
from torch.utils.data import DataLoader

from baselines.training.per_sample import Derivatives, mean_sizes
from baselines.training.quadratic_penalty import QuadraticPenalty
from hnet_bench.avalanche_adapter.benchmark import in_memory_samples
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Settings, Setup

# Samples whose gradients are looked at together: large enough for matrix products, small enough for caches.
SAMPLES_AT_ONCE = 500


class AnchoredTemplate(ClassifierTemplate):
    """Adds the penalty's gradient to that of the loss; Avalanche's `loss` is without the penalty.

    Subclasses say how important the parameters were for the experience just learnt (`consolidate`).
    """

    def __init__(
        self,
        *,
        setup: Setup,
        scale: float,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self.penalty = QuadraticPenalty(scale)
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    def consolidate(self) -> None:
        """Makes `penalty` protect what was learnt; called after every experience but the last."""
        raise NotImplementedError

    def parameter_counts(self) -> Settings:
        """Importances and anchors are "stored_values": not trained, and not needed at test time."""
        counts = super().parameter_counts()
        return {**counts, "stored_values": 2 * counts["trained"]}

    def backward(self) -> None:
        super().backward()
        parameters = self.trained_parameters()
        self.penalty.add_gradient(parameters, gradients_of(parameters))

    def _after_training_exp(self, **kwargs: Any) -> None:
        # Last, so that what is protected is what plugins leave.
        super()._after_training_exp(**kwargs)
        if self.tasks_seen < self.setup.facts.experiences:
            self.consolidate()

    def importances(
        self, derivatives: Derivatives, size: Callable[[Tensor], Tensor], chosen: Tensor | None = None
    ) -> list[Tensor]:
        """Mean sizes of gradients, see `mean_sizes`, over the training samples of the present experience.

        The outputs are those that compete in training; `chosen` are positions of samples (None: all).
        """
        was_training = self.model.training
        self.model.eval()
        try:
            return mean_sizes(
                self.model,
                self.trained_parameters(),
                self._present_samples(chosen),
                self._competing_outputs,
                derivatives,
                size,
            )
        finally:
            self.model.train(was_training)

    def _competing_outputs(self, x: Tensor) -> Tensor:
        task_labels = torch.full((len(x),), self._task_label(), device=x.device)
        return self.competing(self.all_outputs(x), task_labels)

    def present_count(self) -> int:
        """Number of training samples of the present experience."""
        samples = in_memory_samples(self.experience)
        return len(self.experience.dataset if samples is None else samples)

    def _present_samples(self, chosen: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of the training samples at these positions, without augmentation."""
        positions = torch.arange(self.present_count()) if chosen is None else chosen
        samples = in_memory_samples(self.experience)
        if samples is None:
            dataset = self.experience.dataset.eval().subset(positions.tolist())
            # A generator of its own: a loader draws from the global one even where it keeps the order.
            loader = DataLoader(dataset, SAMPLES_AT_ONCE, collate_fn=dataset.collate_fn, generator=torch.Generator())
            for x, y, *_ in loader:
                yield x.to(self.device), y.to(self.device)
            return
        samples = samples.to(self.device)
        for part in positions.to(self.device).split(SAMPLES_AT_ONCE):
            yield samples.take(part), samples.y[part]


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Their gradients, after a backward pass that reached them all."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
