"""The language-model head in float32: from hidden states to log-probabilities, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_CPU_LOGITS = 4 * 2**20
"""Logits in one chunk on a CPU: 16 MiB, which stay in its cache while they are normalised."""

_CUDA_ROWS = 4096
"""Rows in one chunk on a GPU: 2.5 GB of logits at the largest vocabularies in use (152k)."""


class Float32Head:
    """Logits in float32 from hidden states, with the scaling and capping some models apply.

    A bfloat16 head knows a few thousand distinct scores for 100,000 documents. On CUDA the 16-bit
    operands are multiplied as they are and accumulated and written in float32; on a CPU they are
    converted first.
    """

    def __init__(self, model: Any) -> None:
        import torch

        layer, config = model.get_output_embeddings(), model.config.get_text_config()
        weight = layer.weight.detach()
        self._sixteen_bit = weight.is_cuda and weight.dtype in (torch.bfloat16, torch.float16)
        self.weight = weight if self._sixteen_bit else weight.float()
        bias = getattr(layer, "bias", None)
        if bias is None:
            bias = getattr(model, "final_logits_bias", None)  # BART and its kin
        self.bias = None if bias is None else bias.detach().float()
        self.scale = float(getattr(config, "logit_scale", None) or 1.0)
        self.scale /= float(getattr(config, "logits_scaling", None) or 1.0)
        if getattr(config, "scale_decoder_outputs", False):  # T5 where the head is the embedding
            self.scale *= config.d_model**-0.5
        self.cap = getattr(config, "final_logit_softcapping", None)

    def logits(self, hidden: Any) -> Any:
        """float32[n, vocabulary] from hidden states [n, width]."""
        import torch

        if self._sixteen_bit:
            logits = torch.mm(hidden, self.weight.t(), out_dtype=torch.float32)
        else:
            logits = torch.mm(hidden.float(), self.weight.t())
        if self.scale != 1.0:
            logits *= self.scale
        if self.bias is not None:
            logits += self.bias
        return logits if self.cap is None else self.cap * torch.tanh(logits / self.cap)

    def next_token(self, hidden: Any, token_ids: Any) -> Any:
        """Log P of each of m tokens after each of n hidden states, float32[n, m]."""
        import torch

        return torch.cat(
            [
                logits[:, token_ids] - logits.logsumexp(-1, keepdim=True)
                for _, logits in self._chunks(hidden)
            ]
        )

    def targets(self, hidden: Any, token_ids: Any) -> Any:
        """Log P of one token after each of n hidden states, float32[n]."""
        import torch

        cross_entropy = torch.nn.functional.cross_entropy
        return torch.cat(
            [
                -cross_entropy(logits, token_ids[rows], reduction="none")
                for rows, logits in self._chunks(hidden)
            ]
        )

    def _chunks(self, hidden: Any) -> Iterator[tuple[slice, Any]]:
        vocabulary = len(self.weight)
        n = _CUDA_ROWS if self.weight.is_cuda else max(256, _CPU_LOGITS // vocabulary)
        for start in range(0, len(hidden), n):
            yield slice(start, start + n), self.logits(hidden[start : start + n])
