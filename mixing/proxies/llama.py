"""Many Llama-shaped models as one: parameters stacked, one batched matrix product for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .spec import FEED_FORWARD, ProxySpec

THETA, EPSILON = 10_000.0, 1e-6
"""Base of the rotary positions, and what keeps the norms finite."""

_SHORT = 256
_CELLS = {"cpu": 2**20, "cuda": 2**27}  # logits at a time: what stays in a core's cache, or on it


def initial(spec: ProxySpec, seeds: Sequence[int], device: str) -> dict[str, Any]:
    """The stacked parameters, each float32[members, ...]; a member's depend on its seed alone.

    Matrices are normal with deviation .8 / √hidden. That is wider than the usual .02, from which
    narrow models take hundreds of steps to get away: at width 64 it halves the spread of a loss
    between seeds.
    """
    import torch

    hidden, wide = spec.hidden, FEED_FORWARD * spec.hidden
    shapes: dict[str, tuple[int, ...]] = {"embedding": (spec.n_vocabulary, hidden)}
    for layer in range(spec.layers):
        shapes |= {
            f"{layer}.attention_norm": (hidden,),
            f"{layer}.qkv": (hidden, 3 * hidden),
            f"{layer}.out": (hidden, hidden),
            f"{layer}.feed_forward_norm": (hidden,),
            f"{layer}.gate_up": (hidden, 2 * wide),
            f"{layer}.down": (wide, hidden),
        }
    shapes["norm"] = (hidden,)
    stacked = {name: torch.ones(len(seeds), *shape) for name, shape in shapes.items()}
    for member, seed in enumerate(seeds):
        generator = torch.Generator().manual_seed(seed)
        for tensor in stacked.values():
            if tensor.ndim == 3:
                tensor[member].normal_(0.0, 0.8 / math.sqrt(hidden), generator=generator)
    return {name: tensor.to(device).requires_grad_() for name, tensor in stacked.items()}


def rotations(spec: ProxySpec, device: str) -> tuple[Any, Any]:
    """Cosines and sines of the rotary positions, float32[length, half a head's width]."""
    import torch

    half = spec.hidden // spec.heads // 2
    speed = THETA ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(spec.length, dtype=torch.float64)[:, None] * speed
    return angles.cos().float().to(device), angles.sin().float().to(device)


def hidden_states(
    spec: ProxySpec, parameters: dict[str, Any], ids: Any, turns: tuple[Any, Any]
) -> Any:
    """The last hidden states, float32[members, sequences · tokens, hidden].

    In bfloat16 the operands of matrix products are, and what lies between two products of one
    block; the parameters, the residual stream and the norms stay float32.

    Args:
        spec: shape and precision.
        parameters: of `initial`.
        ids: int64[members, sequences, tokens], tokens ≤ length.
        turns: of `rotations`.
    """
    import torch
    from torch.nn.functional import embedding, rms_norm, silu

    members, sequences, length = ids.shape
    table = parameters["embedding"]
    first = torch.arange(members, device=ids.device)[:, None] * spec.n_vocabulary
    x = embedding(ids.reshape(members, -1) + first, table.view(-1, spec.hidden))

    kind = getattr(torch, spec.precision)
    cos, sin = (turn[:length].to(kind) for turn in turns)

    def norm(x: Any, name: str) -> Any:
        return rms_norm(x, (spec.hidden,), eps=EPSILON) * parameters[name][:, None]

    def product(x: Any, name: str) -> Any:
        return torch.bmm(x.to(kind), parameters[name].to(kind))

    def turned(x: Any) -> Any:
        one, other = x.chunk(2, -1)
        return torch.cat([one * cos - other * sin, other * cos + one * sin], -1)

    for layer in range(spec.layers):
        mixed = product(norm(x, f"{layer}.attention_norm"), f"{layer}.qkv")
        heads = mixed.view(members * sequences, length, 3, spec.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = turned(heads[:2])
        seen = _attend(query, key, heads[2]).transpose(1, 2)
        x = x + product(seen.reshape(members, -1, spec.hidden), f"{layer}.out")
        both = product(norm(x, f"{layer}.feed_forward_norm"), f"{layer}.gate_up")
        gate, up = both.chunk(2, -1)
        x = x + product(silu(gate) * up, f"{layer}.down")
    return norm(x, "norm")


def _attend(query: Any, key: Any, value: Any) -> Any:
    """Causal attention of float[sequences, heads, tokens, width] each.

    On a CPU short sequences are faster without the fused kernel, whose slopes take three times as
    long.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    length, width = query.shape[2:]
    if query.device.type != "cpu" or length > _SHORT:
        return scaled_dot_product_attention(query, key, value, is_causal=True)
    later = torch.full((length, length), -math.inf, dtype=query.dtype).triu_(1)
    scores = torch.baddbmm(
        later,
        query.reshape(-1, length, width),
        key.reshape(-1, length, width).transpose(1, 2),
        alpha=width**-0.5,
    )
    seen = torch.bmm(scores.softmax(-1), value.reshape(-1, length, width))
    return seen.view_as(query)


def nll(
    hidden: Any, table: Any, targets: Any, gradient: Any = None, precision: str = "float32"
) -> tuple[Any, Any]:
    """Mean negative log-likelihood of each member, and its slope in the hidden states.

    Logits are never held for all members at once: a chunk's are made, used for loss and slopes,
    and overwritten by the next one's, so that they stay in the cache.

    Args:
        hidden: float32[members, tokens, hidden], detached.
        table: float32[members, vocabulary, hidden], detached.
        targets: int64[members, tokens].
        gradient: like ``table``: the slope is written there; None for the loss alone.
        precision: of the logits; sums are float32.

    Returns:
        float32[members], nats per token, and float32[members, tokens, hidden], or None.
    """
    import torch

    members, tokens, _ = hidden.shape
    kind = getattr(torch, precision)
    at_once = max(1, _CELLS[hidden.device.type] // (tokens * table.shape[1]))
    losses = torch.empty(members, device=hidden.device)
    slope = None if gradient is None else torch.empty_like(hidden)
    for start in range(0, members, at_once):
        part = slice(start, start + at_once)
        x, words, wanted = hidden[part], table[part].to(kind), targets[part, :, None]
        logits = torch.bmm(x.to(kind), words.transpose(1, 2))
        top = logits.amax(2, keepdim=True)
        right = logits.gather(2, wanted).sub(top).float()
        odds = logits.sub_(top).exp_()
        total = odds.sum(2, keepdim=True, dtype=torch.float32)
        losses[part] = (total.log() - right).mean((1, 2))
        if slope is None:
            continue
        # d loss / d logits = odds / total - [target], over the tokens: scaled on the narrow side,
        # and the target's own term added there, too.
        scale = 1 / (total * tokens)
        of_target = words.gather(1, wanted.expand(-1, -1, words.shape[2])).float()
        slope[part] = torch.bmm(odds, words) * scale - of_target / tokens
        gradient[part] = torch.bmm(odds.transpose(1, 2), (x * scale).to(kind))
        gradient[part].scatter_add_(1, wanted.expand_as(x), x / -tokens)
    return losses, slope
