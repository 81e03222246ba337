"""The openai backend tells what transformers tells, from every dialect of the API."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
from typing import Any

import httpx2
import numpy as np
import pytest
from transformers import AutoConfig, AutoTokenizer

from scorers.backends import Backend, TransformersBackend, json_api
from scorers.backends.completions import Vocabulary, next_token
from scorers.backends.openai import OpenAIBackend
from scorers.backends.server_errors import ServerError
from tests.fake_completions import (
    ANSWERS,
    KEY,
    MODEL_NAME,
    PROMPTS,
    Behaviour,
    backend,
    mass,
)


@pytest.fixture(scope="module")
def truth(tiny_model: str) -> TransformersBackend:
    """One prompt at a time, as the server computes them: no rounding apart."""
    return TransformersBackend(model=tiny_model, batch_tokens=1)


def told_by_top(truth: TransformersBackend, prompt: list[int], k: int) -> dict[int, float]:
    """The k likeliest tokens and their log-probabilities."""
    every = range(AutoConfig.from_pretrained(truth.model).vocab_size)
    logprobs = truth.next_token_logprobs([prompt], every).logprobs[0]
    return {int(i): float(logprobs[i]) for i in np.argsort(-logprobs, kind="stable")[:k]}


# Parity.


@pytest.mark.parametrize("dialect", ["vllm", "vllm-ids", "text", "strict", "llama.cpp"])
@pytest.mark.parametrize("options", [{}, {"concurrency": 2, "prompts_per_request": 3}])
def test_next_tokens_equal_transformers(
    server: Behaviour,
    tiny_model: str,
    truth: TransformersBackend,
    dialect: str,
    options: dict[str, int],
) -> None:
    server.dialect, server.max_top = dialect, 1000
    found = backend(server, tiny_model, top_logprobs=1000, **options).next_token_logprobs(
        PROMPTS, ANSWERS
    )
    expected = truth.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    np.testing.assert_allclose(found.logprobs, expected, rtol=0, atol=1e-6)
    most = 1.0 if dialect in ("text", "strict") else 1e-5  # a text may be that of several tokens
    assert ((found.missing_mass >= 0) & (found.missing_mass <= most)).all()


@pytest.mark.parametrize("dialect", ["vllm", "vllm-ids", "text", "strict"])
@pytest.mark.parametrize("prompts_per_request", [1, 4])
def test_sequences_equal_transformers(
    server: Behaviour,
    tiny_model: str,
    truth: TransformersBackend,
    dialect: str,
    prompts_per_request: int,
) -> None:
    server.dialect = dialect
    served = backend(server, tiny_model, prompts_per_request=prompts_per_request, concurrency=2)
    for ours, theirs in zip(
        served.sequence_logprobs(PROMPTS), truth.sequence_logprobs(PROMPTS), strict=True
    ):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_it_is_a_backend(server: Behaviour, tiny_model: str) -> None:
    assert isinstance(backend(server, tiny_model), Backend)


def test_vllm_is_asked_for_the_answers_alone(server: Behaviour, tiny_model: str) -> None:
    backend(server, tiny_model).next_token_logprobs(PROMPTS, ANSWERS)
    probe, *asked = server.requests
    assert probe["prompt"] == [[0]]
    assert all(body["logprob_token_ids"] == ANSWERS for body in asked)
    assert sorted(map(len, (p for body in asked for p in body["prompt"]))) == sorted(
        map(len, PROMPTS)
    )


def test_more_answers_than_vllm_takes_come_from_the_top(server: Behaviour, tiny_model: str) -> None:
    many = list(range(2, 2 + 129))
    found = backend(server, tiny_model, top_logprobs=20).next_token_logprobs(PROMPTS[:2], many)
    assert "logprob_token_ids" not in server.requests[-1]
    assert np.isnan(found.logprobs).sum(1).min() >= 129 - 20


@pytest.mark.parametrize("dialect", ["vllm-ids", "text", "strict", "llama.cpp"])
def test_an_answer_outside_the_top_is_missing(
    server: Behaviour, tiny_model: str, truth: TransformersBackend, dialect: str
) -> None:
    server.dialect = dialect
    found = backend(server, tiny_model, top_logprobs=3).next_token_logprobs(PROMPTS, ANSWERS)
    exact = truth.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    assert np.isnan(found.logprobs).any()
    for row, prompt in enumerate(PROMPTS):
        top = told_by_top(truth, prompt, 3)
        assert np.isnan(found.logprobs[row]).tolist() == [a not in top for a in ANSWERS]
        if np.isnan(found.logprobs[row]).any():
            least = 1 - mass(list(top.values()))
            assert found.missing_mass[row] >= least - 1e-6
            if dialect in ("vllm-ids", "llama.cpp"):
                assert found.missing_mass[row] == pytest.approx(least, abs=1e-6)
        unknown = np.isnan(found.logprobs[row])
        assert (np.exp(exact[row][unknown]) <= found.missing_mass[row] + 1e-6).all()


def test_a_text_of_two_tokens_tells_neither(
    server: Behaviour, tiny_model: str, truth: TransformersBackend
) -> None:
    """Bytes that are no UTF-8 by themselves all read U+FFFD."""
    server.dialect = "text"
    vocabulary = Vocabulary(model=tiny_model)
    assert vocabulary.id_of("\ufffd") is None
    assert vocabulary.id_of("no such token") is None
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    prompt, alike = next(
        ([start], token)
        for start in range(2, 300)
        for token in told_by_top(truth, [start], 5)
        if tokenizer.decode([token]) == "\ufffd"
    )
    found = backend(server, tiny_model, top_logprobs=5).next_token_logprobs([prompt], [alike])
    exact = truth.next_token_logprobs([prompt], [alike]).logprobs
    assert math.isnan(found.logprobs[0, 0])
    assert found.missing_mass[0] >= np.exp(exact[0, 0])


def test_what_a_text_may_be_is_not_told(tiny_model: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    vocabulary = Vocabulary(model=tiny_model)
    lazy = tokenizer.convert_tokens_to_ids("\u0120lazy")
    assert vocabulary.id_of(" lazy") == vocabulary.id_of("\u0120lazy") == lazy
    byte = next(i for i in range(2, 300) if tokenizer.decode([i]) == "\ufffd")
    top = {"\ufffd": math.log(0.6), " lazy": math.log(0.3), "no such token": math.log(0.06)}
    logprobs = {"tokens": ["\ufffd"], "token_logprobs": [math.log(0.6)], "top_logprobs": [top]}
    choice = {"index": 0, "logprobs": logprobs}
    told, missing = next_token(choice, [byte, lazy], vocabulary, exact=False)
    assert math.isnan(told[0])
    assert told[1] == math.log(0.3)
    assert missing == pytest.approx(0.7)
    told, missing = next_token(choice, [lazy], vocabulary, exact=False)
    assert (told, missing) == ([math.log(0.3)], pytest.approx(0.7))


@pytest.mark.parametrize(("dialect", "logprobs"), [("vllm", 0), ("text", 1)])
def test_echoes_ask_for_no_more_than_the_token(
    server: Behaviour, tiny_model: str, dialect: str, logprobs: int
) -> None:
    server.dialect = dialect
    backend(server, tiny_model).sequence_logprobs(PROMPTS)
    assert {body["logprobs"] for body in server.requests if body.get("echo")} == {logprobs}


# The order, and what needs no request.


def test_choices_may_come_in_any_order(
    server: Behaviour, tiny_model: str, truth: TransformersBackend
) -> None:
    server.edit = lambda reply: reply | {"choices": reply["choices"][::-1]}
    served = backend(server, tiny_model, concurrency=1)
    found = served.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    expected = truth.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert [len(s) for s in served.sequence_logprobs(PROMPTS)] == [len(p) - 1 for p in PROMPTS]


def test_nothing_to_ask_sends_nothing(tiny_model: str) -> None:
    nowhere = OpenAIBackend(model=tiny_model, base_url="http://127.0.0.1:9")
    assert nowhere.next_token_logprobs([], ANSWERS).logprobs.shape == (0, 3)
    assert nowhere.next_token_logprobs([], ANSWERS).missing_mass.shape == (0,)
    assert nowhere.sequence_logprobs([]) == []
    assert [len(x) for x in nowhere.sequence_logprobs([[3], [4]])] == [0, 0]


def test_single_tokens_among_sequences(
    server: Behaviour, tiny_model: str, truth: TransformersBackend
) -> None:
    mixed = [[3], PROMPTS[1], [4], PROMPTS[2]]
    found = backend(server, tiny_model).sequence_logprobs(mixed)
    assert [len(x) for x in found] == [0, 6, 0, 29]
    np.testing.assert_allclose(
        found[3], truth.sequence_logprobs([PROMPTS[2]])[0], rtol=0, atol=1e-6
    )


def test_numpy_ids_do(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model)
    a = served.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    b = served.next_token_logprobs([np.array(p) for p in PROMPTS], np.array(ANSWERS)).logprobs
    np.testing.assert_array_equal(a, b)


def test_a_request_holds_few_prompts_and_few_tokens(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, prompts_per_request=4, concurrency=2)
    requests = list(served._requests([5000, 3, 5000, 100, 3000] + [1] * 20))
    assert sorted(i for rows in requests for i in rows) == list(range(25))
    assert max(map(len, requests)) == 4
    assert requests[0] == [0]
    assert max(map(len, served._requests([1] * 4))) == 2


def test_inside_a_running_loop(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model)

    async def notebook() -> Any:
        return served.next_token_logprobs(PROMPTS, ANSWERS)

    np.testing.assert_array_equal(
        asyncio.run(notebook()).logprobs, served.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    )


# Models, keys, limits.


def test_the_only_model_served_is_taken(server: Behaviour, tiny_model: str) -> None:
    assert backend(server, tiny_model).config()["model"] == MODEL_NAME


def test_the_model_s_own_name_goes_first(server: Behaviour, tiny_model: str) -> None:
    server.models = [{"id": MODEL_NAME}, {"id": tiny_model}]
    assert backend(server, tiny_model).config()["model"] == tiny_model


@pytest.mark.parametrize(
    ("models", "name"),
    [([{"id": "a"}, {"id": "b"}], None), ([{"id": "a"}, {"id": "b"}], "c"), ([{"id": "a"}], "c")],
)
def test_a_model_that_is_not_served(
    server: Behaviour, tiny_model: str, models: Any, name: str | None
) -> None:
    server.models = models
    with pytest.raises(ServerError, match=r"does not serve .*; it serves a.*'served_model'"):
        backend(server, tiny_model, served_model=name).config()


@pytest.mark.parametrize("models", [None, [{"name": "a"}], "abc"])
def test_no_list_of_models(server: Behaviour, tiny_model: str, models: Any) -> None:
    server.models = models
    with pytest.raises(ServerError, match="expected a list of models"):
        backend(server, tiny_model).config()


def test_a_model_dropped_since_is_an_error(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model)
    assert served.config()
    server.models = [{"id": "other"}]
    with pytest.raises(ServerError, match=r"status 404: no model tiny. Check that 'base_url'"):
        served.next_token_logprobs(PROMPTS, ANSWERS)


def test_max_length_leaves_room_for_the_next_token(server: Behaviour, tiny_model: str) -> None:
    assert backend(server, tiny_model).max_length == 255
    assert backend(server, tiny_model, server_context=100).max_length == 99
    assert backend(server, tiny_model, server_context=1000).max_length == 255
    server.models = [{"id": "llama.cpp"}]
    assert backend(server, tiny_model, server_context=1000).max_length == 999
    with pytest.raises(ServerError, match="Give 'server_context'"):
        _ = backend(server, tiny_model).max_length


def test_the_path_is_added_where_there_is_none(server: Behaviour, tiny_model: str) -> None:
    for url in (server.url, server.url + "/", server.url.removesuffix("/v1")):
        assert OpenAIBackend(model=tiny_model, base_url=url).config()


def test_the_key_is_sent_and_kept_nowhere(
    server: Behaviour, tiny_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.api_key = "sk-right"
    served = backend(server, tiny_model)
    with pytest.raises(ServerError, match=f"status 401: .*environment variable {KEY}"):
        served.config()
    monkeypatch.setenv(KEY, "sk-wrong")
    with pytest.raises(ServerError, match=r"Bearer \[key\]") as caught:
        served.config()
    assert "sk-wrong" not in str(caught.value)
    for impossible in ("sk-\u2026", "sk\nright"):
        monkeypatch.setenv(KEY, impossible)
        with pytest.raises(ServerError, match="characters that no key has") as caught:
            served.config()
        assert impossible not in str(caught.value)
    monkeypatch.setenv(KEY, "sk-right\n")
    found = served.next_token_logprobs(PROMPTS, ANSWERS)
    assert not np.isnan(found.logprobs).any()
    stored = repr(served) + json.dumps(served.config()) + str(pickle.dumps(served))
    assert "sk-right" not in stored


def test_config_is_plain_and_names_no_address(server: Behaviour, tiny_model: str) -> None:
    config = backend(server, tiny_model).config()
    assert config == {
        "backend": "openai",
        "model": MODEL_NAME,
        "exact": True,
        "top_logprobs": 20,
    }
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_url": "localhost:8000"}, "'base_url' of OpenAIBackend"),
        ({"base_url": "http://user:secret@host/v1"}, "'base_url' of OpenAIBackend"),
        ({"base_url": "http://host/v1?key=secret"}, "'base_url' of OpenAIBackend"),
        ({"top_logprobs": 0}, "'top_logprobs' of OpenAIBackend must be >= 1"),
        ({"prompts_per_request": 0}, "'prompts_per_request'"),
        ({"concurrency": 0}, "'concurrency'"),
        ({"retries": -1}, "'retries'"),
        ({"server_context": 1}, "'server_context' of OpenAIBackend must be >= 2"),
        ({"timeout": 0}, "'timeout' of OpenAIBackend must be positive"),
        ({"timeout": math.nan}, "'timeout'"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        OpenAIBackend(**({"model": "x", "base_url": "http://host/v1"} | options))
    assert "secret" not in str(caught.value)


def test_errors_hold_no_document(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, retries=0)
    assert served._dialect.exact
    server.faults.append("html")
    with pytest.raises(ServerError) as caught:
        served.next_token_logprobs([[17] * 50], ANSWERS)
    assert "17, 17" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_long_words_of_the_server_are_cut() -> None:
    api = json_api.JsonApi(
        base_url="http://x", api_key_env=KEY, concurrency=1, timeout=1, retries=0
    )
    said = api._said(httpx2.Response(400, json={"error": {"message": "x" * 5000}}))
    assert said == "x" * 300 + "…"
