"""A completions server on loopback with a real tiny model behind it, which fails on purpose."""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from scorers.backends import TransformersBackend
from scorers.backends.openai import OpenAIBackend

MODEL_NAME = "tiny"
NO_LOGPROBS: dict[str, Any] = {"logprobs": None}


@dataclass
class Behaviour:
    """What the server is like; tests change it while it runs.

    Attributes:
        dialect: "vllm" (names tokens by id, takes ``logprob_token_ids``), "vllm-ids" (names by id
            and passes over ``logprob_token_ids``), "text" (SGLang: names tokens by decoded text,
            passes over fields it does not know), "strict" (the same, and refuses such fields),
            "llama.cpp" (the chat form of log-probabilities, no echo).
        faults: one is taken per POST: a status, a status with headers, "drop", "hang", "html",
            "truncated", None for a proper answer.
        edit: changes a proper reply before it is sent.
        api_key: demanded where set.
        models: entries of ``/v1/models``.
        max_top: most ``logprobs`` granted.
        requests: bodies of the POSTs received, in order.
    """

    dialect: str = "vllm"
    faults: deque[Any] = field(default_factory=deque)
    edit: Callable[[dict[str, Any]], Any] = lambda reply: reply
    api_key: str | None = None
    models: Any = field(default_factory=lambda: [{"id": MODEL_NAME, "max_model_len": 256}])
    max_top: int = 20
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


class _Model:
    """Log-probabilities over the whole vocabulary, and the texts of tokens."""

    def __init__(self, path: str) -> None:
        from transformers import AutoTokenizer

        self._lock = threading.Lock()
        self._known: dict[Any, Any] = {}
        self._backend = TransformersBackend(model=path)
        self.tokenizer = AutoTokenizer.from_pretrained(path)

    def next(self, prompt: list[int]) -> Any:
        return self._remember(("next", *prompt), lambda: self._next(prompt))

    def sequence(self, prompt: list[int]) -> list[float]:
        found = self._remember(prompt, lambda: self._backend.sequence_logprobs([prompt])[0])
        return [float(value) for value in found]

    def _next(self, prompt: list[int]) -> Any:
        return self._backend.next_token_logprobs([prompt], range(len(self.tokenizer))).logprobs[0]

    def _remember(self, key: Iterable[Any], compute: Callable[[], Any]) -> Any:
        key = tuple(key)
        with self._lock:
            if key not in self._known:
                self._known[key] = compute()
            return self._known[key]


@lru_cache
def _model(path: str) -> _Model:
    return _Model(path)


@contextmanager
def serve(path: str) -> Iterator[Behaviour]:
    """Serve the model at ``path`` until the block ends."""
    behaviour = Behaviour()
    released = threading.Event()
    model = _model(path)

    class Handler(_Handler):
        pass

    Handler.behaviour, Handler.model, Handler.released = behaviour, model, released
    server = _Server(("127.0.0.1", 0), Handler)
    behaviour.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behaviour
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a connection too many is answered a second later

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    behaviour: Behaviour
    model: _Model
    released: threading.Event

    def do_GET(self) -> None:
        if self._allowed():
            found = self.path == "/v1/models"
            self._send(200 if found else 404, {"data": self.behaviour.models} if found else {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.behaviour.requests.append(body)
        fault = self.behaviour.faults.popleft() if self.behaviour.faults else None
        if self._allowed() and not self._failed(fault):
            self._complete(body)

    def _allowed(self) -> bool:
        key = self.behaviour.api_key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self._send(401, {"error": f"Unauthorized: {self.headers.get('Authorization')}"})
        return False

    def _failed(self, fault: Any) -> bool:
        if fault is None:
            return False
        if fault == "drop":
            self.close_connection = True
        elif fault == "hang":
            self.released.wait(30)
            self.close_connection = True
        elif fault == "html":
            self._raw(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
        elif fault == "truncated":
            self._raw(200, b'{"choices": [{"index": 0', {"Content-Type": "application/json"})
        else:
            status, headers = fault if isinstance(fault, tuple) else (fault, {})
            self._send(status, {"error": {"message": "a fault"}}, headers)
        return True

    def _complete(self, body: dict[str, Any]) -> None:
        dialect = self.behaviour.dialect
        known = {"model", "prompt", "max_tokens", "temperature", "logprobs", "echo"}
        if body["model"] not in [entry["id"] for entry in self.behaviour.models]:
            self._send(404, {"error": {"message": f"no model {body['model']}"}})
        elif dialect == "strict" and not body.keys() <= known:
            self._send(400, {"error": {"message": "unknown fields"}})
        elif dialect == "llama.cpp" and body.get("echo"):
            self._send(400, {"error": {"message": "Only no echo is supported"}})
        elif body["logprobs"] > self.behaviour.max_top:
            self._send(400, {"error": {"message": "too many logprobs"}})
        else:
            prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
            choices = [self._choice(i, prompt, body) for i, prompt in enumerate(prompts)]
            self._send(200, self.behaviour.edit({"object": "text_completion", "choices": choices}))

    def _choice(self, index: int, prompt: list[int], body: dict[str, Any]) -> dict[str, Any]:
        logprobs = self.model.next(prompt)
        best = int(np.argmax(logprobs))
        choice: dict[str, Any] = {"index": index, "text": "", "finish_reason": "length"}
        if self.behaviour.dialect == "llama.cpp":
            top = [self._entry(i, logprobs) for i in _top(logprobs, body["logprobs"])]
            content = [self._entry(best, logprobs) | {"top_logprobs": top}]
            return choice | {"logprobs": {"content": content}}
        exact = self.behaviour.dialect == "vllm" and body.get("logprob_token_ids")
        asked = [best, *body["logprob_token_ids"]] if exact else _top(logprobs, body["logprobs"])
        tokens = [best]
        values: list[float | None] = [float(logprobs[best])]
        tops: list[Any] = [{self._text(i, body): float(logprobs[i]) for i in asked}]
        if body.get("echo"):
            tokens = prompt + tokens
            values = [None, *self.model.sequence(prompt), *values]
            tops = [None] * len(prompt) + tops
        if body.get("return_token_ids") and self.behaviour.dialect.startswith("vllm"):
            choice |= {"prompt_token_ids": prompt}
        return choice | {
            "logprobs": {
                "tokens": [self._text(i, body) for i in tokens],
                "token_logprobs": values,
                "top_logprobs": tops,
            }
        }

    def _text(self, token: int, body: dict[str, Any]) -> str:
        by_id = body.get("return_tokens_as_token_ids")
        if by_id and self.behaviour.dialect.startswith("vllm"):
            return f"token_id:{token}"
        return str(self.model.tokenizer.decode([token]))

    def _entry(self, token: int, logprobs: Any) -> dict[str, Any]:
        text = self.model.tokenizer.decode([token])
        return {"id": token, "token": text, "bytes": [], "logprob": float(logprobs[token])}

    def _send(self, status: int, reply: Any, headers: dict[str, str] | None = None) -> None:
        content = {"Content-Type": "application/json"}
        self._raw(status, json.dumps(reply).encode(), content | (headers or {}))

    def _raw(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _top(logprobs: Any, k: int) -> Sequence[int]:
    return [int(i) for i in np.argsort(-logprobs, kind="stable")[:k]]


def mass(logprobs: Sequence[float]) -> float:
    """The probability of tokens together."""
    return math.fsum(math.exp(value) for value in logprobs)


KEY = "OPENAI_TEST_KEY"
_RNG = np.random.default_rng(5)
PROMPTS = [_RNG.integers(2, 300, n).tolist() for n in (1, 7, 30, 31, 200, 2, 9, 55, 3, 4)]
ANSWERS = [5, 9, 288]


def backend(server: Behaviour, model: str, **options: Any) -> OpenAIBackend:
    """A backend that asks this server."""
    return OpenAIBackend(model=model, base_url=server.url, api_key_env=KEY, **options)
