"""How iCaRL learns and classifies (Rebuffi et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor
from torch.nn import functional

from baselines.icarl import Icarl
from baselines.training.buffer import Buffer, samples_of
from baselines.training.herding import herd, normalised_mean
from hnet_bench.avalanche_adapter.batches import InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import Samples
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate, Mlp
from hnet_bench.interfaces import Settings, Setup, UserError

_AT_A_TIME = 1000  # inputs in one pass, where nothing is trained
_ALL = 0  # the one group of the buffer: exemplars are kept by class


class IcarlTemplate(ClassifierTemplate):
    """The classifier's output units only teach its hidden layers; classes are told apart by their exemplars' features.

    Before there are exemplars, the output units answer.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        settings: Icarl,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self.exemplars = Buffer()
        self._settings = settings
        self._means: Tensor | None = None  # (labels of the exemplars, ascending; features)
        # The units of classes not yet seen do not learn, in the authors' code under either protocol.
        setup = replace(setup, protocol=replace(setup.protocol, active_classes="seen"))
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    def parameter_counts(self) -> Settings:
        """Those of the classifier, and the numbers stored beside them; mean features can be had from these."""
        return {**super().parameter_counts(), "stored_values": self.exemplars.stored_values}

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
        """What every unit should say, (samples, setup.outputs): for classes of the present experience 1 or 0, for
        earlier ones sigmoid(logit / temperature), the logit being the classifier's of now."""
        targets = functional.one_hot(samples.y.to(self.device), self.setup.outputs).float()
        old = [label for label in self.classes_seen if label not in self.classes_of[-1]]
        if old:
            logits = self._of_all(self.all_outputs, samples.x)
            targets[:, old] = torch.sigmoid(logits[:, old] / self._settings.temperature)
        return targets

    def forward(self) -> Tensor:
        """In training logits of the classes seen; then, for classes with exemplars, how near their means are."""
        if self.is_training or self._means is None:
            return super().forward()
        # -|f - m|^2, but for |f|^2, which is the same for all classes.
        nearness = 2 * self.features(self.mb_x) @ self._means.t() - self._means.square().sum(dim=1)
        return self.among_all_classes(nearness, self.exemplars.labels)

    def features(self, x: Tensor) -> Tensor:
        """Values (batch, units) of the last hidden layer for inputs (batch, ...), each sample's scaled to length 1."""
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
        return loss / len(self.classes_seen) if self._settings.reduction == "mean" else loss

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        super()._train_exp(experience, eval_streams, **kwargs)
        self._choose_exemplars(samples_of(self.experience))
        exemplars = [self.exemplars.of_label(label) for label in self.exemplars.labels]
        self._means = torch.stack([normalised_mean(self._of_all(self.features, inputs)) for inputs in exemplars])

    def _choose_exemplars(self, samples: Samples) -> None:
        """Makes room, then herds each class of the present experience; what was kept of it before competes."""
        count = self._settings.exemplars_per_class(len(self.classes_seen))
        self.exemplars.keep_first(count)
        for label in self.classes_of[-1]:
            inputs = samples.take((samples.y == label).nonzero().squeeze(1))
            if label in self.exemplars.labels:
                inputs = torch.cat([inputs, self.exemplars.of_label(label)])
            chosen = herd(self._of_all(self.features, inputs), count)
            self.exemplars.put(_ALL, label, inputs[chosen.to(inputs.device)])

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _of_all(self, function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
        """The function of all inputs, as the classifier is now."""
        return torch.cat([function(x.to(self.device)) for x in inputs.split(_AT_A_TIME)])


class BatchesWithTargets(InfiniteBatches):
    """Batches with the targets (batch, setup.outputs) of their samples between labels and task labels."""

    def __init__(self, samples: Samples, *, targets: Tensor, **rest: Any) -> None:
        super().__init__(samples, task_label=0, **rest)
        self._targets = targets

    def __next__(self) -> Any:
        chosen = self._next_indices()
        y, targets = self._samples.y.index_select(0, chosen), self._targets.index_select(0, chosen)
        return self._samples.take(chosen), y, targets, self._task_labels
