"""Prompts, assembled on token ids: only the passage is ever truncated, never the question.

A template is text with one slot, ``{text}``. What stands before and after it is tokenized once,
with the model's special tokens where the template (or the chat format) names them. The passage is
tokenized by itself with special tokens switched off, so that no passage can close the question,
open a chat turn, or end the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tokenizer import Tokenizer

SLOT = "{text}"

ASK_LLM = """\
###
{text}
###
Does the previous paragraph demarcated within ### and ###
contain informative signal for pre-training a large-language model?
An informative datapoint should be well-formatted, contain some
usable knowledge of the world, and strictly NOT have any harmful,
racist, sexist, etc. content.
OPTIONS:
- yes
- no
"""
"""The prompt of Ask-LLM, word for word.

Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), Figure 3. The figure shows no character after
"- no"; one line break is added, so that a decoder-only model answers on a line of its own.
"""


@dataclass(frozen=True)
class AssembledPrompt:
    """One prompt ready for a backend.

    Attributes:
        ids: token ids of the whole prompt.
        n_passage_tokens: tokens of the whole passage, before truncation.
        truncated: whether tokens of the passage were left out.
    """

    ids: list[int]
    n_passage_tokens: int
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class PromptTemplate:
    """Fixed token ids around a passage, and how many passage tokens fit between them.

    Attributes:
        head: ids before the passage.
        tail: ids after it: the question.
        max_tokens: length of the longest prompt allowed, in tokens.
    """

    head: tuple[int, ...]
    tail: tuple[int, ...]
    max_tokens: int

    def __post_init__(self) -> None:
        fixed = len(self.head) + len(self.tail)
        if fixed >= self.max_tokens:
            raise ValueError(
                f"'max_tokens' must leave room for the passage: the prompt itself takes {fixed} "
                f"tokens. Got {self.max_tokens}."
            )

    @classmethod
    def from_text(
        cls, template: str, tokenizer: Tokenizer, *, max_tokens: int, chat: bool | None = None
    ) -> PromptTemplate:
        """Tokenize the fixed parts of ``template``.

        Args:
            template: text that holds ``{text}`` exactly once.
            tokenizer: the model's.
            max_tokens: length of the longest prompt, in tokens.
            chat: put the prompt in the tokenizer's chat format as the user's turn. None: where
                the tokenizer has one.

        Raises:
            ValueError: the slot is missing or repeated, or the question alone is too long.
        """
        if template.count(SLOT) != 1:
            raise ValueError(
                f"A prompt must hold {SLOT} exactly once. Found {template.count(SLOT)} times in "
                f"{template[:60]!r}."
            )
        head, tail = tokenizer.frame(template.split(SLOT), chat=chat)
        return cls(head=tuple(head), tail=tuple(tail), max_tokens=max_tokens)

    def assemble(self, passage: Sequence[int]) -> AssembledPrompt:
        """Put a passage (token ids) into the prompt, keeping its head where it does not fit."""
        room = self.max_tokens - len(self.head) - len(self.tail)
        kept = passage[:room]
        return AssembledPrompt(
            ids=[*self.head, *kept, *self.tail],
            n_passage_tokens=len(passage),
            truncated=len(kept) < len(passage),
        )
