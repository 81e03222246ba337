"""Softmax with a temperature: good scores first, and some chance for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .inverse_propensity import BIN_WIDTH
from .order import FloatArray, Sampler

_LEAST = 1e-100


@dataclass(frozen=True, kw_only=True)
class Softmax(Sampler):
    """Documents drawn one after the other, each with weight exp(score / temperature).

    Successive sampling: the next document is drawn from those that are left, in proportion to
    their weights. The order -log(u) / weight gives the same sample at once (Gumbel top-k), here on
    the log scale and in 64 bits: log(-log u) - score / temperature. A temperature near 0 is top-k,
    a high one is random.

    Inclusion probabilities of successive sampling have no closed form. Those given are
    π ≈ 1 - exp(-λ · weight), with Σ π · cost = budget (Rosén 1972): the error falls with the
    population.

    Source: Wettig et al. 2024 (QuRating, arXiv 2402.09739), section 4; Efraimidis & Spirakis 2006
    for the order. Departure: the paper normalises scores to unit variance first; a temperature
    here is in the unit of the score.

    Attributes:
        temperature: in the unit of the score, at least 1e-100.
        higher_is_better: the direction of the scorer.
    """

    name: ClassVar[str] = "softmax"
    temperature: float = 1.0
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if 0 < self.temperature < _LEAST:
            raise ValueError(
                f"'temperature' of Softmax must be at least {_LEAST:g}, or weights are too large "
                f"for numbers. Got {self.temperature}. For the best scores use top-k."
            )
        if not 0 < self.temperature < np.inf:
            raise ValueError(
                f"'temperature' of Softmax must be a number above 0. Got {self.temperature}."
            )

    @property
    def bin_width(self) -> float:
        """2^-13 nats of the log weight."""
        return BIN_WIDTH * self.temperature

    def log_weight(self, score: FloatArray) -> FloatArray:
        """Score / temperature, turned where lower is better."""
        return score / (self.temperature if self.higher_is_better else -self.temperature)

    def order(
        self,
        score: FloatArray,
        u: FloatArray,
        calibration: float | FloatArray = 1.0,  # noqa: ARG002
    ) -> FloatArray:
        """log(-log u) - log weight."""
        made = np.log(u)
        np.log(np.negative(made, out=made), out=made)
        made -= self.log_weight(score)
        return made

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> float:
        """Log λ, such that Σ (1 - exp(-λ · weight)) · cost = budget, by bisection."""
        costs = cost > 0
        log_weight, price = self.log_weight(score[costs]), cost[costs]
        if budget >= price.sum():
            return np.inf
        low, high = -float(log_weight.max()) - 750.0, -float(log_weight.min()) + 10.0
        while (middle := (low + high) / 2) not in (low, high):
            spent = float((_inclusion(middle + log_weight) * price).sum())
            low, high = (middle, high) if spent < budget else (low, middle)
        return high

    def inclusion(self, score: FloatArray, calibration: float | FloatArray) -> FloatArray:
        """1 - exp(-λ · weight); above 0 also where that is too small for a number."""
        made = _inclusion(calibration + self.log_weight(score))
        return np.maximum(made, np.finfo(np.float64).tiny, out=made)


def _inclusion(log_rate: FloatArray) -> FloatArray:
    return np.asarray(-np.expm1(-np.exp(np.minimum(log_rate, 700.0))))
