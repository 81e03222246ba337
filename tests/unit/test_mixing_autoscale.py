import numpy as np
import pytest
from scipy.optimize import minimize

from mixing.autoscale import DomainPowers, check_between, extrapolate, extrapolate_to

A, B, C = np.array([2.6, 6.6, 2.4, 3.3]), np.array([1.2, 1.4, 1.8, 1.9]), np.full(4, 0.8)


def planted():
    return DomainPowers(a=A, b=B, c=C, residual=np.zeros(4))


def test_three_runs_are_interpolated():
    amounts = np.array([1 / 3, 1.0, 3.0])
    losses = planted().losses(amounts[:, None]).T
    law = DomainPowers.fit(amounts, losses)
    assert law.residual.max() < 1e-11
    assert np.allclose([law.a, law.b, law.c], [A, B, C], rtol=1e-4)


def test_more_runs_are_fitted_by_least_squares():
    rng = np.random.default_rng(0)
    amounts = np.geomspace(0.05, 20, 15)
    losses = planted().losses(amounts[:, None]).T + 1e-5 * rng.normal(size=(4, 15))
    law = DomainPowers.fit(amounts, losses)
    assert 1e-6 < law.residual.max() < 1e-4
    assert np.allclose(law.losses(np.full(4, 2.0)), planted().losses(np.full(4, 2.0)), atol=2e-5)
    assert np.allclose(law.b, B, rtol=0.05)


@pytest.mark.parametrize("floor", [0.0, 0.2, [0.1, 0.5, 0.0, 0.9]])
def test_the_optimum_meets_its_conditions_and_that_of_scipy(floor):
    law, total = planted(), 4.0
    optimum = law.optimum(total, floor)
    least = np.broadcast_to(floor, 4)
    assert optimum.sum() == pytest.approx(total, abs=1e-9)
    assert (optimum >= least).all()
    gain = B * (A + optimum) ** (-B - 1)
    free = optimum > least + 1e-9
    assert np.ptp(gain[free]) < 1e-9
    assert (gain[~free] <= gain[free].min() + 1e-9).all()
    found = minimize(
        lambda x: law.losses(x).sum(),
        np.maximum(least, 1.0) * total / np.maximum(least, 1.0).sum(),
        bounds=[(low, None) for low in least],
        constraints={"type": "eq", "fun": lambda x: x.sum() - total},
        options={"ftol": 1e-14},
        method="SLSQP",
    )
    assert law.losses(optimum).sum() <= found.fun + 1e-9
    assert np.allclose(optimum, found.x, atol=1e-3)


def test_a_small_or_large_budget_is_spent_whole():
    for total in (1e-3, 1e4):
        assert planted().optimum(total).sum() == pytest.approx(total, rel=1e-8)


def test_amounts_are_exponential_in_the_step():
    first, second = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.4, 0.9])
    assert np.allclose(extrapolate(first, second, 0), first)
    assert np.allclose(extrapolate(first, second, 1), second)
    assert np.allclose(extrapolate(first, second, 2), second**2 / first)
    for total in (0.6, 1.0, 1.8, 50.0):
        reached = extrapolate_to(first, second, total)
        assert reached.sum() == pytest.approx(total, rel=1e-9)
    assert np.allclose(extrapolate_to(first, second, second.sum()), second)


def test_the_check_between_two_scales():
    first, second = np.array([0.1, 0.4]), np.array([0.4, 1.6])
    check = check_between(first, second, [0.2, 1.0])
    assert np.allclose(check.predicted, [0.2, 0.8])
    assert np.allclose(check.relative_error, [0, -0.2])
    assert check.share_max == pytest.approx(0.2 - 0.2 / 1.2)
    assert check.share_l1 == pytest.approx(2 * check.share_max)


def test_bad_runs_and_budgets_are_refused_in_words():
    with pytest.raises(ValueError, match="at least 3 different values"):
        DomainPowers.fit([1, 2, 2], np.ones((2, 3)))
    with pytest.raises(ValueError, match="Got a rise in domain 1"):
        DomainPowers.fit([1, 2, 3], [[3, 2, 1], [1, 2, 3]])
    with pytest.raises(ValueError, match=r"\[domains, runs\]"):
        DomainPowers.fit([1, 2, 3], [3, 2, 1])
    with pytest.raises(ValueError, match="'losses' must be finite"):
        DomainPowers.fit([1, 2, 3], [[3, np.nan, 1]])
    with pytest.raises(ValueError, match="sum to less than 'total'"):
        planted().optimum(1.0, 0.3)
    with pytest.raises(ValueError, match="finite and > 0"):
        extrapolate([0, 1], [1, 2], 2)
    with pytest.raises(ValueError, match=r"at two scales must be \[domains\]"):
        extrapolate([1, 1], [1, 2, 3], 2)
    with pytest.raises(ValueError, match="must sum to more"):
        extrapolate_to([1, 2], [1, 1], 5)
    with pytest.raises(ValueError, match="at least the first scale's"):
        extrapolate_to([1, 2], [2, 2], 1)
