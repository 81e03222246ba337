"""The one place that turns text into token ids, in front of every backend."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
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
        """Token ids of texts, with no control token, whatever the text says.

        A control token is an added or special token, such as ``<|im_end|>``, ``</s>`` or
        ``<think>``, but neither white space nor the token for what is unknown. A text that would
        hold one is encoded in pieces, with each spelling of a control token cut after its first
        character; what still reads as one (a single character, or what a normalizer makes of
        others) is left out. Lone surrogates, which no UTF-8 text can hold, become U+FFFD.
        """
        clean = [_SURROGATE.sub("\ufffd", t) if _has_surrogate(t) else t for t in texts]
        found = self._split(clean)
        hit = [i for i, ids in enumerate(found) if not self._control.isdisjoint(ids)]
        cut = [self._cut(clean[i]) for i in hit]
        encoded = iter(self._split([piece for pieces in cut for piece in pieces]))
        for i, pieces in zip(hit, cut, strict=True):
            found[i] = [t for _ in pieces for t in next(encoded) if t not in self._control]
        return found

    def _split(self, texts: list[str]) -> list[list[int]]:
        """Ids of texts with the matcher of special tokens off."""
        # Not enough for `encode`: added tokens that are not special are matched all the same, and
        # a Unigram vocabulary holds "</s>" as a piece that its search for the best path may take.
        if not texts:
            return []
        if self._fast is not None:
            found = self._fast.encode_batch_fast(texts, add_special_tokens=False)
            return [encoding.ids for encoding in found]
        plain = self._hf(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(plain["input_ids"])

    def _cut(self, text: str) -> list[str]:
        """The pieces of text, cut after the first character of every control token in it."""
        # Not by a regular expression, which is slow for the thousands of Gemma.
        spellings, lengths = self._spellings
        ends = [0]
        for i, first in enumerate(text):
            if any(text[i : i + n] in spellings for n in lengths.get(first, ())):
                ends.append(i + 1)
        return [text[a:b] for a, b in pairwise([*ends, len(text)]) if a < b]

    @cached_property
    def _control(self) -> frozenset[int]:
        """Ids of the control tokens: see `encode`."""
        # Runs of spaces are added tokens of GPT-NeoX and Phi, runs of "▁" of Gemma.
        added = self._hf.added_tokens_decoder.items()
        ids = {i for i, token in added if not token.content.replace("▁", " ").isspace()}
        ids.update(self._hf.all_special_ids)
        # GPT-2 names its end-of-text token as the unknown token, too: that one is a control token.
        roles = dict(self._hf.special_tokens_map)
        if roles.pop("unk_token", None) not in roles.values():
            ids.discard(self._hf.unk_token_id)
        return frozenset(ids)

    @cached_property
    def _spellings(self) -> tuple[frozenset[str], dict[str, set[int]]]:
        """Those of the control tokens, and the lengths of those with each first character."""
        spellings = frozenset(self._hf.convert_ids_to_tokens(list(self._control)))
        lengths: dict[str, set[int]] = {}
        for spelling in spellings:
            lengths.setdefault(spelling[:1], set()).add(len(spelling))
        return spellings, lengths

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

        A chat template is asked not to have the model think first (``enable_thinking=False``). One
        that is missing, or does not show the message exactly once, raises a ValueError.

        Args:
            parts: the text before the slot and the text after it.
            chat: see `PromptTemplate.from_text`.
        """
        before, after = parts
        if chat is None:
            chat = self._hf.chat_template is not None
        if chat:
            if self._hf.chat_template is None:
                raise ValueError(f"{self.model} has no chat template: leave out 'chat'.")
            if _SENTINEL in before + after:
                raise ValueError(f"Take {_SENTINEL!r}, our mark of the slot, out of the prompt.")
            whole = self._hf.apply_chat_template(
                [{"role": "user", "content": before + _SENTINEL + after}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
            if (n := whole.count(_SENTINEL)) != 1:
                raise ValueError(
                    f"The chat template of {self.model} must show the user's message once, not "
                    f"{n} times: set 'chat' False, or correct the template."
                )
            before, after = whole.split(_SENTINEL)
            return self._plain(before), self._plain(after)
        start, end = self.special_ends
        return [*start, *self._plain(before)], [*self._plain(after), *end]

    def _plain(self, text: str) -> list[int]:
        """Ids of the project's own text, in which special tokens are meant."""
        return list(self._hf(text, add_special_tokens=False)["input_ids"])

    @cached_property
    def special_ends(self) -> tuple[list[int], list[int]]:
        """The special tokens this tokenizer puts before and after a text, e.g. ([bos], [])."""
        bare, full = self._plain("a"), list(self._hf("a")["input_ids"])
        for at in range(len(full) + 1):
            if full[at : at + len(bare)] == bare and (bare or not full):
                return full[:at], full[at + len(bare) :]
        raise ValueError(
            f"The special tokens of {self.model} cannot be told from the text: 'a' is {bare} "
            f"without them and {full} with them. Use another tokenizer."
        )

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
            variants: also capitalised, in capitals, and each of these after a space, and as
                the vocabulary has it: a tokenizer that puts "▁" before a text never cuts one
                into the piece "yes", which is what follows a line break.

        Raises:
            ValueError: the tokenizer cuts the answer, in every form, into several tokens.
        """
        cases = (answer, answer.capitalize(), answer.upper())
        words = [space + word for space in ("", " ") for word in cases] if variants else [answer]
        found = [self._plain(word) for word in words]
        if variants:
            found += [[i] for word in cases if (i := self._as_written(word)) is not None]
        single = dict.fromkeys(ids[0] for ids in found if len(ids) == 1)
        if not single:
            raise ValueError(
                f"The answer {answer!r} must be a single token of {self.model}. It is "
                f"{len(found[0])} tokens; name another surface form, such as "
                f"{answer.capitalize()!r}, or count all of them with 'variants'."
            )
        return tuple(single)

    def _as_written(self, word: str) -> int | None:
        """The token spelled like word, unless that stands for other text, as "é" for a byte."""
        at: int | None = self._hf.get_vocab().get(word)
        return at if at is not None and self._hf.decode([at]) == word else None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
