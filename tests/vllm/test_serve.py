"""A real vLLM server in bfloat16: the numbers of transformers in bfloat16, over HTTP."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.backends import TransformersBackend
from scorers.backends.openai import OpenAIBackend, _Dialect

RNG = np.random.default_rng(7)
PROMPTS = [RNG.integers(2, 300, n).tolist() for n in (1, 2, 7, 30, 31, 200, 255, 9, 55, 3)] * 4
ANSWERS = [5, 9, 288]
ROUNDING = 0.01
"""Nats that bfloat16 may cost on this model."""


@pytest.fixture(scope="module")
def served(serve: str, vllm_model: str) -> OpenAIBackend:
    return OpenAIBackend(model=vllm_model, base_url=serve)


@pytest.fixture(scope="module")
def truth(vllm_model: str) -> TransformersBackend:
    return TransformersBackend(model=vllm_model, dtype="bfloat16")


def test_the_answers_are_told_exactly(served: OpenAIBackend, truth: TransformersBackend) -> None:
    assert served._dialect == _Dialect(extensions=True, exact=True)
    found = served.next_token_logprobs(PROMPTS, ANSWERS)
    expected = truth.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=ROUNDING)
    np.testing.assert_array_equal(found.missing_mass, 0.0)


def test_a_float32_head_tells_documents_apart(served: OpenAIBackend) -> None:
    prompts = RNG.integers(2, 300, (500, 12)).tolist()
    assert len(np.unique(served.next_token_logprobs(prompts, [5]).logprobs)) > 490


def test_echoed_prompts(served: OpenAIBackend, truth: TransformersBackend) -> None:
    for ours, theirs in zip(
        served.sequence_logprobs(PROMPTS), truth.sequence_logprobs(PROMPTS), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("extensions", [True, False])
def test_the_top_without_what_vllm_adds(
    serve: str, vllm_model: str, truth: TransformersBackend, extensions: bool
) -> None:
    """As other servers answer: tokens by id or by text, and only the likeliest."""
    served = OpenAIBackend(model=vllm_model, base_url=serve)
    served.__dict__["_dialect"] = _Dialect(extensions=extensions, exact=False)
    likely = truth.next_token_logprobs(PROMPTS[:1], range(2, 300)).logprobs[0].argsort()[-3:] + 2
    answers = [*ANSWERS, *likely.tolist()]
    found = served.next_token_logprobs(PROMPTS, answers)
    expected = truth.next_token_logprobs(PROMPTS, answers).logprobs
    told = ~np.isnan(found.logprobs)
    assert told.any()
    assert not told.all()
    np.testing.assert_allclose(found.logprobs[told], expected[told], rtol=0, atol=ROUNDING)
    rest = np.where(told, 0.0, np.exp(expected)).sum(1)
    assert (rest <= found.missing_mass + ROUNDING).all()


def test_the_longest_prompt_fits(served: OpenAIBackend) -> None:
    longest = [3] * served.max_length
    assert np.isfinite(served.next_token_logprobs([longest], ANSWERS).logprobs).all()
    assert len(served.sequence_logprobs([longest])[0]) == served.max_length - 1
