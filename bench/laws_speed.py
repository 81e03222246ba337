"""How fast the multi-start engine is, beside a loop over SciPy's from the same starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from mixing import Exponential
from mixing.fit import least_squares_multistart, spread

FloatArray = NDArray[np.float64]

_SAME_OPTIMUM = 1e-3  # the engine's: relative difference in cost below which optima count as one


@dataclass(frozen=True, kw_only=True)
class Unbounded(Exponential):
    """The exponential law (M4) without bounds or prior, as SciPy's fastest method needs it."""

    shrinkage: float = 0.0

    def bounds(self, inputs: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """None."""
        low, high = super().bounds(inputs, losses)
        return np.full_like(low, -np.inf), np.full_like(high, np.inf)


def starts_vs_scipy(
    mixtures: FloatArray, losses: FloatArray, n_starts: int, repeats: int
) -> dict[str, float]:
    """Starts per second for M4 beside those of ``scipy.optimize.least_squares``.

    Both minimise the same sum of squares, c + exp(t · r) without bounds or prior, from the same
    starts; both time what leads from the runs to the optima, starts included. SciPy's side is
    its fastest method, MINPACK's Levenberg-Marquardt ("lm"), with the law's analytic Jacobian
    and SciPy's own tolerances, one start after the other. Both take turns, and each ratio is of
    two neighbours in time. One thread: set OMP_NUM_THREADS=1 before NumPy is loaded.

    Args:
        mixtures: float64[runs, domains].
        losses: float64[runs, targets].
        n_starts: starts of each target.
        repeats: rounds; the figures are medians over them.

    Returns:
        ``starts_vs_scipy``, starts per second over SciPy's; ``starts_per_second`` and
        ``scipy_starts_per_second``; ``share_at_best`` and ``scipy_share_at_best``, share of the
        starts within 1e-3 of the least cost, mean over the targets; ``cost_over_scipy``, the
        greatest ratio of the best costs over the targets.
    """
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise RuntimeError("Speed is measured on one thread: set OMP_NUM_THREADS=1.")
    law = Unbounded()
    uniforms = np.random.default_rng(0).random((n_starts, mixtures.shape[1] + 1))

    def engine() -> tuple[FloatArray, FloatArray]:
        everything = np.ones((1, len(mixtures)), np.bool_)
        solution = least_squares_multistart(law, mixtures, losses, everything, uniforms)
        predicted = law.values(solution.theta[0], mixtures)
        units = np.array([spread(observed) for observed in losses.T])
        costs = (((predicted - losses.T) / units[:, None]) ** 2).sum(axis=1)
        return costs, solution.share_of_starts

    def scipy() -> tuple[FloatArray, FloatArray]:
        costs = np.array([_scipy_costs(law, mixtures, own, uniforms) for own in losses.T])
        best = costs.min(axis=1)
        return best, (costs <= best[:, None] * (1 + _SAME_OPTIMUM)).mean(axis=1)

    (ours, share), (theirs, their_share) = engine(), scipy()
    seconds = np.array([[_seconds(engine), _seconds(scipy)] for _ in range(repeats)])
    n_fits = n_starts * losses.shape[1]
    return {
        "starts_vs_scipy": float(np.median(seconds[:, 1] / seconds[:, 0])),
        "starts_per_second": float(np.median(n_fits / seconds[:, 0])),
        "scipy_starts_per_second": float(np.median(n_fits / seconds[:, 1])),
        "share_at_best": float(share.mean()),
        "scipy_share_at_best": float(their_share.mean()),
        "cost_over_scipy": float((ours / theirs).max()),
    }


def _scipy_costs(
    law: Exponential, mixtures: FloatArray, losses: FloatArray, uniforms: FloatArray
) -> list[float]:
    scaled = losses / spread(losses)

    def residuals(theta: FloatArray) -> FloatArray:
        return law.values(theta, mixtures) - scaled

    def jacobian(theta: FloatArray) -> FloatArray:
        return law.jacobian(theta, mixtures)

    starts = law.start(uniforms, mixtures, scaled)
    optima = [least_squares(residuals, start, jac=jacobian, method="lm") for start in starts]
    return [2 * float(optimum.cost) for optimum in optima]


def _seconds(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start
