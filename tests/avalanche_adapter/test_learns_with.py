"""Who does not say that it learns with something other than the ordinary is refused, before it learns wrongly."""

from types import SimpleNamespace

import pytest

from hnet_bench import catalog
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, UserError

NORMALISED = SimpleNamespace(
    facts=BenchmarkFacts(experiences=2, classes_per_experience=2, input_shape=(3, 4, 4), unit_range=False)
)
CURVES = {"stream": Regression1d()}
RESNET, ZENKE = ({"stream": Synthetic(image_side=12), "network": name} for name in ("resnet32", "zenke"))
SCHEDULES = [{"later_iterations": 2}, {"learning_rate_steps": ((0.5, 0.1),)}, {"beta1": 0.5}]


def template_of(name, built, options):
    strategy = catalog.build("strategies", name, {}, where="a test")
    return built(strategy, strategy.scenarios[0], **options)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        # Its Fisher matrix would be all zeros for a softmax over a single output: a silent fine-tuning.
        ("ewc", CURVES, "The strategy does not learn with the problem type regression"),
        ("hnet", CURVES, "The strategy does not learn with the problem type regression"),
        ("hnet", {"activation": "sigmoid"}, "The strategy does not learn with the activation sigmoid"),
        ("dgr", {"initialisation": "xavier"}, "The strategy does not learn with the initialisation xavier"),
        (
            "dgr",
            {"stream": NORMALISED},
            "does not learn with values of images beyond",
        ),  # it generates pixels
        # They train more than a main loop.
        *(
            (name, change, "does not learn with steps or learning rates that change")
            for name in ("hnet", "dgr")
            for change in SCHEDULES
        ),
        ("hnet", RESNET, "The strategy does not learn with the network resnet32"),
        ("hnet_embedding_space", ZENKE, "The strategy does not learn with the network zenke"),
        *(
            (name, RESNET, "does not learn with the network resnet32")
            for name in ("dgr", "dgr_distill", "icarl", "xdg", "empirical_ewc", "hnet_r")
        ),
        *(
            (name, {"network": "resnet32"}, "resnet32 needs images of at least 5 x 5 pixels, found inputs of shape")
            for name in ("finetune", "hnet_conv")
        ),
        (
            "hnet_conv",
            {"network": "zenke", "stream": Synthetic(image_side=9)},
            "zenke needs images of at least 10 x 10 pixels",
        ),
    ],
)
def test_who_does_not_say_that_it_can_is_refused(name, options, words, built):
    with pytest.raises(UserError, match=words):
        template_of(name, built, options)


def test_fine_tuning_takes_normalised_images(built):
    template_of("finetune", built, {"stream": NORMALISED})
