"""Clustered unit vectors of any number, made chunk by chunk from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scorers.points import Points, Sample

_CHUNK = 16_384
_CLUSTERS = 1000
_BACKGROUND = 0.2


@dataclass(frozen=True)
class ClusteredVectors:
    """Unit vectors as float16: a fifth uniform on the sphere, the rest in 1,000 clusters.

    Cluster c has a share proportional to 1/c (13 % of the clustered vectors for the first) and a
    radius of its own, noise of .3 to 1.2 times the length of its centre: of 12,000 vectors of 384
    dimensions the densities spread 42-fold at the default bandwidth, .22 times the median distance,
    and 4-fold at .3 times (99th percentile over 1st). All vectors lean to one direction, as the
    output of trained models does: two of different clusters have a mean cosine of .1 or so.

    Attributes:
        n: vectors.
        dimension: d.
        seed: of everything.
    """

    n: int
    dimension: int
    seed: int = 0

    def chunks(self) -> Iterator[Points]:
        """All of them, 16,384 at a time; the same ones each time, and nothing is kept."""
        for at, start in enumerate(range(0, self.n, _CHUNK)):
            size = min(_CHUNK, self.n - start)
            key = np.arange(start, start + size, dtype=np.uint64)
            yield Points(key, self._vectors(np.random.default_rng([self.seed, 1, at]), size))

    def all(self) -> Points:
        """All of them in memory."""
        return Points.joined(list(self.chunks()))

    def _vectors(self, rng: np.random.Generator, size: int) -> NDArray[np.float16]:
        centres, radius, share = self._clusters
        cluster = rng.choice(_CLUSTERS, size=size, p=share)
        background = rng.random(size) < _BACKGROUND
        vector = rng.standard_normal((size, self.dimension), dtype=np.float32)
        vector *= np.where(background, 1.0, radius[cluster])[:, None].astype(np.float32)
        vector += np.where(background[:, None], 0.0, centres[cluster])
        vector += self._lean
        vector /= np.linalg.norm(vector, axis=1, keepdims=True)
        return vector.astype(np.float16)

    @cached_property
    def _clusters(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        rng = np.random.default_rng([self.seed, 0])
        centres = rng.standard_normal((_CLUSTERS, self.dimension), dtype=np.float32)
        share = 1.0 / np.arange(1, _CLUSTERS + 1)
        return centres, rng.uniform(0.3, 1.2, _CLUSTERS), share / share.sum()

    @cached_property
    def _lean(self) -> NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, 2])
        return 0.4 * rng.standard_normal(self.dimension, dtype=np.float32)


def uniform_sample(points: Points, size: int, seed: int = 0) -> Sample:
    """A sample as the pipeline draws it: in an order that says nothing of the vectors."""
    rng = np.random.default_rng([seed, 3])
    which = rng.choice(len(points), size=min(size, len(points)), replace=False)
    return Sample(points.at(which), len(points))


def resident_mib(field: str = "VmRSS") -> float:
    """Memory of this process; "VmHWM": the most since `forget_peak`. NaN but on Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def forget_peak() -> None:
    """Count the peak of memory from here on."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")
