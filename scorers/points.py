"""Documents as points: what the scorers that read embeddings see, and how they are made ready.

A scorer of points goes through three steps, of which the second may be missing::

    spec.calibrate(sample)                  a uniform sample of the corpus: bandwidths, centroids
        .merge([.fit(part), …])             one pass over all points, where a scorer needs it
        .score(points)                      one number per document
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .base import Scored
from .vectors import Vectors

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Points:
    """Embedded documents.

    Attributes:
        key: uint64[n], who they are; two documents of one id share theirs.
        vector: float32[n, d] or float16[n, d].
    """

    key: Keys
    vector: NDArray[Any]

    def __post_init__(self) -> None:
        if self.vector.ndim != 2 or len(self.vector) != len(self.key):
            raise ValueError(
                f"'vector' of Points must be of shape [n, d] with one row for each of the "
                f"{len(self.key)} keys. Got {list(self.vector.shape)}."
            )

    def __len__(self) -> int:
        return len(self.key)

    def at(self, which: NDArray[Any]) -> Points:
        """Some of the points, by mask or position."""
        return Points(self.key[which], self.vector[which])

    @staticmethod
    def joined(parts: Sequence[Points]) -> Points:
        """The points of all parts, in their order; at least one part."""
        return Points(
            np.concatenate([part.key for part in parts]),
            np.concatenate([part.vector for part in parts]),
        )


@dataclass(frozen=True)
class Sample:
    """A uniform sample of a corpus, drawn by key: see `PointSample`.

    Attributes:
        points: in an order that depends on nothing but the set of points.
        n_documents: points of the whole corpus, >= len(points).
    """

    points: Points
    n_documents: int

    @property
    def vector(self) -> Vectors:
        """float32[m, d]."""
        return np.asarray(self.points.vector, np.float32)

    @property
    def is_everything(self) -> bool:
        """Whether the sample is the whole corpus."""
        return len(self.points) == self.n_documents


@runtime_checkable
class PointScorer(Protocol):
    """Gives each point one number; attributes and `config` as of `scorers.base.Scorer`."""

    name: ClassVar[str]
    column: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]

    def score(self, points: Points) -> Scored:
        """Score points of the corpus; the result for one does not depend on its neighbours."""
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, as plain JSON values."""
        ...


class FittablePointScorer(Protocol):
    """A calibrated scorer that must see all points once, share by share and in any order."""

    name: ClassVar[str]

    def fit(self, batches: Iterable[Points]) -> Any:
        """One worker's share of the corpus, reduced to a state."""
        ...

    def merge(self, states: Sequence[Any]) -> PointScorer:
        """Unite the states, in any order and grouping, into a scorer."""
        ...


@runtime_checkable
class PointScorerSpec(Protocol):
    """What a user writes down: options, but nothing yet of the corpus."""

    name: ClassVar[str]

    @property
    def n_sample(self) -> int:
        """Documents that `calibrate` wants to see, >= 0."""
        ...

    def calibrate(self, sample: Sample) -> FittablePointScorer | PointScorer:
        """Fix what depends on the scale of the corpus: bandwidths, centroids, references.

        Raises:
            ValueError: the sample is too small for what is asked.
        """
        ...

    def config(self) -> dict[str, Any]:
        """Everything that decides a score but for the corpus, as plain JSON values."""
        ...
