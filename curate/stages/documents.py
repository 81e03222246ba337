"""Documents as arrays, and numbers for the names of their domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
KeyArray = NDArray[np.uint64]


class Names:
    """Numbers for names, in the order in which they are first seen."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._number = {name: i for i, name in enumerate(self.names)}
        self._last: tuple[Any, IntArray] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: str) -> int:
        """Of a name, new or not."""
        if name not in self._number:
            self._number[name] = len(self.names)
            self.names.append(name)
        return self._number[name]

    def numbers(self, column: Any) -> IntArray:
        """Of each value of a dictionary array."""
        if self._last is None or not self._last[0].equals(column.dictionary):
            numbers = [self.number(name) for name in column.dictionary.to_pylist()]
            self._last = column.dictionary, np.array(numbers, np.int64)
        return np.asarray(self._last[1].take(column.indices.to_numpy()))


@dataclass(frozen=True)
class Documents:
    """A batch of the documents of one shard; only what was asked for is there.

    Attributes:
        shard: its name.
        key: uint64[n].
        score: float64[n], NaN where there is none and where it is outside the limits.
        outside: bool[n], where it is outside; None: nowhere.
        row, n_tokens, n_bytes: of whole numbers, length n.
        domain: int64[n], by `Names`.
        group: uint64[n], of the column that caps count by; ``grouped``: where it has a value.
    """

    shard: str
    key: KeyArray
    score: FloatArray
    outside: NDArray[np.bool] | None = None
    row: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    n_tokens: NDArray[np.integer] = field(default_factory=lambda: np.empty(0, np.int32))
    n_bytes: NDArray[np.integer] = field(default_factory=lambda: np.empty(0, np.int32))
    domain: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    group: KeyArray = field(default_factory=lambda: np.empty(0, np.uint64))
    grouped: NDArray[np.bool] | None = None
