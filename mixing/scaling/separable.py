"""Curves with one nonlinear parameter: every rate is tried, the rest is linear and solved exactly.

A power law, an over-training law and an error law are each a sum of non-negative multiples of
known columns, once their one exponent or rate is given. So the fit is a search on a line, which
needs no starts and finds the global optimum between its bounds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_GRID, _ZOOM = 96, 17  # points of the first grid and of each finer one
_ROUNDS = 9  # each narrows the interval 8-fold
_REWEIGHTINGS = 25


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is expected of the rate before the data: log-normal, as wide as the data is noisy.

    Attributes:
        rate: the likeliest value.
        spread: standard deviation of its logarithm.
        noise: standard deviation of a loss about the law, in the unit of the losses.
    """

    rate: float
    spread: float
    noise: float

    def __post_init__(self) -> None:
        for name in ("rate", "spread", "noise"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise ValueError(f"'{name}' of Prior must be finite and > 0. Got {value}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Separated:
    """A fit of :func:`fit_separable`.

    Attributes:
        rate: float64[series]; one value throughout where it is tied.
        linear: float64[series, columns], >= 0.
    """

    rate: FloatArray
    linear: FloatArray


def fit_separable(
    columns: Callable[[FloatArray], FloatArray],
    losses: FloatArray,
    *,
    between: tuple[float, float],
    tied: bool = True,
    delta: float | None = None,
    prior: Prior | None = None,
) -> Separated:
    """The rate in an interval and the non-negative multiples of the columns that fit best.

    Minimises the summed squared error of the losses or, with ``delta``, the Huber loss of their
    logarithms, by reweighting. The prior adds ``noise² (log(rate / prior) / spread)²``, once for
    each rate that is free.

    Args:
        columns: of rates float64[...], the columns float64[..., points, columns], columns <= 3.
        losses: float64[series, points], > 0 if ``delta`` is given; NaN where a point is missing.
        between: least and greatest rate, > 0.
        tied: whether all series share one rate.
        delta: width of the Huber loss, in log-loss; None for squared error of the losses.
        prior: of the rate; None for none.
    """
    there = np.isfinite(losses)
    filled = np.where(there, losses, 1.0)

    def cost(rates: FloatArray) -> FloatArray:
        """Of rates[grid, series or 1], float64[grid, series or 1]."""
        design = columns(rates)
        _, own = _solve(design, filled, there, delta)
        if tied:
            own = own.sum(axis=1, keepdims=True)
        if prior is not None:
            noise = prior.noise if delta is None else prior.noise / float(losses[there].mean())
            own = own + (noise * np.log(rates / prior.rate) / prior.spread) ** 2
        return own

    n_rates = 1 if tied else len(losses)
    low, high = (np.full(n_rates, np.log(end)) for end in between)
    logs = np.linspace(low, high, _GRID)
    for _ in range(_ROUNDS):
        best = np.argmin(cost(np.exp(logs)), axis=0)
        low, high = (
            np.take_along_axis(logs, np.clip(best + side, 0, len(logs) - 1)[None], axis=0)[0]
            for side in (-1, 1)
        )
        logs = np.linspace(low, high, _ZOOM)
    best = np.argmin(cost(np.exp(logs)), axis=0)
    rate = np.exp(np.take_along_axis(logs, best[None], axis=0))
    linear, _ = _solve(columns(rate), filled, there, delta)
    return Separated(rate=np.broadcast_to(rate[0], len(losses)).copy(), linear=linear[0])


def _solve(
    design: FloatArray, losses: FloatArray, there: NDArray[np.bool_], delta: float | None
) -> tuple[FloatArray, FloatArray]:
    """Multiples [grid, series, columns] and costs [grid, series], from design[grid, series, ...].

    For the Huber loss of r = log(fit / loss), weights ``rho'(r) / (fit (fit - loss))`` make the
    weighted squares' gradient that of the Huber loss itself, not of an approximation.
    """
    weights = np.broadcast_to(there.astype(np.float64), (len(design), *losses.shape))
    if delta is None:
        linear = _nonnegative(design, losses, weights)
        misfit = (_times(design, linear) - losses) ** 2
        return linear, (misfit * there).sum(axis=-1)
    weights = weights / losses**2
    for _ in range(_REWEIGHTINGS):
        linear = _nonnegative(design, losses, weights)
        fit = np.maximum(_times(design, linear), 1e-9 * losses)
        ratio = fit / losses
        r = np.log(ratio)
        # r / (ratio - 1) tends to 1 where the fit is exact.
        slope = np.where(np.abs(r) > 1e-8, r / np.where(ratio == 1, 1, ratio - 1), 1.0)
        clipped = np.minimum(1, delta / np.maximum(np.abs(r), delta))
        weights = there * clipped * slope / (ratio * losses**2)
    size = np.abs(r)
    huber = np.where(size <= delta, r**2, 2 * delta * size - delta**2)
    return linear, (huber * there).sum(axis=-1)


def _nonnegative(design: FloatArray, losses: FloatArray, weights: FloatArray) -> FloatArray:
    """Non-negative weighted least squares for few columns: every set of positive ones is tried."""
    scale = np.sqrt((design**2).mean(axis=-2, keepdims=True))
    unit = design / scale
    weighted = np.broadcast_to(unit, (*weights.shape, unit.shape[-1])) * weights[..., None]
    gram = np.swapaxes(weighted, -1, -2) @ unit
    moment = np.swapaxes(weighted, -1, -2) @ losses[..., None]
    n_columns = unit.shape[-1]
    best = np.zeros((*weights.shape[:-1], n_columns))
    least = np.zeros(weights.shape[:-1])  # of the quadratic form, which is 0 at no multiples
    for size in range(1, n_columns + 1):
        for chosen in itertools.combinations(range(n_columns), size):
            pick = list(chosen)
            own = gram[..., pick, :][..., pick] + 1e-15 * np.eye(size) * _trace(gram)
            solved = np.linalg.solve(own, moment[..., pick, :])[..., 0]
            value = -(solved * moment[..., pick, 0]).sum(axis=-1)
            better = (solved >= 0).all(axis=-1) & (value < least)
            full = np.zeros_like(best)
            full[..., pick] = solved
            best = np.where(better[..., None], full, best)
            least = np.where(better, value, least)
    result: FloatArray = best / scale[..., 0, :]
    return result


def _trace(gram: FloatArray) -> FloatArray:
    trace: FloatArray = np.trace(gram, axis1=-2, axis2=-1)[..., None, None] + 1e-300
    return trace


def _times(design: FloatArray, linear: FloatArray) -> FloatArray:
    """Fitted losses, float64[grid, series, points]."""
    fit: FloatArray = (design @ linear[..., None])[..., 0]
    return fit
