"""Permanent random numbers, and calibration against bisection."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from samplers import InversePropensity, Random, TopK, permanent_random

KEYS = np.array([0, 1, 12345, 2**63, 2**64 - 1], np.uint64)
GOLDEN = {
    0: """0x1.8821662a8ad7cp-3 0x1.fddd136b1b224p-3 0x1.2bea8e271eefdp-1
          0x1.e5ebe9a480023p-1 0x1.84e773a4c773cp-3""",
    17: """0x1.ce6d758c0e1a7p-1 0x1.189e66111f243p-1 0x1.54a3b21b85ee5p-1
           0x1.8dfe707910251p-1 0x1.b49a855fc6c5cp-3""",
    2**64 - 1: """0x1.f813439d895abp-1 0x1.cfdd782243012p-2 0x1.3d4b960f1cb78p-4
                  0x1.b485dee8b58b1p-1 0x1.e54743821d99ap-2""",
}


def test_numbers_never_change_between_releases() -> None:
    for seed, expected in GOLDEN.items():
        assert [float(u).hex() for u in permanent_random(seed, KEYS)] == expected.split()


def test_a_function_of_seed_and_key_alone() -> None:
    keys = np.arange(10_000, dtype=np.uint64)
    u = permanent_random(7, keys)
    order = np.random.default_rng(0).permutation(len(keys))
    assert np.array_equal(permanent_random(7, keys[order]), u[order])
    assert permanent_random(7, keys[42:43])[0] == u[42]
    assert len(np.unique(u)) == len(u)
    assert not np.intersect1d(u, permanent_random(8, keys)).size
    assert permanent_random(7, np.empty(0, np.uint64)).shape == (0,)


@pytest.mark.parametrize("key", [0xD6D7EB0CCAA6F455, 0x928BB1EBB8121164])
def test_never_zero_and_never_one(key: int) -> None:
    """The keys whose hash with seed 0 has all bits set, and none."""
    (u,) = permanent_random(0, np.array([key], np.uint64))
    assert 0 < u < 1
    assert min(u, 1 - u) < 1e-15


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("step", [1, 2**32, 2**48], ids=["low", "middle", "high"])
def test_uniform_over_keys(seed: int, step: int) -> None:
    u = permanent_random(seed, np.arange(20_000, dtype=np.uint64) * np.uint64(step))
    assert ((u > 0) & (u < 1)).all()
    assert stats.kstest(u, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(len(u))


def test_uniform_over_seeds_and_independent_between_them() -> None:
    keys = np.arange(2_000, dtype=np.uint64)
    u = np.array([permanent_random(seed, keys) for seed in range(200)])
    assert stats.kstest(u[:, 1234], "uniform").pvalue > 0.001
    correlation = np.corrcoef(u)[np.triu_indices(200, 1)]
    assert abs(correlation).max() < 6 / np.sqrt(len(keys))
    assert abs(correlation.std() * np.sqrt(len(keys)) - 1) < 0.05


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match=rf"must be in \[0, 2\*\*64\). Got {seed}"):
        permanent_random(seed, KEYS)


def test_random_includes_all_alike() -> None:
    assert Random().calibrate(np.zeros(1), np.full(1_000, 3.0), 1_200) == 0.4
    assert Random().inclusion(np.zeros(3), 0.4).tolist() == [0.4] * 3


def test_top_k_takes_the_good_end() -> None:
    score, u = np.array([2.0, 3.0, 1.0]), np.full(3, 0.5)
    assert np.argsort(TopK().order(score, u)).tolist() == [1, 0, 2]
    assert np.argsort(TopK(higher_is_better=False).order(score, u)).tolist() == [2, 0, 1]


# Calibration


def bisected(log_density: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """π by bisection on log c: slow, and obviously right."""
    low, high = log_density.min() - 60, log_density.max()
    for _ in range(200):
        middle = (low + high) / 2
        spent = (np.exp(np.minimum(0, middle - log_density)) * cost).sum()
        low, high = (middle, high) if spent < budget else (low, middle)
    return np.exp(np.minimum(0, high - log_density))


@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("rate", [1e-4, 0.1, 0.4, 0.8, 0.9999])
def test_calibration_equals_bisection(spread: float, rate: float) -> None:
    rng = np.random.default_rng(9)
    log_density = spread * rng.normal(size=300) - 700  # far from 0, as log densities may be
    for cost in (np.ones(300), rng.integers(0, 5_000, 300).astype(np.float64)):
        budget = rate * cost.sum()
        log_c = InversePropensity().calibrate(log_density, cost, budget)
        found = InversePropensity().inclusion(log_density, log_c)
        np.testing.assert_allclose(
            found, bisected(log_density, cost, budget), rtol=1e-7, atol=1e-12
        )


def test_calibration_where_everything_fits() -> None:
    log_density = np.array([-3.0, 0.0, 5.0])
    for cost, budget in ((np.ones(3), 3), (np.ones(3), 7), (np.zeros(3), 1)):
        log_c = InversePropensity().calibrate(log_density, cost, budget)
        assert InversePropensity().inclusion(log_density, log_c).tolist() == [1, 1, 1]


@pytest.mark.parametrize("cost", [[63_696.0], [3.0, 63_693.0]])
def test_calibration_just_below_the_whole(cost: list[float]) -> None:
    log_density = np.arange(len(cost), dtype=np.float64)
    log_c = InversePropensity().calibrate(log_density, np.array(cost), 63695.99999999999)
    inclusion = InversePropensity().inclusion(log_density, log_c)
    np.testing.assert_allclose(inclusion, 1.0)


def test_calibration_of_densities_that_underflow() -> None:
    """Log densities 2,000 apart, as a narrow kernel gives."""
    log_density = np.array([-2_000.0, -1_999.0, 0.0, 0.0])
    log_c = InversePropensity().calibrate(log_density, np.ones(4), 3.0)
    inclusion = InversePropensity().inclusion(log_density, log_c)
    np.testing.assert_allclose(inclusion, [1, 1, 0.5, 0.5])
