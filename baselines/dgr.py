"""Deep Generative Replay: a second network learns to generate inputs like those seen, the classifier labels them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.dgr import DgrTemplate


@dataclass(frozen=True, kw_only=True)
class Dgr:
    """No hyperparameters. Shin et al. 2017 in the form of van de Ven & Tolias, arXiv 1904.07734.

    A symmetric VAE learns beside the classifier. From the second experience on, copies of both as they were before it
    give as many samples as a batch has, with the most probable old class as label (in CL1 one for every old head), and
    both learn (1 / t) of the current batch and (1 - 1 / t) of the replayed one.
    """

    name: ClassVar[str] = "dgr"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> DgrTemplate:
        """The strategy for one run."""
        from baselines.training.dgr import DgrTemplate

        return DgrTemplate(setup=setup, distillation=None)
