"""The template of all our strategies: Avalanche's own loop, N iterations per experience, data that stay in memory.

It trains on any Avalanche benchmark with any plugin, logger and EvaluationPlugin. On our benchmarks batches come
straight from tensors, where Avalanche's data pipeline would cost as much as the training step.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy
import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin, SynapticIntelligencePlugin
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from hnet_bench.avalanche_adapter.batches import ConcatenatedBatches, FixedIterations, InfiniteBatches, one_pass
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_samples
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.finite import require_finite_loss, require_finite_parameters
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.avalanche_adapter.random_state import preserved_random_state
from hnet_bench.avalanche_adapter.resumable import Phase, ResumableTemplate
from hnet_bench.interfaces import Scenario, Settings, Setup, TrainingProtocol, UserError

# Samples that are evaluated at a time. Of every run the same, since products of another size have other last bits, by
# which nearly equal entropies could change their order (docs/findings.md); raise the protocol's revision to change it.
EVALUATION_BATCH = 1000
# Training samples that are looked at together: large enough for matrix products, small enough for caches.
SAMPLES_AT_ONCE = 500
# Stands for "not this class" among logits: exp(-1e4) is 0, and losses stay finite.
EXCLUDED = -1e4
_BETA1 = TrainingProtocol.beta1  # Adam's own


class InMemoryTemplate(ResumableTemplate):
    """A SupervisedTemplate that follows a training protocol.

    Subclasses override what Avalanche's users override (`forward`, `criterion`, `backward`) and, where they differ from
    the defaults, `trained_parameters`, `fresh_optimiser`, `iterations`, `parameter_counts`, `further_phases`,
    `begin_experience`, `end_experience`.
    """

    # Whether the optimiser starts anew with every experience (von Oswald et al.), or keeps its state (van de Ven &
    # Tolias).
    fresh_optimiser: ClassVar[bool] = False
    # Beyond classification by ReLU perceptrons with torch's initialisation: values of the benchmark's problem type and
    # of the protocol, "scheduled" for steps and learning rates that change, "normalised" for images with values beyond
    # [0, 1]. Not inherited, since a subclass may do what suits none of them.
    learns_with: ClassVar[tuple[str, ...]] = ()

    # Whether what `forward` returns in training are predictions, rather than pixels that a VAE makes.
    predicts_in_training: ClassVar[bool] = True

    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        *,
        setup: Setup,
        model: nn.Module,
        criterion: nn.Module | None = None,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        """`criterion` is called with outputs and targets; None: the objective's loss. One that is a plugin, as some of
        Avalanche's are, is told what plugins are."""
        self._check_that_it_learns_with(setup)
        self.setup = setup
        self.tasks_seen = 0  # experiences whose training has begun
        self.classes_of: list[list[int]] = []  # labels of each of them, ascending
        self.classes_seen: list[int] = []  # labels of all of them, ascending
        # Those that are part of the method, not those that watch it.
        self.method_plugins = (*(plugins or ()), *([criterion] if isinstance(criterion, BasePlugin) else ()))
        for plugin in self.method_plugins if torch.device(setup.device).type == "cpu" else ():
            if isinstance(plugin, SynapticIntelligencePlugin):
                raise UserError(
                    "Avalanche's SynapticIntelligencePlugin changes nothing on the CPU (0.6.0: what it keeps of the "
                    "weights there are the weights themselves), so its numbers would be those of fine-tuning: expected "
                    "another device, or the strategy 'si'."
                )
        self.own_batches = True  # rather than those of a plugin or of a stock benchmark
        self.diagnostics: Settings = {}  # counters that go into the record
        self._data_order = setup.generator("data_order")
        self._more_data_order = setup.generator("more_data_order")
        self._optimiser_is_set = False
        self._own_dataset: Any = None  # what Avalanche adapts the experience's data to
        model.to(setup.device)
        super().__init__(
            model=model,
            # Replaced before the first step, when Avalanche asks for it; until then it holds nothing else.
            optimizer=torch.optim.Adam(list(model.parameters())),
            criterion=criterion or objective_of(setup.facts).loss(),
            train_mb_size=setup.protocol.batch_size,
            train_epochs=1,
            eval_mb_size=EVALUATION_BATCH,
            device=setup.device,
            plugins=plugins,
            evaluator=evaluator,
        )
        if evaluator is None:  # Avalanche's own, without metrics, would be asked eight times in every step for nothing
            self.plugins.remove(self.evaluator)

    @property
    def scenario(self) -> Scenario:
        """The scenario that the strategy was built for."""
        return self.setup.scenario

    @property
    def task(self) -> int:
        """Index of the experience that is being trained, counted from 0; the task identity that training knows."""
        return self.tasks_seen - 1

    @property
    def place(self) -> str:
        """The present experience in words, for messages."""
        return f"experience {self.tasks_seen} of {self.setup.facts.experiences}"

    @property
    def iterations(self) -> int:
        """Optimiser steps on the present experience."""
        return self.setup.protocol.steps(self.task)

    def trained_parameters(self) -> list[nn.Parameter]:
        """What the optimiser holds while the present experience is trained: exactly these."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    @property
    def planned_steps(self) -> int:
        """Optimiser steps on all experiences together, for the display of progress."""
        return self.setup.protocol.all_steps(self.setup.facts.experiences)

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """Small arrays that are kept beside the record, by name."""
        return {}

    def evaluated_artefacts(self, evaluator: Evaluator) -> dict[str, numpy.ndarray]:
        """Further such arrays that need scores on test samples. Asked for once, after the last experience."""
        return {}

    def parameter_counts(self) -> Settings:
        """Numbers of "trained" parameters and of those of the "target" network that they stand for."""
        count = sum(parameter.numel() for parameter in self.model.parameters())
        return {"trained": count, "target": count}

    def make_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """The protocol's optimiser over `trained_parameters`. Avalanche's own would take in all parameters there are.

        Where it keeps its state, that of parameters which are still there goes on, whatever plugins have put beside
        them or in place of others.
        """
        parameters = self.trained_parameters()
        keeps_state = self._optimiser_is_set and not (reset_optimizer_state or self.fresh_optimiser)
        held = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        if keeps_state and len(held) == len(parameters) and all(map(operator.is_, held, parameters)):
            return
        before = self.optimizer.state
        self.optimizer = self.setup.optimiser(parameters)
        if keeps_state:
            self.optimizer.state.update({one: before[one] for one in parameters if one in before})
        self._optimiser_is_set = True

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        self.model = self.model_adaptation()
        self.make_optimizer(reset_optimizer_state=reset_optimizer_state)

    def model_adaptation(self, model: nn.Module | None = None) -> nn.Module:
        """Grows dynamic modules, in training alone: Avalanche also adapts, and so changes, a model to evaluate it."""
        adapted: nn.Module = super().model_adaptation(model) if self.is_training else (model or self.model)
        return adapted

    def prepare_main_loop(self) -> None:
        """`iterations` steps, from whatever loader there is: plugins such as replay put their own in its place."""
        self.own_batches = isinstance(self.dataloader, (InfiniteBatches, ConcatenatedBatches))
        self.main_loop = FixedIterations(self.dataloader, self.iterations)

    def _before_training_iteration(self, **kwargs: Any) -> None:
        protocol = self.setup.protocol
        if protocol.learning_rate_steps:
            steps = self.iterations
            for group in self.optimizer.param_groups:
                group["lr"] = protocol.learning_rate_at(self.main_loop.done - 1, steps)
        super()._before_training_iteration(**kwargs)

    def _before_update(self, **kwargs: Any) -> None:
        # Whatever plugins add to the loss is in it by now.
        require_finite_loss(self.loss, self.place, self.main_loop.done, "training")
        super()._before_update(**kwargs)

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        super().train_dataset_adaptation(**kwargs)
        self._own_dataset = self.adapted_dataset

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """Batches from tensors, unless a plugin or a subclass has put other data in the place of the experience's."""
        samples = in_memory_samples(self.experience)
        if samples is None or self.adapted_dataset is not self._own_dataset:
            super().make_train_dataloader(**kwargs)
        else:
            self.dataloader = self.infinite_batches(samples, self._task_label(), self.setup.protocol.batch_size)

    def more_batches(self, count: int) -> FixedIterations:
        """Batches of the present experience for what else a strategy trains on it: inputs first, then labels.

        Their order has a random stream of its own, so that they do not change what the main loop sees.
        """
        main, self._data_order = self._data_order, self._more_data_order
        try:
            self.make_train_dataloader()
            return FixedIterations(self.dataloader, count)
        finally:
            self._data_order, self.dataloader = main, []

    def infinite_batches(self, samples: Samples, task_label: int, batch_size: int) -> InfiniteBatches:
        """Batches drawn with the run's own stream for the order of data."""
        return InfiniteBatches(
            samples,
            task_label=task_label,
            batch_size=batch_size,
            generator=self._data_order,
            device=self.device,
        )

    @property
    def present_count(self) -> int:
        """Number of training samples of the present experience."""
        samples = in_memory_samples(self.experience)
        return len(self.experience.dataset if samples is None else samples)

    def present_samples(
        self, chosen: Tensor | None = None, at_once: int = SAMPLES_AT_ONCE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels of the training samples of the present experience at these positions (None: of all, in
        order), so many at a time, without augmentation."""
        positions = torch.arange(self.present_count) if chosen is None else chosen
        samples = in_memory_samples(self.experience)
        if samples is None:
            dataset = self.experience.dataset.eval().subset(positions.tolist())
            # A generator of its own: a loader draws from the global one even where it keeps the order.
            loader = DataLoader(dataset, at_once, collate_fn=dataset.collate_fn, generator=torch.Generator())
            for x, y, *_ in loader:
                yield x.to(self.device), y.to(self.device)
            return
        samples = samples.to(self.device)
        for part in positions.to(self.device).split(at_once):
            yield samples.take(part), samples.y[part]

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        samples = in_memory_samples(self.experience)
        if samples is None:
            super().make_eval_dataloader(**kwargs)
        else:
            self.dataloader = one_pass(
                samples, task_label=self._task_label(), batch_size=self.eval_mb_size, device=self.device
            )

    def eval(self, exp_list: Any, **kwargs: Any) -> Any:
        """As Avalanche's, but without a trace: there, evaluating draws random numbers and so changes training."""
        with preserved_random_state(self.device):
            return super().eval(exp_list, **kwargs)

    def _check_that_it_learns_with(self, setup: Setup) -> None:
        able = vars(type(self)).get("learns_with", ())
        facts, protocol = setup.facts, setup.protocol
        for wanted, usual, what in (
            (facts.problem_type, "classification", f"the problem type {facts.problem_type}"),
            (protocol.activation, "relu", f"the activation {protocol.activation}"),
            (protocol.initialisation, "torch", f"the initialisation {protocol.initialisation}"),
            (protocol.network, "mlp", f"the network {protocol.network}"),
            (_schedule_of(protocol), "unscheduled", f"steps or learning rates that change, or a beta1 but {_BETA1}"),
            ("unit range" if facts.unit_range else "normalised", "unit range", "values of images beyond [0, 1]"),
        ):
            if wanted not in (usual, *able):
                raise UserError(
                    f"The strategy does not learn with {what}, which its {type(self).__name__} does not list in "
                    "`learns_with`."
                )

    def _prepare_experience(self) -> None:
        """Takes note of the classes of the experience. Raises UserError if there are more than the setup says."""
        expected = self.setup.facts.experiences
        if self.tasks_seen == expected:
            raise UserError(f"The strategy was built for {expected} experiences and is asked to learn one more.")
        self.tasks_seen += 1
        self.classes_of.append(self._checked_classes())
        self.classes_seen = sorted({*self.classes_seen, *self.classes_of[-1]})

    def _after_step_of(self, phase: Phase) -> None:
        if phase.loss is not None:
            require_finite_loss(phase.loss, self.place, phase.batches.done, type(phase).__name__)

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        super()._train_exp(experience, eval_streams, **kwargs)
        require_finite_parameters((self, *self.method_plugins), self.place, without=[self, *self.plugins])

    def _checked_classes(self) -> list[int]:
        """Labels of the present experience, none in regression. Raises UserError if they do not fit the scenario."""
        samples = in_memory_samples(self.experience)
        labels = torch.as_tensor(list(self.experience.dataset.targets)) if samples is None else samples.y
        classes = objective_of(self.setup.facts).classes(labels)
        outputs = self.setup.outputs if self.scenario is Scenario.CLASS else self.setup.facts.classes_per_experience
        if classes and not 0 <= classes[0] <= classes[-1] < outputs:
            wrong = classes[0] if classes[0] < 0 else classes[-1]
            advice = "" if self.scenario is Scenario.CLASS else ", as class_ids_from_zero_in_each_exp=True makes them"
            raise UserError(
                f"Labels in {self.scenario.label} must lie between 0 and {outputs - 1}{advice}, found {wrong}."
            )
        most = self.setup.facts.classes_per_experience
        if len(classes) > most:
            raise UserError(f"The strategy was built for {most} classes per experience, found {len(classes)}.")
        return classes

    def among_all_classes(self, outputs: Tensor, classes: list[int]) -> Tensor:
        """Outputs (batch, len(classes)) of these classes among those of all, (batch, setup.outputs), in CLASS.

        The other classes get a logit that excludes them from any softmax and keeps losses finite.
        """
        first, last = classes[0], classes[-1]
        if last - first + 1 == len(classes):
            return functional.pad(outputs, (first, self.setup.outputs - last - 1), value=EXCLUDED)
        excluded = outputs.new_full((len(outputs), self.setup.outputs), EXCLUDED)
        return excluded.index_copy(1, torch.tensor(classes, device=outputs.device), outputs)

    def _task_label(self) -> int:
        return int(self.experience.task_labels[0])


def _schedule_of(protocol: TrainingProtocol) -> str:
    """ "scheduled" for a protocol that needs more than one number of steps and Adam as it is."""
    usual = protocol.later_iterations is None and not protocol.learning_rate_steps and protocol.beta1 == _BETA1
    return "unscheduled" if usual else "scheduled"


def head_columns(setup: Setup, task: int) -> slice:
    """Columns of the output layer that belong to one task: all of them if there is one head for every task."""
    classes = setup.facts.classes_per_experience
    if setup.facts.heads(setup.scenario) == 1:
        return slice(0, classes)
    return slice(task * classes, (task + 1) * classes)


def per_task(task_labels: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Every task label that occurs, with the positions where it does."""
    for task in torch.unique(task_labels).tolist():
        yield int(task), (task_labels == task).nonzero().squeeze(1)


def together(parts: Iterable[Tensor], groups: Sequence[tuple[int, Tensor]], *, dim: int = 0) -> Tensor:
    """What was computed for each group of `per_task`, in the order of the samples again, which lie along `dim`."""
    order = torch.cat([positions for _, positions in groups]).argsort()
    return torch.cat(list(parts), dim=dim).index_select(dim, order)
