"""Minimising a smooth function of the mixture over bounded shares, to a certified gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, brentq, minimize

from .laws.fitted import FittedLaw
from .simplex import greedy_fill, water_fill

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-9  # of the gap: a thousandth of what is promised
_MAX_PAIRS = 5000
_SPECK = 1e-15  # a share that isn't worth moving
_INTERIOR = 1e-9  # SLSQP keeps this far from zero, where a slope may be infinite
_STEEPEST = 1e100  # stands for an infinite slope where a root finder needs a number


@dataclass(frozen=True, kw_only=True, eq=False)
class Objective:
    """The weighted predicted loss of a mixture, plus its divergence from the prior.

    Attributes:
        law: predicts the losses.
        weights: float64[targets], >= 0, sum one.
        prior: float64[domains].
        kl_strength: weight of KL(mixture ‖ prior).
        lower: float64[domains], least shares.
        upper: float64[domains], greatest shares.
    """

    law: FittedLaw
    weights: FloatArray
    prior: FloatArray
    kl_strength: float
    lower: FloatArray
    upper: FloatArray

    def value(self, mixture: FloatArray) -> float:
        """The objective at mixture[domains]."""
        losses = self.law.model.predict(self.law.inputs(mixture[None]))[0]
        value = float(self.weights @ losses)
        if self.kl_strength > 0:
            some = mixture > 0
            logs = np.log(mixture[some] / self.prior[some])
            value += self.kl_strength * float(mixture[some] @ logs)
        return value

    def gradient(self, mixture: FloatArray) -> FloatArray:
        """Its gradient, float64[domains]; zero for fixed shares, where it decides nothing."""
        slopes = self.law.model.gradient(self.law.inputs(mixture[None]))[0]
        used = self.weights > 0  # a weight of 0 times an infinite slope is no slope
        gradient: FloatArray = self.weights[used] @ slopes[used]
        free = self.upper > self.lower
        if self.kl_strength > 0:
            with np.errstate(divide="ignore"):
                logs = np.log(mixture[free] / self.prior[free])
            gradient[free] += self.kl_strength * (logs + 1)
        return np.where(free, gradient, 0.0)

    def gap(self, mixture: FloatArray) -> float:
        """The Frank-Wolfe gap: the most that a convex objective can still fall, >= 0."""
        gradient = self.gradient(mixture)
        if not np.isfinite(gradient).all():
            return float("inf")
        best = greedy_fill(gradient, self.lower, self.upper)
        return max(0.0, float(gradient @ (mixture - best)))


def descend(objective: Objective, start: FloatArray) -> FloatArray:
    """A local optimum from a feasible start: near it by SLSQP, onto it by pairs of domains.

    SLSQP models the curvature but stops at about 1e-7; pairs are exact, but slow from afar.
    """
    lower, upper = objective.lower, objective.upper
    floor = np.maximum(lower, np.minimum(upper, _INTERIOR))
    rough = minimize(
        objective.value,
        np.clip(start, floor, upper),
        jac=objective.gradient,
        method="SLSQP",
        bounds=Bounds(floor, upper),
        constraints=LinearConstraint(np.ones((1, len(start))), 1, 1),
        options={"maxiter": 200, "ftol": 1e-14},
    ).x
    candidates = [start]
    if np.isfinite(rough).all():
        candidates.append(water_fill(np.clip(rough, lower, upper), lower, upper))
    return _polish(objective, min(candidates, key=objective.value))


def _polish(objective: Objective, mixture: FloatArray) -> FloatArray:
    """Move mass between the pair of domains that gains most, until no pair gains."""
    value = objective.value(mixture)
    for _ in range(_MAX_PAIRS):
        gradient = objective.gradient(mixture)
        into = int(np.argmin(np.where(mixture < objective.upper, gradient, np.inf)))
        # A share next to nothing stays where it is: an infinite slope at zero put it there, and
        # would put it back.
        held = mixture - objective.lower > _SPECK
        out_of = int(np.argmax(np.where(held, gradient, -np.inf)))
        if gradient[out_of] - gradient[into] <= _TOLERANCE * max(1.0, abs(value)):
            break
        candidate = _line_search(objective, mixture, into, out_of)
        reached = objective.value(candidate)
        rounding = 1e-12 * max(1.0, abs(value))
        if reached > value + rounding or (candidate == mixture).all():
            break
        mixture, value = candidate, reached
    return mixture


def _line_search(objective: Objective, mixture: FloatArray, into: int, out_of: int) -> FloatArray:
    """The best mixture that differs by mass moved from one domain to another.

    Along that line a convex objective has a rising derivative, so the step is its root, or the
    whole way to a bound.
    """
    lower, upper = objective.lower, objective.upper
    most = min(upper[into] - mixture[into], mixture[out_of] - lower[out_of])

    def moved(step: float) -> FloatArray:
        result = mixture.copy()
        # Onto a bound exactly, so that rounding leaves no speck to move again.
        result[into] = min(mixture[into] + step, upper[into])
        result[out_of] = max(mixture[out_of] - step, lower[out_of])
        return result

    def slope(step: float) -> float:
        gradient = objective.gradient(moved(step))
        return float(np.clip(gradient[into] - gradient[out_of], -_STEEPEST, _STEEPEST))

    if slope(most) <= 0:
        return moved(most)
    return moved(float(brentq(slope, 0.0, most, xtol=1e-300, rtol=1e-14, maxiter=500)))
