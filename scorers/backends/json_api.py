"""Many JSON requests to one server, a bounded number at a time, each tried again while it may help.

httpx2 brings the connections and the timeouts; it comes with huggingface_hub.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypeVar

import httpx2

from .server_errors import RejectedError, ReplyError, ServerError

_T = TypeVar("_T")
_Body = Mapping[str, Any] | None
_Bodies = Iterable[_Body]
_log = logging.getLogger(__name__)

_FIRST_WAIT = 1.0
"""Seconds before the second try; doubled for each further one."""
_LONGEST_WAIT = 300.0
"""Seconds, whatever a server's Retry-After says."""
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 529})

_ADVICE = {
    401: "Put the key in the environment variable {key}.",
    403: "Put the key of an account that may use this model in the environment variable {key}.",
    404: "Check that 'base_url' ends in /v1 and that 'served_model' is a name the server lists.",
    413: "Lower 'prompts_per_request'.",
    429: "Lower 'concurrency'.",
}


@dataclass(frozen=True, kw_only=True)
class JsonApi:
    """A server that speaks JSON over HTTP.

    Attributes:
        base_url: what every path starts with.
        api_key_env: name of the environment variable that holds the key, read at each call and
            kept nowhere; without that variable no key is sent.
        concurrency: requests in flight at once.
        timeout: seconds one try of a request may wait for the server.
        retries: further tries after a lost connection, a timeout, a broken answer or one of the
            statuses 408, 425, 429, 500, 502, 503, 504, 529. The waits double, with jitter; a
            longer ``Retry-After`` counts.
    """

    base_url: str
    api_key_env: str
    concurrency: int
    timeout: float
    retries: int

    def get(self, path: str) -> Any:
        """The JSON at a path. Raises ServerError."""
        return self._run([None], path, lambda _, reply: reply)[0]

    def post(
        self, path: str, bodies: Iterable[Mapping[str, Any]], read: Callable[[int, Any], _T]
    ) -> list[_T]:
        """Post every body and read every reply.

        Args:
            path: below ``base_url``.
            bodies: what is sent; taken one by one, as places in flight come free.
            read: called with a body's number and the JSON of its reply, in any order. A
                ReplyError with ``retry`` counts as a failed try, any other error ends the call.

        Returns:
            What ``read`` returned, in the order of the bodies.

        Raises:
            ServerError: no usable answer after all tries, or a refusal. The requests still in
                flight are dropped at once, as on an interrupt.
        """
        return self._run(bodies, path, read)

    def _run(self, bodies: _Bodies, path: str, read: Callable[[int, Any], _T]) -> list[_T]:
        try:
            return _wait_for(self._all(bodies, path, read))
        except BaseExceptionGroup as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from first.__cause__

    async def _all(self, bodies: _Bodies, path: str, read: Callable[[int, Any], _T]) -> list[_T]:
        waiting = enumerate(bodies)
        found: dict[int, _T] = {}

        async def work(client: httpx2.AsyncClient) -> None:
            for number, body in waiting:
                found[number] = await self._persist(client, path, number, body, read)

        limits = httpx2.Limits(max_connections=self.concurrency)
        timeout = httpx2.Timeout(self.timeout, connect=min(self.timeout, 10.0), pool=None)
        tls = _tls(self.base_url.startswith("https"))
        async with (
            httpx2.AsyncClient(
                headers=self._headers(), limits=limits, timeout=timeout, verify=tls
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self.concurrency):
                group.create_task(work(client))
        return [found[number] for number in range(len(found))]

    async def _persist(
        self,
        client: httpx2.AsyncClient,
        path: str,
        number: int,
        body: _Body,
        read: Callable[[int, Any], _T],
    ) -> _T:
        url = self.base_url + path
        attempt = 0
        while True:
            try:
                return read(number, await self._once(client, url, body))
            except ReplyError as problem:
                if not problem.retry or attempt == self.retries:
                    tried = f"; given up after {attempt + 1} tries" if attempt else ""
                    message = f"{url}: {problem}{tried}. {problem.advice}".rstrip()
                    raise ServerError(message) from problem
                wait = _FIRST_WAIT * 2**attempt * random.uniform(0.5, 1.0)
                wait = min(max(wait, problem.wait), _LONGEST_WAIT)
                _log.warning("%s: %s; trying again in %.1f s", url, problem, wait)
            await asyncio.sleep(wait)
            attempt += 1

    async def _once(self, client: httpx2.AsyncClient, url: str, body: _Body) -> Any:
        try:
            reply = await (client.get(url) if body is None else client.post(url, json=body))
        except httpx2.TimeoutException as error:
            raise ReplyError(
                f"no answer within {self.timeout:g} s",
                advice="Raise 'timeout', or lower 'concurrency' or 'prompts_per_request'.",
                retry=True,
            ) from error
        except httpx2.RequestError as error:
            raise ReplyError(
                f"no connection ({error or type(error).__name__})",
                advice="Check that the server runs and that 'base_url' is its address.",
                retry=True,
            ) from error
        if not reply.is_success:
            raise self._refusal(url, reply)
        try:
            return reply.json()
        except ValueError as error:
            kind = reply.headers.get("content-type", "no content type")
            raise ReplyError(
                f"expected JSON, found {len(reply.content)} bytes of {kind} that are not",
                advice="Check that 'base_url' leads to the model server, not to another page.",
                retry=True,
            ) from error

    def _refusal(self, url: str, reply: httpx2.Response) -> Exception:
        status = reply.status_code
        advice = _ADVICE.get(status, "See the server's log.").format(key=self.api_key_env)
        message = f"status {status}: {self._said(reply)}"
        if status in (400, 422):
            return RejectedError(f"{url}: {message}.")
        retry = status in _RETRIED
        return ReplyError(message, advice=advice, retry=retry, wait=_retry_after(reply))

    def _said(self, reply: httpx2.Response) -> str:
        """The server's own words, short: it may quote the request, or the key."""
        try:
            said = reply.json()
        except ValueError:
            return reply.reason_phrase or "no message"
        for part in ("error", "message", "detail"):
            if isinstance(said, dict) and said.get(part):
                said = said[part]
        text = " ".join(str(said).split())
        if key := self._key():
            text = text.replace(key, "[key]")
        return (text if len(text) <= 300 else text[:300] + "…").rstrip(".")

    def _headers(self) -> dict[str, str]:
        key = self._key()
        if key and not (key.isascii() and key.isprintable()):
            raise ServerError(
                f"The environment variable {self.api_key_env} holds characters that no key has."
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key(self) -> str:
        return os.environ.get(self.api_key_env, "").strip()


@lru_cache
def _tls(secure: bool) -> ssl.SSLContext:
    """Kept, since reading the certificates takes longer than a batch of requests."""
    if secure:
        return httpx2.create_ssl_context()
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody


def _retry_after(reply: httpx2.Response) -> float:
    """Seconds the server asks to be left alone, given as a number or as a date."""
    value = reply.headers.get("retry-after", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _wait_for(work: Coroutine[Any, Any, _T]) -> _T:
    """``asyncio.run``, also from inside a running loop, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def run() -> _T:
        task = asyncio.current_task()
        assert task is not None
        started.set_result((asyncio.get_running_loop(), task))
        return await work

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(asyncio.run, run())
        try:
            return result.result()
        except KeyboardInterrupt:
            loop, task = started.result()
            loop.call_soon_threadsafe(task.cancel)
            raise
