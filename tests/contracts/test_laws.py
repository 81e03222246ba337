"""What every mixing law owes its users, whatever its formula."""

import dataclasses
import json

import numpy as np
import pytest

from curate.registry import BUILT_IN
from mixing import LAWS, Ensemble, FittedLaw, GaussianProcess, Law, LightGBM, Linear, find_law
from mixing.laws import Constant, NonlinearLaw

SMALL = {
    "lightgbm": LightGBM(n_estimators=50, learning_rate=0.2),
    "m2": find_law("m2")(),
    "ensemble": Ensemble(members=(Linear(), GaussianProcess())),
}


def small(name):
    """A law that is quickly fitted."""
    if name in SMALL:
        return SMALL[name]
    law = find_law(name)
    return law(n_starts=4) if issubclass(law, NonlinearLaw) else law()


EVERY = [small(name) for name in LAWS]
every_law = pytest.mark.parametrize("law", EVERY, ids=lambda law: law.name)
CONVEX = [law for law in EVERY if law.convex]
SMOOTH = [law for law in EVERY if law.differentiable]


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    mixtures = rng.dirichlet(np.ones(3), 12)
    effect = np.array([[-1.5, 0.5, 0.2], [0.3, -2.0, 0.4]])
    return mixtures, 2 + np.exp(mixtures @ effect.T) + 0.01 * rng.normal(size=(12, 2))


def fit(law, mixtures, losses):
    if not law.covariates:
        return law.fit(mixtures, losses, np.random.default_rng(7))
    # A law that reads scale gets one that follows from the mixture, and predicts at one.
    shares = np.asarray(mixtures)[:, :1]
    scale = dict(zip(("parameters", "tokens"), (1e8, 1e10), strict=True))
    covariates = np.hstack([scale[name] * (1 + shares) for name in law.covariates])
    fitted = law.fit(mixtures, losses, np.random.default_rng(7), covariates=covariates)
    return fitted.at(**{name: scale[name] for name in law.covariates})


def test_names_are_those_of_the_command_line():
    assert {law.name for law in EVERY} == set(LAWS)
    assert all(isinstance(law, Law) for law in EVERY)
    built_in = {name: find_law(name) for name in LAWS}
    assert {name: f"{law.__module__}:{law.__name__}" for name, law in built_in.items()} == BUILT_IN[
        "laws"
    ]


@every_law
def test_specs_are_frozen_and_keyword_only(law):
    with pytest.raises(dataclasses.FrozenInstanceError):
        law.name = "other"
    with pytest.raises(TypeError):
        type(law)(3)


@every_law
def test_same_seed_same_bytes_and_inputs_unmodified(law, runs):
    mixtures, losses = (array.copy() for array in runs)
    first, second = fit(law, mixtures, losses), fit(law, mixtures, losses)
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    assert np.array_equal(mixtures, runs[0])
    assert np.array_equal(losses, runs[1])


@every_law
def test_the_order_of_runs_does_not_matter(law, runs):
    mixtures, losses = runs
    order = np.random.default_rng(1).permutation(len(mixtures))
    first, second = fit(law, mixtures, losses), fit(law, mixtures[order], losses[order])
    assert np.allclose(first.predict(mixtures), second.predict(mixtures), atol=1e-5)
    assert np.allclose(first.report.held_out_error, second.report.held_out_error, atol=1e-4)


@every_law
def test_targets_know_nothing_of_each_other(law, runs):
    mixtures, losses = runs
    both = fit(law, mixtures, losses)
    swapped = fit(law, mixtures, losses[:, ::-1])
    single = fit(law, mixtures, losses[:, 1:])
    assert single.predict(mixtures).shape == (12, 1)
    assert np.allclose(both.predict(mixtures), swapped.predict(mixtures)[:, ::-1], atol=1e-9)
    assert np.allclose(both.predict(mixtures)[:, 1:], single.predict(mixtures), atol=1e-9)


@pytest.mark.parametrize("law", SMOOTH, ids=lambda law: law.name)
def test_gradient_agrees_with_finite_differences(law, runs):
    fitted = fit(law, *runs)
    mixtures = np.random.default_rng(2).dirichlet(np.ones(3), 5) * 0.9 + 0.1 / 3
    gradient = fitted.gradient(mixtures)
    assert gradient.shape == (5, 2, 3)
    step = 1e-6
    for one, other in ((0, 1), (1, 2)):
        along = np.eye(3)[one] - np.eye(3)[other]
        rise = fitted.predict(mixtures + step * along) - fitted.predict(mixtures - step * along)
        assert np.allclose(gradient @ along, rise / (2 * step), atol=1e-6)


@pytest.mark.parametrize("law", CONVEX, ids=lambda law: law.name)
def test_a_law_that_says_so_is_convex(law, runs):
    fitted = fit(law, *runs)
    one, other = np.random.default_rng(3).dirichlet(np.full(3, 0.3), (2, 500))
    middle = fitted.predict((one + other) / 2)
    assert (middle <= (fitted.predict(one) + fitted.predict(other)) / 2 + 1e-12).all()


@every_law
def test_storing_and_restoring_is_exact(law, runs):
    fitted = fit(law, *runs)
    restored = FittedLaw.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert restored.law == law
    assert restored.report == fitted.report
    assert restored.to_dict() == fitted.to_dict()
    mixtures = runs[0]
    assert np.array_equal(restored.predict(mixtures), fitted.predict(mixtures))
    if law.differentiable:
        assert np.array_equal(restored.gradient(mixtures), fitted.gradient(mixtures))
    assert np.array_equal(restored.interval(mixtures), fitted.interval(mixtures))


@every_law
def test_intervals_surround_and_widen(law, runs):
    fitted = fit(law, *runs)
    mixtures = runs[0]
    low, high = fitted.interval(mixtures, 0.9)
    assert low.shape == high.shape == (12, 2)
    assert (low < high).all()
    narrow = fitted.interval(mixtures, 0.5)
    assert (narrow[0] >= low).all()
    assert (narrow[1] <= high).all()


@every_law
def test_the_report_stands_beside_the_baselines(law, runs):
    fitted = fit(law, *runs)
    report = fitted.report
    assert (report.n_runs, report.n_parameters) == (12, law.n_parameters(3))
    baseline = fit(Constant(), *runs).report
    assert report.held_out_error_constant == baseline.held_out_error
    assert report.held_out_error_linear == baseline.held_out_error_linear
    assert all(len(values) == 2 for values in fitted.parameters.values())


@every_law
def test_duplicates_are_held_out_together(law, runs):
    mixtures, losses = (np.concatenate([array, array]) for array in runs)
    doubled, single = fit(law, mixtures, losses), fit(law, *runs)
    # The prior counts for half as much; the rest is the same.
    assert np.allclose(
        doubled.report.held_out_error, single.report.held_out_error, rtol=0.3, atol=0.005
    )
    assert doubled.report.n_runs == 24


@every_law
def test_equal_losses_are_a_flat_law(law, runs):
    mixtures = runs[0]
    fitted = fit(law, mixtures, np.full((12, 1), 3.0))
    assert np.allclose(fitted.predict(mixtures), 3, atol=1e-3)
    zero = fit(law, mixtures, np.zeros((12, 1)))
    assert np.allclose(zero.predict(mixtures), 0, atol=1e-2)


@every_law
def test_bad_runs_are_refused_in_words(law, runs):
    mixtures, losses = runs
    broken = losses.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"'losses' must be finite. Got nan in row 3, target 1"):
        fit(law, mixtures, broken)
    with pytest.raises(ValueError, match="a single target is losses"):
        fit(law, mixtures, losses[:, 0])
    with pytest.raises(ValueError, match=r"\[runs=12, targets\].*Got shape \(11, 2\)"):
        fit(law, mixtures, losses[1:])
    with pytest.raises(ValueError, match="at least 2 distinct rows"):
        fit(law, mixtures[[0, 0, 0]], losses[:3])
    broken = mixtures.copy()
    broken[2, 0] = np.nan
    with pytest.raises(ValueError, match="Got in row 2"):
        fit(law, broken, losses)


def test_an_unknown_law_is_not_restored(runs):
    stored = fit(Linear(), *runs).to_dict() | {"law": "quadratic"}
    with pytest.raises(ValueError, match=r"'law' must be one of.*Got 'quadratic'"):
        FittedLaw.from_dict(stored)
