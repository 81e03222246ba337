"""Optima against brute force, certificates, constraints that bind and constraints that conflict."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from mixing import Additive, Constant, Constraints, Exponential, Linear, optimize
from mixing.laws import Formula

PRIOR = np.array([0.5, 0.3, 0.2])
WEIGHTS = np.array([2.0, 1.0, 1.0])


def grid(step=1 / 200):
    n = round(1 / step)
    return (
        np.array([(a, b, n - a - b) for a, b in product(range(n + 1), repeat=2) if a + b <= n]) / n
    )


GRID = grid()


@pytest.fixture(scope="module", params=[Linear(), Exponential(n_starts=2), Additive(n_starts=3)])
def fitted(request):
    rng = np.random.default_rng(0)
    mixtures = rng.dirichlet(np.ones(3), 16)
    effect = np.array([[-2.5, 0.5, 0.2], [0.3, -2.0, 0.4], [0.2, 0.4, -1.0]])
    losses = 2 + np.exp(mixtures @ effect.T) + 0.01 * rng.normal(size=(16, 3))
    return request.param.fit(mixtures, losses, rng)


@pytest.mark.parametrize(
    ("constraints", "kl_strength"),
    [
        (Constraints(), 0.0),
        (Constraints(), 0.1),
        (Constraints(upper=(0.25, 1.0, 0.3)), 0.0),
        (Constraints(lower=(0.0, 0.0, 0.45), upper=(0.35, 1.0, 1.0)), 0.02),
        (Constraints(available_tokens=(5e9, 1e9, 50e9), budget_tokens=20e9), 0.0),
        (Constraints(upper=(1.0, 0.0, 1.0)), 0.0),
        (Constraints(lower=(0.2, 0.3, 0.5)), 0.0),
    ],
)
def test_no_point_of_the_grid_is_better(fitted, constraints, kl_strength):
    best = optimize(
        fitted,
        prior=PRIOR,
        weights=WEIGHTS,
        constraints=constraints,
        kl_strength=kl_strength,
    )
    lower, upper = constraints.bounds(3)
    assert np.isclose(best.mixture.sum(), 1, atol=1e-12)
    assert (best.mixture >= lower - 1e-12).all()
    assert (best.mixture <= upper + 1e-12).all()
    assert best.gap is not None
    assert best.gap <= 1e-6

    def objective(mixtures):
        logs = np.log(np.maximum(mixtures, 1e-300) / PRIOR)
        divergence = (mixtures * logs).sum(axis=1)
        return fitted.predict(mixtures) @ WEIGHTS / 4 + kl_strength * divergence

    inside = ((lower - 1e-12 <= GRID) & (upper + 1e-12 >= GRID)).all(axis=1)
    least = objective(GRID[inside]).min()
    reached = objective(best.mixture[None])[0]
    assert least - 2e-3 < reached <= least + 1e-9
    # A certificate is a bound: what is below the optimum is below it by the gap at most.
    assert least >= reached - best.gap - 1e-12


def test_the_gain_is_over_the_proportional_mixture(fitted):
    best = optimize(fitted, prior=PRIOR, weights=WEIGHTS)
    losses = fitted.predict(np.stack([PRIOR, best.mixture]))
    assert np.allclose(best.baseline_losses, losses[0])
    assert np.isclose(best.loss, losses[1] @ WEIGHTS / 4)
    assert np.isclose(best.gain, (losses[0] - losses[1]) @ WEIGHTS / 4)
    assert best.gain_interval[0] < best.gain < best.gain_interval[1]
    assert best.gain_holds_zero == (best.gain_interval[0] <= 0 <= best.gain_interval[1])
    assert best.interval[0] < best.loss < best.interval[1]
    assert best.certificate.startswith("Frank-Wolfe gap")


def test_a_large_gain_is_told_from_none():
    rng = np.random.default_rng(1)
    mixtures = rng.dirichlet(np.ones(3), 20)
    losses = 2 + np.exp(mixtures @ [[-3.0], [1.0], [1.0]])
    real = losses + 0.01 * rng.normal(size=losses.shape)
    assert not optimize(Exponential().fit(mixtures, real, rng), prior=PRIOR).gain_holds_zero
    noise = 3 + 0.1 * rng.normal(size=losses.shape)
    assert optimize(Additive().fit(mixtures, noise, rng), prior=PRIOR).gain_holds_zero


def test_the_mean_has_no_opinion():
    fitted = Constant().fit(
        [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]], [[1.0], [2.0]], np.random.default_rng(0)
    )
    best = optimize(fitted, prior=PRIOR)
    assert np.allclose(best.mixture, PRIOR)
    assert (best.gain, best.gap) == (0, 0)
    assert best.interval == (-np.inf, np.inf)  # two runs support no interval


def test_many_domains_reach_the_gap():
    rng = np.random.default_rng(2)
    n = 17
    mixtures = rng.dirichlet(np.full(n, 0.3), 60)
    own = np.maximum(mixtures @ np.eye(n, 4), 1e-4)
    losses = 1.5 + own**-0.1
    fitted = Additive(n_starts=1).fit(mixtures, losses, rng)
    available = tuple(rng.dirichlet(np.ones(n)) * 50e9)
    for kl_strength in (0.0, 0.05):
        best = optimize(
            fitted,
            prior=np.full(n, 1 / n),
            constraints=Constraints(available_tokens=available, budget_tokens=40e9, max_epochs=2),
            kl_strength=kl_strength,
        )
        assert best.gap is not None
        assert best.gap <= 1e-6


def test_regularisation_ends_at_the_prior(fitted):
    strong = optimize(fitted, prior=PRIOR, kl_strength=1e4)
    assert np.allclose(strong.mixture, PRIOR, atol=1e-3)


def test_a_share_that_must_all_but_vanish_does_not_stop_the_descent():
    rng = np.random.default_rng(4)
    mixtures = rng.dirichlet(np.ones(4), 12)
    losses = 1e6 * (mixtures @ [[4.0], [3.0], [2.0], [1.0]])
    fitted = Linear().fit(mixtures, losses, rng)
    best = optimize(fitted, prior=np.full(4, 0.25), kl_strength=0.1)
    assert np.allclose(best.mixture, [0, 0, 0, 1])
    assert best.gap is not None
    assert best.gap <= 1e-6 * best.loss


@dataclass(frozen=True, kw_only=True)
class Concave(Formula):
    """-Σ b_j r_j²: every corner is a local optimum."""

    name = "concave"
    convex = False

    def n_parameters(self, n_domains):
        return n_domains

    def values(self, theta, mixtures):
        return -theta @ mixtures.T**2

    def gradient(self, theta, mixtures):
        return -2 * theta[..., None, :] * mixtures

    def named(self, theta):
        return {"b": theta}

    def estimate(self, inputs, losses, subsets, rng):  # noqa: ARG002
        theta = [np.linalg.lstsq(-(inputs[k] ** 2), losses[k])[0].T for k in subsets]
        return np.array(theta), np.ones(losses.shape[1])


def test_a_law_that_is_not_convex_has_no_certificate():
    rng = np.random.default_rng(3)
    mixtures = rng.dirichlet(np.ones(3), 12)
    fitted = Concave().fit(mixtures, -(mixtures**2) @ [[1.0], [1.1], [3.0]], rng)
    best = optimize(fitted, prior=[0.8, 0.1, 0.1])
    assert best.gap is None
    assert best.certificate == "no certificate"
    assert np.allclose(best.mixture, [0, 0, 1])


def test_conflicting_constraints_name_themselves_and_the_domains():
    names = ("web", "code", "books")
    cases = [
        (Constraints(lower=(0.5, 0, 0), upper=(0.4, 1, 1), names=names),
         "'web': lower bound 0.5 > upper bound 0.4"),
        (Constraints(lower=(0, 0.5, 0), available_tokens=(1e9, 1e9, 9e9), budget_tokens=10e9,
                     names=names),
         r"'code': lower bound 0.5 > repetition cap \(4 epochs of the available tokens\) 0.4"),
        (Constraints(lower=(0.5, 0.4, 0.2), names=names),
         "lower bounds sum to 1.1 > 1: 'web' 0.5, 'code' 0.4, 'books' 0.2"),
        (Constraints(upper=(0.3, 1, 1), available_tokens=(9e9, 1e9, 1e9), budget_tokens=20e9,
                     names=names),
         "upper bound: 'web' 0.3; repetition cap .*: 'code' 0.2, 'books' 0.2; together they "
         "admit 0.7 < 1"),
        (Constraints(upper=(0.3, 0.3, 0.3)), "domain 0 0.3, domain 1 0.3, domain 2 0.3"),
    ]  # fmt: skip
    for constraints, message in cases:
        with pytest.raises(ValueError, match=message):
            constraints.bounds(3)


def test_constraints_are_checked():
    for wrong, message in [
        ({"lower": (1.5, 0)}, r"'lower' of Constraints must be in \[0, 1\]"),
        ({"upper": (float("nan"), 0)}, r"'upper' of Constraints must be in \[0, 1\]"),
        ({"budget_tokens": 1e9}, "give both or neither"),
        ({"available_tokens": (1, -1), "budget_tokens": 1}, "must be finite and >= 0"),
        (
            {"available_tokens": (1, 1), "budget_tokens": 0},
            "'budget_tokens' of Constraints must be",
        ),
        ({"max_epochs": 0}, "'max_epochs' of Constraints must be > 0. Got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            Constraints(**wrong)
    with pytest.raises(ValueError, match=r"must have 3 values, one for each domain. Got 2"):
        Constraints(lower=(0, 0)).bounds(3)


def test_arguments_are_checked(fitted):
    for wrong, message in [
        ({"weights": [1, 1]}, "one for each of 3 targets"),
        ({"weights": [1, -1, 1]}, "must be >= 0"),
        ({"weights": [0, 0, 0]}, "not all zero"),
        ({"kl_strength": -1.0}, "'kl_strength' must be in"),
        ({"prior": [0.5, 0.5]}, "'prior' must have 3 domains. Got 2"),
        ({"prior": [0.5, 0.5, 0], "kl_strength": 0.1}, "must give a share to every domain"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimize(fitted, **({"prior": PRIOR} | wrong))
