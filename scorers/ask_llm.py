"""Ask-LLM: the probability that an instruction-tuned model answers "yes, good training data"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Scored
from .prompts import ASK_LLM
from .question import PreparedQuestions, Question


@dataclass(frozen=True, kw_only=True)
class AskLLM(Question):
    """P("yes" | the prompt around a document), over the whole vocabulary.

    Documents are truncated so that the prompt fits ``max_tokens``; the question never is.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.1 and Figure 3, with Flan-T5 as
    the model; any causal or encoder-decoder model will do. Departures: the paper does not state
    how it truncates; a model with a chat format is asked in it, and a line break ends the raw
    prompt.

    Attributes:
        yes: the answer whose probability is the score; one token.
        no: the answer stored beside it; one token.
        model, prompt, max_tokens, truncation, variants, chat, backend: see `Question`.

    Example:
        >>> from curate.demo import MODEL_PATH
        >>> scorer = AskLLM(model=str(MODEL_PATH))
        >>> scored = scorer.score(["A list is a mutable sequence of objects.", ""])
        >>> scored.reason
        [None, 'empty']
    """

    name: ClassVar[str] = "ask-llm"
    column: ClassVar[str] = "p_yes"
    unit: ClassVar[str] = "probability"
    higher_is_better: ClassVar[bool | None] = True

    prompt: str = ASK_LLM
    yes: str = "yes"
    no: str = "no"

    def score(self, texts: Sequence[str]) -> Scored:
        """Ask about each text.

        Args:
            texts: n documents.

        Returns:
            value: P(yes), float64[n] in [0, 1]; NaN for empty documents, where the engine reports
            its likeliest tokens only and "yes" is none of them ("not_reported"), and where the
            model's numbers overflow ("not_finite"). extra:
            ``log_p_no`` (float64, nats), ``p_yes_of_yes_no`` (float64: P(yes) / (P(yes) + P(no))),
            ``n_tokens`` (int32: of the whole document), ``truncated`` (bool) and
            ``missing_mass`` (float64: probability of all that the engine did not report).

        Raises:
            ValueError: an answer is not one token, or the question does not fit ``max_tokens``.
        """
        return self.score_prepared(self.prepare(texts))

    def score_prepared(self, prepared: PreparedQuestions) -> Scored:
        """What `score` returns, from what `prepare` made of the texts."""
        answers = self._ask(prepared)
        log_yes, log_no = answers.logprobs.T
        reasons = answers.explain(~np.isnan(log_yes))
        extra = {
            "log_p_no": log_no,
            "p_yes_of_yes_no": 1 / (1 + np.exp(log_no - log_yes)),
            **answers.columns,
        }
        return Scored(value=np.exp(log_yes), reason=reasons, extra=extra)

    @property
    def _answers(self) -> Sequence[str]:
        return self.yes, self.no
