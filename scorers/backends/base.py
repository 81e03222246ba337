"""The seam between scorers and models: two methods on token ids, and nothing else.

Tokenizing, truncation, windows and chat formats live in front of it, so that every backend gives
the same score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..base import FloatArray


@dataclass(frozen=True)
class NextToken:
    """What an engine says about the token after each of n prompts.

    Attributes:
        logprobs: float64[n, m], log P(token | prompt) in nats, each <= 0, normalised over the
            whole vocabulary; NaN where the engine does not tell.
        missing_mass: float64[n] in [0, 1], the probability of all it does not tell: 0 for an
            engine that knows the whole vocabulary, 1 minus the sum of the top k for one that
            reports only these. No token it leaves out can be more likely.
    """

    logprobs: FloatArray
    missing_mass: FloatArray

    @classmethod
    def exact(cls, logprobs: FloatArray) -> NextToken:
        """From an engine that tells every token asked for."""
        return cls(logprobs, np.zeros(len(logprobs)))


@runtime_checkable
class Backend(Protocol):
    """A language model, seen through its log-probabilities (natural logarithm)."""

    @property
    def max_length(self) -> int:
        """Longest sequence the model reads, in tokens."""
        ...

    def config(self) -> dict[str, Any]:
        """What decides the numbers it returns (model fingerprint, dtype), as plain JSON values."""
        ...

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """Log P(token | prompt).

        Args:
            prompts: n sequences of token ids, each of length 1 to `max_length`.
            token_ids: the m tokens asked for.
        """
        ...

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """Log P(x_t | x_<t) for every token but the first.

        Args:
            sequences: token ids, each of length 1 to `max_length`.

        Returns:
            One float64[len - 1] per sequence, in nats.
        """
        ...
