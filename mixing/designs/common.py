"""What designs share: how many mixtures, within which bounds, and which of them are one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from ..simplex import check_bounds

FloatArray = NDArray[np.float64]

DISTINCT = 1e-5  # L1 distance below which two mixtures are one


def check_count(n: int) -> None:
    """Raise ValueError unless a design of n mixtures makes sense."""
    if n < 1:
        raise ValueError(f"'n' must be at least 1. Got {n}.")


def share_bounds(
    shares: FloatArray, minimum: ArrayLike | None, maximum: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Least and greatest share of each domain, float64[domains] each.

    By default no share is zero: every domain keeps a tenth of its proportion, or its maximum if
    that is less.

    Raises:
        ValueError: where no mixture lies within them.
    """
    upper = np.broadcast_to(np.asarray(maximum, np.float64), shares.shape)
    least = np.minimum(0.1 * shares, upper) if minimum is None else minimum
    lower = np.broadcast_to(np.asarray(least, np.float64), shares.shape)
    check_bounds(lower, upper)
    return lower, upper


def distinct(mixtures: FloatArray) -> FloatArray:
    """The mixtures[n, domains] without those that nearly repeat an earlier one. O(n²)."""
    near = cdist(mixtures, mixtures, "cityblock") <= DISTINCT
    return np.asarray(mixtures[~np.tril(near, -1).any(axis=1)], np.float64)
