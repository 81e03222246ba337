"""A sketch of a corpus: R rows of B counters, filled by hashes and read by the same hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scored
from ..points import Points
from .base import FittedDensity
from .hashes import Hashes, p_stable_collision, signed_projection_collision

if TYPE_CHECKING:
    from .race import RaceDensity

MOST_COUNTERS = 2**31 - 1
_DOCUMENTS, _ROWS = 4096, 128  # of a tile; its codes are 4 MiB
_INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class RaceSketch:
    """What one worker's share of the corpus leaves behind.

    Attributes:
        count: int32[R, B]; int64 from 2³¹ documents on.
        n_documents: documents counted in each row.
    """

    count: NDArray[Any]
    n_documents: int


@dataclass(frozen=True, kw_only=True)
class CalibratedRace:
    """A `RaceDensity` with its hashes; sketches of shares of the corpus add up.

    Attributes:
        spec: the options.
        dimension: d of the vectors.
        length: of the longest sampled vector.
        width: of p-stable cells, in units of the vectors; None: signed projections.
        distance: the quantile of the sample's distances.
    """

    name: ClassVar[str] = "density-race"

    spec: RaceDensity
    dimension: int
    length: float
    width: float | None
    distance: float

    @cached_property
    def hashes(self) -> Hashes:
        """The R functions; drawn from the seed where they are needed."""
        return Hashes.draw(
            n_rows=self.spec.n_rows,
            n_buckets=self.spec.n_buckets,
            concatenation=self.spec.concatenation,
            dimension=self.dimension,
            length=self.length,
            width=self.width,
            orthogonal=self.spec.orthogonal,
            seed=self.spec.seed,
        )

    def kernel(self, *, distance: FloatArray, cosine: FloatArray) -> FloatArray:
        """Collision probability of pairs, by what the hash looks at: the kernel that is summed."""
        if self.width is None:
            return signed_projection_collision(cosine) ** self.spec.concatenation
        return p_stable_collision(distance, self.width) ** self.spec.concatenation

    def fit(self, batches: Iterable[Points]) -> RaceSketch:
        """Count one worker's share of the corpus."""
        import torch

        count = torch.zeros(self.spec.n_rows * self.spec.n_buckets, dtype=torch.int32)
        n_documents = 0
        for points in batches:
            n_documents += len(points)
            if n_documents > _INT32 and count.dtype == torch.int32:
                count = count.long()
            for _, position in self.tiles(points):
                flat = position.reshape(-1)
                count.scatter_add_(0, flat, count.new_ones(()).expand(len(flat)))
        return RaceSketch(count.numpy().reshape(self.spec.n_rows, -1), n_documents)

    def merge(self, states: Sequence[RaceSketch]) -> FittedRaceDensity:
        """Add all shares; the result depends neither on their order nor on the split.

        Raises:
            ValueError: no document at all.
        """
        n_documents = sum(state.n_documents for state in states)
        if not n_documents:
            raise ValueError("RaceDensity needs a corpus of at least 1 document. Got 0.")
        dtype = np.int32 if n_documents <= _INT32 else np.int64
        count = np.zeros((self.spec.n_rows, self.spec.n_buckets), dtype)
        for state in states:
            count += state.count
        return FittedRaceDensity(calibrated=self, sketch=RaceSketch(count, n_documents))

    def tiles(self, points: Points) -> Iterator[tuple[slice, Any]]:
        """Documents, and where some rows put them: int64[rows, n] into the table laid flat."""
        for start in range(0, len(points), _DOCUMENTS):
            documents = slice(start, min(start + _DOCUMENTS, len(points)))
            lattice = self.hashes.lattice(points.vector[documents])
            for row in range(0, self.spec.n_rows, _ROWS):
                yield documents, self.hashes.positions(lattice, slice(row, row + _ROWS))


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRaceDensity(FittedDensity):
    """A `RaceDensity` that has seen its corpus."""

    name: ClassVar[str] = "density-race"

    calibrated: CalibratedRace
    sketch: RaceSketch

    def score(self, points: Points) -> Scored:
        """Log density of each document.

        Args:
            points: n documents of the corpus.

        Returns:
            value: float64[n], log of a mean kernel, at least that of the document's own 1/N.
            extra: ``stderr`` (float64: standard error of the log density against that of the own
            kernel, from the spread over rows as if these were independent: with orthogonal
            directions it is too large, by up to a factor of 2).
        """
        import torch

        n, n_rows = self.sketch.n_documents, self.calibrated.spec.n_rows
        flat = np.require(self.sketch.count, requirements=["C", "W"]).reshape(-1)
        count = torch.from_numpy(flat)
        # Sums of integers are the same in any order; squares are coarsened where they overflow.
        shift = max(0, int(np.ceil(np.log2(n) + np.log2(n_rows) / 2 - 31.5)))
        total = torch.zeros(len(points), dtype=torch.int64)
        square = torch.zeros_like(total)
        for documents, position in self.calibrated.tiles(points):
            found = count.index_select(0, position.view(-1)).view(position.shape)
            total[documents] += found.sum(0, dtype=torch.int64)
            coarse = found.bitwise_right_shift_(shift).long()
            square[documents] += coarse.mul_(coarse).sum(0)
        rate = total.numpy() / (n_rows * n)
        mean_square = square.numpy() * (4.0**shift / n_rows) / float(n) ** 2
        spread = np.sqrt(np.maximum(mean_square - rate**2, 0.0) / (n_rows - 1))
        false = 1.0 / self.calibrated.spec.n_buckets
        density = np.maximum((rate - false) / (1.0 - false), 1.0 / n)
        return Scored(
            value=np.log(density),
            reason=[None] * len(points),
            extra={"stderr": spread / (1.0 - false) / density},
        )

    @property
    def occupancy(self) -> float:
        """Share of the counters that are not zero, in (0, 1]; times B: distinct cells of a row."""
        return float(np.count_nonzero(self.sketch.count) / self.sketch.count.size)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, the sketch for the corpus; and what the sketch is like.

        ``collision`` is the kernel at ``distance``.
        """
        from xxhash import xxh3_64_hexdigest

        made = self.calibrated
        distance = np.array(made.distance)
        cosine = 1.0 - 0.5 * (distance / (made.length or 1.0)) ** 2
        return {
            **made.spec.config(),
            "n_documents": self.sketch.n_documents,
            "sketch": xxh3_64_hexdigest(np.ascontiguousarray(self.sketch.count).data),
            "fitted_width": made.width,
            "distance": made.distance,
            "collision": float(made.kernel(distance=distance, cosine=cosine)),
            "occupancy": self.occupancy,
            "cells_per_row": self.occupancy * made.spec.n_buckets,
        }
