"""Answers in several forms, ratings, truncation, and engines that do not tell everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from scorers import AskLLM, Perplexity, Rubric
from scorers.backends import NextToken
from scorers.base import FloatArray
from scorers.prompts import OMISSION, PROMPTS, SLOT, PromptTemplate
from scorers.tokenizer import Tokenizer
from tests.conftest import some_text
from tests.unit.test_ask_llm import reference

TEXTS = [some_text(i, words=8 * (i % 4 + 1)) for i in range(6)]


class Told:
    """A backend that says what it is told to, and remembers what it was asked."""

    max_length = 10_000

    def __init__(self, p: dict[int, float], missing: float = 0.0) -> None:
        self.p, self.missing = p, missing
        self.asked: list[list[int]] = []

    def config(self) -> dict[str, Any]:
        return {}

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        self.asked += [list(p) for p in prompts]
        row = [np.log(self.p[t]) if t in self.p else np.nan for t in token_ids]
        missing = np.full(len(prompts), self.missing)
        return NextToken(np.array([row] * len(prompts)).reshape(len(prompts), len(row)), missing)

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        raise AssertionError(f"{len(sequences)} sequences that nobody asked for")


def ids(model: str, *words: str) -> list[int]:
    return [Tokenizer(model=model).forms(word)[0] for word in words]


def test_variants_are_summed(tiny_model: str) -> None:
    forms = Tokenizer(model=tiny_model).forms("yes", variants=True)
    yes, spaced = ids(tiny_model, "yes", " yes")
    assert set(forms) == {yes, spaced}  # the other forms are several tokens of this tokenizer
    backend = Told({yes: 0.25, spaced: 0.5, ids(tiny_model, "no")[0]: 0.125})
    assert AskLLM(model=tiny_model, backend=backend).score(["x"]).value == 0.25
    found = AskLLM(model=tiny_model, backend=backend, variants=True).score(["x"])
    np.testing.assert_allclose(found.value, 0.75)
    np.testing.assert_allclose(found.extra["p_yes_of_yes_no"], 0.75 / 0.875)


def test_what_an_engine_does_not_tell_is_never_guessed(tiny_model: str) -> None:
    yes, no = ids(tiny_model, "yes", "no")
    only_no = AskLLM(model=tiny_model, backend=Told({no: 0.5}, missing=0.125)).score(["x", ""])
    assert only_no.reason == ["not_reported", "empty"]
    assert only_no.extra["missing_mass"].tolist()[0] == 0.125
    only_yes = AskLLM(model=tiny_model, backend=Told({yes: 0.5}, missing=0.125)).score(["x"])
    assert (only_yes.value[0], only_yes.reason) == (0.5, [None])
    assert np.isnan(only_yes.extra["log_p_no"][0])


def test_numbers_that_overflow_are_no_scores(tiny_model: str) -> None:
    class Overflows(Told):
        def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
            return [np.full(len(s) - 1, np.nan) for s in sequences]

    backend = Overflows({}, missing=0.0)
    for scorer in (AskLLM, Rubric, Perplexity):
        assert scorer(model=tiny_model, backend=backend).score(["x", ""]).reason == [
            "not_finite",
            "empty",
        ]


def test_an_impossible_answer_is_told(tiny_model: str) -> None:
    yes, no = ids(tiny_model, "yes", "no")
    with np.errstate(divide="ignore"):
        found = AskLLM(model=tiny_model, backend=Told({yes: 0.0, no: 0.5})).score(["x"])
    assert (found.value[0], found.reason, found.extra["p_yes_of_yes_no"][0]) == (0.0, [None], 0.0)


def test_a_rating_is_the_expectation(tiny_model: str) -> None:
    one, two, three, four, five = ids(tiny_model, *"12345")
    backend = Told({one: 0.25, five: 0.5, two: 0.0625, three: 0.0625, four: 0.0}, missing=0.0625)
    with np.errstate(divide="ignore"):
        found = Rubric(model=tiny_model, backend=backend).score(["x", " "])
    expected = 1 * 0.25 + 2 * 0.0625 + 3 * 0.0625 + 5 * 0.5
    assert found.value[0] == pytest.approx(expected, abs=1e-12)
    assert found.extra["p_answered"][0] == pytest.approx(0.875)
    assert found.extra["rating_if_answered"][0] == pytest.approx(expected / 0.875)
    assert found.reason == [None, "empty"]
    assert Rubric(model=tiny_model, backend=Told({}, 1.0)).score(["x"]).reason == ["not_reported"]


def test_a_rating_equals_an_unbatched_reference(tiny_model: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    scorer = Rubric(model=tiny_model, prompt="{text}\n0-5:", max_tokens=250)
    scored = scorer.score(TEXTS)
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    for text, value in zip(TEXTS, scored.value, strict=True):
        prompt = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in (text, "\n0-5:")]
        with torch.inference_mode():
            logits = model(torch.tensor([[0, *prompt[0], *prompt[1]]])).logits[0, -1].double()
        p = logits.softmax(-1)
        points = [ids(tiny_model, str(k))[0] for k in range(6)]
        assert value == pytest.approx(float(sum(k * p[t] for k, t in enumerate(points))), rel=1e-5)


@pytest.mark.parametrize("points", [0, 10])
def test_ratings_are_single_digits(tiny_model: str, points: int) -> None:
    with pytest.raises(ValueError, match=r"'points' of Rubric must be in \[1, 9\]"):
        Rubric(model=tiny_model, points=points)


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_every_named_prompt_has_one_slot_and_can_be_asked(name: str, tiny_model: str) -> None:
    assert PROMPTS[name].count(SLOT) == 1
    scored = AskLLM(
        model=tiny_model, prompt=PROMPTS[name], backend=Told({}, 1), max_tokens=2000
    ).score(["x"])
    assert scored.reason == ["not_reported"]


def test_the_instruction_comes_first_where_it_says_so() -> None:
    for name in ("instruction-first", "rubric"):
        before, after = PROMPTS[name].split(SLOT)
        assert len(before) > 4 * len(after)


def test_head_and_tail(tiny_model: str) -> None:
    tokenizer = Tokenizer(model=tiny_model)
    n_omission = len(tokenizer.encode([OMISSION])[0])
    template = PromptTemplate.from_text(
        "a {text} b", tokenizer, max_tokens=60, truncation="head-and-tail"
    )
    passage = list(range(100, 200))
    prompt = template.assemble(passage)
    assert prompt.truncated
    assert len(prompt.ids) == 60
    own = prompt.ids[len(template.head) : len(prompt.ids) - len(template.tail)]
    n_tail = (len(own) - n_omission) // 2
    n_head = len(own) - n_omission - n_tail
    assert own[:n_head] == passage[:n_head]
    assert own[-n_tail:] == passage[-n_tail:]
    assert tuple(own[n_head:-n_tail]) == template.omission
    whole = template.assemble(passage[:20])
    assert not whole.truncated
    assert whole.n_passage_tokens == 20


@pytest.mark.parametrize("room", [1, 2, 3])
def test_head_and_tail_with_hardly_any_room(room: int) -> None:
    template = PromptTemplate(head=(1,), tail=(2,), max_tokens=4 + room, omission=(8, 9))
    prompt = template.assemble(list(range(10, 40)))
    assert len(prompt.ids) == 4 + room
    assert prompt.ids[0] == 1
    assert prompt.ids[-1] == 2
    assert prompt.ids[1] == 10


def test_truncation_by_head_and_tail_is_scored(tiny_model: str) -> None:
    long = " ".join(TEXTS)
    kw: dict[str, Any] = {"model": tiny_model, "prompt": "{text}?", "max_tokens": 40}
    head = AskLLM(**kw).score([long])
    both = AskLLM(**kw, truncation="head-and-tail").score([long])
    assert head.extra["truncated"].all()
    assert both.extra["truncated"].all()
    assert head.value != both.value
    assert head.value == pytest.approx(
        np.exp(reference(tiny_model, "{text}?", [long], 40)[:, 0]), rel=1e-5
    )
    with pytest.raises(ValueError, match="'truncation' must be one of"):
        AskLLM(model=tiny_model, truncation="middle").score(["x"])  # type: ignore[arg-type]
