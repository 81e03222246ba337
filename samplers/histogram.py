"""What a population holds, in narrow bins of a number: sums that depend on no sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .order import FloatArray

IntArray = NDArray[np.int64]

_FAR = 2.0**52
"""So many bins from zero, neighbouring numbers are farther apart than a bin is wide."""
_BITS = 8
_PAGE = 1 << _BITS
"""Bins that are held or not held together."""
_DIRECT = 2**20
"""From the first page to the last at most so many: then a table says where each is."""
_NONE = np.empty(0, np.int64)


class Histogram:
    """Cost by group and bin of the score.

    Costs are whole numbers, so that the sums are exact and the same in any sequence. Only pages of
    256 bins that hold something are there, so that a score far from all others costs one page and
    leaves the bins of the others as narrow as they are. Where the bins would be more than
    ``most``, each two become one, as often as needed: how wide they are in the end depends on the
    documents alone. With bins of 2^-13 nats and room for 2^24 that happens to one group whose
    scores spread over more than 2,048 nats, and to 1,000 groups beyond 2 nats: over 20 nats, those
    have bins of 2^-9 nats, and 100,000 groups, which have two pages (4 KB) each, bins
    of .06 nats.

    Scores more than 2^52 bins from zero are held in the last bin on their side.

    Memory: 8 bytes a bin and group, up to twice that while it grows.

    Args:
        width: of a bin, > 0.
        most: bins of all groups together; two pages for each group, if that is more.
    """

    def __init__(self, width: float, most: int = 2**24) -> None:
        self.width, self.most = width, most
        self._level = 0  # a bin is 2^level times as wide as at first
        self._cost = np.zeros((0, 1, _PAGE))  # by slot, group and bin of the page
        self._set(_NONE, _NONE)

    def add(
        self, score: FloatArray, cost: FloatArray, group: IntArray | None = None, n_groups: int = 1
    ) -> None:
        """Show n documents, ``group`` in [0, n_groups); all of group 0, if not given."""
        self._reach(_NONE, n_groups)
        if not len(score):
            return
        with np.errstate(over="ignore"):
            bins = score * (1 / self.width)
        np.floor(bins, out=bins)
        if max(-bins.min(), bins.max()) > _FAR:
            np.clip(bins, -_FAR, _FAR, out=bins)
        at = bins.astype(np.int64)
        slot = self._slot(at >> (self._level + _BITS))
        if slot.min() < 0:
            self._reach(np.unique(at[slot < 0] >> (self._level + _BITS)), n_groups)
            slot = self._slot(at >> (self._level + _BITS))
        if self._level:
            at >>= self._level
        at &= _PAGE - 1
        slot *= self._cost.shape[1] * _PAGE
        at += slot
        if group is not None:
            at += group << _BITS
        np.add.at(self._cost.reshape(-1), at, cost)

    def merge(self, other: Histogram, groups: IntArray, n_groups: int) -> None:
        """Add what another one holds, whose group i is ``groups[i]`` here; that one is used up."""
        while self._level < other._level:
            self._halve()
        while other._level < self._level:
            other._halve()
        self._reach(other._pages, n_groups)
        while other._level < self._level:
            other._halve()
        slot = self._slot(other._pages)
        for theirs, mine in enumerate(groups[: other._cost.shape[1]]):
            self._cost[slot, mine] += other._cost[other._slots, theirs]

    def of(self, group: int) -> tuple[FloatArray, FloatArray]:
        """(middles of the bins that hold something, what they hold) of a group."""
        if group >= self._cost.shape[1]:
            return np.empty(0), np.empty(0)
        costs = self._cost[self._slots, group].reshape(-1)
        held = np.flatnonzero(costs)
        bins = (self._pages[held >> _BITS] << _BITS) + (held & (_PAGE - 1))
        middles = (bins + 0.5) * (self.width * 2.0**self._level)
        return np.asarray(middles, np.float64), costs[held]

    def _set(self, pages: IntArray, slots: IntArray) -> None:
        """Take note of where each page is; ``pages`` ascend."""
        self._pages, self._slots = pages, slots
        self._direct: IntArray | None = None
        if len(pages) and int(pages[-1]) - int(pages[0]) < _DIRECT:
            # One more at each end, for all that lies beyond.
            self._direct = np.full(int(pages[-1]) - int(pages[0]) + 3, -1)
            self._direct[pages - pages[0] + 1] = slots

    def _slot(self, page: IntArray) -> IntArray:
        """Where each page is, -1 where it is not; a new array."""
        if not len(self._pages):
            return np.full(len(page), -1)
        if self._direct is not None:
            direct: IntArray = self._direct.take(page - (self._pages[0] - 1), mode="clip")
            return direct
        at = np.minimum(np.searchsorted(self._pages, page), len(self._pages) - 1)
        return np.where(self._pages[at] == page, self._slots[at], -1)

    def _reach(self, pages: IntArray, n_groups: int) -> None:
        """Make room for some more pages of this level, and for all groups."""
        n_groups = max(n_groups, self._cost.shape[1])
        if not len(pages) and n_groups == self._cost.shape[1]:
            return
        pages = np.union1d(self._pages, pages)
        most = max(self.most // (n_groups * _PAGE), 2)
        while len(pages) > most:
            self._halve()
            pages = np.unique(pages >> 1)
        held = self._cost.shape[0]
        if len(pages) > held or n_groups > self._cost.shape[1]:
            room = max(len(pages), min(2 * held, most))
            grown = np.zeros((room, n_groups, _PAGE))
            grown[: len(self._pages), : self._cost.shape[1]] = self._cost[: len(self._pages)]
            self._cost = grown
        slots = self._slot(pages)
        slots[slots < 0] = np.arange(len(self._pages), len(pages))
        self._set(pages, slots)

    def _halve(self) -> None:
        """Make bins twice as wide."""
        narrow = self._cost[self._slots]
        half = narrow[:, :, ::2] + narrow[:, :, 1::2]
        pages, slot = np.unique(self._pages >> 1, return_inverse=True)
        self._cost = np.zeros((len(pages), narrow.shape[1], _PAGE))
        for side in (0, 1):
            mine = np.flatnonzero((self._pages & 1) == side)
            start = side * (_PAGE // 2)
            self._cost[slot[mine], :, start : start + _PAGE // 2] = half[mine]
        self._set(pages, np.arange(len(pages)))
        self._level += 1
