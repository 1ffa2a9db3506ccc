"""Settings of hypernetworks that make no sense, or do not go together, are refused in a sentence."""

import math
import re

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.strategies.hint import Hint
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.hnet_embedding_space import HnetEmbeddingSpace
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hnet_full import HnetFull
from hnet_bench.strategies.hnet_r import HnetR
from hnet_bench.strategies.hypermask import HyperMask
from hnet_bench.strategies.posterior_replay import PosteriorReplay

APART = {"one_per_task": True, "regularisation_strength": 0}  # a hypernetwork for each task
ALIKE = "regularises all old tasks alike"
CHOICES = {
    "regularised_tasks": 1,
    "online_targets": True,
    "generated_layers": 1,
    "fisher_weighted": True,
    "frozen_after": 1,
}


@pytest.mark.parametrize(
    ("cls", "settings", "words"),
    [
        (Hnet, {"regularised_tasks": 0}, "regularised_tasks of a hypernetwork must be at least 1, found 0"),
        (Hnet, {"generated_layers": 0}, "generated_layers of a hypernetwork must be at least 1, found 0"),
        (Hnet, {"frozen_after": 0}, "frozen_after of a hypernetwork must be at least 1, found 0"),
        (Hnet, {"shared_layers": "learnt"}, "shared_layers 'learnt' needs generated_layers"),
        (Hnet, {"fisher_weighted": True, "regularised_tasks": 1}, "With fisher_weighted all old tasks are held"),
        (
            Hnet,
            {"frozen_after": 1, "generated_layers": 1, "shared_layers": "learnt"},
            "set shared_layers to 'frozen', found 'learnt'",
        ),
        (
            HnetEnt,
            {"entropy": "naive", "criterion": "confidence"},
            "The naive entropy is for the criterion entropy, found confidence",
        ),
        (HnetEnt, {"one_per_task": True}, "With one_per_task nothing is regularised"),
        (HnetEnt, {**APART, "criterion": "entropy_gradient"}, "cannot be mixed"),
        (HnetEnt, {**APART, "frozen_after": 1}, "nothing is regularised or frozen"),
        *(
            (HnetEnt, {**APART, name: value}, f"nothing is regularised or shared: leave {name} out, found {value}")
            for name, value in CHOICES.items()
            if name != "frozen_after"
        ),
        *(
            (cls, {name: value}, f"{cls.name} generates all layers and {ALIKE}: it has no {name}.")
            for cls in (HnetConv, Hint)
            for name, value in CHOICES.items()
        ),
        (HnetConv, {"from_scratch": True}, "set regularisation_strength to 0"),
        (Hint, {"epsilon": -1.0}, "epsilon must not be negative"),
        (HnetEmbeddingSpace, {"task_embedding_size": 3}, "needs task_embedding_size 2, found 3"),
        (HnetEmbeddingSpace, {"grid_points": 1}, "grid_points must be at least 2"),
        (HnetEmbeddingSpace, {"grid_limit": 0.0}, "grid_limit must be positive"),
        (HnetEmbeddingSpace, {"grid_samples": 0}, "grid_samples must be at least 1"),
        (HnetFull, {"from_scratch": True}, "set regularisation_strength to 0"),
        (HnetFull, {"regularisation_strength": math.nan}, "must not be negative, found nan"),
        (HnetFull, {"task_embedding_size": 0}, "task_embedding_size must be at least 1"),
        (HnetFull, {"hidden_units": (3, 0)}, "Every item of hidden_units"),
        (HyperMask, {"percentile": 100.0}, "at least 0 and below 100, found 100.0"),
        (
            HyperMask,
            {"regularisation_strength": math.nan},
            "regularisation_strength of hypermask must not be negative, found nan",
        ),
        (HyperMask, {"weight_change_strength": -1.0}, "weight_change_strength of hypermask must not be negative"),
        (HyperMask, {"chunk_size": 0}, "chunk_size of hypermask must be at least 1, found 0"),
        (HyperMask, {"hidden_units": (3, 0)}, "every item of hidden_units of hypermask"),
        (PosteriorReplay, {"samples": 0}, "samples of posterior_replay must be at least 1, found 0."),
        (PosteriorReplay, {"prior_weight": -1.0}, "prior_weight must not be negative, found -1.0."),
        (PosteriorReplay, {"criterion": "disagreement", "test_samples": 1}, "set test_samples to at least 2"),
        (PosteriorReplay, {"generated_layers": 1}, "it has no generated_layers"),
        (
            HnetR,
            {"replay_adversarial_loss": "pearson"},
            "replay_adversarial_loss 'pearson' needs replay_method 'gan', found",
        ),
        (
            HnetR,
            {"replay_adversarial_beta1": 0.9},
            "replay_adversarial_beta1 0.9 needs replay_method 'gan', found 'vae'",
        ),
        (
            HnetR,
            {"replay_adversarial_beta1": 1.0, "replay_method": "gan"},
            "at least 0 and less than 1, found 1.0",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(cls, settings, words):
    with pytest.raises(UserError, match=re.escape(words)):
        cls(**settings)


def test_a_frozen_hypernetwork_may_share_layers_that_are_frozen_too():
    Hnet(frozen_after=1, generated_layers=1)
