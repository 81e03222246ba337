"""What a proxy is and how it is trained; its sizes by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..schedule import Schedule

SIZES: dict[str, tuple[int, int, int]] = {
    "0.1M": (64, 2, 2),
    "0.4M": (128, 2, 4),
    "1M": (160, 3, 5),
    "4M": (256, 5, 8),
    "10M": (384, 5, 6),
    "30M": (512, 9, 8),
    "100M": (768, 13, 12),
}
"""hidden, layers, heads of each named size: parameters without the embedding, within 7 %."""

SCHEDULES = ("cosine", "wsd", "constant")
"""Of the learning rate, each after a linear warm-up: a cosine to zero over the rest; constant and
then linear to zero (warm-up, stable, decay); constant to the end."""

PRECISIONS = ("float32", "bfloat16")

FEED_FORWARD = 3
"""Width of the feed-forward part over that of the model."""

_RATE = 0.5


@dataclass(frozen=True, kw_only=True)
class ProxySpec:
    """A small Llama-shaped model and its training run.

    Attributes:
        n_vocabulary: tokens of the tokenizer.
        hidden, layers, heads: shape; the feed-forward part is `FEED_FORWARD` · hidden wide.
        length: tokens per sequence.
        batch: sequences per step.
        steps: optimiser steps.
        learning_rate: peak, of AdamW; .5 / hidden if None, as the best rate of Adam falls with
            the width (.0078 at 64).
        schedule: of the learning rate, one of `SCHEDULES`.
        warm_up: share of the steps, in [0, 1).
        decay: share of the steps at the end in which "wsd" falls to zero.
        weight_decay: of matrices, per unit of learning rate.
        precision: of matrix products, one of `PRECISIONS`; bfloat16 is several times faster where
            the hardware has it (AVX512-BF16, AMX, GPUs), and far slower where it has not.
    """

    n_vocabulary: int
    hidden: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 64
    batch: int = 8
    steps: int = 500
    learning_rate: float | None = None
    schedule: str = "cosine"
    warm_up: float = 0.1
    decay: float = 0.2
    weight_decay: float = 0.1
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name in ("n_vocabulary", "hidden", "layers", "heads", "length", "batch", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name!r} of ProxySpec must be at least 1.")
        if self.hidden % (2 * self.heads):
            raise ValueError(
                f"'hidden' of ProxySpec must be an even multiple of 'heads'. Got {self.hidden} and "
                f"{self.heads}."
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"'learning_rate' of ProxySpec must be > 0. Got {self.learning_rate}.")
        for name, known in (("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name!r} of ProxySpec must be one of {', '.join(known)}. "
                    f"Got {getattr(self, name)!r}."
                )
        for name in ("warm_up", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name!r} of ProxySpec must be in [0, 1). Got {getattr(self, name)}."
                )
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"'weight_decay' of ProxySpec must be >= 0. Got {self.weight_decay}.")

    @property
    def n_parameters(self) -> int:
        """Parameters without the embedding, which is tied to the output: what "size" means."""
        matrices = (4 + 3 * FEED_FORWARD) * self.hidden**2
        return self.layers * (matrices + 2 * self.hidden) + self.hidden

    @property
    def n_tokens(self) -> int:
        """Tokens predicted in training."""
        return self.steps * self.batch * self.length

    @property
    def peak(self) -> float:
        """The greatest learning rate."""
        return _RATE / self.hidden if self.learning_rate is None else self.learning_rate

    @property
    def flops_per_step(self) -> int:
        """Floating-point operations of one step, three times the forward pass's.

        Of matrix products alone: weights, output, and attention over the causal half.
        """
        per_token = 2 * (
            self.layers * (4 + 3 * FEED_FORWARD) * self.hidden**2
            + self.hidden * self.n_vocabulary
            + self.layers * self.hidden * self.length
        )
        return 3 * per_token * self.batch * self.length

    @property
    def decays_from(self) -> int | None:
        """The step from which the learning rate falls; None where it does not."""
        if self.schedule == "constant":
            return None
        stays = self.warm_up if self.schedule == "cosine" else 1 - self.decay
        return round(stays * self.steps)

    def rate(self, step: int) -> float:
        """The learning rate of a step, as a share of the peak in [0, 1]."""
        warm_up = max(1, round(self.warm_up * self.steps))
        rising = min(1.0, (step + 1) / warm_up)
        left = self.steps - step
        if self.schedule == "cosine":
            return min(rising, 0.5 - 0.5 * math.cos(math.pi * left / self.steps))
        if self.schedule == "wsd":
            return min(rising, left / max(1.0, self.decay * self.steps))
        return rising


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of a stack.

    Attributes:
        schedule: what it reads.
        seed: of the initial weights and of where each domain is read from first, whatever the
            mixture.
        learning_rate: its peak; the spec's if None.
    """

    schedule: Schedule
    seed: int = 0
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError(f"'learning_rate' of Member must be > 0. Got {self.learning_rate}.")
