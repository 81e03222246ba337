"""DDO's law of each domain's own amount, the allocation it favours, and AutoScale's predictor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, least_squares

FloatArray = NDArray[np.float64]

_N_PARAMETERS = 3
_STARTS = [(a, b) for a in (0.5, 1.0, 3.0, 6.0) for b in (0.5, 1.0, 2.0, 4.0)]
_BOUNDS = (np.log([1e-3, 1e-2]), np.log([1e2, 30.0]))  # of log a, log b
_TOLERANCE = 1e-14
_ROUNDING = 1e-9  # of a total that was summed elsewhere
_SAME_COST, _EXACT = 1e-6, 1e-24  # two optima this near, or both this small, count as one


@dataclass(frozen=True, kw_only=True, eq=False)
class DomainPowers:
    """DDO's law of each domain's own amount x of data, the rest held: y_i = (a_i + x)^(-b_i) + c_i.

    It can't represent domains that replace each other: each is varied alone, and what the others
    give is the constant a_i ("equivalent data"). Nor a domain that does harm. The factor of the
    power is one, so the unit of the losses counts: divide them by the base run's. Three runs may
    lie on two such curves, one of them with a far lower c; the data can't tell them apart, and
    more runs a domain are the remedy. Here the one with the higher c counts, as published.

    Source: Kang et al., "AutoScale" (arXiv 2407.20177), DDO. Departures: none in the law; of
    several starts the best is kept, and the allocation is solved exactly, with a floor, where
    the published notebook walks down the gradient and pins what leaves the simplex.

    Attributes:
        a: float64[domains], > 0, in the unit of the amounts.
        b: float64[domains], > 0.
        c: float64[domains], in the unit of the losses.
        residual: float64[domains], greatest misfit; about 0 where three runs are interpolated.
    """

    a: FloatArray
    b: FloatArray
    c: FloatArray
    residual: FloatArray

    @classmethod
    def fit(cls, amounts: ArrayLike, losses: ArrayLike) -> DomainPowers:
        """Each domain's law through its own runs: exactly through three, else least squares.

        Args:
            amounts: [runs], the domain's amount in each run as a multiple of its base amount
                (DDO runs 1/3, 1 and 3); the same for every domain.
            losses: [domains, runs], of the *whole* validation set, divided by the base run's.

        Raises:
            ValueError: for fewer than three different amounts, or losses that do not fall from
                the least to the greatest amount, naming the domain.
        """
        x, y = np.array(amounts, np.float64), np.array(losses, np.float64)
        _check_runs(x, y)
        solved = np.array([_fit_one(x, own) for own in y])
        return cls(a=solved[:, 0], b=solved[:, 1], c=solved[:, 2], residual=solved[:, 3])

    def losses(self, amounts: ArrayLike) -> FloatArray:
        """Each domain's y at its own amount, float64[..., domains], from amounts[..., domains]."""
        losses: FloatArray = (self.a + np.asarray(amounts, np.float64)) ** -self.b + self.c
        return losses

    def optimum(self, total: float, floor: ArrayLike = 0.0) -> FloatArray:
        """The amounts, float64[domains], that minimise Σ (a_i + x_i)^(-b_i).

        The sum of the domains' effects is convex, so its minimum on Σ x = total, x >= floor is
        where every domain above its floor has the same marginal gain
        ``b_i (a_i + x_i)^(-b_i - 1)``: x_i = max((b_i / gain)^(1 / (b_i + 1)) - a_i, floor_i), with
        the one gain at which the amounts sum to the total.

        Args:
            total: Σ x; the number of domains, where amounts are multiples of equal base amounts.
            floor: least amount, one for all or one a domain.

        Raises:
            ValueError: where the floors are negative or exceed the total.
        """
        least = np.broadcast_to(np.asarray(floor, np.float64), self.a.shape)
        if not (least >= 0).all() or not least.sum() < total < np.inf:
            raise ValueError(
                "'floor' must be >= 0 and sum to less than 'total'. "
                f"Got {least.sum():.6g} and {total}."
            )

        def amounts(log_gain: float) -> FloatArray:
            own = np.exp((np.log(self.b) - log_gain) / (self.b + 1)) - self.a
            return np.maximum(own, least)

        # At the highest marginal gain at the floor, no domain exceeds its floor; at the lowest
        # at an amount of the total, each domain alone would use it all up.
        gains = np.log(self.b) - (self.b + 1) * np.log(self.a + np.stack([least, total + least]))
        log_gain = brentq(
            lambda log_gain: float(amounts(log_gain).sum() - total),
            float(gains[1].min()) - 1,
            float(gains[0].max()) + 1,
            xtol=_TOLERANCE,
        )
        return amounts(float(log_gain))


@dataclass(frozen=True, kw_only=True, eq=False)
class ScaleCheck:
    """The predictor against the optimum found at a scale between its two.

    Attributes:
        predicted: float64[domains], sqrt(first · second), in the unit of the amounts.
        relative_error: float64[domains], predicted / found - 1.
        share_l1: summed absolute difference of the shares, in [0, 2].
        share_max: greatest absolute difference of a share.
    """

    predicted: FloatArray
    relative_error: FloatArray
    share_l1: float
    share_max: float


def extrapolate(first: ArrayLike, second: ArrayLike, step: float) -> FloatArray:
    """AutoScale's amounts N(t) = N1 (N2 / N1)^t, float64[domains], at scale step ``t``.

    Step 0 is the first scale, 1 the second, 2 the next: N2² / N1. Each domain's amount is
    exponential in the step, so at large steps the fastest-growing domain takes everything. The
    step is not exactly the log of the total; see :func:`extrapolate_to`.

    Source: Kang et al., "AutoScale" (arXiv 2407.20177). Departures: none.

    Args:
        first: [domains], > 0, the optimal amounts at the smaller scale (tokens, or any unit).
        second: [domains], > 0, those at the larger one.
        step: any number; beyond 1 it extrapolates.

    Raises:
        ValueError: for amounts that are not positive or of two lengths.
    """
    one, two = _check_amounts(first, second)
    amounts: FloatArray = one * (two / one) ** step
    return amounts


def extrapolate_to(first: ArrayLike, second: ArrayLike, total: float) -> FloatArray:
    """AutoScale's amounts, float64[domains], at the step where they sum to ``total``.

    Source: as :func:`extrapolate`, which the authors call at whole steps only.

    Args:
        first: as there.
        second: as there; it must sum to more than the first.
        total: at least the sum of the first.

    Raises:
        ValueError: as there, and for a total below the first scale's.
    """
    one, two = _check_amounts(first, second)
    if not one.sum() < two.sum():
        raise ValueError(
            f"'second' must sum to more than 'first'. Got {two.sum():.6g} and {one.sum():.6g}."
        )
    if not one.sum() * (1 - _ROUNDING) <= total < np.inf:
        raise ValueError(
            f"'total' must be finite and at least the first scale's {one.sum():.6g}. Got {total}."
        )

    def excess(step: float) -> float:
        return float(extrapolate(one, two, step).sum()) / total - 1

    last = 1.0
    while excess(last) < 0:
        last *= 2
    step = 0.0 if excess(0.0) >= 0 else brentq(excess, 0.0, last, xtol=_TOLERANCE)
    return extrapolate(one, two, float(step))


def check_between(first: ArrayLike, second: ArrayLike, found: ArrayLike) -> ScaleCheck:
    """How far the predictor's step ½, sqrt(N1 N2), is from the optimum found at that scale.

    Args:
        first: [domains], optimal amounts at the smaller scale.
        second: [domains], at the larger one.
        found: [domains], > 0, at the geometric mean of the two scales.
    """
    middle, _ = _check_amounts(found, first)
    predicted = extrapolate(first, second, 0.5)
    difference = np.abs(predicted / predicted.sum() - middle / middle.sum())
    return ScaleCheck(
        predicted=predicted,
        relative_error=predicted / middle - 1,
        share_l1=float(difference.sum()),
        share_max=float(difference.max()),
    )


def _check_runs(x: FloatArray, y: FloatArray) -> None:
    if x.ndim != 1 or y.ndim != 2 or y.shape[1] != len(x):
        raise ValueError(
            "'amounts' must be [runs] and 'losses' [domains, runs]. "
            f"Got shapes {x.shape} and {y.shape}."
        )
    if not (np.isfinite(x) & (x >= 0)).all() or len(np.unique(x)) < _N_PARAMETERS:
        raise ValueError(
            f"'amounts' must hold at least {_N_PARAMETERS} different values >= 0. Got {x.tolist()}."
        )
    if not np.isfinite(y).all():
        raise ValueError("'losses' must be finite.")
    rising = y[:, np.argmax(x)] >= y[:, np.argmin(x)]
    if rising.any():
        raise ValueError(
            "'losses' must fall from the least amount of a domain to the greatest. "
            f"Got a rise in domain {int(np.argmax(rising))}."
        )


def _fit_one(x: FloatArray, y: FloatArray) -> tuple[float, float, float, float]:
    """a, b, c and the greatest misfit. Given a and b, c is the mean of what the power leaves."""

    def misfit(theta: FloatArray) -> FloatArray:
        power = np.exp(-np.exp(theta[1]) * np.log(np.exp(theta[0]) + x))
        residual: FloatArray = power - y - (power - y).mean()
        return residual

    optima = [
        least_squares(
            misfit,
            np.log(start),
            bounds=_BOUNDS,
            xtol=_TOLERANCE,
            ftol=_TOLERANCE,
            gtol=_TOLERANCE,
            max_nfev=2000,
        )
        for start in _STARTS
    ]
    cost = min(float(optimum.cost) for optimum in optima)
    solved = [
        (float((y - (a + x) ** -b).mean()), float(a), float(b), float(np.abs(optimum.fun).max()))
        for optimum in optima
        if optimum.cost <= cost * (1 + _SAME_COST) + _EXACT
        for a, b in [np.exp(optimum.x)]
    ]
    c, a, b, residual = max(solved)
    return a, b, c, residual


def _check_amounts(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    one, two = np.array(first, np.float64), np.array(second, np.float64)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(
            f"Amounts at two scales must be [domains] each. Got {one.shape} and {two.shape}."
        )
    for amounts in (one, two):
        if not (np.isfinite(amounts) & (amounts > 0)).all():
            raise ValueError(f"Amounts must be finite and > 0. Got {amounts.tolist()}.")
    return one, two
