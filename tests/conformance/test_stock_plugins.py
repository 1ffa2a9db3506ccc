"""Avalanche's own plugins pass every check; those that cannot, for a reason that is theirs."""

from pathlib import Path

import pytest

from hnet_bench.conformance.kit import conformance

STOCK = Path(__file__).with_name("stock_plugins.py")


def problems(name):
    return [(one.check, one.problem) for one in conformance(f"{STOCK}:{name}") if one.problem]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name", ["Ewc", "Si", "Mas", "Rwalk", "Agem", "Lwf", "Gdumb", "Replay", "FromScratch", "EarlyStopping"]
)
def test_a_stock_plugin_passes_every_check_in_the_scenarios_that_it_supports(name):
    assert problems(name) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Bic", "property 'dataset' of 'DatasetExperience' object has no setter"), ("Lfl", "get_features")],
)
def test_others_do_not_train_at_all(name, reason):
    found = problems(name)
    assert {check for check, _ in found} == {"trains"}
    assert all(reason in problem for _, problem in found)
