"""One pass over documents: what lies before a bracket is added up, what lies in it is kept.

A *pair* is (order, key): documents come in the order of their pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .order import FloatArray, KeyArray, mix

IntArray = NDArray[np.int64]
Pair = tuple[float, int]
_Columns = tuple[FloatArray, KeyArray, FloatArray, IntArray]

LAST_KEY = 2**64 - 1
FIRST: Pair = (-np.inf, 0)
LAST: Pair = (np.inf, LAST_KEY)
ROOM = 500_000
"""Documents that a pass keeps, of all groups together: 32 bytes each, and as much to sort them."""


def following(pair: Pair) -> Pair:
    """The next pair there could be."""
    order, key = pair
    return (order, key + 1) if key < LAST_KEY else (float(np.nextafter(order, np.inf)), 0)


def preceding(pair: Pair) -> Pair:
    """The last pair there could be before."""
    order, key = pair
    return (order, key - 1) if key else (float(np.nextafter(order, -np.inf)), LAST_KEY)


@dataclass(frozen=True)
class Brackets:
    """One bracket of pairs for each group, ends included.

    Attributes:
        low_order, high_order: float64[groups].
        low_key, high_key: uint64[groups].
    """

    low_order: FloatArray
    low_key: KeyArray
    high_order: FloatArray
    high_key: KeyArray

    @classmethod
    def of(cls, pairs: list[tuple[Pair, Pair]]) -> Brackets:
        """From (low, high) of each group."""
        orders = np.array([(low[0], high[0]) for low, high in pairs], float).reshape(-1, 2)
        keys = np.array([(low[1], high[1]) for low, high in pairs], np.uint64).reshape(-1, 2)
        return cls(orders[:, 0].copy(), keys[:, 0].copy(), orders[:, 1].copy(), keys[:, 1].copy())

    def and_open(self, n_groups: int) -> Brackets:
        """These, and for so many groups more a bracket that holds every pair."""
        more = Brackets.of([(FIRST, LAST)] * n_groups)
        return Brackets(
            np.concatenate([self.low_order, more.low_order]),
            np.concatenate([self.low_key, more.low_key]),
            np.concatenate([self.high_order, more.high_order]),
            np.concatenate([self.high_key, more.high_key]),
        )


@dataclass
class Gathered:
    """What a pass finds: the cost before each bracket, and the documents in it.

    Where these are more than ``room``, a part of them is kept, drawn by a hash of the pair; the
    result of the search does not depend on which.

    Memory: O(room + chunk).
    """

    brackets: Brackets
    room: int = ROOM
    turn: int = 0
    before: FloatArray = field(init=False)
    inside: FloatArray = field(init=False)
    limit: int = LAST_KEY
    _parts: list[_Columns] = field(default_factory=list)
    _held: int = 0

    def __post_init__(self) -> None:
        n_groups = len(self.brackets.low_order)
        self.before, self.inside = np.zeros(n_groups), np.zeros(n_groups)

    @property
    def complete(self) -> bool:
        """Whether every document in the brackets is kept."""
        return self.limit == LAST_KEY

    def add(
        self, order: FloatArray, key: KeyArray, cost: FloatArray, group: IntArray | None = None
    ) -> None:
        """Show n documents; those whose order is NaN are passed over.

        Args:
            order: float64[n].
            key: uint64[n].
            cost: float64[n] >= 0, whole numbers.
            group: int64[n]; all of group 0, if not given.
        """
        ends = self.brackets
        if group is None:
            low, high = ends.low_order[0], ends.high_order[0]
            self.before[0] += (order < low) @ cost
        else:
            low, high = ends.low_order[group], ends.high_order[group]
            self._count(self.before, group, (order < low) * cost)
        at = np.flatnonzero((order >= low) & (order <= high))
        if not len(at):
            return
        order, key, cost = order[at], key[at], cost[at]
        of = np.zeros(len(at), np.int64) if group is None else group[at]
        early = (order == ends.low_order[of]) & (key < ends.low_key[of])
        late = (order == ends.high_order[of]) & (key > ends.high_key[of])
        if early.any():
            self._count(self.before, of, early * cost)
        if early.any() or late.any():
            within = ~(early | late)
            order, key, cost, of = order[within], key[within], cost[within], of[within]
        self._count(self.inside, of, cost)
        self._keep(order, key, cost, of)

    def _keep(self, order: FloatArray, key: KeyArray, cost: FloatArray, group: IntArray) -> None:
        if not self.complete:
            drawn = self._lot(order, key) <= np.uint64(self.limit)
            order, key, cost, group = order[drawn], key[drawn], cost[drawn], group[drawn]
        self._parts.append((order, key, cost, group))
        self._held += len(order)
        if self._held > self.room:
            self._thin()

    @staticmethod
    def _count(to: FloatArray, group: IntArray, cost: FloatArray) -> None:
        to += np.bincount(group, weights=cost, minlength=len(to))

    def reach(self, n_groups: int) -> None:
        """Make room for groups that no one knew of before, with nothing known of their end."""
        more = n_groups - len(self.before)
        if more > 0:
            self.brackets = self.brackets.and_open(more)
            self.before = np.concatenate([self.before, np.zeros(more)])
            self.inside = np.concatenate([self.inside, np.zeros(more)])

    def merge(self, other: Gathered, groups: IntArray | None = None) -> None:
        """Add what another share of the documents gave."""
        to = np.arange(len(other.before)) if groups is None else groups
        np.add.at(self.before, to, other.before)
        np.add.at(self.inside, to, other.inside)
        self.limit = min(self.limit, other.limit)
        for order, key, cost, group in other._parts:
            self._keep(order, key, cost, to[group])

    def _lot(self, order: FloatArray, key: KeyArray) -> KeyArray:
        bits = mix((order + 0.0).view(np.uint64) + np.uint64(self.turn))
        return mix(bits ^ key)

    def held(self) -> _Columns:
        """The pairs kept, sorted by group, order and key, each once with the cost of all."""
        parts = self._parts or [
            (np.empty(0), np.empty(0, np.uint64), np.empty(0), np.empty(0, np.int64))
        ]
        order, key, cost, group = (np.concatenate(column) for column in zip(*parts, strict=True))
        drawn = self._lot(order, key) <= np.uint64(self.limit)
        by_pair = np.lexsort((key, order, group))
        by_pair = by_pair[drawn[by_pair]]
        order, key, cost, group = order[by_pair], key[by_pair], cost[by_pair], group[by_pair]
        fresh = np.ones(len(order), bool)
        same = (order[1:] == order[:-1]) & (key[1:] == key[:-1]) & (group[1:] == group[:-1])
        fresh[1:] = ~same
        first = np.flatnonzero(fresh)
        if len(first) < len(order):
            cost = np.add.reduceat(cost, first)
            order, key, group = order[first], key[first], group[first]
        self._parts, self._held = [(order, key, cost, group)], len(order)
        return self._parts[0]

    def _thin(self) -> None:
        """Drop pairs until half of the room is free."""
        order, key, *_ = self.held()
        lots = self._lot(order, key)
        while np.count_nonzero(lots <= np.uint64(self.limit)) > self.room // 2:
            self.limit //= 2
        self.held()
