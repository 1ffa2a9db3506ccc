"""A-GEM: the gradient of the current batch, less what would raise the loss on stored samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.training.stored_replay import StoringTemplate

# Added to the squared norm that is divided by, as in the authors' code of van de Ven et al. 2022.
_EPSILON = 1e-7


class AgemTemplate(StoringTemplate):
    """A-GEM in every scenario. In the first experience, with nothing stored, it is fine-tuning."""

    def backward(self) -> None:
        """The gradient of the loss, projected where it opposes that of a stored batch, over all parameters at once."""
        super().backward()
        batch = self.stored_batch()
        if batch is None:
            return
        x, y, task_labels = batch
        trained = [parameter for parameter in self.trained_parameters() if parameter.grad is not None]
        reference = torch.autograd.grad(self.stored_loss(self.all_outputs(x), y, task_labels), trained)
        project([parameter.grad for parameter in trained if parameter.grad is not None], reference)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def project(gradients: Sequence[Tensor], reference: Sequence[Tensor]) -> None:
    """Where g.r < 0, g -= (g.r) / (|r|^2 + 1e-7) r, for g and r made of tensors of the same shapes. In place; the
    decision stays on the device."""
    product = _dot(gradients, reference)
    share = torch.clamp(product, max=0) / (_dot(reference, reference) + _EPSILON)
    torch._foreach_sub_(list(gradients), torch._foreach_mul(list(reference), share))


def _dot(ones: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    products = [torch.dot(one.reshape(-1), other.reshape(-1)) for one, other in zip(ones, others, strict=True)]
    return torch.stack(products).sum()
