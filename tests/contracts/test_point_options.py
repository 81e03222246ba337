"""The configuration of a scorer of points holds every option that changes a score."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curate.registry import BUILT_IN, make_point_scorer, reads_points

CHANGES: dict[str, dict[str, Any]] = {
    "density": {"n_reference": 9, "kernel": "exponential", "bandwidth": 0.4},
    "density-exact": {"kernel": "exponential", "bandwidth_ratio": 0.5, "bandwidth_quantile": 0.1},
    "density-race": {"hash": "signed-projection", "n_rows": 9, "n_buckets": 9, "width": 0.4},
    "density-faiss": {"n_neighbours": 5, "n_reference": 300, "bandwidth": 0.4, "seed": 1},
    "semdedup": {"n_clusters": 4, "threshold": 0.5, "seed": 1},
    "prototypes": {"n_clusters": 4, "seed": 1},
    "coverage": {"n_neighbours": 5, "limit": 7},
}


@pytest.mark.parametrize("name", [n for n in BUILT_IN["scorers"] if reads_points(n)])
def test_configurations_hold_what_changes_a_score(name: str) -> None:
    plain = make_point_scorer(name)[0].config()
    assert make_point_scorer(name)[0].config() == plain
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    forgotten = [
        option
        for option, value in CHANGES[name].items()
        if make_point_scorer(name, **{option: value})[0].config() == plain
    ]
    assert not forgotten
