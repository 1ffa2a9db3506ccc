"""Tensors in memory as a genuine Avalanche benchmark, with what the harness needs beside its two streams."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
import torch
from avalanche.benchmarks import (
    CLScenario,
    EagerCLStream,
    benchmark_from_datasets,
    with_classes_timeline,
    with_task_labels,
)
from avalanche.benchmarks.utils import (
    _make_taskaware_classification_dataset,
    _make_taskaware_tensor_classification_dataset,
)
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.weak import WeakTensorKeyDictionary

from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError, stream_seed

# Final answers on the test samples of each experience -> arrays to keep beside the record, by name.
Keep: TypeAlias = Callable[[Sequence[Tensor]], dict[str, numpy.ndarray]]


class Samples:
    """Inputs (N, *input_shape), float32, and targets `y`: labels (N,), int64, or in regression values (N, K), float32.

    Inputs may be stored as bytes, uint8, each of which stands for its value / 255. Their tensors do not change.

    Given `rows` (N,), sample i is row rows[i] of what is stored. Given a permutation (inputs,), value i of a flattened
    input is value permutation[i] of what is stored. Samples that differ in these alone can so share what is stored,
    and `take` makes just the inputs that are asked for. What is private here may tell the task, and lead to inputs of
    other experiences: it is for `take` alone.
    """

    def __init__(self, x: Tensor, y: Tensor, permutation: Tensor | None = None, *, rows: Tensor | None = None) -> None:
        count = len(x if rows is None else rows)
        if count != len(y):
            raise ValueError(f"Inputs and labels must have one length, found {count} and {len(y)}.")
        self.y = y
        self._stored = x
        # (inputs,), or, for samples of several experiences, (T, inputs): sample i is permuted by row _which[i].
        self._permutation = permutation
        self._rows = rows
        self._which: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def x(self) -> Tensor:
        """All inputs (N, *input_shape). Unless they are stored as they are, every call makes them: prefer `take`."""
        return self._stored if self._is_plain else self.take(torch.arange(len(self)))

    @property
    def input_bytes(self) -> int:
        """Of one input as it is stored."""
        return self._stored[:1].nbytes

    def take(self, indices: Tensor) -> Tensor:
        """Inputs (B, *input_shape) at these positions (B,), on the device of the samples."""
        indices = indices.to(self.y.device)
        x = self._values(self.as_stored(indices))
        if self._permutation is None:
            return x
        flat = x.flatten(1)
        if self._which is None:
            # More than twice as fast as a gather with one permutation per sample.
            return flat.index_select(1, self._permutation).view_as(x)
        return flat.gather(1, self._permutation[self._which[indices]]).view_as(x)

    def as_stored(self, indices: Tensor) -> Tensor:
        """What inputs at these positions (B,) are made of, before any permutation."""
        indices = indices.to(self.y.device)
        return self._stored.index_select(0, indices if self._rows is None else self._rows[indices])

    def content(self) -> Tensor:
        """What stands for all inputs, before any permutation, where a sum is made over what samples hold."""
        every = self._stored if self._rows is None else self._stored[self._rows]
        return every if every.is_floating_point() else self._values(every)

    def drawn(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """As `take`, for a step of training: augmented samples draw from the generator, which is on the CPU."""
        return self.take(indices)

    def labelled(self, y: Tensor) -> Samples:
        """The same inputs with these labels (N,)."""
        labelled = copy.copy(self)
        labelled.y = y
        return labelled

    def to(self, device: torch.device) -> Samples:
        """The samples on a device; a tensor that several samples share is moved there once."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            setattr(moved, name, _on_device(value, device) if isinstance(value, Tensor) else value)
        return moved

    def avalanche_dataset(self, task_label: int) -> Any:
        """The samples as a dataset of Avalanche's, all with this task label."""
        if self._is_plain:
            return _make_taskaware_tensor_classification_dataset(self._stored, self.y, task_labels=task_label)
        return avalanche_one_by_one(self, task_label)

    @property
    def _is_plain(self) -> bool:
        return self._stored.is_floating_point() and self._permutation is None and self._rows is None

    def _values(self, stored: Tensor) -> Tensor:
        if stored.is_floating_point():
            return stored
        # By a tensor of the same device: a GPU multiplies by the reciprocal of a number, which rounds otherwise.
        return stored.float().div_(torch.full((), 255.0, device=stored.device))


def concatenated(parts: Sequence[Samples], order: Tensor | None = None) -> Samples:
    """The samples of all parts, one part after the other, or with number order[i] of these in position i.

    Parts that share what is stored still share it, if all are permuted or none, and parts of one kind stay of it, so
    that images are augmented as they were; inputs of others are copied.
    """
    y = torch.cat([part.y for part in parts])
    order = torch.arange(len(y), device=y.device) if order is None else order.to(y.device)
    permutations = [part._permutation for part in parts if part._permutation is not None]
    shared = all(part._stored is parts[0]._stored for part in parts)
    suits = len(permutations) in ((0, len(parts)) if shared else (0,))
    if not (suits and all(_are_alike(part, parts[0]) for part in parts)):
        return Samples(torch.cat([part.x for part in parts])[order], y[order])
    together = copy.copy(parts[0])
    together.y = y[order]
    every = [torch.arange(len(part), device=y.device) for part in parts]
    if shared:
        rows = [own if part._rows is None else part._rows for own, part in zip(every, parts, strict=True)]
        together._rows = torch.cat(rows)[order]
    else:
        together._rows = None
        stored = [part.as_stored(own) for own, part in zip(every, parts, strict=True)]
        together._stored = torch.cat(stored)[order]
    if permutations:
        together._permutation = torch.stack(permutations)
        which = torch.arange(len(parts), device=y.device)
        together._which = which.repeat_interleave(torch.tensor(list(map(len, parts)), device=y.device))[order]
    return together


def _are_alike(one: Samples, other: Samples) -> bool:
    """Whether both make inputs of what is stored in the same way, but for a permutation."""
    own = {"y", "_stored", "_rows", "_permutation"}
    pairs = [(getattr(one, name), getattr(other, name)) for name in vars(one) if name not in own]
    same = all(a is b or (torch.equal(a, b) if isinstance(a, Tensor) else a == b) for a, b in pairs)
    return type(one) is type(other) and one._which is None and same


def stored_tensors(parts: Sequence[Samples], device: torch.device) -> dict[str, Tensor]:
    """The tensors that hold samples, as they lie on a device, each with a name that is the same in every process."""
    named: dict[str, Tensor] = {}
    for index, samples in enumerate(parts):
        for name, value in vars(samples.to(device)).items():
            if isinstance(value, Tensor):
                named[f"{index}.{name}"] = value
    return named


def content_sum(parts: Sequence[Samples]) -> str:
    """SHA-256, in hex, over the content of samples and their labels; what several of them share counts once."""
    digest, counted = hashlib.sha256(), set()
    for samples in parts:
        for name, tensor in vars(samples).items():
            inputs = name == "_stored"
            shared = (id(tensor), id(samples._rows) if inputs else None)
            if isinstance(tensor, Tensor) and name != "_rows" and shared not in counted:
                counted.add(shared)
                digest.update((samples.content() if inputs else tensor).cpu().contiguous().numpy().data)
    return digest.hexdigest()


def avalanche_one_by_one(samples: Samples, task_label: int) -> Any:
    """A dataset of Avalanche's that takes samples when they are asked for."""
    return _make_taskaware_classification_dataset(_OneByOne(samples), task_labels=task_label)


class _OneByOne(Dataset[tuple[Tensor, int]]):
    """Samples for loaders that ask for one at a time."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.targets: list[int] = samples.y.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._samples.take(torch.tensor([index]))[0], self.targets[index]


# Copies on other devices, which live as long as their originals.
_copies = WeakTensorKeyDictionary()


def _on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor itself where it lies on the device, else its one copy there."""
    copies: dict[torch.device, Tensor] = _copies.get(tensor, {})
    if device not in copies:
        moved = tensor.to(device)
        if moved is tensor:
            return tensor
        copies[device] = moved
        _copies[tensor] = copies
    return copies[device]


@dataclass(frozen=True)
class InMemoryBenchmark:
    """A stream of experiences as tensors, and the same stream for Avalanche.

    In classification labels are those of the scenario: 0..K-1 within each experience in TASK and DOMAIN, 0..TK-1 in
    CLASS.
    """

    facts: BenchmarkFacts
    scenario: Scenario
    train: tuple[Samples, ...]
    test: tuple[Samples, ...]
    data_sums: dict[str, str]  # name of a data set -> SHA-256 of its content
    avalanche: CLScenario  # train_stream and test_stream
    keep: Keep | None = None  # what is drawn of the answers on test samples

    def training(self, index: int) -> Any:
        """An experience to train on. It leads to no other: neither its stream nor its benchmark holds one."""
        return alone(self.avalanche.train_stream[index])


def in_memory_benchmark(
    *,
    facts: BenchmarkFacts,
    scenario: Scenario,
    train: Sequence[Samples],
    test: Sequence[Samples],
    data_sums: dict[str, str],
    keep: Keep | None = None,
) -> InMemoryBenchmark:
    """Benchmark of these experiences. Only in TASK do samples carry a task label; elsewhere all labels are 0.

    Raises ValueError if the number of experiences is not that of the facts, or one has no samples.
    """
    if len(train) != facts.experiences or len(test) != facts.experiences:
        raise ValueError(
            f"Expected {facts.experiences} experiences, found {len(train)} for training, {len(test)} for test."
        )
    for what, parts in (("training", train), ("test", test)):
        if 0 in (sizes := [len(samples) for samples in parts]):
            raise ValueError(
                "Every experience needs samples to train on and to test, and number "
                f"{sizes.index(0) + 1} has no {what} samples."
            )
    avalanche = avalanche_streams(facts, train=_datasets(train, scenario), test=_datasets(test, scenario))
    for stream, parts in ((avalanche.train_stream, train), (avalanche.test_stream, test)):
        for experience, samples in zip(stream, parts, strict=True):
            experience.in_memory = samples
    return InMemoryBenchmark(facts, scenario, tuple(train), tuple(test), data_sums, avalanche, keep)


def require_types(benchmark: InMemoryBenchmark) -> None:
    """Raises UserError if inputs or targets have another type or shape than `Samples` and the facts say: integers would
    be taken for bytes, and of others torch would complain in the middle of a run."""
    facts = benchmark.facts
    target = torch.int64 if objective_of(facts).has_classes else torch.float32
    for what, parts in (("training", benchmark.train), ("test", benchmark.test)):
        for number, samples in enumerate(parts, start=1):
            where, first = f"the {what} samples of experience {number}", torch.tensor([0])
            stored, x, y = samples.as_stored(first), samples.take(first), samples.y
            if x.dtype != torch.float32 or not (stored.is_floating_point() or stored.dtype == torch.uint8):
                raise UserError(f"The inputs of {where} must be float32, or bytes as uint8, found {stored.dtype}.")
            if (shape := tuple(x.shape[1:])) != facts.input_shape:
                raise UserError(
                    f"The inputs of {where} must have the shape {facts.input_shape} of the facts, found {shape}."
                )
            if y.dtype != target or (target == torch.int64 and y.dim() != 1):
                wanted = "int64, one label each" if target == torch.int64 else "float32"
                raise UserError(f"The targets of {where} must be {wanted}, found {y.dtype} of shape {tuple(y.shape)}.")


def held_out(benchmark: InMemoryBenchmark, share: float, seed: int) -> InMemoryBenchmark:
    """The benchmark with validation data in place of its test data: about this share of the training samples of each
    experience, which are trained on no longer.

    Whether a sample is held out follows from its content and the seed alone. So a sample that occurs again, in the
    same experience, in another or permuted in another way, is on the same side each time. Both sides are copies, so
    what is trained on leads to nothing that is held out, and nothing leads to the test data. Raises UserError if an
    experience has too few samples for both sides, and for samples that cannot be divided.
    """
    key = stream_seed(seed, "validation").to_bytes(8, "big")
    divided: dict[int, tuple[Tensor, Tensor, Tensor]] = {}  # what is held out of it, and both sides
    train, validation = [], []
    for number, samples in enumerate(benchmark.train, start=1):
        stored = samples._stored
        if id(stored) not in divided:  # experiences may share it
            chosen = torch.tensor([drawn < share for drawn in _drawn(samples, key)])
            divided[id(stored)] = chosen, stored[~chosen], stored[chosen]
        chosen, rest, held = divided[id(stored)]
        train.append(_of_rows(samples, ~chosen, rest))
        validation.append(_of_rows(samples, chosen, held))
        if not (len(train[-1]) and len(validation[-1])):
            raise UserError(
                f"Experience {number} has {len(samples)} training samples, and with validation = {share:g} "
                f"{len(validation[-1])} of them are held out: expected at least one on either side."
            )
    return in_memory_benchmark(
        facts=benchmark.facts,
        scenario=benchmark.scenario,
        train=train,
        test=validation,
        data_sums=benchmark.data_sums,
    )


def _drawn(samples: Samples, key: bytes) -> Iterator[float]:
    """A number in [0, 1) for each row of what is stored: the same for the same values, however these are stored."""
    for part in samples._stored.split(1000):
        for row in Samples._values(samples, part).contiguous().numpy():
            yield int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=6, key=key).digest(), "big") / 2**48


def _of_rows(samples: Samples, chosen: Tensor, stored: Tensor) -> Samples:
    """Those samples that lie in the chosen rows of what is stored, which `stored` is a copy of."""
    part = copy.copy(samples)
    inside = chosen if samples._rows is None else chosen[samples._rows]
    part.y, part._stored = samples.y[inside], stored
    if samples._rows is not None:
        part._rows = (chosen.cumsum(0) - 1)[samples._rows[inside]]
    if samples._which is not None:
        part._which = samples._which[inside]
    ends = torch.tensor([0, len(part) - 1]) if len(part) else torch.tensor([], dtype=torch.int64)
    # A class of a user's may keep its inputs elsewhere, and would go on giving all of them.
    if not torch.equal(part.take(ends), samples.take(inside.nonzero()[ends, 0])):
        raise UserError(
            f"{type(samples).__name__} cannot be divided into training and validation data, which would overlap: it "
            "does not take its inputs from what Samples stores."
        )
    return part


def avalanche_streams(facts: BenchmarkFacts, **datasets: list[Any]) -> CLScenario:
    """Streams of experiences by name, with what Avalanche's modules and plugins want to know of each."""
    benchmark = benchmark_from_datasets(**datasets)
    has_classes = objective_of(facts).has_classes
    benchmark = with_task_labels(with_classes_timeline(benchmark) if has_classes else benchmark)
    for stream in benchmark.streams.values():
        for experience in stream:
            # Avalanche's multi-head modules index by position, which its own set of classes does not allow. They ask
            # for classes also where there are none: each value to predict takes the place of one.
            classes = experience.classes_in_this_experience if has_classes else range(facts.classes_per_experience)
            experience.classes_in_this_experience = sorted(classes)
    return benchmark


def alone(experience: Any) -> Any:
    """The same experience, with its number, as the only one of a stream and a benchmark of its own."""
    single = copy.copy(experience)
    stream = EagerCLStream(experience.origin_stream.name, [single], set_stream_info=False)
    CLScenario([stream])
    single.origin_stream = stream
    return single


def in_memory_samples(experience: object) -> Samples | None:
    """The tensors of an experience of ours, None for any other experience."""
    return getattr(experience, "in_memory", None)


def _datasets(parts: Sequence[Samples], scenario: Scenario) -> list[Any]:
    return [
        samples.avalanche_dataset(task_label=index if scenario is Scenario.TASK else 0)
        for index, samples in enumerate(parts)
    ]


def subset_by_classes(x: Tensor, y: Tensor, classes: Sequence[int], first_label: int) -> Samples:
    """The samples of these classes in their order in the data, labelled first_label, first_label + 1, ...; those that
    were cut out of the same inputs share them."""
    new_labels = torch.full((256,), -1, dtype=torch.int64)
    for position, digit in enumerate(classes):
        new_labels[digit] = first_label + position
    chosen = new_labels[y.long()]
    kept = chosen >= 0
    return Samples(x, chosen[kept], rows=kept.nonzero().squeeze(1))
