"""Spherical k-means and Prototypes: planted clusters, closed forms, and the same bytes always."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import torch

from scorers.clusters.kmeans import BLOCK, nearest, number_of_clusters, on_grid, train
from scorers.clusters.prototypes import Prototypes
from scorers.points import Points, Sample
from scorers.vectors import unit


def sample_of(vector: np.ndarray, n_documents: int | None = None) -> Sample:
    points = Points(np.arange(len(vector), dtype=np.uint64), vector)
    return Sample(points, len(vector) if n_documents is None else n_documents)


def clustered(n: int, k: int, d: int, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    which = rng.integers(k, size=n)
    centre = np.linalg.qr(rng.normal(size=(d, d)))[0][:k]
    return unit(centre[which] + spread * rng.normal(size=(n, d))), which


def test_planted_clusters_are_found() -> None:
    vector, which = clustered(2000, 5, 32)
    # Of several starts one finds all clusters; a start with two seeds in one may not.
    right = 0
    for seed in range(8):
        cluster, _ = nearest(vector, train(sample_of(vector), 5, seed))
        right += len(set(zip(which.tolist(), cluster.tolist(), strict=True))) == 5
    assert right >= 1


def test_one_cluster_in_closed_form() -> None:
    vector, _ = clustered(500, 3, 16)
    mean = vector.astype(np.float64).mean(axis=0)
    (centroid,) = train(sample_of(vector), 1, 0)
    np.testing.assert_allclose(centroid, mean / np.linalg.norm(mean), atol=1e-6)
    points = sample_of(vector).points
    scored = Prototypes(n_clusters=1).calibrate(sample_of(vector)).score(points)
    np.testing.assert_allclose(scored.value, vector @ mean / np.linalg.norm(mean), atol=2e-6)
    assert scored.extra["cluster"].dtype == np.int32
    assert not scored.extra["cluster"].any()


def test_a_centroid_is_the_direction_of_its_clusters_mean() -> None:
    vector = unit(np.random.default_rng(0).normal(size=(200, 6)))
    centroids = train(sample_of(vector), 4, 3)
    cluster, _ = nearest(vector, centroids)
    means = unit(np.stack([vector[cluster == k].mean(axis=0) for k in range(4)]))
    np.testing.assert_allclose(centroids, means, atol=1e-5)


def test_lengths_do_not_matter() -> None:
    vector, _ = clustered(300, 3, 16)
    longer = vector * np.random.default_rng(0).uniform(0.1, 90, (300, 1)).astype(np.float32)
    points = [sample_of(v).points for v in (vector, longer)]
    fitted = [Prototypes(n_clusters=4).calibrate(sample_of(v)) for v in (vector, longer)]
    found = [f.score(p) for f, p in zip(fitted, points, strict=True)]
    np.testing.assert_allclose(found[0].value, found[1].value, atol=2e-6)
    np.testing.assert_array_equal(found[0].extra["cluster"], found[1].extra["cluster"])


def test_every_point_as_its_own_prototype() -> None:
    vector, _ = clustered(40, 4, 16, spread=0.5)
    scored = Prototypes(n_clusters=40).calibrate(sample_of(vector)).score(sample_of(vector).points)
    assert (scored.value == 1.0).all()
    assert len(set(scored.extra["cluster"].tolist())) == 40


def test_ties_go_to_the_lowest_number() -> None:
    centroids = unit(np.array([[0, 1.0], [1, 0], [1, 0], [0, 1]]))
    cluster, cosine = nearest(np.array([[1.0, 0], [0, 2], [1, 1], [0, 0]]), centroids)
    assert cluster.tolist() == [1, 0, 0, 0]
    np.testing.assert_array_equal(cosine, on_grid(np.array([1, 1, np.sqrt(0.5), 0])))


def test_a_point_does_not_depend_on_its_neighbours() -> None:
    vector, _ = clustered(BLOCK + 300, 9, 48, spread=0.5)
    some = train(sample_of(vector), 10, 0)
    # Rounding alone decides between these.
    noise = 3e-8 * np.random.default_rng(2).normal(size=(3, *some.shape))
    centroids = np.concatenate([some, *(some + noise).astype(np.float32)])
    cluster, cosine = nearest(vector, centroids)
    order = np.random.default_rng(1).permutation(len(vector))
    for size in (1, 37, BLOCK):
        some = order[: 5 * size]
        parts = [nearest(vector[some[at : at + size]], centroids) for at in range(0, 50, size)]
        for at, (their_cluster, their_cosine) in zip(range(0, 50, size), parts, strict=True):
            np.testing.assert_array_equal(their_cluster, cluster[some[at : at + size]])
            np.testing.assert_array_equal(their_cosine, cosine[some[at : at + size]])


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    vector, _ = clustered(5000, 9, 48, spread=0.5)
    before = faiss.omp_get_max_threads(), torch.get_num_threads()
    trained, assigned = set(), set()
    try:
        for n_threads in (1, 2, 3):
            faiss.omp_set_num_threads(n_threads)
            torch.set_num_threads(n_threads)
            centroids = train(sample_of(vector), 50, 1)
            trained.add(centroids.tobytes())
            assigned.add(nearest(vector, centroids)[0].tobytes())
    finally:
        faiss.omp_set_num_threads(before[0])
        torch.set_num_threads(before[1])
    assert len(trained) == len(assigned) == 1
    others = {train(sample_of(vector), 50, seed).tobytes() for seed in (2, 2**31, 2**32 - 1)}
    assert len(trained | others) == 4


@pytest.mark.parametrize(
    ("asked", "n_points", "n_documents", "expected"),
    [
        (None, 2, 2, 1),
        (None, 400, 400, 10),
        (None, 10_000, 10_000, 100),
        (None, 1000, 10**8, 25),
        (None, 0, 0, 1),
        (1000, 1000, 10**8, 1000),
    ],
)
def test_the_number_of_clusters(
    asked: int | None, n_points: int, n_documents: int, expected: int
) -> None:
    sample = sample_of(np.zeros((n_points, 2), np.float16), n_documents)
    assert number_of_clusters(asked, sample) == expected


def test_few_distinct_documents() -> None:
    vector = np.repeat(np.eye(4, dtype=np.float32)[:2], 5, axis=0)
    scored = Prototypes(n_clusters=5).calibrate(sample_of(vector)).score(sample_of(vector).points)
    np.testing.assert_allclose(scored.value, 1.0, atol=1e-2)
    nothing = np.zeros((3, 4), np.float32)
    scored = Prototypes().calibrate(sample_of(nothing)).score(sample_of(nothing).points)
    assert scored.value.tolist() == [0.0, 0.0, 0.0]


def test_vectors_that_are_no_numbers() -> None:
    with pytest.raises(ValueError, match=r"finite\. Got NaN or infinity in 1 of 2 vectors"):
        unit(np.array([[1.0, np.nan], [0, 1]]))
    assert unit(np.array([[1e30, 1e30]], np.float32)).tolist() == [[np.float32(0.5**0.5)] * 2]


def test_options_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"'n_clusters' of Prototypes must be at least 1\. Got 0"):
        Prototypes(n_clusters=0)
    with pytest.raises(ValueError, match=r"3 clusters cannot be made of 2 documents"):
        train(sample_of(np.eye(2)), 3, 0)
