"""Inverse propensity: rare documents first, by three designs that differ in how exact they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from .order import FloatArray, Sampler

Design = Literal["sequential-poisson", "pareto", "poisson"]
BIN_WIDTH = 2.0**-13
"""Of log weights: with bins of this width c is off by less than 6.2e-5 of itself."""


@dataclass(frozen=True, kw_only=True)
class InversePropensity(Sampler):
    """Rare documents first: inclusion probability in proportion to 1 / density.

    The probabilities are π = min(1, c / density) with Σ π · cost = budget. Designs:

    - "sequential-poisson": order u · density (Ohlsson 1998). The only one whose order does not
      depend on the budget, so that a larger sample contains a smaller one. Inclusion probabilities
      are π up to an error that falls with the population (within .033 at 200 documents, none to be
      seen at 20,000).
    - "pareto": order (u / (1 - u)) · ((1 - π) / π) (Rosén 1997). π to within what 4,000 draws can
      show at any size; documents with π = 1 come first. A budget of its own order each.
    - "poisson": a document is taken iff u < π, whatever the others do. Exactly π, and independent;
      the size of the sample is random, with the budget as its mean.

    Orders are on the log scale.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.3 and Theorem A.2, for the goal.
    Departure: Algorithm 2, line 17 prints p in proportion to the density; the text and the theorem
    need its inverse. "Without replacement" there is not drawing one after the other with weights
    1 / density (Gumbel top-k): that misses π by up to .3 at the rates in use.

    Attributes:
        design: how documents are drawn.
    """

    name: ClassVar[str] = "inverse-propensity"
    design: Design = "sequential-poisson"

    def __post_init__(self) -> None:
        if self.design not in get_args(Design):
            raise ValueError(
                f"'design' of InversePropensity must be one of {get_args(Design)}. "
                f"Got {self.design!r}."
            )

    @property
    def bin_width(self) -> float:
        """2^-13 nats."""
        return BIN_WIDTH

    @property
    def calibrated_order(self) -> bool:
        """True for the exact designs."""
        return self.design != "sequential-poisson"

    @property
    def uncalibrated(self) -> InversePropensity:
        """Sequential Poisson sampling."""
        return replace(self, design="sequential-poisson")

    @property
    def takes_below(self) -> float | None:
        """0, the logarithm of u / π = 1, for Poisson sampling."""
        return 0.0 if self.design == "poisson" else None

    def order(
        self, score: FloatArray, u: FloatArray, calibration: float | FloatArray = 0.0
    ) -> FloatArray:
        """Log order, by the design. ``score`` is the log density, in nats."""
        made = np.log(u)
        if self.design == "sequential-poisson":
            made += score
            return made
        log_inclusion = np.minimum(0.0, calibration - score)
        made -= log_inclusion
        if self.design == "pareto":
            made -= np.log1p(-u)
            with np.errstate(divide="ignore"):  # π = 1: -inf, before all others
                made += np.log(-np.expm1(log_inclusion))
        return made

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:
        """Log c, such that Σ min(1, c / density) · cost = budget. Exact, O(n log n).

        The k rarest documents have π = 1; k is the only number for which c lies between the
        density of the k-th document and the next. Infinite where everything fits.

        Example:
            >>> log_density = np.log([1.0, 2.0, 4.0])
            >>> log_c = InversePropensity().calibrate(log_density, np.ones(3), 1.75)
            >>> InversePropensity().inclusion(log_density, log_c).tolist()
            [1.0, 0.5, 0.25]
        """
        if budget >= cost.sum():
            return np.inf
        costs = cost > 0
        rarest_first = np.argsort(score[costs], kind="stable")
        log_density, price = score[costs][rarest_first], cost[costs][rarest_first]
        certain = np.concatenate([[0.0], np.cumsum(price)[:-1]])
        rest = np.logaddexp.accumulate((np.log(price) - log_density)[::-1])[::-1]
        left = np.maximum(budget - certain, np.finfo(np.float64).tiny)
        log_c = np.log(left) - rest  # if the k documents before were certain
        found = np.flatnonzero((log_c <= log_density) & (certain < budget))
        # Just below the whole cost rounding may leave none: then all but the last are certain.
        return float(log_c[found[0] if len(found) else -1])

    def inclusion(self, score: FloatArray, calibration: float | FloatArray) -> FloatArray:
        """π = min(1, c / density); above 0 also where that is too small for a number."""
        made = np.exp(np.minimum(0.0, calibration - score))
        return np.maximum(made, np.finfo(np.float64).tiny, out=made)
