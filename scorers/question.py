"""What Ask-LLM and the rubric share: one question to a model about each document."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import NextToken
from .backends.fingerprint import fingerprint
from .base import FloatArray, reason_for_empty
from .model_reader import ModelReader
from .prompts import AssembledPrompt, PromptTemplate, Truncation


@dataclass(frozen=True)
class PreparedQuestions:
    """n documents on their way to the model: what needs no model is done.

    Attributes:
        reasons: why a document is not asked about, or None.
        prompts: one for each document that is, in order.
    """

    reasons: list[str | None]
    prompts: list[AssembledPrompt]


@dataclass(frozen=True)
class Answers:
    """What the model says to n documents.

    Attributes:
        reasons: why a document has no score, or None.
        logprobs: float64[n, m], log P of each answer, summed over its surface forms; NaN where
            not asked or none of the forms was reported.
        columns: ``n_tokens`` (int32, of the whole document), ``truncated`` (bool) and
            ``missing_mass`` (float64, probability of what the engine did not report).
    """

    reasons: list[str | None]
    logprobs: FloatArray
    columns: dict[str, np.ndarray]

    def explain(self, known: NDArray[np.bool]) -> list[str | None]:
        """Reasons, completed where what a score needs is not known, bool[n].

        "not_reported" from an engine that tells its likeliest tokens only; "not_finite" from one
        that tells everything, whose numbers overflowed.
        """
        silent = self.columns["missing_mass"] > 0
        return [
            ("not_reported" if unheard else "not_finite") if why is None and not told else why
            for why, told, unheard in zip(self.reasons, known, silent, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class Question(ModelReader, ABC):
    """Asks a model about each document and reads the probabilities of single-token answers.

    Attributes:
        prompt: text with one ``{text}`` slot.
        max_tokens: longest prompt, in tokens; at most the model's context.
        truncation: what is kept of a passage that does not fit: its "head", or its
            "head-and-tail" with a sign of omission between. The question is never truncated.
        variants: count an answer in all its surface forms that are one token of the model
            ("yes", "Yes", "YES", each also after a space), in place of the one as it stands.
        chat: ask in the tokenizer's chat format; None: where it has one.
        model, trust_remote_code, backend: see `ModelReader`.
    """

    prompt: str
    max_tokens: int = 512
    truncation: Truncation = "head"
    variants: bool = False
    chat: bool | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"'max_tokens' must be at least 1. Got {self.max_tokens}.")

    @property
    @abstractmethod
    def _answers(self) -> Sequence[str]:
        """The m answers, each as it stands."""

    def prepare(self, texts: Sequence[str]) -> PreparedQuestions:
        """Tokenize texts and put them into the prompt: all that can go on while a model works.

        Raises:
            ValueError: the question does not fit ``max_tokens``.
        """
        reasons = [reason_for_empty(text) for text in texts]
        asked = [text for text, why in zip(texts, reasons, strict=True) if why is None]
        encoded = self._tokenizer.encode(asked)
        return PreparedQuestions(reasons, [self._template.assemble(ids) for ids in encoded])

    def config(self) -> dict[str, Any]:
        """Everything that decides a score."""
        return {
            "prompt": self.prompt,
            "answers": dict(zip(self._answers, map(list, self._forms), strict=True)),
            "max_tokens": self._template.max_tokens,
            "truncation": self.truncation,
            "chat": self.chat,
            "tokenizer": fingerprint(self.model),
            **self._backend.config(),
        }

    def _ask(self, prepared: PreparedQuestions) -> Answers:
        reasons = list(prepared.reasons)
        n = len(reasons)
        asked = [i for i, why in enumerate(reasons) if why is None]
        prompts = prepared.prompts
        ids = [token for forms in self._forms for token in forms]
        told = self._backend.next_token_logprobs([p.ids for p in prompts], ids)
        logprobs = np.full((n, len(self._forms)), np.nan)
        logprobs[asked] = self._sum_forms(told)
        columns = {
            "n_tokens": np.zeros(n, np.int32),
            "truncated": np.zeros(n, bool),
            "missing_mass": np.full(n, np.nan),
        }
        columns["n_tokens"][asked] = [p.n_passage_tokens for p in prompts]
        columns["truncated"][asked] = [p.truncated for p in prompts]
        columns["missing_mass"][asked] = told.missing_mass
        return Answers(reasons, logprobs, columns)

    def _sum_forms(self, told: NextToken) -> FloatArray:
        starts = np.cumsum([0, *map(len, self._forms)])[:-1]
        known = np.where(np.isnan(told.logprobs), -np.inf, told.logprobs)
        summed = np.logaddexp.reduceat(known, starts, axis=1)
        untold = np.logical_and.reduceat(np.isnan(told.logprobs), starts, axis=1)
        return np.where(untold, np.nan, summed)

    @cached_property
    def _forms(self) -> list[tuple[int, ...]]:
        """Token ids of each answer's surface forms."""
        return [self._tokenizer.forms(a, variants=self.variants) for a in self._answers]

    @cached_property
    def _template(self) -> PromptTemplate:
        return PromptTemplate.from_text(
            self.prompt,
            self._tokenizer,
            max_tokens=min(self.max_tokens, self._backend.max_length),
            chat=self.chat,
            truncation=self.truncation,
        )
