"""iCaRL: stored exemplars are learnt together with new classes, and their mean features classify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Settings, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

    from hnet_bench.avalanche_adapter.benchmark import Samples

_AT_A_TIME = 1000  # inputs in one pass, where nothing is trained
_ALL = 0  # the one group of the buffer: exemplars are kept by class


@dataclass(frozen=True, kw_only=True)
class Icarl:
    """Rebuffi et al. 2017 (arXiv 1611.07725), as in van de Ven & Tolias, arXiv 1904.07734, Table 4 (`budget`), and
    van de Ven et al. 2022, Table 2 (`per_class`).

    A unit for every class learns by binary cross-entropy: those of the present experience its labels, those of earlier
    ones their own outputs from before it, softened. Units of classes not yet seen take no part, whatever the protocol.
    """

    name: ClassVar[str] = "icarl"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.CLASS,)

    budget: int = 2000  # exemplars in all, divided anew among the classes seen so far
    per_class: int | None = None  # if given, in place of the budget: exemplars of each class, for good
    temperature: float = 2.0  # of earlier outputs as targets: sigmoid(logit / temperature)
    # Of the loss over the units of classes seen: the authors' first public code averages, their later one sums.
    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        for name in ("budget", "per_class"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UserError(f"{name} of icarl must be at least 1, found {number}.")
        if not self.temperature > 0:
            raise UserError(f"temperature of icarl must be positive, found {self.temperature}.")

    def exemplars_per_class(self, classes: int) -> int:
        """How many exemplars of each class are kept when so many classes were seen."""
        return self.budget // classes if self.per_class is None else self.per_class

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError if the budget leaves a class without exemplars."""
        if self.exemplars_per_class(setup.outputs) < 1:
            raise UserError(
                f"icarl expects a budget of at least one exemplar per class, that is {setup.outputs}, "
                f"found {self.budget}."
            )
        # The units of classes not yet seen do not learn, in the authors' code under either protocol.
        return _template(replace(setup, protocol=replace(setup.protocol, active_classes="seen")), self)


def _template(setup: Setup, settings: Icarl) -> SupervisedTemplate:
    import torch
    from torch.nn import functional

    from baselines.training.buffer import Buffer, samples_of
    from baselines.training.exemplars import BatchesWithTargets, herd, normalised_mean
    from hnet_bench.avalanche_adapter.benchmark import Samples
    from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
    from hnet_bench.nets.ordinary import Mlp

    class IcarlTemplate(ClassifierTemplate):
        """The classifier's output units only teach its hidden layers; classes are told apart by their exemplars'
        features. Before there are exemplars, the output units answer.
        """

        _means: Tensor | None = None  # (labels of the exemplars, ascending; features)

        def __init__(self) -> None:
            self.exemplars = Buffer()
            super().__init__(setup=setup)

        def make_train_dataloader(self, **kwargs: Any) -> None:
            """Batches of the present experience and the exemplars together, with targets that stay as they are now."""
            samples = samples_of(self.experience)
            if self.exemplars.groups:
                stored = self.exemplars.samples()
                samples = Samples(torch.cat([samples.x, stored.x]), torch.cat([samples.y, stored.y]))
            self.dataloader = BatchesWithTargets(
                samples,
                targets=self.targets(samples),
                batch_size=self.setup.protocol.batch_size,
                generator=self._data_order,
                device=self.device,
            )

        def targets(self, samples: Samples) -> Tensor:
            """Targets of every unit, (samples, setup.outputs): for classes of the present experience 1 or 0, for
            earlier ones sigmoid(logit / temperature), the logit being the classifier's of now."""
            targets = functional.one_hot(samples.y.to(self.device), self.setup.outputs).float()
            old = [label for label in self.classes_seen if label not in self.classes_of[-1]]
            if old:
                logits = self._of_all(self.all_outputs, samples.x)
                targets[:, old] = torch.sigmoid(logits[:, old] / settings.temperature)
            return targets

        def forward(self) -> Tensor:
            """In training logits of the classes seen; then, for classes with exemplars, how near their means are."""
            if self.is_training or self._means is None:
                return super().forward()
            # -|f - m|^2, but for |f|^2, which is the same for all classes.
            nearness = 2 * self.features(self.mb_x) @ self._means.t() - self._means.square().sum(dim=1)
            return self.among_all_classes(nearness, self.exemplars.labels)

        def features(self, x: Tensor) -> Tensor:
            """Values (batch, units) of the last hidden layer for inputs (batch, ...), of each sample scaled to length
            1."""
            assert isinstance(self.model, Mlp)
            return functional.normalize(self.model.hidden(x), dim=1)

        def criterion(self) -> Tensor:
            if not self.is_training:
                loss: Tensor = super().criterion()
                return loss
            if not self.own_batches:
                raise UserError("iCaRL makes its own batches, found those of a plugin: leave the plugin out.")
            # Units that are excluded have target 0 and a logit so low that they add nothing.
            targets = self.mbatch[2][:, : self.mb_output.shape[1]]
            loss = functional.binary_cross_entropy_with_logits(self.mb_output, targets, reduction="sum") / len(targets)
            return loss / len(self.classes_seen) if settings.reduction == "mean" else loss

        def end_experience(self) -> None:
            super().end_experience()
            self._choose_exemplars(samples_of(self.experience))
            exemplars = [self.exemplars.of_label(label) for label in self.exemplars.labels]
            self._means = torch.stack([normalised_mean(self._of_all(self.features, inputs)) for inputs in exemplars])

        def _choose_exemplars(self, samples: Samples) -> None:
            """Makes room, then herds each class of the present experience; what was kept of it before competes."""
            count = settings.exemplars_per_class(len(self.classes_seen))
            self.exemplars.keep_first(count)
            for label in self.classes_of[-1]:
                inputs = samples.take((samples.y == label).nonzero().squeeze(1))
                if label in self.exemplars.labels:
                    inputs = torch.cat([inputs, self.exemplars.of_label(label)])
                chosen = herd(self._of_all(self.features, inputs), count)
                self.exemplars.put(_ALL, label, inputs[chosen.to(inputs.device)])

        def _of_all(self, function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
            """The function of all inputs, as the classifier is now."""
            with torch.no_grad():
                return torch.cat([function(x.to(self.device)) for x in inputs.split(_AT_A_TIME)])

        def parameter_counts(self) -> Settings:
            """Those of the classifier, and the numbers stored beside them; mean features can be had from these."""
            return {**super().parameter_counts(), "stored_values": self.exemplars.stored_values}

    return IcarlTemplate()
