"""Each law on its own: planted truths, derivatives, units, few runs, and what it warns of."""

import numpy as np
import pytest

from mixing import (
    M1,
    M2,
    M3,
    Additive,
    BiMix,
    EffectiveData,
    Exponential,
    GeneralizedAdditive,
    Implicit,
)

N_DOMAINS = 3
LAWS = [M1, M2, M3, Implicit, GeneralizedAdditive, EffectiveData, BiMix]
every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)

PLANTED = {
    "m1": [1.5, *np.log([1.0, 0.3, 0.2]), -6, -2, 1],
    "m2": [1.0, np.log(0.4), -5, -1, 0.7],
    "m3": [2.0, np.log(0.5), -1.5],
    "implicit": [1.5, -3, 0.2, 0, -1, -1.5, 0.4, -0.5, -4, -2],
    "generalized-additive": [
        *[1.5, 1.6, 2.0],
        *-0.8 * np.log([2.0, 0.5, 0.3]),
        *[0.4, 0.6, 0.8],
        np.log(0.8),
    ],
    "effective-data": [1.5, *-0.7 * np.log([2.0, 0.6, 0.3]), np.log(0.7)],
    "bimix": [1.5, *np.log([1.0, 0.4, 0.3]), -0.5, -0.2, -0.4],
}


def theta(law):
    return np.array(PLANTED[law.name])


def planted(law, n, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    mixtures = rng.dirichlet(np.ones(N_DOMAINS), n)
    losses = law.values(theta(law), mixtures)[:, None]
    return mixtures, losses + noise * rng.normal(size=losses.shape)


def fit(law, mixtures, losses):
    return law.fit(mixtures, losses, np.random.default_rng(0))


@pytest.mark.parametrize("law", [M1, M2, M3, EffectiveData, BiMix], ids=lambda law: law.name)
def test_parameters_are_recovered_from_clean_runs(law):
    law = law(shrinkage=0)
    fitted = fit(law, *planted(law, 60))
    for name, values in law.named(theta(law)).items():
        assert np.allclose(fitted.parameters[name][0], values, atol=1e-3), name


@every_law
def test_clean_runs_are_predicted_where_none_was_seen(law):
    law = law(shrinkage=1e-6, n_starts=16)
    mixtures, losses = planted(law, 60)
    fresh = np.random.default_rng(9).dirichlet(np.full(N_DOMAINS, 2.0), 100)
    truth = law.values(theta(law), fresh)
    error = np.abs(fit(law, mixtures, losses).predict(fresh)[:, 0] - truth)
    assert error.mean() < 5e-4 * truth.std()


@every_law
def test_few_noisy_runs_are_smoothed(law):
    law = law()
    noise = 0.01
    mixtures, losses = planted(law, 24, noise)
    fresh = np.random.default_rng(9).dirichlet(np.full(N_DOMAINS, 2.0), 200)
    error = fit(law, mixtures, losses).predict(fresh)[:, 0] - law.values(theta(law), fresh)
    assert np.abs(error).mean() < 1.5 * noise


@every_law
def test_derivatives_agree_with_finite_differences(law):
    law, step = law(), 1e-6
    one = np.stack([theta(law), theta(law) + 0.1])[None]
    mixtures = np.random.default_rng(1).dirichlet(np.ones(N_DOMAINS), 6)
    jacobian, gradient = law.jacobian(one, mixtures), law.gradient(one, mixtures)
    assert jacobian.shape == (1, 2, 6, law.n_parameters(N_DOMAINS))
    assert gradient.shape == (1, 2, 6, N_DOMAINS)
    for k, unit in enumerate(step * np.eye(one.shape[-1])):
        rise = law.values(one + unit, mixtures) - law.values(one - unit, mixtures)
        assert np.allclose(jacobian[..., k], rise / (2 * step), atol=1e-6), k
    for j, unit in enumerate(step * np.eye(N_DOMAINS)):
        rise = law.values(one, mixtures + unit) - law.values(one, mixtures - unit)
        assert np.allclose(gradient[..., j], rise / (2 * step), rtol=1e-5, atol=1e-6), j
    zero = np.array([[0, 0.4, 0.6]])
    for k, unit in enumerate(step * np.eye(one.shape[-1])):
        rise = law.values(one + unit, zero) - law.values(one - unit, zero)
        assert np.allclose(law.jacobian(one, zero)[..., k], rise / (2 * step), atol=1e-6), k


@every_law
def test_other_units_are_other_parameters_of_the_same_law(law):
    law = law()
    mixtures, losses = planted(law, 16, 0.01)
    moved = law.rescale(theta(law), 40.0)
    assert np.allclose(law.values(moved, mixtures), 40 * law.values(theta(law), mixtures))
    fitted, scaled = fit(law, mixtures, losses), fit(law, mixtures, 1000 * losses)
    assert np.allclose(scaled.predict(mixtures), 1000 * fitted.predict(mixtures), rtol=1e-5)


@every_law
def test_twenty_runs_of_seven_domains_do_not_diverge(law):
    rng = np.random.default_rng(3)
    mixtures = rng.dirichlet(np.full(7, 0.5), 20)
    mixtures[mixtures < 0.02] = 0
    mixtures /= mixtures.sum(axis=1, keepdims=True)
    losses = (3 - mixtures[:, 0] ** 0.4 + 0.05 * rng.normal(size=20))[:, None]
    fitted = fit(law(), mixtures, losses)
    corners = np.concatenate([np.eye(7), rng.dirichlet(np.full(7, 0.3), 200)])
    predicted = fitted.predict(corners)
    assert np.isfinite(predicted).all()
    assert (predicted > 0).all()
    assert (predicted < 7).all()
    assert max(fitted.report.held_out_error) < 3 * max(fitted.report.held_out_error_constant)


@pytest.mark.parametrize("law", [law for law in LAWS if law.convex], ids=lambda law: law.name)
def test_convex_within_the_bounds(law):
    law, rng = law(), np.random.default_rng(4)
    mixtures, losses = planted(law, 20)
    low, high = law.bounds(mixtures, losses[:, 0])
    # The bounds of some parameters are far out: what is drawn stays where values are finite.
    drawn = np.clip(rng.normal(0, 3, (300, len(low))), low, high)
    one, other = rng.dirichlet(np.full(N_DOMAINS, 0.4), (2, 50))
    ends = (law.values(drawn, one) + law.values(drawn, other)) / 2
    assert (law.values(drawn, (one + other) / 2) <= ends * (1 + 1e-9) + 1e-9).all()


def test_m3_is_not_convex_and_knows_no_domain():
    one, other = np.array([[0.0, 0.3, 0.7]]), np.array([[0.6, 0.2, 0.2]])
    law = M3()
    values = [law.values(np.array([1.0, 0, 3]), at)[0] for at in (one, other, (one + other) / 2)]
    assert values[2] > (values[0] + values[1]) / 2
    assert np.allclose(law.values(theta(M3), one), law.values(theta(M3), one[:, ::-1]))


def test_laws_hold_others_as_special_cases():
    rng = np.random.default_rng(5)
    mixtures = rng.dirichlet(np.ones(N_DOMAINS), 10)
    log_c, gamma, t = rng.normal(size=(3, N_DOMAINS))
    gamma = 0.5 + 0.2 * gamma
    additive = Additive().values(np.concatenate([[2.0], log_c, gamma]), mixtures)
    general = np.concatenate([np.full(N_DOMAINS, 2.0), -log_c, gamma, [0.0]])
    assert np.allclose(GeneralizedAdditive().values(general, mixtures), additive)
    effective = np.concatenate([[2.0], log_c, [np.log(0.6)]])
    general = np.concatenate([np.full(N_DOMAINS, 2.0), log_c, np.ones(N_DOMAINS), [np.log(0.6)]])
    assert np.allclose(
        GeneralizedAdditive().values(general, mixtures),
        EffectiveData().values(effective, mixtures),
    )
    one = np.concatenate([[1.0], t])
    assert np.allclose(
        Implicit(n_hidden=1).values(one, mixtures), Exponential().values(one, mixtures)
    )
    alike = np.concatenate([[1.0], np.full(N_DOMAINS, 0.3), t])
    assert np.allclose(
        M2().values(np.concatenate([[1.0, 0.3], t]), mixtures), M1().values(alike, mixtures)
    )


def test_bimix_at_zero_is_the_factor_times_a_power_of_the_offset():
    law = BiMix(offset=0.02)
    named = law.named(theta(law))
    values = law.values(theta(law), np.array([[0.0, 0.2, 0.8]]))
    powers = np.array([0.02, 0.22, 0.82]) ** -named["alpha"]
    assert np.allclose(values, named["E"] + named["F"] @ powers)


def test_the_generalized_additive_law_sees_harm():
    rng = np.random.default_rng(6)
    mixtures = rng.dirichlet(np.ones(N_DOMAINS), 30)
    # Domain 0 lowers the loss with its first per cent, and raises it from a share of .17 on.
    losses = (2 + 1.5 * mixtures[:, :1] - 1.25 * mixtures[:, :1] ** 0.5) + 0.2 * mixtures[:, 1:2]
    additive, general = (
        max(fit(law, mixtures, losses).report.held_out_error)
        for law in (Additive(), GeneralizedAdditive())
    )
    assert general < additive / 2


@pytest.mark.parametrize("law", [M1, M2, M3, BiMix], ids=lambda law: law.name)
def test_zero_shares_are_warned_of(law):
    mixtures, losses = planted(law(n_starts=1), 12)
    mixtures[4] = [0, 0.5, 0.5]
    assert any("exactly zero in domains [0]" in text for text in law().caution(mixtures))
    assert not any("exactly zero" in text for text in law().caution(mixtures[5:]))
    warnings = fit(law(n_starts=1), mixtures, losses).report.warnings
    assert any("exactly zero in domains [0]" in text for text in warnings)


def test_m3_warns_that_it_tells_no_domain_from_another():
    assert any("which domain" in text for text in M3().caution(np.full((2, 2), 0.5)))


def test_specs_are_checked():
    with pytest.raises(ValueError, match=r"'n_hidden' of Implicit must be at least 1. Got 0"):
        Implicit(n_hidden=0)
    with pytest.raises(ValueError, match=r"'offset' of BiMix must be in \(0, 1\). Got 0"):
        BiMix(offset=0)
    with pytest.raises(ValueError, match=r"'n_starts' of M1 must be at least 1. Got 0"):
        M1(n_starts=0)
