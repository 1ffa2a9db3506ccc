"""The checks, each a question about a strategy; the answer is None or a sentence that says what to change."""

from __future__ import annotations

import inspect
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.checkpoint import CheckpointError
from hnet_bench.avalanche_adapter.finite import NotFinite
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.config import from_settings, to_settings
from hnet_bench.conformance.leaks import depends_on_more_than_inputs
from hnet_bench.conformance.smoke_run import SmokeRun, SmokeRunResult, parameters_of
from hnet_bench.interfaces import NetworkName, Scenario, Settings, Strategy, UserError
from hnet_bench.runs.departures import counted, departures
from hnet_bench.runs.process import described
from hnet_bench.runs.spec import resolve

# How far above guessing the first experience must be learnt.
MARGIN = 0.2
# No divisor of the iterations of a smoke run, so that a run is stopped in its main loop and in every phase.
STEPS_BETWEEN_STOPS = 25
# More than what a method does only every so many steps takes: RWalk scores its parameters every 10.
FEW_STEPS = 12
# Share of the training samples that is held out where it is asked what reaches the training of a trial.
HELD_OUT = 0.3
# Of each class, where it is asked what is kept.
MANY_SAMPLES = 1500
# A learning rate and a noise with which a classifier is soon certain of what is wrong: probabilities are 0 and 1.
STEEP, OVERLAPPING = 1.0, 0.5
# Pixels each way; some networks need at least 10.
IMAGE_SIDE = 12
# How networks that convolve are trained there, all at a lower rate, and what one of them needs beside it: dropout takes
# longer.
CONVOLUTIONAL: dict[str, Any] = {"learning_rate": 1e-3}
OF_NETWORK: dict[str, dict[str, Any]] = {"zenke": {"iterations": 150}}


class StrategyUnderTest:
    """A strategy in one of its scenarios, with the smoke runs that several checks look at."""

    def __init__(self, strategy: Strategy, scenario: Scenario, network: NetworkName = "mlp", name: str = "") -> None:
        """The network decides on the inputs: images of few pixels for one that convolves. The name is that of specs."""
        self._name = name
        smoke_run = SmokeRun(strategy=strategy, scenario=scenario)
        if network != "mlp":
            protocol = replace(smoke_run.protocol, network=network, **CONVOLUTIONAL, **OF_NETWORK.get(network, {}))
            smoke_run = replace(smoke_run, protocol=protocol, stream=Synthetic(image_side=IMAGE_SIDE))
        self.smoke_run = smoke_run

    @cached_property
    def first(self) -> SmokeRunResult:
        """A smoke run with nothing special about it."""
        return self.smoke_run.run()

    @cached_property
    def second(self) -> SmokeRunResult:
        """The same once more."""
        return self.smoke_run.run()

    @cached_property
    def measured(self) -> SmokeRunResult:
        """A smoke run with so many samples that those who keep a choice of them do not keep them all."""
        stream = replace(self.smoke_run.stream, train_per_class=MANY_SAMPLES)
        return replace(self.smoke_run, stream=stream, measure=True).run()

    def departures(self, respect: str) -> str | None:
        """In one sentence how it departs from the protocol, or from what it says of itself, in this respect."""
        outcome = self.measured
        found = departures(
            strategy=self._name,
            protocol=self.smoke_run.protocol,
            parameters=outcome.template.parameter_counts(),
            measured=outcome.measured,
        )
        clauses = [one.what for one in found if one.respect == respect]
        return f"The strategy {'; it '.join(clauses)}" if clauses else None


def declaration(name: str, strategy: Strategy) -> str | None:
    """Whether the class is what `hnet_bench.interfaces` asks for."""
    kind: Any = type(strategy)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        return "Make the class a @dataclass(frozen=True, kw_only=True), so that its fields can stand in a record."
    if not getattr(kind, "name", None) or not isinstance(kind.name, str):
        return 'Give the class a name: name = "my_method".'
    scenarios = kind.scenarios
    if not (isinstance(scenarios, tuple) and scenarios and all(isinstance(one, Scenario) for one in scenarios)):
        return f"Set scenarios to a tuple of Scenario members that the method learns, found {scenarios!r}."
    typed = {one for base in kind.__mro__ for one in inspect.get_annotations(base)}
    for one, value in vars(kind).items():
        # Constants have names in capitals, and texts are mostly remarks.
        if isinstance(value, (int, float)) and one.islower() and one[0] != "_" and one not in {"revision", *typed}:
            return (
                f"'{one}' has no type, so it is no hyperparameter: write {one}: {type(value).__name__} = {value!r}, or "
                f"{one}: ClassVar if it shall be none."
            )
    return None


def round_trip(name: str, strategy: Strategy) -> str | None:
    """Whether the hyperparameters survive JSON, and the object a trip to another process."""
    settings = to_settings(strategy)
    try:
        again = from_settings(type(strategy), json.loads(json.dumps(settings, allow_nan=False)), where="JSON")
    except (TypeError, ValueError, UserError) as error:
        return f"Its fields cannot be written as JSON and read again: {str(error).rstrip('.')}."
    if again != strategy:
        return f"Its fields change when they are written as JSON and read again: {to_settings(again)}."
    if pickle.loads(pickle.dumps(strategy)) != strategy:
        return "A pickled copy of the settings differs from the original: keep all of it in the dataclass's fields."
    return None


def refusal(name: str, strategy: Strategy) -> str | None:
    """Whether a scenario that is not declared is refused in words that the user understands."""
    for scenario in Scenario:
        if scenario in strategy.scenarios:
            continue
        try:
            _spec(name, strategy, scenario)
        except UserError:
            continue
        return f"{scenario.label} is not among its scenarios and yet accepted: check the attribute 'scenarios'."
    return None


def stays_finite(subject: StrategyUnderTest) -> str | None:
    """Whether losses, outputs and parameters are finite, also where the classifier is as certain as floats can say."""
    steep = replace(subject.smoke_run.protocol, learning_rate=STEEP)
    certain = replace(subject.smoke_run, protocol=steep, stream=replace(subject.smoke_run.stream, noise=OVERLAPPING))
    ordinary = subject.smoke_run.protocol.network == "mlp"
    try:
        assert subject.first
        if ordinary:
            certain.run()
    except NotFinite as error:
        return str(error)
    except Exception:  # other questions ask for the rest
        return None
    return None


def trains(subject: StrategyUnderTest) -> str | None:
    """Whether training changes something and takes the protocol's steps."""
    outcome = subject.first
    if not outcome.final:
        return "The template holds no parameters that need gradients: give it a model."
    if len(outcome.initial) == len(outcome.final) and all(map(torch.equal, outcome.initial, outcome.final)):
        return "Training changed no parameter: is the loss connected to the model's parameters?"
    return None


def learns(subject: StrategyUnderTest) -> str | None:
    """Whether the first experience is known right after it was learnt."""
    score = subject.first.evaluations[0].score[0]
    assert score is not None  # all experiences were asked for
    guess = 1 / subject.smoke_run.stream.classes_per_experience
    if not math.isfinite(score) or score < guess + MARGIN:
        return (
            f"Right after the first experience {score:.0%} of its test samples are right, and guessing gives "
            f"{guess:.0%}: does the loss reach the model, and are outputs in the column of their class?"
        )
    return None


def repeats(subject: StrategyUnderTest) -> str | None:
    """Whether a run depends on its seed and on nothing else, and on its seed at all."""
    other = replace(subject.smoke_run, seed=2).run()
    if what := _difference(subject.second, subject.first, subject.second.answers):
        return (
            f"The same seed gives other {what} the second time: draw random numbers from setup.generator(...) or "
            "torch's global generator alone, and keep nothing in the class or module from one run to the next."
        )
    if other.same_parameters(subject.first):
        return "Another seed gives the same parameters: let initial weights and sampling depend on the run's seed."
    return None


def evaluates_without_trace(subject: StrategyUnderTest) -> str | None:
    """Whether training goes the same way if nobody evaluates, and to the same answers."""
    silent = replace(subject.smoke_run, evaluate=False).run()
    what = _difference(silent, subject.first, subject.smoke_run.answers_of(silent.template))
    if what is None:
        return None
    changed = "what it learns" if what == "parameters" else "what it answers"
    return (
        f"Evaluating the strategy changes {changed} afterwards: change no state and use no random numbers of the "
        "training while self.is_training is False."
    )


def learns_from_training_data_alone(subject: StrategyUnderTest) -> str | None:
    """Whether other test data lead to the same parameters and to the same answers to given samples, and in a trial
    other validation data."""
    whole = subject.smoke_run
    short = replace(whole.protocol, iterations=FEW_STEPS, validation=HELD_OUT)
    trial = replace(whole, protocol=short)
    for data, smoke_run, expected in (("Test", whole, subject.first), ("Validation", trial, trial.run())):
        other = replace(smoke_run, other_test_data=True).run()
        if what := _difference(other, expected, smoke_run.answers_of(other.template)):
            return (
                f"{data} data reach the training: with other {data.lower()} data the {what} differ; keep none of what "
                "eval shows."
            )
    return None


def _difference(run: SmokeRunResult, expected: SmokeRunResult, answers: list[Tensor]) -> str | None:
    """In what a run is not as expected, whose last answers to the samples of the other are these."""
    if not run.same_parameters(expected):
        return "parameters"
    return None if all(map(torch.equal, answers, expected.answers)) else "answers"


def infers_from_inputs_alone(subject: StrategyUnderTest) -> str | None:
    """Whether predictions depend on inputs alone, and in CL1 on their task labels."""
    reason = depends_on_more_than_inputs(subject.second.template, subject.smoke_run.benchmark())
    if reason is None:
        return None
    return f"Predictions depend on {reason}: when evaluated use nothing but self.mb_x, and in CL1 self.mb_task_id."


def resumes(subject: StrategyUnderTest) -> str | None:
    """Whether a run that is saved and restored, between experiences and within them, ends as one that never stopped."""
    between = replace(subject.smoke_run, stop_after=range(subject.smoke_run.stream.experiences - 1))
    expected = subject.first
    try:
        stopped = replace(between, stop_every=STEPS_BETWEEN_STOPS).run()
        if stopped.same_parameters(expected) and stopped.evaluations == expected.evaluations:
            return None
        within = between.run().same_parameters(expected)
    except CheckpointError as error:
        return str(error)
    return (
        f"A run that was saved and restored {'within' if within else 'between'} experiences ends differently: keep all "
        "state in attributes of the template or of the plugins that it is built with, and none in closures or modules."
    )


def keeps_to_the_protocol(subject: StrategyUnderTest) -> str | None:
    """Whether it trains as the protocol says, as measured."""
    found = subject.departures("training")
    advice = "tables mark its rows; take the steps, the learning rate, the batches and the network of setup.protocol"
    return f"{found}: {advice}." if found else None


def keeps_no_more_than_it_says(subject: StrategyUnderTest) -> str | None:
    """Whether it keeps samples of past experiences, or networks that answer, without counting them."""
    found = subject.departures("keeping")
    advice = 'tables mark its rows; count what it keeps in parameter_counts(), samples and the like as "stored_values"'
    return f"{found}: {advice}." if found else None


def counts_parameters(subject: StrategyUnderTest) -> str | None:
    """Whether `parameter_counts` has every parameter that takes steps, and no more than there are."""
    outcome = subject.first
    counts = outcome.template.parameter_counts()
    if not all(isinstance(counts.get(key), int) and counts[key] > 0 for key in ("trained", "target")):
        return f'parameter_counts() must give positive whole numbers as "trained" and "target", found {counts}.'
    held = sum(parameter.numel() for parameter in parameters_of(outcome.template))
    if counted(counts) > held:
        return (
            f"parameter_counts() has {counted(counts)} parameters, and the template holds {held}: count only what is "
            "there."
        )
    found = subject.departures("counting")
    return f"{found} in parameter_counts(): count every network that is trained." if found else None


def takes_any_stream(subject: StrategyUnderTest) -> str | None:
    """Whether unusual streams are learnt without a crash."""
    usual = subject.smoke_run.stream
    streams = {
        "a stream of one experience": replace(usual, experiences=1),
        "one class per experience": replace(usual, classes_per_experience=1),
        "fewer samples than a batch holds": replace(usual, train_per_class=3, test_per_class=2),
    }
    for what, stream in streams.items():
        try:
            protocol = replace(subject.smoke_run.protocol, iterations=FEW_STEPS)
            replace(subject.smoke_run, stream=stream, protocol=protocol).run()
        except UserError as error:
            # One class alone is known from the start: a method that has nothing to tell apart there may say so.
            if stream.classes_per_experience > 1:
                return f"With {what}: {error}"
        except Exception as error:
            return f"With {what} it stops: {described(error)}."
    return None


FOR_THE_CLASS: dict[str, Callable[[str, Strategy], str | None]] = {
    "is declared as a frozen dataclass": declaration,
    "hyperparameters survive JSON and pickle": round_trip,
    "other scenarios are refused": refusal,
}
FOR_EACH_SCENARIO: dict[str, Callable[[StrategyUnderTest], str | None]] = {
    "its numbers stay finite": stays_finite,
    "trains": trains,
    "learns": learns,
    "same seed, same parameters; another seed, others": repeats,
    "evaluating leaves no trace": evaluates_without_trace,
    "no test data in training": learns_from_training_data_alone,
    "no task identity when evaluated": infers_from_inputs_alone,
    "goes on from a checkpoint": resumes,
    "keeps to the protocol": keeps_to_the_protocol,
    "keeps no more than it says": keeps_no_more_than_it_says,
    "counts its parameters": counts_parameters,
    "takes degenerate streams": takes_any_stream,
}

# Without these nothing else is asked.
NECESSARY = ("its numbers stay finite", "trains")


def _spec(name: str, strategy: Strategy, scenario: Scenario) -> Any:
    settings: Settings = to_settings(strategy)
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=scenario,
        protocol={"iterations": 1},
        strategy=name,
        hyperparameters=settings,
        seed=1,
        where="a check",
    )
