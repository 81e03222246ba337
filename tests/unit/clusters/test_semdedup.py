"""SemDeDup: of each group of near-duplicates exactly one is left, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorers.clusters.kmeans import on_grid
from scorers.clusters.semdedup import FittedSemDeDup, SemDeDup, largest_cosine_before
from scorers.points import Points, Sample
from scorers.vectors import unit


def random_points(n: int, d: int, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    vector = rng.normal(size=(n, d)).astype(np.float32)
    return Points(rng.permutation(10 * n)[:n].astype(np.uint64), unit(vector))


def fitted(spec: SemDeDup, points: Points, n_parts: int = 1) -> FittedSemDeDup:
    calibrated = spec.calibrate(Sample(points, len(points)))
    parts = np.array_split(np.arange(len(points)), n_parts)
    return calibrated.merge([calibrated.fit([points.at(part)]) for part in parts])


def brute_force(points: Points, cluster: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Every pair of a cluster, in float64; who is preferred by (cosine to centroid, key)."""
    vector = np.float64(unit(np.float16(points.vector)))
    similar = vector @ vector.T
    value = np.full(len(points), -1.0)
    for i in range(len(points)):
        for j in range(len(points)):
            before = (cosine[j], points.key[j]) < (cosine[i], points.key[i])
            if before and cluster[i] == cluster[j]:
                value[i] = max(value[i], similar[i, j])
    return value


@pytest.fixture
def planted() -> tuple[Points, np.ndarray]:
    """Sixty groups of 1 to 5 near-duplicates (cosine about .98), far from all else."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    centre = unit(rng.normal(size=(60, 64)))
    vector = unit(centre[group] + 0.1 / 8 * rng.normal(size=(len(group), 64)))
    shuffled = rng.permutation(len(group))
    key = rng.permutation(2**20)[: len(group)].astype(np.uint64)
    return Points(key, np.float16(vector[shuffled])), group[shuffled]


@pytest.mark.parametrize("n_clusters", [1, 4, None])
def test_one_of_each_planted_group_survives(
    planted: tuple[Points, np.ndarray], n_clusters: int | None
) -> None:
    points, group = planted
    scorer = fitted(SemDeDup(n_clusters=n_clusters), points, n_parts=3)
    duplicate = scorer.score(points).extra["duplicate"]
    assert np.bincount(group[~duplicate], minlength=60).tolist() == [1] * 60
    assert duplicate.sum() == len(points) - 60 > 50


def test_all_pairs_of_a_cluster() -> None:
    points = random_points(300, 16)
    scorer = fitted(SemDeDup(n_clusters=7, seed=2), points)
    calibrated = SemDeDup(n_clusters=7, seed=2).calibrate(Sample(points, len(points)))
    (assigned,) = calibrated.fit([points])
    found = scorer.score(points)
    expected = brute_force(points, assigned.cluster, assigned.cosine)
    np.testing.assert_allclose(found.value, expected, atol=2e-6)
    np.testing.assert_array_equal(found.extra["cluster"], assigned.cluster)
    assert (found.value == -1).sum() == len(np.unique(assigned.cluster)) == 7


def test_the_one_farther_from_the_centroid_stays() -> None:
    vector = unit(np.array([[1.0, 0, 0], [1, 0.3, 0], [1, 0.2, 0]]))
    points = Points(np.array([5, 9, 2], np.uint64), vector)
    calibrated = SemDeDup(n_clusters=1, threshold=0.99).calibrate(Sample(points, 3))
    scorer = calibrated.merge([calibrated.fit([points])])
    to_centroid = vector @ calibrated.centroids[0]
    first = int(np.argmin(to_centroid))
    found = scorer.score(points)
    assert found.value[first] == -1.0
    assert (found.value[np.arange(3) != first] > 0.9).all()


def test_copies_are_told_apart_by_key_alone() -> None:
    vector = np.repeat(random_points(1, 48).vector, 5, axis=0)
    points = Points(np.array([7, 3, 9, 4, 8], np.uint64), vector)
    found = fitted(SemDeDup(threshold=0.999_999), points).score(points)
    assert found.value.tolist() == [1.0, -1.0, 1.0, 1.0, 1.0]
    assert found.extra["duplicate"].tolist() == [True, False, True, True, True]


def test_a_cosine_at_the_threshold_is_no_duplicate() -> None:
    points = random_points(50, 8)
    value = fitted(SemDeDup(n_clusters=1), points).score(points).value
    for i in (3, 30):
        spec = SemDeDup(n_clusters=1, threshold=float(value[i]))
        duplicate = fitted(spec, points).score(points).extra["duplicate"]
        np.testing.assert_array_equal(duplicate, value > value[i])


def test_a_chain_keeps_what_no_preferred_one_resembles() -> None:
    angles = np.radians([0, 10, 20, 30])  # the first is the farthest from the mean, with the last
    vector = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = Points(np.arange(4, dtype=np.uint64), vector)
    found = fitted(SemDeDup(n_clusters=1, threshold=np.cos(np.radians(11))), points).score(points)
    assert found.extra["duplicate"].tolist() == [False, True, True, False]


def test_points_of_one_key_count_as_one_document() -> None:
    some = random_points(30, 8)
    twice = Points(np.r_[some.key, some.key[:9]], np.r_[some.vector, some.vector[:9]])
    spec = SemDeDup(n_clusters=3)
    calibrated = spec.calibrate(Sample(some, 30))
    plain = calibrated.merge([calibrated.fit([some])]).score(some)
    again = calibrated.merge([calibrated.fit([twice])]).score(some)
    np.testing.assert_array_equal(again.value, plain.value)
    # Different vectors under one key: one of them, whatever the order.
    other = Points(some.key[:9], random_points(9, 8, seed=1).vector)
    one = calibrated.merge([calibrated.fit([some, other])]).score(some)
    two = calibrated.merge([calibrated.fit([other]), calibrated.fit([some])]).score(some)
    np.testing.assert_array_equal(one.value, two.value)


def test_blocks_are_seamless(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = random_points(700, 24).vector
    whole = largest_cosine_before(vector)
    products = np.float64(vector) @ np.float64(vector).T
    expected = [-1.0] + [products[i, :i].max() for i in range(1, 700)]
    np.testing.assert_allclose(whole, expected, atol=2e-6)
    monkeypatch.setattr("scorers.clusters.semdedup._ROWS", 64)
    monkeypatch.setattr("scorers.clusters.semdedup._COLUMNS", 100)
    np.testing.assert_allclose(largest_cosine_before(vector), whole, atol=2e-6)


def test_opposite_documents_are_below_zero() -> None:
    vector = np.array([[1.0, 0.0], [-1.0, 0.0], [-0.6, 0.8]])
    np.testing.assert_allclose(largest_cosine_before(vector), [-1, -1, 0.6], atol=1e-6)


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    points = random_points(5000, 40)
    before = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            found.append(fitted(SemDeDup(n_clusters=20), points).score(points).value.tobytes())
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_the_grid_hides_rounding() -> None:
    assert on_grid(np.array([1.0 + 3e-8, 0.99999994, -1.2])).tolist() == [1.0, 1.0, -1.0]
    step = on_grid(np.linspace(-1, 1, 1001)) * 2**20
    np.testing.assert_array_equal(step, np.rint(step))


def test_documents_that_were_not_there() -> None:
    points = random_points(20, 8)
    scorer = fitted(SemDeDup(), points)
    unknown = Points(np.array([2**40, int(points.key[0])], np.uint64), points.vector[:2])
    with pytest.raises(ValueError, match=r"1 of 2 are not among them, the first with key 10995"):
        scorer.score(unknown)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, r"'n_clusters' of SemDeDup must be at least 1\. Got 0\."),
        ({"n_sample": 0}, r"'n_sample' of SemDeDup must be at least 1\. Got 0\."),
        ({"threshold": 1.5}, r"'threshold' of SemDeDup is a cosine, in \[-1, 1\]\. Got 1\.5\."),
        ({"threshold": float("nan")}, r"'threshold' of SemDeDup .* Got nan\."),
        ({"seed": -1}, r"'seed' of SemDeDup must be in \[0, 2\^32\)\. Got -1\."),
    ],
)
def test_options_out_of_range(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SemDeDup(**options)  # type: ignore[arg-type]


def test_more_clusters_than_documents() -> None:
    points = random_points(5, 4)
    with pytest.raises(ValueError, match=r"at most the number of sampled documents, 5\. Got 6\."):
        SemDeDup(n_clusters=6).calibrate(Sample(points, 5))
    with pytest.raises(ValueError, match=r"0 documents"):
        SemDeDup().calibrate(Sample(points.at(np.arange(0)), 0))
    calibrated = SemDeDup().calibrate(Sample(points, 5))
    with pytest.raises(ValueError, match=r"at least 1 document\. Got none"):
        calibrated.merge([calibrated.fit([])])
