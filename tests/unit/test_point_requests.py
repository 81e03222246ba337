"""What is asked of scorers of points, and what is said of their scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.registry import make_point_scorer, make_scorer
from curate.stages.describe import describe_scores, weights_note
from curate.stages.embed import VectorColumn, embed
from curate.stages.points import score_points
from curate.tables import ScoreStore
from scorers import HashedNGrams
from tests.conftest import WriteShard, some_text

NGRAMS = HashedNGrams(n_features=2**10, dimension=16)


def test_a_target_is_embedding_tables(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", ["x"] * 3, v=[[1, 0], [0, 1], [1, 1]], id=["a", "b", "c"])
    write_shard("b.jsonl", ["x"], v=[[0, 2]])
    for name in ("a", "b"):
        corpus = Corpus(inputs=(str(tmp_path / f"corpus/{name}.jsonl"),))
        embed(corpus, VectorColumn("v"), tmp_path / name)
    spec, _ = make_point_scorer("coverage", target=str(tmp_path / "b/embeddings"))
    assert spec.target.tolist() == [[0, 2]]
    target = tmp_path / "b/embeddings"
    score_points(tmp_path / "a/embeddings", spec, tmp_path / "a", target=target)
    scores = next(ScoreStore.open(tmp_path / "a/coverage").tables(["score"]))[1]["score"]
    assert scores.to_pylist()[1] == 0
    with pytest.raises(ConfigError, match="no embedding tables there"):
        make_point_scorer("coverage", target=str(tmp_path))


@pytest.mark.parametrize(
    ("embedder", "message"),
    [
        (VectorColumn("v"), "scorer is 'vector-column' there, 'hashed-ngrams' here"),
        (replace(NGRAMS, seed=1), "config is {.*'seed': 1} there, .*'seed': 0} here"),
        (NGRAMS, "hashed-ngrams is fitted to the corpus .*--embedder MODEL"),
    ],
)
def test_a_target_of_another_embedder_is_refused(
    embedder: Any, message: str, write_shard: WriteShard, tmp_path: Path
) -> None:
    write_shard("a.jsonl", [some_text(i) for i in range(9)])
    write_shard("b.jsonl", ["x y", "z"], v=[[1] * 17, [2] * 17])
    for name, made in (("a", NGRAMS), ("b", embedder)):
        corpus = Corpus(inputs=(str(tmp_path / f"corpus/{name}.jsonl"),))
        embed(corpus, made, tmp_path / name)
    target = tmp_path / "b/embeddings"
    spec, _ = make_point_scorer("coverage", target=str(target))
    with pytest.raises(ConfigError, match=message):
        score_points(tmp_path / "a/embeddings", spec, tmp_path / "a", target=target)
    with pytest.raises(ConfigError, match="cannot be named 'embeddings'"):
        score_points(tmp_path / "a/embeddings", spec, tmp_path / "a", name="embeddings")


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu"])
def test_a_device_that_is_not_there(device: str) -> None:
    for name in ("density", "density-exact", "density-faiss"):
        with pytest.raises(ConfigError, match=rf"'device' of .* has here: cpu.* Got '{device}'"):
            make_point_scorer(name, device=device)
        assert "device" not in make_point_scorer(name, device="cpu")[0].config()


def test_what_is_said_of_densities(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", [some_text(i) for i in range(30)])
    out = tmp_path / "out"
    embed(Corpus(inputs=(str(tmp_path / "corpus"),)), NGRAMS, out)
    for name, bandwidth, uniform in (("narrow", None, False), ("wide", 9.0, True)):
        spec = make_scorer("density", bandwidth=bandwidth)
        score_points(out / "embeddings", spec, out, name=name)
        (note,) = describe_scores(out / name).notes
        assert "Weights 1 / density spread" in note
        assert ("nearly uniform sampling" in note) == uniform
        assert note.endswith("a smaller --bandwidth.") == uniform
    score_points(out / "embeddings", make_scorer("density-race", n_rows=20), out)
    spread, sketch = describe_scores(out / "density-race").notes
    assert spread.startswith("Weights")
    assert spread == weights_note(out / "density-race")
    assert "Of 20,000 counters a row" in sketch
    assert "collide with probability 0." in sketch
    for name, option in (("ratio", {"width_ratio": 30.0}), ("width", {"width": 30.0})):
        score_points(out / "embeddings", make_scorer("density-race", **option), out, name=name)
        advice = f"give a greater --concatenation, or a smaller --{next(iter(option))}."
        assert str(weights_note(out / name)).endswith(advice.replace("_", "-"))
    score_points(out / "embeddings", make_scorer("prototypes"), out)
    assert weights_note(out / "prototypes") is None
