"""The first candidate of data mixing laws: a sum of exponentials (M1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .separable import Separable, warn_of_zeros

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class M1(Separable):
    """Each domain adds an exponential of its share: L_i(r) = c_i + Σ_j k_ij exp(t_ij r_j).

    Convex in r for k >= 0, which is kept.

    It can't represent an effect that depends on the other shares, nor a fall that is steep at
    first and slow later: one exponential follows the jump at a share of zero or what comes after.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), the candidate M1. Departures: k >= 0
    and c >= 0; squared error with a prior (log k_ij alike within a target, t_ij near zero) in
    place of the Huber loss without one.

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior.
        huber: see `NonlinearLaw`.
    """

    name: ClassVar[str] = "m1"
    rate_bounds: ClassVar[tuple[float, float]] = (-60.0, 3.0)
    rate_prior: ClassVar[tuple[float, float]] = (0.0, 5.0)
    rate_start: ClassVar[tuple[float, float]] = (-12.0, 2.0)

    n_starts: int = 8
    shrinkage: float = 0.03

    def feature(self, shares: FloatArray) -> FloatArray:
        """The share."""
        return shares

    def feature_slope(self, shares: FloatArray) -> FloatArray:
        """One."""
        return np.ones_like(shares)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``c``, float64[...], and ``k`` by domain, in the unit of the losses; ``t`` by domain."""
        log_k, t = self.split(theta)
        return {"c": theta[..., 0], "k": np.exp(log_k), "t": t}

    def caution(self, inputs: FloatArray) -> list[str]:
        """Whether any domain is left out of a run altogether."""
        return warn_of_zeros(
            inputs,
            lambda zeros: (
                f"Shares of exactly zero in domains {zeros}: one exponential can't follow both the "
                "jump in loss there and the slow fall after it. Compare with the additive law."
            ),
        )
