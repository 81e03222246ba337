"""The points of a corpus in one order, and the place of a document among them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..points import Points

IntArray = NDArray[np.int64]


def collected(batches: Iterable[Points]) -> list[Points]:
    """One share of the corpus as a state: its points."""
    return [batch for batch in batches if len(batch)]


def in_key_order(points: Points) -> Points:
    """The points by key, those of one key by the bytes of their vectors.

    A function of the set of points, not of their order.
    """
    order = np.argsort(points.key, kind="stable")
    keys = points.key[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    last = np.r_[first[1:], len(keys)][: len(first)]
    for group in np.flatnonzero(last - first > 1):
        twins = order[first[group] : last[group]]
        twins[:] = sorted(twins, key=lambda at: points.vector[at].tobytes())
    return points.at(order)


def united(states: Sequence[list[Points]]) -> Points:
    """The points of all shares, in key order.

    Raises:
        ValueError: no points at all.
    """
    parts = [part for state in states for part in state]
    if not parts:
        raise ValueError("Density needs at least one document with an embedding. Got none.")
    return in_key_order(Points.joined(parts))


def own_positions(points: Points, asked: Points) -> IntArray:
    """Where each document asked for stands among points in key order; -1 where it does not.

    Of several points with its key, a document is the one with its vector: two documents of one id
    leave out themselves, and count each other as any two documents do.

    Returns:
        int64[n].
    """
    first = np.searchsorted(points.key, asked.key, "left")
    last = np.searchsorted(points.key, asked.key, "right")
    own = np.where(last > first, first, -1).astype(np.int64)
    for row in np.flatnonzero(last - first > 1):
        places = range(first[row], last[row])
        vector = asked.vector[row].tobytes()
        at = bisect_left(places, vector, key=lambda place: points.vector[place].tobytes())
        own[row] = places[min(at, len(places) - 1)]
    return own


def positions_of_all(points: Points, asked: Points, scorer: str) -> IntArray:
    """As `own_positions`, of documents that are all there.

    Raises:
        ValueError: some are not; counts them and names one.
    """
    own = own_positions(points, asked)
    unknown = own < 0
    if unknown.any():
        raise ValueError(
            f"{scorer} scores the documents it was fitted on. {int(unknown.sum())} of "
            f"{len(asked)} are not among them, the first with key {asked.key[unknown][0]}."
        )
    return own
