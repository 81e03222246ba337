"""Vectors as scorers want them: finite, and of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def unit(vector: NDArray[Any]) -> Vectors:
    """Vectors scaled to length 1, float32[n, d]; those of length 0 stay as they are.

    Raises:
        ValueError: NaN or infinity among the components.
    """
    length = lengths(vector)
    check_finite(int((~np.isfinite(length)).sum()), len(length))
    return divided(vector, np.where(length > 0, length, 1.0))


def lengths(vector: NDArray[Any]) -> NDArray[np.float64]:
    """Of vectors in float32, float64[n]."""
    given = np.asarray(vector, np.float32)
    return np.asarray(np.sqrt(np.einsum("nd,nd->n", given, given, dtype=np.float64)))


def divided(vector: NDArray[Any], length: NDArray[np.float64]) -> Vectors:
    """Each vector by a number, float32[n, d]."""
    return np.asarray(np.asarray(vector, np.float32) / length[:, None], np.float32)


def check_finite(n_infinite: int, n: int) -> None:
    """Vectors without NaN and infinity.

    Raises:
        ValueError: ``n_infinite`` of the ``n`` have some.
    """
    if n_infinite:
        raise ValueError(
            f"Embeddings must be finite. Got NaN or infinity in {n_infinite} of {n} vectors."
        )
