"""Training that can be saved after any step and goes on elsewhere as if it had not stopped.

Avalanche's `train` is one long call. Here everything that it and the strategy know between two steps stands in
attributes, so that `checkpoint` can save it; `train`, called once more on the same experience, enters where it left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias
from weakref import WeakKeyDictionary

from avalanche.training.templates import SupervisedTemplate
from torch import Generator, Tensor, nn

from hnet_bench.avalanche_adapter.batches import FixedIterations

# Networks and random generators, by name.
Trained: TypeAlias = "Mapping[str, nn.Module | Generator]"


class Phase:
    """Something else that an experience trains after its main loop: one step for each batch.

    What a subclass needs from one step to the next must stand in its attributes.
    """

    training: ClassVar[str] = ""  # its name among the trainings of its strategy, if these are told apart
    # Of the last step, detached, if there is a single one; it is looked at after every step.
    loss: Tensor | None = None

    def __init__(self, batches: FixedIterations) -> None:
        self.batches = batches

    def step(self, batch: list[Tensor]) -> None:
        """One step with a batch of the present experience: inputs, labels, task labels, as its template makes them."""
        raise NotImplementedError

    def skipped(self, steps: int) -> None:
        """Called when its last steps are left out: what is held ready for them goes."""


@dataclass(frozen=True)
class Part:
    """What an experience is training at present: its main loop or a phase."""

    training: str  # "classifier" for the main loop
    batches: FixedIterations
    trained: Trained | None  # all that it changes; None if nobody else trains just this


class ResumableTemplate(SupervisedTemplate):  # type: ignore[misc]
    """A SupervisedTemplate whose experience is a main loop, which is Avalanche's, and then any number of phases."""

    main_loop: FixedIterations  # of the present experience, set by `prepare_main_loop`
    dataloader: Any

    def __init__(self, **settings: Any) -> None:
        self.within_experience = False  # between the beginning and the end of training on an experience
        self._entered_anew = False  # a state from within an experience was restored: its `train` is to go on
        self._main_loop_over = False
        self._phases_over = 0
        self._phase: Phase | None = None
        super().__init__(**settings)

    def begin_experience(self) -> None:
        """Called once before the first step on an experience: the model is adapted, the optimiser made, and what
        plugins do then is done. For what a strategy fixes until `end_experience`."""

    def end_experience(self) -> None:
        """Called once after the last step on an experience, and after what plugins do then."""

    def further_phases(self) -> list[Callable[[], Phase]]:
        """Makers of the phases of the present experience, in order; each is called when its phase begins."""
        return []

    def trained_by(self) -> dict[str, Trained]:
        """All that each training changes which other strategies may have in common with this one, by the name that
        `Strategy.trainings` gives it, but for its optimiser, which starts anew with every experience and takes one step
        for each batch. The generators of the random numbers that it draws are part of that."""
        return {}

    @property
    def part(self) -> Part:
        """What is being trained, between two steps."""
        loop = self.present_loop
        assert loop is not None
        training = self._phase.training if self._phase else "classifier"
        return Part(training, loop, self.trained_by().get(training))

    def skip(self) -> int:
        """Goes to the end of what is being trained, since what it changes is changed; the number of steps left out."""
        left = self.part.batches.skip()
        if self._phase:
            self._phase.skipped(left)
        else:
            for count in ("train_epoch_iterations", "train_exp_iterations", "train_iterations", "total_iterations"):
                setattr(self.clock, count, getattr(self.clock, count) + left)
        return left

    def prepare_main_loop(self) -> None:
        """Called just before the first step: sets `main_loop`."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Says that this template was restored: the next `train` goes on with what had begun, if anything had."""
        self._entered_anew = self.within_experience

    @property
    def in_main_loop(self) -> bool:
        """Whether the main loop of the present experience is not over."""
        return not self._main_loop_over

    @property
    def present_loop(self) -> FixedIterations | None:
        """The main loop, or that of the phase that was begun last; None outside them."""
        if not self.within_experience:
            return None
        if self.in_main_loop:
            return self.main_loop
        return self._phase.batches if self._phase else None

    def _prepare_experience(self) -> None:
        """Called first of all on an experience, before Avalanche adapts data and model to it."""

    def _after_step_of(self, phase: Phase) -> None:
        """What is looked at after a step of a phase."""

    def _before_training(self, **kwargs: Any) -> None:
        if not self._entered_anew:
            super()._before_training(**kwargs)

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self._entered_anew:
            return
        self._main_loop_over, self._phases_over, self._phase = False, 0, None
        self._prepare_experience()
        super()._before_training_exp(**kwargs)
        self.begin_experience()
        self.within_experience = True

    def _before_training_epoch(self, **kwargs: Any) -> None:
        """The main loop is ready for `training_epoch`, which is Avalanche's or a subclass's own; one that was restored
        goes on where it was."""
        if not self._entered_anew:
            super()._before_training_epoch(**kwargs)
            self.prepare_main_loop()
        self._entered_anew = False
        self.dataloader = self._main_loop_batches()

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        if not self._main_loop_over:
            super()._train_exp(experience, eval_streams, **kwargs)
            self._main_loop_over = True
            self.dataloader = []
            del self.main_loop
        self._entered_anew = False
        for make in self.further_phases()[self._phases_over :]:
            self._phase = self._phase or make()
            for batch in self._phase.batches:
                self._phase.step([tensor.to(self.device) for tensor in batch])
                self._after_step_of(self._phase)
                self._step_is_over()
            self._phase = None
            self._phases_over += 1

    def _main_loop_batches(self) -> Iterator[Any]:
        # Only when the next batch is asked for, everything that belongs to a step is over.
        for batch in self.main_loop:
            yield batch
            self._step_is_over()

    def _step_is_over(self) -> None:
        call = _watchers.get(self)
        if call is not None:
            call()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.end_experience()
        self.within_experience = False


# Who watches a template. In no attribute of it: what watches a run knows test labels and the data still to come.
_watchers: WeakKeyDictionary[ResumableTemplate, Callable[[], None]] = WeakKeyDictionary()


def after_every_step(template: ResumableTemplate, call: Callable[[], None]) -> None:
    """Has a function called after every optimiser step of the main loop and of the phases, once nothing more belongs to
    that step; in place of the one that was called before."""
    _watchers[template] = call
