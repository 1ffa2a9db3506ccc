"""What a strategy does and keeps, measured from outside: steps, samples, operations, rates, networks, stored samples.

Steps and learning rates are seen at every optimiser there is, through torch's own hook for all of them; what is kept is
found by following attributes, and what answers depend on by changing it. What a strategy says of itself plays no part.
Parameters that are updated without an optimiser are not seen to be, but then the protocol's steps are missing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import numpy
import torch
from avalanche.benchmarks import DatasetExperience
from avalanche.benchmarks.utils import AvalancheDataset
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from hnet_bench.avalanche_adapter.benchmark import Samples
from hnet_bench.avalanche_adapter.checkpoint import kept_attributes
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.operations import OperationCounter, Operations, operations_of_a_step
from hnet_bench.avalanche_adapter.random_state import preserved_random_state
from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.networks import target_network

# Inputs with fewer values cannot be told from other numbers that are kept.
_LEAST_VALUES = 8
_ROWS_AT_ONCE = 1024
# Test samples of each experience on which it shows what answers depend on.
_FEW = 20
# In one experience; beyond, those are forgotten that took a single step and are no more.
_OPTIMISERS = 100


@dataclass
class Present:
    """What is measured of the present experience, which a run may be stopped within."""

    updates: int = 0
    samples: int = 0
    held_bytes: int = 0
    operations: Settings = field(default_factory=dict)  # fields of `Operations`


@dataclass
class Amounts:
    """What is measured of a run while it learns; lists but those of rates and optimisers have a number, or `kept` a
    table, for each experience that is over."""

    steps: list[int] = field(default_factory=list)  # of the parameter that took the most
    updates: list[int] = field(default_factory=list)  # of single numbers, by all steps of all optimisers together
    samples: list[int] = field(default_factory=list)  # inputs in the batches of the main loop, replayed ones among them
    learning_rates: list[float] = field(default_factory=list)  # the least and the largest of any step
    optimisers: list[str] = field(default_factory=list)  # their classes
    given: list[int] = field(default_factory=list)  # training samples of the experience
    kept: list[Settings] = field(default_factory=list)  # `Retained.sizes`
    held_bytes: list[int] = field(default_factory=list)  # the most after the last step of a loop, `Retained.bytes`
    operations: list[int] = field(default_factory=list)  # `Operations.total`
    present: Settings = field(default_factory=lambda: asdict(Present()))


class Meter:
    """Counts what a template does while it trains, and looks at what it keeps then."""

    def __init__(self, amounts: Settings | None = None) -> None:
        """Goes on with the amounts of an earlier process, as `to_json` gave them."""
        self._amounts = Amounts(**(amounts or {}))
        self._present = Present(**self._amounts.present)
        self._operations = OperationCounter(Operations(**self._present.operations))
        self._counts: list[_Count] = []  # of the present experience
        self._stepped: list[Tensor] = []  # what took steps in earlier experiences and is still kept

    def to_json(self) -> Settings:
        """The amounts so far."""
        present = {**asdict(self._present), "operations": asdict(self._operations.operations)}
        return {**asdict(self._amounts), "present": present}

    @property
    def state(self) -> list[Any]:
        """Parameters, and how many steps they took in the present experience: what a checkpoint must hold beside the
        amounts, in one graph with the template, so that they stay the same parameters."""
        return [self._stepped, [[count.parameters, count.steps] for count in self._counts]]

    @state.setter
    def state(self, state: list[Any]) -> None:
        self._stepped = state[0]
        self._counts = [_Count(None, parameters, steps) for parameters, steps in state[1]]

    @contextmanager
    def training(self, template: InMemoryTemplate) -> Iterator[None]:
        """Counts the steps of all optimisers, and operations, while the template learns an experience, or goes on with
        it."""
        hook = register_optimizer_step_post_hook(self._after_step)
        self._operations.begin(template.present_loop)
        try:
            yield
        finally:
            hook.remove()
            self._operations.end(None)

    @contextmanager
    def between_steps(self, template: InMemoryTemplate) -> Iterator[None]:
        """Counts the step that is over, of the main loop or a phase; what is done meanwhile belongs to none."""
        loop = template.present_loop
        assert loop is not None
        self._operations.end(loop)
        if template.in_main_loop:
            self._present.samples += _inputs_in(template.mbatch)
        if not loop.left:
            self._loop_is_over(template)
        yield
        self._operations.begin(loop)

    def skipped(self, template: InMemoryTemplate, steps: int) -> None:
        """Counts the last steps of the present loop, which were taken elsewhere, as alike to those before them; their
        optimiser is the one that began last."""
        self._counts[-1].steps += steps
        self._present.updates += steps * self._counts[-1].numbers
        if template.in_main_loop:
            self._present.samples += steps * _inputs_in(template.mbatch)
        self._operations.skipped(steps)
        self._loop_is_over(template)

    def experience_is_over(self, template: InMemoryTemplate, learnt: Sequence[Samples]) -> None:
        """Adds what an experience took; `learnt` are the samples of all experiences until now."""
        totals: dict[int, int] = {}
        for count in self._counts:
            for parameter in count.parameters:
                totals[id(parameter)] = totals.get(id(parameter), 0) + count.steps
        kept = Retained(template)
        amounts = self._amounts
        amounts.steps.append(max(totals.values(), default=0))
        amounts.updates.append(self._present.updates)
        amounts.samples.append(self._present.samples)
        amounts.held_bytes.append(max(self._present.held_bytes, kept.bytes))
        amounts.operations.append(self._operations.operations.total)
        amounts.given.append(len(learnt[-1]))
        amounts.kept.append(kept.sizes(learnt))
        self._present, self._operations = Present(), OperationCounter(Operations())
        stepped = chain(self._stepped, *(count.parameters for count in self._counts))
        self._stepped = [one for one in unique(stepped) if id(one) in kept.networks]
        self._counts = []

    def outcome(self, template: InMemoryTemplate, evaluator: Evaluator, setup: Setup) -> Settings:
        """The field `measured` of a record, after the last experience; the template is left as it was found. The setup
        is the one that the strategy was given, whatever it made of it."""
        amounts = self.to_json()
        del amounts["present"]
        trained = _numbers(self._stepped)
        return {
            **amounts,
            "inputs": setup.facts.inputs,
            "network": protocol_network(setup),
            "step_operations": operations_of_a_step(setup),
            "trained": trained,
            "answers_with": trained + _decisive_beside(self._stepped, template, evaluator),
        }

    def _loop_is_over(self, template: InMemoryTemplate) -> None:
        held = Retained(template, without=[template.present_loop]).bytes
        self._present.held_bytes = max(self._present.held_bytes, held)

    def _after_step(self, optimiser: Optimizer, *_: Any) -> None:
        count = next((count for count in self._counts if count.optimiser is optimiser), None)
        if count is None:
            parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            count = _Count(optimiser, parameters)
            self._counts = [one for one in self._counts if len(self._counts) < _OPTIMISERS or one.is_in_use()]
            self._counts.append(count)
            self._amounts.optimisers = sorted({*self._amounts.optimisers, type(optimiser).__name__})
        count.steps += 1
        self._present.updates += count.numbers
        for group in optimiser.param_groups:
            rates = [float(group["lr"]), *self._amounts.learning_rates]
            self._amounts.learning_rates = [min(rates), max(rates)]


class _Count:
    """Steps of one optimiser in the present experience."""

    def __init__(self, optimiser: Optimizer | None, parameters: list[Tensor], steps: int = 0) -> None:
        self._optimiser = weakref.ref(optimiser) if optimiser is not None else None
        self.parameters, self.steps = parameters, steps
        self.numbers = _numbers(parameters)

    @property
    def optimiser(self) -> Optimizer | None:
        """The optimiser; None if it is no more."""
        return self._optimiser() if self._optimiser else None

    def is_in_use(self) -> bool:
        """Whether there may be more steps of it, or there were more than the one of an optimiser for a single step."""
        return self.steps > 1 or self.optimiser is not None


class Retained:
    """What a template and its plugins keep from one experience to the next.

    Networks are parameters, and buffers of modules, copies included. Of optimisers only what they train counts.
    """

    def __init__(self, template: InMemoryTemplate, without: Sequence[Any] = ()) -> None:
        """But for what is kept by these alone."""
        roots = (kept_attributes(template), *map(vars, template.method_plugins))
        leaves = (Optimizer, Samples, AvalancheDataset, DatasetExperience)
        found = list(reached(*roots, without=[template, *without], leaves=leaves))
        modules = [one for one in found if isinstance(one, nn.Module)]
        optimisers = [one for one in found if isinstance(one, Optimizer)]
        trained = [one for optimiser in optimisers for group in optimiser.param_groups for one in group["params"]]
        networks = chain(
            (one for one in found if isinstance(one, nn.Parameter)),
            *(module.buffers(recurse=False) for module in modules),
            trained,
        )
        self.networks = {id(one): one for one in networks}
        arrays = [torch.from_numpy(one) for one in found if isinstance(one, numpy.ndarray) and one.dtype.kind in "biuf"]
        tensors = [one for one in found if isinstance(one, Tensor) and id(one) not in self.networks]
        self.others: list[Tensor] = [*tensors, *arrays]
        # Datasets that are cut out of others count by their length: they address no more.
        self.datasets: list[Any] = [one for one in found if isinstance(one, (Samples, AvalancheDataset))]
        self.datasets += [one.dataset for one in found if isinstance(one, DatasetExperience)]

    @property
    def bytes(self) -> int:
        """Of all of it, each memory once; datasets count by their inputs."""
        return _bytes([*self.networks.values(), *self.others]) + self._bytes_of_datasets

    @property
    def _bytes_of_datasets(self) -> int:
        return sum(_input_bytes(dataset) * len(dataset) for dataset in self.datasets)

    def sizes(self, learnt: Sequence[Samples]) -> Settings:
        """Numbers in "networks" and in "other" tensors, and how many training "samples" stand in these and in datasets;
        "bytes" of all of it, and of the samples. None if samples have so few values that they could not be told from
        other numbers."""
        values = learnt[0].take(torch.zeros(1, dtype=torch.int64)).numel()
        samples = sample_bytes = None
        if values >= _LEAST_VALUES:
            found = _samples_among(self.others, learnt, values)
            samples = sum(map(len, self.datasets)) + sum(count for count, _ in found)
            sample_bytes = self._bytes_of_datasets + sum(count * values * size for count, size in found)
        return {
            "networks": _numbers(self.networks.values()),
            "other": _numbers(self.others),
            "samples": samples,
            "bytes": self.bytes,
            "sample_bytes": sample_bytes,
        }


def protocol_network(setup: Setup) -> int:
    """Parameters of the network that the protocol asks for, with the scenario's outputs."""
    return target_network(setup).layout.parameters


def _inputs_in(batch: Sequence[Any]) -> int:
    """Inputs in a batch: its own, and what is as large beside its targets, put there by a method that replays."""
    inputs, _, *others = batch
    replayed = [one for one in others if isinstance(one, Tensor) and one.dim() > 1]
    return len(inputs) + sum(len(one) for one in replayed if one[:1].numel() == inputs[:1].numel())


def unique(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Each tensor once."""
    return list({id(tensor): tensor for tensor in tensors}.values())


def _numbers(tensors: Iterable[Tensor]) -> int:
    """Numbers that tensors keep in memory, which is more than a view shows, each memory once."""
    memories = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() // one.itemsize for one in tensors}
    return sum(memories.values())


def _bytes(tensors: Iterable[Tensor]) -> int:
    """As `_numbers`, in bytes."""
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}.values())


def _input_bytes(dataset: Any) -> int:
    """Of one input of a dataset, as it is stored by us or given by Avalanche; 0 for what is no tensor."""
    if isinstance(dataset, Samples):
        return dataset.input_bytes
    one = dataset[0][0] if len(dataset) else None
    return int(one.nbytes) if isinstance(one, Tensor) else 0


def _samples_among(tensors: Sequence[Tensor], learnt: Sequence[Samples], values: int) -> list[tuple[int, int]]:
    """How many rows of each tensor are training samples, as the strategy is given them or as they are stored; and the
    bytes of one of its numbers."""
    suiting = [one.detach() for one in tensors if one.numel() and one.numel() % values == 0]
    if not suiting:
        return []
    # Each part's numbers go into one array: kept as they come, between the large arrays that they were made of, they
    # would leave holes in memory that nothing large fits into again, gigabytes in all.
    known, at = torch.empty(2 * sum(map(len, learnt)), dtype=torch.int64), 0
    for part in (part for samples in learnt for part in _stored(samples, values)):
        known[at : at + len(part)] = hashes(part)
        at += len(part)
    known = known.unique()
    return [(int(torch.isin(hashes(one.reshape(-1, values)), known).sum()), one.itemsize) for one in suiting]


def _stored(samples: Samples, values: int) -> Iterator[Tensor]:
    """Inputs (n, values), part by part, and what they are made of, if that is stored in another form."""
    for positions in torch.arange(len(samples)).split(_ROWS_AT_ONCE):
        yield samples.take(positions).reshape(-1, values)
        yield samples.as_stored(positions).reshape(-1, values)


def hashes(rows: Tensor) -> Tensor:
    """A number (n,) for each row (n, values) that follows from its values as float32, bit by bit."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, (rows.shape[1],), generator=generator)
    found = torch.empty(len(rows), dtype=torch.int64)
    for part, sums in zip(rows.split(_ROWS_AT_ONCE), found.split(_ROWS_AT_ONCE), strict=True):
        bits = part.cpu().float().contiguous().view(torch.int32).long()
        torch.sum(bits.mul_(weights), dim=1, out=sums)
    return found


def _decisive_beside(stepped: list[Tensor], template: InMemoryTemplate, evaluator: Evaluator) -> int:
    """How many kept numbers, beside those that took steps, the outputs for test samples depend on."""
    kept = Retained(template)
    memories = {one.untyped_storage().data_ptr() for one in stepped}
    beside = [one for one in (*kept.networks.values(), *kept.others) if one.is_floating_point() and one.numel()]
    beside = [one for one in unique(beside) if one.untyped_storage().data_ptr() not in memories]
    if not beside:
        return 0
    diagnostics = dict(template.diagnostics)
    try:
        with preserved_random_state(template.device):
            expected = evaluator.outputs(template, _FEW)

            def matter(tensors: list[Tensor]) -> bool:
                with _altered(tensors):
                    try:
                        found = evaluator.outputs(template, _FEW)
                    except Exception:  # whatever stops at other numbers depends on them
                        return True
                return found.shape != expected.shape or not torch.equal(found, expected)

            return _numbers(_those_that(matter, beside))
    finally:
        template.diagnostics = diagnostics


def _those_that(matter: Any, tensors: list[Tensor]) -> list[Tensor]:
    """The tensors that matter, found by halving."""
    if not tensors or not matter(tensors):
        return []
    if len(tensors) == 1:
        return tensors
    middle = len(tensors) // 2
    return [*_those_that(matter, tensors[:middle]), *_those_that(matter, tensors[middle:])]


@contextmanager
def _altered(tensors: list[Tensor]) -> Iterator[None]:
    """Has other values in tensors meanwhile."""
    with torch.no_grad():
        before = [one.detach().clone() for one in tensors]
        for one in tensors:
            one.detach().copy_(one.detach().abs() * 1.7 + 0.3)
    try:
        yield
    finally:
        with torch.no_grad():
            for one, values in zip(tensors, before, strict=True):
                one.detach().copy_(values)
