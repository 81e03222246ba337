"""Nonlinear least squares from many starts: the engine of every law that has no closed form."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SAME_OPTIMUM = 1e-3  # relative difference in cost below which two optima count as one
_MAX_EVALUATIONS = 300
_TOLERANCE = 1e-10


class Curve(Protocol):
    """A law for one target, as the engine sees it: a formula, its derivatives, and modesty.

    ``theta[..., parameters]`` may hold the parameters of many fits at once (targets, starts,
    subsets of the runs); values and derivatives follow its leading axes. ``inputs[runs, domains +
    covariates]`` are the shares, then the covariates. The engine divides losses by their spread,
    so bounds, prior and starts are in these units: one is a standard deviation of the losses.

    Attributes:
        floor: place of the parameter that is a plain summand of the loss, which the engine
            eliminates (variable projection); None where the formula has none.
    """

    floor: ClassVar[int | None]

    @abstractmethod
    def values(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Losses, float64[..., runs]."""
        ...

    @abstractmethod
    def jacobian(self, theta: FloatArray, inputs: FloatArray) -> FloatArray:
        """Derivative of the losses by the parameters, float64[..., runs, parameters]."""
        ...

    @abstractmethod
    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and greatest value of each parameter, float64[parameters] each."""
        ...

    @abstractmethod
    def prior(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Rows[k, parameters] and values[k] of a penalty ``|rows @ theta - values|²``."""
        ...

    @abstractmethod
    def start(self, uniforms: FloatArray, inputs: FloatArray, losses: FloatArray) -> FloatArray:
        """First guesses, float64[starts, parameters], from ``uniforms`` of that shape in (0, 1)."""
        ...

    @abstractmethod
    def rescale(self, theta: FloatArray, factor: float) -> FloatArray:
        """The parameters, float64[..., parameters], of ``factor`` times the same losses."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The best of many local optima.

    Attributes:
        theta: float64[subsets, targets, parameters], in the units of the losses.
        share_of_starts: float64[targets], share of the starts on all runs that reached the best
            optimum, in (0, 1].
    """

    theta: FloatArray
    share_of_starts: FloatArray


def spread(losses: FloatArray) -> float:
    """The unit in which one target is fitted: its standard deviation, or its size if constant."""
    deviation, size = float(losses.std()), float(np.abs(losses).max())
    if deviation > 1e-9 * size:
        return deviation
    return size or 1.0


def least_squares_multistart(
    curve: Curve,
    inputs: FloatArray,
    losses: FloatArray,
    subsets: BoolArray,
    uniforms: FloatArray,
) -> Solution:
    """The parameters of each target on each subset of the runs, best of several starts.

    Minimises ``Σ ((L - L̂) / spread)² + prior`` within the law's bounds. The unit makes the fit
    the same for nats, bits or points of accuracy; the prior and the bounds keep it finite where
    the parameters outnumber the runs.

    Args:
        curve: the law's formula.
        inputs: float64[runs, domains + covariates].
        losses: float64[runs, targets].
        subsets: bool[subsets, runs]; the first holds all runs. The others start from its optimum
            and from the first two starts.
        uniforms: float64[starts, parameters] in (0, 1): what the starts are made from. The same
            for every target, so that no target's fit depends on which others are there.
    """
    theta = np.empty((len(subsets), losses.shape[1], uniforms.shape[1]))
    reached = np.empty(losses.shape[1])
    for target, observed in enumerate(losses.T):
        theta[0, target], reached[target] = _one(curve, inputs, observed, uniforms, None)
        for k, seen in enumerate(subsets[1:], start=1):
            theta[k, target], _ = _one(
                curve, inputs[seen], observed[seen], uniforms[:2], theta[0, target]
            )
    return Solution(theta=theta, share_of_starts=reached)


def _one(
    curve: Curve,
    inputs: FloatArray,
    losses: FloatArray,
    uniforms: FloatArray,
    warm: FloatArray | None,
) -> tuple[FloatArray, float]:
    unit = spread(losses)
    scaled = losses / unit
    low, high = curve.bounds(inputs, scaled)
    starts = [*curve.start(uniforms, inputs, scaled)]
    if warm is not None:
        starts.append(curve.rescale(warm, 1 / unit))
    residuals, jacobian = _objective(curve, inputs, scaled)
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
    return curve.rescale(np.asarray(optima[best].x, np.float64), unit), float(reached.mean())


def _objective(
    curve: Curve, inputs: FloatArray, losses: FloatArray
) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], FloatArray]]:
    rows, values = curve.prior(inputs)

    def residuals(theta: FloatArray) -> FloatArray:
        misfit = curve.values(theta, inputs) - losses
        return np.concatenate([misfit, rows @ theta - values])

    def jacobian(theta: FloatArray) -> FloatArray:
        return np.concatenate([curve.jacobian(theta, inputs), rows])

    return residuals, jacobian
