"""The engine against SciPy's, one fit at a time: same optima, whatever the batch."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from mixing import Additive, Exponential
from mixing.fit import Curve, least_squares_multistart, spread
from mixing.levenberg import Problems, minimise

LAWS = [
    Exponential(shrinkage=0),
    Exponential(),
    Exponential(shrinkage=0.5),
    Additive(shrinkage=0.03),
    Additive(),
    Additive(shrinkage=0.5),
]
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{law.name}-{law.shrinkage}")


def table(seed, n=20, n_domains=3, n_targets=2, noise=0.05):
    """Runs with enough noise and curvature that several bounds hold."""
    rng = np.random.default_rng(seed)
    mixtures = rng.dirichlet(np.full(n_domains, 0.5), n)
    losses = 2 + (mixtures + 0.02) @ rng.uniform(-1, 1, (n_domains, n_targets))
    losses += 0.3 * np.maximum(mixtures[:, :n_targets], 1e-3) ** -0.2
    return mixtures, losses + noise * rng.normal(size=losses.shape)


def solve(law, mixtures, losses, subsets=None, n_starts=8, **options):
    if subsets is None:
        subsets = np.ones((1, len(mixtures)), bool)
    uniforms = np.random.default_rng(9).random((n_starts, law.n_parameters(mixtures.shape[1])))
    return least_squares_multistart(law, mixtures, losses, subsets, uniforms, **options)


def cost(law, theta, mixtures, losses, weights=1.0):
    """What the engine minimises, from its definition."""
    unit = spread(losses)
    rows, values = law.prior(mixtures)
    beside = rows @ law.rescale(theta, 1 / unit) - values
    misfit = (law.values(theta, mixtures) - losses) / unit
    return float((weights * misfit**2).sum() + (beside**2).sum())


def scipy_cost(law, mixtures, losses, n_starts=8):
    """The same, by SciPy from the same starts."""
    scaled = losses / spread(losses)
    low, high = law.bounds(mixtures, scaled)
    rows, values = law.prior(mixtures)
    uniforms = np.random.default_rng(9).random((n_starts, law.n_parameters(mixtures.shape[1])))
    return min(
        2
        * least_squares(
            lambda x: np.concatenate([law.values(x, mixtures) - scaled, rows @ x - values]),
            np.clip(start, low, high),
            jac=lambda x: np.concatenate([law.jacobian(x, mixtures), rows]),
            bounds=(low, high),
            method="dogbox",
            x_scale="jac",
            ftol=1e-12,
            xtol=1e-12,
            gtol=1e-12,
        ).cost
        for start in law.start(uniforms, mixtures, scaled)
    )


@every_law
def test_costs_are_scipys_or_lower(law):
    held = 0
    for seed in range(6):
        mixtures, losses = table(seed)
        found = solve(law, mixtures, losses).theta[0]
        for theta, own in zip(found, losses.T, strict=True):
            ours, theirs = cost(law, theta, mixtures, own), scipy_cost(law, mixtures, own)
            assert ours <= theirs * (1 + 1e-6)
            inside = law.rescale(theta, 1 / spread(own))
            low, high = law.bounds(mixtures, own / spread(own))
            assert (inside >= low - 1e-9).all()
            assert (inside <= high + 1e-9).all()
            held += np.isclose(inside, low).sum() + np.isclose(inside, high).sum()
    assert held or law.shrinkage > 0.1  # else no bound was active and the test shows little


def test_a_step_that_the_bounds_turn_uphill_is_no_convergence():
    rng = np.random.default_rng(11)
    mixtures = rng.choice([0, 0.25, 0.5, 1], (40, 4))
    mixtures = mixtures[mixtures.sum(axis=1) > 0]
    mixtures /= mixtures.sum(axis=1, keepdims=True)
    # A jump at zero sends the exponent of the first domain to its lower bound.
    losses = 2.7 + (mixtures[:, :1] == 0) + 0.1 * mixtures @ rng.random((4, 1))
    assert solve(Exponential(), mixtures, losses, n_starts=30).share_of_starts[0] > 0.9


@every_law
def test_a_subset_is_a_fit_to_its_rows_alone(law):
    mixtures, losses = table(1, n=14)
    subsets = np.ones((4, 14), bool)
    subsets[1, :3], subsets[2, 3:6], subsets[3, 6:9] = False, False, False
    found = solve(law, mixtures, losses, subsets).theta
    for theta, seen in zip(found[1:], subsets[1:], strict=True):
        alone = solve(law, mixtures[seen], losses[seen]).theta[0]
        for target, own in enumerate(losses[seen].T):
            ours = cost(law, theta[target], mixtures[seen], own)
            assert ours <= cost(law, alone[target], mixtures[seen], own) * (1 + 1e-6)


@every_law
def test_the_batch_does_not_change_a_fit(law):
    mixtures, losses = table(2, n_targets=3)
    subsets = np.ones((3, 20), bool)
    subsets[1, ::4], subsets[2, 1::4] = False, False
    together = solve(law, mixtures, losses, subsets).theta
    turned = solve(law, mixtures, losses[:, ::-1], subsets[[0, 2, 1]]).theta[[0, 2, 1], ::-1]
    single = [solve(law, mixtures, own[:, None], subsets).theta[:, 0] for own in losses.T]
    for other in (turned, np.stack(single, axis=1)):
        predicted = law.values(together, mixtures), law.values(other, mixtures)
        assert np.allclose(*predicted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("law", [Exponential(), Additive()])
def test_eliminating_the_floor_changes_nothing_but_the_way(law):
    @dataclass(frozen=True, kw_only=True)
    class Full(type(law)):
        floor: ClassVar[int | None] = None

    floors = []
    for seed in range(4):
        mixtures, losses = table(seed)
        whole, projected = (solve(one, mixtures, losses).theta[0] for one in (Full(), law))
        for one, other, own in zip(whole, projected, losses.T, strict=True):
            assert np.isclose(
                cost(law, one, mixtures, own), cost(law, other, mixtures, own), rtol=1e-6
            )
        floors.extend(projected[:, 0])
    assert min(floors) == 0 or law.name == "additive"  # a bound on the floor holds somewhere
    assert max(floors) > 0


def huber_cost(law, theta, mixtures, losses, limit):
    misfit = np.abs(law.values(theta, mixtures) - losses) / spread(losses)
    beyond = 2 * limit * misfit - limit**2
    return np.where(misfit <= limit, misfit**2, beyond).sum() + cost(
        law, theta, mixtures, losses, weights=0.0
    )


@pytest.mark.parametrize("law", [Exponential(), Additive()])
def test_huber_is_the_minimum_of_its_loss(law):
    mixtures, losses = table(3, n=30)
    losses[[4, 17], 0] += 1.5
    (theta,) = solve(law, mixtures, losses[:, :1], huber=1.345).theta[0]
    own, unit = losses[:, 0], spread(losses[:, 0])
    residuals = np.abs(law.values(theta, mixtures) - own) / unit
    limit = 1.345 * 1.4826 * np.median(residuals)
    assert (residuals > limit).sum() >= 2
    low, high = law.bounds(mixtures, own / unit)
    direct = minimize(
        lambda x: huber_cost(law, law.rescale(x, unit), mixtures, own, limit),
        law.rescale(theta, 1 / unit),
        bounds=list(zip(low, high, strict=True)),
        options={"ftol": 1e-14, "gtol": 1e-10, "maxfun": 100_000},
    )
    assert huber_cost(law, theta, mixtures, own, limit) <= direct.fun * (1 + 1e-6)


def test_huber_resists_runs_that_went_wrong():
    rng = np.random.default_rng(4)
    mixtures = rng.dirichlet(np.ones(3), 30)
    clean = 2 + np.exp(mixtures @ [[-1.5], [0.5], [0.2]])
    spoilt = clean + 0.002 * rng.normal(size=clean.shape)
    spoilt[[3, 11, 20]] += [[0.8], [1.0], [-0.6]]
    plain, robust = (
        Exponential(huber=huber).fit(mixtures, spoilt, np.random.default_rng(0)).predict(mixtures)
        for huber in (None, 1.345)
    )
    assert np.abs(plain - clean).mean() > 0.05
    assert np.abs(robust - clean).mean() < 0.01


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_huber_is_checked(value):
    with pytest.raises(ValueError, match="'huber' of Additive must be in"):
        Additive(huber=value)


@pytest.mark.parametrize("law", [Exponential(), Additive(), Exponential(shrinkage=0, huber=1)])
@pytest.mark.parametrize("size", [1.0, 1e-8, 1e8])
def test_degenerate_runs_give_finite_parameters(law, size):
    rng = np.random.default_rng(5)
    mixtures = rng.dirichlet(np.ones(4), 12)
    mixtures[0] = [0, 0, 0, 1]
    tables = [
        (mixtures, np.full((12, 1), 3.0)),
        (mixtures, np.zeros((12, 1))),
        (mixtures, np.eye(12)[:, :1]),
        (mixtures[:2], np.array([[1.0], [2.0]])),
        (mixtures[[3, 3, 3]], np.array([[1.0], [2.0], [4.0]])),
        (mixtures[:5], rng.random((5, 1))),
    ]
    for given, losses in tables:
        solution = solve(law, given, size * losses, huber=law.huber)
        assert np.isfinite(solution.theta).all()
        assert np.isfinite(law.values(solution.theta, given)).all()
        assert (solution.share_of_starts > 0).all()


@dataclass(frozen=True)
class Hill(Curve):
    """a / (n^b) + c of one input: a scaling curve that is no law of mixtures."""

    floor: ClassVar[int | None] = 2

    def values(self, theta, inputs):
        return np.exp(theta[..., :1] - theta[..., 1:2] * np.log(inputs[:, 0])) + theta[..., 2:]

    def jacobian(self, theta, inputs):
        log_n = np.log(inputs[:, 0])
        power = np.exp(theta[..., :1] - theta[..., 1:2] * log_n)
        return np.stack([power, -power * log_n, np.ones_like(power)], axis=-1)

    def bounds(self, inputs, losses):  # noqa: ARG002
        return np.full(3, -np.inf), np.full(3, np.inf)

    def prior(self, inputs):  # noqa: ARG002
        return np.empty((0, 3)), np.empty(0)

    def start(self, uniforms, inputs, losses):  # noqa: ARG002
        return 20 * uniforms - [10, 0, 0]

    def rescale(self, theta, factor):
        return theta * [1, 1, factor] + [np.log(factor), 0, 0]


def test_a_curve_of_covariates_alone_and_starts_that_overflow():
    sizes = np.geomspace(1e7, 1e10, 9)[:, None]
    theta = np.array([6.0, 0.3, 1.7])
    losses = Hill().values(theta, sizes)[:, None]
    uniforms = np.random.default_rng(0).random((64, 3))
    found = least_squares_multistart(Hill(), sizes, losses, np.ones((1, 9), bool), uniforms)
    assert np.allclose(found.theta[0, 0], theta, atol=1e-5)
    uniforms[1:, 0] = 1e6  # exp overflows: these starts are lost, and no other
    found = least_squares_multistart(Hill(), sizes, losses, np.ones((1, 9), bool), uniforms)
    assert np.isfinite(found.theta).all()
    assert np.isclose(found.share_of_starts[0], 1 / 64)


def test_weights_count_as_repeated_runs():
    law, (mixtures, losses) = Exponential(), table(6, n_targets=1)
    own = (losses[:, 0] / spread(losses[:, 0]))[None]
    low, high = law.bounds(mixtures, own[0])
    rows, values = law.prior(mixtures)
    start = law.start(np.full((1, 4), 0.5), mixtures, own[0])
    weights = np.where(np.arange(20) < 7, 2.0, 1.0)
    fits = Problems(
        losses=own, weights=weights[None], low=low[None], high=high[None],
        rows=rows[None], values=values[None],
    )  # fmt: skip
    repeat = np.repeat(np.arange(20), weights.astype(int))
    long = replace(fits, losses=own[:, repeat], weights=np.ones((1, len(repeat))))
    one, cost_one = minimise(law, mixtures, fits, start, 1e-20)
    other, cost_other = minimise(law, mixtures[repeat], long, start, 1e-20)
    assert np.isclose(cost_one, cost_other, rtol=1e-12)
    assert np.allclose(law.values(one, mixtures), law.values(other, mixtures), atol=1e-8)
