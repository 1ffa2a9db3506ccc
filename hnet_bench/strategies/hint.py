"""HINT: a hypernetwork learns an interval of embeddings for each task, within which every network solves it.

Krukowski et al. 2024 (HyperInterval), arXiv 2405.15444; written from a description of the method, without its authors'
code. In CL2 the intervals meet, and one embedding in all of them generates a single network for all tasks, so that none
has to be inferred; in CL3 the task is inferred by the least entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Settings, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings, require_several_classes

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor, nn

    from hnet_bench.nets.hypernetwork import HypernetworkShape
    from hnet_bench.strategies.training.hypernetwork import Regulariser

_WORST_SHARE = 0.5  # of the worst case in the loss, in the second half of the steps
_WORST_GROWTH = 5e-5  # what each step of the first half adds to it


@dataclass(frozen=True, kw_only=True)
class Hint(HypernetworkSettings):
    """The loss is (1 - share) * CE(middle) + share * CE(worst case) + beta * regulariser: the middle is the network of
    the middle weights, the worst case has the lower bound of the right class's logit and the upper bounds of all
    others. Over the first half of an experience's steps epsilon grows from 0, and the share by 0.00005 a step; then
    epsilon is what it is, and the share one half.

    The regulariser, of the middle and in CL2 of the bounds as well, is a mean over old tasks, as in HNET; the authors'
    code divides it by their number once more. Theirs generates all parameters at once, which is one chunk as large as
    the network. Inputs must not be negative: UserError when training begins.
    """

    name: ClassVar[str] = "hint"
    revision: ClassVar[int] = 2
    plain: ClassVar[bool] = True
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    lookahead: bool = False
    epsilon: float = 1.0  # half-widths of an interval, summed over the dimensions

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.epsilon >= 0:
            raise UserError(f"epsilon must not be negative, found {self.epsilon}.")

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, the same in CL1 and CL3; in CL2 the intervals are others."""
        own = {**self.classifier_training(setup), "epsilon": self.epsilon}
        return {"classifier": {"nested": setup.scenario is Scenario.DOMAIN, **own}}

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError in CL3 where an experience has a single class."""
        from hnet_bench.avalanche_adapter.template import head_columns, per_task, together
        from hnet_bench.nets.criteria import entropy
        from hnet_bench.nets.intervals import IntervalHypernetwork, IntervalRegulariser, interval_mlp
        from hnet_bench.nets.networks import GeneratedMlp
        from hnet_bench.nets.products import matmul
        from hnet_bench.strategies.training.generated import GeneratedClassifier, chunked
        from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate

        if setup.scenario is Scenario.CLASS:
            require_several_classes(setup.facts, "HINT in CL3")
        settings = self
        target = GeneratedMlp(setup)
        nested = setup.scenario is Scenario.DOMAIN

        def intervals(shape: HypernetworkShape) -> IntervalHypernetwork:
            return IntervalHypernetwork(shape, epsilon=settings.epsilon, nested=nested)

        class IntervalTemplate(HypernetworkTemplate):
            """`mb_inferred_task` (batch,) holds the inferred tasks of a batch that is evaluated in CL3."""

            _bounds: tuple[Tensor, Tensor] | None = None  # of the logits, from a step's forward pass to its loss

            @property
            def hypernetwork(self) -> IntervalHypernetwork:
                """The one for all tasks, with its own type."""
                assert isinstance(self.classifier.hypernetwork, IntervalHypernetwork)
                return self.classifier.hypernetwork

            def trained_parameters(self) -> list[nn.Parameter]:
                """theta, and embedding and half-widths of the present task."""
                widths = [] if nested else [self.hypernetwork.widths[self.task]]
                return [*super().trained_parameters(), *widths]

            def begin_experience(self) -> None:
                """Raises UserError for negative inputs, of which the bounds would be none, and as `require_all_classes`
                does."""
                super().begin_experience()
                self.require_all_classes()
                least = min(float(x.min()) for x, _ in self.present_samples())
                if least < 0:
                    raise UserError(f"hint needs inputs that are not negative, found {least:g} in {self.place}.")

            def new_regulariser(self) -> Regulariser:
                """Of the middle alone, and where intervals meet of their ends, too."""
                return IntervalRegulariser(self.hypernetwork, self.task, self._strength, ends=nested)

            def forward(self) -> Tensor:
                if not self.is_training:
                    return self._answer()
                share = min(1.0, 2 * self.main_loop.done / self.iterations)
                if self.own_batches or self.scenario is not Scenario.TASK:
                    lower, middle, upper = self._outputs(self.mb_x, self.task, share)
                else:  # from a stock loader: of several tasks, if a plugin replays
                    groups = list(per_task(self.mb_task_id))
                    parts = [
                        self._outputs(self.mb_x[at], task, share if task == self.task else 1) for task, at in groups
                    ]
                    lower, middle, upper = (together(one, groups) for one in zip(*parts, strict=True))
                self._bounds = lower, upper
                return middle

            def _outputs(self, x: Tensor, task: int, share: float) -> tuple[Tensor, Tensor, Tensor]:
                """Least outputs, those of the middle weights, and greatest (batch, ...) on the head of a task."""
                x, columns = x.flatten(1), head_columns(self.setup, task)
                chunks = self.hypernetwork.interval_chunks(self.hypernetwork.interval(task, share))
                outputs = interval_mlp(x, chunks, target.shape)
                lower, middle, upper = (self.full_width(one[:, columns], task) for one in outputs)
                return lower, middle, upper

            def criterion(self) -> Tensor:
                loss: Tensor = super().criterion()
                if self._bounds is None:
                    return loss
                (lower, upper), self._bounds = self._bounds, None
                right = self.mb_y.unsqueeze(1)
                worst: Tensor = self._criterion(upper.scatter(1, right, lower.gather(1, right)), self.mb_y)
                done = self.main_loop.done
                share = min(_WORST_SHARE, _WORST_GROWTH * done) if 2 * done <= self.iterations else _WORST_SHARE
                return (1 - share) * loss + share * worst

            def _answer(self) -> Tensor:
                if self.scenario is Scenario.TASK:
                    outputs: Tensor = super().forward()
                    return outputs
                if nested:
                    embedding = self.hypernetwork.universal(max(1, self.tasks_seen))
                    chunks = matmul(self.hypernetwork.hidden(embedding.unsqueeze(0))[0], self.hypernetwork.output)
                    answer: Tensor = target(self.mb_x, chunks, self.task)
                    return answer
                heads = self.heads()
                return self.of_surest(heads, entropy(heads))

        return IntervalTemplate(
            setup=setup,
            model=GeneratedClassifier(setup, target, chunked(settings, target, intervals)),
            strength=settings.regularisation_strength,
            lookahead=settings.lookahead,
        )
