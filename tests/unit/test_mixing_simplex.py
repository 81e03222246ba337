"""Shares: checked, filled and counted."""

import numpy as np
import pytest

from mixing import check_mixtures, proportional, unimax, water_fill
from mixing.simplex import greedy_fill


def test_rounded_rows_are_renormalised_and_the_argument_is_left_alone():
    given = np.array([[0.333, 0.333, 0.333], [0.5, 0.25, 0.255]])
    before = given.copy()
    checked = check_mixtures(given)
    assert np.allclose(checked.sum(axis=1), 1, atol=1e-15)
    assert np.array_equal(given, before)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, np.nan], "finite shares in every row. Got in row 1"),
        ([1.2, -0.2], "no negative share in every row. Got in row 1"),
        ([0.6, 0.43], r"sum to one within 1% in every row. Got in row 1.*sum 1.03"),
    ],
)
def test_a_bad_row_is_named(row, message):
    with pytest.raises(ValueError, match=message):
        check_mixtures([[0.5, 0.5], row])


def test_one_mixture_alone_is_no_table():
    with pytest.raises(ValueError, match=r"must be \[runs, domains\].*Got shape \(2,\)"):
        check_mixtures([0.5, 0.5])


def test_proportions_are_token_shares():
    assert proportional([1, 3, 0]).tolist() == [0.25, 0.75, 0]
    for bad in ([0, 0], [1, -1], [1, np.inf], []):
        with pytest.raises(ValueError, match="'tokens' must be"):
            proportional(bad)


def test_water_filling_keeps_proportions_among_the_domains_that_are_free():
    ones, zeros = np.ones(4), np.zeros(4)
    shares = np.array([0.6, 0.2, 0.1, 0.1])
    assert np.allclose(water_fill(shares, zeros, ones), shares, atol=1e-15)
    capped = water_fill(shares, zeros, np.array([0.2, 1, 1, 1]))
    assert np.allclose(capped, [0.2, 0.4, 0.2, 0.2], atol=1e-12)
    floored = water_fill(shares, np.array([0, 0, 0, 0.4]), ones)
    assert np.allclose(floored, [0.4, 0.4 / 3, 0.2 / 3, 0.4], atol=1e-12)
    only = water_fill([1, 0, 0, 0], zeros, np.array([0.5, 0.1, 1, 1]))
    assert np.isclose(only[0], 0.5)
    assert np.isclose(only.sum(), 1, atol=1e-12)


def test_filling_respects_random_bounds():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 9))
        lower = rng.dirichlet(np.ones(n)) * rng.random()
        upper = np.minimum(1, np.maximum(lower, rng.dirichlet(np.ones(n)) * (1 + 2 * rng.random())))
        for filled in (
            water_fill(rng.dirichlet(np.full(n, 0.3)), lower, upper),
            greedy_fill(rng.normal(size=n), lower, upper),
        ):
            assert np.isclose(filled.sum(), 1, atol=1e-12)
            assert (filled >= lower - 1e-12).all()
            assert (filled <= upper + 1e-12).all()


def test_greedy_filling_solves_the_linear_program():
    lower, upper = np.array([0.1, 0.0, 0.2]), np.array([0.5, 0.4, 0.9])
    cost = np.array([2.0, -1.0, 0.5])
    assert np.allclose(greedy_fill(cost, lower, upper), [0.1, 0.4, 0.5])


def test_bounds_without_a_mixture_are_refused():
    with pytest.raises(ValueError, match="lower bound of domain 1 must not exceed"):
        water_fill([1, 1], np.array([0, 0.5]), np.array([1, 0.4]))
    with pytest.raises(ValueError, match=r"Got 0 and 0.8"):
        water_fill([1, 1], np.zeros(2), np.full(2, 0.4))


def test_many_rows_are_filled_as_one():
    rng = np.random.default_rng(1)
    lower, upper = np.array([0, 0.1, 0.05, 0]), np.array([0.4, 1, 0.3, 0.5])
    rows = rng.dirichlet(np.full(4, 0.4), size=(6, 5))
    filled = water_fill(rows, lower, upper)
    assert filled.shape == rows.shape
    for i, j in np.ndindex(6, 5):
        assert np.array_equal(filled[i, j], water_fill(rows[i, j], lower, upper))


def unimax_by_loop(sizes, budget, epochs):
    """Algorithm 1 of the paper, as printed: from the smallest domain on."""
    given, rest = np.zeros(len(sizes)), budget
    for left, domain in zip(range(len(sizes), 0, -1), np.argsort(sizes), strict=True):
        given[domain] = min(rest / left, epochs * sizes[domain])
        rest -= given[domain]
    return given / given.sum()


def test_unimax_is_the_published_algorithm():
    rng = np.random.default_rng(0)
    for _ in range(50):
        sizes = rng.lognormal(sigma=2, size=int(rng.integers(1, 12)))
        budget, epochs = float(rng.lognormal(sigma=2)) * sizes.sum(), float(rng.uniform(0.5, 8))
        wanted = unimax_by_loop(sizes, budget, epochs)
        assert np.allclose(unimax(sizes, budget, max_epochs=epochs), wanted, atol=1e-9)
    assert unimax([4, 1, 4], 9, max_epochs=1).tolist() == pytest.approx([4 / 9, 1 / 9, 4 / 9])
    for wrong, message in [((0, 4), "'budget_tokens' must be > 0"), ((1, 0), "'max_epochs' must")]:
        with pytest.raises(ValueError, match=message):
            unimax([1, 1], wrong[0], max_epochs=wrong[1])
