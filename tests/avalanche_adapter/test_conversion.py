"""A benchmark may build one of Avalanche's: its samples are taken as they are, its labels become the scenario's."""

from dataclasses import dataclass, replace

import pytest
import torch
from avalanche.benchmarks import benchmark_from_datasets, nc_benchmark
from avalanche.benchmarks.utils import as_classification_dataset
from torch.utils.data import Dataset

from hnet_bench.avalanche_adapter.conversion import in_memory
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError

FACTS = BenchmarkFacts(experiences=2, classes_per_experience=2, input_shape=(3,))


class Eight(Dataset):
    """Sample i is [i, i, i] and of class i modulo 4, or those at the given positions."""

    def __init__(self, positions=range(8)):
        self.positions = list(positions)
        self.targets = [position % 4 for position in self.positions]

    def __len__(self):
        return len(self.positions)

    def __getitem__(self, index):
        return [float(self.positions[index])] * 3, self.targets[index]


def new_classes(**changes):
    """Classes 2 and 0, then 3 and 1."""
    settings = {"train_transform": torch.tensor, "eval_transform": torch.tensor, **changes}
    order = [2, 0, 3, 1]
    return nc_benchmark(Eight(), Eight(), n_experiences=2, task_labels=False, fixed_class_order=order, **settings)


def of_datasets(*positions):
    parts = [
        as_classification_dataset(
            Eight(one), transform_groups={"train": (torch.tensor, None), "eval": (torch.tensor, None)}
        )
        for one in positions
    ]
    return benchmark_from_datasets(train=parts, test=parts)


def made(build, facts=FACTS, scenario=Scenario.CLASS):
    @dataclass(frozen=True, kw_only=True)
    class Mine:
        name = "mine"
        datasets = ()

        @property
        def facts(self):
            return facts

        def build(self, *, scenario, seed, folder=None):
            return build()

    return in_memory(Mine(), scenario=scenario, seed=1)


def labels(part):
    return dict(zip(part.x[:, 0].tolist(), part.y.tolist(), strict=True))


@pytest.mark.parametrize("from_zero", [False, True])
@pytest.mark.parametrize(("scenario", "first"), [(Scenario.TASK, 0), (Scenario.DOMAIN, 0), (Scenario.CLASS, 2)])
def test_labels_become_those_of_the_scenario(scenario, first, from_zero):
    found = made(lambda: new_classes(class_ids_from_zero_in_each_exp=from_zero), scenario=scenario)
    for parts in (found.train, found.test):
        # With its own labels from zero, 2 comes before 0 in the order of classes.
        assert labels(parts[0]) == ({0: 1, 4: 1, 2: 0, 6: 0} if from_zero else {0: 0, 4: 0, 2: 1, 6: 1})
        second = {1: 1, 5: 1, 3: 0, 7: 0} if from_zero else {1: 0, 5: 0, 3: 1, 7: 1}
        assert labels(parts[1]) == {position: first + label for position, label in second.items()}
        assert [(part.x.dtype, tuple(part.x.shape)) for part in parts] == [(torch.float32, (4, 3))] * 2


def test_classes_that_come_back_are_others_in_a_later_experience():
    facts = replace(FACTS, classes_per_experience=4)
    found = made(lambda: of_datasets([0, 1, 2, 3], [4, 5, 6, 7]), facts)
    assert [part.y.tolist() for part in found.train] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_values_to_predict_stay():
    facts = replace(FACTS, problem_type="regression", classes_per_experience=1)
    found = made(lambda: of_datasets([0, 1], [6, 7]), facts)
    assert [part.y.tolist() for part in found.train] == [[0, 1], [2, 3]]
    assert found.train[0].y.dtype == torch.float32


def test_the_data_of_a_record_are_named_by_their_content():
    (first,), (again,) = (made(new_classes).data_sums.items() for _ in range(2))
    assert first == again
    assert first[0] == "mine"
    assert len(first[1]) == 64
    assert made(lambda: of_datasets([0, 1, 4], [2, 3, 6])).data_sums["mine"] != first[1]


@pytest.mark.parametrize(
    ("build", "facts", "sentence"),
    [
        (dict, {}, "Mine builds a dict: expected what in_memory_benchmark of"),
        (new_classes, {"experiences": 3}, "say 3 experiences, and the train stream of its Avalanche benchmark has 2"),
        (new_classes, {"classes_per_experience": 3}, "say 3 classes in each experience, and number 1 .* has 2"),
        (new_classes, {"input_shape": (3, 1)}, r"say inputs of shape \(3, 1\), found \(3,\)"),
        (lambda: new_classes(train_transform=None, eval_transform=None), {}, "must be tensors, found a list"),
        (
            lambda: new_classes(train_transform=lambda x: torch.tensor(x) + torch.rand(3)),
            {},
            "give its Avalanche benchmark the same train_transform and eval_transform",
        ),
    ],
)
def test_what_does_not_fit_is_refused(build, facts, sentence):
    with pytest.raises(UserError, match=sentence):
        made(build, replace(FACTS, **facts))
