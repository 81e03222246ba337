"""Optima against brute force, certificates, constraints that bind and constraints that conflict."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from mixing import Additive, Constant, Constraints, Exponential, Group, Linear, optimize
from mixing.descent import Objective
from mixing.laws import Formula
from mixing.simulate import simulate

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
        (Constraints(groups=(Group(domains=(0, 2), lower=0.75),)), 0.0),
        (
            Constraints(
                upper=(0.6, 1, 1),
                groups=(
                    Group(domains=(0, 1), upper=0.5),
                    Group(domains=(1, 2), lower=0.55, upper=0.7),
                ),
            ),
            0.05,
        ),
        (
            Constraints(
                groups=(
                    Group(domains=(0, 1), lower=0.5, upper=0.5),
                    Group(domains=(2,), lower=0.5, upper=0.5),
                    Group(domains=(1, 2), lower=0.6),
                )
            ),
            0.0,
        ),
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

    assert constraints.violated(best.mixture) == ()
    met = [GRID @ limit.row <= limit.at_most + 1e-9 for limit in constraints.limits(3)]
    inside = np.all([GRID[:, 0] >= 0, *met], axis=0)
    least = objective(GRID[inside]).min()
    reached = objective(best.mixture[None])[0]
    assert least - 2e-3 < reached <= least + 1e-9
    # A certificate is a bound: what is below the optimum is below it by the gap at most.
    assert least >= reached - best.gap - 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_groups_that_overlap_against_another_solver(seed):
    rng = np.random.default_rng(seed)
    n = 6
    mixtures = rng.dirichlet(np.ones(n), 18)
    losses = 1 + 1 / (mixtures**0.5 @ rng.uniform(0.1, 2, (n, 2)))
    law = (Additive(n_starts=1), Exponential(n_starts=1))[seed % 2].fit(mixtures, losses, rng)
    groups = (Group(domains=(0, 1, 2), lower=0.6), Group(domains=(2, 3), upper=0.3),
              Group(domains=(1, 2, 4), lower=0.5))  # fmt: skip
    prior = rng.dirichlet(np.full(n, 5.0))
    best = optimize(law, prior=prior, constraints=Constraints(groups=groups), kl_strength=0.02)
    assert best.gap is not None
    assert best.gap <= 1e-6
    totals = [best.mixture[list(group.domains)].sum() for group in groups]
    assert totals[0] >= 0.6 - 1e-12
    assert totals[1] <= 0.3 + 1e-12
    assert totals[2] >= 0.5 - 1e-12

    def objective(mixture):
        mixture = np.maximum(mixture, 1e-12)
        losses = law.model.predict(mixture[None])[0]
        return losses.mean() + 0.02 * (mixture * np.log(mixture / prior)).sum()

    within = [
        LinearConstraint(np.ones(n), 1, 1),
        LinearConstraint([1, 1, 1, 0, 0, 0], 0.6, 1),
        LinearConstraint([0, 0, 1, 1, 0, 0], 0, 0.3),
        LinearConstraint([0, 1, 1, 0, 1, 0], 0.5, 1),
    ]
    found = [
        minimize(objective, start, method="SLSQP", bounds=[(1e-9, 1)] * n, constraints=within)
        for start in rng.dirichlet(np.ones(n), 4)
    ]
    others = [one.fun for one in found if one.success]
    assert others
    assert objective(best.mixture) <= min(others) + 1e-6
    assert min(others) >= objective(best.mixture) - best.gap - 1e-6


def test_a_floor_for_a_group_holds_exactly_where_the_law_would_leave_it():
    rng = np.random.default_rng(5)
    mixtures = rng.dirichlet(np.ones(4), 16)
    law = Linear().fit(mixtures, mixtures @ [[2.0], [1.9], [1.8], [1.0]], rng)
    real = Group(domains=(0, 1), lower=0.37)
    best = optimize(law, prior=[0.25] * 4, constraints=Constraints(groups=(real,)))
    assert np.allclose(best.mixture, [0, 0.37, 0, 0.63], atol=1e-12)


def test_stronger_regularisation_pulls_nearer_to_the_prior(fitted):
    room = Constraints(groups=(Group(domains=(2,), upper=0.5),))
    apart = [
        np.abs(optimize(fitted, prior=PRIOR, constraints=room, kl_strength=k).mixture - PRIOR).sum()
        for k in (0.0, 0.05, 0.5, 50.0)
    ]
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 0.05 < apart[0]


def test_simulation_averages_the_best_feasible_draws(fitted):
    room = Constraints(lower=(0.1, 0, 0), groups=(Group(domains=(0, 1), lower=0.6),)).polytope(3)
    objective = Objective(law=fitted, weights=WEIGHTS / 4, prior=PRIOR, kl_strength=0.0, room=room)
    mean = simulate(objective, np.random.default_rng(7), n_draws=3000, n_best=128)
    drawn = room.bring(np.random.default_rng(7).dirichlet(PRIOR, size=3000))
    order = np.argsort(fitted.predict(drawn) @ WEIGHTS, kind="stable")[:128]
    assert np.allclose(mean, drawn[order].mean(axis=0), atol=1e-12)
    assert mean[0] >= 0.1 - 1e-12
    assert mean[:2].sum() >= 0.6 - 1e-12


def test_simulation_comes_near_the_optimum_and_says_how_near(fitted):
    best = optimize(fitted, prior=PRIOR, weights=WEIGHTS)
    near = optimize(fitted, prior=PRIOR, weights=WEIGHTS, method="simulate",
                    rng=np.random.default_rng(0))  # fmt: skip
    assert (best.method, near.method) == ("descent", "simulate")
    assert best.loss - 1e-9 <= near.loss < best.loss + 5e-3
    assert near.gap is not None
    assert near.gap >= near.loss - best.loss - 1e-9
    again = optimize(fitted, prior=PRIOR, weights=WEIGHTS, method="simulate",
                     rng=np.random.default_rng(0))  # fmt: skip
    assert np.array_equal(near.mixture, again.mixture)


def test_every_mixture_that_needs_no_law_stands_beside_the_proposal(fitted):
    limits = Constraints(available_tokens=(9e9, 1e9, 9e9), budget_tokens=10e9, max_epochs=2,
                         groups=(Group(domains=(0,), upper=0.45, name="web"),))  # fmt: skip
    kept = np.array([9, 1, 9]) / 19
    best = optimize(fitted, prior=PRIOR, proportional=kept, weights=WEIGHTS, constraints=limits)
    assert list(best.compared) == ["proportional", "prior", "uniform", "unimax"]
    for name, mixture in {
        "proportional": kept, "prior": PRIOR, "uniform": [1 / 3] * 3, "unimax": [0.4, 0.2, 0.4],
    }.items():  # fmt: skip
        one = best.compared[name]
        assert np.allclose(one.mixture, mixture)
        assert np.isclose(one.loss, fitted.predict([mixture])[0] @ WEIGHTS / 4)
        assert np.isclose(one.gain, one.loss - best.loss)
        wanted = fitted.difference_interval(mixture, best.mixture, WEIGHTS / 4, best.level)
        assert np.allclose(one.gain_interval, wanted)
        assert one.gain_holds_zero == (wanted[0] <= 0 <= wanted[1])
    cap = "domain 1: repetition cap (2 epochs of the available tokens) 0.2"
    assert best.compared["prior"].violations == (cap, "group 'web': at most 0.45")
    assert best.compared["uniform"].violations == (cap,)
    assert best.compared["unimax"].violations == ()
    assert np.array_equal(best.baseline, best.compared["proportional"].mixture)
    alone = optimize(fitted, prior=PRIOR)
    assert list(alone.compared) == ["proportional", "prior", "uniform"]
    assert np.array_equal(alone.baseline, PRIOR)


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


def test_the_bounds_that_hold_an_optimum_are_named(fitted):
    free = optimize(fitted, prior=PRIOR)
    greatest = int(np.argmax(free.mixture))
    upper = np.where(np.arange(3) == greatest, free.mixture[greatest] / 2, 1.0)
    held = optimize(fitted, prior=PRIOR, constraints=Constraints(upper=tuple(upper)))
    named = f"domain {greatest}: upper bound {upper[greatest]:.6g}"
    assert named in held.binding
    assert all("a share of 0" in other for other in held.binding if other != named)
    assert not any("upper" in bound for bound in free.binding)
    loose = tuple(np.minimum(1.0, free.mixture + 0.01))
    assert not any(
        "upper" in bound
        for bound in optimize(fitted, prior=PRIOR, constraints=Constraints(upper=loose)).binding
    )


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


@dataclass(frozen=True, kw_only=True)
class Steps(Constant):
    """The mean, without slopes, as trees have none."""

    convex = False

    @property
    def differentiable(self):
        return False

    def gradient(self, theta, inputs):
        raise NotImplementedError


def test_a_law_without_slopes_is_simulated():
    rng = np.random.default_rng(0)
    law = Steps().fit(rng.dirichlet(np.ones(3), 12), rng.normal(size=(12, 1)), rng)
    best = optimize(law, prior=PRIOR, rng=rng)
    assert best.method == "simulate"
    assert best.certificate == "no certificate"
    with pytest.raises(ValueError, match="'method' must be 'simulate' for Steps"):
        optimize(law, prior=PRIOR, method="descent")


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
        ({"proportional": [0.5, 0.5]}, "'proportional' must have 3 domains. Got 2"),
        ({"method": "guess"}, "'method' must be 'descent' or 'simulate'. Got 'guess'"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimize(fitted, **({"prior": PRIOR} | wrong))
