"""A learning curve without its noise: monotone, and when it crosses a level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .curve import FloatArray, check_curves


@dataclass(frozen=True, kw_only=True, eq=False)
class Monotone:
    """One curve as straight lines over log steps, strictly monotone.

    The isotonic fit pools neighbours that are out of order. Each pool counts at the mean of its
    log steps, and the first and the last line go on to the ends of the curve; a flat end would
    make a curve reach its own final loss before its end.

    Attributes:
        log_steps: float64[knots], increasing; the first and last are the curve's.
        losses: float64[knots], falling throughout; equal only where there is a single pool.
        rising: whether the curve was to rise; ``losses`` are then negated values.
    """

    log_steps: FloatArray
    losses: FloatArray
    rising: bool = False

    @classmethod
    def of(cls, steps: FloatArray, losses: FloatArray, *, rising: bool = False) -> Monotone:
        """The fit of losses[n] at steps[n] > 0, increasing, n at least 1."""
        from scipy.optimize import isotonic_regression

        log, y = np.log(steps), -losses if rising else losses
        pooled = isotonic_regression(y, increasing=False)
        sizes = np.diff(pooled.blocks)
        values = pooled.x[pooled.blocks[:-1]]
        centres = np.add.reduceat(log, pooled.blocks[:-1]) / sizes
        if len(values) == 1:
            return cls(log_steps=log[[0, -1]], losses=values[[0, 0]], rising=rising)
        rates = np.diff(values) / np.diff(centres)
        before = values[0] + rates[0] * (log[0] - centres[0])
        after = values[-1] + rates[-1] * (log[-1] - centres[-1])
        inner = slice(int(sizes[0] == 1), len(values) - int(sizes[-1] == 1))
        return cls(
            log_steps=np.concatenate([log[:1], centres[inner], log[-1:]]),
            losses=np.concatenate([[before], values[inner], [after]]),
            rising=rising,
        )

    @property
    def moves(self) -> bool:
        """Whether it falls, or rises where it was to rise."""
        return bool(self.losses[0] > self.losses[-1])

    @property
    def final(self) -> float:
        """The value at the last step."""
        return float(-self.losses[-1] if self.rising else self.losses[-1])

    def crossing(self, level: float) -> float:
        """The step at which the curve reaches a level; inf where it does not.

        The first step where it is there already.
        """
        wanted = -level if self.rising else level
        if self.losses[-1] > wanted:
            return np.inf
        if not self.moves or self.losses[0] <= wanted:
            return float(np.exp(self.log_steps[0]))
        return float(np.exp(np.interp(-wanted, -self.losses, self.log_steps)))


def time_to_threshold(
    steps: ArrayLike, losses: ArrayLike, threshold: float, *, rising: bool = False
) -> FloatArray:
    """The step at which a curve first reaches a threshold, once noise is taken out.

    The curve is first made monotone (isotonic least squares), so that one lucky measure is no
    crossing, and is then interpolated between measures in the logarithm of steps. Multiply by
    tokens per step for tokens. O(n) a curve.

    Source: Fu's essay on theoretical support for data engineering takes as the speed of learning
    one over the steps to a threshold, such as 90 % accuracy, and gives no estimator. Departures:
    the monotone fit and the interpolation.

    Args:
        steps: [n], >= 0 and increasing; step 0 has no logarithm and is left out.
        losses: [..., n]; NaN at the end of a run that diverged, which counts up to there.
        threshold: in the unit of the losses.
        rising: for accuracies, which reach a threshold from below.

    Returns:
        float64[...]; inf where it is not reached, and the first step above zero where it is
        reached by then: later than the truth.

    Raises:
        ValueError: see `check_curves`, or for a threshold that is not finite.
    """
    x, y = check_curves(steps, losses)
    if not np.isfinite(threshold):
        raise ValueError(f"'threshold' must be finite. Got {threshold}.")
    found = np.full(y.shape[:-1], np.inf)
    for place in np.ndindex(found.shape):
        kept = (x > 0) & np.isfinite(y[place])
        if kept.any():
            fit = Monotone.of(x[kept], y[place][kept], rising=rising)
            found[place] = fit.crossing(threshold)
    return found
