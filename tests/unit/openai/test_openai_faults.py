"""Faults of a server: those that pass are tried again, those that stay are said clearly."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from scorers.backends import TransformersBackend, json_api
from scorers.backends.openai import OpenAIBackend
from scorers.backends.server_errors import ServerError
from tests.fake_completions import (
    ANSWERS,
    PROMPTS,
    Behaviour,
    backend,
)


@pytest.fixture(scope="module")
def truth(tiny_model: str) -> TransformersBackend:
    """One prompt at a time, as the server computes them: no rounding apart."""
    return TransformersBackend(model=tiny_model, batch_tokens=1)


# Faults that pass.


@pytest.mark.parametrize(
    "fault", [500, 502, 503, 429, 408, "drop", "html", "truncated", (503, {"Retry-After": "0"})]
)
def test_a_passing_fault_is_tried_again(
    server: Behaviour, tiny_model: str, truth: TransformersBackend, fault: Any
) -> None:
    served = backend(server, tiny_model)
    assert served._dialect.exact
    server.faults.extend([fault, None, fault, fault])
    found = served.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    expected = truth.next_token_logprobs(PROMPTS, ANSWERS).logprobs
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_timeout_is_tried_again(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, timeout=0.5, concurrency=1)
    assert served._dialect.exact
    server.faults.append("hang")
    assert not np.isnan(served.next_token_logprobs(PROMPTS[:1], ANSWERS).logprobs).any()


def test_retry_after_is_honoured(server: Behaviour, tiny_model: str, waits: list[float]) -> None:
    served = backend(server, tiny_model, concurrency=1)
    assert served._dialect.exact
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    for value in ("17", date, "a while", "100000"):
        server.faults.append((503, {"Retry-After": value}))
    served.next_token_logprobs(PROMPTS[:1], ANSWERS)
    assert waits[0] == 17
    assert 35 < waits[1] < 41
    assert waits[2] < 1
    assert waits[3] == 300


def test_waits_double_with_jitter(
    server: Behaviour, tiny_model: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_api, "_FIRST_WAIT", 1.0)
    served = backend(server, tiny_model, concurrency=1)
    assert served._dialect.exact
    server.faults.extend([500] * 5)
    served.next_token_logprobs(PROMPTS[:1], ANSWERS)
    assert all(2**i / 2 <= wait <= 2**i for i, wait in enumerate(waits))
    assert len(waits) == 5


# Faults that stay: which address, what was found, what to do.


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (503, r"/v1/completions: status 503: a fault; given up after 3 tries"),
        (429, "Lower 'concurrency'"),
        ("drop", "no connection .* Check that the server runs"),
        ("html", "expected JSON, found 26 bytes of text/html"),
        ("truncated", "expected JSON, found 24 bytes of application/json"),
    ],
)
def test_a_fault_that_stays(server: Behaviour, tiny_model: str, fault: Any, message: str) -> None:
    served = backend(server, tiny_model, retries=2, concurrency=1)
    assert served._dialect.exact
    server.faults.extend([fault] * 3)
    with pytest.raises(ServerError, match=message):
        served.next_token_logprobs(PROMPTS, ANSWERS)
    assert len(server.requests) == 4


def test_a_timeout_that_stays(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, retries=1, timeout=0.2)
    assert served._dialect.exact
    server.faults.extend(["hang"] * 9)
    with pytest.raises(ServerError, match=r"no answer within 0.2 s; .* Raise 'timeout'"):
        served.next_token_logprobs(PROMPTS[:1], ANSWERS)


def test_no_server(tiny_model: str, server: Behaviour) -> None:
    nowhere = OpenAIBackend(model=tiny_model, base_url="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(ServerError, match=r"127.0.0.1:9/v1/models: no connection .*'base_url'"):
        nowhere.next_token_logprobs(PROMPTS, ANSWERS)


@pytest.mark.parametrize("status", [400, 404, 413, 422, 302])
def test_a_refusal_ends_at_once(server: Behaviour, tiny_model: str, status: int) -> None:
    served = backend(server, tiny_model, concurrency=1, prompts_per_request=1)
    assert served._dialect.exact
    server.faults.append(status)
    with pytest.raises(ServerError, match=f"status {status}: a fault"):
        served.next_token_logprobs(PROMPTS, ANSWERS)
    assert len(server.requests) == 2


def test_the_first_error_drops_the_requests_in_flight(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, concurrency=4)
    assert served._dialect.exact
    server.faults.extend(["hang", "hang", 404, "hang"])
    started = time.monotonic()
    with pytest.raises(ServerError, match="status 404"):
        served.next_token_logprobs(PROMPTS * 8, ANSWERS)
    assert time.monotonic() - started < 5
    assert len(server.requests) < 10


def test_an_interrupt_drops_the_requests_in_flight(server: Behaviour, tiny_model: str) -> None:
    served = backend(server, tiny_model, concurrency=4)
    assert served._dialect.exact
    server.faults.extend(["hang"] * 4)
    interrupt = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    # A process that a shell started in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt.start()
            served.next_token_logprobs(PROMPTS * 8, ANSWERS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 5


def _set(key: str, value: Any) -> Any:
    """Change one entry of the log-probabilities of every choice."""

    def edit(reply: dict[str, Any]) -> dict[str, Any]:
        for choice in reply["choices"]:
            choice["logprobs"][key] = value
        return reply

    return edit


def _choice(**entries: Any) -> Any:
    def edit(reply: dict[str, Any]) -> dict[str, Any]:
        for choice in reply["choices"]:
            choice.update(entries)
        return reply

    return edit


BROKEN = [
    (lambda _: [], "expected a reply with 'choices'"),
    (lambda _: {"choices": []}, "expected one choice for each of 2 prompts, found 0"),
    (lambda reply: {"choices": reply["choices"][:1]}, "found 1 numbered"),
    (_choice(index=0), "found 2 numbered .* Set 'prompts_per_request' to 1"),
    (_choice(index=None), "found 2 numbered"),
    (_choice(logprobs=None), "expected log-probabilities, found none"),
]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        *BROKEN,
        (_set("top_logprobs", [{"token_id:5": math.nan}]), "null, not a number or positive"),
        (_set("top_logprobs", [{"token_id:5": None}]), "null, not a number or positive"),
        (_set("top_logprobs", [{"token_id:5": 0.4}]), "null, not a number or positive"),
        (_set("top_logprobs", [{f"token_id:{i}": -0.5 for i in range(9)}]), "sum to more than 1"),
        (_set("token_logprobs", [None]), "null, not a number or positive"),
        (_set("tokens", []), "in a form that is not OpenAI's"),
        (_set("content", []), "in a form that is not OpenAI's"),
        (
            _set("top_logprobs", [{}]),
            "tokens asked for, though it did before; given up after 2",
        ),
        (_set("top_logprobs", None), "did not tell all the tokens asked for"),
    ],
)
def test_next_token_replies_that_make_no_sense(
    server: Behaviour, tiny_model: str, edit: Any, message: str
) -> None:
    served = backend(server, tiny_model, concurrency=1, retries=1)
    assert served._dialect.exact
    server.edit = edit
    with pytest.raises(ServerError, match=message) as caught:
        served.next_token_logprobs(PROMPTS[:2], ANSWERS)
    assert str(caught.value).startswith(server.url + "/completions: ")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        *BROKEN,
        (_set("tokens", None), "of generated tokens alone"),
        (_set("token_logprobs", [-1.0]), "expected the log-probabilities of a prompt of"),
        (_set("token_logprobs", [None] * 8), "null, not a number or positive"),
        (_set("tokens", ["token_id:1"] * 8), "the tokens echoed are not those sent"),
        (_choice(prompt_token_ids=[1, 2]), "the tokens echoed are not those sent"),
    ],
)
def test_echoes_that_make_no_sense(
    server: Behaviour, tiny_model: str, edit: Any, message: str
) -> None:
    served = backend(server, tiny_model, concurrency=1, retries=1)
    assert served._dialect.exact
    server.edit = edit
    with pytest.raises(ServerError, match=message):
        served.sequence_logprobs([PROMPTS[1], PROMPTS[1][::-1]])


def test_an_echo_without_a_generated_token_will_do(
    server: Behaviour, tiny_model: str, truth: TransformersBackend
) -> None:
    def edit(reply: dict[str, Any]) -> dict[str, Any]:
        for choice in reply["choices"]:
            for values in choice["logprobs"].values():
                values.pop()
        return reply

    served = backend(server, tiny_model)
    assert served._dialect.exact
    server.edit = edit
    (found,) = served.sequence_logprobs([PROMPTS[1]])
    np.testing.assert_allclose(found, truth.sequence_logprobs([PROMPTS[1]])[0], atol=1e-6)


def test_no_echo(server: Behaviour, tiny_model: str) -> None:
    server.dialect = "llama.cpp"
    with pytest.raises(ServerError, match="status 400: Only no echo is supported"):
        backend(server, tiny_model).sequence_logprobs(PROMPTS)


def test_fewer_log_probabilities_granted(server: Behaviour, tiny_model: str) -> None:
    server.dialect, server.max_top = "strict", 5
    with pytest.raises(ServerError, match="status 400: too many logprobs"):
        backend(server, tiny_model).next_token_logprobs(PROMPTS, ANSWERS)
