"""What holds of several baselines: settings that are refused, sizes, the first experience, what is forgotten."""

import math
from types import SimpleNamespace

import pytest
import torch

from baselines.agem import Agem
from baselines.bir import Bir
from baselines.dgr import Dgr, DgrDistill
from baselines.er import Er
from baselines.ewc import EmpiricalEwc, Ewc, OnlineEwc
from baselines.finetune import Finetune
from baselines.fromp import Fromp
from baselines.generative_classifier import GenerativeClassifier
from baselines.icarl import Icarl
from baselines.lwf import Lwf
from baselines.mas import Mas
from baselines.si import Si
from baselines.xdg import Xdg
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError


@pytest.mark.parametrize(
    ("cls", "change", "message"),
    [
        (Agem, {"per_class": -3}, "per_class of agem must be at least 1, found -3"),
        (Bir, {"gated_fraction": 1.0}, "gated_fraction of bir must be at least 0 and below 1, found 1.0"),
        (Bir, {"temperature": -1.0}, "temperature must be positive, found -1.0"),
        (Fromp, {"per_class": 0}, "per_class of fromp must be at least 1, found 0"),
        (Fromp, {"noise": 0.0}, "noise of fromp must be positive, found 0.0"),
        (Fromp, {"strength": math.nan}, "strength must not be negative, found nan"),
        (GenerativeClassifier, {"latent": 0}, "latent of generative_classifier must be at least 1, found 0"),
        (Er, {"per_class": 0}, "per_class of er must be at least 1, found 0"),
        (Icarl, {"budget": 0}, "budget of icarl must be at least 1, found 0"),
        (Icarl, {"per_class": -1}, "per_class of icarl must be at least 1, found -1"),
        (Icarl, {"temperature": 0.0}, "temperature of icarl must be positive, found 0.0"),
        (Lwf, {"temperature": 0.0}, "temperature must be positive, found 0.0"),
        (Ewc, {"strength": math.nan}, "strength must not be negative, found nan"),
        (EmpiricalEwc, {"strength": -1.0}, "strength must not be negative, found -1.0"),
        (OnlineEwc, {"strength": -1.0}, "strength must not be negative, found -1.0"),
        (OnlineEwc, {"fisher": "empirical"}, "fisher must be 'predicted', 'exact' or 'true', found 'empirical'"),
        (OnlineEwc, {"fisher_samples": 0}, "fisher_samples must be at least 1, found 0"),
        (OnlineEwc, {"decay": 0.0}, "decay must be above 0 and at most 1, found 0.0"),
        (OnlineEwc, {"decay": 1.1}, "decay must be above 0 and at most 1, found 1.1"),
        (Si, {"strength": -1.0}, "strength must not be negative, found -1.0"),
        (Si, {"damping": 0.0}, "damping must be positive, found 0.0"),
        (Mas, {"strength": -1.0}, "strength must not be negative, found -1.0"),
        (Mas, {"importance_samples": 0}, "importance_samples must be at least 1, found 0"),
        (Xdg, {"gated_fraction": -0.1}, "must be at least 0 and below 1, found -0.1"),
        (Xdg, {"gated_fraction": 1.0}, "must be at least 0 and below 1, found 1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(cls, change, message):
    with pytest.raises(UserError, match=message):
        cls(**change)


def test_a_budget_that_leaves_a_class_without_exemplars_is_refused(built):
    with pytest.raises(UserError, match="at least one exemplar per class, that is 6, found 5"):
        built(Icarl(budget=5))


SPLIT, PERMUTED = (5, 2, 784), (10, 10, 1024)  # experiences, classes in each, inputs


@pytest.mark.parametrize(
    ("strategy", "sizes", "units", "classifier", "others"),
    [
        (Dgr(), SPLIT, 400, 478_410, {"generator": 1_069_684}),
        (Dgr(), PERMUTED, 1000, 2_126_100, {"generator": 4_353_124}),
        # 400 x 100 + 100 and 400 x 100 for latent values, 10 x 200 for the prior, and 100-400-400-784 back.
        (Bir(), SPLIT, 400, 478_410, {"generator": 40_100 + 40_000 + 2_000 + 40_400 + 160_400 + 314_384}),
        # Ten times 784-85-85 to 5 + 5 (no bias for log-variances), 5-85-85-784: 74,035 + 855 + 75,244.
        (GenerativeClassifier(), SPLIT, 85, 150_134, {"trained": 1_501_340}),
    ],
)
def test_parameters_are_as_many_as_in_the_papers(strategy, sizes, units, classifier, others, built):
    experiences, classes, inputs = sizes
    facts = BenchmarkFacts(experiences=experiences, classes_per_experience=classes, input_shape=(inputs,))
    template = built(strategy, stream=SimpleNamespace(facts=facts), hidden_units=(units, units))
    assert template.parameter_counts() == {"trained": classifier, "target": classifier, **others}


def weights(template):
    return torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])


@pytest.mark.parametrize(
    "strategy", [Lwf(), Dgr(), DgrDistill(), Er(), Agem(), Ewc(), Si(), Mas()], ids=lambda s: s.name
)
def test_the_first_experience_is_fine_tuning_bit_for_bit(strategy, built, stream_of):
    stream = stream_of()
    found = []
    for one in (strategy, Finetune()):
        template = built(one)
        for experience in stream[:2]:
            template.train(experience, eval_streams=[])
            found.append(weights(template))
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[1], found[3])


@pytest.mark.parametrize(
    ("strategy", "scenario", "options", "least"),
    [
        *((Er(per_class=10), scenario, {"iterations": 200}, 0.9) for scenario in Scenario),
        (Fromp(strength=1e-3, per_class=20), Scenario.CLASS, {"iterations": 200}, 0.6),
        (
            Bir(),
            Scenario.CLASS,
            {"iterations": 400, "hidden_units": (50,), "learning_rate": 3e-3, "batch_size": 32},
            0.7,
        ),
    ],
)
def test_what_is_stored_or_generated_beats_forgetting(strategy, scenario, options, least, learnt):
    """In CLASS fine-tuning knows the last experience alone: one third."""
    test = Evaluator(Synthetic().build(scenario=scenario, seed=1))
    assert sum(test.evaluate(learnt(strategy, scenario, **options)).score) / 3 > least


def test_agem_forgets_less_of_the_first_experience(learnt):
    test = Evaluator(Synthetic().build(scenario=Scenario.DOMAIN, seed=1))
    first = [test.evaluate(learnt(one, Scenario.DOMAIN, iterations=200)).score[0] for one in (Agem(), Finetune())]
    assert first[0] > first[1] + 0.2


def test_held_parameters_forget_less_than_those_of_fine_tuning(learnt):
    """Mean accuracy in TASK after five experiences, on a network that is too small not to forget."""
    data = Synthetic(classes_per_experience=4, experiences=5, train_per_class=40)
    test = Evaluator(data.build(scenario=Scenario.TASK, seed=1))

    def final(strategy):
        options = {"iterations": 200, "batch_size": 20, "hidden_units": (10,)}
        return sum(test.evaluate(learnt(strategy, Scenario.TASK, stream=data, **options)).score) / 5

    plain = final(Finetune())
    for strategy in (Ewc(strength=100.0), OnlineEwc(strength=100.0), Si(strength=0.5), Mas(strength=0.03)):
        assert final(strategy) > plain + 0.05, strategy.name
