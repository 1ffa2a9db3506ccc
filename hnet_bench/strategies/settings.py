"""Hyperparameters that several strategies share: of a hypernetwork that generates classifiers, and of replay."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import pairwise
from math import ceil
from typing import ClassVar, Literal

from hnet_bench.interfaces import ADDED_LATER, BenchmarkFacts, Scenario, Settings, Setup, UserError


@dataclass(frozen=True, kw_only=True)
class HypernetworkSettings:
    """Defaults are those of the authors' split MNIST experiments (hypercl, mnist/train_args_default.py)."""

    # It may train more parameters than the protocol's network has: how many it takes to generate that is a result.
    any_size: ClassVar[bool] = True
    # Whether a strategy has none of the choices that were added later: it generates all layers, and holds all old tasks
    # alike.
    plain: ClassVar[bool] = False
    name: ClassVar[str]

    chunk_size: int = 42_000  # parameters generated at once
    hidden_units: tuple[int, ...] = (10, 10)  # of the hypernetwork
    activation: Literal["relu", "elu"] = "relu"  # after each hidden layer of the hypernetwork
    task_embedding_size: int = 96  # entries of what tells the hypernetwork the task
    chunk_embedding_size: int = 96  # entries of what tells it the chunk
    regularisation_strength: float = 0.01  # beta
    lookahead: bool = True  # regularise at theta + delta rather than at theta
    # Old tasks that are regularised in a step, drawn anew for each (the authors' hnet_reg_batch_size); None: all.
    regularised_tasks: int | None = field(default=None, metadata=ADDED_LATER)
    # What old tasks are held to is computed at every step rather than kept: memory that does not grow with the tasks.
    online_targets: bool = field(default=False, metadata=ADDED_LATER)
    # Last layers of the classifier that are generated; those before them are shared by all tasks, and nothing
    # regularises them (partial hypernetworks, Hemati et al. 2023, arXiv 2306.10724). None: all layers are generated.
    generated_layers: int | None = field(default=None, metadata=ADDED_LATER)
    # Whether shared layers learn in the first experience alone, or in all.
    shared_layers: Literal["frozen", "learnt"] = field(default="frozen", metadata=ADDED_LATER)
    # Generated parameters of an old task are held as they matter to it: squared changes are weighted by the diagonal of
    # the Fisher matrix, taken when the task was learnt and kept (the authors' ewc_weight_importance; unlike there
    # divided by its mean, so that beta keeps its meaning).
    fisher_weighted: bool = field(default=False, metadata=ADDED_LATER)
    # Tasks after which the hypernetwork stays as it is: later ones are learnt through their embeddings alone, so that
    # shared layers cannot go on learning.
    frozen_after: int | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        sizes = {
            "chunk_size": self.chunk_size,
            "task_embedding_size": self.task_embedding_size,
            "chunk_embedding_size": self.chunk_embedding_size,
            "every item of hidden_units": min(self.hidden_units, default=1),
            "regularised_tasks": 1 if self.regularised_tasks is None else self.regularised_tasks,
            "generated_layers": 1 if self.generated_layers is None else self.generated_layers,
            "frozen_after": 1 if self.frozen_after is None else self.frozen_after,
        }
        for name, size in sizes.items():
            if size < 1:
                raise UserError(f"{name} of a hypernetwork must be at least 1, found {size}.")
        if self.regularisation_strength < 0:
            raise UserError(f"regularisation_strength must not be negative, found {self.regularisation_strength}.")
        if self.fisher_weighted and (self.regularised_tasks is not None or self.online_targets):
            raise UserError(
                "With fisher_weighted all old tasks are held to targets that are kept: there are neither "
                "regularised_tasks nor online_targets then."
            )
        if self.generated_layers is None and self.shared_layers != "frozen":
            raise UserError(f"shared_layers '{self.shared_layers}' needs generated_layers: all layers are generated.")
        if self.frozen_after is not None and self.shared_layers == "learnt":
            raise UserError(
                "With frozen_after later tasks are learnt through their embeddings alone: set shared_layers to "
                "'frozen', found 'learnt'."
            )
        for one in fields(HypernetworkSettings) if self.plain else ():
            if one.metadata and getattr(self, one.name) != one.default:
                raise UserError(
                    f"{self.name} generates all layers and regularises all old tasks alike: it has no {one.name}."
                )

    def classifier_training(self, setup: Setup) -> Settings:
        """What the training of the generated classifier depends on: as many heads are as many outputs, and where the
        task is given in training, as it is everywhere, only one of them learns."""
        own = {one.name: getattr(self, one.name) for one in fields(HypernetworkSettings)}
        return {**own, **heads(setup)}

    def random_numbers(self, setup: Setup) -> Settings:
        """What decides how many random numbers the initial classifier takes, and so what is drawn after it."""
        widths = (setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs)
        first = 0 if self.generated_layers is None else -self.generated_layers - 1
        generated = sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths[first:]))
        names = ("chunk_size", "hidden_units", "task_embedding_size", "chunk_embedding_size", "generated_layers")
        return {**{name: getattr(self, name) for name in names}, "chunks": ceil(generated / self.chunk_size)}


def heads(setup: Setup) -> Settings:
    """What of the scenario the training of one head at a time depends on.

    In CL3 the softmax is over all outputs, of which only those of the present head are not excluded. The sum is the
    same but for the order of its terms, and so for its last bits where there are more than two.
    """
    classes = setup.facts.classes_per_experience
    terms = setup.outputs if setup.scenario is Scenario.CLASS and classes > 2 else classes
    return {"heads": setup.facts.heads(setup.scenario), "terms": terms}


@dataclass(frozen=True, kw_only=True)
class ReplaySettings:
    """Of the replay model of HNET+TIR and HNET+R, whose decoder a hypernetwork generates. All begin with `replay_`, so
    that they stand apart from those of the classifier's hypernetwork."""

    replay_decoder_hidden_units: tuple[int, ...]  # of the generated decoder
    replay_chunk_size: int = 50_000  # parameters of the decoder that are generated at once
    replay_hidden_units: tuple[int, ...] = (10, 10)  # of the decoder's hypernetwork
    replay_activation: Literal["relu", "elu"] = "elu"  # after each of its hidden layers
    replay_task_embedding_size: int = 96  # of what tells the decoder's hypernetwork the task
    replay_chunk_embedding_size: int = 96  # of what tells it the chunk
    replay_regularisation_strength: float = 0.01  # beta of the decoder's hypernetwork
    replay_weight: float = 0.5  # share of replayed samples in the loss, whatever the number of old tasks
    # What learns the decoder: with an encoder, or as a generator against a discriminator.
    replay_method: Literal["vae", "gan"] = field(default="vae", metadata=ADDED_LATER)
    # Of a GAN: that of the authors' command line, or least squares towards Pearson's chi-squared divergence.
    replay_adversarial_loss: Literal["non_saturating", "pearson"] = field(
        default="non_saturating", metadata=ADDED_LATER
    )
    # Of a GAN: the decay of Adam's first moment (Radford et al. 2016), for generator and discriminator.
    replay_adversarial_beta1: float = field(default=0.5, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        for name in ("replay_chunk_size", "replay_task_embedding_size", "replay_chunk_embedding_size"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, found {getattr(self, name)}.")
        for name in ("replay_decoder_hidden_units", "replay_hidden_units"):
            if min(getattr(self, name), default=1) < 1:
                raise UserError(f"Every item of {name} must be at least 1, found {list(getattr(self, name))}.")
        if self.replay_regularisation_strength < 0:
            found = self.replay_regularisation_strength
            raise UserError(f"replay_regularisation_strength must not be negative, found {found}.")
        if not 0 <= self.replay_weight <= 1:
            raise UserError(f"replay_weight must lie between 0 and 1, found {self.replay_weight}.")
        if not 0 <= self.replay_adversarial_beta1 < 1:
            found = self.replay_adversarial_beta1
            raise UserError(f"replay_adversarial_beta1 must be at least 0 and less than 1, found {found}.")
        for one in fields(ReplaySettings) if self.replay_method == "vae" else ():
            if one.name.startswith("replay_adversarial_") and getattr(self, one.name) != one.default:
                raise UserError(f"{one.name} {getattr(self, one.name)!r} needs replay_method 'gan', found 'vae'.")

    def replay_settings(self) -> Settings:
        """What the training of the replay model depends on, beside what was drawn before it was made."""
        names = [one.name for one in fields(ReplaySettings) if one.name != "replay_weight"]
        return {name: getattr(self, name) for name in names}


def require_several_classes(facts: BenchmarkFacts, name: str) -> None:
    """For strategies that infer the task as the one whose classifier is most certain, called `name` in the message.
    Raises UserError where an experience has a single class: its softmax is 1, and the first task would always answer.
    """
    classes = facts.classes_per_experience
    if facts.problem_type == "classification" and classes < 2:
        raise UserError(
            f"{name} needs at least 2 classes in every experience, found {classes}: of a single one all are certain."
        )
