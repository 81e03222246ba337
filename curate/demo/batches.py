"""Training and test examples: a passage, its damaged twin, and the answers to the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scorers.prompts import ASK_LLM, PromptTemplate
from scorers.tokenizer import Tokenizer

from .damage import DAMAGES
from .disguise import Disguise, layout
from .material import KINDS, Passage

PROMPT_TOKENS = 512
_SHORTEST, _LONGEST = 48, 420  # tokens of a passage
_TOKENS_A_BATCH = 4500
_SHARES = {"docstring": 0.4, "code": 0.2, "prose": 0.25, "other code": 0.15}


@dataclass(frozen=True)
class Example:
    """One sequence of token ids.

    Attributes:
        ids: the prompt without its answer, or BOS and a passage.
        answer: id of the answer, None for plain text.
        span: (start, stop) of the passage's tokens in ``ids``.
        clean: whether the passage is undamaged.
        damage: name of the fault, "" where there is none.
    """

    ids: list[int]
    answer: int | None
    span: tuple[int, int]
    clean: bool
    damage: str


class Maker:
    """Makes examples out of passages, with the prompt and the ids of the real scorer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.template = PromptTemplate.from_text(ASK_LLM, tokenizer, max_tokens=PROMPT_TOKENS)
        (self.yes,), (self.no,) = tokenizer.forms("yes"), tokenizer.forms("no")

    @cached_property
    def _names(self) -> list[str]:
        return list(DAMAGES)

    def batch(
        self, passages: Sequence[Sequence[Passage]], rng: np.random.Generator
    ) -> list[Example]:
        """Pairs of a clean and a damaged passage in the prompt, and plain text after BOS.

        Args:
            passages: for each of `material.KINDS`, what to draw from.
            rng: draws everything.

        Returns:
            Examples of about equal length, `_TOKENS_A_BATCH` tokens in all.
        """
        length = round(float(np.exp(rng.uniform(np.log(_SHORTEST), np.log(_LONGEST)))))
        frame = len(self.template.head) + len(self.template.tail)
        n_pairs = max(2, round(0.8 * _TOKENS_A_BATCH / (2 * (length + frame))))
        out: list[Example] = []
        for _ in range(n_pairs):
            kind = str(rng.choice(self._names))
            clean, damaged = self.pair(self.draw(passages, rng), kind, length, rng)
            out += [self.prompt(clean, length, ""), self.prompt(damaged, length, kind)]
        for _ in range(max(1, n_pairs // 2)):
            passage = self.draw(passages, rng)
            text = Disguise(rng, language_share=0.25)(layout(passage.text, passage.kind, rng))
            ids = self.tokenizer.encode([text])[0][: length + frame]
            out.append(Example([self.tokenizer.prefix_id, *ids], None, (1, 1 + len(ids)), True, ""))
        return out

    def pair(
        self,
        passage: Passage,
        kind: str,
        length: int,
        rng: np.random.Generator,
        *,
        disguised: bool = True,
    ) -> tuple[str, str]:
        """A cut of a passage and its damaged twin, about ``length`` tokens each.

        Both have the same layout, letter case and language, their own if not ``disguised``.
        """
        text = layout(passage.text, passage.kind, rng) if disguised else passage.text
        size = int(length * rng.uniform(2.5, 6))
        if len(text) > size and rng.random() < 0.5:  # not every document begins at its beginning
            start = text.find("\n", int(rng.integers(len(text) - size))) + 1
            text = text[start:] if len(text) - start > size // 2 else text
        # A document that fits whole ends where it ends; a longer one is cut by the prompt.
        text = text[:size].rstrip() if rng.random() < 0.8 else text[: 8 * size]
        disguise = Disguise(rng) if disguised else str
        if rng.random() < 0.5:  # menus and escapes in the made-up language, or in the true letters
            return disguise(text), disguise(DAMAGES[kind](text, rng))
        text = disguise(text)
        return text, DAMAGES[kind](text, rng)

    def prompt(self, text: str, length: int, damage: str) -> Example:
        """The prompt about a text, as the scorer assembles it, its answer left out."""
        ids = self.tokenizer.encode([text])[0][:length]
        prompt = self.template.assemble(ids).ids
        start = len(self.template.head)
        span = (start, len(prompt) - len(self.template.tail))
        return Example(prompt, self.no if damage else self.yes, span, not damage, damage)

    @staticmethod
    def draw(passages: Sequence[Sequence[Passage]], rng: np.random.Generator) -> Passage:
        """A passage of one of `material.KINDS`, each with its share."""
        of_kind = passages[int(rng.choice(len(KINDS), p=[_SHARES[k] for k in KINDS]))]
        return of_kind[int(rng.integers(len(of_kind)))]


def by_kind(passages: Sequence[Passage]) -> list[list[Passage]]:
    """Passages sorted into lists, one for each of `material.KINDS`."""
    return [[p for p in passages if p.kind == kind] for kind in KINDS]
