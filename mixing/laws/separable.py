"""Laws in which each domain adds a term of its own share alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]


class Separable(NonlinearLaw):
    """A floor, plus a term for each domain: c + Σ_j exp(b_j + t_j f(r_j)).

    f(0) = 0, so exp(b_j) is what leaving domain j out adds. ``theta`` holds c, the b and the t.

    Attributes:
        rate_bounds: least and greatest t.
        rate_prior: mean and spread of the prior on t, where b has a spread of 2.
        rate_start: t of the starts, least and greatest.
    """

    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0
    rate_bounds: ClassVar[tuple[float, float]]
    rate_prior: ClassVar[tuple[float, float]]
    rate_start: ClassVar[tuple[float, float]]

    @abstractmethod
    def feature(self, shares: FloatArray) -> FloatArray:
        """f, of the shares' shape."""

    @abstractmethod
    def feature_slope(self, shares: FloatArray) -> FloatArray:
        """Its derivative, of the shares' shape."""

    def n_parameters(self, n_domains: int) -> int:
        """A floor, and two for each domain."""
        return 2 * n_domains + 1

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The floor and the terms summed, float64[..., runs]."""
        values: FloatArray = theta[..., :1] + self._terms(theta, inputs).sum(axis=-1)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Each term times t_j f'(r_j), float64[..., runs, domains]."""
        _, rate = self.split(theta)
        slope = self.feature_slope(inputs)
        gradient: FloatArray = self._terms(theta, inputs) * rate[..., None, :] * slope
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """One by the floor, each term by its b, and that times f(r_j) by its t."""
        terms = self._terms(theta, inputs)
        one = np.ones((*terms.shape[:-1], 1))
        return np.concatenate([one, terms, terms * self.feature(inputs)], axis=-1)

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= floor <= the greatest loss; leaving a domain out adds e^-12 to e^3 times that."""
        top = max(float(losses.max()), 1e-6)
        ones = np.ones(inputs.shape[1])
        low, high = (
            np.concatenate([[floor], (np.log(top) + reach) * ones, rate * ones])
            for floor, reach, rate in zip((0, top), (-12, 3), self.rate_bounds, strict=True)
        )
        return low, high

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Leaving a domain out costs alike, at rates that are usual, until the runs say more."""
        n = inputs.shape[1]
        mean, spread = self.rate_prior
        rows = np.zeros((2 * n, 2 * n + 1))
        rows[:n, 1 : n + 1] = (np.eye(n) - 1 / n) / 2
        rows[n:, n + 1 :] = np.eye(n) / spread
        values = np.concatenate([np.zeros(n), np.full(n, mean / spread)])
        return self.shrinkage * rows, self.shrinkage * values

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor and rates at random, and the b >= 0 by least squares that they give."""
        n = inputs.shape[1]
        floor = uniforms[:, :1] * float(losses.min())
        least, greatest = self.rate_start
        rate = least + (greatest - least) * uniforms[:, n + 1 :]
        shapes = np.exp(rate[:, None] * self.feature(inputs))
        above = losses - floor
        cost = np.array([nnls(s, y)[0] for s, y in zip(shapes, above, strict=True)])
        smallest = 0.02 * np.maximum(above.mean(axis=1, keepdims=True), 1e-6)
        return np.concatenate([floor, np.log(np.maximum(cost, smallest)), rate], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """The floor times the factor, its logarithm added to every b."""
        log_cost, rate = self.split(theta)
        return np.concatenate([theta[..., :1] * factor, log_cost + np.log(factor), rate], axis=-1)

    def split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The b and the t, float64[..., domains] each."""
        n = theta.shape[-1] // 2
        return theta[..., 1 : n + 1], theta[..., n + 1 :]

    def _terms(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """float64[..., runs, domains]."""
        log_cost, rate = self.split(theta)
        terms: FloatArray = np.exp(
            log_cost[..., None, :] + rate[..., None, :] * self.feature(inputs)
        )
        return terms


def warn_of_zeros(inputs: FloatArray, sentence: Callable[[list[int]], str]) -> list[str]:
    """The sentence about the domains that some run leaves out, if there are any."""
    zeros = np.flatnonzero((inputs == 0).any(axis=0)).tolist()
    return [sentence(zeros)] if zeros else []
