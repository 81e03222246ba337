"""Train one small language model on a mixture, and measure it on every domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .stream import FloatArray, MixtureStream, Tokens

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, kw_only=True)
class ProxySpec:
    """A small Llama-shaped model and its training run.

    Attributes:
        n_vocabulary: tokens of the tokenizer.
        hidden, layers, heads: shape; the feed-forward part is 3 · hidden wide.
        length: tokens per sequence.
        batch: sequences per step.
        steps: optimiser steps; tokens read = steps · batch · length.
        learning_rate: peak, of AdamW; linear warm-up over a tenth of the steps, cosine to zero.
        seed: of the initial weights and of where each domain is read from first, whatever the
            mixture.
    """

    n_vocabulary: int
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 64
    batch: int = 8
    steps: int = 500
    learning_rate: float = 5e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_vocabulary", "hidden", "layers", "heads", "length", "batch", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name!r} of ProxySpec must be at least 1.")
        if self.hidden % self.heads:
            raise ValueError(
                f"'hidden' of ProxySpec must be a multiple of 'heads'. Got {self.hidden} and "
                f"{self.heads}."
            )

    @property
    def n_tokens(self) -> int:
        """Tokens read in training."""
        return self.steps * self.batch * self.length


@dataclass(frozen=True)
class ProxyResult:
    """What one run measured.

    Attributes:
        losses: float64[domains], nats per token on each domain's validation text.
        epochs: float64[domains], how often each domain was read.
        training_loss: mean over the last tenth of the steps, nats per token.
    """

    losses: FloatArray
    epochs: FloatArray
    training_loss: float


def train_proxy(
    spec: ProxySpec,
    training: Sequence[Tokens],
    validation: Sequence[Tokens],
    mixture: FloatArray,
) -> ProxyResult:
    """Train on a mixture of ``training``, measure on each domain of ``validation``.

    Runs on one CPU thread in float32, so that the same arguments give the same bits whatever else
    the machine does; run several in processes side by side.

    Args:
        spec: model and training.
        training: token ids of each domain.
        validation: token ids of each domain, at least two each; none of them trained on.
        mixture: float64[domains] on the simplex.

    Raises:
        ValueError: a domain is too short, or the loss is no longer finite.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = _model(spec)
        stream = MixtureStream(training, mixture, spec.length, start=spec.seed * _GOLDEN % 1.0)
        curve = _train(model, spec, stream)
        losses = np.array([_loss(model, tokens, spec.length) for tokens in validation])
    finally:
        torch.set_num_threads(threads)
    if not np.isfinite(losses).all():
        raise ValueError(f"The proxy's loss is not finite; lower {spec.learning_rate=}.")
    tail = curve[-max(1, len(curve) // 10) :]
    return ProxyResult(losses, stream.epochs, float(np.mean(tail)))


def _model(spec: ProxySpec) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=spec.n_vocabulary,
        hidden_size=spec.hidden,
        intermediate_size=3 * spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=spec.length,
        tie_word_embeddings=True,
        # Wider than the usual .02, from which narrow models take hundreds of steps to get away: at
        # width 64 it halves the spread of a loss between seeds.
        initializer_range=0.8 / math.sqrt(spec.hidden),
    )
    with torch.random.fork_rng():
        torch.manual_seed(spec.seed)
        return LlamaForCausalLM(config)


def _train(model: Any, spec: ProxySpec, stream: MixtureStream) -> list[float]:
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=spec.learning_rate, betas=(0.9, 0.95), weight_decay=0.1
    )
    warm_up = max(1, spec.steps // 10)
    curve: list[float] = []
    model.train()
    for step, batch in enumerate(stream.batches(spec.steps, spec.batch)):
        cosine = 0.5 + 0.5 * math.cos(math.pi * step / spec.steps)
        for group in optimizer.param_groups:
            group["lr"] = spec.learning_rate * min((step + 1) / warm_up, cosine)
        ids = torch.from_numpy(batch)
        loss = _nll(model, ids, reduction="mean")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        curve.append(float(loss.detach()))
    return curve


def _loss(model: Any, tokens: Tokens, length: int) -> float:
    """Nats per token; every token but the first of each sequence is predicted once."""
    import torch

    model.eval()
    total, n = 0.0, 0
    ids = np.asarray(tokens, np.int64)
    with torch.inference_mode():
        for sequence in _sequences(ids, length):
            total += float(_nll(model, torch.from_numpy(sequence), reduction="sum"))
            n += sequence.shape[0] * (sequence.shape[1] - 1)
    return total / n


def _sequences(ids: NDArray[np.int64], length: int) -> list[NDArray[np.int64]]:
    """Batches of whole sequences, and what is left over as one more."""
    n_whole = len(ids) // length
    whole = ids[: n_whole * length].reshape(n_whole, length)
    rest = ids[n_whole * length :]
    batches = [whole[i : i + 32] for i in range(0, n_whole, 32)]
    return batches if len(rest) < 2 else [*batches, rest[None]]


def _nll(model: Any, ids: Any, *, reduction: str) -> Any:
    import torch

    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), ids[:, 1:].reshape(-1), reduction=reduction
    )
