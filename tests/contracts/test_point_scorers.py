"""What every scorer of points owes its users, whatever it measures."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from curate.registry import BUILT_IN, find
from scorers import Scored
from scorers.point_sample import PointSample
from scorers.points import Points, PointScorer, PointScorerSpec

OPTIONS: dict[str, dict[str, Any]] = {
    "density": {},
    "density-exact": {},
    "density-race": {"n_rows": 300, "n_buckets": 400},
    "density-faiss": {"n_neighbours": 20},
    "semdedup": {"n_clusters": 5},
    "prototypes": {"n_clusters": 5},
    "coverage": {"n_neighbours": 8},
}
EVERY = list(OPTIONS)
LOOKED_UP = {"semdedup", "coverage"}
"""Scores that are decided before the first is asked for."""
N, DIMENSION = 260, 24


def corpus(n: int = N, seed: int = 0) -> Points:
    """Documents around some centres, of length 1, a few of them copies under keys of their own."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(12, DIMENSION))
    vector = centre[rng.integers(12, size=n)] + 0.7 * rng.normal(size=(n, DIMENSION))
    vector /= np.linalg.norm(vector, axis=1, keepdims=True)
    if n > 20:
        vector[[3, 11, 16]] = vector[18]
    return read_only(Points(rng.integers(2**64, size=n, dtype=np.uint64), np.float16(vector)))


def read_only(points: Points) -> Points:
    points.key.flags.writeable = points.vector.flags.writeable = False
    return points


def in_parts(points: Points, sizes: Sequence[int]) -> list[list[Points]]:
    """Shares of the corpus of the sizes given, each in batches of at most 50."""
    ends = np.cumsum([0, *sizes])
    assert ends[-1] == len(points)
    return [
        [
            read_only(points.at(np.arange(at, min(at + 50, end))))
            for at in range(int(start), int(end), 50)
        ]
        for start, end in itertools.pairwise(ends)
    ]


def fitted(
    spec: PointScorerSpec, shares: Sequence[Sequence[Points]], n_sample: int | None = None
) -> PointScorer:
    """As an application fits: a sample, a pass over each share where it is needed, a union."""
    batches = [batch for share in shares for batch in share]
    samples = [PointSample(spec.n_sample if n_sample is None else n_sample) for _ in shares]
    for sample, share in zip(samples, shares, strict=True):
        for batch in share:
            sample.add(batch.key)
    first = samples[0]
    for other in samples[1:]:
        first.union(other)
    parts = [batch.at(first.holds(batch.key)) for batch in batches]
    calibrated: Any = spec.calibrate(first.result(parts, batches[0].vector.shape[1]))
    if isinstance(calibrated, PointScorer):
        return calibrated
    made = calibrated.merge([calibrated.fit(iter(share)) for share in shares])
    assert isinstance(made, PointScorer)
    return made


def columns(scored: Scored) -> dict[str, np.ndarray]:
    return {"value": scored.value, **scored.extra}


def assert_same(found: Scored, expected: Scored) -> None:
    """The same bytes."""
    assert found.reason == expected.reason
    assert list(found.extra) == list(expected.extra)
    for name, column in columns(expected).items():
        assert columns(found)[name].dtype == column.dtype, name
        np.testing.assert_array_equal(columns(found)[name], column, err_msg=name)


def assert_close(found: Scored, expected: Scored, name: str) -> None:
    """The same but for rounding: last bits of a product depend on the batch it is part of."""
    assert list(found.extra) == list(expected.extra)
    tolerance = 1e-12 if name in LOOKED_UP else 1e-6
    for column in columns(expected):
        np.testing.assert_allclose(
            np.float64(columns(found)[column]),
            np.float64(columns(expected)[column]),
            rtol=0,
            atol=tolerance,
            err_msg=column,
        )


def rows(scored: Scored, which: Any) -> Scored:
    extra = {name: column[which] for name, column in scored.extra.items()}
    return Scored(scored.value[which], [None] * len(scored.value[which]), extra)


@pytest.fixture(scope="module", params=EVERY)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def spec(name: str) -> Any:
    return find("scorers", name)(**OPTIONS[name])


@pytest.fixture(scope="module", params=["a-part", "everything"])
def n_sample(request: pytest.FixtureRequest) -> int | None:
    return 60 if request.param == "a-part" else None


@pytest.fixture(scope="module")
def points() -> Points:
    return corpus()


@pytest.fixture(scope="module")
def scorer(spec: Any, points: Points, n_sample: int | None) -> PointScorer:
    return fitted(spec, in_parts(points, [N]), n_sample)


@pytest.fixture(scope="module")
def scored(scorer: PointScorer, points: Points) -> Scored:
    return scorer.score(points)


def test_all_that_are_registered_are_here() -> None:
    registered = [n for n in BUILT_IN["scorers"] if hasattr(find("scorers", n), "calibrate")]
    assert sorted(registered) == sorted(EVERY)


def test_a_spec_is_frozen_and_bears_its_registered_name(name: str, spec: Any) -> None:
    assert isinstance(spec, PointScorerSpec)
    assert dataclasses.is_dataclass(spec)
    assert spec.name == name
    assert spec.n_sample >= 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.seed = 1
    with pytest.raises(TypeError, match="positional"):
        type(spec)(1)


def test_a_scorer_says_what_it_measures(scorer: PointScorer, name: str) -> None:
    assert scorer.name == name
    assert scorer.column.isidentifier()
    assert scorer.unit
    assert scorer.higher_is_better in (True, False, None)


def test_configs_are_plain_json_and_stable(spec: Any, scorer: PointScorer, points: Points) -> None:
    for made in (spec, scorer):
        before = made.config()
        scorer.score(points.at(np.arange(3)))
        assert made.config() == before
        assert json.loads(json.dumps(before, allow_nan=False)) == before


def test_a_seed_is_in_the_config(spec: Any) -> None:
    if "seed" in {option.name for option in dataclasses.fields(spec)}:
        assert dataclasses.replace(spec, seed=7).config() != spec.config()


def test_every_document_has_a_finite_score(scored: Scored) -> None:
    assert scored.value.dtype == np.float64
    for name, column in columns(scored).items():
        assert column.shape == (N,), name
    assert np.isfinite(scored.value).all()
    assert scored.reason == [None] * N
    assert len(np.unique(np.round(scored.value, 6))) > 10


def test_the_order_of_the_corpus_changes_no_byte(
    spec: Any, points: Points, n_sample: int | None, scored: Scored
) -> None:
    order = np.random.default_rng(5).permutation(N)
    shuffled = fitted(spec, in_parts(points.at(order), [N]), n_sample)
    assert_same(shuffled.score(points), scored)


@pytest.mark.parametrize("sizes", [[70, 190], [0, 1, 129, 0, 130]])
def test_the_split_into_shares_changes_no_byte(
    spec: Any, points: Points, n_sample: int | None, scored: Scored, sizes: list[int]
) -> None:
    shares = in_parts(points, sizes)
    assert_same(fitted(spec, shares, n_sample).score(points), scored)
    assert_same(fitted(spec, shares[::-1], n_sample).score(points), scored)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_of_score_change_nothing(
    scorer: PointScorer, points: Points, scored: Scored, name: str, size: int
) -> None:
    for start in range(0, N if size > 1 else 20, size):
        part = np.arange(start, min(start + size, N))
        assert_close(scorer.score(points.at(part)), rows(scored, part), name)


def test_permutation_equivariance(
    scorer: PointScorer, points: Points, scored: Scored, name: str
) -> None:
    order = np.random.default_rng(6).permutation(N)
    assert_close(scorer.score(points.at(order)), rows(scored, order), name)


def test_same_bytes_twice(
    spec: Any, scorer: PointScorer, points: Points, n_sample: int | None, scored: Scored
) -> None:
    assert_same(scorer.score(points), scored)
    assert_same(fitted(spec, in_parts(points, [N]), n_sample).score(points), scored)


def test_nothing_to_score(scorer: PointScorer, points: Points, scored: Scored) -> None:
    assert_same(scorer.score(points.at(np.arange(0))), rows(scored, np.arange(0)))


def test_inputs_are_not_modified(spec: Any, points: Points, n_sample: int | None) -> None:
    writable = Points(points.key.copy(), points.vector.copy())
    fitted(spec, [[writable]], n_sample).score(writable)
    np.testing.assert_array_equal(writable.key, points.key)
    np.testing.assert_array_equal(writable.vector, points.vector)


def test_float32_is_as_good_as_float16(
    spec: Any, points: Points, n_sample: int | None, scored: Scored, name: str
) -> None:
    wide = read_only(Points(points.key, points.vector.astype(np.float32)))
    found = fitted(spec, in_parts(wide, [N]), n_sample)
    assert_close(found.score(wide), scored, name)
    assert_close(found.score(points), scored, name)


def test_vectors_of_other_lengths(spec: Any, points: Points, n_sample: int | None) -> None:
    length = np.random.default_rng(7).uniform(0.2, 30, size=(N, 1))
    longer = Points(points.key, (points.vector * length).astype(np.float32))
    assert np.isfinite(fitted(spec, in_parts(longer, [N]), n_sample).score(longer).value).all()


def test_documents_of_one_key_share_a_score(
    spec: Any, points: Points, n_sample: int | None, name: str
) -> None:
    twice = Points.joined([points, points.at(np.arange(40))])
    scorer = fitted(spec, in_parts(twice, [N, 40]), n_sample)
    scored = scorer.score(twice)
    assert_close(rows(scored, np.arange(N, N + 40)), rows(scored, np.arange(40)), name)
    assert_same(fitted(spec, in_parts(twice, [100, 200]), n_sample).score(twice), scored)


def test_a_corpus_of_copies(spec: Any, name: str) -> None:
    copies = Points(np.arange(30, dtype=np.uint64), np.repeat(corpus(1).vector, 30, axis=0))
    found = fitted(spec, in_parts(copies, [30])).score(copies)
    assert np.isfinite(found.value).all()
    if name not in LOOKED_UP:  # those keep one of them
        np.testing.assert_allclose(found.value, found.value[0], atol=1e-6)


def test_a_corpus_of_two(spec: Any, name: str) -> None:
    two = corpus(2)
    options = {"n_clusters": None} if name in {"semdedup", "prototypes"} else {}
    found = fitted(dataclasses.replace(spec, **options), in_parts(two, [1, 1])).score(two)
    assert np.isfinite(found.value).all()
    assert found.reason == [None, None]
