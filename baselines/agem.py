"""A-GEM: a step may not raise the loss on stored samples, as far as gradients tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

# Added to the squared norm that is divided by, as in the authors' code of van de Ven et al. 2022.
_EPSILON = 1e-7


@dataclass(frozen=True, kw_only=True)
class Agem:
    """Chaudhry et al. 2019 (arXiv 1812.00420), equation 11, as in van de Ven et al. 2022, Table 2.

    Samples are stored and drawn as in `er`; they do not enter the loss. Their gradient r bounds that of the current
    batch, g: where g.r < 0, g loses its component along r.
    """

    name: ClassVar[str] = "agem"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    per_class: int = 100  # samples stored of each class of every experience, also where experiences share labels

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise UserError(f"per_class of agem must be at least 1, found {self.per_class}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import torch

        from baselines.training.buffer import StoringTemplate
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK

        class AgemTemplate(StoringTemplate):
            learns_with = ANY_NETWORK

            def backward(self) -> None:
                """The gradient of the loss, projected where it opposes that of a stored batch, over all parameters at
                once."""
                super().backward()
                if self.task == 0:
                    return  # with nothing stored it is fine-tuning
                x, y, task_labels = self.stored_batch()
                trained = [parameter for parameter in self.trained_parameters() if parameter.grad is not None]
                outputs = self.all_outputs(x, task_labels=task_labels)
                reference = torch.autograd.grad(self.stored_loss(outputs, y, task_labels), trained)
                project([parameter.grad for parameter in trained if parameter.grad is not None], reference)

        return AgemTemplate(setup=setup, per_class=self.per_class)


def project(gradients: Sequence[Tensor], reference: Sequence[Tensor]) -> None:
    """Where g.r < 0, g -= (g.r) / (|r|^2 + 1e-7) r, for g and r made of tensors of the same shapes. In place; the
    decision stays on the device."""
    import torch

    with torch.no_grad():
        share = torch.clamp(_dot(gradients, reference), max=0) / (_dot(reference, reference) + _EPSILON)
        torch._foreach_sub_(list(gradients), torch._foreach_mul(list(reference), share))


def _dot(ones: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    import torch

    products = [torch.dot(one.reshape(-1), other.reshape(-1)) for one, other in zip(ones, others, strict=True)]
    return torch.stack(products).sum()
