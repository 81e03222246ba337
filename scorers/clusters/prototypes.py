"""SSL Prototypes: how near a document is to the centre of its cluster."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ..base import Scored
from ..points import Points, Sample
from ..seeds import check_seed
from ..vectors import Vectors
from .kmeans import nearest, number_of_clusters, train


@dataclass(frozen=True, kw_only=True)
class Prototypes:
    """Cosine between a document and the centroid of its cluster: the prototypical first out.

    Source: Sorscher et al. 2022 (arXiv 2206.14486), the self-supervised prototype metric, as
    used for text by Sachdeva et al. 2024 (arXiv 2402.09668v1), with 10,000 clusters for 3.6e8
    documents. Departures: spherical k-means, on a sample; the cosine itself is stored, of which
    their score is the negative; √n clusters where no number is given.

    Cost: k-means on the sample (see `scorers.clusters.kmeans.train`), then n · k · d
    multiplications; no pass over the corpus beforehand.

    Attributes:
        n_clusters: k >= 1; None: √n, but at most one for 39 sampled documents.
        n_sample: documents that k-means sees, >= 1.
        seed: of the first centroids, in [0, 2^32).
    """

    name: ClassVar[str] = "prototypes"

    n_clusters: int | None = None
    n_sample: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_clusters(self)

    def calibrate(self, sample: Sample) -> FittedPrototypes:
        """Cluster a sample.

        Raises:
            ValueError: an empty sample, or one of fewer documents than clusters.
        """
        n_clusters = number_of_clusters(self.n_clusters, sample)
        centroids = train(sample, n_clusters, self.seed)
        return FittedPrototypes(spec=self, n_documents=sample.n_documents, centroids=centroids)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, but for the corpus."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedPrototypes:
    """`Prototypes` with the centroids of a corpus, float32[k, d]."""

    name: ClassVar[str] = "prototypes"
    column: ClassVar[str] = "cosine_to_prototype"
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = False

    spec: Prototypes
    n_documents: int
    centroids: Vectors

    def score(self, points: Points) -> Scored:
        """Cosine of each point to the nearest centroid.

        Returns:
            value: float64[n] in [-1, 1], in steps of 2^-20; 0 for a vector of length 0. extra:
            ``cluster`` (int32, the number of the centroid).
        """
        cluster, cosine = nearest(points.vector, self.centroids)
        return Scored(cosine, [None] * len(points), {"cluster": cluster})

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; the numbers of documents and clusters as found."""
        found = {"n_documents": self.n_documents, "k": len(self.centroids)}
        return {**self.spec.config(), **found}


def check_clusters(spec: Any) -> None:
    """The options of k-means.

    Raises:
        ValueError: one out of range.
    """
    name = type(spec).__name__
    for option in ("n_clusters", "n_sample"):
        value = getattr(spec, option)
        if value is not None and value < 1:
            raise ValueError(f"{option!r} of {name} must be at least 1. Got {value}.")
    check_seed(spec)
