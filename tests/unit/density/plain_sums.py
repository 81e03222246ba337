"""Density as plain sums over all pairs in float64, and corpora to take it of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorers.point_sample import PointSample
from scorers.points import Points, Sample

KERNELS = ("gaussian", "exponential", "von-mises-fisher")


def corpus(n: int, d: int = 16, *, seed: int = 0, lengths: bool = False) -> Points:
    """A third of the documents in one dense cluster, the others anywhere; float16."""
    rng = np.random.default_rng(seed)
    vector = rng.standard_normal((n, d))
    vector[: n // 3] = vector[0] + 0.25 * rng.standard_normal((n // 3, d))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    if lengths:
        vector *= rng.uniform(0.5, 3.0, (n, 1))
    key = rng.permutation(np.arange(n, dtype=np.uint64) * 7 + 3)
    return Points(key, vector.astype(np.float16))


def kernel_matrix(points: Points, kernel: str, h: float) -> NDArray[np.float64]:
    """All pairs, [n, n]."""
    x = points.vector.astype(np.float64)
    if kernel == "von-mises-fisher":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return np.exp((np.minimum(x @ x.T, 1.0) - 1.0) / h**2)
    distance = np.linalg.norm(x[:, None] - x, axis=2)
    if kernel == "exponential":
        return np.exp(-distance / h)
    return np.exp(-(distance**2) / (2 * h**2))


def log_density(points: Points, kernel: str, h: float) -> NDArray[np.float64]:
    """Log of the mean kernel to all documents, each itself included."""
    return np.log(kernel_matrix(points, kernel, h).mean(axis=1))


def sample_of(points: Points, size: int, seed: int = 0) -> Sample:
    """As every worker together draws it."""
    drawn = PointSample(size, seed)
    drawn.add(points.key)
    return drawn.result([points.at(drawn.holds(points.key))], points.vector.shape[1])


def fitted(spec: Any, points: Points, *, seed: int = 0, shares: Any = None) -> Any:
    """A spec through all its steps, on shares of positions, each in two batches."""
    calibrated = spec.calibrate(sample_of(points, spec.n_sample, seed))
    if not hasattr(calibrated, "merge"):
        return calibrated
    states = [
        calibrated.fit([points.at(share[::2]), points.at(share[1::2])])
        for share in (shares or [np.arange(len(points))])
    ]
    return calibrated.merge(states)
