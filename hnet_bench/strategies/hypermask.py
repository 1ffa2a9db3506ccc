"""HyperMask: all tasks share the weights of one network, under masks that a hypernetwork generates.

Książek & Spurek 2023, arXiv 2310.00113; written from a description of the method, without its authors' code. Their
experiments differ in more than the method: they augment MNIST and hold images out for validation. Their other way to
infer the task, by Mahalanobis distances between features, is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Scenario, Settings, Setup, UserError
from hnet_bench.strategies.settings import heads, require_several_classes

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor, nn

    from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
    from hnet_bench.nets.layout import Layout


@dataclass(frozen=True, kw_only=True)
class HyperMask:
    """In CL1 the task is given; in CL2 and CL3 the one under whose mask the classifier is most certain answers.

    The loss is that of the task, and on every experience after the first

        + beta / n^2 sum over the n old tasks of || h(e_t*, theta*) - h(e_t, theta) ||^2
        + lambda || (Theta - Theta*) m ||_1

    with h the raw outputs of the hypernetwork, Theta the shared weights, m the mask of the present task, and * for what
    was before the experience. (The division by n^2, of a mean over tasks once more by their number, is that of the
    authors' code.) The optimiser, new for every experience, holds both networks and the embeddings of old tasks, too.
    Defaults are those of the authors' split MNIST experiments; how layers begin was not in the description.
    """

    name: ClassVar[str] = "hypermask"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    any_size: ClassVar[bool] = True  # see `HypernetworkSettings`

    chunk_size: int | None = None  # values of a mask generated at once; None: all of them, by a full hypernetwork
    hidden_units: tuple[int, ...] = (25, 25)  # of the hypernetwork
    activation: Literal["relu", "elu"] = "elu"  # after each hidden layer of the hypernetwork
    task_embedding_size: int = 128  # entries of what tells the hypernetwork the task
    chunk_embedding_size: int = 8  # entries of what tells a chunked one the chunk
    # p: of the mask of every weight tensor the values below this percentile are 0. It rises linearly from 0 during the
    # first experience (adaptive sparsity). 0: no value is cut off.
    percentile: float = 30.0
    regularisation_strength: float = 1e-3  # beta
    weight_change_strength: float = 1e-3  # lambda
    masked_changes: bool = True  # changes of weights count as much as the present mask lets through; else all alike

    def __post_init__(self) -> None:
        sizes = {
            "chunk_size": 1 if self.chunk_size is None else self.chunk_size,
            "task_embedding_size": self.task_embedding_size,
            "chunk_embedding_size": self.chunk_embedding_size,
            "every item of hidden_units": min(self.hidden_units, default=1),
        }
        for name, size in sizes.items():
            if size < 1:
                raise UserError(f"{name} of hypermask must be at least 1, found {size}.")
        if self.chunk_size is None and self.chunk_embedding_size != type(self).chunk_embedding_size:
            raise UserError(
                "chunk_embedding_size of hypermask is of no use without a chunk_size: leave it out, or set both."
            )
        if not 0 <= self.percentile < 100:
            raise UserError(f"percentile of hypermask must be at least 0 and below 100, found {self.percentile}.")
        for name in ("regularisation_strength", "weight_change_strength"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} of hypermask must not be negative, found {getattr(self, name)}.")

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, which is trained in the same way in CL1 and CL3."""
        return {"classifier": {**to_settings(self), **heads(setup)}}

    def _hypernetwork(self, generated: Layout, tasks: int) -> ChunkedHypernetwork:
        from hnet_bench.nets.full_hypernetwork import FullHypernetwork
        from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
        from hnet_bench.strategies.training.generated import shape_of
        from hnet_bench.strategies.training.masked import torch_initialise

        hypernetwork: ChunkedHypernetwork
        if self.chunk_size is None:
            hypernetwork = FullHypernetwork(
                generated,
                tasks=tasks,
                hidden_units=self.hidden_units,
                activation=self.activation,
                task_embedding_size=self.task_embedding_size,
            )
        else:
            hypernetwork = ChunkedHypernetwork(shape_of(self, generated.parameters, tasks))
        torch_initialise(hypernetwork)
        return hypernetwork

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError outside CL1 where an experience has a single class."""
        import torch
        from torch.nn import functional

        from hnet_bench.avalanche_adapter.template import head_columns, per_task, together
        from hnet_bench.nets.criteria import entropy
        from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate
        from hnet_bench.strategies.training.masked import MaskedClassifier

        if setup.scenario is not Scenario.TASK:
            require_several_classes(setup.facts, "HyperMask outside CL1")
        settings = self

        class HyperMaskTemplate(HypernetworkTemplate):
            mb_gradient: Tensor | None = None  # of the hypernetwork's output layer
            _old_weights: Tensor | None = None  # Theta*
            _old_raw: Tensor | None = None  # h(e_t*, theta*), one row for each old task

            @property
            def masked(self) -> MaskedClassifier:
                """The model, with its own type."""
                assert isinstance(self.model, MaskedClassifier)
                return self.model

            def trained_parameters(self) -> list[nn.Parameter]:
                """Both networks and the embeddings of all tasks seen."""
                hypernetwork = self.masked.hypernetwork
                embeddings = list(hypernetwork.task_embeddings)[: self.tasks_seen]
                return [self.masked.weights, *hypernetwork.theta, *embeddings]

            def begin_experience(self) -> None:
                super().begin_experience()
                self.require_all_classes()
                self._old_weights = self.masked.weights.detach().clone()
                if self.task > 0:
                    with torch.no_grad():
                        chunks = torch.mm(self.masked.hidden(self.task), self.masked.hypernetwork.output)
                        self._old_raw = self.masked.raw(chunks)

            def end_experience(self) -> None:
                super().end_experience()
                self._old_weights = self._old_raw = None

            def forward(self) -> Tensor:
                if not self.is_training:
                    heads = None if self.scenario is Scenario.TASK else self.heads()
                    return super().forward() if heads is None else self.of_surest(heads, entropy(heads))
                model = self.masked
                self.mb_hidden = model.hidden(self.tasks_seen)
                with torch.no_grad():
                    self.mb_chunks = torch.mm(self.mb_hidden, model.hypernetwork.output)
                raw = model.raw(self.mb_chunks.requires_grad_())
                self.mb_old_raw, present = raw.split([self.task, 1])
                done = self.main_loop.done / self.iterations if self.task == 0 else 1.0
                self.mb_mask = model.mask(present[0], done * model.percentile)
                if self.own_batches or self.scenario is not Scenario.TASK:
                    return self._outputs(self.mb_x, self.task, self.mb_mask)
                groups = list(per_task(self.mb_task_id))  # from a stock loader: of several tasks, if a plugin replays
                masks = [
                    self.mb_mask if task == self.task else model.mask(raw[task], model.percentile) for task, _ in groups
                ]
                parts = (
                    self._outputs(self.mb_x[at], task, mask) for (task, at), mask in zip(groups, masks, strict=True)
                )
                return together(parts, groups)

            def _outputs(self, x: Tensor, task: int, mask: Tensor) -> Tensor:
                """Under a mask, on the head of a task, (batch, ...)."""
                outputs = self.masked.target(x, self.masked.weights * mask, task)
                return self.full_width(outputs[:, head_columns(self.setup, task)], task)

            def criterion(self) -> Tensor:
                loss: Tensor = super().criterion()
                if self._old_raw is None or self._old_weights is None or not self.is_training:
                    return loss
                drift = functional.mse_loss(self.mb_old_raw, self._old_raw, reduction="sum")
                change = self.masked.weights - self._old_weights
                change = (change * self.mb_mask if settings.masked_changes else change).abs().sum()
                beta = settings.regularisation_strength / self.task**2
                return loss + beta * drift + settings.weight_change_strength * change

            def backward(self) -> None:
                """As autograd has it. The gradient of the large output layer is written where the last one was, since
                new memory for it would cost more than all products together."""
                super().backward()
                output, gradient = self.masked.hypernetwork.output, self.mb_chunks.grad
                assert gradient is not None
                self.mb_gradient = torch.mm(self.mb_hidden.detach().t(), gradient, out=self.mb_gradient)
                output.grad = self.mb_gradient
                self.mb_hidden.backward(torch.mm(gradient, output.detach().t()))

        model = MaskedClassifier(setup, self._hypernetwork, percentile=self.percentile)
        return HyperMaskTemplate(setup=setup, model=model, strength=0.0, lookahead=False)
