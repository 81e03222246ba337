"""The one place that turns an order and a budget into a selection, streaming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .order import FloatArray, KeyArray
from .search import allowance


@dataclass(frozen=True)
class Cutoff:
    """The last document taken; a document is taken iff (order, key) is not beyond it.

    Attributes:
        order, key: of the last document taken; None where none is.
        n_taken: documents taken.
        cost: what they cost, at most the budget.
    """

    last: tuple[float, int] | None
    n_taken: int
    cost: float

    def taken(self, order: FloatArray, key: KeyArray) -> NDArray[np.bool]:
        """Which documents are taken, bool[n]."""
        if self.last is None:
            return np.zeros(len(order), bool)
        last_order, last_key = self.last
        tied = (order == last_order) & (key <= np.uint64(last_key))
        return np.asarray((order < last_order) | tied)


class Take:
    """Takes documents in their order until the next one would exceed the budget.

    Documents arrive in chunks, in any sequence; ties of the order are broken by key. Documents
    with one key *and* one order share a fate. Nothing is skipped to fit a cheaper one in: that
    keeps a smaller budget's selection inside a larger one's.

    Memory: O(kept + chunk). Where even what is kept is too much to hold, `Search` finds the same
    end in two passes or more.

    Args:
        budget: in the unit of the costs, > 0.

    Example:
        >>> take = Take(budget=2)
        >>> take.add(np.array([3.0, 1.0, 2.0]), np.array([7, 8, 9], np.uint64), np.ones(3))
        >>> take.cutoff()
        Cutoff(last=(2.0, 9), n_taken=2, cost=2.0)
    """

    def __init__(self, budget: float) -> None:
        if not budget > 0:
            raise ValueError(f"'budget' of Take must be above 0. Got {budget}.")
        self.budget = budget
        self._limit = allowance(budget)
        self._order = np.empty(0)
        self._key = np.empty(0, np.uint64)
        self._cost = np.empty(0)
        self._kept = 0

    def add(self, order: FloatArray, key: KeyArray, cost: FloatArray) -> None:
        """Show a chunk of n documents.

        Raises:
            ValueError: an order is NaN, or a cost is negative or NaN.
        """
        if np.isnan(order).any() or not (cost >= 0).all():
            raise ValueError(
                f"Take: {np.isnan(order).sum()} orders are NaN and {(~(cost >= 0)).sum()} costs "
                f"are negative or NaN, of {len(order)}. Leave such documents out first."
            )
        self._order = np.concatenate([self._order, order])
        self._key = np.concatenate([self._key, key])
        self._cost = np.concatenate([self._cost, cost])
        if len(self._order) > 2 * self._kept + 65_536:
            self._shrink()

    def cutoff(self) -> Cutoff:
        """Where the budget ends among all documents shown so far."""
        n_taken = self._shrink()
        while 0 < n_taken < len(self._order) and self._same(n_taken - 1, n_taken):
            n_taken -= 1  # a tie that does not fit whole is not taken at all
        if n_taken == 0:
            return Cutoff(None, 0, 0.0)
        last = (float(self._order[n_taken - 1]), int(self._key[n_taken - 1]))
        return Cutoff(last, n_taken, float(self._cost[:n_taken].sum()))

    def _shrink(self) -> int:
        """Sort, and drop all beyond the first document that does not fit. Returns how many fit.

        That first one stays as a barrier: a later, cheaper document must not slip in behind it.
        """
        by_order = np.lexsort((self._key, self._order))
        spent = np.cumsum(self._cost[by_order])
        fits = int(np.searchsorted(spent, self._limit, side="right"))
        kept = by_order[: fits + 1]
        self._order, self._key, self._cost = self._order[kept], self._key[kept], self._cost[kept]
        self._kept = len(kept)
        return fits

    def _same(self, i: int, j: int) -> bool:
        return bool(self._order[i] == self._order[j] and self._key[i] == self._key[j])
