from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from scorers.density.race import RaceDensity
from scorers.density.sketch import CalibratedRace, FittedRaceDensity, RaceSketch
from scorers.points import FittablePointScorer, Points, PointScorer, PointScorerSpec, Sample


def clustered(n: int, d: int = 32, seed: int = 0) -> Points:
    """Half in three clusters of different width, half alone; float16 unit vectors."""
    rng = np.random.default_rng(seed)
    centres, noise = rng.standard_normal((3, d)), rng.standard_normal((n, d))
    cluster = rng.integers(0, 6, n)
    vectors = np.where(
        (cluster < 3)[:, None],
        centres[cluster % 3] + noise * np.array([0.2, 0.5, 0.9])[cluster % 3, None],
        noise,
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Points(np.arange(n, dtype=np.uint64), vectors.astype(np.float16))


def calibrated(points: Points, **options: Any) -> CalibratedRace:
    return RaceDensity(**options).calibrate(Sample(points.at(np.arange(len(points))), len(points)))


def fitted(points: Points, **options: Any) -> FittedRaceDensity:
    ready = calibrated(points, **options)
    return ready.merge([ready.fit([points])])


def own_density(ready: CalibratedRace, points: Points) -> np.ndarray:
    """The exact mean of the hashes' kernel."""
    vectors = points.vector.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1)
    product = vectors @ vectors.T
    squared = length[:, None] ** 2 + length**2 - 2.0 * product
    distance = np.sqrt(np.maximum(squared, 0.0))
    cosine = product / np.outer(length, length)
    np.fill_diagonal(distance, 0.0)
    np.fill_diagonal(cosine, 1.0)
    return np.asarray(ready.kernel(distance=distance, cosine=cosine).mean(1))


HASHES: list[dict[str, Any]] = [
    {},
    {"concatenation": 1, "width_ratio": 1.3},
    {"concatenation": 3, "width_ratio": 0.5},
    {"hash": "signed-projection", "concatenation": 2},
]


def test_it_is_a_scorer_of_points() -> None:
    points = clustered(50)
    ready = calibrated(points, n_rows=10)
    checked: FittablePointScorer = ready
    assert isinstance(RaceDensity(), PointScorerSpec)
    assert isinstance(checked.merge([ready.fit([points])]), PointScorer)


@pytest.mark.parametrize("options", HASHES)
def test_independent_rows_err_as_their_standard_error_says(options: dict[str, Any]) -> None:
    points = clustered(400)
    z = []
    for seed in range(12):
        scorer = fitted(points, n_rows=200, orthogonal=False, seed=seed, **options)
        scored = scorer.score(points)
        exact = own_density(scorer.calibrated, points)
        z.append((np.exp(scored.value) / exact - 1.0) / scored.extra["stderr"])
    assert 0.8 < np.sqrt(np.mean(np.square(z))) < 1.2
    assert abs(np.mean(z)) < 0.4


def test_orthogonal_directions_err_less_and_not_in_one_direction() -> None:
    points = clustered(400)
    error: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for orthogonal, found in error.items():
        for seed in range(12):
            scorer = fitted(points, n_rows=256, concatenation=1, orthogonal=orthogonal, seed=seed)
            exact = own_density(scorer.calibrated, points)
            found.append(np.exp(scorer.score(points).value) / exact - 1.0)
    spread = {kind: np.sqrt(np.mean(np.square(found))) for kind, found in error.items()}
    assert spread[True] < 0.85 * spread[False]
    assert abs(np.mean(error[True])) < 0.25 * spread[True]


def test_the_standard_error_of_orthogonal_rows_is_an_upper_bound() -> None:
    points = clustered(400)
    z = []
    for seed in range(12):
        scorer = fitted(points, n_rows=256, seed=seed)
        scored = scorer.score(points)
        exact = own_density(scorer.calibrated, points)
        z.append((np.exp(scored.value) / exact - 1.0) / scored.extra["stderr"])
    assert 0.4 < np.sqrt(np.mean(np.square(z))) < 1.0


def test_it_ranks_documents_as_its_kernel_does() -> None:
    points = clustered(1000)
    scorer = fitted(points)
    exact = own_density(scorer.calibrated, points)
    found = np.exp(scorer.score(points).value)
    assert np.abs(found / exact - 1.0).mean() < 0.02
    assert spearmanr(found, exact).statistic > 0.98


@pytest.mark.parametrize("options", HASHES)
def test_a_sketch_of_eight_parts_equals_the_one_built_at_once(options: dict[str, Any]) -> None:
    points = clustered(1500)
    ready = calibrated(points, n_rows=150, n_buckets=500, **options)
    whole = ready.merge([ready.fit([points])])
    part = np.random.default_rng(5).integers(0, 8, len(points))
    for size in (1, 7, 1024):
        shares = [points.at(np.flatnonzero(part == p)) for p in range(8)]
        states = [
            ready.fit(share.at(slice(i, i + size)) for i in range(0, len(share), size))
            for share in shares
        ]
        merged = ready.merge(states[::-1])
        assert merged.sketch.count.tobytes() == whole.sketch.count.tobytes()
        assert merged.sketch.count.dtype == np.int32
        assert merged.config() == whole.config()
    assert (whole.sketch.count.sum(1) == len(points)).all()


def test_a_processor_without_8_bit_products_counts_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = clustered(500)
    ready = calibrated(points, n_rows=150)
    with_them = ready.fit([points]).count
    with monkeypatch.context() as patched:
        patched.setattr("torch.cpu._is_vnni_supported", lambda: False, raising=False)
        assert ready.fit([points]).count.tobytes() == with_them.tobytes()
    for private in ("torch.cpu._is_vnni_supported", "torch._int_mm"):
        with monkeypatch.context() as patched:
            patched.delattr(private, raising=False)
            assert ready.fit([points]).count.tobytes() == with_them.tobytes()


def test_a_score_does_not_depend_on_the_batch() -> None:
    points = clustered(600)
    scorer = fitted(points, n_rows=150)
    whole = scorer.score(points)
    for size in (1, 7, 599):
        parts = [scorer.score(points.at(slice(i, i + size))) for i in range(0, 600, size)]
        assert np.concatenate([p.value for p in parts]).tobytes() == whole.value.tobytes()
        stderr = np.concatenate([p.extra["stderr"] for p in parts])
        assert stderr.tobytes() == whole.extra["stderr"].tobytes()


def test_false_collisions_are_taken_out() -> None:
    points = clustered(500)
    options: dict[str, Any] = {"width_ratio": 0.3, "concatenation": 4, "orthogonal": False}
    n_buckets, ratio, floor = 20, [], 1.0 / 20
    for seed in range(6):
        scorer = fitted(points, n_rows=2000, n_buckets=n_buckets, seed=seed, **options)
        ratio.append(
            np.exp(scorer.score(points).value).mean()
            / own_density(scorer.calibrated, points).mean()
        )
    exact = own_density(scorer.calibrated, points).mean()
    biased = (np.mean(ratio) * exact * (1.0 - floor) + floor) / exact
    assert biased > 1.5
    assert abs(np.mean(ratio) - 1.0) < 0.02


def test_a_document_collides_with_itself_and_with_its_copies() -> None:
    alone = clustered(1)
    only = fitted(alone).score(alone)
    assert only.value[0] == pytest.approx(0.0, abs=1e-12)
    assert only.extra["stderr"][0] == pytest.approx(0.0, abs=1e-9)

    rng = np.random.default_rng(6)
    vectors = rng.standard_normal((100, 32)).astype(np.float16)
    vectors[:40] = vectors[0]
    points = Points(np.arange(100, dtype=np.uint64), vectors)
    score = fitted(points, n_rows=300, width_ratio=0.05, concatenation=8).score(points).value
    assert len(set(score[:40])) == 1
    np.testing.assert_allclose(np.exp(score[:40]), 0.4, atol=0.002)
    np.testing.assert_allclose(np.exp(score[40:]), 0.01, atol=1e-4)
    assert score.min() >= np.log(0.01) - 1e-12


def test_vectors_of_length_zero_and_of_any_scale_have_a_density() -> None:
    points = clustered(300)
    vectors = points.vector.astype(np.float32) * 1e3
    vectors[:3] = 0.0
    vectors[3] *= 1e4
    for name in ("p-stable", "signed-projection"):
        ready = RaceDensity(hash=name, n_rows=100).calibrate(
            Sample(Points(points.key[10:], vectors[10:]), 300)
        )
        changed = Points(points.key, vectors)
        score = ready.merge([ready.fit([changed])]).score(changed).value
        assert np.isfinite(score).all()
        assert score[0] == score[1] == score[2] >= np.log(0.01) - 1e-12


def test_counts_beyond_32_bits() -> None:
    points = clustered(300)
    small = fitted(points, n_rows=200)
    times = 50_000_000  # 1.5e10 documents
    state = RaceSketch(small.sketch.count.astype(np.int64) * times, 300 * times)
    half = RaceSketch(state.count // 2, 150 * times)
    large = small.calibrated.merge([half, half])
    assert large.sketch.count.dtype == np.int64
    a, b = small.score(points), large.score(points)
    np.testing.assert_allclose(b.value, a.value, rtol=1e-9)
    np.testing.assert_allclose(b.extra["stderr"], a.extra["stderr"], rtol=1e-4)


def test_config_tells_how_full_the_sketch_is_and_what_its_kernel_is() -> None:
    points = clustered(1000)
    scorer = fitted(points, n_rows=100, n_buckets=300, concatenation=1, width_ratio=1.0)
    config = scorer.config()
    filled = (scorer.sketch.count > 0).sum(1).mean()
    assert config["cells_per_row"] == pytest.approx(filled)
    assert config["occupancy"] == pytest.approx(filled / 300)
    assert config["collision"] == pytest.approx(0.3687, abs=1e-3)
    other = fitted(
        clustered(1000, seed=1), n_rows=100, n_buckets=300, concatenation=1, width_ratio=1.0
    )
    assert other.config()["sketch"] != config["sketch"]
    assert (
        fitted(points, n_rows=100, n_buckets=300, concatenation=1, width_ratio=1.0).config()
        == config
    )


def test_shares_without_documents_change_nothing() -> None:
    points = clustered(40)
    ready = calibrated(points, n_rows=10)
    nothing = ready.fit([])
    merged = ready.merge([nothing, ready.fit([points.at(slice(0, 0)), points]), nothing])
    assert merged.sketch.n_documents == 40
    assert len(merged.score(points.at(slice(0, 0))).value) == 0
    with pytest.raises(ValueError, match=r"at least 1 document"):
        ready.merge([nothing])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hash": "minhash"}, r"'hash' of RaceDensity must be one of p-stable, signed-projection"),
        ({"n_rows": 1}, r"'n_rows' of RaceDensity must be at least 2. Got 1."),
        ({"n_buckets": 1}, r"'n_buckets' of RaceDensity must be at least 2. Got 1."),
        ({"concatenation": 0}, r"'concatenation' of RaceDensity must be at least 1. Got 0."),
        ({"seed": 2**32}, r"'seed' of RaceDensity must be in \[0, 2\^32\). Got 4294967296."),
        ({"n_sample": 0}, r"'n_sample' of RaceDensity must be at least 1. Got 0."),
        ({"n_rows": 100_000, "n_buckets": 100_000}, r"must be below 2\^31"),
        ({"width": 0.0}, r"'width' of RaceDensity must be above 0 and finite. Got 0.0."),
        ({"width_ratio": float("inf")}, r"'width_ratio' of RaceDensity must be above 0"),
        ({"width_ratio": float("nan")}, r"'width_ratio' of RaceDensity must be above 0"),
        ({"width_quantile": 0.0}, r"'width_quantile' of RaceDensity must be in \(0, 1\]"),
        ({"hash": "signed-projection", "width": 1.0}, r"is for p-stable hashes"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RaceDensity(**options)


def test_samples_and_vectors_are_checked() -> None:
    points = clustered(20)
    with pytest.raises(ValueError, match=r"sample of at least 1 document"):
        RaceDensity().calibrate(Sample(points.at(slice(0, 0)), 0))
    with pytest.raises(ValueError, match=r"'width' of RaceDensity must be at least"):
        calibrated(points, width=1e-9)
    bad = Points(points.key, np.full_like(points.vector, np.nan))
    with pytest.raises(ValueError, match=r"must be finite"):
        calibrated(bad)
    ready = calibrated(points, n_rows=10)
    with pytest.raises(ValueError, match=r"must be finite"):
        ready.fit([bad])
