"""BiMix at one scale: a power of each share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .separable import Separable, warn_of_zeros

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BiMix(Separable):
    """Each domain adds a falling power of its share: L_i(r) = E_i + Σ_j F_ij (r_j + ε)^(-a_ij).

    Convex in r, since F >= 0 and a >= 0.

    It can't represent a domain that does harm, nor an effect that depends on the other shares.
    Without the offset ε the loss is infinite at a share of zero; with it, ε decides what such a
    run costs in comparison with one of a small share, so the report warns of zeros.

    Source: Ge et al., "BiMix" (arXiv 2405.14908): L_i = A_i / r_i^a_i (B_i / s^b_i + C_i), which at
    one number of steps s is a power of the domain's own share; the sum over domains is the form
    that Olmix (arXiv 2602.12237) reduces it to. Departures: the offset; the floor E >= 0; squared
    error with a prior (F_ij ε^-a_ij alike within a target, a_ij near 0.3).

    Attributes:
        n_starts: starting points.
        shrinkage: weight of the prior.
        huber: see `NonlinearLaw`.
        offset: ε > 0, as a share; about the smallest share of the runs that is not zero.
    """

    name: ClassVar[str] = "bimix"
    rate_bounds: ClassVar[tuple[float, float]] = (-3.0, 0.0)
    rate_prior: ClassVar[tuple[float, float]] = (-0.3, 0.3)
    rate_start: ClassVar[tuple[float, float]] = (-1.0, -0.05)

    n_starts: int = 8
    shrinkage: float = 0.03
    offset: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.offset < 1:
            raise ValueError(f"'offset' of BiMix must be in (0, 1). Got {self.offset}.")

    def feature(self, shares: FloatArray) -> FloatArray:
        """log(1 + r/ε)."""
        feature: FloatArray = np.log1p(shares / self.offset)
        return feature

    def feature_slope(self, shares: FloatArray) -> FloatArray:
        """1 / (r + ε)."""
        return 1 / (shares + self.offset)

    def named(self, theta: FloatArray) -> dict[str, FloatArray]:
        """``E``, float64[...], and ``F`` by domain, in the unit of the losses; ``alpha``."""
        log_cost, rate = self.split(theta)
        factor = np.exp(log_cost - rate * np.log(self.offset))
        return {"E": theta[..., 0], "F": factor, "alpha": -rate}

    def caution(self, inputs: FloatArray) -> list[str]:
        """Whether any domain is left out of a run altogether."""
        return warn_of_zeros(
            inputs,
            lambda zeros: (
                f"Shares of exactly zero in domains {zeros}: a power of the share is infinite "
                f"there, and the offset {self.offset} decides how large it is taken to be."
            ),
        )
