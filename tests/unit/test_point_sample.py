"""A sample of points is one of the set: not of its order, nor of how it was split."""

from __future__ import annotations

import numpy as np
import pytest

from scorers import Points, PointSample, Sample
from scorers.point_sample import sample_order


def points(n: int, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2**64, n, np.uint64)
    return Points(keys, rng.normal(size=(n, 3)).astype(np.float16))


def drawn(every: Points, size: int, n_parts: int = 1, seed: int = 0) -> Sample:
    shares = np.array_split(np.arange(len(every)), n_parts)
    samples = [PointSample(size, seed) for _ in shares]
    for sample, share in zip(samples, shares, strict=True):
        for half in np.array_split(share, 2):
            sample.add(every.key[half])
    whole = samples[-1]
    for sample in samples[:-1]:
        whole.union(sample)
    parts = [every.at(share[whole.holds(every.key[share])]) for share in reversed(shares)]
    return whole.result(parts, every.vector.shape[1])


@pytest.mark.parametrize("size", [0, 1, 50, 199, 200, 500])
@pytest.mark.parametrize("n_parts", [1, 2, 7])
def test_the_smallest_by_their_random_numbers(size: int, n_parts: int) -> None:
    every = points(200)
    sample = drawn(every, size, n_parts)
    order = np.argsort(sample_order(every.key, 0))[:size]
    assert sample.n_documents == 200
    assert sample.is_everything == (size >= 200)
    assert sample.points.key.tolist() == every.key[order].tolist()
    assert sample.points.vector.tobytes() == every.vector[order].tobytes()
    assert sample.vector.dtype == np.float32


def test_the_order_of_points_does_not_matter_even_where_keys_are_shared() -> None:
    every = points(60)
    every.key[:20] = every.key[20:40]
    rng = np.random.default_rng(1)
    for size in (10, 11, 12, 60):
        expected = drawn(every, size)
        assert len(expected.points) == size
        for n_parts in (1, 4):
            shuffled = every.at(rng.permutation(60))
            found = drawn(shuffled, size, n_parts)
            assert found.points.key.tobytes() == expected.points.key.tobytes()
            assert found.points.vector.tobytes() == expected.points.vector.tobytes()


def test_every_document_is_as_likely_and_seeds_are_independent() -> None:
    every = points(40)
    taken = np.zeros(40)
    for seed in range(2000):
        sample = PointSample(10, seed)
        sample.add(every.key)
        taken += sample.holds(every.key)
    z = (taken / 2000 - 0.25) / np.sqrt(0.25 * 0.75 / 2000)
    assert 0.6 < np.sqrt((z**2).mean()) < 1.4
    assert np.abs(z).max() < 4.5


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match=r"'size' of PointSample must be at least 0\. Got -1"):
        PointSample(-1)
    with pytest.raises(ValueError, match=r"'seed' of PointSample must be in \[0, 2\*\*64\)"):
        PointSample(1, -1)
    with pytest.raises(ValueError, match="one size and seed"):
        PointSample(1).union(PointSample(2))
