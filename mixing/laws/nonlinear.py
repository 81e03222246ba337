"""Laws without a closed form: what they share beyond the engine that fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fit import Curve, least_squares_multistart
from .formula import Formula

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Beside the prior on the parameters stands one on the losses: leaving out a domain gives the mean.
# It decides only what the runs leave open. Without it, twenty runs that all hold some books say
# nothing of none, and the additive law was 5 nats off there; with it, tables that do hold such runs
# are fitted about 2 % worse. Weighed in runs, for a shrinkage of one.
_ANCHOR_WEIGHT = 0.1


@dataclass(frozen=True, kw_only=True)
class NonlinearLaw(Formula, Curve):
    """A law that is a curve to the multi-start engine, and is fitted by it, target by target.

    A departure that all these laws share from their sources: a prior on the parameters, and the
    weak guess that leaving out a domain gives the mean loss.

    Attributes:
        positive: whether losses must be >= 0, as where every term of the formula is.
        n_starts: starting points of the fit on all runs.
        shrinkage: weight of the prior, in standard deviations of the losses for each unit of
            the parameter; 0 for none. It also weighs the guess that leaving out a domain gives
            the mean loss, which keeps in hand what no run tells.
        huber: residual, in robust standard deviations, beyond which a run counts by its distance
            and no longer by the square; 1.345 costs 5 % of the precision where noise is normal.
            None for squared error throughout, which fits of fewer than three runs a parameter
            keep in any case.
    """

    positive: ClassVar[bool] = True

    n_starts: int
    shrinkage: float
    huber: float | None = None

    def __post_init__(self) -> None:
        if self.n_starts < 1:
            raise ValueError(
                f"'n_starts' of {type(self).__name__} must be at least 1. Got {self.n_starts}."
            )
        if not 0 <= self.shrinkage < np.inf:
            raise ValueError(
                f"'shrinkage' of {type(self).__name__} must be in [0, inf). Got {self.shrinkage}."
            )
        if self.huber is not None and not 0 < self.huber < np.inf:
            raise ValueError(
                f"'huber' of {type(self).__name__} must be in (0, inf) or None. Got {self.huber}."
            )

    def check_losses(self, losses: ArrayLike, n_runs: int) -> FloatArray:
        """As for any law, and none below zero where the formula can't reach it."""
        array = super().check_losses(losses, n_runs)
        if self.positive and (array < 0).any():
            row, target = (int(i) for i in np.argwhere(array < 0)[0])
            raise ValueError(
                f"'losses' of {type(self).__name__} must be >= 0. Got {array[row, target]} in row "
                f"{row}, target {target}; for a score, fit 1 - score."
            )
        return array

    def estimate(
        self,
        inputs: FloatArray,
        losses: FloatArray,
        subsets: BoolArray,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray]:
        """Each target and subset on its own, by penalised least squares from several starts."""
        n_domains = inputs.shape[1] - len(self.covariates)
        uniforms = rng.random((self.n_starts, self.n_parameters(n_domains)))
        solution = least_squares_multistart(
            self,
            inputs,
            losses,
            subsets,
            uniforms,
            huber=self.huber,
            anchors=_without_each(inputs, n_domains) if self.shrinkage else None,
            anchor_weight=_ANCHOR_WEIGHT * self.shrinkage**2,
        )
        return solution.theta, solution.share_of_starts


def _without_each(inputs: FloatArray, n_domains: int) -> FloatArray:
    """The mean run with each domain left out in turn, float64[domains, domains + covariates].

    The mean is over all runs, held out or not: it tells where losses are asked for, not any loss.
    """
    mean = np.exp(np.log(inputs[:, n_domains:]).mean(axis=0))
    shares = inputs[:, :n_domains].mean(axis=0) * (1 - np.eye(n_domains))
    left = shares.sum(axis=1) > 0
    shares = shares[left] / shares[left].sum(axis=1, keepdims=True)
    return np.hstack([shares, np.tile(mean, (len(shares), 1))])
