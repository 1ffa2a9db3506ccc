"""EWC, elastic weight consolidation, and Online EWC: parameters stay near what earlier experiences left, the more they
mattered. How much one mattered is its entry on the diagonal of the Fisher matrix."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

Fisher: TypeAlias = Literal["predicted", "exact", "true"]


@dataclass(frozen=True, kw_only=True)
class FisherSettings:
    """A strength is of use with its own estimator of the Fisher matrix alone: they differ by orders of magnitude."""

    strength: float = 1e7  # lambda, of the half sum of squares
    # Of which log-likelihoods the squared gradients are averaged over samples. predicted: of the label that the model
    # finds most probable (van de Ven & Tolias 2019). exact: of every label, weighted by its probability (van de Ven et
    # al. 2022). true: of the sample's own label, the empirical Fisher.
    fisher: Fisher = "predicted"
    fisher_samples: int | None = None  # training samples of each experience, drawn at random; None: all

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")
        if self.fisher not in ("predicted", "exact", "true"):
            raise UserError(f"fisher must be 'predicted', 'exact' or 'true', found {self.fisher!r}.")
        if self.fisher_samples is not None and self.fisher_samples < 1:
            raise UserError(f"fisher_samples must be at least 1, found {self.fisher_samples}.")

    @property
    def scale(self) -> float:
        """Factor of the sum of squares in the loss."""
        return self.strength / 2


@dataclass(frozen=True, kw_only=True)
class Ewc(FisherSettings):
    """EWC, elastic weight consolidation: parameters stay near what each experience left, the more they mattered.

    Loss + strength / 2 * sum over earlier experiences k and parameters i of F_ki (theta_i - theta_ki)^2. Kirkpatrick et
    al. 2017, PNAS 114:3521, equation 3, with one penalty for every experience and all samples in its Fisher matrix as
    in van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5. The default strength is theirs for split MNIST in CL1; the
    best ones lie orders of magnitude apart between benchmarks and scenarios.
    """

    name: ClassVar[str] = "ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, self)


@dataclass(frozen=True, kw_only=True)
class OnlineEwc(FisherSettings):
    """Online EWC: EWC with one penalty around the latest parameters, whose Fisher matrix fades with every experience.

    Loss + strength / 2 * decay * sum over parameters i of F_i (theta_i - theta_i*)^2, theta* the latest weights. After
    each experience F becomes decay * F + the Fisher matrix of that experience. Schwarz et al. 2018, arXiv 1805.06370,
    equation 8; van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5. Their text has no decay in the penalty, the
    authors' code has it (issue 9 of GMvandeVen/continual-learning): without it, a strength of theirs must be multiplied
    by the decay. Defaults are theirs for split MNIST in CL1.
    """

    name: ClassVar[str] = "online_ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 1e8  # lambda, of the half sum of squares
    decay: float = 0.8  # gamma, of what F was before, with every experience
    decay_in_penalty: bool = True  # multiplies the penalty by gamma once more

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise UserError(f"decay must be above 0 and at most 1, found {self.decay}.")

    @property
    def scale(self) -> float:
        """Factor of the sum of squares in the loss."""
        return super().scale * (self.decay if self.decay_in_penalty else 1)

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, self, self.decay)


@dataclass(frozen=True, kw_only=True)
class EmpiricalEwc:
    """EWC as in the experiments of von Oswald et al. 2020 with their own code: for regression too.

    Loss + strength / 2 * sum over earlier experiences k and parameters i of F_ki (theta_i - theta_ki)^2. F is the
    empirical Fisher, of the samples' own targets, over all training samples; in regression the negative log-likelihood
    is half the squared error, as for Gaussian noise of variance 1. Adam starts anew with every experience. The default
    is that of hypercl, toy_example/train_ewc.py, where no tuned strength is to be found.
    """

    name: ClassVar[str] = "empirical_ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 0.005  # beta there

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, FisherSettings(strength=self.strength, fisher="true"), as_in_hypercl=True)


def _template(
    setup: Setup, settings: FisherSettings, decay: float | None = None, *, as_in_hypercl: bool = False
) -> SupervisedTemplate:
    """With a decay there is one penalty about the latest weights, else one for every earlier experience. As in hypercl
    Adam starts anew with every experience, and regression is learnt, too."""
    import torch

    from baselines.training.quadratic_penalty import PenaltyTemplate
    from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK
    from hnet_bench.avalanche_adapter.objective import objective_of

    derivatives = gaussian_derivatives
    if objective_of(setup.facts).has_classes:
        derivatives = functools.partial(fisher_derivatives, settings.fisher)

    class EwcTemplate(PenaltyTemplate):
        fresh_optimiser = as_in_hypercl
        learns_with = ("regression", "sigmoid", "xavier") if as_in_hypercl else ANY_NETWORK

        def consolidate(self) -> None:
            if decay is None:
                self.penalty.add(self.fisher(), self.trained_parameters())
            else:
                self.penalty.move(self.fisher(), self.trained_parameters(), decay)

        def fisher(self) -> list[Tensor]:
            """Diagonal of the Fisher matrix at the present weights for the present experience, by parameter."""
            return self.importances(derivatives, torch.square, settings.fisher_samples)

    return EwcTemplate(setup=setup, scale=settings.scale)


def fisher_derivatives(fisher: Fisher, outputs: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights (batch,), and derivatives of log-likelihoods by the outputs, both (batch, C); see `FisherSettings`."""
    from torch.nn.functional import one_hot

    probabilities, classes = outputs.softmax(dim=1), outputs.shape[1]
    if fisher == "exact":
        for label, probability in enumerate(probabilities.unbind(1)):
            yield probability, one_hot(labels.new_full(labels.shape, label), classes) - probabilities
        return
    chosen = labels if fisher == "true" else outputs.argmax(1)
    yield outputs.new_ones(len(outputs)), one_hot(chosen, classes) - probabilities


def gaussian_derivatives(outputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights (batch,), and derivatives (batch, K) by the outputs of the log-likelihood of targets (batch, K), which
    but for a constant is - sum of (target - output)^2 / 2."""
    yield outputs.new_ones(len(outputs)), targets - outputs
