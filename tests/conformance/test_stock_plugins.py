"""Avalanche's own plugins and classes pass every check; those that cannot, for a reason that is theirs."""

from pathlib import Path

import pytest

from hnet_bench.conformance.kit import conformance

STOCK = Path(__file__).with_name("stock_plugins.py")


def problems(name, hyperparameters=None):
    return [(one.check, one.problem) for one in conformance(name, hyperparameters) if one.problem]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["Ewc", "Mas", "Rwalk", "Agem", "Lwf", "FromScratch", "EarlyStopping"])
def test_a_stock_plugin_passes_every_check_in_the_scenarios_that_it_supports(name):
    assert problems(f"{STOCK}:{name}") == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("EWC", {"ewc_lambda": 1.0}), ("Replay", {"mem_size": 500}), ("GDumb", {"mem_size": 60}), ("ER_ACE", {})],
)
def test_so_does_a_stock_class(name, arguments):
    """Naive is what our own strategies are asked for with."""
    assert problems("stock", {"of": f"avalanche.training.{name}", "arguments": arguments}) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Bic", "property 'dataset' of 'DatasetExperience' object has no setter"), ("Lfl", "get_features")],
)
def test_others_do_not_train_at_all(name, reason):
    found = problems(f"{STOCK}:{name}")
    assert {check for check, _ in found} == {"trains"}
    assert all(reason in problem for _, problem in found)
