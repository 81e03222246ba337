"""How many documents share their key with another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROOM = 1_000_000
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: multiplying spreads keys that count up over all numbers."""


class SharedKeys:
    """Counts documents whose key another has as well: such documents share a fate.

    Exact while there are few documents; of more, those are looked at whose key has a hash below a
    limit, which is halved as often as needed. Memory: 8 bytes for each of ``room``, and as much to
    put them together.

    Args:
        room: keys to hold.
    """

    def __init__(self, room: int = _ROOM) -> None:
        self.room = room
        self._halvings = 0
        self._parts: list[NDArray[np.uint64]] = []
        self._held = 0

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Show the keys of some documents."""
        self._hold(keys * _SPREAD)

    def merge(self, other: SharedKeys) -> None:
        """Add what another one was shown."""
        self._halvings = max(self._halvings, other._halvings)
        for part in other._parts:
            self._hold(part)

    def _hold(self, hashes: NDArray[np.uint64]) -> None:
        part = self._below(hashes)
        self._parts.append(part)
        self._held += len(part)
        while self._held > self.room and self._halvings < 60:
            self._halvings += 1
            self._parts = [self._below(np.concatenate(self._parts))]
            self._held = len(self._parts[0])

    def _below(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        if not self._halvings:
            return hashes
        return hashes.compress(hashes < np.uint64(2 ** (64 - self._halvings)))

    def count(self) -> tuple[int, bool]:
        """(documents that share a key, whether that is exact and not an estimate)."""
        hashes = self._below(np.concatenate([np.empty(0, np.uint64), *self._parts]))
        self._parts = [hashes]
        hashes.sort()
        same = np.concatenate([[False], hashes[1:] == hashes[:-1], [False]])
        n_shared = np.count_nonzero(same[1:] | same[:-1])
        return int(n_shared) << self._halvings, not self._halvings
