"""Coverage: lazy greedy is plain greedy, near the best, towards a target, and the same bytes."""

from __future__ import annotations

import itertools

import faiss
import numpy as np
import pytest

from scorers import coverage
from scorers.clusters.kmeans import on_grid
from scorers.coverage import Coverage, FittedCoverage, greedy, nearest_documents
from scorers.points import Points, Sample
from scorers.vectors import unit


def random_points(n: int, d: int, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(max(2, n // 12), d))
    vector = centre[rng.integers(len(centre), size=n)] + 0.6 * rng.normal(size=(n, d))
    return Points(rng.permutation(10 * n)[:n].astype(np.uint64), np.float16(unit(vector)))


def fitted(spec: Coverage, points: Points, n_parts: int = 1) -> FittedCoverage:
    calibrated = spec.calibrate(Sample(points.at(np.arange(0)), len(points)))
    parts = np.array_split(np.arange(len(points)), n_parts)
    return calibrated.merge([calibrated.fit([points.at(part)]) for part in parts])


def similarities(texts: np.ndarray, documents: np.ndarray, n_neighbours: int) -> np.ndarray:
    """The graph as a full matrix, [q, n], by another way than FAISS."""
    similar = np.maximum(on_grid(np.float64(texts) @ np.float64(documents).T), 0.0)
    cut = np.sort(similar, axis=1)[:, [-min(n_neighbours, similar.shape[1])]]
    return np.where(similar >= cut, similar, 0.0)


def plain_greedy(similar: np.ndarray, limit: int) -> tuple[list[int], list[float]]:
    covered, order, gains = np.zeros(len(similar)), [], []
    for _ in range(limit):
        gain = np.maximum(similar - covered[:, None], 0.0).sum(axis=0)
        if gain.max() <= 0:
            break
        order.append(int(gain.argmax()))
        gains.append(float(gain.max()))
        covered = np.maximum(covered, similar[:, order[-1]])
    return order, gains


@pytest.mark.parametrize("n_neighbours", [1, 4, 300])
def test_lazy_is_plain_greedy(n_neighbours: int) -> None:
    points = random_points(200, 24)
    by_key = points.at(np.argsort(points.key))
    vector = unit(by_key.vector)
    expected, gains = plain_greedy(similarities(vector, vector, n_neighbours), 200)
    found = fitted(Coverage(n_neighbours=n_neighbours), points, n_parts=3).score(by_key)
    assert np.argsort(found.value)[: len(expected)].tolist() == expected
    np.testing.assert_allclose(found.extra["gain"][expected], gains, atol=1e-4)
    rest = np.setdiff1d(np.arange(200), expected)
    assert (found.value[rest] == len(expected)).all()
    assert not found.extra["gain"][rest].any()


def test_lazy_is_plain_greedy_among_many_ties() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = np.stack([rng.permutation(12)[:4] for _ in range(30)])
        cosine = rng.integers(-1, 4, size=found.shape) / 4
        found[rng.random(found.shape) < 0.1] = -1
        matrix = np.zeros((30, 13))
        np.put_along_axis(matrix, found, np.maximum(cosine, 0), axis=1)
        matrix = matrix[:, :12]
        limit = int(rng.integers(1, 13))
        order, gains = greedy(found, cosine, 12, limit)
        assert (order.tolist(), gains.tolist()) == plain_greedy(matrix, limit)


def test_greedy_is_within_its_guarantee_of_the_best() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        similar = rng.random((9, 9)) ** 3
        found = np.tile(np.arange(9), (9, 1))
        _, gains = greedy(found, similar, 9, 3)
        sets = itertools.combinations(range(9), 3)
        best = max(similar[:, list(chosen)].max(axis=1).sum() for chosen in sets)
        assert (1 - 1 / np.e) * best <= gains.sum() <= best + 1e-12


def test_gains_fall_and_add_up_to_the_coverage() -> None:
    points = random_points(300, 24)
    scored = fitted(Coverage(n_neighbours=300), points).score(points)
    gains = scored.extra["gain"][np.argsort(scored.value)]
    assert (np.diff(gains) <= 0).all()
    assert gains.sum() == pytest.approx(300, abs=1e-3)  # each document covers itself to 1


def test_one_of_each_planted_group_comes_first() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(20), rng.integers(2, 9, 20))
    centre = np.linalg.qr(rng.normal(size=(32, 32)))[0][:20]
    vector = unit(centre[group] + 0.02 * rng.normal(size=(len(group), 32)))
    points = Points(np.arange(len(group), dtype=np.uint64), vector)
    value = fitted(Coverage(), points).score(points).value
    first = np.argsort(value)[:20]
    assert sorted(group[first].tolist()) == list(range(20))
    sizes = np.bincount(group)[group[first]]
    assert (np.diff(sizes) <= 0).all()  # the largest group first


def test_a_target_is_covered_and_the_rest_is_not_taken() -> None:
    points = random_points(400, 24)
    target = unit(points.vector[:3]) + 0.01
    spec = Coverage(target=target, n_neighbours=5)
    scored = fitted(spec, points).score(points)
    assert set(np.flatnonzero(scored.value <= 2).tolist()) == {0, 1, 2}
    near = np.unique(np.argsort(-(target @ unit(points.vector).T), axis=1)[:, :5])
    taken = np.flatnonzero(scored.extra["gain"] > 0)
    assert set(taken.tolist()) <= set(near.tolist())
    assert (scored.value[np.setdiff1d(np.arange(400), taken)] == len(taken)).all()


def test_a_text_that_is_there_twice_counts_twice() -> None:
    points = Points(np.arange(3, dtype=np.uint64), np.eye(3))
    target = np.eye(3)[[2, 0, 2, 1, 2, 1]]
    scored = fitted(Coverage(target=target), points).score(points)
    assert scored.value.tolist() == [2, 1, 0]
    assert scored.extra["gain"].tolist() == [1, 2, 3]


def test_a_limit_is_a_prefix() -> None:
    points = random_points(150, 24)
    whole = fitted(Coverage(), points).score(points).value
    some = fitted(Coverage(limit=10), points).score(points).value
    np.testing.assert_array_equal(some, np.minimum(whole, 10))
    assert (some < 10).sum() == 10


def test_copies_and_keys() -> None:
    vector = np.repeat(np.eye(4, dtype=np.float32)[:2], [3, 2], axis=0)
    points = Points(np.array([8, 4, 6, 9, 5], np.uint64), vector)
    scored = fitted(Coverage(), points).score(points)
    assert scored.value.tolist() == [2, 0, 2, 2, 1]
    twice = Points.joined([points, points.at(np.array([3, 3, 3]))])  # one document all the same
    np.testing.assert_array_equal(fitted(Coverage(), twice).score(points).value, scored.value)


def test_nothing_like_anything() -> None:
    points = Points(np.arange(3, dtype=np.uint64), np.zeros((3, 4), np.float32))
    scored = fitted(Coverage(), points).score(points)
    assert scored.value.tolist() == scored.extra["gain"].tolist() == [0, 0, 0]


def test_lists_find_nearly_all_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    vector = unit(random_points(3000, 24).vector)
    exact, _ = nearest_documents(vector, vector, 10, 0)
    monkeypatch.setattr(coverage, "EXACT_UP_TO", 2999)
    found, cosine = nearest_documents(vector, vector, 10, 0)
    recall = np.mean([len(set(a) & set(b)) for a, b in zip(exact, found, strict=True)]) / 10
    assert recall > 0.9
    np.testing.assert_array_equal(found[:, 0], np.arange(3000))
    again, _ = nearest_documents(vector, vector, 10, 2**32 - 1)
    assert (again != found).any()
    monkeypatch.setattr(coverage, "N_PROBE", 1)
    few, cosine = nearest_documents(vector, vector, 200, 0)
    assert (few < 0).any()
    assert not cosine[few < 0].any()


@pytest.mark.parametrize("exact_up_to", [100, 10_000])
def test_any_number_of_threads_gives_the_same_bytes(
    exact_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "EXACT_UP_TO", exact_up_to)
    points = random_points(3000, 24)
    before = faiss.omp_get_max_threads()
    found = []
    try:
        for n_threads in (1, 2, 3):
            faiss.omp_set_num_threads(n_threads)
            found.append(fitted(Coverage(), points).score(points).value.tobytes())
    finally:
        faiss.omp_set_num_threads(before)
    assert len(set(found)) == 1


def test_config_holds_a_fingerprint_of_the_target() -> None:
    target = np.eye(4, dtype=np.float32)
    configs = [
        Coverage(target=t).config()["target"] for t in (None, target, target[:2], target[::-1])
    ]
    assert len(set(configs)) == 4
    assert Coverage(target=target.astype(np.float64)).config()["target"] == configs[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_neighbours": 0}, r"'n_neighbours' of Coverage must be at least 1\. Got 0\."),
        ({"limit": 0}, r"'limit' of Coverage must be at least 1\. Got 0\."),
        ({"seed": -1}, r"'seed' of Coverage must be in \[0, 2\^32\)\. Got -1\."),
        ({"target": np.zeros(3)}, r"'target' of Coverage must be of shape \[q, d\].*Got \[3\]\."),
        ({"target": np.zeros((0, 3))}, r"with q >= 1\. Got \[0, 3\]\."),
    ],
)
def test_options_out_of_range(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Coverage(**options)  # type: ignore[arg-type]


def test_corpora_that_do_not_fit() -> None:
    points = random_points(10, 4)
    with pytest.raises(ValueError, match=r"the 4 dimensions of the documents\. Got 3\."):
        fitted(Coverage(target=np.eye(3)), points)
    with pytest.raises(ValueError, match=r"at least 1 document\. Got none"):
        Coverage().merge([[], []])
    with pytest.raises(ValueError, match=r"1 of 1 are not among them, the first with key 10995"):
        fitted(Coverage(), points).score(Points(np.array([2**40], np.uint64), points.vector[:1]))
