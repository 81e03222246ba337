"""Training sequences drawn from domains in given shares."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..schedule import Schedule

FloatArray = NDArray[np.float64]
Tokens = NDArray[np.integer]

GOLDEN = (5**0.5 - 1) / 2


class MixtureStream:
    """Sequences of packed tokens, their domains in the shares of a mixture.

    Which domain comes next is decided by largest deficit: after n sequences each domain has had
    what the schedule gives it by then, within one. Each domain is cut into sequences, which are
    read in strides of the golden section: neighbours in the text are far apart in training, any
    stretch of training sees the domain evenly, and all are read before one is read again. The
    order depends on nothing but the start, so two mixtures read one domain's text in the same
    order; what differs between two runs is the mixture, not the luck of the draw. Documents are
    packed: a sequence may hold the end of one and the start of the next, and attends to both.

    Args:
        domains: one array of token ids per domain, each longer than ``length``.
        schedule: shares of the domains.
        length: tokens predicted per sequence, which holds one more.
        n_sequences: in the whole of training; where the phases of the schedule end.
        start: where every domain is read from first, as a share of its length in [0, 1).

    Raises:
        ValueError: a domain with a positive share is too short.
    """

    def __init__(
        self,
        domains: Sequence[Tokens],
        schedule: Schedule,
        length: int,
        n_sequences: int,
        start: float = 0.0,
    ) -> None:
        for number, (tokens, share) in enumerate(zip(domains, schedule.mean, strict=True)):
            if share > 0 and len(tokens) <= length:
                raise ValueError(
                    f"Domain {number} has {len(tokens)} tokens; a sequence needs {length + 1}. "
                    f"Give it a share of 0, or shorter sequences."
                )
        self._domains, self._schedule, self._length = domains, schedule, length
        self._total = n_sequences
        self._available = [max(1, (len(tokens) - 1) // length) for tokens in domains]
        self._first = [int(start * available) for available in self._available]
        self._stride = [_coprime(available) for available in self._available]
        self.n_sequences = np.zeros(len(domains), np.int64)

    def batch(self, size: int) -> NDArray[np.int64]:
        """The next sequences, int64[size, length + 1]."""
        return np.stack([self._next() for _ in range(size)])

    @property
    def epochs(self) -> FloatArray:
        """How often each domain was read so far, float64[domains]."""
        return np.asarray(self.n_sequences / np.array(self._available))

    def _next(self) -> NDArray[np.int64]:
        n = int(self.n_sequences.sum()) + 1
        given = self._schedule.given(min(1.0, n / self._total)) * self._total
        started = (given > 0) & (self._schedule.at((n - 0.5) / self._total) > 0)
        domain = int(np.argmax(np.where(started, given - self.n_sequences, -np.inf)))
        read = int(self.n_sequences[domain])
        self.n_sequences[domain] += 1
        place = (self._first[domain] + read * self._stride[domain]) % self._available[domain]
        start = place * self._length
        return self._domains[domain][start : start + self._length + 1].astype(np.int64)


def _coprime(n: int) -> int:
    """The number nearest to the golden section of n that shares no divisor with it."""
    wanted = round(n * GOLDEN)
    near = (wanted + sign * offset for offset in range(n + 1) for sign in (1, -1))
    return next(step for step in near if step > 0 and math.gcd(step, n) == 1)
