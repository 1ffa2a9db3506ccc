"""The protocol: steps and learning rate of an experience, run ids of specs that do not use them, what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario, TrainingProtocol, UserError
from hnet_bench.runs.cost import Costs, timing_of
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.strategies.hnet import Hnet


def test_all_experiences_have_the_same_steps_unless_later_ones_have_others() -> None:
    assert [TrainingProtocol(iterations=7).steps(experience) for experience in range(3)] == [7, 7, 7]
    protocol = TrainingProtocol(iterations=7, later_iterations=2)
    assert [protocol.steps(experience) for experience in range(3)] == [7, 2, 2]


def test_the_learning_rate_changes_after_the_step_at_which_its_share_is_over() -> None:
    protocol = TrainingProtocol(iterations=10, learning_rate=2.0, learning_rate_steps=((0.3, 0.1), (0.8, 0.5)))
    rates = [protocol.learning_rate_at(step, 10) for step in range(10)]
    assert rates == [2.0] * 4 + [0.2] * 5 + [1.0]
    assert TrainingProtocol(iterations=3, learning_rate=0.1).learning_rate_at(2, 3) == 0.1


def test_a_spec_that_uses_none_of_it_keeps_its_run_id(spec_of: Callable[..., RunSpec]) -> None:
    written = {"network": "mlp", "learning_rate_steps": [], "beta1": 0.9, "optimiser": "Adam", "weight_decay": 0.0}
    assert spec_of(protocol={"iterations": 5, **written}).run_id == spec_of().run_id
    assert not {*written, "later_iterations"} & set(spec_of().to_json()["protocol"])


def test_a_schedule_is_read_back_from_json(spec_of: Callable[..., RunSpec]) -> None:
    schedule = {"later_iterations": 3, "learning_rate_steps": [[0.5, 0.1]], "network": "resnet32", "beta1": 0.5}
    spec = spec_of(protocol={"iterations": 5, **schedule})
    assert RunSpec.from_json(spec.to_json()) == spec
    assert spec.to_json()["protocol"].items() >= schedule.items()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"later_iterations": 0}, "later_iterations must be positive, found 0"),
        ({"learning_rate_steps": ((0.5, 0.1), (0.4, 0.01))}, "ascending between 0 and 1"),
        ({"learning_rate_steps": ((1.0, 0.1),)}, "ascending between 0 and 1"),
        ({"learning_rate_steps": ((0.5, 0.0),)}, "positive factor"),
        ({"beta1": 1.0}, "at least 0 and below 1, found 1.0"),
        ({"optimiser": "SGD", "momentum": 1.0}, "momentum must be at least 0 and below 1, found 1.0"),
        ({"weight_decay": -0.1}, "weight_decay must not be negative, found -0.1"),
        ({"momentum": 0.9}, "momentum is of no use to Adam"),
        ({"optimiser": "SGD", "beta1": 0.5}, "beta1 is of no use to SGD"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        TrainingProtocol(iterations=5, **change)


@pytest.mark.parametrize(
    ("protocol", "after"),
    [
        # Two steps with gradient 1 from 1: plain, with momentum, and with an L2 penalty as part of the gradient.
        ({"optimiser": "SGD"}, 1 - 0.1 - 0.1),
        ({"optimiser": "SGD", "momentum": 0.5}, 1 - 0.1 - 0.15),
        ({"optimiser": "SGD", "weight_decay": 1.0}, (1 - 0.1 * 2) - 0.1 * 1.8),
        # Adam's first steps with a constant gradient are as long as the learning rate.
        ({}, 1 - 0.1 - 0.1),
        ({"optimiser": "AdamW", "weight_decay": 1.0}, ((1 * 0.9 - 0.1) * 0.9) - 0.1),
    ],
)
def test_the_optimiser_is_the_protocols(setup_of: Callable[..., Any], protocol: dict[str, Any], after: float) -> None:
    import torch

    parameter = torch.nn.Parameter(torch.ones(1))
    optimiser = setup_of(learning_rate=0.1, **protocol).optimiser([parameter])
    for _ in range(2):
        parameter.grad = torch.ones(1)
        optimiser.step()
    assert parameter.item() == pytest.approx(after, abs=1e-5)


@pytest.mark.parametrize("name", ["finetune", "ewc", "si", "er", "hnet_tir", "hnet_r"])
def test_a_strategy_takes_the_protocols_optimiser_or_refuses_it(learnt: Callable[..., Any], name: str) -> None:
    from hnet_bench import catalog

    strategy = catalog.build("strategies", name, {}, where="a test")
    if name.startswith("hnet"):
        with pytest.raises(UserError, match=r"expected the optimiser Adam in the protocol, .*found SGD"):
            learnt(strategy, iterations=2, optimiser="SGD")
    else:
        template = learnt(strategy, iterations=2, experiences=2, optimiser="SGD", weight_decay=0.1)
        assert {type(template.optimizer).__name__, template.optimizer.param_groups[0]["weight_decay"]} == {"SGD", 0.1}


@pytest.mark.parametrize("settings", [{"lookahead": False}, {"regularisation_strength": 0.0}])
def test_a_hypernetwork_that_looks_nowhere_ahead_takes_any_optimiser(
    learnt: Callable[..., Any], settings: dict[str, Any]
) -> None:
    template = learnt(Hnet(**settings), Scenario.TASK, iterations=2, experiences=2, optimiser="SGD")
    assert type(template.optimizer).__name__ == "SGD"


def test_costs_are_per_step_of_all_experiences(
    spec_of: Callable[..., RunSpec], record_of: Callable[..., Record]
) -> None:
    score = [[0.5] * 3] * 3
    seconds = {"train": [], "evaluate": [], "total": 24.0}
    short = timing_of(record_of(spec_of(protocol={"iterations": 4}), score=score, seconds=seconds))
    assert short
    found = Costs((short,)).estimate(spec_of(protocol={"iterations": 6, "later_iterations": 2}))
    assert found
    assert found.seconds == pytest.approx(2 * 10)  # 24 s for 12 steps; 6 + 2 + 2 are asked for
