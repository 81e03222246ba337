"""The seam between scorers and models: two methods on token ids, and nothing else.

Tokenizing, truncation, windows and chat formats live in front of it, so that every backend gives
the same score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from ..base import FloatArray


@runtime_checkable
class Backend(Protocol):
    """A causal language model, seen through its log-probabilities (natural logarithm)."""

    @property
    def max_length(self) -> int:
        """Longest sequence the model reads, in tokens."""
        ...

    def config(self) -> dict[str, Any]:
        """What decides the numbers it returns (model fingerprint, dtype), as plain JSON values."""
        ...

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> FloatArray:
        """Log P(token | prompt), normalised over the whole vocabulary.

        Args:
            prompts: n sequences of token ids, each of length 1 to `max_length`.
            token_ids: the m tokens asked for.

        Returns:
            float64[n, m], in nats, each <= 0.
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
