"""The one place that turns text into token ids, in front of every backend."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
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
        clean = [_SURROGATE.sub("\ufffd", t) if _has_surrogate(t) else t for t in texts]
        if self._fast is not None:
            found = self._fast.encode_batch_fast(clean, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        plain = self._hf(clean, add_special_tokens=False, split_special_tokens=True, verbose=False)
        ids: list[list[int]] = plain["input_ids"]
        return ids

    def pieces(self, texts: Sequence[str]) -> list[list[str]]:
        """The same tokens as strings, as the vocabulary writes them."""
        return [self._hf.convert_ids_to_tokens(ids) for ids in self.encode(texts)]

    @cached_property
    def _fast(self) -> Any:
        """A Rust tokenizer of its own for hostile text, or None where the model has none.

        Its own, because whether special tokens are recognised is state of the tokenizer, and
        texts are encoded in one thread while prompts may be made in another.
        """
        if not self._hf.is_fast:
            return None
        fast = copy.deepcopy(self._hf.backend_tokenizer)
        fast.encode_special_tokens = True
        fast.no_truncation()
        fast.no_padding()
        return fast

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

    def forms(self, answer: str, *, variants: bool = False) -> tuple[int, ...]:
        """Ids of the surface forms of an answer that are one token, without repetition.

        Args:
            answer: as it stands.
            variants: also capitalised, in capitals, and each of these after a space.

        Raises:
            ValueError: the tokenizer cuts the answer, in every form, into several tokens.
        """
        cases = (answer, answer.capitalize(), answer.upper())
        words = [space + word for space in ("", " ") for word in cases] if variants else [answer]
        found = [self._plain(word) for word in words]
        single = dict.fromkeys(ids[0] for ids in found if len(ids) == 1)
        if not single:
            raise ValueError(
                f"The answer {answer!r} must be a single token of {self.model}. It is "
                f"{len(found[0])} tokens; name another surface form, such as "
                f"{answer.capitalize()!r}, or count all of them with 'variants'."
            )
        return tuple(single)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
