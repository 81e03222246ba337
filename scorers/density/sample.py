"""A uniform sample of a corpus that many workers draw together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import xxhash


def text_hash(text: str, seed: int) -> int:
    """64-bit hash of a text's content."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"), seed=seed)


@dataclass
class DistinctSample:
    """The ``size`` distinct texts of smallest hash, each with the number of its copies.

    A function of the *set of documents* alone: not of their order, nor of how they were split
    among workers. A text that is in the final sample was among the smallest from its first copy
    on, so its count is exact. Distinct texts are drawn uniformly; weighted by their counts they
    stand for all documents.

    Source: bottom-k sketches, Cohen & Kaplan 2007. Cost: O(size) memory.

    Attributes:
        size: distinct texts kept.
        seed: of the hash.
        copies: hash -> (number of copies, text).
    """

    size: int
    seed: int
    copies: dict[int, tuple[int, str]] = field(default_factory=dict)

    def add(self, texts: Iterable[str]) -> None:
        """Show texts to the sample."""
        for text in texts:
            self._add(text_hash(text, self.seed), 1, text)
        self._shrink(self.size)

    def union(self, other: DistinctSample) -> None:
        """Take in what another worker sampled with the same size and seed."""
        for key, (count, text) in other.copies.items():
            self._add(key, count, text)
        self._shrink(self.size)

    def sorted(self) -> list[tuple[int, int, str]]:
        """(hash, copies, text), by hash."""
        return [(key, *self.copies[key]) for key in sorted(self.copies)]

    def _add(self, key: int, count: int, text: str) -> None:
        before, _ = self.copies.get(key, (0, ""))
        self.copies[key] = (before + count, text)
        if len(self.copies) > 2 * self.size + 1024:
            self._shrink(self.size)

    def _shrink(self, size: int) -> None:
        if len(self.copies) > size:
            for key in sorted(self.copies)[size:]:
                del self.copies[key]
