"""Token prior: how common the tokens of a document are in its corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from .backends.fingerprint import fingerprint
from .base import FloatArray, Scored, reason_for_empty
from .tokenizer import Tokenizer

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TokenPrior:
    r"""Mean and standard deviation, over a document's tokens, of their log frequency in the corpus.

    The prior of a token is its share of all tokens of the corpus, the document's own included.
    Neither end is better: what is rare everywhere (scrambled or foreign text, keys and tables) has
    a low mean, a few common words over and over have a high one, and text is in the middle.

    Source: Seo et al. 2025 (arXiv 2509.18577), whose abstract filters by the mean and the standard
    deviation of token priors from term frequencies, and whose code keeps what ranks near the
    median in both. Departures from that code: the prior is the term frequency, there it is in
    proportion to term frequency times document frequency; the deviation is that of the *log*
    prior (divided by n), there of the prior itself (by n - 1); a document is scored whole, there
    in stretches of 512 tokens, so here the means of short documents scatter more; a token that the
    fit has not seen counts as seen once, so that documents outside the corpus have a score (a
    document of the corpus has no such token).

    Cost: two passes over the text at a million tokens a second and core, nine tenths of it in the
    tokenizer; a state of one int64 per token of the vocabulary.

    Attributes:
        tokenizer: directory or hub name of a Hugging Face tokenizer.
        trust_remote_code: run Python code that comes with the tokenizer. Off unless asked for.

    Example:
        >>> from curate.demo import MODEL_PATH
        >>> corpus = ["def f(a):\n    return a", "def g(b):\n    return b", "qzxv kjw"]
        >>> prior = TokenPrior(tokenizer=str(MODEL_PATH))
        >>> scored = prior.merge([prior.fit([corpus])]).score(corpus)
        >>> int(scored.value.argmin())
        2
    """

    name: ClassVar[str] = "token-prior"

    tokenizer: str
    trust_remote_code: bool = False

    def fit(self, batches: Iterable[Sequence[str]]) -> Counts:
        """Count the tokens of one worker's share: int64, by token id up to the largest seen."""
        counts = np.zeros(0, np.int64)
        for batch in batches:
            ids, _ = self.encode([text for text in batch if reason_for_empty(text) is None])
            counts = _sum([counts, np.bincount(ids)])
        return counts

    def unite(self, states: Sequence[Counts]) -> Counts:
        """One state of several."""
        return _sum(states)

    def merge(self, states: Sequence[Counts]) -> FittedTokenPrior:
        """Add up all shares; the result depends neither on their order nor on the split.

        Raises:
            ValueError: not one token in the corpus.
        """
        counts = self.unite(states)
        if not counts.any():
            raise ValueError(
                "TokenPrior needs a corpus of at least 1 token. Got 0: every document is empty, "
                "or its tokenizer leaves nothing of it; check which column holds the text."
            )
        return FittedTokenPrior(spec=self, counts=counts)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, but for the corpus."""
        return {
            "tokenizer": fingerprint(self.tokenizer),
            "n_vocabulary": self._encoder.size,  # loads it, so that a wrong name is known at once
        }

    def encode(self, texts: Sequence[str]) -> tuple[Counts, Counts]:
        """Token ids of all texts in one row, and how many of them are each text's."""
        found = self._encoder.encode(texts)
        lengths = np.array([len(ids) for ids in found], np.int64)
        return np.fromiter(chain.from_iterable(found), np.int64, int(lengths.sum())), lengths

    @cached_property
    def _encoder(self) -> Tokenizer:
        return Tokenizer(model=self.tokenizer, trust_remote_code=self.trust_remote_code)


@dataclass(frozen=True, kw_only=True)
class FittedTokenPrior:
    """A `TokenPrior` that has seen its corpus.

    Attributes:
        spec: what was fitted.
        counts: int64, by token id, of the whole corpus.
    """

    name: ClassVar[str] = "token-prior"
    column: ClassVar[str] = "mean_log_prior"
    unit: ClassVar[str] = "nats/token"
    higher_is_better: ClassVar[bool | None] = None

    spec: TokenPrior
    counts: Counts = field(repr=False)

    def score(self, texts: Sequence[str]) -> Scored:
        """Mean log prior of the tokens of each text.

        Args:
            texts: n documents.

        Returns:
            value: float64[n], nats per token, <= 0; NaN for empty documents. extra:
            ``sd_log_prior`` (float64, nats, >= 0; NaN where value is) and ``n_tokens`` (int32).
        """
        n = len(texts)
        reasons = [reason_for_empty(text) for text in texts]
        asked = np.array([i for i, reason in enumerate(reasons) if reason is None], np.intp)
        ids, lengths = self.spec.encode([texts[i] for i in asked])
        n_tokens = np.zeros(n, np.int32)
        n_tokens[asked] = lengths
        for i in asked[lengths == 0]:
            reasons[i] = "no_tokens"
        owner = np.repeat(asked, lengths)
        log_prior = self._log_prior[np.minimum(ids, len(self.counts))]
        with np.errstate(invalid="ignore"):  # the mean of no token is NaN
            mean = np.divide(np.bincount(owner, weights=log_prior, minlength=n), n_tokens)
            squared = np.square(log_prior - mean[owner])
            variance = np.divide(np.bincount(owner, weights=squared, minlength=n), n_tokens)
        extra = {"sd_log_prior": np.sqrt(variance), "n_tokens": n_tokens}
        return Scored(value=mean, reason=reasons, extra=extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; the counts stand for the corpus."""
        counts = xxhash.xxh3_128_hexdigest(self.counts.astype("<i8").tobytes())
        return {
            **self.spec.config(),
            "n_tokens": int(self.counts.sum()),
            "counts": f"xxh3:{counts}",
        }

    @cached_property
    def _log_prior(self) -> FloatArray:
        """By token id; the last entry is that of every token the fit has not seen."""
        seen = np.append(np.maximum(self.counts, 1), 1)
        log_prior: FloatArray = np.log(seen) - np.log(self.counts.sum())
        return log_prior


def _sum(states: Sequence[Counts]) -> Counts:
    total = np.zeros(max(map(len, states), default=0), np.int64)
    for counts in states:
        total[: len(counts)] += counts
    return total
