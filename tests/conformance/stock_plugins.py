"""Twelve of Avalanche's own plugins, each as one would write it with ClassifierTemplate."""

from dataclasses import dataclass

from hnet_bench.interfaces import Scenario


class _Stock:
    scenarios = tuple(Scenario)

    def build(self, setup):
        from avalanche.training import plugins

        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate

        return ClassifierTemplate(setup=setup, plugins=[self.plugin(plugins)])


@dataclass(frozen=True, kw_only=True)
class Ewc(_Stock):
    name = "stock_ewc"

    def plugin(self, plugins):
        return plugins.EWCPlugin(ewc_lambda=1.0)


@dataclass(frozen=True, kw_only=True)
class Si(_Stock):
    name = "stock_si"

    def plugin(self, plugins):
        return plugins.SynapticIntelligencePlugin(si_lambda=1.0)


@dataclass(frozen=True, kw_only=True)
class Mas(_Stock):
    """In CL1 and CL2 it takes the loss of a single class, which is 0, for a missing one."""

    name = "stock_mas"
    scenarios = (Scenario.CLASS,)

    def plugin(self, plugins):
        return plugins.MASPlugin()


@dataclass(frozen=True, kw_only=True)
class Rwalk(_Stock):
    name = "stock_rwalk"

    def plugin(self, plugins):
        return plugins.RWalkPlugin()


@dataclass(frozen=True, kw_only=True)
class Agem(_Stock):
    name = "stock_agem"

    def plugin(self, plugins):
        return plugins.AGEMPlugin(patterns_per_experience=20, sample_size=16)


@dataclass(frozen=True, kw_only=True)
class Lwf(_Stock):
    name = "stock_lwf"

    def plugin(self, plugins):
        return plugins.LwFPlugin(alpha=1, temperature=2)


@dataclass(frozen=True, kw_only=True)
class Gdumb(_Stock):
    name = "stock_gdumb"

    def plugin(self, plugins):
        return plugins.GDumbPlugin(mem_size=60)


@dataclass(frozen=True, kw_only=True)
class Replay(_Stock):
    name = "stock_replay"

    def plugin(self, plugins):
        return plugins.ReplayPlugin(mem_size=500)


@dataclass(frozen=True, kw_only=True)
class FromScratch(_Stock):
    name = "stock_from_scratch"

    def plugin(self, plugins):
        from avalanche.training.plugins.from_scratch_training import FromScratchTrainingPlugin

        return FromScratchTrainingPlugin()


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(_Stock):
    name = "stock_early_stopping"

    def plugin(self, plugins):
        return plugins.EarlyStoppingPlugin(patience=3, val_stream_name="train_stream")


@dataclass(frozen=True, kw_only=True)
class Bic(_Stock):
    """Sets the data set of an experience, which Avalanche's own experiences do not allow any more."""

    name = "stock_bic"
    scenarios = (Scenario.CLASS,)

    def plugin(self, plugins):
        return plugins.BiCPlugin(mem_size=60)


@dataclass(frozen=True, kw_only=True)
class Lfl(_Stock):
    """Needs a model of Avalanche's class for its features."""

    name = "stock_lfl"

    def plugin(self, plugins):
        return plugins.LFLPlugin(lambda_e=0.1)
