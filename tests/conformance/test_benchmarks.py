"""Our own benchmarks pass every check of `hnet-bench check`, and for every mutant a line names the fault."""

from pathlib import Path

import pytest

from hnet_bench.conformance.kit import benchmark_conformance

MUTANTS = Path(__file__).with_name("benchmark_mutants.py")
IN_EACH_SCENARIO = 8


def findings(name, settings=None):
    return list(benchmark_conformance(name, settings))


def problems(name):
    return {one.check: one.problem for one in findings(f"{MUTANTS}:{name}") if one.problem}


@pytest.mark.parametrize(
    ("name", "settings"), [("synthetic", {}), ("synthetic", {"image_side": 4}), ("regression_1d", {})]
)
def test_our_own_pass(name, settings):
    assert [one.problem for one in findings(name, settings) if one.problem] == []


@pytest.mark.parametrize("name", ["Sound", "SharesOneOfAHundred"])
def test_a_sound_benchmark_has_no_problem(name):
    assert problems(name) == {}


@pytest.mark.parametrize(
    ("mutant", "check", "sentence"),
    [
        ("ForgetsTheSeed", "same seed, same data", "The same seed gives other data the second time"),
        ("TestsOnTrainingData", "no test data in training", "Of the 300 test inputs of experience 1 300 are training"),
        ("SharesThreeOfAHundred", "no test data in training", "Of the 300 test inputs of experience 1 9 are training"),
        (
            "LabelsFromZero",
            "labels fit the scenario",
            "In CL3 the labels of the training samples of experience 2 must be 2 to 3",
        ),
        (
            "LacksAClassInTest",
            "labels fit the scenario",
            "the test samples of experience 2 must be 2 to 3, all of them, as int64; found 2 ",
        ),
        (
            "SameInputsInEveryExperience",
            "one label for an input",
            "Of the 600 training inputs 600 occur with two labels",
        ),
        ("PixelsUpTo255", "sizes and values are those of its facts", "and its facts say 0 and 1: scale them"),
        (
            "OtherShape",
            "sizes and values are those of its facts",
            "float32 of shape (4,), as its facts say; the training samples of experience 1 are float32 of shape (2, 2)",
        ),
        ("Doubles", "sizes and values are those of its facts", "are float64 of shape (4,)"),
        ("NotANumber", "sizes and values are those of its facts", "are not finite"),
        ("NoTestSamples", "is built", "needs samples to train on and to test, and number 1 has no test samples"),
        ("BytesAsLabels", "labels fit the scenario", "found 0, 1 as uint8"),
        ("OtherFacts", "is built", "It builds a stream with other facts than its own"),
        ("OneExperience", "is built", "Expected 1 experiences, found 2 for training"),
        ("NamelessData", "records name its data", "The content of mnist is in no record"),
        ("NoName", "is declared as a frozen dataclass", "Give the class a name"),
        ("ForNobody", "is for some scenario", "It refuses all of them: This is for nobody"),
    ],
)
def test_every_fault_is_named(mutant, check, sentence):
    found = problems(mutant)
    assert sentence in found.get(check, ""), found
    assert "\n" not in found[check]


def test_only_scenarios_that_it_does_not_refuse_are_asked():
    asked = [one.scenario and one.scenario.label for one in findings(f"{MUTANTS}:TaskAlone")]
    assert asked == [None] * 2 + ["CL1"] * IN_EACH_SCENARIO


def test_a_fault_shows_in_the_command_and_its_exit_code(said, refused):
    out = said(["check", f"{MUTANTS}:PixelsUpTo255"], code=1).out
    assert "failed CL3 sizes and values are those of its facts" in out
    assert out.endswith(f"PixelsUpTo255: {2 + 3 * 2} checks, 3 failed.\n")
    assert said("check synthetic --set experiences=1").out.endswith("synthetic: 26 checks, none failed.\n")
    assert refused("check synthetic --set experience=1").startswith("Unknown key 'experience'")
    assert (
        refused("check synthetic --network zenke")
        == "A network is for the check of a strategy, and synthetic is a benchmark."
    )
