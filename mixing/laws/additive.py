"""The additive law: every domain contributes a power of its share, with diminishing returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .nonlinear import NonlinearLaw

FloatArray = NDArray[np.float64]

_LEAST_POWER = 0.02
_POWER, _POWER_SPREAD = 0.7, 1 / 3  # of gamma's prior, where log C has a spread of 1


@dataclass(frozen=True, kw_only=True)
class Additive(NonlinearLaw):
    """A floor, plus one over the domains' contributions: L_i(r) = E_i + 1/(Σ_j C_ij r_j^gamma_ij).

    With C > 0 and 0 < gamma <= 1 the sum S is concave and positive on the simplex and 1/S is convex
    and decreasing in S, so L is convex in r.

    Near zero a small power rises almost like a step, so it follows the jump at a share of zero
    that the exponential law misses. It can't represent a domain that does harm beyond the room it
    takes (S never falls in any share), nor increasing returns.

    Source: Shukor et al., "Scaling Laws for Optimal Data Mixtures" (arXiv 2507.09404), the
    additive law, its terms in model size and tokens left out: those of one scale are part of E.
    Departures: 0 < gamma <= 1, which makes it convex; E >= 0; squared error with a prior and
    Levenberg-Marquardt from several starts, in place of the Huber loss and basin-hopping.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior: log C_ij alike within a target, gamma_ij near 0.7.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "additive"
    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0

    n_starts: int = 12
    shrinkage: float = 0.1

    def n_parameters(self, n_domains: int) -> int:
        """E, and for each domain a C and a gamma."""
        return 2 * n_domains + 1

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """E + 1/S, float64[..., runs]."""
        values: FloatArray = theta[..., :1] + 1 / self._terms(theta, inputs).sum(axis=-1)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """-C gamma r^(gamma-1) / S², float64[..., runs, domains]; -inf at r = 0 where gamma < 1."""
        log_c, power = self._split(theta)
        total = self._terms(theta, inputs).sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore"):
            rise = inputs ** (power[..., None, :] - 1)
        gradient: FloatArray = -(np.exp(log_c) * power)[..., None, :] * rise / total**2
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """One by E; with u = C r^gamma, -u/S² by log C and -u log(r)/S² by gamma (0 at r = 0)."""
        terms = self._terms(theta, inputs)
        by_log_c = -terms / terms.sum(axis=-1, keepdims=True) ** 2
        logs = np.log(np.where(inputs > 0, inputs, 1))
        return np.concatenate([np.ones((*terms.shape[:-1], 1)), by_log_c, by_log_c * logs], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``E``, float64[...], in the unit of the losses; ``C`` and ``gamma`` by domain."""
        log_c, power = self._split(theta)
        return {"E": theta[..., 0], "C": np.exp(log_c), "gamma": power}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= E <= the greatest loss; 1/C at most e^8 times that loss; 0.02 <= gamma <= 1."""
        n_domains = inputs.shape[1]
        top = max(float(losses.max()), 1e-6)
        least, greatest = -np.log(top) - 8, max(8.0, -np.log(top) + 8)
        low = np.concatenate([[0], np.full(n_domains, least), np.full(n_domains, _LEAST_POWER)])
        high = np.concatenate([[top], np.full(n_domains, greatest), np.ones(n_domains)])
        return low, high

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Domains are alike and returns diminish gently, until the runs say otherwise."""
        n_domains = inputs.shape[1]
        rows = np.zeros((2 * n_domains, 2 * n_domains + 1))
        rows[:n_domains, 1 : n_domains + 1] = np.eye(n_domains) - 1 / n_domains
        rows[n_domains:, n_domains + 1 :] = np.eye(n_domains) / _POWER_SPREAD
        values = np.concatenate([np.zeros(n_domains), np.full(n_domains, _POWER / _POWER_SPREAD)])
        return self.shrinkage * rows, self.shrinkage * values

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor and powers at random, and the C that 1/(L - E) = Σ_j C_j r_j^gamma_j gives."""
        n_domains = inputs.shape[1]
        floor = uniforms[:, :1] * float(losses.min())
        power = 0.1 + 0.8 * uniforms[:, 1 + n_domains :]
        inverse = 1 / np.maximum(losses - floor, 1e-6)
        c = np.array([nnls(inputs**p, y)[0] for p, y in zip(power, inverse, strict=True)])
        least = 0.05 * inverse.mean(axis=1, keepdims=True)
        return np.concatenate([floor, np.log(np.maximum(c, least)), power], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """E times the factor, C divided by it, the powers as they are."""
        log_c, power = self._split(theta)
        return np.concatenate([theta[..., :1] * factor, log_c - np.log(factor), power], axis=-1)

    def _split(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        n_domains = (theta.shape[-1] - 1) // 2
        return theta[..., 1 : n_domains + 1], theta[..., n_domains + 1 :]

    def _terms(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """C_j r_j^gamma_j, float64[..., runs, domains]."""
        log_c, power = self._split(theta)
        # One exponential costs a third of a power; a share of zero contributes exp(-inf) = 0.
        logs = np.log(inputs, out=np.full_like(inputs, -np.inf), where=inputs > 0)
        terms: FloatArray = np.exp(log_c[..., None, :] + power[..., None, :] * logs)
        return terms
