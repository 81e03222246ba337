"""A rubric: the expected number of points a model gives a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Scored
from .prompts import RUBRIC
from .question import PreparedQuestions, Question


@dataclass(frozen=True, kw_only=True)
class Rubric(Question):
    """Expected rating Σ k · P(k | the prompt around a document), k = 0 … ``points``.

    The probabilities are over the whole vocabulary, as in Ask-LLM: a model that would rather say
    something else rates low. The rating given that it answers at all is stored beside it. Taking
    the expectation, in place of the likeliest number, tells documents apart that share a number.

    Attributes:
        points: the best rating, 1 to 9; every number up to it must be one token.
        model, prompt, max_tokens, truncation, variants, chat, backend: see `Question`.

    Example:
        >>> from curate.demo import MODEL_PATH
        >>> scored = Rubric(model=str(MODEL_PATH)).score(["A list is a sequence.", ""])
        >>> bool(0 <= scored.value[0] <= 5), scored.reason[1]
        (True, 'empty')
    """

    name: ClassVar[str] = "rubric"
    column: ClassVar[str] = "expected_rating"
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool | None] = True

    prompt: str = RUBRIC
    points: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.points <= 9:
            raise ValueError(f"'points' of Rubric must be in [1, 9]. Got {self.points}.")

    def score(self, texts: Sequence[str]) -> Scored:
        """Have each text rated.

        Args:
            texts: n documents.

        Returns:
            value: float64[n] in [0, ``points``]; NaN for empty documents, and ("not_reported")
            where the engine reports its likeliest tokens only and no number is among them. If it
            reports some of the numbers, the value lacks at most ``points`` · ``missing_mass``.
            extra: ``p_answered`` (float64: Σ P(k)), ``rating_if_answered`` (float64: value /
            ``p_answered``), ``n_tokens``, ``truncated`` and ``missing_mass`` as in `AskLLM`.

        Raises:
            ValueError: a number is not one token, or the question does not fit ``max_tokens``.
        """
        return self.score_prepared(self.prepare(texts))

    def score_prepared(self, prepared: PreparedQuestions) -> Scored:
        """What `score` returns, from what `prepare` made of the texts."""
        answers = self._ask(prepared)
        told = ~np.isnan(answers.logprobs)
        p = np.exp(np.where(told, answers.logprobs, -np.inf))
        reasons = answers.explain(np.asarray(told.any(axis=1)))
        p[[why is not None for why in reasons]] = np.nan
        value = p @ np.arange(self.points + 1.0)
        answered = p.sum(axis=1)
        extra = {
            "p_answered": answered,
            "rating_if_answered": value / np.maximum(answered, np.finfo(np.float64).tiny),
            **answers.columns,
        }
        return Scored(value=value, reason=reasons, extra=extra)

    @property
    def _answers(self) -> Sequence[str]:
        return [str(k) for k in range(self.points + 1)]
