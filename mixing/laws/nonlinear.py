"""Laws without a closed form: what they share beyond the engine that fits them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..fit import Curve, least_squares_multistart
from .base import Law

FloatArray = NDArray[np.float64]


class NonlinearLaw(Law, Curve):
    """A law that is a curve to the multi-start engine, and is fitted by it, target by target.

    Attributes:
        n_starts: starting points of the fit on all runs.
        shrinkage: weight of the prior, in standard deviations of the losses for each unit of
            the parameter; 0 for none.
    """

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

    def starts(self) -> int:
        """``n_starts``."""
        return self.n_starts

    def check_losses(self, losses: ArrayLike, n_runs: int) -> FloatArray:
        """As for any law, and none below zero: both terms of the formula are positive."""
        array = super().check_losses(losses, n_runs)
        if (array < 0).any():
            row, target = (int(i) for i in np.argwhere(array < 0)[0])
            raise ValueError(
                f"'losses' of {type(self).__name__} must be >= 0. Got {array[row, target]} in row "
                f"{row}, target {target}; for a score, fit 1 - score."
            )
        return array

    def solve(
        self,
        mixtures: FloatArray,
        losses: FloatArray,
        uniforms: FloatArray,
        warm: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Each target on its own, by penalised least squares from several starts."""
        solutions = [
            least_squares_multistart(
                self, mixtures, losses[:, target], uniforms, None if warm is None else warm[target]
            )
            for target in range(losses.shape[1])
        ]
        return (
            np.array([solution.theta for solution in solutions]),
            np.array([solution.share_of_starts for solution in solutions]),
        )
