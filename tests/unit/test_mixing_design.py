"""Designs: valid, distinct, repeatable, and honest about what does not exist."""

from dataclasses import dataclass
from itertools import combinations, product
from typing import ClassVar

import numpy as np
import pytest

from mixing import (
    Additive,
    Constant,
    Exponential,
    Linear,
    check_mixtures,
    d_optimal,
    dirichlet,
    double_diminishing,
    extend,
    regmix,
)
from mixing.designs.exchange import most_informative, variance
from mixing.designs.information import gathered, imagined

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


def test_regmix_draws_sparse_mixtures_on_its_grid():
    prior = np.array([0.5, 0.3, 0.15, 0.04, 0.01])
    design = regmix(prior, 128, np.random.default_rng(0))
    assert design.shape == (128, 5)
    assert np.allclose(design.sum(axis=1), 1, atol=1e-12)
    assert distinct(design)
    # Rounded to .001 before the last normalisation, which moves a share by half a per cent at most.
    assert design[design > 0].min() >= 0.001 * 0.99
    assert (design[:, 4] <= 0.15 * 1.01).all()
    assert (design == 0).any(axis=1).mean() > 0.5
    assert np.array_equal(design, regmix(prior, 128, np.random.default_rng(0)))


def test_regmix_tempers_the_proportions():
    prior = np.array([0.81, 0.16, 0.03])
    rng = np.random.default_rng(0)
    tempered = regmix(prior, 2000, rng, strengths=[50], usage=100, step=1e-4).mean(axis=0)
    assert np.allclose(tempered, np.sqrt(prior) / np.sqrt(prior).sum(), atol=0.01)
    as_given = regmix(prior, 2000, rng, strengths=[50], temperature=1, usage=100, step=1e-4)
    assert np.allclose(as_given.mean(axis=0), prior, atol=0.01)


def test_regmix_keeps_to_maxima_and_refuses_what_it_did_not_find():
    rng = np.random.default_rng(0)
    design = regmix(PRIOR, 16, rng, maximum=[0.7, 1, 0.3, 0.2])
    assert (design <= [0.7, 1, 0.3, 0.2]).all()
    assert (regmix([0.6, 0.4, 0], 8, rng)[:, 2] == 0).all()
    for wrong, message in [
        ({"maximum": 0.1}, "Got 4, and found 0 in 400 draws"),
        ({"temperature": 0}, r"'temperature' must be in \(0, 1\]. Got 0"),
        ({"step": 0.5}, r"'step' must be in \(0, 0.1\]. Got 0.5"),
        ({"strengths": []}, "'strengths' must hold numbers > 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            regmix(PRIOR, 4, rng, **wrong)


def test_the_d_optimal_design_of_a_plane_is_the_corners():
    corners = d_optimal(Linear(), PRIOR, 4, np.random.default_rng(0), minimum=0)
    assert np.allclose(np.sort(corners.argmax(axis=1)), range(4))
    assert np.allclose(corners.max(axis=1), 1)
    # With least shares, the corners of what is left.
    inner = d_optimal(Linear(), PRIOR, 4, np.random.default_rng(0), minimum=0.1)
    assert np.allclose(np.sort(inner, axis=1), [[0.1, 0.1, 0.1, 0.7]] * 4)


def test_exchange_finds_the_best_subset():
    rng = np.random.default_rng(0)
    for _ in range(10):
        features = rng.normal(size=(2, 10, 3))
        base = np.tile(0.1 * np.eye(3), (2, 1, 1))

        def value(rows, features=features, base=base):
            known = features[:, list(rows)]
            return np.linalg.slogdet(base + known.swapaxes(1, 2) @ known)[1].mean()

        best = max(map(value, combinations(range(10), 4)))
        found = most_informative(features, base, 4)
        assert len(set(found.tolist())) == 4
        assert best - 0.05 < value(found) <= best + 1e-9


@pytest.mark.parametrize("law", [Linear(), Exponential(), Additive()])
def test_no_random_design_says_more(law):
    rng = np.random.default_rng(1)
    design = d_optimal(law, PRIOR, 10, rng)
    others = [dirichlet(PRIOR, 10, rng) for _ in range(30)]
    pool = np.concatenate([design, *others])
    features, base = imagined(law, pool, rng)
    assert len(features) == (1 if law == Linear() else 8)

    def value(rows):
        known = features[:, rows]
        return np.linalg.slogdet(base + known.swapaxes(1, 2) @ known)[1].mean()

    values = [value(np.arange(first, first + 10)) for first in range(0, len(pool), 10)]
    assert values[0] > max(values[1:])


def test_d_optimal_keeps_to_bounds():
    rng = np.random.default_rng(0)
    minimum, maximum = np.array([0.1, 0.05, 0, 0.02]), np.array([0.5, 0.45, 0.4, 0.1])
    design = d_optimal(Additive(), PRIOR, 12, rng, minimum=minimum, maximum=maximum)
    assert design.shape == (12, 4)
    assert distinct(design)
    assert np.allclose(design.sum(axis=1), 1, atol=1e-12)
    assert (design >= minimum - 1e-12).all()
    assert (design <= maximum + 1e-12).all()
    assert (d_optimal(Additive(), PRIOR, 12, rng) >= 0.1 * PRIOR - 1e-12).all()
    again = d_optimal(Additive(), PRIOR, 12, np.random.default_rng(3))
    assert np.array_equal(again, d_optimal(Additive(), PRIOR, 12, np.random.default_rng(3)))


@dataclass(frozen=True, kw_only=True)
class Sized(Additive):
    """Reads the model's size, and leaves it at that."""

    covariates: ClassVar[tuple[str, ...]] = ("parameters",)


def test_d_optimal_refuses_what_it_can_not_design_for():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"must have a formula whose parameters.* Got Constant"):
        d_optimal(Constant(), PRIOR, 4, rng)
    with pytest.raises(ValueError, match="Sized reads parameters: fit it first"):
        d_optimal(Sized(), PRIOR, 4, rng)
    with pytest.raises(ValueError, match="'n' must not exceed the candidates within the bounds"):
        d_optimal(Linear(), [0.5, 0.5], 3, rng, minimum=0.5)
    with pytest.raises(ValueError, match=r"'n' must be at least 1. Got 0"):
        d_optimal(Linear(), PRIOR, 0, rng)


def planted(rng, n_domains=4):
    """A made-up additive law."""
    c, power = rng.uniform(0.1, 1.5, n_domains), rng.uniform(0.2, 0.9, n_domains)
    return lambda mixtures: 1.5 + 1 / (mixtures**power @ c)


def test_a_planted_law_is_found_better_than_from_random_runs():
    law, errors = Additive(n_starts=3), []
    for seed in range(16):
        rng = np.random.default_rng(seed)
        truth, prior = planted(rng), rng.dirichlet(np.full(4, 4.0))
        test = dirichlet(prior, 200, rng, concentration=[4, 12])
        errors.append([])
        for design in (d_optimal(law, prior, 10, rng), dirichlet(prior, 10, rng)):
            losses = truth(design) + 0.01 * rng.normal(size=10)
            fitted = law.fit(design, losses[:, None], rng)
            errors[-1].append(np.abs(fitted.predict(test)[:, 0] - truth(test)).mean())
    chosen, random = np.median(errors, axis=0)
    assert chosen < 0.9 * random


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    mixtures = dirichlet(PRIOR, 12, rng)
    losses = np.stack([planted(rng)(mixtures), planted(rng)(mixtures)], axis=1)
    return mixtures, losses + 0.01 * rng.normal(size=losses.shape)


LAWS = [Linear(), Exponential(n_starts=2), Additive(n_starts=2), Constant()]


@pytest.mark.parametrize("law", LAWS)
def test_extending_repeats_no_run_and_stays_within(law, runs):
    fitted = law.fit(*runs, np.random.default_rng(0))
    design = extend(fitted, 6, np.random.default_rng(0))
    both = np.concatenate([runs[0], design])
    apart = np.abs(both[:, None] - both).sum(axis=2) + np.eye(18)
    assert design.shape == (6, 4)
    assert apart.min() > 1e-5
    assert (design >= runs[0].min(axis=0) - 1e-12).all()
    assert (design <= runs[0].max(axis=0) + 1e-12).all()
    assert np.array_equal(design, extend(fitted, 6, np.random.default_rng(0)))
    bounded = extend(fitted, 6, np.random.default_rng(0), minimum=0.05, maximum=0.6)
    assert (bounded >= 0.05 - 1e-12).all()
    assert (bounded <= 0.6 + 1e-12).all()


@pytest.mark.parametrize("law", LAWS[:3])
def test_extending_leaves_less_uncertain_than_random_runs_do(law, runs):
    fitted = law.fit(*runs, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    low, high = runs[0].min(axis=0), runs[0].max(axis=0)
    judged = dirichlet(PRIOR, 50, rng, minimum=low, maximum=high)
    added = extend(fitted, 4, rng)
    random = [dirichlet(PRIOR, 4, rng, minimum=low, maximum=high) for _ in range(20)]
    features, base = gathered(fitted, np.concatenate([judged, added, *random]))

    def uncertain(rows):
        return variance(features, base, list(rows))[:, :50].mean()

    before = uncertain([])
    after = uncertain(range(50, 54))
    others = [uncertain(range(first, first + 4)) for first in range(54, 134, 4)]
    assert after < before
    assert after < np.median(others)


def test_trees_are_extended_where_their_refits_disagree():
    rng = np.random.default_rng(0)
    mixtures = dirichlet(PRIOR, 12, rng)
    fitted = Constant().fit(mixtures, rng.normal(size=(12, 2)), rng)
    features, base = gathered(fitted, mixtures)
    refits = np.array([model.predict(mixtures) for model in fitted.held_out.models])
    error = np.sqrt((fitted.held_out.residuals**2).mean(axis=0))
    covariance = features @ features.swapaxes(1, 2)
    for target in range(2):
        apart = (refits[:, :, target] - refits[:, :, target].mean(axis=0)) / error[target]
        assert np.allclose(covariance[target], apart.T @ apart)
    assert np.array_equal(base, np.tile(np.eye(12), (2, 1, 1)))
