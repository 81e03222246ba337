"""The ways to a density that `bench.density` compares, each as a first pass and a scoring."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scorers.density.exact import ExactDensity
from scorers.density.faiss import FaissDensity
from scorers.density.race import RaceDensity
from scorers.density.reference import ReferenceDensity
from scorers.points import Points, PointScorerSpec, Sample

from .density_data import ClusteredVectors, forget_peak, resident_mib, uniform_sample

FloatArray = NDArray[np.float64]
SPECS: dict[str, PointScorerSpec] = {
    "exact": ExactDensity(),
    "reference": ReferenceDensity(),
    "race": RaceDensity(),
    "faiss": FaissDensity(),
}
_OF_ALL = ("reference", "race")  # cheap enough to score every document in every round
_NEIGHBOURS = 100
_BATCH = 16_384


@dataclass(frozen=True)
class Way:
    """One way to densities.

    Attributes:
        name: as in the table.
        n_scored: documents that one scoring scores.
        prepare: the first pass over the corpus; gives what scores.
        score: log densities of the queries, from what ``prepare`` gave.
    """

    name: str
    n_scored: int
    prepare: Callable[[], Any]
    score: Callable[[Any], FloatArray]


@dataclass
class Taken:
    """Seconds and memory of one way: of the first pass, of each scoring; MiB beside the data."""

    preparing: float
    scoring: list[float] = field(default_factory=list)
    peak: float = 0.0
    value: FloatArray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Problem:
    """A corpus and a random part of it, the queries.

    Attributes:
        data: where the vectors come from.
        n_queries: documents on which errors are measured.
        rivals: whether others take part; beyond 1e5 documents they need minutes and gigabytes.
        device: of exact.
    """

    data: ClusteredVectors
    n_queries: int
    rivals: bool
    device: str = "cpu"

    @cached_property
    def points(self) -> Points:
        """The corpus, float16."""
        return self.data.all()

    @cached_property
    def sample(self) -> Sample:
        """What specs are calibrated on: each on as much from its beginning as it asks for."""
        return uniform_sample(self.points, max(spec.n_sample for spec in SPECS.values()))

    @cached_property
    def at(self) -> NDArray[np.int64]:
        """Positions of the queries."""
        rng = np.random.default_rng([self.data.seed, 4])
        return np.sort(rng.choice(len(self.points), self.n_queries, replace=False))

    @cached_property
    def queries(self) -> Points:
        """The queries."""
        return self.points.at(self.at)

    @cached_property
    def bandwidth(self) -> float:
        """Of every kernel here: by the rule of the densities."""
        return ExactDensity().bandwidth_of(self.sample)

    def ways(self) -> list[Way]:
        """All of them, ours first."""
        ours = [self._ours(name, spec) for name, spec in SPECS.items()]
        rivals = (self._product, self._neighbours, self._sklearn)
        return ours + [rival() for rival in rivals if self.rivals]

    def own_kernel(self, n_queries: int) -> FloatArray:
        """Exact mean of the sketch's own kernel for the first queries."""
        scorer = RaceDensity().calibrate(self.sample)
        query = self.queries.vector[:n_queries].astype(np.float32)
        own, total = self.at[:n_queries], np.zeros(n_queries)
        length = np.einsum("nd,nd->n", query, query, dtype=np.float64)
        for start in range(0, len(self.points), _BATCH):
            block = self.points.vector[start : start + _BATCH].astype(np.float32)
            other = np.einsum("nd,nd->n", block, block, dtype=np.float64)
            product = (query @ block.T).astype(np.float64)
            distance = np.sqrt(np.maximum(length[:, None] + other - 2.0 * product, 0.0))
            cosine = product / np.sqrt(length[:, None] * other)
            here = np.flatnonzero((own >= start) & (own < start + _BATCH))
            distance[here, own[here] - start], cosine[here, own[here] - start] = 0.0, 1.0
            total += scorer.kernel(distance=distance, cosine=cosine).sum(1)
        return total / len(self.points)

    def _ours(self, name: str, spec: PointScorerSpec) -> Way:
        every = name in _OF_ALL

        def score(scorer: Any) -> FloatArray:
            if not every:
                return np.asarray(scorer.score(self.queries).value)
            value = [scorer.score(batch).value for batch in self._batches()]
            return np.asarray(np.concatenate(value)[self.at])

        n_scored = len(self.points) if every else self.n_queries
        first = np.arange(len(self.sample.points)) < spec.n_sample
        sample = Sample(self.sample.points.at(first), self.sample.n_documents)
        return Way(name, n_scored, lambda: fitted(spec, sample, self._batches()), score)

    def _batches(self) -> list[Points]:
        n = len(self.points)
        return [self.points.at(np.arange(i, min(i + _BATCH, n))) for i in range(0, n, _BATCH)]

    def _product(self) -> Way:
        import torch

        query = torch.from_numpy(self.queries.vector).float()
        out = torch.empty(self.n_queries, 4000)

        def score(vector: Any) -> FloatArray:
            for start in range(0, len(vector) - 3999, 4000):
                torch.mm(query, vector[start : start + 4000].T, out=out)
            return np.empty(0)

        return Way(
            "matrix product alone",
            self.n_queries,
            lambda: torch.from_numpy(self.points.vector).float(),
            score,
        )

    def _neighbours(self) -> Way:
        import faiss

        def prepare() -> Any:
            index = faiss.IndexFlatL2(self.data.dimension)
            for batch in self._batches():
                index.add(batch.vector.astype(np.float32))
            return index

        def score(index: Any) -> FloatArray:
            squared, _ = index.search(self.queries.vector.astype(np.float32), _NEIGHBOURS)
            kernel = np.exp(-squared.astype(np.float64) / (2.0 * self.bandwidth**2))
            return np.asarray(np.log(kernel.sum(1) / len(self.points)))

        return Way(f"{_NEIGHBOURS} neighbours alone", self.n_queries, prepare, score)

    def _sklearn(self) -> Way:
        from sklearn.neighbors import KernelDensity

        n_scored = min(self.n_queries, max(8, 3_000_000 // len(self.points)))
        normaliser = 0.5 * self.data.dimension * np.log(2.0 * np.pi * self.bandwidth**2)

        def score(model: Any) -> FloatArray:
            query = self.queries.vector[:n_scored].astype(np.float64)
            return np.asarray(model.score_samples(query) + normaliser)

        def prepare() -> Any:
            return KernelDensity(bandwidth=self.bandwidth).fit(self.points.vector)

        return Way("scikit-learn", n_scored, prepare, score)


def fitted(spec: PointScorerSpec, sample: Sample, batches: Sequence[Points]) -> Any:
    """What a pipeline does before it scores."""
    made: Any = spec.calibrate(sample)
    return made.merge([made.fit(batches)]) if hasattr(made, "fit") else made


def compared(ways: Sequence[Way], rounds: int) -> dict[str, Taken]:
    """Each way's first pass once; then all scorings in turn, ``rounds`` times."""
    taken, ready = {}, {}
    for way in ways:
        base = resident_mib()
        forget_peak()
        start = time.perf_counter()
        ready[way.name] = way.prepare()
        taken[way.name] = Taken(time.perf_counter() - start)
        taken[way.name].value = way.score(ready[way.name])
        taken[way.name].peak = resident_mib("VmHWM") - base
    for _ in range(rounds):
        for way in ways:
            start = time.perf_counter()
            way.score(ready[way.name])
            taken[way.name].scoring.append(time.perf_counter() - start)
    return taken


def memory_growth(n: int, dimension: int) -> float:
    """Resident memory of race over ``n`` streamed documents, both passes: end over start, less 1.

    The first tenth of each pass is warm-up.
    """
    data, used = ClusteredVectors(n, dimension), list[float]()

    def watched() -> Any:
        for batch in data.chunks():
            yield batch
            used.append(resident_mib())

    sample = uniform_sample(ClusteredVectors(20_000, dimension).all(), 2000)
    made = RaceDensity().calibrate(Sample(sample.points, n))
    scorer = made.merge([made.fit(watched())])
    growth, parts = [], [list(used)]
    used.clear()
    for batch in watched():
        scorer.score(batch)
    parts.append(list(used))
    for part in parts:
        tenth = max(1, len(part) // 10)
        early, late = part[tenth : 2 * tenth + 1], part[-tenth:]
        growth.append(float(np.median(late) / np.median(early)) - 1.0)
    return max(growth)
