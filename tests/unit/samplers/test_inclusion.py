"""How often documents are taken, against the probabilities promised: 4,000 draws of 2,000."""

from __future__ import annotations

import numpy as np
import pytest

from samplers import InversePropensity, Random, Softmax, permanent_random

N, N_SEEDS = 2_000, 4_000
RATES = [0.1, 0.4, 0.8]
SCORE = np.random.default_rng(0).normal(size=N)
LOG_DENSITY = 2 * SCORE


@pytest.fixture(scope="module")
def u() -> np.ndarray:
    keys = np.arange(N, dtype=np.uint64)
    return np.array([permanent_random(seed, keys) for seed in range(N_SEEDS)])


def frequencies(order: np.ndarray, n_taken: int) -> np.ndarray:
    """How often each document is among the first; order: [seeds, documents]."""
    first = np.argpartition(order, n_taken - 1, axis=1)[:, :n_taken]
    return np.bincount(first.ravel(), minlength=order.shape[1]) / len(order)


def rms_z(found: np.ndarray, inclusion: np.ndarray) -> float:
    """1 where chance alone is between them; of documents that may and may not be taken."""
    open_ = (inclusion > 0.01) & (inclusion < 0.99)
    error = (found - inclusion)[open_]
    return float(np.sqrt((error**2 / (inclusion * (1 - inclusion))[open_] * N_SEEDS).mean()))


def promised(sampler: InversePropensity, n_taken: int) -> tuple[float, np.ndarray]:
    calibration = sampler.calibrate(LOG_DENSITY, np.ones(N), n_taken)
    return calibration, sampler.inclusion(LOG_DENSITY, calibration)


@pytest.mark.parametrize("rate", RATES)
def test_pareto_is_off_by_chance_alone(u: np.ndarray, rate: float) -> None:
    sampler, n_taken = InversePropensity(design="pareto"), round(rate * N)
    log_c, inclusion = promised(sampler, n_taken)
    found = frequencies(sampler.order(LOG_DENSITY, u, log_c), n_taken)
    assert 0.9 < rms_z(found, inclusion) < 1.1
    assert (found[inclusion == 1] == 1).all()


@pytest.mark.parametrize("rate", RATES)
def test_poisson_is_off_by_chance_alone(u: np.ndarray, rate: float) -> None:
    sampler, n_taken = InversePropensity(design="poisson"), round(rate * N)
    log_c, inclusion = promised(sampler, n_taken)
    taken = sampler.order(LOG_DENSITY, u, log_c) < 0
    assert np.array_equal(taken, u < inclusion)
    assert 0.9 < rms_z(taken.mean(axis=0), inclusion) < 1.1
    spread = np.sqrt((inclusion * (1 - inclusion)).sum())
    assert abs(taken.sum(axis=1).mean() - n_taken) < 4 * spread / np.sqrt(N_SEEDS)


@pytest.mark.parametrize("rate", RATES)
def test_sequential_poisson_is_nearly_exact_and_gumbel_is_not(u: np.ndarray, rate: float) -> None:
    sampler, n_taken = InversePropensity(), round(rate * N)
    _, inclusion = promised(sampler, n_taken)
    error = abs(frequencies(sampler.order(LOG_DENSITY, u), n_taken) - inclusion)
    assert error.mean() <= 0.005

    gumbel = frequencies(np.log(-np.log(u)) + LOG_DENSITY, n_taken)  # weights 1 / density
    assert abs(gumbel - inclusion).mean() > 2 * 0.005
    assert abs(gumbel - inclusion).max() > 0.1
    assert rms_z(gumbel, inclusion) > 3


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_softmax_draws_one_after_the_other(u: np.ndarray, rate: float, temperature: float) -> None:
    sampler, n_taken = Softmax(temperature=temperature), round(rate * N)
    calibration = sampler.calibrate(SCORE, np.ones(N), n_taken)
    inclusion = sampler.inclusion(SCORE, calibration)
    found = frequencies(sampler.order(SCORE, u), n_taken)
    assert abs(found - inclusion).mean() <= 0.006
    assert np.corrcoef(found, SCORE)[0, 1] > 0.5
    worse = Softmax(temperature=temperature, higher_is_better=False)
    mirrored = worse.inclusion(-SCORE, worse.calibrate(-SCORE, np.ones(N), n_taken))
    np.testing.assert_allclose(mirrored, inclusion)


def test_softmax_draws_the_first_by_its_weight(u: np.ndarray) -> None:
    score = np.log([1.0, 2.0, 5.0])
    first = np.argmin(Softmax().order(score, u[:, :3]), axis=1)
    shares = np.bincount(first, minlength=3) / N_SEEDS
    assert abs(shares - [0.125, 0.25, 0.625]).max() < 4 * np.sqrt(0.25 / N_SEEDS)


def test_temperature_is_between_top_k_and_random(u: np.ndarray) -> None:
    cold, hot = Softmax(temperature=1e-6), Softmax(temperature=1e6)
    best = np.argsort(-LOG_DENSITY)
    assert set(best[:200]) == set(np.argsort(cold.order(LOG_DENSITY, u[0]))[:200])
    assert set(np.argsort(u[0])[-200:]) == set(np.argsort(hot.order(LOG_DENSITY, u[0]))[:200])


def test_random_includes_all_alike(u: np.ndarray) -> None:
    assert 0.9 < rms_z(frequencies(Random().order(LOG_DENSITY, u), 800), np.full(N, 0.4)) < 1.1


def test_orders_tell_apart_what_32_bits_cannot() -> None:
    """Exponentials in float32 are exactly 0 now and then: infinite priority, taken each time."""
    u = np.array([2.0**-53, 1 - 2.0**-53, 1 - 2.0**-52, 1 - 2.0**-30])
    with np.errstate(divide="ignore"):
        assert np.isinf(np.log(-np.log(u.astype(np.float32)))).any()
    for sampler in (Softmax(), InversePropensity(), InversePropensity(design="pareto")):
        order = sampler.order(np.zeros(4), u, -1.0)
        assert np.isfinite(order).all()
        assert len(np.unique(order)) == len(u)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperatures_out_of_range(temperature: float) -> None:
    with pytest.raises(ValueError, match="'temperature' of Softmax must be a number above 0"):
        Softmax(temperature=temperature)


def test_temperatures_too_small_for_weights() -> None:
    with pytest.raises(ValueError, match=r"must be at least 1e-100.*Got 1e-320.*use top-k"):
        Softmax(temperature=1e-320)
    Softmax(temperature=1e-100).order(np.array([-1e200, 1e200]), np.full(2, 0.5))


def test_an_unknown_design() -> None:
    with pytest.raises(
        ValueError, match=r"'design' of InversePropensity must be.*Got 'systematic'"
    ):
        InversePropensity(design="systematic")  # type: ignore[arg-type]
