"""Designs: valid, distinct, repeatable, and honest about what does not exist."""

from itertools import product

import numpy as np
import pytest

from mixing import check_mixtures, dirichlet, double_diminishing

PRIOR = np.array([0.6, 0.25, 0.1, 0.05])


def distinct(design):
    return len(np.unique(design.round(9), axis=0)) == len(design)


def test_dirichlet_is_valid_distinct_and_without_zeros():
    design = dirichlet(PRIOR, 64, np.random.default_rng(0))
    assert design.shape == (64, 4)
    assert np.allclose(check_mixtures(design), design, atol=1e-12)
    assert distinct(design)
    assert (design >= 0.1 * PRIOR - 1e-12).all()
    assert np.array_equal(design, dirichlet(PRIOR, 64, np.random.default_rng(0)))


def test_dirichlet_keeps_to_caps_however_tight():
    maximum = np.array([0.35, 0.3, 0.3, 0.1])
    design = dirichlet(PRIOR, 32, np.random.default_rng(0), minimum=0.02, maximum=maximum)
    assert (design <= maximum + 1e-12).all()
    assert (design >= 0.02 - 1e-12).all()
    assert distinct(design)


def test_concentration_sets_the_distance_from_the_proportions():
    far, near = (
        np.abs(dirichlet(PRIOR, 200, np.random.default_rng(0), concentration=[c]) - PRIOR).mean()
        for c in (2, 200)
    )
    assert near < far / 5
    mean = dirichlet(PRIOR, 2000, np.random.default_rng(0), concentration=[20], minimum=0).mean(0)
    assert np.allclose(mean, PRIOR, atol=0.01)


def test_dirichlet_refuses_what_does_not_exist():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="Got 2, and found 1"):
        dirichlet([0.5, 0.5], 2, rng, minimum=0.5)
    with pytest.raises(ValueError, match="lower bounds must sum to one at most"):
        dirichlet(PRIOR, 2, rng, minimum=0.3)
    with pytest.raises(ValueError, match="'concentration' must hold numbers > 0"):
        dirichlet(PRIOR, 2, rng, concentration=[0])
    with pytest.raises(ValueError, match=r"'n' must be at least 1. Got 0"):
        dirichlet(PRIOR, 0, rng)


def all_on_the_grid(maximum, units, zeros):
    """Every valid mixture, the slow way."""
    levels = []
    for cap in maximum[:-1]:
        halves, k = {0} if zeros else set(), int(cap * units)
        while k >= 1:
            halves.add(k)
            k //= 2
        levels.append(halves)
    least = 0 if zeros else 1
    return {
        (*head, units - sum(head))
        for head in product(*levels)
        if least <= units - sum(head) <= int(maximum[-1] * units)
    }


@pytest.mark.parametrize("zeros", [False, True])
def test_double_diminishing_can_draw_every_valid_mixture_and_no_other(zeros):
    maximum = [0.5, 0.3, 1.0]
    valid = all_on_the_grid(maximum, 16, zeros)
    design = double_diminishing(maximum, len(valid), np.random.default_rng(0), zeros=zeros)
    assert {tuple(row) for row in (design * 16).round().astype(int).tolist()} == valid
    assert np.array_equal(design * 16, (design * 16).round())
    message = f"distinct mixtures on the grid, {len(valid)}. Got {len(valid) + 1}"
    with pytest.raises(ValueError, match=message):
        double_diminishing(maximum, len(valid) + 1, np.random.default_rng(0), zeros=zeros)


def test_double_diminishing_draws_uniformly():
    maximum = [0.5, 0.5, 1.0]
    total = len(all_on_the_grid(maximum, 16, False))
    rng = np.random.default_rng(0)
    drawn = np.concatenate([double_diminishing(maximum, 1, rng) for _ in range(100 * total)])
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == total
    assert abs(counts - 100).max() < 5 * 10


def test_double_diminishing_scales_to_more_mixtures_than_an_int64_counts():
    design = double_diminishing([0.5] * 60 + [1.0], 8, np.random.default_rng(0), step=1 / 4096)
    assert design.shape == (8, 61)
    assert distinct(design)
    assert np.allclose(design.sum(axis=1), 1)


@pytest.mark.parametrize("step", [0, 0.3, 0.7, 1])
def test_a_grid_divides_one(step):
    with pytest.raises(ValueError, match="'step' must be 1 over a whole number"):
        double_diminishing([1, 1], 1, np.random.default_rng(0), step=step)


def test_a_maximum_is_at_least_a_step():
    with pytest.raises(ValueError, match="'maximum' must be shares in"):
        double_diminishing([0.01, 1], 1, np.random.default_rng(0))
