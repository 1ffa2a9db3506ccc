"""Figures: each kind is a function of a frame of scores that draws on axes and returns them.

    from hnet_bench import api
    from hnet_bench.reporting import figures

    frame = api.scores("quick", scenarios="CL3")
    figures.learning_curves(frame, ax=ax)

`docs/figures.md` shows them. matplotlib and seaborn are loaded by what draws, when it draws.
"""

from hnet_bench.reporting.figures.arrays import embedding_space, regression, replay_samples
from hnet_bench.reporting.figures.averages import comparison, forest
from hnet_bench.reporting.figures.curves import learning_curves, many_tasks, step_time, task_inference
from hnet_bench.reporting.figures.experiences import compression, during_and_final, matrices, transfer
from hnet_bench.reporting.figures.style import STYLE
from hnet_bench.reporting.figures.trials import tuning

__all__ = [
    "STYLE",
    "comparison",
    "compression",
    "during_and_final",
    "embedding_space",
    "forest",
    "learning_curves",
    "many_tasks",
    "matrices",
    "regression",
    "replay_samples",
    "step_time",
    "task_inference",
    "transfer",
    "tuning",
]
