"""The second candidate of data mixing laws: exponentials of one weight (M2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .nonlinear import NonlinearLaw
from .separable import warn_of_zeros

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class M2(NonlinearLaw):
    """Exponentials of the shares, all of one weight: L_i(r) = c_i + k_i Σ_j exp(t_ij r_j).

    Convex in r for k >= 0, which is kept.

    It can't represent an effect that depends on the other shares, and leaving out any domain adds
    the same k_i: a domain that hardly matters can't have a small weight, only a t near zero. At
    shares of zero it fails as M1 does.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), the candidate M2. Departures: k >= 0
    and c >= 0; squared error with a prior (t_ij near zero) in place of the Huber loss without one.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "m2"
    convex: ClassVar[bool] = True
    floor: ClassVar[int | None] = 0

    n_starts: int = 8
    shrinkage: float = 0.03

    def n_parameters(self, n_domains: int) -> int:
        """c, k, and one t for each domain."""
        return n_domains + 2

    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The losses c + k Σ exp(t r), float64[..., runs]."""
        values: FloatArray = theta[..., :1] + self._terms(theta, inputs).sum(axis=-1)
        return values

    def gradient(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Each term times its t, float64[..., runs, domains]."""
        gradient: FloatArray = theta[..., None, 2:] * self._terms(theta, inputs)
        return gradient

    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """One by c, the sum by log k, each term times r by its t."""
        terms = self._terms(theta, inputs)
        total = terms.sum(axis=-1, keepdims=True)
        return np.concatenate([np.ones_like(total), total, terms * inputs], axis=-1)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``c`` and ``k``, float64[...], in the unit of the losses; ``t`` by domain."""
        return {"c": theta[..., 0], "k": np.exp(theta[..., 1]), "t": theta[..., 2:]}

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """0 <= c <= the greatest loss; k is e^-12 to e^3 times that; -60 <= t <= 3."""
        n = inputs.shape[1]
        top = max(float(losses.max()), 1e-6)
        low = np.concatenate([[0, np.log(top) - 12], np.full(n, -60.0)])
        high = np.concatenate([[top, np.log(top) + 3], np.full(n, 3.0)])
        return low, high

    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """No domain has an effect until the runs say so; t has a spread of 5."""
        n = inputs.shape[1]
        rows = np.zeros((n, n + 2))
        rows[:, 2:] = self.shrinkage * np.eye(n) / 5
        return rows, np.zeros(n)

    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """A floor and a weight at random, and the t that the terms' first order gives."""
        n = inputs.shape[1]
        least = max(float(losses.min()), 1e-6)
        c = uniforms[:, :1] * float(losses.min())
        k = least * np.exp(3 * uniforms[:, 1:2] - 2) / n
        ridge = 1e-2 * np.eye(n)
        # exp(t r) is 1 + t r + ..., so that (L - c)/k - n is about t r.
        right = ((losses - c) / k - n) @ inputs
        t = np.linalg.solve(inputs.T @ inputs + ridge, right.T).T
        return np.concatenate([c, np.log(k), np.clip(t, -10, 3)], axis=1)

    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """C and k times the factor."""
        log_k = theta[..., 1:2] + np.log(factor)
        return np.concatenate([theta[..., :1] * factor, log_k, theta[..., 2:]], axis=-1)

    def caution(self, inputs: FloatArray) -> list[str]:
        """Whether any domain is left out of a run altogether."""
        return warn_of_zeros(
            inputs,
            lambda zeros: (
                f"Shares of exactly zero in domains {zeros}: M2 makes each of them cost the same, "
                "and can't follow the jump in loss there. Compare with the additive law."
            ),
        )

    def _terms(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """The terms k exp(t_j r_j), float64[..., runs, domains]."""
        terms: FloatArray = np.exp(theta[..., None, 1:2] + theta[..., None, 2:] * inputs)
        return terms
