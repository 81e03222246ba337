"""Gaussian process regression on mixtures, with a noise that forgives single runs.

The engine of `mixing.laws.gaussian_process`, for one target at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]

_LEAST_OFFSET = 1e-4  # a share below this is as good as none
_JITTER = 1e-8
_EXPECTATIONS = 2  # expectation steps in a round: they cost one factorisation each
_PRIOR_SPREAD = 1.5  # of every log hyper-parameter
# Centres, in standard deviations of the losses: mostly a plane in the roots, bent a little.
_PRIOR_BEND, _PRIOR_PLANE, _PRIOR_NOISE = 0.3, 1.0, 0.1
_TANGENT = 1e-12  # the slope at a share of zero, infinite for its root, is taken here


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """What the kernel sees of a share r: its root, and its logarithm above an offset.

    Both lie in [0, 1]. The root spreads out small shares; the logarithm follows the steep fall of
    a loss with a domain's first few per cent, down to the offset, where it goes over into a jump.

    Attributes:
        offset: half the least positive share of the runs, at least 1e-4.
    """

    offset: float

    @classmethod
    def of(cls, mixtures: FloatArray) -> Features:
        """The features that suit these runs."""
        return cls(offset=max(0.5 * float(mixtures[mixtures > 0].min()), _LEAST_OFFSET))

    def __call__(self, mixtures: FloatArray) -> FloatArray:
        """float64[2, runs, domains] in [0, 1]."""
        span = np.log1p(1 / self.offset)
        return np.stack([np.sqrt(mixtures), np.log1p(mixtures / self.offset) / span])

    def slopes(self, mixtures: FloatArray) -> FloatArray:
        """Derivatives of the features by the shares, float64[2, runs, domains]."""
        shares = np.maximum(mixtures, _TANGENT)
        span = np.log1p(1 / self.offset)
        return np.stack([0.5 / np.sqrt(shares), 1 / ((shares + self.offset) * span)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Hyperparameters:
    """Of the kernel, and how much of the noise each run has; in units of the target's spread.

    Attributes:
        log: float64[domains + 3], logarithms of the length scale of each domain, and of the
            standard deviations of the Matérn part, of the linear part and of the noise.
        noise: float64[runs], what multiplies the noise variance of each run, > 0.
    """

    log: FloatArray
    noise: FloatArray

    @classmethod
    def prior(cls, n_domains: int, n_runs: int) -> Hyperparameters:
        """Length scales of one, the centres of the prior, and the same noise for every run."""
        log = np.zeros(n_domains + 3)
        log[-3:] = np.log([_PRIOR_BEND, _PRIOR_PLANE, _PRIOR_NOISE])
        return cls(log=log, noise=np.ones(n_runs))


class Process:
    """Runs of one target under a Gaussian process prior.

    The covariance is a Matérn-5/2 kernel of the features, with one length scale a domain, plus a
    linear kernel of the roots and a constant. Noise is Student's t: normal, with a variance of
    each run's own that expectation-maximisation finds.

    Args:
        features: float64[2, runs, domains].
        values: float64[runs], of mean about zero and spread about one.
        degrees_of_freedom: of the noise.
    """

    def __init__(self, features: FloatArray, values: FloatArray, degrees_of_freedom: float) -> None:
        self.values = values
        self.degrees_of_freedom = degrees_of_freedom
        n_runs = len(values)
        apart = ((features[:, :, None] - features[:, None]) ** 2).sum(axis=0)
        self._distances = np.ascontiguousarray(apart.reshape(n_runs * n_runs, -1).T)
        self._products = features[0] @ features[0].T + 1

    def maximise(self, start: Hyperparameters, rounds: int, iterations: int) -> Hyperparameters:
        """Hyper-parameters of greatest posterior density, from ``start``, noise in ``rounds``."""
        log, noise = start.log, start.noise
        centre = Hyperparameters.prior(len(log) - 3, len(noise)).log
        bounds = list(zip(centre - 5 * _PRIOR_SPREAD, centre + 5 * _PRIOR_SPREAD, strict=True))
        for round_ in range(rounds + 1):
            log = minimize(
                self._negative_log_posterior,
                log,
                args=(noise, centre),
                jac=True,
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": iterations if round_ == 0 else max(iterations // 3, 5)},
            ).x
            if round_ < rounds:
                for _ in range(_EXPECTATIONS):
                    noise = self._noise(Hyperparameters(log=log, noise=noise))
        return Hyperparameters(log=log, noise=noise)

    def weights(self, found: Hyperparameters) -> FloatArray:
        """The covariance's inverse times the values, float64[runs]."""
        covariance, *_ = self._covariance(found.log, found.noise)
        _, _, inverse = _factor(covariance)
        weights: FloatArray = inverse @ self.values
        return weights

    def _covariance(
        self, log: FloatArray, noise: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The covariance, its Matérn part, minus twice that part's slope, and inverse squares."""
        n_runs = len(noise)
        precision = np.exp(-2 * log[:-3])
        squared = (precision @ self._distances).reshape(n_runs, n_runs)
        part, slope = matern(squared, np.exp(2 * log[-3]))
        covariance = part + np.exp(2 * log[-2]) * self._products
        covariance[np.diag_indices(n_runs)] += np.exp(2 * log[-1]) * noise + _JITTER
        return covariance, part, slope, precision

    def _negative_log_posterior(
        self, log: FloatArray, noise: FloatArray, centre: FloatArray
    ) -> tuple[float, FloatArray]:
        covariance, part, slope, precision = self._covariance(log, noise)
        whole, log_determinant, inverse = _factor(covariance)
        if not whole:
            return 1e10, np.zeros_like(log)
        weights = inverse @ self.values
        # d/dK of the negative log likelihood, twice.
        change = inverse - np.outer(weights, weights)
        gradient = np.empty_like(log)
        gradient[:-3] = 0.5 * precision * (self._distances @ (change * slope).ravel())
        gradient[-3] = np.vdot(change, part)
        gradient[-2] = np.exp(2 * log[-2]) * np.vdot(change, self._products)
        gradient[-1] = np.exp(2 * log[-1]) * (np.diag(change) @ noise)
        off = (log - centre) / _PRIOR_SPREAD
        value = 0.5 * (self.values @ weights + log_determinant + off @ off)
        return float(value), gradient + off / _PRIOR_SPREAD

    def _noise(self, found: Hyperparameters) -> FloatArray:
        """The expectation step: what multiplies each run's noise, from its expected square."""
        covariance, *_ = self._covariance(found.log, found.noise)
        _, _, inverse = _factor(covariance)
        level = np.exp(2 * found.log[-1])
        variance = level * found.noise
        residual = variance * (inverse @ self.values)
        doubt = np.maximum(variance - variance**2 * np.diag(inverse), 0)
        squares = (residual**2 + doubt) / level
        pull = 1 / self.degrees_of_freedom
        return np.asarray((1 + pull * squares) / (1 + pull))


def matern(squared: FloatArray, variance: float) -> tuple[FloatArray, FloatArray]:
    """The Matérn-5/2 kernel of squared distances, and minus twice its derivative by them."""
    distance = np.sqrt(5 * squared + 1e-14)
    fall = variance * np.exp(-distance)
    return fall * (1 + distance + distance**2 / 3), fall * (5 / 3) * (1 + distance)


def _factor(covariance: FloatArray) -> tuple[bool, float, FloatArray]:
    """Whether it is positive definite; the logarithm of its determinant; its inverse."""
    lower, failed = lapack.dpotrf(covariance, lower=1, clean=1)
    if failed:
        return False, 0.0, covariance
    inverse, _ = lapack.dpotri(lower, lower=1)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    return True, 2 * float(np.log(np.diag(lower)).sum()), inverse
