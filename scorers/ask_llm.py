"""Ask-LLM: the probability that an instruction-tuned model answers "yes, good training data"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .backends import Backend, TransformersBackend
from .base import Scored, reason_for_empty
from .prompts import ASK_LLM, AssembledPrompt, PromptTemplate
from .tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class AskLLM:
    """P("yes" | the prompt around a document), over the whole vocabulary.

    Documents are truncated at their end so that the prompt fits ``max_tokens``; the question is
    never truncated.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.1 and Figure 3. Departures: the
    paper asks encoder-decoder models (Flan-T5) and does not state how it truncates; a decoder-only
    model is asked in its chat format where it has one, and a line break ends the raw prompt.

    Attributes:
        model: directory or hub name of a causal language model.
        prompt: text with one ``{text}`` slot.
        yes: the answer whose probability is the score; one token.
        no: the answer stored beside it; one token.
        max_tokens: longest prompt, in tokens; at most the model's context.
        chat: ask in the tokenizer's chat format; None: where it has one.
        dtype, device, batch_tokens, trust_remote_code: see `TransformersBackend`.
        backend: anything with the two methods of `Backend`, in place of transformers.

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

    model: str
    prompt: str = ASK_LLM
    yes: str = "yes"
    no: str = "no"
    max_tokens: int = 512
    chat: bool | None = None
    dtype: str = "auto"
    device: str = "auto"
    batch_tokens: int = 8192
    trust_remote_code: bool = False
    backend: Backend | None = field(default=None, repr=False)

    def score(self, texts: Sequence[str]) -> Scored:
        """Ask about each text.

        Args:
            texts: n documents.

        Returns:
            value: P(yes), float64[n] in [0, 1]; NaN for empty documents. extra: ``log_p_no``
            (float64, nats), ``p_yes_of_yes_no`` (float64: P(yes) / (P(yes) + P(no))), ``n_tokens``
            (int32: of the whole document) and ``truncated`` (bool).

        Raises:
            ValueError: an answer is not one token, or the question does not fit ``max_tokens``.
        """
        reasons = [reason_for_empty(text) for text in texts]
        asked = [i for i, reason in enumerate(reasons) if reason is None]
        prompts = self._assemble([texts[i] for i in asked])
        logprobs = np.full((len(texts), 2), np.nan)
        logprobs[asked] = self._backend.next_token_logprobs([p.ids for p in prompts], self._answers)
        log_yes, log_no = logprobs.T
        n_tokens = np.zeros(len(texts), np.int32)
        n_tokens[asked] = [p.n_passage_tokens for p in prompts]
        truncated = np.zeros(len(texts), bool)
        truncated[asked] = [p.truncated for p in prompts]
        extra = {
            "log_p_no": log_no,
            "p_yes_of_yes_no": 1 / (1 + np.exp(log_no - log_yes)),
            "n_tokens": n_tokens,
            "truncated": truncated,
        }
        return Scored(value=np.exp(log_yes), reason=reasons, extra=extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score."""
        return {
            "prompt": self.prompt,
            "yes": self.yes,
            "no": self.no,
            "max_tokens": self._template.max_tokens,
            "answers": list(self._answers),
            "chat": self.chat,
            **self._backend.config(),
        }

    def _assemble(self, texts: Sequence[str]) -> list[AssembledPrompt]:
        return [self._template.assemble(ids) for ids in self._tokenizer.encode(texts)]

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

    @cached_property
    def _template(self) -> PromptTemplate:
        limit = min(self.max_tokens, self._backend.max_length)
        return PromptTemplate.from_text(
            self.prompt, self._tokenizer, max_tokens=limit, chat=self.chat
        )

    @cached_property
    def _answers(self) -> tuple[int, int]:
        return self._tokenizer.single(self.yes), self._tokenizer.single(self.no)
