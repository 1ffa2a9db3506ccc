"""How a task-conditioned hypernetwork learns: the task loss, then the output regulariser at the lookahead.

von Oswald et al. 2020, section 2 and algorithm 1. Adam starts anew with every task and holds theta and the present
task embedding; embeddings of old tasks stay as they are.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.resumable import Trained
from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns
from hnet_bench.interfaces import Scenario, Settings, Setup, UserError
from hnet_bench.nets.fisher import fisher_diagonal
from hnet_bench.nets.lookahead import AdamLookahead, require_adam
from hnet_bench.nets.networks import GeneratedMlp
from hnet_bench.nets.regulariser import GramRegulariser, TaskDraw
from hnet_bench.nets.target import TargetNetwork
from hnet_bench.nets.weighted_regulariser import WeightedRegulariser
from hnet_bench.strategies.settings import HypernetworkSettings
from hnet_bench.strategies.training.generated import GeneratedClassifier, chunked


class Regulariser(Protocol):
    """Made just before a task is learnt; holds what its hypernetwork generates for old tasks."""

    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient at `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`."""


class HypernetworkTemplate(InMemoryTemplate):
    """What all strategies share whose classifiers are generated.

    As it stands, HNET in TASK; in the other scenarios, which need to infer the task, subclasses say how.
    """

    fresh_optimiser = True
    mb_inferred_task: Tensor | None = None  # of a batch that is evaluated, where a subclass infers it

    def __init__(self, *, setup: Setup, model: GeneratedClassifier, strength: float, lookahead: bool) -> None:
        self._strength, self._looks_ahead = strength, lookahead
        if lookahead and strength > 0:
            require_adam(setup.protocol)
        self._regulariser: Regulariser | None = None
        self._lookahead: AdamLookahead | None = None
        super().__init__(setup=setup, model=model)

    @property
    def classifier(self) -> GeneratedClassifier:
        """The model, with its own type."""
        assert isinstance(self.model, GeneratedClassifier)
        return self.model

    @property
    def frozen(self) -> bool:
        """Whether the present task is learnt through its embedding alone."""
        return False

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta, unless it is frozen, and the embedding of the present task."""
        hypernetwork, embedding = self.classifier.hypernetwork_of(self.task)
        return [*([] if self.frozen else hypernetwork.theta), hypernetwork.task_embeddings[embedding]]

    def trained_by(self) -> dict[str, Trained]:
        """Of the classifier, where a strategy has that training in common with others."""
        return {"classifier": {"model": self.model, "data_order": self._data_order}}

    def parameter_counts(self) -> Settings:
        """All embeddings count, as in the paper's compression ratio, and all hypernetworks if there are several.
        Running statistics of the target network do not count, as in the paper."""
        target = self.classifier.target
        shared = sum(parameter.numel() for parameter in target.parameters())
        return {**super().parameter_counts(), "target": target.layout.parameters + shared}

    def new_regulariser(self) -> Regulariser:
        """What holds all old tasks to what the present task's hypernetwork generates for them now."""
        hypernetwork, _ = self.classifier.hypernetwork_of(self.task)
        return GramRegulariser(hypernetwork, self.task, self._strength)

    def begin_experience(self) -> None:
        super().begin_experience()
        if self.task > 0 and self._strength > 0 and not self.frozen:
            self._regulariser = self.new_regulariser()
            if self._looks_ahead:
                self._lookahead = AdamLookahead(self.optimizer, self._theta())

    def end_experience(self) -> None:
        super().end_experience()
        self._regulariser = self._lookahead = None

    def forward(self) -> Tensor:
        """In training, outputs of the present task's head; from a stock loader in TASK, each of its task's."""
        if self.is_training and (self.own_batches or self.scenario is not Scenario.TASK):
            return self.full_width(self.classifier.head(self.mb_x, self.task), self.task)
        outputs: Tensor = self.classifier(self.mb_x, self.mb_task_id)
        return outputs

    def heads(self) -> Tensor:
        """Outputs (tasks, batch, K) by the networks of all tasks seen, each on its head; before any training there is
        still one to ask, that of the first task."""
        return torch.stack([self.classifier.head(self.mb_x, task) for task in range(max(1, self.tasks_seen))])

    def require_all_classes(self) -> None:
        """For `begin_experience` of strategies that compare `heads`. Raises UserError in CLASS if the present
        experience has fewer classes than the setup says: outputs that were never trained would be compared, or
        heads of different sizes."""
        expected, found = self.setup.facts.classes_per_experience, len(self.classes_of[-1])
        if self.scenario is Scenario.CLASS and found < expected:
            raise UserError(
                f"The task is inferred by how certain all heads are of their {expected} classes, and {self.place} has "
                f"{found}: give every experience {expected}."
            )

    def of_surest(self, heads: Tensor, uncertainties: Tensor) -> Tensor:
        """Outputs of full width of the task whose uncertainty (tasks, batch) is least, for each sample. It is what
        `mb_inferred_task` (batch,) then holds."""
        # Of equally certain classifiers the first answers: argmin gives the first of equal values on every processor,
        # as topk and sort do not.
        self.mb_inferred_task = uncertainties.argmin(dim=0)
        outputs = torch.stack([self.full_width(head, task) for task, head in enumerate(heads)])
        chosen = self.mb_inferred_task.view(1, -1, 1).expand(1, -1, outputs.shape[2])
        return outputs.gather(0, chosen).squeeze(0)

    def full_width(self, head: Tensor, task: int) -> Tensor:
        """Outputs of one head (batch, K), in CLASS among those of all classes, which excludes the other classes."""
        if self.scenario is not Scenario.CLASS:
            return head
        # Before a task is learnt its classes are taken to be the next in order.
        known = task < len(self.classes_of)
        columns = head_columns(self.setup, task)
        classes = self.classes_of[task] if known else list(range(columns.start, columns.stop))
        return self.among_all_classes(head[:, : len(classes)], classes)

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self._theta()
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)

    def _theta(self) -> list[nn.Parameter]:
        return self.classifier.hypernetwork_of(self.task)[0].theta

    def eval(self, exp_list: Any, **kwargs: Any) -> Any:
        """Generates the parameters of each task once for the whole evaluation."""
        with self.classifier.generated_once():
            return super().eval(exp_list, **kwargs)


class ChunkedHypernetworkTemplate(HypernetworkTemplate):
    """The training of HNET, HNET+ENT and HNET+TIR: a chunked hypernetwork generates the protocol's network.

    Of the old tasks a few may be drawn for each step; what they are held to may be computed at every step. The first
    layers of the network may be shared by all tasks instead, and are then frozen after the first, or go on learning.
    The hypernetwork itself may be frozen after some tasks.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HypernetworkSettings,
        target: TargetNetwork | None = None,
        one_per_task: bool = False,
    ) -> None:
        """`target` takes what is generated; None: the protocol's perceptron, or its generated layers. With
        `one_per_task` each task has a hypernetwork of its own, and nothing is regularised."""
        drawn = settings.regularised_tasks
        self._draw = TaskDraw(drawn, setup.generator("regularised_tasks")) if drawn else None
        self._online_targets = settings.online_targets
        self._freezes = settings.shared_layers == "frozen"
        self._frozen_after = settings.frozen_after
        self._fisher_weighted = settings.fisher_weighted
        self.importances: list[Tensor] = []  # of the generated parameters of each task that is learnt, (generated,)
        if target is None:
            target = GeneratedMlp(setup, generated_layers=settings.generated_layers)
        super().__init__(
            setup=setup,
            model=GeneratedClassifier(setup, target, chunked(settings, target), one_per_task=one_per_task),
            strength=settings.regularisation_strength,
            lookahead=settings.lookahead,
        )

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta, the embedding of the present task, and shared layers that are not frozen."""
        shared = [parameter for parameter in self.classifier.target.parameters() if parameter.requires_grad]
        return [*super().trained_parameters(), *shared]

    @property
    def frozen(self) -> bool:
        return self._frozen_after is not None and self.task >= self._frozen_after

    def end_experience(self) -> None:
        super().end_experience()
        if self._freezes:
            self.classifier.target.requires_grad_(False)
        if self._frozen_after == self.tasks_seen:
            for parameter in self.classifier.hypernetwork.theta:
                parameter.requires_grad_(False)
        if self._fisher_weighted and self.tasks_seen < self.setup.facts.experiences:
            self.importances.append(self._importance())

    def _importance(self) -> Tensor:
        """How much the parameters generated for the present task matter to it, 1 on average, (generated,)."""
        target = self.classifier.target
        assert isinstance(target, GeneratedMlp)
        inputs = (target.features(x) for x, _ in self.present_samples())
        columns = head_columns(self.setup, self.task)
        fisher = fisher_diagonal(inputs, self.classifier.chunks(self.task).reshape(-1), target.shape, columns)
        return fisher / fisher.mean().clamp_min(torch.finfo(fisher.dtype).tiny)

    def parameter_counts(self) -> Settings:
        """Kept importances, of all tasks but the last, are "stored_values"."""
        stored = (self.setup.facts.experiences - 1) * self.classifier.target.layout.parameters
        return {**super().parameter_counts(), **({"stored_values": stored} if self._fisher_weighted else {})}

    def trained_by(self) -> dict[str, Trained]:
        drawn = {} if self._draw is None else {"regularised_tasks": self._draw.generator}
        return {"classifier": {**super().trained_by()["classifier"], **drawn}}

    def new_regulariser(self) -> Regulariser:
        if self._fisher_weighted:
            return WeightedRegulariser(self.classifier.hypernetwork, self.importances, self._strength)
        return GramRegulariser(
            self.classifier.hypernetwork, self.task, self._strength, draw=self._draw, online=self._online_targets
        )
