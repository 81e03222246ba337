"""A Gaussian process on root-transformed shares, alone or around a law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..gaussian import Features, Hyperparameters, Process
from .base import Law, Model
from .gaussian_model import GaussianProcessModel, Scale

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ROUNDS, _ITERATIONS = 3, 30


@dataclass(frozen=True, kw_only=True)
class GaussianProcess(Law):
    """Losses of like mixtures are alike: a Gaussian process prior on each target.

    Shares enter as their roots and as logarithms above an offset, with one length scale a domain;
    the covariance is Matérn-5/2 plus linear; hyper-parameters have the greatest posterior density
    under a mild prior. Positive losses are modelled by their logarithms. The noise is Student's t,
    since single proxy runs go astray: on RegMix's that takes a seventh off the held-out error.

    It can represent any smooth effect, harm and synergy included. It can't extrapolate: far from
    all runs it goes back to its mean, so give it a law as ``mean``, or average it with one. It is
    not convex, and so has no certificate.

    Source: Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), Eq. 5.8-5.9;
    Student's t by expectation-maximisation as in Tipping & Lawrence (2005), with the
    hyper-parameters maximised between the steps. The features are ours. Cost: cubic in the runs;
    512 runs of 17 domains take about a second a target.

    Attributes:
        mean: a law around which the losses vary; None for a constant.
        degrees_of_freedom: of the noise, > 0; infinite for normal noise.
    """

    name: ClassVar[str] = "gaussian-process"
    convex: ClassVar[bool] = False

    mean: Law | None = None
    degrees_of_freedom: float = 2.0

    def __post_init__(self) -> None:
        if not self.degrees_of_freedom > 0:
            raise ValueError(
                "'degrees_of_freedom' of GaussianProcess must be > 0. "
                f"Got {self.degrees_of_freedom}."
            )
        if self.mean is not None and self.mean.covariates:
            raise ValueError(
                "'mean' of GaussianProcess must read the mixture alone. Got "
                f"{type(self.mean).__name__}, which reads {', '.join(self.mean.covariates)}."
            )

    def solve(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> list[Model]:
        """One process a target and subset.

        Every subset starts from the prior: hyper-parameters that have seen a run, and are few
        steps from where they were, know it.
        """
        means = self._means(inputs, losses, subsets, rng)
        models: list[Model] = []
        for seen, mean in zip(subsets, means, strict=True):
            problems = self._problems(inputs[seen], losses[seen], mean)
            start = Hyperparameters.prior(inputs.shape[1], int(seen.sum()))
            found = [process.maximise(start, _ROUNDS, _ITERATIONS) for process in problems]
            models.append(self._model(inputs[seen], losses[seen], mean, problems, found))
        return models

    def restore(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        states: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """The processes with these hyper-parameters, conditioned on the runs again."""
        means: Sequence[Model | None] = [None] * len(subsets)
        if self.mean is not None:
            means = self.mean.restore(inputs, losses, subsets, [state["mean"] for state in states])
        models: list[Model] = []
        for seen, mean, state in zip(subsets, means, states, strict=True):
            problems = self._problems(inputs[seen], losses[seen], mean)
            found = [
                Hyperparameters(log=np.array(log), noise=np.array(noise))
                for log, noise in zip(state["log"], state["noise"], strict=True)
            ]
            models.append(self._model(inputs[seen], losses[seen], mean, problems, found))
        return models

    def _means(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> Sequence[Model | None]:
        if self.mean is None:
            return [None] * len(subsets)
        return self.mean.solve(inputs, self.mean.check_losses(losses, len(losses)), subsets, rng)

    def _problems(
        self, inputs: FloatArray, losses: FloatArray, mean: Model | None
    ) -> list[Process]:
        features = Features.of(inputs)(inputs)
        residuals = Scale.of(losses, mean, inputs).residuals(losses, mean, inputs)
        return [Process(features, column, self.degrees_of_freedom) for column in residuals.T]

    def _model(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        mean: Model | None,
        problems: list[Process],
        found: list[Hyperparameters],
    ) -> Model:
        return GaussianProcessModel(
            mixtures=inputs,
            scale=Scale.of(losses, mean, inputs),
            mean=mean,
            found=found,
            weights=np.array([p.weights(f) for p, f in zip(problems, found, strict=True)]),
            share_of_starts=np.ones(len(found)) if mean is None else mean.share_of_starts,
        )
