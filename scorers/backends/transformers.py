"""Exact log-probabilities by Hugging Face transformers, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import FloatArray
from .base import NextToken
from .batching import by_length
from .fingerprint import fingerprint

_HEAD_ROWS = 2048
"""Rows of logits held at once: 2,048 x 152k float32 is 1.2 GB, the largest vocabulary in use."""


@dataclass(frozen=True, kw_only=True)
class TransformersBackend:
    """A causal model run batch by batch, its head in float32 and only on the rows asked for.

    Right padding: with causal attention no real token sees a padded one, so a score depends on
    its neighbours by rounding alone (< 1e-5 in float32).

    Attributes:
        model: directory or hub name.
        dtype: of the body: "float32", "bfloat16", "float16"; "auto" is float32 on CPU and
            bfloat16 on CUDA. The head is computed in float32 always: a bfloat16 head knows a few
            thousand distinct scores.
        device: "cpu", "cuda", "cuda:1", …; "auto" takes a GPU where there is one.
        batch_tokens: padded tokens in one batch; memory grows with it, scores do not change.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.
    """

    name: ClassVar[str] = "transformers"

    model: str
    dtype: str = "auto"
    device: str = "auto"
    batch_tokens: int = 8192
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ValueError(
                f"'dtype' of TransformersBackend must be auto, float32, bfloat16 or float16. "
                f"Got {self.dtype!r}."
            )
        if self.batch_tokens < 1:
            raise ValueError(
                f"'batch_tokens' of TransformersBackend must be at least 1. "
                f"Got {self.batch_tokens}."
            )

    @property
    def max_length(self) -> int:
        """The context the model was built for, in tokens."""
        return int(getattr(self._loaded.config, "max_position_embeddings", None) or 2048)

    def config(self) -> dict[str, Any]:
        """The model's fingerprint and the dtype it runs in."""
        return {
            "backend": "transformers",
            "model": fingerprint(self.model),
            "dtype": self._resolved_dtype,
        }

    def next_token_logprobs(
        self, prompts: Sequence[Sequence[int]], token_ids: Sequence[int]
    ) -> NextToken:
        """See `Backend.next_token_logprobs`. The head is computed on the last rows alone."""
        import torch

        out = np.empty((len(prompts), len(token_ids)))
        targets = torch.tensor(list(token_ids), device=self._device)
        for batch in by_length([len(p) for p in prompts], self.batch_tokens):
            hidden = self._hidden([prompts[i] for i in batch])
            last = torch.tensor([len(prompts[i]) - 1 for i in batch], device=self._device)
            rows = hidden[torch.arange(len(batch), device=self._device), last]
            for start in range(0, len(batch), _HEAD_ROWS):
                logits = self._head(rows[start : start + _HEAD_ROWS])
                logprobs = logits[:, targets] - logits.logsumexp(-1, keepdim=True)
                out[batch[start : start + _HEAD_ROWS]] = logprobs.double().cpu().numpy()
        return NextToken.exact(out)

    def sequence_logprobs(self, sequences: Sequence[Sequence[int]]) -> list[FloatArray]:
        """See `Backend.sequence_logprobs`. The head is computed in chunks of rows."""
        import torch

        out: list[FloatArray] = [np.empty(0)] * len(sequences)
        for batch in by_length([len(s) for s in sequences], self.batch_tokens):
            part = [sequences[i] for i in batch]
            hidden = self._hidden(part)
            lengths = [len(s) - 1 for s in part]
            rows = torch.cat([hidden[b, :n] for b, n in enumerate(lengths)])
            targets = torch.tensor([t for s in part for t in s[1:]], device=self._device)
            pieces = [
                torch.gather(logits, 1, targets[start : start + _HEAD_ROWS, None]).squeeze(1)
                - logits.logsumexp(-1)
                for start in range(0, len(rows), _HEAD_ROWS)
                for logits in [self._head(rows[start : start + _HEAD_ROWS])]
            ]
            flat = torch.cat(pieces).double().cpu().numpy() if pieces else np.empty(0)
            for i, piece in zip(batch, np.split(flat, np.cumsum(lengths)[:-1]), strict=True):
                out[i] = piece
        return out

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

    @cached_property
    def _loaded(self) -> Any:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        config = AutoConfig.from_pretrained(self.model, trust_remote_code=self.trust_remote_code)
        if config.is_encoder_decoder:
            raise ValueError(
                f"{self.model} is an encoder-decoder model; the transformers backend reads "
                f"causal models. Name a causal one."
            )
        model = AutoModelForCausalLM.from_pretrained(
            self.model,
            dtype=getattr(torch, self._resolved_dtype),
            trust_remote_code=self.trust_remote_code,
        )
        try:
            return model.to(self._device).eval()
        except (AssertionError, RuntimeError) as error:
            raise ValueError(
                f"{self.model} cannot be put on device {self._device!r}: {error}. Give another "
                f"'device', such as cpu."
            ) from error

    @cached_property
    def _body(self) -> Any:
        return self._loaded.get_decoder()

    @cached_property
    def _head(self) -> Any:
        """The language-model head in float32, checked once against the model's own logits."""
        head = _Float32Head(self._loaded)
        head.check(self._loaded, self._body, self._device)
        return head

    def _hidden(self, sequences: Sequence[Sequence[int]]) -> Any:
        """Hidden states [n, longest, width] of right-padded sequences."""
        import torch

        width = len(sequences[0])
        ids = torch.zeros(len(sequences), width, dtype=torch.long)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.tensor(sequence)
        with torch.inference_mode():
            body = self._body(input_ids=ids.to(self._device), use_cache=False)
            return body.last_hidden_state


class _Float32Head:
    """Logits in float32 from hidden states, with the scaling and capping some models apply."""

    def __init__(self, model: Any) -> None:
        layer, config = model.get_output_embeddings(), model.config
        self.weight = layer.weight.detach().float()
        bias = getattr(layer, "bias", None)
        self.bias = None if bias is None else bias.detach().float()
        self.scale = float(getattr(config, "logit_scale", None) or 1.0)
        self.scale /= float(getattr(config, "logits_scaling", None) or 1.0)
        self.cap = getattr(config, "final_logit_softcapping", None)

    def __call__(self, hidden: Any) -> Any:
        import torch

        with torch.inference_mode():
            logits = torch.nn.functional.linear(hidden.float(), self.weight, self.bias)
            logits *= self.scale
            return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    def check(self, model: Any, body: Any, device: str) -> None:
        """Refuse an architecture that treats its logits in a way this class does not know."""
        import torch

        ids = torch.arange(8, device=device)[None] % self.weight.shape[0]
        with torch.inference_mode():
            theirs = model(input_ids=ids, use_cache=False).logits.float().log_softmax(-1)
            states = body(input_ids=ids, use_cache=False).last_hidden_state
            ours = self(states[0]).log_softmax(-1)
        worst = (theirs[0] - ours).abs().max().item()
        if worst > (1e-3 if model.dtype == torch.float32 else 0.5):
            raise ValueError(
                f"{type(model).__name__} changes its logits after the head in an unknown way "
                f"(off by {worst:.2g} nats): its probabilities would be wrong. Use another model."
            )
