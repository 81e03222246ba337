"""A power law in effective data: other domains count as so much of the one that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_ALONE_SPREAD, _LOG_BETA_SPREAD = 2.0, 1.0


@dataclass(frozen=True, kw_only=True)
class EffectiveData(NonlinearLaw):
    """A power of the data that count: L_i(r) = E_i + (Σ_j k_ij r_j)^(-beta_i).

    A token of domain j is worth k_ij of them; the units of k take up the numerator. Convex in r:
    a convex power of a linear form.

    It can't represent domains that complement each other: shares are exchanged at fixed rates at
    equal loss, so that for one target the domain with the greatest k is the best mixture. Nor can
    it represent harm.

    Source: the power law in data of Hernandez et al., "Scaling Laws for Transfer"
    (arXiv 2102.01293), with effective data that are linear in the shares. Departures: all
    domains at one budget; squared error with a prior.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior: k_ij^-beta_i alike within a target, beta_i near one.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "effective-data"
    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0

    n_starts: int = 8
    shrinkage: float = 0.1

    def n_parameters(self, n_domains: int) -> int:
        """E, a k for each domain, and beta."""
        return n_domains + 2

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """E + D^-beta, float64[..., runs]."""
        data, beta = self._data(theta, inputs)
        values: FloatArray = theta[..., :1] + data**-beta
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """-beta D^(-beta-1) k, float64[..., runs, domains]."""
        data, beta = self._data(theta, inputs)
        outer = -beta * data ** (-beta - 1)
        gradient: FloatArray = outer[..., None] * self._worth(theta)[..., None, :]
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """By E, log k^-beta and log beta, float64[..., runs, parameters]."""
        data, beta = self._data(theta, inputs)
        loss = data**-beta
        by_log_alone = (loss / data)[..., None] * self._worth(theta)[..., None, :] * inputs
        moved = (by_log_alone @ theta[..., 1:-1, None])[..., 0]
        by_log_beta = -(beta * loss * np.log(data) + moved)[..., None]
        return np.concatenate([np.ones_like(by_log_beta), by_log_alone, by_log_beta], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``E``, in the unit of the losses, and ``beta``, float64[...]; ``k`` by domain."""
        return {"E": theta[..., 0], "k": self._worth(theta), "beta": np.exp(theta[..., -1])}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= E <= the greatest loss; 0.1 <= beta <= 10.

        A domain alone adds k^-beta, which is e^-15 to e^1.5 times the losses' range, and no
        mixture adds more than the worst of them. Without that, a k near zero is infinite loss
        for a mixture that leaves out all others.
        """
        top = max(float(losses.max()), 1e-6)
        alone = np.full(inputs.shape[1], np.log(max(float(np.ptp(losses)), 1e-6)))
        low = np.concatenate([[0], alone - 15, [np.log(0.1)]])
        return low, np.concatenate([[top], alone + 1.5, [np.log(10)]])

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Domains are worth the same and beta is one, until the runs say otherwise."""
        n = inputs.shape[1]
        rows = np.zeros((n + 1, n + 2))
        rows[:n, 1:-1] = (np.eye(n) - 1 / n) / _ALONE_SPREAD
        rows[n, -1] = 1 / _LOG_BETA_SPREAD
        return self.shrinkage * rows, np.zeros(n + 1)

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor and beta at random, and the k that (L - E)^(-1/beta) = Σ_j k_j r_j gives."""
        floor = 0.95 * uniforms[:, :1] * float(losses.min())
        beta = np.exp(2 * uniforms[:, -1:] - 1)
        data = np.maximum(losses - floor, 1e-6) ** (-1 / beta)
        k = np.array([nnls(inputs, d)[0] for d in data])
        least = 0.05 * data.mean(axis=1, keepdims=True)
        log_k = np.log(np.maximum(k, least))
        return np.concatenate([floor, -beta * log_k, np.log(beta)], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """E and k^-beta times the factor."""
        log_alone = theta[..., 1:-1] + np.log(factor)
        return np.concatenate([theta[..., :1] * factor, log_alone, theta[..., -1:]], axis=-1)

    def _worth(self, theta: FloatArray) -> FloatArray:
        """k, float64[..., domains]."""
        worth: FloatArray = np.exp(-theta[..., 1:-1] * np.exp(-theta[..., -1:]))
        return worth

    def _data(self, theta: FloatArray, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Effective data, float64[..., runs], and beta, float64[..., 1]."""
        return self._worth(theta) @ inputs.T, np.exp(theta[..., -1:])
