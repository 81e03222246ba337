"""Permanent random numbers, and the order in which each method takes documents.

A sampler turns (score, u) into an *order*: a document is taken if it comes early enough for the
budget. ``u`` is a function of nothing but the seed and the document's key, so a sample depends
neither on shard layout nor on worker count, and a larger budget contains a smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
KeyArray = NDArray[np.uint64]
Calibration = TypeVar("Calibration")


def _mix(z: KeyArray) -> KeyArray:
    """The finaliser of SplitMix64 (Steele et al. 2014): every input bit moves every output bit."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def permanent_random(seed: int, keys: KeyArray) -> FloatArray:
    """One number in (0, 1) per key: the middle of one of 2^52 equal cells, never 0 or 1.

    Args:
        seed: a whole number in [0, 2^64).
        keys: uint64[n].

    Returns:
        float64[n].
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"'seed' of permanent_random must be in [0, 2**64). Got {seed}.")
    start = _mix(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    # Adding after the first round keeps 0, a fixed point of the finaliser, from passing through.
    mixed = _mix(_mix(np.asarray(keys, np.uint64) ^ start) + start)
    return ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


class Sampler(Protocol[Calibration]):
    """An order over documents, and how likely each was to be taken.

    `calibrate` sees the whole population once; what it returns is all that `order` and
    `inclusion`, which see documents chunk by chunk, know of the others. Samplers whose order does
    not depend on the others leave the calibration out of it, and may be asked without one.
    """

    name: ClassVar[str]

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> Calibration:
        """What order and inclusion probabilities need to know of the whole population.

        Args:
            score: float64[n], the population (one domain, where budgets are by domain).
            cost: float64[n] >= 0, in the unit of the budget.
            budget: in (0, Σ cost].
        """
        ...

    def order(self, score: FloatArray, u: FloatArray, calibration: Calibration) -> FloatArray:
        """float64[n], smaller is taken first."""
        ...

    def inclusion(self, score: FloatArray, calibration: Calibration) -> FloatArray:
        """How likely each document was to be taken, float64[n] in (0, 1].

        1 for deterministic methods, which take a document whenever its score is what it is.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TopK:
    """The best scores first.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), Algorithm 1.

    Attributes:
        higher_is_better: the direction of the scorer.
    """

    name: ClassVar[str] = "top-k"
    higher_is_better: bool = True

    def order(
        self,
        score: FloatArray,
        u: FloatArray,  # noqa: ARG002
        calibration: float | None = None,  # noqa: ARG002
    ) -> FloatArray:
        """-score, or the score itself where lower is better."""
        return -score if self.higher_is_better else score.copy()

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:  # noqa: ARG002
        """1: nothing is left to chance."""
        return 1.0

    def inclusion(self, score: FloatArray, calibration: float) -> FloatArray:
        """1 for every document."""
        return np.full(len(score), calibration)


@dataclass(frozen=True, kw_only=True)
class Random:
    """Every document alike."""

    name: ClassVar[str] = "random"

    def order(
        self,
        score: FloatArray,  # noqa: ARG002
        u: FloatArray,
        calibration: float | None = None,  # noqa: ARG002
    ) -> FloatArray:
        """The permanent random number."""
        return u.copy()

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:  # noqa: ARG002
        """Budget over total cost."""
        return min(1.0, budget / float(cost.sum()))

    def inclusion(self, score: FloatArray, calibration: float) -> FloatArray:
        """The same for every document."""
        return np.full(len(score), calibration)


@dataclass(frozen=True, kw_only=True)
class InversePropensity:
    """Rare documents first: inclusion probability in proportion to 1 / density.

    Sequential Poisson sampling: order u · density, here on the log scale. Its inclusion
    probabilities are π = min(1, c / density) with Σ π · cost = budget, up to an error that falls
    with the population (within .033 at 200 documents, none to be seen at 20,000).

    Source: Ohlsson 1998 for the order; Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.3 and
    Theorem A.2 for the goal. Departure: Algorithm 2, line 17 prints p in proportion to the
    density; the text and the theorem need its inverse.
    """

    name: ClassVar[str] = "inverse-propensity"

    def order(
        self,
        score: FloatArray,
        u: FloatArray,
        calibration: float | None = None,  # noqa: ARG002
    ) -> FloatArray:
        """Log u + log density. ``score`` is the log density, in nats."""
        return np.log(u) + score

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:
        """Log c, such that Σ min(1, c / density) · cost = budget. Exact, O(n log n).

        The k rarest documents have π = 1; k is the only number for which c lies between the
        density of the k-th document and the next.

        Example:
            >>> log_density = np.log([1.0, 2.0, 4.0])
            >>> log_c = InversePropensity().calibrate(log_density, np.ones(3), 1.75)
            >>> InversePropensity().inclusion(log_density, log_c).tolist()
            [1.0, 0.5, 0.25]
        """
        if budget >= cost.sum():
            return float(score.max())
        costs = cost > 0
        rarest_first = np.argsort(score[costs], kind="stable")
        log_density, price = score[costs][rarest_first], cost[costs][rarest_first]
        certain = np.concatenate([[0.0], np.cumsum(price)[:-1]])
        rest = np.logaddexp.accumulate((np.log(price) - log_density)[::-1])[::-1]
        left = np.maximum(budget - certain, np.finfo(np.float64).tiny)
        log_c = np.log(left) - rest  # if the k documents before were certain
        k = int(np.flatnonzero((log_c <= log_density) & (certain < budget))[0])
        return float(log_c[k])

    def inclusion(self, score: FloatArray, calibration: float) -> FloatArray:
        """π = min(1, c / density)."""
        return np.exp(np.minimum(0.0, calibration - score))
