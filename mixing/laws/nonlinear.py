"""Laws without a closed form: what they share beyond the engine that fits them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fit import Curve, least_squares_multistart
from .formula import Formula

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class NonlinearLaw(Formula, Curve):
    """A law that is a curve to the multi-start engine, and is fitted by it, target by target.

    Attributes:
        positive: whether losses must be >= 0, as where every term of the formula is.
        n_starts: starting points of the fit on all runs.
        shrinkage: weight of the prior, in standard deviations of the losses for each unit of
            the parameter; 0 for none.
    """

    positive: ClassVar[bool] = True

    n_starts: int
    shrinkage: float

    def __post_init__(self) -> None:
        if self.n_starts < 1:
            raise ValueError(
                f"'n_starts' of {type(self).__name__} must be at least 1. Got {self.n_starts}."
            )
        if not 0 <= self.shrinkage < np.inf:
            raise ValueError(
                f"'shrinkage' of {type(self).__name__} must be in [0, inf). Got {self.shrinkage}."
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
        solution = least_squares_multistart(self, inputs, losses, subsets, uniforms)
        return solution.theta, solution.share_of_starts
