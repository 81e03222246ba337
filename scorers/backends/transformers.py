"""Exact log-probabilities by Hugging Face transformers, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import FloatArray
from .base import NextToken
from .batching import TokenBudget
from .fingerprint import fingerprint
from .machine import device_name, n_parameters
from .torch_models import TorchModel, load

_CPU_BATCH_TOKENS = 2048
"""A CPU is fastest while a batch stays in its cache."""

_GPU_BATCH_TOKENS = 16_384
"""A GPU wants large products."""


@dataclass(frozen=True, kw_only=True)
class TransformersBackend:
    """A model run batch by batch, its head in float32 and only on the rows asked for.

    Causal models and, for questions, encoder-decoder ones. A score depends on its neighbours in
    the batch by rounding alone (< 1e-5 in float32 on a CPU).

    Attributes:
        model: directory or hub name.
        dtype: of the body: "float32", "bfloat16", "float16"; "auto" is float32 on CPU and
            bfloat16 on CUDA. The head is computed in float32 always, see `Float32Head`.
        device: "cpu", "cuda", "cuda:1", …; "auto" takes a GPU where there is one.
        batch_tokens: padded tokens in one batch; None: 2,048 on a CPU, 16,384 on a GPU. Where
            memory runs out it is halved, and the batch tried again; the next call starts with
            the whole again, so that what a call returns does not depend on those before it.
        compile: run the body through `torch.compile`: a minute at the start, for gains that
            depend on model and machine. Causal models only.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.
    """

    name: ClassVar[str] = "transformers"

    model: str
    dtype: str = "auto"
    device: str = "auto"
    batch_tokens: int | None = None
    compile: bool = False
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ValueError(
                f"'dtype' of TransformersBackend must be auto, float32, bfloat16 or float16. "
                f"Got {self.dtype!r}."
            )
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise ValueError(
                f"'batch_tokens' of TransformersBackend must be at least 1. "
                f"Got {self.batch_tokens}."
            )

    @property
    def max_length(self) -> int:
        """The context the model was built for, in tokens."""
        return self._loaded[1]

    @property
    def padded_tokens(self) -> int:
        """Padded tokens in a batch, unless memory runs out."""
        default = _CPU_BATCH_TOKENS if self._device == "cpu" else _GPU_BATCH_TOKENS
        return self.batch_tokens or default

    @property
    def n_parameters(self) -> int | None:
        """Of the model, as its files hold them."""
        return n_parameters(self.model)

    @property
    def runs_on(self) -> str:
        """The device, and what it is."""
        return device_name(self._device)

    @property
    def n_devices(self) -> int:
        """One."""
        return 1

    def config(self) -> dict[str, Any]:
        """The model's fingerprint and the dtype it runs in."""
        return {
            "backend": self.name,
            "model": fingerprint(self.model),
            "dtype": self._resolved_dtype,
        }

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """See `Backend.next_token_logprobs`. The head is computed on the last rows alone."""
        import torch

        targets = torch.tensor(list(token_ids), device=self._device)
        out = np.empty((len(prompts), len(token_ids)))

        def logprobs(batch: list[int]) -> Any:
            states = self._model.last_states([prompts[i] for i in batch])
            return self._model.head.next_token(states, targets)

        for batch, found in self._run([len(p) for p in prompts], logprobs):
            out[batch] = found
        return NextToken.exact(out)

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.sequence_logprobs`. The head is computed in chunks of rows.

        Raises:
            ValueError: the model is an encoder-decoder one.
        """
        import torch

        out = [np.empty(0)] * len(sequences)
        asked = [i for i, s in enumerate(sequences) if len(s) > 1]
        lengths = [len(sequences[i]) - 1 for i in asked]

        def logprobs(batch: list[int]) -> Any:
            part = [sequences[asked[i]] for i in batch]
            targets = torch.tensor([t for s in part for t in s[1:]], device=self._device)
            return self._model.head.targets(self._model.all_states(part), targets)

        for batch, found in self._run(lengths, logprobs):
            ends = np.cumsum([lengths[i] for i in batch])[:-1]
            for i, piece in zip(batch, np.split(found, ends), strict=True):
                out[asked[i]] = piece
        return out

    def _run(
        self, lengths: Sequence[int], logprobs: Callable[[list[int]], Any]
    ) -> list[tuple[list[int], FloatArray]]:
        """What ``logprobs`` finds for each batch; copied at the end, so that a GPU never waits."""
        import torch

        found: list[tuple[list[int], Any]] = []
        with torch.inference_mode():
            budget = TokenBudget(self.padded_tokens)
            budget.run(lengths, lambda b: found.append((b, logprobs(b))), _out_of_memory)
        return [(batch, piece.cpu().double().numpy()) for batch, piece in found]

    @cached_property
    def _device(self) -> str:
        import torch

        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def _resolved_dtype(self) -> str:
        if self.dtype != "auto":
            return self.dtype
        return "bfloat16" if self._device.startswith("cuda") else "float32"

    @property
    def _model(self) -> TorchModel:
        return self._loaded[0]

    @cached_property
    def _loaded(self) -> tuple[TorchModel, int]:
        return load(
            self.model,
            dtype=self._resolved_dtype,
            device=self._device,
            compiled=self.compile,
            trust_remote_code=self.trust_remote_code,
        )


def _out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or on the CPU; frees what a GPU can spare."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
        return True
    return isinstance(error, MemoryError) or "can't allocate memory" in str(error)
