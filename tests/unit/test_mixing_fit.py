"""Planted laws are found again; derivatives, intervals and warnings are what they claim."""

import numpy as np
import pytest

from mixing import Additive, Constant, Exponential, Linear
from mixing.heldout import assign_folds, jackknife_plus, leave_out_radii
from mixing.simplex import check_mixtures

N_DOMAINS, N_TARGETS = 4, 3


def planted(law, rng):
    """theta[targets, parameters] of a plausible law."""
    if isinstance(law, Exponential):
        t = rng.uniform(-0.5, 1.0, (N_TARGETS, N_DOMAINS))
        t[range(N_TARGETS), range(N_TARGETS)] -= 2
        return np.concatenate([np.full((N_TARGETS, 1), 1.8), t], axis=1)
    c = rng.uniform(0.2, 0.6, (N_TARGETS, N_DOMAINS))
    c[range(N_TARGETS), range(N_TARGETS)] += 1
    gamma = rng.uniform(0.2, 0.9, (N_TARGETS, N_DOMAINS))
    return np.concatenate([np.full((N_TARGETS, 1), 1.5), np.log(c), gamma], axis=1)


def runs(law, n, rng, noise=0.0):
    theta = planted(law, rng)
    mixtures = rng.dirichlet(np.ones(N_DOMAINS), n)
    clean = law.values(theta, mixtures).T
    return theta, mixtures, clean + noise * rng.normal(size=clean.shape)


@pytest.mark.parametrize("law", [Exponential(shrinkage=0), Additive(shrinkage=0)])
def test_parameters_are_recovered_from_clean_runs(law):
    theta, mixtures, losses = runs(law, 40, np.random.default_rng(1))
    fitted = law.fit(mixtures, losses, np.random.default_rng(0))
    for name, values in law.named(theta).items():
        assert np.allclose(fitted.parameters[name], values, atol=1e-3), name
    assert min(fitted.report.share_of_starts) > 0.5


@pytest.mark.parametrize("law", [Exponential(), Additive()])
def test_predictions_are_within_the_noise_from_few_runs(law):
    noise = 0.01
    rng = np.random.default_rng(2)
    theta, mixtures, losses = runs(law, 18, rng, noise)
    fitted = law.fit(mixtures, losses, np.random.default_rng(0))
    fresh = rng.dirichlet(np.full(N_DOMAINS, 2.0), 200)
    truth = law.values(theta, fresh).T
    assert np.abs(fitted.predict(fresh) - truth).mean() < 1.5 * noise
    report = fitted.report
    for own, plane, mean in zip(
        report.held_out_error,
        report.held_out_error_linear,
        report.held_out_error_constant,
        strict=True,
    ):
        assert own < plane < mean
    assert report.held_out_by == "leave-one-out"
    assert report.warnings == ()


@pytest.mark.parametrize("law", [Exponential(), Additive()])
def test_a_law_in_other_units_is_the_same_law(law):
    _, mixtures, losses = runs(law, 14, np.random.default_rng(3), 0.01)
    fitted = law.fit(mixtures, losses, np.random.default_rng(0))
    scaled = law.fit(mixtures, 1000 * losses, np.random.default_rng(0))
    assert np.allclose(scaled.predict(mixtures), 1000 * fitted.predict(mixtures), rtol=1e-5)


@pytest.mark.parametrize("law", [Exponential(), Additive()])
def test_jacobian_agrees_with_finite_differences(law):
    theta, mixtures, _ = runs(law, 6, np.random.default_rng(4))
    mixtures[0] = [0, 0.5, 0.5, 0]
    jacobian, step = law.jacobian(theta[0], mixtures), 1e-6
    for k, unit in enumerate(np.eye(len(theta[0]))):
        moved = [law.values(theta[0] + sign * step * unit, mixtures) for sign in (1, -1)]
        assert np.allclose(jacobian[:, k], (moved[0] - moved[1]) / (2 * step), atol=1e-7)


def test_the_additive_slope_at_zero_is_infinite_and_downhill():
    law = Additive()
    theta = np.concatenate([[1.0], np.zeros(2), [0.5, 1.0]])
    slope = law.gradient(theta, np.array([[0.0, 1.0]]))[0]
    assert slope[0] == -np.inf
    assert np.isclose(slope[1], -1)


def test_few_runs_and_zero_shares_are_warned_of():
    rng = np.random.default_rng(5)
    mixtures = rng.dirichlet(np.ones(5), 5)
    mixtures[0] = [0, 0.4, 0.3, 0.2, 0.1]
    losses = 3 + rng.random((5, 1))
    warnings = Exponential().fit(mixtures, losses, np.random.default_rng(0)).report.warnings
    assert any("exactly zero in domains [0]" in text for text in warnings)
    assert any("5 runs for 6 parameters" in text for text in warnings)
    assert any("too few for a finite interval" in text for text in warnings)
    additive = Additive().fit(mixtures, losses, np.random.default_rng(0)).report.warnings
    assert not any("exactly zero" in text for text in additive)


def test_a_law_that_loses_to_the_mean_is_warned_of():
    rng = np.random.default_rng(0)
    noise = 3 + rng.random((12, 4))
    report = Exponential().fit(rng.dirichlet(np.ones(3), 12), noise, rng).report
    errors = zip(report.held_out_error, report.held_out_error_constant, strict=True)
    worse = [target for target, (own, mean) in enumerate(errors) if own >= mean]
    assert worse
    assert any(f"no better than the mean on targets {worse}" in text for text in report.warnings)


def test_five_folds_from_thirty_runs_on_and_duplicates_share_one():
    rng = np.random.default_rng(6)
    mixtures = rng.dirichlet(np.ones(3), 29)
    assert len(set(assign_folds(mixtures, rng))) == 29
    doubled = np.concatenate([mixtures, mixtures])
    fold = assign_folds(doubled, rng)
    assert set(fold) == set(range(5))
    assert np.array_equal(fold[:29], fold[29:])


def test_linear_is_exact_on_a_plane_and_modest_with_few_runs():
    rng = np.random.default_rng(7)
    mixtures = rng.dirichlet(np.ones(4), 12)
    b = np.array([[1.0, 2, 3, 4]])
    fitted = Linear().fit(mixtures, mixtures @ b.T, rng)
    assert np.allclose(fitted.parameters["b"], b, atol=1e-9)
    few = Linear().fit(mixtures[:2], mixtures[:2] @ b.T, rng)
    assert np.allclose(few.predict(mixtures[:2]), mixtures[:2] @ b.T)
    assert np.allclose(
        Constant().fit(mixtures, mixtures @ b.T, rng).parameters["mean"], (mixtures @ b.T).mean()
    )


def test_jackknife_plus_by_hand():
    predictions = np.array([[1.0], [2], [3], [4]])
    residuals, fold = np.array([0.1, -0.2, 0.3, -0.4]), np.arange(4)
    # ceil(.8 * 5) = 4: the greatest of mu + |R|, the least of mu - |R|
    low, high = jackknife_plus(predictions, residuals, fold, 0.8)
    assert np.allclose([low[0], high[0]], [0.9, 4.4])
    # ceil(.6 * 5) = 3
    low, high = jackknife_plus(predictions, residuals, fold, 0.6)
    assert np.allclose([low[0], high[0]], [1.8, 3.3])
    low, high = jackknife_plus(predictions, residuals, fold, 0.9)
    assert (low[0], high[0]) == (-np.inf, np.inf)
    with pytest.raises(ValueError, match=r"'level' must be in \(0, 1\). Got 90"):
        jackknife_plus(predictions, residuals, fold, 90)


@pytest.mark.parametrize("n", [20, 40])
def test_intervals_hold_what_they_should(n):
    rng = np.random.default_rng(8)
    law, noise, held, held_gain = Exponential(n_starts=2), 0.02, [], []
    for _ in range(12 if n < 30 else 24):
        theta, mixtures, losses = runs(law, n, rng, noise)
        fitted = law.fit(mixtures, losses[:, :1], rng)
        fresh = rng.dirichlet(np.ones(N_DOMAINS), 40)
        truth = law.values(theta[:1], fresh).T
        new = truth + noise * rng.normal(size=truth.shape)
        low, high = fitted.interval(fresh)
        held.append(((low <= new) & (new <= high)).mean())
        for first, second in zip(range(0, 40, 2), range(1, 40, 2), strict=True):
            bounds = fitted.difference_interval(fresh[first], fresh[second], [1.0])
            held_gain.append(bounds[0] <= float(new[first, 0] - new[second, 0]) <= bounds[1])
    assert 0.84 < np.mean(held) < 0.97
    assert 0.84 < np.mean(held_gain) < 0.97


def test_held_out_predictions_are_those_of_laws_that_had_not_seen_the_run():
    law = Exponential(n_starts=1)
    _, mixtures, losses = runs(law, 40, np.random.default_rng(5), 0.02)
    fitted = law.fit(mixtures, losses, np.random.default_rng(0))
    predicted, low, high = fitted.held_out_predictions(0.8)
    fold = fitted.held_out.fold
    for held, model in enumerate(fitted.held_out.models):
        assert np.allclose(predicted[fold == held], model.predict(mixtures[fold == held]))
    inside = ((low <= losses) & (losses <= high)).mean()
    assert 0.7 < inside < 0.92
    weights = np.array([0.5, 0.25, 0.25])
    total, _, _ = fitted.held_out_predictions(0.8, weights=weights)
    assert np.allclose(total[:, 0], predicted @ weights)


def test_a_runs_own_error_is_no_part_of_its_interval():
    residuals, fold = np.array([9.0, 1.0, -2.0, 3.0, 4.0]), np.arange(5)
    assert leave_out_radii(residuals, fold, 0.8).tolist() == [4, 9, 9, 9, 9]
    assert leave_out_radii(residuals, fold, 0.6).tolist() == [3, 4, 4, 4, 3]
    assert np.isinf(leave_out_radii(residuals, fold, 0.9)).all()


def test_the_interval_of_a_weighted_sum_is_one_interval():
    law = Exponential(n_starts=2)
    _, mixtures, losses = runs(law, 14, np.random.default_rng(9), 0.02)
    fitted = law.fit(mixtures, losses, np.random.default_rng(0))
    low, high = fitted.interval(mixtures, weights=[0, 1, 0])
    every_low, every_high = fitted.interval(mixtures)
    assert np.allclose(low[:, 0], every_low[:, 1])
    assert np.allclose(high[:, 0], every_high[:, 1])
    with pytest.raises(ValueError, match="one for each of 3 targets"):
        fitted.interval(mixtures, weights=[1, 1])


@pytest.mark.parametrize("law", [Exponential, Additive])
def test_specs_are_checked(law):
    with pytest.raises(ValueError, match=f"'n_starts' of {law.__name__} must be at least 1. Got 0"):
        law(n_starts=0)
    with pytest.raises(ValueError, match=f"'shrinkage' of {law.__name__} must be in"):
        law(shrinkage=-1.0)
    with pytest.raises(ValueError, match=r"must be >= 0. Got -1.0 in row 1, target 0"):
        law().fit([[0.5, 0.5], [0.2, 0.8]], [[1.0], [-1.0]], np.random.default_rng(0))


def test_mixtures_of_other_domains_are_refused():
    fitted = Linear().fit([[0.5, 0.5], [0.2, 0.8]], [[1.0], [2.0]], np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"must have the 2 domains the law was fitted on. Got 3"):
        fitted.predict(check_mixtures([[0.2, 0.3, 0.5]]))
