"""Our own strategies pass every check, and for every mutant a line names the fault."""

from pathlib import Path
from typing import get_args

import pytest

from hnet_bench import catalog
from hnet_bench.cli import main
from hnet_bench.conformance import checks, kit
from hnet_bench.conformance.kit import conformance
from hnet_bench.interfaces import NetworkName

MUTANTS = Path(__file__).with_name("mutants.py")
# What a strategy without usable defaults is checked with.


def problems(name, hyperparameters=None):
    return {one.check: one.problem for one in conformance(name, hyperparameters) if one.problem}


@pytest.mark.parametrize("name", list(catalog.names("strategies")))
def test_every_strategy_of_ours_conforms(name):
    assert problems(name) == {}


def test_a_network_that_a_strategy_does_not_have_is_a_problem_in_words():
    found = {one.check: one.problem for one in conformance("hnet", network="resnet32") if one.problem}
    assert list(found) == ["trains"]
    assert "The strategy does not learn with the network resnet32" in found["trains"]


@pytest.mark.parametrize("network", [name for name in get_args(NetworkName) if name != "mlp"])
def test_the_images_for_networks_that_convolve_are_learnt(monkeypatch, network):
    """All checks take a minute; that it learns here is what the others stand on."""
    monkeypatch.setattr(kit, "FOR_EACH_SCENARIO", {"learns": checks.learns})
    assert [one.problem for one in conformance("hnet_conv", network=network)] == [None] * 4


@pytest.mark.parametrize("name", ["Sound", "KeepsItsSettings", "WorksOnAfterEachStep", "FreezesItsFirstLayer"])
def test_a_sound_strategy_has_no_problem(name):
    assert problems(f"{MUTANTS}:{name}") == {}


def test_what_is_frozen_on_the_way_is_counted():
    assert problems("hnet", {"frozen_after": 1}) == {}


@pytest.mark.parametrize(
    ("mutant", "check", "sentence"),
    [
        ("ReadsTaskLabels", "no task identity when evaluated", "depend on the task label"),
        ("AsksTheBatch", "no task identity when evaluated", "other samples of a batch"),
        ("FailsOnASingleSample", "no task identity when evaluated", "other samples of a batch"),
        ("CentresLargeBatches", "no task identity when evaluated", "other samples of a batch"),
        ("ForgotTheSeed", "same seed, same parameters; another seed, others", "other parameters the second time"),
        ("SharesState", "same seed, same parameters; another seed, others", "from one run to the next"),
        ("KnowsOneSeed", "same seed, same parameters; another seed, others", "Another seed gives the same"),
        ("BuffersTestData", "no test data in training", "Test data reach the training"),
        ("BuffersValidationData", "no test data in training", "Validation data reach the training"),
        ("NormalisesWithTestData", "no test data in training", "with other test data the answers differ"),
        ("NormalisesWithTestData", "evaluating leaves no trace", "changes what it answers afterwards"),
        ("AnswersByChance", "same seed, same parameters; another seed, others", "other answers the second time"),
        ("CountsEvaluations", "evaluating leaves no trace", "changes what it learns afterwards"),
        ("Miscounts", "counts its parameters", "trains 462 parameters, and counts 10"),
        ("CountsOne", "counts its parameters", "trains 462 parameters, and counts 1 in parameter_counts()"),
        ("CountsASmallerNetwork", "counts its parameters", "trains 2286 parameters, and counts 462"),
        (
            "ClaimsALargeTarget",
            "keeps to the protocol",
            "a target network of 1000000000 parameters, and the protocol's",
        ),
        (
            "HasALargerNetwork",
            "keeps to the protocol",
            "a target network of 2286 parameters, and the protocol's has 462",
        ),
        ("TakesMoreSteps", "keeps to the protocol", "takes 900 optimiser steps in all, and the protocol has 180"),
        ("StepsManyTimes", "keeps to the protocol", "takes 900 optimiser steps in all, and the protocol has 180"),
        ("TrainsCopies", "keeps to the protocol", "which is more than 180 steps of the 462 kept"),
        ("StepsByHand", "keeps to the protocol", "takes 0 optimiser steps in all, and the protocol has 180"),
        ("LearnsFaster", "keeps to the protocol", "a learning rate of 0.03, and the protocol's is 0.01"),
        ("TakesLargerBatches", "keeps to the protocol", "trains on 28800 samples, and 180 batches"),
        ("TakesAnotherOptimiser", "keeps to the protocol", "takes steps of SGD, and the protocol's are Adam's"),
        ("KeepsEverySample", "keeps no more than it says", "keeps 6000 of the 6000 training samples until then"),
        ("KeepsExperiences", "keeps no more than it says", "keeps 6000 of the 6000 training samples until then"),
        (
            "KeepsANetworkPerTask",
            "keeps no more than it says",
            "answers with 1848 numbers that it keeps, and counts 462",
        ),
        ("KeepsWeightsPerTask", "keeps no more than it says", "numbers that it keeps, and counts 462"),
        ("ReachesForTheFuture", "trains", "It stopped with IndexError"),
        ("ReachesForThePast", "trains", "It stopped with IndexError"),
        ("TakesTheLogarithmOfZero", "its numbers stay finite", "of training, the loss is nan"),
        ("CountsWhatIsNotThere", "counts its parameters", "count only what is there"),
        ("KeepsAClosure", "goes on from a checkpoint", "KeepsAClosure.weight_of, a function, cannot be kept"),
        ("HidesState", "goes on from a checkpoint", "ends differently"),
        ("TrainsNothing", "trains", "Training changed no parameter"),
        ("Overflows", "its numbers stay finite", "In experience 1 of 3, at step 1 of training, the loss is nan"),
        ("MixesUpColumns", "learns", "guessing gives 50%"),
        ("ExpectsTwoClasses", "takes degenerate streams", "With one class per experience it stops: ValueError"),
        ("Crashes", "trains", "It stopped with AttributeError: 'Crashes' object has no attribute 'no_such"),
        ("IsNotFrozen", "is declared as a frozen dataclass", "frozen=True"),
        ("HasNoName", "is declared as a frozen dataclass", "Give the class a name"),
        ("NamesScenariosAsText", "is declared as a frozen dataclass", "tuple of Scenario members"),
        ("HasAHyperparameterWithoutAType", "is declared as a frozen dataclass", "write strength: float = 0.5"),
        ("HasAFunctionAsHyperparameter", "hyperparameters survive JSON and pickle", "cannot be written as JSON"),
        ("ChangesItsSettings", "hyperparameters survive JSON and pickle", "change when they are written"),
    ],
)
def test_every_fault_is_named(monkeypatch, mutant, check, sentence):
    """By its check, and by those without which it is not asked."""
    asked = {name: ask for name, ask in checks.FOR_EACH_SCENARIO.items() if name in (*checks.NECESSARY, check)}
    monkeypatch.setattr(kit, "FOR_EACH_SCENARIO", asked)
    found = problems(f"{MUTANTS}:{mutant}")
    assert sentence in found.get(check, ""), found
    assert "\n" not in found[check]


def test_the_place_of_an_error_in_a_users_file_is_given():
    assert f"of {MUTANTS.resolve()})" in problems(f"{MUTANTS}:Crashes")["trains"]


def test_a_fault_shows_in_the_command_and_its_exit_code(capsys):
    assert main(["check", f"{MUTANTS}:Miscounts"]) == 1
    out = capsys.readouterr().out
    assert "failed CL3 counts its parameters" in out
    assert "count every network" in out
    assert out.endswith("Miscounts: 15 checks, 1 failed.\n")


def test_hyperparameters_can_be_set(capsys):
    assert main(["check", "hnet", "--set", "chunk_size=50", "hidden_units=[4]", "activation=elu"]) == 0
    assert "hnet: 15 checks, none failed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "There is no strategy or benchmark 'nothing': known are agem, "),
        (["split_mnst"], "Did you mean 'split_mnist'"),
        (["hnet", "--set", "chunk=5"], "Unknown key 'chunk'"),
        (["hnet", "--set", "chunk_size"], "Give hyperparameters as KEY=VALUE, found 'chunk_size'."),
        (["hnet", "--set", "chunk_size=many"], "must be a whole number, found 'many'"),
    ],
)
def test_a_slip_of_the_user_is_one_sentence(arguments, message, capsys):
    assert main(["check", *arguments]) == 2
    assert message in capsys.readouterr().err
