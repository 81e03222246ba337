"""Perplexity: how surprising a document is to a language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .backends import Backend, TransformersBackend
from .base import Scored, reason_for_empty
from .tokenizer import Tokenizer


@dataclass(frozen=True)
class Window:
    """A stretch of a document that fits the model: the last ``n_scored`` tokens count."""

    ids: list[int]
    n_scored: int


def windows(tokens: Sequence[int], *, prefix: int, length: int, context: int) -> list[Window]:
    """Cut a document into windows in which each token is predicted exactly once.

    The first window starts with ``prefix`` (BOS), so that the first token is predicted too. Each
    later window repeats the last ``context`` tokens before its own, which are read, not scored.

    Args:
        tokens: the document, n token ids.
        prefix: the id that stands before the document.
        length: longest window, in tokens, the prefix included; at least 2.
        context: tokens repeated at the start of every later window; 1 to length - 1.

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
        ids = list(tokens[done - context : done - context + length])
        out.append(Window(ids=ids, n_scored=len(ids) - context))
        done += len(ids) - context
    return out


@dataclass(frozen=True, kw_only=True)
class Perplexity:
    """Mean negative log-likelihood per token; perplexity is its exponential.

    Lower is better for top-k, the direction that Sachdeva et al. 2024 (arXiv 2402.09668v1,
    section 3) filter in; Marion et al. 2023 find the middle band better.

    Attributes:
        model: directory or hub name of a causal language model.
        window: longest window, in tokens; None: the model's context.
        context: tokens a later window repeats; None: a quarter of the window, which makes
            a long document cost a third more than without any. See `windows`.
        dtype, device, batch_tokens, trust_remote_code: see `TransformersBackend`.
        backend: anything with the two methods of `Backend`, in place of transformers.

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

    model: str
    window: int | None = None
    context: int | None = None
    dtype: str = "auto"
    device: str = "auto"
    batch_tokens: int = 8192
    trust_remote_code: bool = False
    backend: Backend | None = field(default=None, repr=False)

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
            value: float64[n], nats per token, >= 0; NaN for empty documents. extra: ``n_tokens``
            (int32, the BOS not counted) and ``bits_per_byte`` (float64), which compares across
            tokenizers.
        """
        n = len(texts)
        reasons = [reason_for_empty(text) for text in texts]
        asked = [i for i, reason in enumerate(reasons) if reason is None]
        nll, n_tokens = np.zeros(n), np.zeros(n, np.int32)
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
        logprobs = self._backend.sequence_logprobs([w.ids for w in pieces])
        for owner, piece, found in zip(owners, pieces, logprobs, strict=True):
            nll[owner] -= found[len(found) - piece.n_scored :].sum()
        nll[[r is not None for r in reasons]] = np.nan
        n_bytes = np.array([len(t.encode("utf-8", "replace")) for t in texts])
        extra = {"n_tokens": n_tokens, "bits_per_byte": nll / math.log(2) / np.maximum(n_bytes, 1)}
        return Scored(value=nll / np.maximum(n_tokens, 1), reason=reasons, extra=extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score."""
        window, context = self._geometry
        return {"window": window, "context": context, **self._backend.config()}

    def _windows(self, tokens: Sequence[int]) -> list[Window]:
        window, context = self._geometry
        prefix = self._tokenizer.prefix_id
        return windows(tokens, prefix=prefix, length=window, context=context)

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

    @cached_property
    def _backend(self) -> Backend:
        return self.backend or TransformersBackend(
            model=self.model,
            dtype=self.dtype,
            device=self.device,
            batch_tokens=self.batch_tokens,
            trust_remote_code=self.trust_remote_code,
        )

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(model=self.model, trust_remote_code=self.trust_remote_code)
