from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from scorers.density.hashes import (
    Hashes,
    Lattice,
    p_stable_collision,
    signed_projection_collision,
)


def draw(**options: Any) -> Hashes:
    given: dict[str, Any] = {
        "n_rows": 100,
        "n_buckets": 1 << 16,
        "concatenation": 1,
        "dimension": 16,
        "length": 1.0,
        "width": 1.0,
        "orthogonal": False,
        "seed": 0,
    }
    return Hashes.draw(**{**given, **options})


def buckets(hashes: Hashes, vectors: np.ndarray) -> np.ndarray:
    rows = hashes.direction.shape[1]
    found = hashes.positions(hashes.lattice(vectors), slice(0, rows)).numpy()
    return found - np.arange(rows)[:, None] * hashes.n_buckets


def unit(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    vectors = rng.standard_normal((n, d))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_p_stable_collision_is_that_of_the_closed_form() -> None:
    r = np.array([0.5, 0.8, 1.0, 1.2, 1.3, 1.5, 2.0, 3.0])
    expected = [0.195, 0.303, 0.369, 0.429, 0.456, 0.507, 0.610, 0.734]
    np.testing.assert_allclose(p_stable_collision(1.0 / r, 1.0), expected, atol=5e-4)
    np.testing.assert_array_equal(p_stable_collision(np.array([0.0]), 0.3), [1.0])
    # far away: width / (√(2π) distance)
    far = p_stable_collision(np.array([1e4]), 1.0)
    np.testing.assert_allclose(far, 1.0 / (np.sqrt(2.0 * np.pi) * 1e4), rtol=1e-4)


def test_signed_projection_collision_is_linear_in_the_angle() -> None:
    found = signed_projection_collision(np.array([1.0, 0.5, 0.0, -1.0, 1.0 + 1e-9]))
    np.testing.assert_allclose(found, [1.0, 2.0 / 3.0, 0.5, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize("concatenation", [1, 3])
@pytest.mark.parametrize("width", [None, 0.5, 1.5])
def test_points_collide_as_often_as_the_formula_says(
    orthogonal: bool, concatenation: int, width: float | None
) -> None:
    rng = np.random.default_rng(1)
    start, step = unit(rng, 2, 24)
    vectors = np.stack([start + c * step for c in (0.0, 0.05, 0.3, 1.0, 1.9)])
    hashes = draw(
        n_rows=20_000,
        dimension=24,
        width=width,
        length=2.5,
        concatenation=concatenation,
        orthogonal=orthogonal,
    )
    found = buckets(hashes, vectors)
    rate = (found[:, 1:] == found[:, :1]).mean(0)
    distance = np.linalg.norm(vectors[1:] - vectors[0], axis=1)
    cosine = vectors[1:] @ vectors[0] / np.linalg.norm(vectors[1:], axis=1)
    one = (
        signed_projection_collision(cosine)
        if width is None
        else p_stable_collision(distance, width)
    )
    expected = one**concatenation
    error = np.sqrt(expected * (1.0 - expected) / 20_000)
    assert (np.abs(rate - expected) < 4.0 * error + 1e-4).all()


@pytest.mark.parametrize("dimension", [1, 384, 768, 4096])
@pytest.mark.parametrize("length", [1e-3, 1.0, 300.0])
def test_products_are_exact_whatever_the_dimension_and_the_scale(
    dimension: int, length: float
) -> None:
    rng = np.random.default_rng(2)
    vectors = unit(rng, 9, dimension) * length
    vectors[5:] *= np.array([0.0, 2.0, 50.0, 1e6])[:, None]  # longer than any that was sampled
    vectors[0] = length * np.eye(dimension)[0]
    hashes = draw(n_rows=64, dimension=dimension, length=length, width=length)
    lattice = hashes.lattice(vectors)
    direction = hashes.direction[0]
    exact = direction.double() @ lattice.whole.double().T
    assert exact.abs().max() < 2**24
    norms = direction.double().norm(dim=1)[:, None] * lattice.whole.double().norm(dim=1)
    assert norms.max() <= 2**24 * (1 + 1e-6)  # by Cauchy-Schwarz, of every partial sum too
    for way in (lattice, Lattice(lattice.whole), Lattice.of(lattice.whole[:5])):
        assert torch.equal(way.product(direction).double(), exact[:, : len(way.whole)])


def test_rounding_to_the_lattice_is_far_below_the_width() -> None:
    vectors = unit(np.random.default_rng(3), 50, 4096)
    hashes = draw(dimension=4096)
    back = hashes.lattice(vectors).whole.numpy() / hashes.scale
    assert np.linalg.norm(back - vectors, axis=1).max() < 0.02


def test_codes_do_not_depend_on_the_batch() -> None:
    vectors = unit(np.random.default_rng(4), 300, 100).astype(np.float32)
    hashes = draw(dimension=100, concatenation=2, width=0.01)
    whole = buckets(hashes, vectors)
    for size in (1, 7, 64):
        parts = [buckets(hashes, vectors[i : i + size]) for i in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(parts, 1), whole)


@pytest.mark.parametrize("concatenation", [1, 3])
def test_different_cells_fall_into_buckets_like_independent_uniform_numbers(
    concatenation: int,
) -> None:
    rows, n_buckets = 40_000, 5
    vectors = np.array([[0.0, 0.0], [0.6, 0.8]])
    hashes = draw(
        n_rows=rows, n_buckets=n_buckets, dimension=2, width=0.001, concatenation=concatenation
    )
    found = buckets(hashes, vectors)
    assert found.min() >= 0
    assert found.max() < n_buckets
    seen = np.bincount(found[:, 0] * n_buckets + found[:, 1], minlength=n_buckets**2)
    expected = rows / n_buckets**2
    assert ((seen - expected) ** 2 / expected).sum() < 24 + 4 * np.sqrt(48)


def test_what_cannot_be_hashed_is_refused() -> None:
    hashes = draw()
    for bad in (np.nan, np.inf, -np.inf):
        vectors = np.zeros((3, 16), np.float32)
        vectors[1, 2] = bad
        with pytest.raises(ValueError, match=r"must be finite"):
            hashes.lattice(vectors)
    with pytest.raises(ValueError, match=r"the 16 dimensions of the sample. Got 15"):
        hashes.lattice(np.zeros((3, 15), np.float32))
    with pytest.raises(ValueError, match=r"'width' of RaceDensity must be at least .* Got 1e-06"):
        draw(width=1e-6)
