"""What a population holds, in narrow bins of a number: sums that depend on no sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .order import FloatArray

IntArray = NDArray[np.int64]


_FAR = 2.0**52
"""So many bins from zero, neighbouring numbers are farther apart than a bin is wide."""


class Histogram:
    """Cost by group and bin of the score.

    Costs are whole numbers, so that the sums are exact and the same in any sequence. Where the
    bins would be more than ``most``, each two become one, as often as needed: how wide they are in
    the end depends on the documents alone.

    Memory: 8 bytes a bin and group, up to twice that while it grows.

    Args:
        width: of a bin, > 0.
        most: bins of all groups together.
    """

    def __init__(self, width: float, most: int = 2**24) -> None:
        self.width, self.most = width, most
        self._level = 0  # a bin is 2^level times as wide as at first
        self._span: tuple[int, int] | None = None  # least and greatest bin seen, at level 0
        self._first = 0
        self._cost = np.zeros((1, 0))

    def add(
        self, score: FloatArray, cost: FloatArray, group: IntArray | None = None, n_groups: int = 1
    ) -> None:
        """Show n documents, ``group`` in [0, n_groups); all of group 0, if not given."""
        if not len(score):
            return
        bins = score * (1 / self.width)
        np.floor(bins, out=bins)
        low, high = float(bins.min()), float(bins.max())
        if max(-low, high) > _FAR:
            np.clip(bins, -_FAR, _FAR, out=bins)
            low, high = max(low, -_FAR), min(high, _FAR)
        self._reach(int(low), int(high), n_groups)
        if not self._level:
            bins -= self._first  # whole numbers: exact
        at = bins.astype(np.int64)
        if self._level:
            at >>= self._level
            at -= self._first
        if group is not None:
            at += group * self._cost.shape[1]
        np.add.at(self._cost.reshape(-1), at, cost)

    def merge(self, other: Histogram, groups: IntArray, n_groups: int) -> None:
        """Add what another one holds, whose group i is ``groups[i]`` here; that one is used up."""
        if other._span is None:
            return
        self._reach(*other._span, n_groups)
        while other._level < self._level:
            other._halve()
        used = np.flatnonzero(other._cost.any(axis=0))
        for theirs, mine in enumerate(groups[: len(other._cost)]):
            self._cost[mine, used + other._first - self._first] += other._cost[theirs, used]

    def of(self, group: int) -> tuple[FloatArray, FloatArray]:
        """(middles of the bins that hold something, what they hold) of a group."""
        if group >= len(self._cost):
            return np.empty(0), np.empty(0)
        held = np.flatnonzero(self._cost[group])
        middles = (held + (self._first + 0.5)) * (self.width * 2.0**self._level)
        return np.asarray(middles, np.float64), self._cost[group, held]

    def _reach(self, low: int, high: int, n_groups: int) -> None:
        """Make room for bins ``low`` to ``high`` of level 0, and for all groups."""
        if self._span is not None:
            low, high = min(low, self._span[0]), max(high, self._span[1])
        n_groups = max(n_groups, len(self._cost))
        self._span, level = (low, high), self._level
        while ((high >> level) - (low >> level) + 1) * n_groups > max(self.most, n_groups):
            level += 1
        while self._level < level:
            self._halve()
        first, last = low >> level, high >> level
        end = self._first + self._cost.shape[1]
        if self._first <= first and last < end and n_groups == len(self._cost):
            return
        room = (last - first + 1) // 4  # so that it need not grow at every step
        start = min(self._first, first - room) if self._cost.shape[1] else first - room
        grown = np.zeros((n_groups, max(end, last + room + 1) - start))
        at = self._first - start if self._cost.shape[1] else 0
        grown[: len(self._cost), at : at + self._cost.shape[1]] = self._cost
        self._first, self._cost = start, grown

    def _halve(self) -> None:
        """Make bins twice as wide."""
        before = self._first & 1
        after = (before + self._cost.shape[1]) & 1
        padded = np.pad(self._cost, ((0, 0), (before, after)))
        self._cost = padded[:, ::2] + padded[:, 1::2]
        self._first >>= 1
        self._level += 1
