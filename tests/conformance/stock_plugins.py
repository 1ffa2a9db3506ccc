"""Nine of Avalanche's own plugins, each as one would use it with ClassifierTemplate."""

from dataclasses import dataclass

from avalanche.training import plugins
from avalanche.training.plugins.from_scratch_training import FromScratchTrainingPlugin

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario


def _stock(name, plugin, scenarios=tuple(Scenario)):
    """A strategy without hyperparameters that is fine-tuning with the plugin."""

    def build(self, setup):
        return ClassifierTemplate(setup=setup, plugins=[plugin()])

    attributes = {"name": name, "scenarios": scenarios, "build": build, "__module__": __name__}
    return dataclass(frozen=True, kw_only=True)(type(name, (), attributes))


Ewc = _stock("Ewc", lambda: plugins.EWCPlugin(ewc_lambda=1.0))
# In CL1 and CL2 it takes the loss of a single class, which is 0, for a missing one.
Mas = _stock("Mas", plugins.MASPlugin, (Scenario.CLASS,))
Rwalk = _stock("Rwalk", plugins.RWalkPlugin)
Agem = _stock("Agem", lambda: plugins.AGEMPlugin(patterns_per_experience=20, sample_size=16))
Lwf = _stock("Lwf", lambda: plugins.LwFPlugin(alpha=1, temperature=2))
FromScratch = _stock("FromScratch", FromScratchTrainingPlugin)
EarlyStopping = _stock("EarlyStopping", lambda: plugins.EarlyStoppingPlugin(patience=3, val_stream_name="train_stream"))
# Sets the data set of an experience, which Avalanche's own experiences do not allow any more.
Bic = _stock("Bic", lambda: plugins.BiCPlugin(mem_size=60), (Scenario.CLASS,))
# Needs a model of Avalanche's class for its features.
Lfl = _stock("Lfl", lambda: plugins.LFLPlugin(lambda_e=0.1))
