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


class MixtureStreams:
    """Sequences of packed tokens for several models, their domains in the shares of each mixture.

    Which domain comes next is decided by largest deficit: after n sequences each domain has had
    what the schedule gives it by then, within one. Each domain is cut into sequences, which are
    read in strides of the golden section: neighbours in the text are far apart in training, any
    stretch of training sees the domain evenly, and all are read before one is read again. The
    order depends on nothing but the start, so two mixtures read one domain's text in the same
    order; what differs between two runs is the mixture, not the luck of the draw. Documents are
    packed: a sequence may hold the end of one and the start of the next, and attends to both.

    Args:
        domains: one array of token ids per domain, each longer than ``length``.
        schedules: shares of the domains, one for each model.
        length: tokens predicted per sequence, which holds one more.
        n_sequences: in the whole of training; where the phases of the schedules end.
        starts: where every domain is read from first, as a share of its length in [0, 1), one for
            each model.

    Raises:
        ValueError: a domain with a positive share is too short.
    """

    def __init__(
        self,
        domains: Sequence[Tokens],
        schedules: Sequence[Schedule],
        length: int,
        n_sequences: int,
        starts: Sequence[float],
    ) -> None:
        means = np.array([schedule.mean for schedule in schedules])
        for number, (tokens, shares) in enumerate(zip(domains, means.T, strict=True)):
            if shares.any() and len(tokens) <= length:
                raise ValueError(
                    f"Domain {number} has {len(tokens)} tokens; a sequence needs {length + 1}. "
                    f"Give it a share of 0, or shorter sequences."
                )
        self._domains, self._total = domains, n_sequences
        self._length, self._within = length, np.arange(length + 1)
        self._available = np.array([max(1, (len(tokens) - 1) // length) for tokens in domains])
        self._stride = np.array([_coprime(int(available)) for available in self._available])
        self._first = (np.array(starts)[:, None] * self._available).astype(np.int64)
        # Phases that a schedule does not have begin and end at 1, and give nothing.
        most = max(len(schedule.ends) for schedule in schedules)
        self._ends = np.ones((len(schedules), most))
        self._mixtures = np.zeros((len(schedules), most, len(domains)))
        for place, schedule in enumerate(schedules):
            self._ends[place, : len(schedule.ends)] = schedule.ends
            self._mixtures[place, : len(schedule.ends)] = schedule.mixtures
        self._begins = np.hstack([np.zeros((len(schedules), 1)), self._ends[:, :-1]])
        self.n_sequences = np.zeros((len(schedules), len(domains)), np.int64)

    def batch(self, size: int) -> NDArray[np.int64]:
        """The next sequences, int64[models, size, length + 1]."""
        picks = np.empty((len(self.n_sequences), size), np.int64)
        places = np.empty_like(picks)
        every = np.arange(len(picks))
        for turn in range(size):
            picked = self._next(int(self.n_sequences[0].sum()))
            read = (
                self._first[every, picked] + self.n_sequences[every, picked] * self._stride[picked]
            )
            self.n_sequences[every, picked] += 1
            picks[:, turn] = picked
            places[:, turn] = read % self._available[picked]
        found = np.empty((*picks.shape, self._length + 1), np.int64)
        for domain, tokens in enumerate(self._domains):
            here = picks == domain
            found[here] = tokens[places[here][:, None] * self._length + self._within]
        return found

    @property
    def epochs(self) -> FloatArray:
        """How often each domain was read so far, float64[models, domains]."""
        return np.asarray(self.n_sequences / self._available)

    def _next(self, n_read: int) -> NDArray[np.intp]:
        """The domain that is furthest behind its share, for each model: intp[models]."""
        share = min(1.0, (n_read + 1) / self._total)
        lengths = np.clip(share - self._begins, 0.0, self._ends - self._begins)
        given = np.einsum("mp,mpd->md", lengths, self._mixtures) * self._total
        phase = (self._ends <= (n_read + 0.5) / self._total).sum(axis=1)
        now = self._mixtures[np.arange(len(phase)), np.minimum(phase, self._ends.shape[1] - 1)]
        behind = np.where(now > 0, given - self.n_sequences, -np.inf)
        furthest: NDArray[np.intp] = np.argmax(behind, axis=1)
        return furthest


def _coprime(n: int) -> int:
    """The number nearest to the golden section of n that shares no divisor with it."""
    wanted = round(n * GOLDEN)
    near = (wanted + sign * offset for offset in range(n + 1) for sign in (1, -1))
    return next(step for step in near if step > 0 and math.gcd(step, n) == 1)
