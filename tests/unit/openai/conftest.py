"""A loopback server for the tests of this directory, and a backend that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from scorers.backends import json_api
from tests.fake_completions import KEY, Behaviour, serve


@pytest.fixture
def server(tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behaviour]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(json_api, "_FIRST_WAIT", 0.001)
    with serve(tiny_model) as behaviour:
        yield behaviour


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits between tries, noted down and not taken."""
    noted: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        noted.append(seconds)
        await sleep(0)

    monkeypatch.setattr(json_api.asyncio, "sleep", note)
    return noted
