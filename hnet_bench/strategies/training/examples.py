"""A few replayed samples of every task, kept beside a record for the figures."""

from __future__ import annotations

import numpy

from hnet_bench.interfaces import Setup
from hnet_bench.strategies.training.replay_model import ReplayModel

_PER_TASK = 10


def replay_examples(model: ReplayModel, setup: Setup) -> dict[str, numpy.ndarray]:
    """ "replay_samples": bytes (experiences - 1, 10, *input_shape); nothing where there is nothing to replay."""
    if model.tasks == 0:
        return {}
    samples = model.examples(_PER_TASK, setup.generator("replay_examples"))
    pixels = (samples * 255).round().byte().cpu().numpy()
    return {"replay_samples": pixels.reshape(model.tasks, _PER_TASK, *setup.facts.input_shape)}
