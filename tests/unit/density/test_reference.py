"""Density from a uniform sample: exact where it can be, unbiased, and honest about its error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorers.density import ExactDensity, FaissDensity, ReferenceDensity
from scorers.keyed import positions_of_all
from tests.unit.density.plain_sums import KERNELS, corpus, fitted, log_density, sample_of

SPECS = {
    "reference": ReferenceDensity(bandwidth=0.4, n_reference=100),
    "all": FaissDensity(bandwidth=0.4, n_reference=100, n_neighbours=20, n_lists=1),
    "lists": FaissDensity(bandwidth=0.4, n_reference=100, n_neighbours=20, n_lists=8, n_probe=1),
}
SAMPLED = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("density", [ReferenceDensity, FaissDensity])
def test_a_sample_of_everything_is_exact(density: type, kernel: str) -> None:
    points = corpus(400, lengths=True)
    spec = density(kernel=kernel)
    found, exact = fitted(spec, points), fitted(ExactDensity(kernel=kernel), points)
    assert found.h == exact.h
    scored = found.score(points)
    np.testing.assert_allclose(scored.value, exact.score(points).value, rtol=0, atol=1e-5)
    assert not scored.extra["stderr"].any()


@SAMPLED
def test_unbiased_over_samples(spec: ReferenceDensity | FaissDensity) -> None:
    """Mean of 150 estimates of a density, in units of its own Monte Carlo error."""
    points = corpus(360)
    expected = np.exp(log_density(points, "gaussian", 0.4))
    runs = [fitted(spec, points, seed=seed).score(points) for seed in range(150)]
    density = np.exp([run.value for run in runs])
    error = density.std(axis=0, ddof=1) / np.sqrt(len(runs))
    sure = error > 1e-9 * expected
    z = (density.mean(axis=0) - expected)[sure] / error[sure]
    assert np.sqrt((z**2).mean()) < 1.3
    assert abs(density.mean() / expected.mean() - 1) < 0.02
    np.testing.assert_allclose(density.mean(axis=0)[~sure], expected[~sure], rtol=1e-5)


def test_samples_of_every_size_give_one_bandwidth() -> None:
    """So that densities by different methods can be compared."""
    points = corpus(2500, d=4)
    reference, flat = ReferenceDensity(n_reference=2300), FaissDensity(n_reference=2400)
    assert fitted(ExactDensity(), points).h == fitted(reference, points).h == fitted(flat, points).h


def test_neighbours_alone_miss_the_dense() -> None:
    """Why a sum over neighbours is not offered: in the cluster it misses most of the density."""
    points = corpus(360)
    expected = np.exp(log_density(points, "gaussian", 0.4))[:120]
    spec = SPECS["all"]
    found = fitted(spec, points)
    _, kernel = found._neighbours(
        points.vector[:120], positions_of_all(found.points, points, "")[:120]
    )
    assert ((1 + kernel.sum(1)) / 360 < 0.5 * expected).all()
    with_rest = np.exp(found.score(points).value[:120])
    assert abs(with_rest / expected - 1).mean() < 0.15


@SAMPLED
def test_the_standard_error_is_that_of_the_estimate(spec: ReferenceDensity | FaissDensity) -> None:
    points = corpus(1500)
    expected = log_density(points, "gaussian", 0.4)
    cluster = slice(0, 500)  # elsewhere few of a sample are near, and errors are skewed
    z = []
    for seed in range(30):
        scored = fitted(spec, points, seed=seed).score(points)
        z.append(((scored.value - expected) / scored.extra["stderr"])[cluster])
    assert 0.8 < np.sqrt(np.mean(np.square(z))) < 1.2


@SAMPLED
def test_the_sampled_look_no_denser_than_others(spec: ReferenceDensity | FaissDensity) -> None:
    points, gap = corpus(600), []
    for seed in range(20):
        sample = sample_of(points, 100, seed)
        inside = np.isin(points.key, sample.points.key)
        value = fitted(spec, points, seed=seed).score(points).value[200:]
        gap.append(value[inside[200:]].mean() - value[~inside[200:]].mean())
    assert abs(np.mean(gap)) < 0.1 < np.log(6 / 5)


@SAMPLED
def test_order_and_split_do_not_matter(spec: ReferenceDensity | FaissDensity) -> None:
    points = corpus(700)
    points.key[40:44] = points.key[300]
    one = fitted(spec, points).score(points)
    shuffled = np.random.default_rng(4).permutation(700)
    found = fitted(spec, points.at(shuffled), shares=np.split(np.arange(700), [5, 5, 500]))
    other = found.score(points)
    assert one.value.tobytes() == other.value.tobytes()
    assert one.extra["stderr"].tobytes() == other.extra["stderr"].tobytes()
    again = found.score(points)
    assert again.value.tobytes() == other.value.tobytes()


@SAMPLED
def test_a_document_does_not_depend_on_its_batch(spec: ReferenceDensity | FaissDensity) -> None:
    points = corpus(700, d=257)
    points.vector[:50] = points.vector[0]
    density = fitted(replace(spec, kernel="exponential"), points)
    whole = density.score(points)
    some = np.random.default_rng(5).permutation(700)
    for size in (0, 1, 3, 50, 600):
        scored = density.score(points.at(some[:size]))
        np.testing.assert_allclose(scored.value, whole.value[some[:size]], rtol=1e-6)
        stderr = whole.extra["stderr"][some[:size]]
        np.testing.assert_allclose(scored.extra["stderr"], stderr, rtol=1e-5)


@SAMPLED
@pytest.mark.parametrize("bandwidth", [1e-3, 1e3])
def test_narrow_and_wide_kernels(spec: ReferenceDensity | FaissDensity, bandwidth: float) -> None:
    points = corpus(400)
    density = type(spec)(n_reference=150, bandwidth=bandwidth)
    scored = fitted(density, points).score(points)
    limit = -np.log(400) if bandwidth < 1 else 0.0
    np.testing.assert_allclose(scored.value, limit, rtol=0, atol=1e-4)
    np.testing.assert_allclose(scored.extra["stderr"], 0.0, atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("density", [ReferenceDensity, FaissDensity])
def test_few_documents(density: type, n: int) -> None:
    points = corpus(n)
    found = fitted(density(bandwidth=0.5), points).score(points)
    np.testing.assert_allclose(found.value, log_density(points, "gaussian", 0.5), atol=1e-6)


@SAMPLED
def test_what_changes_a_score_changes_the_configuration(
    spec: ReferenceDensity | FaissDensity,
) -> None:
    points = corpus(300)
    config = fitted(spec, points).config()
    assert config["h"] == 0.4
    assert config["n_documents"] == 300
    for option in ({"bandwidth": 0.5}, {"n_reference": 150}, {"kernel": "exponential"}):
        assert fitted(type(spec)(**{"bandwidth": 0.4, **option}), points).config() != config


@pytest.mark.parametrize(
    ("density", "option", "value"),
    [
        (ReferenceDensity, "n_reference", 2),
        (FaissDensity, "n_neighbours", 0),
        (FaissDensity, "n_reference", 102),
        (FaissDensity, "n_lists", 0),
        (FaissDensity, "n_probe", 0),
        (FaissDensity, "seed", -1),
        (FaissDensity, "seed", 2**32),
    ],
)
def test_options_out_of_range(density: type, option: str, value: int) -> None:
    with pytest.raises(
        ValueError, match=f"'{option}' of {density.__name__} must be .* Got {value}"
    ):
        density(**{option: value})


def test_every_seed_below_2_to_the_32_is_taken() -> None:
    points = corpus(300)
    least = FaissDensity(n_neighbours=5, n_reference=20, n_lists=9, n_probe=1)
    scores = [
        fitted(replace(least, seed=seed), points).score(points).value for seed in (0, 2**32 - 1)
    ]
    assert np.isfinite(scores).all()
    assert (scores[0] != scores[1]).any()  # other lists, other neighbours


@pytest.mark.parametrize(("density", "least"), [(ReferenceDensity, 3), (FaissDensity, 103)])
def test_a_sample_too_small(density: type, least: int) -> None:
    points = corpus(200)
    with pytest.raises(ValueError, match=f"at least {least} documents, or all of them. Got 2 of"):
        density().calibrate(sample_of(points, 2))
    with pytest.raises(ValueError, match="Got 0 of 0"):
        density().calibrate(sample_of(points.at(np.arange(0)), 2))


# The index


def test_twins_in_key_and_vector_have_a_place_each() -> None:
    points = corpus(300)
    points.key[100:103], points.vector[100:103] = points.key[0], points.vector[0]
    found = fitted(FaissDensity(bandwidth=0.4, n_neighbours=2), points).score(points)
    expected = log_density(points, "gaussian", 0.4)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-5)


def test_no_more_neighbours_than_asked_for() -> None:
    """Where a document has more copies than neighbours, it may not be among those found."""
    points = corpus(300)
    points.vector[:100] = points.vector[0]
    density = fitted(FaissDensity(n_neighbours=5, n_lists=1), points)
    near, kernel = density._neighbours(points.vector, positions_of_all(density.points, points, ""))
    assert ((near >= 0).sum(1) == 5).all()
    np.testing.assert_allclose(kernel[:100].sum(1), 5.0, rtol=1e-6)


def test_lists() -> None:
    assert FaissDensity().lists_for(1_000_000) == 2000
    assert FaissDensity().lists_for(1) == 1
    assert FaissDensity(n_lists=50).lists_for(20) == 20
    points = corpus(300)
    assert fitted(SPECS["lists"], points)._index.nlist == 8


def test_a_sample_of_another_corpus_is_refused() -> None:
    points = corpus(300)
    calibrated = SPECS["all"].calibrate(sample_of(points, 100))
    state = calibrated.fit([points.at(np.arange(150))])
    with pytest.raises(ValueError, match="of 100 are not among them"):
        calibrated.merge([state])
