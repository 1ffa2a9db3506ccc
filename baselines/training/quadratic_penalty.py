"""A penalty on moving important parameters, whose cost does not grow with the number of experiences, and the template
that EWC, SI and MAS share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from baselines.training.per_sample import Derivatives, mean_sizes
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.template import SAMPLES_AT_ONCE
from hnet_bench.interfaces import Settings, Setup

# Images whose gradients are looked at together by a network that convolves: no more than go through it at once.
IMAGES_AT_ONCE = 50


class QuadraticPenalty:
    """scale * sum over k and i of F_ki (theta_i - theta_ki)^2, for importances F_k about anchors theta_k.

    However many terms there are, they are one quadratic: scale * (sum over i of A_i (theta_i - m_i)^2 + constant) with
    the total importance A and the weighted mean m of the anchors. So the gradient errs by no more than the rounding of
    m does, and the value is exact to the same degree, where expanded squares would cancel.

    Lists hold one tensor per parameter, in the order in which parameters are given.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.importance: list[Tensor] = []  # A; empty while there is nothing to protect
        self.centre: list[Tensor] = []  # m
        self.constant: Tensor | None = None  # of no influence on training; makes the value exact

    @torch.no_grad()
    def add(self, importance: Sequence[Tensor], anchor: Sequence[Tensor]) -> None:
        """One more term. Importances must not be negative: the mean of the anchors could lie anywhere."""
        if self.constant is None:
            self.move(importance, anchor)
            return
        for total, centre, new, at in zip(self.importance, self.centre, importance, anchor, strict=True):
            away = at - centre
            old = total.clone()
            total += new
            # Where neither old nor new importances are positive there is no mean: the centre stays.
            share = torch.where(total > 0, new / total, 0)
            self.constant = self.constant + (old * share * away.square()).sum()
            centre += share * away

    @torch.no_grad()
    def move(self, importance: Sequence[Tensor], anchor: Sequence[Tensor], decay: float = 1.0) -> None:
        """All importances, `decay` times the old and the new ones, now about this one anchor. They may be negative."""
        old = self.importance or [torch.zeros_like(tensor) for tensor in importance]
        self.importance = [decay * before + new for before, new in zip(old, importance, strict=True)]
        self.centre = [tensor.detach().clone() for tensor in anchor]
        self.constant = self.centre[0].new_zeros(())

    @torch.no_grad()
    def add_gradient(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        """Adds the gradient at these parameters to `gradients`, in place."""
        if self.importance:
            away = torch._foreach_sub(list(parameters), self.centre)
            torch._foreach_addcmul_(list(gradients), self.importance, away, value=2 * self.scale)

    @torch.no_grad()
    def value(self, parameters: Sequence[Tensor]) -> Tensor:
        """The penalty at these parameters, a scalar."""
        if self.constant is None:
            return parameters[0].new_zeros(())
        parts = zip(self.importance, parameters, self.centre, strict=True)
        away = torch.stack([(weight * (at - centre).square()).sum() for weight, at, centre in parts])
        return self.scale * (away.sum() + self.constant)


class PenaltyTemplate(ClassifierTemplate):
    """Adds the penalty's gradient to that of the loss; Avalanche's `loss` is without the penalty.

    Subclasses say how important the parameters were for the experience just learnt (`consolidate`).
    """

    def __init__(self, *, setup: Setup, scale: float) -> None:
        self.penalty = QuadraticPenalty(scale)
        self._sample_order = setup.generator("fisher_samples")
        super().__init__(setup=setup)

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

    def end_experience(self) -> None:
        super().end_experience()
        if self.tasks_seen < self.setup.facts.experiences:
            self.consolidate()

    def importances(
        self, derivatives: Derivatives, size: Callable[[Tensor], Tensor], samples: int | None = None
    ) -> list[Tensor]:
        """Mean sizes of gradients, see `mean_sizes`, over training samples of the present experience: all of them, or
        so many, drawn at random.

        The outputs are those that compete in training, without dropout, and by running batch statistics.
        """
        chosen = None
        if samples is not None:
            chosen = torch.randperm(self.present_count, generator=self._sample_order)[:samples]
        was_training = self.model.training
        at_once = SAMPLES_AT_ONCE if self.setup.protocol.network == "mlp" else IMAGES_AT_ONCE
        self.model.eval()
        try:
            return mean_sizes(
                self.model,
                self.trained_parameters(),
                self.present_samples(chosen, at_once),
                self._competing_outputs,
                derivatives,
                size,
            )
        finally:
            self.model.train(was_training)

    def _competing_outputs(self, x: Tensor) -> Tensor:
        task_labels = torch.full((len(x),), self._task_label(), device=x.device)
        return self.competing(self.all_outputs(x, task_labels=task_labels), task_labels)


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Their gradients, after a backward pass that reached them all."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
