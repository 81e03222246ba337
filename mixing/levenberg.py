"""Levenberg-Marquardt steps for many small least-squares fits at once, within bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .fit import Curve

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_MAX_STEPS = 300
_BLOCK_BYTES = 1 << 18  # of one block's Jacobian: it is read several times while in the cache
_FIRST_DAMPING, _LEAST_DAMPING, _GREATEST_DAMPING = 1e-3, 1e-12, 1e12
_ROUNDING = 1e-28  # share of the cost that no step gains, whatever it promises
_HIDDEN = 1e-8  # share of the cost below which a gain is better read from the slopes
_EXACT = 1e-22  # a cost that is zero: losses have unit spread


@dataclass(frozen=True, kw_only=True, eq=False)
class Problems:
    """Fits of one curve to the same runs, each with its own losses, weights, bounds and prior.

    Minimised is ``Σ_n weights[n] (losses[n] - L̂[n])² + |rows @ theta - values|²``.

    Attributes:
        losses: float64[fits, runs].
        weights: float64[fits, runs], >= 0 and not all zero; a weight of zero leaves the run out.
        low: float64[fits, parameters], the lower bounds, which may be -inf.
        high: float64[fits, parameters], the upper bounds.
        rows: float64[fits, k, parameters], the prior's.
        values: float64[fits, k], the prior's.
    """

    losses: FloatArray
    weights: FloatArray
    low: FloatArray
    high: FloatArray
    rows: FloatArray
    values: FloatArray

    def take(self, which: IntArray | BoolArray | slice) -> Problems:
        """Some of the fits."""
        return Problems(**{name: array[which] for name, array in vars(self).items()})

    def weighted(self, weights: FloatArray) -> Problems:
        """The same fits with other weights."""
        return replace(self, weights=weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Points:
    """Where each fit stands: parameters, cost, half its gradient, and J'J for half its Hessian."""

    theta: FloatArray
    cost: FloatArray
    slope: FloatArray
    curvature: FloatArray

    def take(self, which: IntArray | BoolArray) -> _Points:
        return _Points(**{name: array[which] for name, array in vars(self).items()})

    def put(self, which: IntArray | BoolArray, other: _Points) -> None:
        for name, array in vars(self).items():
            array[which] = getattr(other, name)


def minimise(
    curve: Curve, inputs: FloatArray, fits: Problems, start: FloatArray, tolerance: float
) -> tuple[FloatArray, FloatArray]:
    """The local optimum below each start, and its cost: float64[fits, parameters], float64[fits].

    Every iteration takes one damped Gauss-Newton step in every fit that has not converged. A
    parameter at a bound that its gradient pushes against stays there for the step; the step is
    then cut to the bounds. A step that fails to lower the cost (or is not finite) is taken back
    and the damping grows.

    Args:
        curve: what is fitted; its values, jacobian and floor are read.
        inputs: float64[runs, ...].
        fits: what it is fitted to.
        start: float64[fits, parameters].
        tolerance: a fit has converged when a step gains less than this share of its cost and
            promised no more.

    Returns:
        The cost is inf where the curve is not finite at the start.
    """
    theta, cost = start.copy(), np.full(len(start), np.inf)
    which = np.arange(len(start))
    with np.errstate(all="ignore"):
        at = _evaluate(curve, inputs, fits, np.clip(start, fits.low, fits.high))
        damping = np.full(len(start), _FIRST_DAMPING)
        scale = np.diagonal(at.curvature, axis1=1, axis2=2).copy()
        for _ in range(_MAX_STEPS):
            step, promised = _step(at, fits, damping, scale, curve.floor)
            new = _evaluate(curve, inputs, fits, at.theta + step)
            gained = _gained(at, new, step, promised)
            better = (gained > 0) & (promised > 0) & np.isfinite(new.curvature).all(axis=(1, 2))
            small = tolerance * at.cost + _EXACT
            done = better & (gained <= small) & (promised <= small)
            done |= ~better & (np.abs(promised) <= _ROUNDING * at.cost + _EXACT)
            done |= ~better & ((damping >= _GREATEST_DAMPING) | ~np.isfinite(at.cost))
            good = better & (gained > 0.75 * promised)
            damping *= np.where(good, 0.1, np.where(better & (gained > 0.25 * promised), 0.5, 4.0))
            damping = np.maximum(damping, _LEAST_DAMPING)
            at.put(better, new.take(better))
            np.maximum(scale, np.diagonal(at.curvature, axis1=1, axis2=2), out=scale)
            if done.any():
                theta[which[done]], cost[which[done]] = at.theta[done], at.cost[done]
                left = ~done
                which, at, fits = which[left], at.take(left), fits.take(left)
                damping, scale = damping[left], scale[left]
                if not len(which):
                    break
        theta[which], cost[which] = at.theta, at.cost
    return theta, np.where(np.isfinite(cost), cost, np.inf)


def _step(
    at: _Points, fits: Problems, damping: FloatArray, scale: FloatArray, floor: int | None
) -> tuple[FloatArray, FloatArray]:
    """A step within the bounds, float64[fits, parameters], and the gain it promises."""
    free = ~((at.theta <= fits.low) & (at.slope > 0) | (at.theta >= fits.high) & (at.slope < 0))
    if floor is not None:
        free[:, floor] = False
    least = 1e-12 * scale.max(axis=1, keepdims=True)
    damped = damping[:, None] * np.maximum(scale, np.where(least > 0, least, 1))
    step = _solve(at.curvature, damped, -at.slope, free)
    beyond = (at.theta + step < fits.low) | (at.theta + step > fits.high)
    step = np.clip(at.theta + step, fits.low, fits.high) - at.theta
    cut = np.flatnonzero((beyond & free).any(axis=1))
    if len(cut):
        # The others make up for what the bounds cut off.
        held = np.where(beyond, step, 0)[cut]
        curvature = at.curvature[cut]
        right = -at.slope[cut] - (curvature @ held[:, :, None])[:, :, 0]
        rest = held + _solve(curvature, damped[cut], right, (free & ~beyond)[cut])
        step[cut] = np.clip(at.theta[cut] + rest, fits.low[cut], fits.high[cut]) - at.theta[cut]
    bent = (at.curvature @ step[:, :, None])[:, :, 0]
    promised = -((2 * at.slope + bent) * step).sum(axis=1)
    return step, promised


def _gained(at: _Points, new: _Points, step: FloatArray, promised: FloatArray) -> FloatArray:
    """What each step took off the cost; from the mean slope where the difference is rounding."""
    along = -((at.slope + new.slope) * step).sum(axis=1)
    return np.where(promised < _HIDDEN * at.cost, along, at.cost - new.cost)


def _solve(
    curvature: FloatArray, damped: FloatArray, right: FloatArray, free: BoolArray
) -> FloatArray:
    """The x of ``(curvature + diag(damped)) x = right`` over the free parameters, else zero.

    Elimination without pivoting (the matrix is positive definite), all fits at once: the batch
    is the last axis, so that each of the few operations runs along contiguous memory. A matrix
    that is not positive definite by rounding gives NaN.
    """
    n = right.shape[1]
    a = np.empty((n, n + 1, len(right)))
    kept = free.T.astype(np.float64)
    np.multiply(curvature.transpose(1, 2, 0), kept[:, None], out=a[:, :n])
    a[:, :n] *= kept
    a[:, n] = right.T * kept
    diagonal = np.arange(n)
    a[diagonal, diagonal] += np.where(free, damped, 1).T
    for k in range(n):
        pivot = np.where(a[k, k] > 0, a[k, k], np.nan)
        factor = a[k + 1 :, k] / pivot
        a[k + 1 :, k + 1 :] -= factor[:, None] * a[k, k + 1 :]
        a[k, k + 1 :] /= pivot
    x = a[:, n]
    for k in range(n - 2, -1, -1):
        x[k] -= (a[k, k + 1 : n] * x[k + 1 :]).sum(axis=0)
    return np.ascontiguousarray(x.T)


def _evaluate(curve: Curve, inputs: FloatArray, fits: Problems, theta: FloatArray) -> _Points:
    n_fits, n_parameters = theta.shape
    new = _Points(
        theta=theta,
        cost=np.empty(n_fits),
        slope=np.empty(theta.shape),
        curvature=np.empty((n_fits, n_parameters, n_parameters)),
    )
    size = max(1, _BLOCK_BYTES // (8 * max(1, len(inputs)) * n_parameters))
    for first in range(0, n_fits, size):
        block = slice(first, first + size)
        _evaluate_block(curve, inputs, fits.take(block), *(a[block] for a in vars(new).values()))
    return new


def _evaluate_block(
    curve: Curve,
    inputs: FloatArray,
    fits: Problems,
    theta: FloatArray,
    cost: FloatArray,
    slope: FloatArray,
    curvature: FloatArray,
) -> None:
    """Fill in the block's cost, slope and curvature, and the floor in ``theta``."""
    total = fits.weights.sum(axis=1)
    seen = fits.weights > 0
    if curve.floor is None:
        misfit = np.where(seen, curve.values(theta, inputs) - fits.losses, 0)
        jacobian = curve.jacobian(theta, inputs)
    else:
        place = curve.floor
        theta[:, place] = 0
        misfit = np.where(seen, curve.values(theta, inputs) - fits.losses, 0)
        best = -(fits.weights * misfit).sum(axis=1) / total
        best = np.where(np.isfinite(best), best, 0)
        floor = np.clip(best, fits.low[:, place], fits.high[:, place])
        theta[:, place] = floor
        misfit += floor[:, None]
        jacobian = curve.jacobian(theta, inputs)
        # The floor follows the other parameters, unless a bound holds it.
        mean = (fits.weights[:, None] @ jacobian) / total[:, None, None]
        jacobian = jacobian - mean * (best == floor)[:, None, None]
    root = np.sqrt(fits.weights)
    misfit = misfit * root
    jacobian = jacobian * root[:, :, None]
    turned = jacobian.transpose(0, 2, 1)
    cost[:] = (misfit * misfit).sum(axis=1)
    slope[:] = (turned @ misfit[:, :, None])[:, :, 0]
    np.matmul(turned, jacobian, out=curvature)
    if fits.rows.shape[1]:
        turned = fits.rows.transpose(0, 2, 1)
        beside = (fits.rows @ theta[:, :, None])[:, :, 0] - fits.values
        cost += (beside * beside).sum(axis=1)
        slope += (turned @ beside[:, :, None])[:, :, 0]
        curvature += turned @ fits.rows
