import numpy as np
import pytest
from scipy.optimize import least_squares, nnls

from mixing.critical import critical_share
from mixing.laws import FittedLaw
from mixing.laws.d_cpt import DCPT
from mixing.laws.joint_additive import JointAdditive
from mixing.laws.joint_mixture import JointAdditiveFull
from mixing.scaling import Downstream, OverTraining, PowerLaw, nest
from mixing.scaling.separable import fit_separable

PLAIN = [1.5, -0.2, 0.1, -1.0, 0.4, 0.6, 0.8, -0.7, 0.4, -0.9, 0.3]
JOINT = [
    (JointAdditive(), PLAIN),
    (JointAdditiveFull(), [*PLAIN, 0.6, -0.6, 0.0, 1.3, -0.5, 0.5, 0.0, 1.2]),
    (DCPT(domain=1), [1.5, -0.7, 0.4, -0.9, 0.3, 1.4, -1.0, -2.3, 0.5]),
]
joint_laws = pytest.mark.parametrize(("law", "theta"), JOINT, ids=[law.name for law, _ in JOINT])


def design(rng, n):
    shares = rng.dirichlet(np.ones(3), n)
    scales = np.stack([rng.choice([1e8, 2e8, 4e8], n), rng.choice([5e9, 1e10, 2e10], n)], axis=1)
    return np.hstack([shares, scales])


@joint_laws
def test_derivatives_of_joint_laws_are_those_of_differences(law, theta):
    rng = np.random.default_rng(0)
    inputs = design(rng, 12)
    theta = np.array(theta) + 0.05 * rng.normal(size=(2, 3, len(theta)))
    assert law.n_parameters(3) == theta.shape[-1]
    assert law.values(theta, inputs).shape == (2, 3, 12)
    for by, exact, size in (("theta", law.jacobian, theta.shape[-1]), ("shares", law.gradient, 3)):
        derivative = exact(theta, inputs)
        assert derivative.shape == (2, 3, 12, size)
        for i in range(size):
            if by == "theta":
                step = 1e-6 * np.eye(size)[i]
                rise = law.values(theta + step, inputs) - law.values(theta - step, inputs)
            else:
                step = 1e-6 * np.eye(5)[i]
                rise = law.values(theta, inputs + step) - law.values(theta, inputs - step)
            assert np.allclose(derivative[..., i], rise / 2e-6, rtol=1e-4, atol=1e-6)


@joint_laws
def test_planted_joint_laws_are_recovered_and_extrapolate(law, theta):
    rng = np.random.default_rng(1)
    theta = np.array(theta)
    inputs, beyond = design(rng, 80), design(rng, 100)
    beyond[:, 3:] = 2e9, 1e11
    losses = (law.values(theta, inputs) + 0.003 * rng.normal(size=80))[:, None]
    fitted = law.fit(inputs[:, :3], losses, np.random.default_rng(2), covariates=inputs[:, 3:])
    assert fitted.report.held_out_error[0] < 0.004
    truth = law.values(theta, beyond)
    predicted = fitted.at(parameters=2e9, tokens=1e11).predict(beyond[:, :3])[:, 0]
    assert np.abs(predicted - truth).mean() < 0.02
    assert np.abs(predicted - truth).mean() < np.abs(losses.mean() - truth).mean() / 10
    found, planted = fitted.parameters, law.named(theta)
    assert found["alpha"][0] == pytest.approx(planted["alpha"], abs=0.1)
    assert found["beta"][0] == pytest.approx(planted["beta"], abs=0.1)
    restored = FittedLaw.from_dict(fitted.to_dict()).parameters
    assert np.array_equal(restored["alpha"], found["alpha"])


@joint_laws
def test_joint_laws_know_scale_from_two_sizes_with_their_prior(law, theta):
    rng = np.random.default_rng(3)
    inputs, beyond = design(rng, 80), design(rng, 100)
    inputs = inputs[inputs[:, 3] < 3e8]
    beyond[:, 3:] = 2e9, 4e10
    losses = (law.values(np.array(theta), inputs) + 0.003 * rng.normal(size=len(inputs)))[:, None]
    (model,) = law.solve(inputs, losses, np.ones((1, len(inputs)), bool), rng)
    truth = law.values(np.array(theta), beyond)
    error = np.abs(model.predict(beyond)[:, 0] - truth).mean()
    assert error < np.abs(losses.mean() - truth).mean() / 4


@joint_laws
def test_joint_laws_are_convex_and_rescale(law, theta):
    rng = np.random.default_rng(4)
    theta = np.array(theta)
    one, other = design(rng, 200), design(rng, 200)
    other[:, 3:] = one[:, 3:]
    middle = law.values(theta, (one + other) / 2)
    assert (middle <= (law.values(theta, one) + law.values(theta, other)) / 2 + 1e-12).all()
    assert np.allclose(law.values(law.rescale(theta, 2.5), one), 2.5 * law.values(theta, one))


def test_published_parameters_give_the_published_formula():
    inputs = design(np.random.default_rng(5), 6)
    shares, n, d = inputs[:, :3], inputs[:, 3], inputs[:, 4]
    law, theta = JOINT[1]
    p = law.named(np.array(theta))
    size = (shares @ p["C_A"]) ** p["gamma_A"] / n ** p["alpha"]
    tokens = (shares @ p["C_B"]) ** p["gamma_B"] / d ** p["beta"]
    additive = 1 / (p["C"] * shares ** p["gamma"]).sum(axis=1)
    assert np.allclose(law.values(np.array(theta), inputs), p["E"] + additive + size + tokens)
    law, theta = JOINT[2]
    p, r = law.named(np.array(theta)), shares[:, 1]
    data = p["B"] * r ** p["eta"] / d ** p["beta"]
    formula = p["E"] + p["A"] / n ** p["alpha"] + data + p["C"] / (r + p["epsilon"]) ** p["gamma"]
    assert np.allclose(law.values(np.array(theta), inputs), formula)


def test_d_cpt_reads_a_domain_that_exists():
    with pytest.raises(ValueError, match=r"'domain' of DCPT must be at least 0. Got -1"):
        DCPT(domain=-1)
    with pytest.raises(ValueError, match=r"one of the 3 domains. Got 3"):
        DCPT(domain=3).n_parameters(3)


def test_separable_fits_reach_the_optimum_of_scipy():
    rng = np.random.default_rng(6)
    x = np.linspace(1, 9, 12)
    losses = 1 + 2 * x**-0.6 + 0.02 * rng.normal(size=12)
    found = fit_separable(
        lambda rate: np.stack(np.broadcast_arrays(1.0, x ** -rate[..., None]), axis=-1),
        losses[None],
        between=(0.05, 3),
    )
    best = least_squares(lambda t: t[0] + t[1] * x ** -t[2] - losses, [1, 1, 1], xtol=1e-12)
    assert np.allclose([*found.linear[0], found.rate[0]], best.x, atol=1e-5)


def test_separable_multiples_are_not_negative():
    rng = np.random.default_rng(7)
    for _ in range(20):
        design = rng.normal(size=(8, 3))
        losses = rng.normal(size=8)
        found = fit_separable(
            lambda rate, design=design: np.broadcast_to(design, (*rate.shape, 8, 3)),
            losses[None],
            between=(0.5, 2),
        )
        assert np.allclose(found.linear[0], nnls(design, losses)[0], atol=1e-9)


def test_huber_is_that_of_scipy_on_log_losses():
    rng = np.random.default_rng(8)
    x = np.geomspace(1, 50, 15)
    losses = (1 + 2 * x**-0.5) * np.exp(0.003 * rng.normal(size=15))
    losses[4] *= 1.3
    law = PowerLaw(delta=0.005, noise=1e-9).fit(x, losses[None])
    best = least_squares(
        lambda t: np.log((t[0] + t[1] * x ** -t[2]) / losses),
        [1, 2, 0.5],
        loss="huber",
        f_scale=0.005,
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-12,
    )
    assert np.allclose(law.loss(x)[0], best.x[0] + best.x[1] * x ** -best.x[2], atol=1e-4)
    assert law.exponent[0] == pytest.approx(0.5, abs=0.05)
    squares = PowerLaw(noise=1e-9).fit(x, losses[None])
    assert abs(squares.exponent[0] - 0.5) > 2 * abs(law.exponent[0] - 0.5)


def test_power_laws_are_recovered_one_exponent_or_many():
    x = np.geomspace(1e3, 3e4, 8)
    floor, size = np.array([2.0, 1.0, 3.0]), np.array([0.5, 1.0, 0.2])
    own = np.array([0.3, 0.5, 0.9])
    tied = floor[:, None] + size[:, None] * (x / 1e4) ** -0.6
    found = PowerLaw(noise=1e-6).fit(x, tied)
    assert np.allclose(found.exponent, 0.6, atol=1e-5)
    assert np.allclose(found.E, floor, atol=1e-5)
    assert np.allclose(found.loss([1e5]), floor[:, None] + size[:, None] * 10**-0.6, atol=1e-4)
    free = floor[:, None] + size[:, None] * (x / 1e4) ** -own[:, None]
    free[1, 2] = np.nan
    found = PowerLaw(noise=1e-6, tied=False).fit(x, free)
    assert np.allclose(found.exponent, own, atol=1e-5)


def test_power_laws_refuse_what_has_no_slope():
    with pytest.raises(ValueError, match="Got fewer in series 1"):
        PowerLaw().fit([1, 2], [[3, 2], [3, np.nan]])
    with pytest.raises(ValueError, match="all different"):
        PowerLaw().fit([1, 1], [[3, 2]])
    with pytest.raises(ValueError, match="must be > 0, or NaN"):
        PowerLaw().fit([1, 2], [[3, 0]])
    with pytest.raises(ValueError, match=r"must be \[points\]"):
        PowerLaw().fit([1, 2], [3, 2])
    with pytest.raises(ValueError, match="'spread' of Prior"):
        PowerLaw(spread=0)


def planted_runs(rng):
    sizes, steps = np.array([1e7, 4e7, 1.6e8, 6.4e8]), np.array([5e3, 1e4, 2e4, 4e4])
    base, effect = 2 + rng.random((6, 2)), 0.5 + rng.random((6, 2))

    def loss(n, s):
        power = (n / 1e8) ** -0.3 + 0.4 * (s / 1e4) ** -0.6
        return base + effect * power

    table = np.array([[loss(n, s) for s in steps] for n in sizes]).transpose(2, 0, 1, 3)
    return sizes, steps, table, loss


def test_nesting_recovers_planted_losses():
    rng = np.random.default_rng(9)
    sizes, steps, table, loss = planted_runs(rng)
    noisy = table + 0.001 * rng.normal(size=table.shape)
    found = nest(noisy, sizes, steps, target_size=2e9, target_step=1e5)
    truth = loss(2e9, 1e5)
    assert found.losses.shape == (6, 2)
    assert found.at_step.shape == (6, 4, 2)
    assert np.abs(found.losses - truth).mean() < 0.02
    assert np.abs(table[:, -1, -1] - truth).mean() > 0.1
    assert found.steps.held_out == 4e4
    assert found.sizes.held_out == 6.4e8
    for check in (found.steps, found.sizes):
        assert (check.error < check.error_constant / 3).all()
        assert (check.order > 0.9).all()


def test_nesting_takes_missing_runs_and_refuses_too_few():
    rng = np.random.default_rng(10)
    sizes, steps, table, loss = planted_runs(rng)
    table[2, 3], table[0, :, 3] = np.nan, np.nan
    found = nest(table, sizes, steps, target_size=2e9, target_step=1e5)
    assert np.abs(found.losses - loss(2e9, 1e5)).mean() < 0.02
    assert nest(table[:, :2], sizes[:2], steps, target_size=1e8, target_step=1e5).sizes is None
    with pytest.raises(ValueError, match=r"steps=3, targets\]"):
        nest(table, sizes, steps[:3], target_size=2e9, target_step=1e5)
    with pytest.raises(ValueError, match="'target_step' must be finite and > 0"):
        nest(table, sizes, steps, target_size=2e9, target_step=0)
    with pytest.raises(ValueError, match="2 scales at least"):
        nest(table[:, :1], sizes[:1], steps, target_size=2e9, target_step=1e5)


def test_nesting_of_one_size_or_one_step_is_the_other_law_alone():
    sizes, steps, table, loss = planted_runs(np.random.default_rng(13))
    one_size = nest(table[:, :1], sizes[:1], steps, target_size=sizes[0], target_step=1e5)
    assert np.allclose(one_size.losses, loss(sizes[0], 1e5), atol=0.003)
    assert np.isnan(one_size.exponents[1])
    assert one_size.sizes is None
    one_step = nest(table[:, :, -1:], sizes, steps[-1:], target_size=2e9, target_step=steps[-1])
    assert np.allclose(one_step.losses, loss(2e9, steps[-1]), atol=0.003)
    assert np.isnan(one_step.exponents[0]).all()
    assert one_step.steps is None
    assert one_step.sizes.step == steps[-1]
    assert (one_step.sizes.error < one_step.sizes.error_constant / 10).all()


def test_the_check_of_sizes_is_a_prediction_from_smaller_sizes_alone():
    rng = np.random.default_rng(14)
    sizes, steps, table, _ = planted_runs(rng)
    noisy = table + 0.01 * rng.normal(size=table.shape)
    noisy[:, -1, -1] = np.nan  # the largest size ran for fewer steps
    check = nest(noisy, sizes, steps, target_size=2e9, target_step=1e5).sizes
    again = nest(
        noisy[:, :-1], sizes[:-1], steps, target_size=sizes[-1], target_step=steps[-2]
    ).losses
    truth = noisy[:, -1, -2]
    assert check.step == steps[-2]
    assert np.allclose(check.error, np.abs(again - truth).mean(axis=0))
    assert np.allclose(check.error_constant, np.abs(noisy[:, -2, -2] - truth).mean(axis=0))
    shuffled = rng.permutation(4), rng.permutation(4)
    other = nest(
        noisy[:, shuffled[0]][:, :, shuffled[1]],
        sizes[shuffled[0]],
        steps[shuffled[1]],
        target_size=2e9,
        target_step=1e5,
    )
    assert np.allclose(other.sizes.error, check.error)


def test_overtraining_is_recovered_whatever_outliers():
    rng = np.random.default_rng(11)
    n, m = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e9, 4), [5.0, 20, 80, 320]))
    planted = OverTraining(E=1.8, a=200.0, b=350.0, eta=0.136)
    losses = planted.loss(n, m)
    exact = OverTraining.fit(n, m, losses)
    assert (exact.E, exact.eta) == pytest.approx((1.8, 0.136), rel=1e-5)
    assert (exact.a, exact.b) == pytest.approx((200, 350), rel=1e-4)
    losses *= np.exp(5e-4 * rng.normal(size=16))
    losses[3] *= 1.2
    robust, plain = (OverTraining.fit(n, m, losses, delta=d) for d in (1e-3, None))
    truth = planted.loss([7e9], [20])
    assert robust.loss([7e9], [20]) == pytest.approx(truth, rel=0.01)
    assert abs(robust.loss([7e9], [20]) - truth) < abs(plain.loss([7e9], [20]) - truth) / 4
    with pytest.raises(ValueError, match="Got 3 runs at 2"):
        OverTraining.fit(n[[0, 1, 4]], m[[0, 1, 4]], losses[[0, 1, 4]])
    with pytest.raises(ValueError, match="'ratio' must be finite and > 0"):
        OverTraining.fit(n, -m, losses)


def test_downstream_error_is_recovered():
    losses = np.linspace(2.2, 5, 9)
    planted = Downstream(epsilon=0.85, k=2.2, gamma=0.7)
    found = Downstream.fit(losses, planted.error(losses))
    assert vars(found) == pytest.approx(vars(planted), rel=1e-4)
    with pytest.raises(ValueError, match="3 different losses at least"):
        Downstream.fit([2, 2, 3], [0.1, 0.2, 0.3])


def test_the_critical_share_is_recovered_and_its_interval_holds():
    rng = np.random.default_rng(12)
    shares = np.linspace(0.1, 0.7, 6)
    truth = -np.log(0.06 / 0.17) / 4
    exact = critical_share(shares, 2.8 + 0.17 * np.exp(-4 * shares), 2.86)
    assert exact.share == pytest.approx(truth, abs=1e-6)
    assert (exact.c, exact.k, exact.t) == pytest.approx((2.8, 0.17, -4), rel=1e-4)
    assert exact.loss([exact.share])[0] == pytest.approx(2.86)
    assert not exact.extrapolated
    held = []
    for _ in range(60):
        losses = 2.8 + 0.17 * np.exp(-4 * shares) + 0.002 * rng.normal(size=6)
        low, high = critical_share(shares, losses, 2.86 + 0.002 * rng.normal()).interval
        held.append(low <= truth <= high)
    assert np.mean(held) >= 0.8
    assert critical_share(shares[::2], 2.8 + 0.17 * np.exp(-4 * shares[::2]), 2.86).interval == (
        0,
        1,
    )


def test_no_critical_share_is_said_in_words():
    shares = np.linspace(0.1, 0.7, 6)
    losses = 2.8 + 0.17 * np.exp(-4 * shares)
    with pytest.raises(ValueError, match=r"No share .* loss 2.7"):
        critical_share(shares, losses, 2.7)
    with pytest.raises(ValueError, match=r"Every share .* critical share is 0"):
        critical_share(shares, losses, 3.1)
    with pytest.raises(ValueError, match="must fall as the share"):
        critical_share(shares, losses[::-1], 2.86)
    with pytest.raises(ValueError, match="at least 3 different values"):
        critical_share(shares[:2], losses[:2], 2.86)
    with pytest.raises(ValueError, match="'losses' must differ"):
        critical_share(shares, np.ones(6), 2.86)
