"""At most n documents of each group: the first n in an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .order import FloatArray, KeyArray


@dataclass(frozen=True)
class Eligible:
    """Which documents are among the first of their group.

    Attributes:
        group: uint64[g], sorted; groups with more documents than may be.
        order, key: the last pair of each that is; the order is NaN where none is.
    """

    group: KeyArray
    order: FloatArray
    key: KeyArray

    def of(self, group: KeyArray, order: FloatArray, key: KeyArray) -> NDArray[np.bool]:
        """bool[n]."""
        if not len(self.group):
            return np.ones(len(group), bool)
        at = np.minimum(np.searchsorted(self.group, group), len(self.group) - 1)
        last = self.order[at]
        first = (order < last) | ((order == last) & (key <= self.key[at]))
        return np.asarray(first | (self.group[at] != group))


class Cap:
    """Finds the first ``most`` documents of each group; ties of the order are broken by key.

    Documents with one key and one order share a fate.

    Memory: 24 bytes a document of the first ``most`` + 1 of each group, and as much to sort them.

    Args:
        most: at least 1.

    Example:
        >>> cap, solved = Cap(1), np.array([7, 7, 8], np.uint64)
        >>> order, key = np.array([0.2, 0.1, 0.3]), np.array([1, 2, 3], np.uint64)
        >>> cap.add(solved, order, key)
        >>> cap.eligible().of(solved, order, key).tolist()
        [False, True, True]
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"'most' of Cap must be at least 1. Got {most}.")
        self.most = most
        self._group = np.empty(0, np.uint64)
        self._order = np.empty(0)
        self._key = np.empty(0, np.uint64)
        self._new: list[tuple[KeyArray, FloatArray, KeyArray]] = []
        self._n_new = 0

    def add(self, group: KeyArray, order: FloatArray, key: KeyArray) -> None:
        """Show n documents; those whose order is NaN are passed over."""
        there = ~np.isnan(order)
        self._new.append((group[there], order[there], key[there]))
        self._n_new += len(self._new[-1][0])
        if self._n_new > len(self._group) + 1_000_000:
            self._shrink()

    def merge(self, other: Cap) -> None:
        """Add what another share of the documents gave."""
        other._shrink()
        self.add(other._group, other._order, other._key)

    def eligible(self) -> Eligible:
        """Among all documents shown so far."""
        rank = self._shrink()
        group, order, key = self._group, self._order, self._key
        if not len(group):
            return Eligible(group, order, key)
        last = np.append(group[1:] != group[:-1], True)
        run_ends = last.copy()
        run_ends[:-1] |= (order[1:] != order[:-1]) | (key[1:] != key[:-1])
        fits = run_ends & (rank < self.most)
        place = np.maximum.accumulate(np.where(fits, np.arange(len(group)), -1))
        over = np.flatnonzero(last & (rank >= self.most))
        at = place[over]
        # The last that fits may be of the group before: then none of this one does.
        none = (at < 0) | (group[at] != group[over])
        return Eligible(group[over], np.where(none, np.nan, order[at]), key[at])

    def _shrink(self) -> NDArray[np.int64]:
        """Sort, and drop what cannot be among the first. Returns the rank of each in its group."""
        kept = (self._group, self._order, self._key)
        columns = zip(kept, *self._new, strict=True)
        group, order, key = (np.concatenate(column) for column in columns)
        in_order = np.lexsort((key, order, group))
        group = group[in_order]
        first = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
        rank = np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
        # One more than fits stays, to tell that there are more.
        stays = rank <= self.most
        at = in_order[stays]
        self._group, self._order, self._key = group[stays], order[at], key[at]
        self._new, self._n_new = [], 0
        return np.asarray(rank[stays])
