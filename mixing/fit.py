"""Nonlinear least squares from many starts: the engine of every law that has no closed form."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from .levenberg import Problems, minimise

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_SAME_OPTIMUM = 1e-3  # relative difference in cost below which two optima count as one
_TIE = 1e-7  # below which the first of two starts is taken, so that rounding never chooses
_TOLERANCE = 1e-9  # of the starts
_POLISH = 1e-20  # of the best of them: far below what the cost shows, for the parameters' sake
_ZERO = 1e-12  # a cost that is zero: losses have unit spread
_RUNS_A_PARAMETER = 3  # that it takes to tell outliers by their residuals
_MAX_REWEIGHTS = 50
_SETTLED = 1e-6  # change of any weight below which reweighting has ended
_NORMAL = 1.4826  # a normal law's standard deviation over its median absolute value
_LEAST_DEVIATION = 1e-6  # of the residuals of a fit that is exact for half of the runs


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
    *,
    huber: float | None = None,
    anchors: FloatArray | None = None,
    anchor_weight: float = 0.0,
) -> Solution:
    """The parameters of each target on each subset of the runs, best of several starts.

    Minimises ``Σ ((L - L̂) / spread)² + prior`` within the law's bounds. The unit makes the fit
    the same for nats, bits or points of accuracy; the prior and the bounds keep it finite where
    the parameters outnumber the runs.

    With ``huber``, a run counts by the square of its residual up to that many robust standard
    deviations (1.4826 times the median absolute residual) and by its distance beyond. The best
    optimum of the squared error is where reweighting begins, and the standard deviation is taken
    anew in every round. Below three runs a parameter the residuals are the fit's own and tell no
    outlier: then every fit keeps the squared error.

    Args:
        curve: the law's formula.
        inputs: float64[runs, domains + covariates], or whatever else the curve reads.
        losses: float64[runs, targets].
        subsets: bool[subsets, runs]; the first holds all runs. The others start from its optimum
            and from the first two starts.
        uniforms: float64[starts, parameters] in (0, 1): what the starts are made from. The same
            for every target, so that no target's fit depends on which others are there.
        huber: where a run's loss turns from square to linear, such as 1.345; None for nowhere.
        anchors: float64[anchors, domains + covariates], inputs at which no loss is known, and
            the mean loss of the subset is a first guess.
        anchor_weight: of each such guess, in runs.
    """
    settings = _Settings(
        anchors=np.empty((0, inputs.shape[1])) if anchors is None else anchors,
        anchor_weight=anchor_weight,
        huber=huber if len(inputs) >= _RUNS_A_PARAMETER * uniforms.shape[1] else None,
    )
    theta, reached = _solve(curve, inputs, losses, subsets[:1], uniforms, None, settings)
    if len(subsets) > 1:
        rest, _ = _solve(curve, inputs, losses, subsets[1:], uniforms[:2], theta[0], settings)
        theta = np.concatenate([theta, rest])
    return Solution(theta=theta, share_of_starts=reached[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Settings:
    anchors: FloatArray
    anchor_weight: float
    huber: float | None


def _solve(
    curve: Curve,
    inputs: FloatArray,
    losses: FloatArray,
    subsets: BoolArray,
    uniforms: FloatArray,
    warm: FloatArray | None,
    settings: _Settings,
) -> tuple[FloatArray, FloatArray]:
    """float64[subsets, targets, parameters], and the share of starts at the best optimum."""
    shape = (len(subsets), losses.shape[1])
    seen = np.repeat(subsets, shape[1], axis=0)
    observed = np.tile(losses.T, (shape[0], 1))
    units = np.array([spread(own[kept]) for own, kept in zip(observed, seen, strict=True)])
    scaled = observed / units[:, None]
    fits = _problems(curve, inputs, scaled, seen, settings)
    starts = np.array(
        [curve.start(uniforms, inputs[k], own[k]) for own, k in zip(scaled, seen, strict=True)]
    )
    if warm is not None:
        again = np.tile(warm, (shape[0], 1))
        known = [curve.rescale(one, 1 / unit) for one, unit in zip(again, units, strict=True)]
        starts = np.concatenate([starts, np.array(known)[:, None]], axis=1)
    everywhere = np.concatenate([inputs, settings.anchors])
    theta, reached = _best(curve, everywhere, fits, starts)
    if settings.huber is not None:
        theta = _reweight(curve, everywhere, fits, len(inputs), theta, settings.huber)
    theta = np.array([curve.rescale(one, unit) for one, unit in zip(theta, units, strict=True)])
    return theta.reshape(*shape, -1), reached.reshape(shape)


def _problems(
    curve: Curve,
    inputs: FloatArray,
    losses: FloatArray,
    seen: BoolArray,
    settings: _Settings,
) -> Problems:
    """One fit for each row of ``losses[fits, runs]``, on the runs ``seen[fits, runs]``."""
    means = (losses * seen).sum(axis=1, keepdims=True) / seen.sum(axis=1, keepdims=True)
    guesses = np.repeat(means, len(settings.anchors), axis=1)
    bounds = [curve.bounds(inputs[kept], own[kept]) for own, kept in zip(losses, seen, strict=True)]
    low, high = (np.array(ends, np.float64) for ends in zip(*bounds, strict=True))
    rows, values = zip(*(curve.prior(inputs[kept]) for kept in seen), strict=True)
    return Problems(
        losses=np.concatenate([losses, guesses], axis=1),
        weights=np.concatenate([seen, np.full(guesses.shape, settings.anchor_weight)], axis=1),
        low=low,
        high=high,
        rows=np.array(rows, np.float64),
        values=np.array(values, np.float64),
    )


def _best(
    curve: Curve, inputs: FloatArray, fits: Problems, starts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The best optimum of each fit from ``starts[fits, starts, parameters]``, and its share."""
    n_fits, n_starts, n_parameters = starts.shape
    repeated = fits.take(np.repeat(np.arange(n_fits), n_starts))
    theta, cost = minimise(
        curve, inputs, repeated, starts.reshape(-1, n_parameters), tolerance=_TOLERANCE
    )
    cost = cost.reshape(n_fits, n_starts)
    least = cost.min(axis=1, keepdims=True)
    reached = (cost <= least * (1 + _SAME_OPTIMUM) + _ZERO).mean(axis=1)
    first = np.argmax(cost <= least * (1 + _TIE) + _ZERO, axis=1)
    best = theta.reshape(starts.shape)[np.arange(n_fits), first]
    best, _ = minimise(curve, inputs, fits, best, tolerance=_POLISH)
    return best, reached


def _reweight(
    curve: Curve,
    inputs: FloatArray,
    fits: Problems,
    n_runs: int,
    theta: FloatArray,
    huber: float,
) -> FloatArray:
    """The optimum of the Huber loss near each ``theta[fits, parameters]``."""
    theta, seen = theta.copy(), fits.weights > 0
    seen[:, n_runs:] = False
    which = np.arange(len(theta))
    weights = fits.weights.copy()
    for _ in range(_MAX_REWEIGHTS):
        distance = np.abs(curve.values(theta[which], inputs) - fits.losses[which])
        median = np.nanmedian(np.where(seen[which], distance, np.nan), axis=1, keepdims=True)
        limit = huber * np.maximum(_NORMAL * median, _LEAST_DEVIATION)
        fresh = np.where(seen[which], limit / np.maximum(distance, limit), weights[which])
        moved = np.abs(fresh - weights[which]).max(axis=1) > _SETTLED
        weights[which] = fresh
        which = which[moved]
        if not len(which):
            break
        again = fits.take(which).weighted(weights[which])
        theta[which], _ = minimise(curve, inputs, again, theta[which], tolerance=_POLISH)
    return theta
