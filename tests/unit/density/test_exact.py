"""Exact density against plain sums over all pairs; and the tiles it is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scorers.density import ExactDensity
from scorers.density.kernels import KERNELS as BY_NAME
from scorers.density.sums import KernelSums, _Side
from scorers.points import Points
from tests.unit.density.plain_sums import KERNELS, corpus, fitted, log_density, sample_of


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_equals_the_plain_sum(kernel: str, lengths: bool, dtype: type) -> None:
    """1,300 documents: two tiles of points, three of queries."""
    points = corpus(1300, lengths=lengths)
    points = Points(points.key, points.vector.astype(dtype))
    density = fitted(ExactDensity(kernel=kernel), points)
    found, expected = density.score(points), log_density(points, kernel, density.h)
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=2e-6)
    assert np.ptp(expected) > 1
    assert not found.extra["stderr"].any()
    assert density.config()["h"] == density.h
    assert density.config()["n_documents"] == 1300
    assert "device" not in density.config()


def test_the_kernels_meet_on_unit_vectors() -> None:
    points = corpus(200)
    one, other = (
        fitted(ExactDensity(kernel=kernel, bandwidth=0.4), points).score(points).value
        for kernel in ("gaussian", "von-mises-fisher")
    )
    np.testing.assert_allclose(one, other, atol=2e-3)  # float16 vectors are not quite of length 1


def test_length_is_nothing_to_the_von_mises_fisher_kernel() -> None:
    points = corpus(200)
    longer = Points(points.key, points.vector * np.float16(4))
    spec = ExactDensity(kernel="von-mises-fisher")
    one, other = (fitted(spec, which).score(which).value for which in (points, longer))
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_order_and_split_do_not_matter(kernel: str) -> None:
    points, rng = corpus(700), np.random.default_rng(1)
    spec = ExactDensity(kernel=kernel)
    expected = fitted(spec, points).score(points).value
    shuffled = rng.permutation(700)
    for shares in ([shuffled], np.split(shuffled, [3, 3, 400]), np.split(shuffled, [600])):
        assert fitted(spec, points, shares=shares).score(points).value.tobytes() == (
            expected.tobytes()
        )


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_document_does_not_depend_on_its_batch(kernel: str) -> None:
    points = corpus(1300, d=257)
    points.vector[:200] = points.vector[0]  # distances between copies are nothing but rounding
    density = fitted(ExactDensity(kernel=kernel), points)
    whole = density.score(points).value
    some = np.random.default_rng(2).permutation(1300)
    for size in (0, 1, 2, 37, 513):
        batch = some[:size]
        np.testing.assert_allclose(density.score(points.at(batch)).value, whole[batch], rtol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_narrow_kernels_leave_a_document_alone(kernel: str) -> None:
    """All other kernels underflow; what is left is the document's own, 1/N."""
    points = corpus(50, lengths=kernel == "gaussian")
    scored = fitted(ExactDensity(kernel=kernel, bandwidth=1e-3), points).score(points)
    np.testing.assert_allclose(scored.value, -np.log(50), rtol=0, atol=1e-12)


def test_wide_kernels_know_no_difference() -> None:
    points = corpus(50)
    value = fitted(ExactDensity(bandwidth=1e4), points).score(points).value
    np.testing.assert_allclose(value, 0.0, atol=1e-6)
    assert (value <= 0).all()


def test_one_document() -> None:
    points = corpus(1)
    scored = fitted(ExactDensity(), points).score(points)
    assert scored.value.tolist() == scored.extra["stderr"].tolist() == [0.0]


def test_copies_are_counted() -> None:
    vector = np.vstack([np.tile(np.eye(4)[0], (6, 1)), np.eye(4)[1:]]).astype(np.float16)
    points = Points(np.arange(9, dtype=np.uint64), vector)
    value = fitted(ExactDensity(bandwidth=0.05), points).score(points).value
    np.testing.assert_allclose(value, np.log([6 / 9] * 6 + [1 / 9] * 3), atol=1e-6)


def test_copies_are_no_more_than_copies_to_a_narrow_kernel() -> None:
    """Rounding may put their distance on either side of 0."""
    vector = np.repeat(corpus(40, d=257, lengths=True).vector, 5, axis=0)
    points = Points(np.arange(200, dtype=np.uint64), vector)
    value = fitted(ExactDensity(bandwidth=1e-4), points).score(points).value
    assert (value <= np.log(5 / 200) + 1e-6).all()
    assert (value >= -np.log(200)).all()


def test_two_documents_of_one_id_are_two_documents() -> None:
    points = corpus(300)
    key = points.key.copy()
    key[50:53] = key[200]  # some in the cluster, one outside
    key[60] = key[61]
    twins = Points(key, points.vector.copy())
    twins.vector[61] = twins.vector[60]  # alike in their vectors as well
    density = fitted(ExactDensity(bandwidth=0.4), twins)
    expected = log_density(twins, "gaussian", 0.4)
    np.testing.assert_allclose(density.score(twins).value, expected, atol=2e-6)
    back = fitted(ExactDensity(bandwidth=0.4), twins, shares=[np.arange(300)[::-1]])
    assert back.score(twins).value.tobytes() == density.score(twins).value.tobytes()


def test_vectors_of_length_zero() -> None:
    vector = np.vstack([np.zeros((2, 3)), np.eye(3)]).astype(np.float16)
    points = Points(np.arange(5, dtype=np.uint64), vector)
    for kernel in KERNELS:
        value = fitted(ExactDensity(kernel=kernel, bandwidth=0.05), points).score(points).value
        np.testing.assert_allclose(value, np.log([0.4] * 2 + [0.2] * 3), atol=1e-6)


def test_what_cannot_be_scored_is_refused() -> None:
    points = corpus(100)
    density = fitted(ExactDensity(), points)
    stranger = Points(np.array([1, points.key[0]], np.uint64), points.vector[:2])
    with pytest.raises(ValueError, match="1 of 2 are not among them, the first with key 1"):
        density.score(stranger)
    broken = Points(points.key[:3], points.vector[:3] * np.float16(np.nan))
    with pytest.raises(ValueError, match="NaN or infinity in 3 of 3 vectors"):
        density.score(broken)
    with pytest.raises(ValueError, match="at least one document with an embedding"):
        ExactDensity().calibrate(sample_of(points, 100)).merge([[], []])


# The tiles


@pytest.mark.parametrize("kernel", KERNELS)
def test_sums_without_some_pairs(kernel: str) -> None:
    rng = np.random.default_rng(3)
    x, y = (rng.standard_normal((n, 5)).astype(np.float32) for n in (700, 1700))
    row, column = np.divmod(rng.choice(700 * 1700, 5000, replace=False), 1700)
    total, squares = KernelSums(y, BY_NAME[kernel], 0.9, "cpu")(x, (row, column))
    if kernel == "von-mises-fisher":
        x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    exponent = -((x[:, None].astype(np.float64) - y) ** 2).sum(2) / (2 * 0.9**2)
    expected = np.exp(-np.sqrt(-2 * exponent) if kernel == "exponential" else exponent)
    expected[row, column] = 0.0
    np.testing.assert_allclose(total, expected.sum(1), rtol=2e-6)
    np.testing.assert_allclose(squares, (expected**2).sum(1), rtol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_operands_hold_distances_to_float32(dtype: torch.dtype) -> None:
    """What a GPU multiplies: the half squares are too fine for one float16."""
    points = torch.from_numpy(corpus(300, lengths=True).vector)
    side = _Side.measured(points, on_unit_vectors=False)
    left, right = (
        side.operand(0, 300, dtype, own=0, other=2),
        side.operand(0, 300, dtype, own=2, other=0),
    )
    x = points.double()
    expected = -((x[:, None] - x) ** 2).sum(2) / 2
    assert abs(left.double() @ right.double().T - expected).max() < 2e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_gpu_gives_the_same(kernel: str) -> None:
    points = corpus(10_000, lengths=True)
    one, other = (
        fitted(ExactDensity(kernel=kernel, device=device), points).score(points).value
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
