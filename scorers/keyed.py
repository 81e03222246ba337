"""Documents by key: all points in one order, one point of each key, and where a document stands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .points import Keys, Points

IntArray = NDArray[np.int64]


def collected(batches: Iterable[Points]) -> list[Points]:
    """One share of the corpus as a state: its points."""
    return [batch for batch in batches if len(batch)]


def united(states: Sequence[list[Points]]) -> Points:
    """The points of all shares, in key order.

    Raises:
        ValueError: no points at all.
    """
    parts = [part for state in states for part in state]
    if not parts:
        raise ValueError("Density needs at least one document with an embedding. Got none.")
    return in_key_order(Points.joined(parts))


def in_key_order(points: Points) -> Points:
    """The points by key, those of one key by the bytes of their vectors.

    A function of the set of points, not of their order.
    """
    return points.at(_key_order(points)[0])


def distinct(points: Points) -> IntArray:
    """One point of each key, by key: a function of the set of points, not of their order.

    Points of one key count as one document. Where their vectors differ, the one whose bytes come
    first stands for all.

    Returns:
        int64[m], positions in ``points``, by ascending key.
    """
    order, starts = _key_order(points)
    return order[starts]


def _key_order(points: Points) -> tuple[IntArray, IntArray]:
    """Positions by key and the bytes of the vector, and where among them each key begins."""
    order = np.argsort(points.key, kind="stable")
    keys = points.key[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    ends = np.r_[starts[1:], len(keys)][: len(starts)]
    for group in np.flatnonzero(ends - starts > 1):
        twins = order[starts[group] : ends[group]]
        twins[:] = sorted(twins, key=lambda at: points.vector[at].tobytes())
    return order, starts


def positions(keys: Keys, asked: Keys, scorer: str) -> NDArray[Any]:
    """Where each key asked for stands in ``keys``, which are sorted and differ.

    Raises:
        ValueError: keys that are not there; counts them and names one.
    """
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    _check_there(keys[at] == asked, asked, scorer)
    return at


def positions_of_all(points: Points, asked: Points, scorer: str) -> IntArray:
    """As `own_positions`, of documents that are all there.

    Raises:
        ValueError: some are not; counts them and names one.
    """
    own = own_positions(points, asked)
    _check_there(own >= 0, asked.key, scorer)
    return own


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


def _check_there(known: NDArray[np.bool], asked: Keys, scorer: str) -> None:
    if not known.all():
        raise ValueError(
            f"{scorer} scores the documents it was fitted on. {int((~known).sum())} of "
            f"{len(asked)} are not among them, the first with key {asked[~known][0]}."
        )
