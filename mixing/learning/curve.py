"""What every measure of a learning curve starts from: checked steps and losses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def check_curves(steps: ArrayLike, losses: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Steps float64[n] and losses float64[..., n], checked.

    Args:
        steps: [n], >= 0 and increasing.
        losses: [..., n], finite; NaN from some step on where a run diverged.

    Raises:
        ValueError: for other shapes or values, or a NaN that a number follows.
    """
    x, y = np.array(steps, np.float64), np.array(losses, np.float64)
    if x.ndim != 1 or y.ndim < 1 or y.shape[-1] != len(x) or not len(x):
        raise ValueError(
            "'steps' must be [n] and 'losses' [..., n], n at least 1. "
            f"Got shapes {x.shape} and {y.shape}."
        )
    if not np.isfinite(x).all() or x[0] < 0 or (np.diff(x) <= 0).any():
        raise ValueError(f"'steps' must be >= 0 and increase. Got {x.tolist()}.")
    if np.isinf(y).any():
        raise ValueError("'losses' must be finite, or NaN from where a run diverged. Got inf.")
    lost = np.isnan(y)
    if (lost[..., :-1] & ~lost[..., 1:]).any():
        raise ValueError(
            "'losses' may be NaN at the end only, from where a run diverged. Leave out a measure "
            "that is missing."
        )
    return x, y


def in_range(x: FloatArray, first: float | None, last: float | None) -> NDArray[np.bool_]:
    """Which steps are above zero and within ``first`` and ``last``, both included."""
    kept: NDArray[np.bool_] = (
        (x > 0) & (x >= (first or 0)) & (x <= (np.inf if last is None else last))
    )
    return kept
