"""Training sequences drawn from domains in given shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Tokens = NDArray[np.integer]


class MixtureStream:
    """Sequences of tokens, their domains in the shares of a mixture.

    Which domain comes next is decided by largest deficit: after n sequences each domain has had
    n · share of them, within one. Each domain is read from start to end and then from its start
    again, so two mixtures read one domain's text in the same sequence; what differs between two
    runs is the mixture, not the luck of the draw.

    Args:
        domains: one array of token ids per domain, each longer than ``length``.
        mixture: float64[domains] on the simplex.
        length: tokens per sequence.
        start: where every domain is read from first, as a share of its length in [0, 1).

    Raises:
        ValueError: a domain with a positive share is too short.
    """

    def __init__(
        self, domains: Sequence[Tokens], mixture: FloatArray, length: int, start: float = 0.0
    ) -> None:
        for number, (tokens, share) in enumerate(zip(domains, mixture, strict=True)):
            if share > 0 and len(tokens) < length:
                raise ValueError(
                    f"Domain {number} has {len(tokens)} tokens; a sequence needs {length}. Give "
                    f"it a share of 0, or shorter sequences."
                )
        self._domains, self._mixture, self._length = domains, np.asarray(mixture), length
        self._first = [int(start * len(tokens)) for tokens in domains]
        self.n_sequences = np.zeros(len(domains), np.int64)

    def batches(self, n_batches: int, size: int) -> Iterator[NDArray[np.int64]]:
        """``n_batches`` arrays int64[size, length]."""
        for _ in range(n_batches):
            yield np.stack([self._next() for _ in range(size)])

    @property
    def epochs(self) -> FloatArray:
        """How often each domain was read so far, float64[domains]."""
        available = np.array([max(len(tokens), 1) for tokens in self._domains])
        return np.asarray(self.n_sequences * self._length / available)

    def _next(self) -> NDArray[np.int64]:
        due = self._mixture * (self.n_sequences.sum() + 1) - self.n_sequences
        domain = int(np.argmax(np.where(self._mixture > 0, due, -np.inf)))
        tokens = self._domains[domain]
        read = self._first[domain] + int(self.n_sequences[domain]) * self._length
        start = read % len(tokens)
        self.n_sequences[domain] += 1
        piece = tokens[start : start + self._length]
        missing = self._length - len(piece)
        return np.concatenate([piece, tokens[:missing]]).astype(np.int64)
