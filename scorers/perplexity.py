"""Perplexity: how surprising a document is to a language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .backends.fingerprint import fingerprint
from .base import Scored, reason_for_empty
from .model_reader import ModelReader


@dataclass(frozen=True)
class Window:
    """A stretch of a document that fits the model: the last ``n_scored`` tokens count."""

    ids: list[int]
    n_scored: int


@dataclass(frozen=True)
class PreparedWindows:
    """n documents on their way to the model: what needs no model is done.

    Attributes:
        reasons: why a document has no score, or None.
        n_tokens: int32[n].
        n_bytes: int64[n], of the UTF-8 text.
        owners: the document of each piece.
        pieces: windows.
    """

    reasons: list[str | None]
    n_tokens: np.ndarray
    n_bytes: np.ndarray
    owners: list[int]
    pieces: list[Window]


def windows(
    tokens: Sequence[int], *, prefix: int, length: int, context: int, full_last: bool = False
) -> list[Window]:
    """Cut a document into windows in which each token is predicted exactly once.

    The first window starts with ``prefix`` (BOS), so that the first token is predicted too. Each
    later window repeats the last ``context`` tokens before its own, which are read, not scored.

    Args:
        tokens: the document, n token ids.
        prefix: the id that stands before the document.
        length: longest window, in tokens, the prefix included; at least 2.
        context: tokens repeated at the start of every later window; 1 to length - 1.
        full_last: let the last window start as early as it can, so that its tokens see more. With
            ``context=1`` these are the windows of lm-evaluation-harness (its ``max_length`` being
            ``length - 1``). Costs up to one window more for each long document.

    Returns:
        Windows whose ``n_scored`` sum to n.

    Example:
        Tokens 1 to 8, BOS = 0, windows of 5 that repeat 2 tokens. Scored tokens after the bar:

        ==================  ========================================
        0 | 1 2 3 4         1 sees BOS; 4 sees BOS 1 2 3
        3 4 | 5 6 7         5 sees 3 4; 7 sees 3 4 5 6
        6 7 | 8             8 sees 6 7
        ==================  ========================================

        >>> [(w.ids, w.n_scored) for w in windows(range(1, 9), prefix=0, length=5, context=2)]
        [([0, 1, 2, 3, 4], 4), ([3, 4, 5, 6, 7], 3), ([6, 7, 8], 1)]

        So each token is predicted exactly once, from at least ``context`` tokens (fewer only in
        the first window, at the start of the document).
    """
    if not 1 <= context < length:
        raise ValueError(f"'context' of windows must be in [1, length={length}). Got {context}.")
    first = list(tokens[: length - 1])
    out = [Window(ids=[prefix, *first], n_scored=len(first))]
    done = len(first)
    while done < len(tokens):
        end = min(done - context + length, len(tokens))
        start = end - length if full_last else done - context
        out.append(Window(ids=list(tokens[start:end]), n_scored=end - done))
        done = end
    return out


@dataclass(frozen=True, kw_only=True)
class Perplexity(ModelReader):
    """Mean negative log-likelihood per token; perplexity is its exponential.

    Lower is better for top-k, the direction that Sachdeva et al. 2024 (arXiv 2402.09668v1,
    section 3) filter in; Marion et al. 2023 find the middle band better.

    Attributes:
        model: directory or hub name of a causal language model.
        window: longest window, in tokens; None: the model's context.
        context: tokens a later window repeats; None: a quarter of the window, which makes
            a long document cost a third more than without any. See `windows`.
        full_last_window: let the last window of a long document reach back as far as it fits;
            see `windows`.
        trust_remote_code, backend: see `ModelReader`.

    Example:
        >>> from curate.demo import MODEL_PATH
        >>> scored = Perplexity(model=str(MODEL_PATH)).score(["for i in range(10):", "qzxv kjw"])
        >>> bool(scored.value[0] < scored.value[1])
        True
    """

    name: ClassVar[str] = "perplexity"
    column: ClassVar[str] = "nll_per_token"
    unit: ClassVar[str] = "nats/token"
    higher_is_better: ClassVar[bool | None] = False

    window: int | None = None
    context: int | None = None
    full_last_window: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 2:
            raise ValueError(f"'window' of Perplexity must be at least 2. Got {self.window}.")
        if self.context is not None and self.context < 1:
            raise ValueError(f"'context' of Perplexity must be at least 1. Got {self.context}.")

    def score(self, texts: Sequence[str]) -> Scored:
        """Mean of -log P(token | tokens before it) over each text.

        Args:
            texts: n documents.

        Returns:
            value: float64[n], nats per token, >= 0; NaN for empty documents, and where the model's
            numbers overflow ("not_finite"). extra: ``n_tokens``
            (int32, the BOS not counted) and ``bits_per_byte`` (float64), which compares across
            tokenizers.
        """
        return self.score_prepared(self.prepare(texts))

    def prepare(self, texts: Sequence[str]) -> PreparedWindows:
        """Tokenize texts and cut them into windows: all that can go on while a model works."""
        reasons = [reason_for_empty(text) for text in texts]
        asked = [i for i, why in enumerate(reasons) if why is None]
        n_tokens = np.zeros(len(texts), np.int32)
        owners: list[int] = []
        pieces: list[Window] = []
        for i, tokens in zip(asked, self._tokenizer.encode([texts[i] for i in asked]), strict=True):
            n_tokens[i] = len(tokens)
            if not tokens:
                reasons[i] = "no_tokens"
                continue
            cut = self._windows(tokens)
            pieces += cut
            owners += [i] * len(cut)
        n_bytes = np.array([len(t.encode("utf-8", "replace")) for t in texts])
        return PreparedWindows(reasons, n_tokens, n_bytes, owners, pieces)

    def score_prepared(self, prepared: PreparedWindows) -> Scored:
        """What `score` returns, from what `prepare` made of the texts."""
        logprobs = self._backend.sequence_logprobs([w.ids for w in prepared.pieces])
        nll = np.zeros(len(prepared.reasons))
        for owner, piece, found in zip(prepared.owners, prepared.pieces, logprobs, strict=True):
            nll[owner] -= found[len(found) - piece.n_scored :].sum()
        reasons = [
            "not_finite" if why is None and np.isnan(nats) else why
            for why, nats in zip(prepared.reasons, nll, strict=True)
        ]
        nll[[why is not None for why in reasons]] = np.nan
        extra = {
            "n_tokens": prepared.n_tokens,
            "bits_per_byte": nll / math.log(2) / np.maximum(prepared.n_bytes, 1),
        }
        value = nll / np.maximum(prepared.n_tokens, 1)
        return Scored(value=value, reason=reasons, extra=extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score."""
        window, context = self._geometry
        return {
            "window": window,
            "context": context,
            "full_last_window": self.full_last_window,
            "prefix_id": self._tokenizer.prefix_id,
            "tokenizer": fingerprint(self.model),
            **self._backend.config(),
        }

    def _windows(self, tokens: Sequence[int]) -> list[Window]:
        window, context = self._geometry
        return windows(
            tokens,
            prefix=self._tokenizer.prefix_id,
            length=window,
            context=context,
            full_last=self.full_last_window,
        )

    @cached_property
    def _geometry(self) -> tuple[int, int]:
        window = min(self.window or self._backend.max_length, self._backend.max_length)
        context = self.context or max(1, window // 4)
        if context >= window:
            raise ValueError(
                f"'context' of Perplexity must be below the window of {window} tokens. "
                f"Got {context}."
            )
        return window, context
