"""A uniform sample of points, drawn by key, that many workers draw together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .points import Keys, Points, Sample

Order = NDArray[np.uint64]
_STREAM = np.uint64(0x706F696E74730000)
"""Sets these lots apart from those that select: a sample must not be what is taken first."""


def sample_order(keys: Keys, seed: int) -> Order:
    """A permanent random number for each key: uint64[n], one to one for each seed.

    SplitMix64's finaliser (Steele et al. 2014), twice.
    """
    start = _mix(np.array([seed], np.uint64) ^ _STREAM)
    return _mix(_mix(np.asarray(keys, np.uint64) ^ start) + start)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass
class PointSample:
    """The ``size`` points whose keys have the smallest permanent random numbers.

    A function of the *set* of points alone: not of their order, nor of how they were split among
    workers. It is drawn from keys; vectors are needed only of the points in it::

        sample = PointSample(2000, seed=0)
        sample.add(keys)                      # of every share, or union() of samples of shares
        sample.result([points.at(sample.holds(points.key))], dimension=384)

    Points of one key come in together, up to ``size``: of those at the end, the vectors that are
    smaller, entry by entry, stay.

    Source: bottom-k sketches, Cohen & Kaplan 2007. Cost: O(n) time, O(size) memory.

    Attributes:
        size: points kept, >= 0.
        seed: of the draw, in [0, 2**64).
        n_points: seen so far.
    """

    size: int
    seed: int = 0
    n_points: int = 0
    _smallest: Order = field(default_factory=lambda: np.empty(0, np.uint64))

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"'size' of PointSample must be at least 0. Got {self.size}.")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"'seed' of PointSample must be in [0, 2**64). Got {self.seed}.")

    def add(self, keys: Keys) -> None:
        """Show the keys of points, uint64[n], to the sample."""
        self.n_points += len(keys)
        self._keep(sample_order(keys, self.seed))

    def union(self, other: PointSample) -> None:
        """Take in what another worker sampled with the same size and seed."""
        if (self.size, self.seed) != (other.size, other.seed):
            raise ValueError("Samples of one size and seed can be united, no others.")
        self.n_points += other.n_points
        self._keep(other._smallest)

    def holds(self, keys: Keys) -> NDArray[np.bool]:
        """Which points are in the sample, bool[n], once all have been shown."""
        if not len(self._smallest):
            return np.zeros(len(keys), bool)
        return np.asarray(sample_order(keys, self.seed) <= self._smallest.max())

    def result(self, parts: Sequence[Points], dimension: int) -> Sample:
        """The sample.

        Args:
            parts: the points that it `holds`, in any order.
            dimension: of the vectors.

        Returns:
            At most ``size`` points, by their random numbers.
        """
        points = Points.joined(
            [Points(np.empty(0, np.uint64), np.empty((0, dimension), np.float16)), *parts]
        )
        order = sample_order(points.key, self.seed)
        by = np.argsort(order, kind="stable")
        twins = np.flatnonzero(order[by[1:]] == order[by[:-1]])
        if len(twins):
            by = np.array(
                sorted(by, key=lambda i: (order[i], points.vector[i].tolist())), dtype=np.int64
            )
        return Sample(points=points.at(by[: self.size]), n_documents=self.n_points)

    def _keep(self, order: Order) -> None:
        if len(self._smallest) == self.size and self.size:
            order = order[order < self._smallest.max()]
        joined = np.concatenate([self._smallest, order])
        if len(joined) > self.size:
            joined = np.partition(joined, self.size - 1)[: self.size] if self.size else joined[:0]
        self._smallest = joined
