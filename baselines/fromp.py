"""FROMP: functional regularisation of the memorable past. What a network says of a few samples of the past stays."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Settings, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Fromp:
    """Pan et al. 2020 (NeurIPS 33) in the form of van de Ven et al. 2022 (Nature Machine Intelligence 4), Table 2.

    After each experience the samples of each class with the largest sum_c p_c (1 - p_c) are stored, and the Laplace
    approximation grows: the precision of each weight is that of the prior and the diagonals of the generalised
    Gauss-Newton matrices of all samples seen. While the next one is learnt the loss is that of the current batch and
    strength / 2 * sum over past experiences and classes c of (m_c - m_c*)^T P_c (m_c - m_c*). There m_c are the
    probabilities of class c for the samples stored of a past experience, m_c* those before the present one, and P_c is
    the inverse of J_c diag(1 / precision) J_c^T + noise, J_c the Jacobian of m_c then. In a step the sum is over a
    share of a batch from each past experience, with their rows and columns of P_c: as in the authors' code, the inverse
    is that of all samples. Gradients longer than `gradient_norm` are shortened to it.
    """

    name: ClassVar[str] = "fromp"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 0.01  # tau; on split MNIST 0.01 in CL1, 10 in CL2, 1000 in CL3, found on test data of one seed
    per_class: int = 100  # samples stored of each class of every experience, also where experiences share labels
    prior_precision: float = 1e-3  # of every weight
    noise: float = 1e-6  # added to the diagonal of kernels
    gradient_norm: float = 1.0  # the longest gradient of the whole loss

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")
        if self.per_class < 1:
            raise UserError(f"per_class of fromp must be at least 1, found {self.per_class}.")
        for name in ("prior_precision", "noise", "gradient_norm"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} of fromp must be positive, found {getattr(self, name)}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, self)


def _template(setup: Setup, settings: Fromp) -> SupervisedTemplate:
    import torch

    from baselines.ewc import fisher_derivatives
    from baselines.training.buffer import Buffer, samples_of
    from baselines.training.functional_penalty import functional_penalty, inverse_kernels
    from baselines.training.per_sample import jacobian_kernels, mean_sizes
    from hnet_bench.avalanche_adapter.replay import ReplayTemplate

    class FrompTemplate(ReplayTemplate):
        """Replays stored samples, for which probabilities are to stay."""

        # Of every weight the sum of diagonals of generalised Gauss-Newton matrices, by parameter.
        _curvature: Sequence[Tensor] = ()
        # Of the stored samples of each past experience, as they were before the present one: probabilities (n, C), and
        # inverse kernels (C, n, n).
        _before: Sequence[tuple[Tensor, Tensor]] = ()

        def __init__(self) -> None:
            self.buffer = Buffer()
            self._choice = setup.generator("replay")
            super().__init__(setup=setup)

        def begin_experience(self) -> None:
            super().begin_experience()
            variances = [1 / (one + settings.prior_precision) for one in self._curvature]
            self._before = []
            for group in self.buffer.groups:
                x, of_group = self._stored(group), functools.partial(self._probabilities, group=group)
                kernels = jacobian_kernels(self.model, self.trained_parameters(), x, of_group, variances)
                with torch.no_grad():
                    self._before.append((of_group(x), inverse_kernels(kernels, settings.noise)))

        def _stored(self, group: int) -> Tensor:
            return self.buffer.samples(group).x.to(self.device)

        def _logits(self, x: Tensor, group: int) -> Tensor:
            """Those that compete, (n, C), for inputs of a past or the present experience."""
            return self.competing(self.all_outputs(x), torch.full((len(x),), group, device=x.device))

        def _probabilities(self, x: Tensor, group: int) -> Tensor:
            return self._logits(x, group).softmax(1)

        def replayed(self) -> list[Tensor | None]:
            """Stored inputs, equally many of each past experience where there are so many, and their positions."""
            share = self._share()
            chosen = [torch.randperm(len(old), generator=self._choice)[:share] for old, _ in self._before]
            parts = [
                self._stored(group)[one.to(self.device)] for group, one in zip(self.buffer.groups, chosen, strict=True)
            ]
            return [torch.cat(parts), torch.cat(chosen).to(self.device)]

        def _share(self) -> int:
            return math.ceil(self.setup.protocol.batch_size / self.task)

        def weights(self) -> tuple[float, float]:
            return 1, settings.strength

        def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
            """The penalty, of the outputs (n, setup.outputs) for stored inputs at these positions (n,)."""
            sizes = [min(self._share(), len(old)) for old, _ in self._before]
            total = outputs.new_zeros(())
            parts = zip(self.buffer.groups, self._before, outputs.split(sizes), targets[0].split(sizes), strict=True)
            for group, (old, inverses), of_group, chosen in parts:
                labels = torch.full((len(of_group),), group, device=outputs.device)
                probabilities = self.competing(of_group, labels).softmax(1)
                total = total + functional_penalty(probabilities, old[chosen], inverses[:, chosen][:, :, chosen])
            return total

        def backward(self) -> None:
            super().backward()
            torch.nn.utils.clip_grad_norm_(self.trained_parameters(), settings.gradient_norm)

        def end_experience(self) -> None:
            super().end_experience()
            self._before = []
            if self.tasks_seen == self.setup.facts.experiences:
                return
            group = self._task_label() if self.scenario is Scenario.TASK else self.task
            self._grow(group)
            self._choose(group)

        def _grow(self, group: int) -> None:
            """Adds the curvature of the present experience: the generalised Gauss-Newton matrix of a softmax is the
            Fisher matrix in expectation over its labels, summed over samples."""
            exact = functools.partial(fisher_derivatives, "exact")
            outputs = functools.partial(self._logits, group=group)
            parameters = self.trained_parameters()
            means = mean_sizes(self.model, parameters, self.present_samples(), outputs, exact, torch.square)
            old = self._curvature or [torch.zeros_like(one) for one in means]
            self._curvature = [before + self.present_count * one for before, one in zip(old, means, strict=True)]

        @torch.no_grad()
        def _choose(self, group: int) -> None:
            """Stores the samples of each present class whose probabilities are the least certain."""
            samples = samples_of(self.experience)
            uncertain = [
                (p * (1 - p)).sum(1) for p in (self._probabilities(x, group) for x, _ in self.present_samples())
            ]
            leverage = torch.cat(uncertain).to(samples.y.device)
            for label in self.classes_of[-1]:
                positions = (samples.y == label).nonzero().squeeze(1)
                best = leverage[positions].topk(min(settings.per_class, len(positions))).indices
                self.buffer.put(group, label, samples.take(positions[best]))

        def parameter_counts(self) -> Settings:
            """Those of the classifier; stored samples and the precision of each weight stand beside them."""
            counts = super().parameter_counts()
            return {**counts, "stored_values": self.buffer.stored_values + counts["trained"]}

    return FrompTemplate()
