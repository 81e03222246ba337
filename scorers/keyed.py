"""Documents by key: one point of each, and the place of each in a table sorted by key."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .points import Keys, Points

IntArray = NDArray[np.int64]


def distinct(points: Points) -> IntArray:
    """One point of each key, by key: a function of the set of points, not of their order.

    Points of one key count as one document. Where their vectors differ, the one whose bytes come
    first stands for all.

    Returns:
        int64[m], positions in ``points``, by ascending key.
    """
    order = np.argsort(points.key, kind="stable")
    sorted_keys = points.key[order]
    starts = np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]][: len(order)])
    first = order[starts]
    sizes = np.diff(np.r_[starts, len(order)])
    for group in np.flatnonzero(sizes > 1):
        same = order[starts[group] : starts[group] + sizes[group]]
        first[group] = min(same, key=lambda at: points.vector[at].tobytes())
    return first


def positions(keys: Keys, asked: Keys, scorer: str) -> NDArray[Any]:
    """Where each key asked for stands in ``keys``, which are sorted.

    Raises:
        ValueError: keys that are not there; counts them and names one.
    """
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    unknown = keys[at] != asked
    if unknown.any():
        raise ValueError(
            f"{scorer} scores the documents it was fitted on. {int(unknown.sum())} of "
            f"{len(asked)} are not among them, the first with key {asked[unknown][0]}."
        )
    return at
