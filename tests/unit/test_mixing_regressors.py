"""Regressors: a Gaussian process against scikit-learn's, trees, their average, and the choice."""

import json

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from mixing import (
    Additive,
    Constant,
    Ensemble,
    FittedLaw,
    GaussianProcess,
    LightGBM,
    Linear,
    choose,
    select_law,
)
from mixing.gaussian import Features, Hyperparameters, Process, matern

RNG = np.random.default_rng


def bumpy(mixtures):
    """Losses that fall with one domain, and rise again with too much of it: no law's shape."""
    return 2 + 2 * (mixtures[:, :1] - 0.4) ** 2 + 0.5 * mixtures[:, 1:2] * mixtures[:, 2:3]


def test_features_are_zero_at_none_and_one_at_all():
    features = Features(offset=0.01)
    corners = features(np.eye(2))
    assert np.allclose(corners, np.stack([np.eye(2)] * 2))
    shares, step = np.array([[0.2, 0.8]]), 1e-6
    rise = (features(shares + step) - features(shares - step)) / (2 * step)
    assert np.allclose(features.slopes(shares), rise, rtol=1e-6)


def test_the_offset_is_half_the_least_share_that_is_there():
    assert Features.of(np.array([[0.0, 1.0], [0.04, 0.96]])).offset == 0.02
    assert Features.of(np.array([[1e-9, 1.0]])).offset == 1e-4


def test_predictions_are_those_of_scikit_learn():
    mixtures, fresh = RNG(0).dirichlet(np.ones(3), 30), RNG(1).dirichlet(np.ones(3), 7)
    values = bumpy(mixtures)[:, 0]
    values = (values - values.mean()) / values.std()
    scales, amplitude, noise = np.array([0.5, 0.8, 1.5]), 1.3, 0.2
    found = Hyperparameters(log=np.log([*scales, amplitude, 1e-9, noise]), noise=np.ones(30))
    features = Features.of(mixtures)
    process = Process(features(mixtures), values, 2.0)
    squares = (np.subtract(features(fresh)[:, :, None], features(mixtures)[:, None]) ** 2).sum(0)
    ours = matern(squares @ scales**-2.0, amplitude**2)[0] @ process.weights(found)
    theirs = GaussianProcessRegressor(
        ConstantKernel(amplitude**2) * Matern(np.tile(scales, 2), nu=2.5),
        alpha=noise**2 + 1e-8,
        optimizer=None,
    ).fit(np.concatenate(features(mixtures), axis=1), values)
    assert np.allclose(ours, theirs.predict(np.concatenate(features(fresh), axis=1)), atol=1e-8)


def test_the_slope_of_the_posterior_agrees_with_finite_differences():
    mixtures = RNG(0).dirichlet(np.ones(3), 12)
    process = Process(Features.of(mixtures)(mixtures), RNG(1).normal(size=12), 2.0)
    log, noise, centre = RNG(2).normal(size=6), RNG(3).uniform(0.5, 2, 12), np.zeros(6)
    _, gradient = process._negative_log_posterior(log, noise, centre)
    for k, unit in enumerate(np.eye(6)):
        ends = [
            process._negative_log_posterior(log + sign * 1e-6 * unit, noise, centre)[0]
            for sign in (1, -1)
        ]
        assert gradient[k] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-6)


def test_it_bends_where_no_law_can():
    mixtures, fresh = RNG(0).dirichlet(np.ones(3), 60), RNG(1).dirichlet(np.full(3, 2.0), 200)
    losses = bumpy(mixtures) + 0.005 * RNG(2).normal(size=(60, 1))
    error = {
        law.name: np.abs(law.fit(mixtures, losses, RNG(0)).predict(fresh) - bumpy(fresh)).mean()
        for law in (GaussianProcess(), Additive(n_starts=4), Linear())
    }
    assert error["gaussian-process"] < 0.01
    assert error["gaussian-process"] < 0.3 * min(error["additive"], error["linear"])


def test_runs_that_went_astray_do_little_harm():
    mixtures, fresh = RNG(0).dirichlet(np.ones(3), 60), RNG(1).dirichlet(np.full(3, 2.0), 200)
    losses = bumpy(mixtures) + 0.005 * RNG(2).normal(size=(60, 1))
    losses[::12] += 0.5
    error = {
        freedom: np.abs(
            GaussianProcess(degrees_of_freedom=freedom).fit(mixtures, losses, RNG(0)).predict(fresh)
            - bumpy(fresh)
        ).mean()
        for freedom in (2.0, np.inf)
    }
    assert error[2.0] < 0.3 * error[np.inf]


def test_far_from_the_runs_it_goes_back_to_its_mean():
    mixtures = np.column_stack([t := RNG(0).uniform(0.4, 0.6, 25), 1 - t])
    losses = mixtures @ [[1.0], [3.0]] + 0.1 * np.sin(60 * mixtures[:, :1])
    corner = np.array([[0.02, 0.98]])
    around = GaussianProcess(mean=Linear()).fit(mixtures, losses, RNG(0)).predict(corner)
    assert around[0, 0] == pytest.approx(0.02 + 3 * 0.98, abs=0.25)


def test_losses_of_either_sign_are_modelled_as_they_are():
    mixtures = RNG(0).dirichlet(np.ones(3), 30)
    losses = bumpy(mixtures) - bumpy(mixtures).mean()
    fitted = GaussianProcess().fit(mixtures, losses, RNG(0))
    assert np.abs(fitted.predict(mixtures) - losses).max() < 0.05
    shifted = GaussianProcess().fit(mixtures, losses * 100, RNG(0))
    assert np.allclose(shifted.predict(mixtures), 100 * fitted.predict(mixtures), atol=1e-3)


def test_an_ensemble_is_the_mean_of_its_members():
    mixtures = RNG(0).dirichlet(np.ones(3), 14)
    losses = bumpy(mixtures)
    members = (Linear(), Constant())
    fitted = Ensemble(members=members).fit(mixtures, losses, RNG(0))
    single = [law.fit(mixtures, losses, RNG(0)) for law in members]
    fresh = RNG(1).dirichlet(np.ones(3), 5)
    assert np.allclose(fitted.predict(fresh), np.mean([f.predict(fresh) for f in single], axis=0))
    assert np.allclose(fitted.gradient(fresh), np.mean([f.gradient(fresh) for f in single], axis=0))


def test_a_nested_law_is_stored_and_restored():
    mixtures = RNG(0).dirichlet(np.ones(3), 12)
    law = Ensemble(members=(Linear(), GaussianProcess(mean=Additive(n_starts=2))))
    fitted = law.fit(mixtures, bumpy(mixtures), RNG(0))
    restored = FittedLaw.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert restored.law == law
    assert np.array_equal(restored.predict(mixtures), fitted.predict(mixtures))
    assert np.array_equal(restored.interval(mixtures), fitted.interval(mixtures))


def test_trees_follow_a_step_and_have_no_slope():
    mixtures = RNG(0).dirichlet(np.ones(2), 200)
    losses = 1.0 + (mixtures[:, :1] > 0.5)
    fitted = LightGBM(n_estimators=200, learning_rate=0.1).fit(mixtures, losses, RNG(0))
    assert np.allclose(fitted.predict([[0.2, 0.8], [0.8, 0.2]]), [[1], [2]], atol=0.02)
    assert not fitted.law.differentiable
    with pytest.raises(TypeError, match="no gradient"):
        fitted.gradient(mixtures)


def test_the_law_with_the_least_held_out_error_is_chosen():
    mixtures = RNG(0).dirichlet(np.ones(3), 16)
    for losses, chosen in (
        (mixtures @ [[1.0], [2.0], [4.0]], "linear"),
        (RNG(4).normal(3, 0.01, (16, 1)), "constant"),
    ):
        found = select_law(
            mixtures, losses, RNG(0), candidates=[Constant(), Linear(), Additive(n_starts=2)]
        )
        assert found.law.law.name == chosen
        assert found.errors[chosen] == min(found.errors.values())
        assert set(found.errors) == {"constant", "linear", "additive"}
        assert found.errors["constant"] == pytest.approx(1)
        folds = {law.held_out.fold.tobytes() for law in found.candidates}
        assert len(folds) == 1


def test_the_ensemble_wins_what_the_runs_cannot_tell():
    noise = RNG(0).normal(size=40)
    noise -= noise.mean()
    law, far = np.full(40, 0.5), np.full(40, 0.9)
    assert choose({"additive": law, "ensemble": law + 0.01 + 0.2 * noise}) == "ensemble"
    assert choose({"additive": law, "ensemble": law + 0.2 + 0.2 * noise}) == "additive"
    assert choose({"additive": law, "linear": far}) == "additive"
    assert choose({"constant": law, "ensemble": law + 0.01 + 0.2 * noise}) == "constant"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianProcess(degrees_of_freedom=0), "'degrees_of_freedom' of GaussianProcess"),
        (lambda: Ensemble(members=(Linear(),)), "'members' of Ensemble must be at least 2"),
        (lambda: LightGBM(n_estimators=0), "'n_estimators' of LightGBM must be at least 1"),
        (lambda: LightGBM(learning_rate=2), "'learning_rate' of LightGBM"),
        (lambda: select_law([[1.0]], [[1.0]], RNG(0), candidates=[]), "at least one law"),
    ],
)
def test_bad_options_are_refused_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()
