"""The bandwidth rule and the spread of weights: closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.density import ExactDensity, FaissDensity, ReferenceDensity, weight_spread
from scorers.density.bandwidth import Bandwidth, distance_quantile

SPECS = (ExactDensity, FaissDensity, ReferenceDensity)


def test_quantiles_of_the_distances_between_points_on_a_line() -> None:
    line = np.array([[0.0], [1.0], [3.0], [7.0]])  # distances 1, 2, 3, 4, 6, 7
    for quantile, distance in ((0.0, 1.0), (0.2, 2.0), (0.5, 3.5), (1.0, 7.0)):
        assert distance_quantile(line, quantile) == pytest.approx(distance)
        assert distance_quantile(1e-3 * line, quantile) == pytest.approx(1e-3 * distance)


def test_documents_that_are_alike_do_not_count() -> None:
    far = np.eye(4)
    alike = np.repeat(far, 50, axis=0) + 1e-4 * np.random.default_rng(0).standard_normal((200, 4))
    assert distance_quantile(alike, 0.5) == pytest.approx(np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("vector", [np.ones((5, 4)), np.ones((1, 4))])
def test_where_none_differ_it_is_the_length(vector: np.ndarray) -> None:
    assert distance_quantile(vector, 0.5) == pytest.approx(2.0)


def test_there_is_a_bandwidth_for_no_vectors_and_for_zeros() -> None:
    assert distance_quantile(np.zeros((0, 4)), 0.5) == distance_quantile(np.zeros((3, 4)), 0.5) == 1


def test_the_rule() -> None:
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert Bandwidth().resolve(line) == pytest.approx(0.22 * 3.5)
    assert Bandwidth(bandwidth_ratio=2, bandwidth_quantile=1).resolve(line) == pytest.approx(14.0)
    assert Bandwidth(bandwidth=0.25).resolve(line) == 0.25


def test_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinity in 2 of 3 vectors"):
        distance_quantile(np.array([[1.0], [np.nan], [np.inf]]), 0.5)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("bandwidth", 0.0),
        ("bandwidth", np.nan),
        ("bandwidth", np.inf),
        ("bandwidth_ratio", -1.0),
        ("bandwidth_quantile", 0.0),
        ("bandwidth_quantile", 1.1),
        ("kernel", "epanechnikov"),
    ],
)
def test_options_out_of_range(spec: type, option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"'{option}' of {spec.__name__} must be .* Got "):
        spec(**{option: value})


def test_spread_of_weights() -> None:
    value = np.log(np.linspace(1.0, 3.0, 201))  # percentiles 1 and 99: 1.02 and 2.98
    assert weight_spread(np.r_[value, np.nan]) == pytest.approx(2.98 / 1.02)
    assert weight_spread(np.zeros(3)) == 1.0
