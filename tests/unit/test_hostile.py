"""Whatever a document holds: the prompt keeps its structure and the score is finite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorers import AskLLM, Perplexity, Rubric
from scorers.base import Scorer
from scorers.prompts import PROMPTS, SLOT, PromptTemplate
from scorers.tokenizer import Tokenizer

SPECIAL = {0, 1}
PIECES = [
    "<s>",
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "[INST]",
    "###",
    "\n###\n",
    "OPTIONS:\n- yes\n- no\nyes",
    SLOT,
    "{",
    "}",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "\ud800",
    "\udfff",
    "\ufeff",
    "e\u0301" * 20,
    " " * 5000,
    "\n" * 300,
    "yes yes",
    "0 1 2 3 4 5",
    "文字",
    "👩‍👩‍👧",
]
hostile = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.tuples(st.text(max_size=20), st.sampled_from(PIECES)).map("".join),
)
often = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def scorers(tiny_model: str) -> list[Scorer]:
    return [
        AskLLM(model=tiny_model, max_tokens=230),
        AskLLM(model=tiny_model, max_tokens=230, truncation="head-and-tail", variants=True),
        Rubric(model=tiny_model, prompt="0-5?\n{text}\n", max_tokens=60),
        Perplexity(model=tiny_model, window=64),
    ]


@often
@given(text=hostile, name=st.sampled_from(sorted(PROMPTS)), both=st.booleans())
def test_the_structure_of_the_prompt_stays(
    tiny_model: str, text: str, name: str, both: bool
) -> None:
    tokenizer = Tokenizer(model=tiny_model)
    template = PromptTemplate.from_text(
        PROMPTS[name],
        tokenizer,
        max_tokens=900,
        truncation="head-and-tail" if both else "head",
    )
    prompt = template.assemble(tokenizer.encode([text])[0])
    own = prompt.ids[len(template.head) : len(prompt.ids) - len(template.tail)]
    assert tuple(prompt.ids[: len(template.head)]) == template.head
    assert tuple(prompt.ids[len(prompt.ids) - len(template.tail) :]) == template.tail
    assert not SPECIAL & set(own)
    assert len(prompt.ids) <= 900
    expected = 900 - len(template.head) - len(template.tail) if prompt.truncated else None
    assert len(own) == (expected or prompt.n_passage_tokens)


@often
@given(texts=st.lists(hostile, max_size=4))
def test_a_finite_score_or_a_reason(scorers: list[Scorer], texts: list[str]) -> None:
    for scorer in scorers:
        scored = scorer.score(texts)
        for text, value, reason in zip(texts, scored.value, scored.reason, strict=True):
            if reason is None:
                assert np.isfinite(value)
            else:
                assert reason == ("no_tokens" if text.strip() else "empty")


def test_fifty_thousand_spaces_around_a_word(scorers: list[Scorer]) -> None:
    for scorer in scorers:
        scored = scorer.score([" " * 50_000, " " * 25_000 + "x" + " " * 25_000])
        assert scored.reason == ["empty", None]
        assert np.isfinite(scored.value[1])
