"""Minimising a smooth function of the mixture within constraints, to a certified gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, brentq, minimize
from scipy.special import rel_entr

from .laws.fitted import FittedLaw
from .polytope import Polytope

FloatArray = NDArray[np.float64]

_TOLERANCE = 1e-9  # of the gap: a thousandth of what is promised
_MAX_MOVES = 5000
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
        room: what a mixture may be.
    """

    law: FittedLaw
    weights: FloatArray
    prior: FloatArray
    kl_strength: float
    room: Polytope

    def values(self, mixtures: FloatArray) -> FloatArray:
        """The objective at mixtures[n, domains], float64[n]."""
        values: FloatArray = self.law.model.predict(self.law.inputs(mixtures)) @ self.weights
        if self.kl_strength > 0:
            values = values + self.kl_strength * rel_entr(mixtures, self.prior).sum(axis=1)
        return values

    def value(self, mixture: FloatArray) -> float:
        """The objective at mixture[domains]."""
        return float(self.values(mixture[None])[0])

    def gradient(self, mixture: FloatArray) -> FloatArray:
        """Its gradient, float64[domains]; zero for fixed shares, where it decides nothing."""
        slopes = self.law.model.gradient(self.law.inputs(mixture[None]))[0]
        used = self.weights > 0  # a weight of 0 times an infinite slope is no slope
        gradient: FloatArray = self.weights[used] @ slopes[used]
        free = self.room.upper > self.room.lower
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
        return max(0.0, float(gradient @ (mixture - self.room.minimum(gradient))))


def descend(objective: Objective, start: FloatArray) -> FloatArray:
    """A local optimum from a feasible start: near it by SLSQP, onto it by single moves.

    SLSQP models the curvature but stops at about 1e-7; single moves are exact, but slow from
    afar.
    """
    room = objective.room
    floor = np.maximum(room.lower, np.minimum(room.upper, _INTERIOR))
    rows = [np.ones(len(start)), *room.members]
    low, high = (1.0, *room.least.tolist()), (1.0, *room.most.tolist())
    rough = minimize(
        objective.value,
        np.clip(start, floor, room.upper),
        jac=objective.gradient,
        method="SLSQP",
        bounds=Bounds(floor, room.upper),
        # Each by itself: SLSQP wants equalities and inequalities apart.
        constraints=[LinearConstraint(*one) for one in zip(rows, low, high, strict=True)],
        options={"maxiter": 200, "ftol": 1e-14},
    ).x
    candidates = [start]
    if np.isfinite(rough).all():
        candidates.append(room.bring(np.clip(rough, room.lower, room.upper)))
    return _polish(objective, min(candidates, key=objective.value))


def _polish(objective: Objective, mixture: FloatArray) -> FloatArray:
    """Move mass in the direction that gains most, until none gains."""
    value = objective.value(mixture)
    for _ in range(_MAX_MOVES):
        gradient = objective.gradient(mixture)
        direction = objective.room.direction(gradient, mixture)
        if -_along(gradient, direction) <= _TOLERANCE * max(1.0, abs(value)):
            break
        candidate = _line_search(objective, mixture, direction)
        reached = objective.value(candidate)
        rounding = 1e-12 * max(1.0, abs(value))
        if reached > value + rounding or (candidate == mixture).all():
            break
        mixture, value = candidate, reached
    return mixture


def _line_search(objective: Objective, mixture: FloatArray, direction: FloatArray) -> FloatArray:
    """The best mixture in a direction.

    Along that line a convex objective has a rising derivative, so the step is its root, or the
    whole way to a bound.
    """
    room = objective.room
    most = room.longest(mixture, direction)

    def slope(step: float) -> float:
        return _along(objective.gradient(room.moved(mixture, direction, step)), direction)

    if slope(most) <= 0:
        return room.moved(mixture, direction, most)
    step = float(brentq(slope, 0.0, most, xtol=1e-300, rtol=1e-14, maxiter=500))
    return room.moved(mixture, direction, step)


def _along(gradient: FloatArray, direction: FloatArray) -> float:
    """The derivative in a direction; a share that does not move has no part in it."""
    moving = direction != 0
    steep = np.clip(gradient[moving], -_STEEPEST, _STEEPEST)
    return float(np.clip(steep @ direction[moving], -_STEEPEST, _STEEPEST))
