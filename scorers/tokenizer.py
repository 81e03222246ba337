"""The one place that turns text into token ids, in front of every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_SENTINEL = "\u2603\u2603passage\u2603\u2603"


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """A Hugging Face tokenizer that treats the text it reads as hostile.

    Attributes:
        model: directory or hub name.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.
    """

    model: str
    trust_remote_code: bool = False

    @cached_property
    def _hf(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.model, trust_remote_code=self.trust_remote_code)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, with no special token, whatever the text says.

        Text such as ``<|im_end|>`` or ``</s>`` becomes the ordinary tokens of its characters.
        Lone surrogates, which no UTF-8 text can hold, become U+FFFD.
        """
        if not texts:
            return []
        clean = [t.encode("utf-8", "replace").decode() if _has_surrogate(t) else t for t in texts]
        encoded = self._hf(
            clean,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            verbose=False,
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def frame(self, parts: Sequence[str], *, chat: bool | None = None) -> tuple[list[int], ...]:
        """Token ids of the fixed text before and after a slot, with the model's special tokens.

        Args:
            parts: the text before the slot and the text after it.
            chat: see `PromptTemplate.from_text`.
        """
        before, after = parts
        if chat is None:
            chat = self._hf.chat_template is not None
        if chat:
            if self._hf.chat_template is None:
                raise ValueError(
                    f"{self.model} has no chat template: leave 'chat' out or set it False."
                )
            whole = self._hf.apply_chat_template(
                [{"role": "user", "content": before + _SENTINEL + after}],
                tokenize=False,
                add_generation_prompt=True,
            )
            before, after = whole.split(_SENTINEL)
            return self._plain(before), self._plain(after)
        start, end = self.special_ends
        return [*start, *self._plain(before)], [*self._plain(after), *end]

    def _plain(self, text: str) -> list[int]:
        """Ids of the project's own text, in which special tokens are meant."""
        ids: list[int] = self._hf(text, add_special_tokens=False)["input_ids"]
        return ids

    @cached_property
    def special_ends(self) -> tuple[list[int], list[int]]:
        """The special tokens this tokenizer puts before and after a text, e.g. ([bos], [])."""
        bare = self._plain("a")
        full: list[int] = self._hf("a")["input_ids"]
        at = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
        return full[:at], full[at + len(bare) :]

    @cached_property
    def prefix_id(self) -> int:
        """The token that stands before a document: BOS, or EOS where the model has no BOS."""
        for token in (self._hf.bos_token_id, self._hf.eos_token_id):
            if token is not None:
                return int(token)
        raise ValueError(
            f"{self.model} has neither a BOS nor an EOS token: the first token of a document "
            f"cannot be predicted."
        )

    @cached_property
    def size(self) -> int:
        """Number of tokens, added ones included."""
        return len(self._hf)

    def single(self, answer: str) -> int:
        """Id of an answer that must be one token.

        Raises:
            ValueError: the tokenizer cuts the answer into several tokens.
        """
        ids = self._plain(answer)
        if len(ids) != 1:
            raise ValueError(
                f"The answer {answer!r} must be a single token of {self.model}. It is {len(ids)} "
                f"tokens; name another surface form, such as {answer.capitalize()!r}."
            )
        return ids[0]


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
