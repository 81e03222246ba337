"""Seeds: one range for every scorer and embedder."""

from __future__ import annotations

from typing import Any


def check_seed(spec: Any) -> None:
    """The ``seed`` of a spec, which every library here can take; FAISS through `signed`.

    Raises:
        ValueError: it is out of range.
    """
    if not 0 <= spec.seed < 2**32:
        raise ValueError(f"'seed' of {type(spec).__name__} must be in [0, 2^32). Got {spec.seed}.")


def signed(seed: int) -> int:
    """A seed below 2^32 as FAISS takes it: 32 bits with a sign."""
    return seed if seed < 2**31 else seed - 2**32
