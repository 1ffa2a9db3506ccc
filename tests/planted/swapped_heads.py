"""HNET with a planted fault: what is learnt is sound, but the first two tasks answer with each other's classifier."""

from dataclasses import dataclass

from hnet_bench.strategies.hnet import Hnet


@dataclass(frozen=True, kw_only=True)
class SwappedHeads(Hnet):
    """Takes the settings of HNET."""

    name = "swapped_heads"

    def build(self, setup):
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        class Swapped(ChunkedHypernetworkTemplate):
            def forward(self):
                if self.is_training:
                    return super().forward()
                task = self.mb_task_id
                return self.classifier(self.mb_x, task.where(task > 1, 1 - task))

        return Swapped(setup=setup, settings=self)
