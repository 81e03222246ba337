"""Nonlinear least squares from many starts: the engine of every law that has no closed form."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

FloatArray = NDArray[np.float64]

_SAME_OPTIMUM = 1e-3  # relative difference in cost below which two optima count as one
_MAX_EVALUATIONS = 300
_TOLERANCE = 1e-10


class Curve(Protocol):
    """A law for one target, as the engine sees it: a formula, its derivatives, and modesty.

    The engine divides losses by their spread, so bounds, prior and starts are in these units:
    one is a standard deviation of the losses at hand.
    """

    @abstractmethod
    def values(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Losses, float64[runs], from theta[parameters] and mixtures[runs, domains]."""
        ...

    @abstractmethod
    def jacobian(self, theta: FloatArray, mixtures: FloatArray) -> FloatArray:
        """Derivative of the losses by the parameters, float64[runs, parameters]."""
        ...

    @abstractmethod
    def bounds(self, n_domains: int, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and greatest value of each parameter."""
        ...

    @abstractmethod
    def prior(self, n_domains: int) -> tuple[FloatArray, FloatArray]:
        """Rows[k, parameters] and values[k] of a penalty ``|rows @ theta - values|²``."""
        ...

    @abstractmethod
    def start(self, uniforms: FloatArray, mixtures: FloatArray, losses: FloatArray) -> FloatArray:
        """A first guess from ``uniforms`` in (0, 1), one for each parameter."""
        ...

    @abstractmethod
    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """The parameters of ``factor`` times the same losses."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The best of many local optima.

    Attributes:
        theta: float64[parameters], in the units of the losses.
        share_of_starts: share of the starts that reached it, in (0, 1].
    """

    theta: FloatArray
    share_of_starts: float


def spread(losses: FloatArray) -> float:
    """The unit in which one target is fitted: its standard deviation, or its size if constant."""
    deviation, size = float(losses.std()), float(np.abs(losses).max())
    if deviation > 1e-9 * size:
        return deviation
    return size or 1.0


def least_squares_multistart(
    curve: Curve,
    mixtures: FloatArray,
    losses: FloatArray,
    uniforms: FloatArray,
    warm: FloatArray | None = None,
) -> Solution:
    """The parameters of one target by penalised least squares, best of several starts.

    Minimises ``Σ ((L - L̂) / spread)² + prior`` within the law's bounds with a dogleg in a
    box-shaped trust region and analytic Jacobians. The unit makes the fit the same for nats, bits
    or points of accuracy; the prior and the bounds keep it finite where the parameters outnumber
    the runs.

    Args:
        curve: the law's formula.
        mixtures: float64[runs, domains].
        losses: float64[runs], of one target.
        uniforms: float64[starts, parameters] in (0, 1): what the starts are made from. The same
            for every target, so that no target's fit depends on which others are there.
        warm: float64[parameters], one more start, in the units of ``losses``.
    """
    unit = spread(losses)
    scaled = losses / unit
    low, high = curve.bounds(mixtures.shape[1], scaled)
    starts = [curve.start(row, mixtures, scaled) for row in uniforms]
    if warm is not None:
        starts.append(curve.rescale(warm, 1 / unit))
    residuals, jacobian = _objective(curve, mixtures, scaled)
    # dogbox walks along the bounds that hold (a floor of 0, a power of 1) instead of creeping up
    # to them, and takes half the time of trf to the same optima.
    optima = [
        least_squares(
            residuals,
            np.clip(start, low, high),
            jac=jacobian,
            bounds=(low, high),
            method="dogbox",
            x_scale="jac",
            xtol=_TOLERANCE,
            ftol=_TOLERANCE,
            gtol=_TOLERANCE,
            max_nfev=_MAX_EVALUATIONS,
        )
        for start in starts
    ]
    costs = np.array([optimum.cost for optimum in optima])
    best = int(np.argmin(costs))
    reached = costs <= costs[best] * (1 + _SAME_OPTIMUM) + 1e-12
    return Solution(
        theta=curve.rescale(np.asarray(optima[best].x, np.float64), unit),
        share_of_starts=float(reached.mean()),
    )


def _objective(
    curve: Curve, mixtures: FloatArray, losses: FloatArray
) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    rows, values = curve.prior(mixtures.shape[1])

    def residuals(theta: FloatArray) -> FloatArray:
        misfit = curve.values(theta, mixtures) - losses
        return np.concatenate([misfit, rows @ theta - values])

    def jacobian(theta: FloatArray) -> FloatArray:
        return np.concatenate([curve.jacobian(theta, mixtures), rows])

    return residuals, jacobian
