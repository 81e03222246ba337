"""The dataset: shares kept, counts that add up, text unchanged, the same bytes again."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select
from curate.tables import DATASET_COLUMNS
from tests.built import make, rows, selected
from tests.conftest import WriteShard
from tests.unit.test_score import Length


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    return selected(write_shard, tmp_path)


def test_shares_counts_and_text(corpus: Corpus, tmp_path: Path) -> None:
    manifest = make(corpus, tmp_path)
    table = rows(tmp_path / "out").to_pylist()
    for name, share in (("web", 0.5), ("code", 0.2), ("books", 0.3)):
        count = manifest["domains"][name]
        assert count["share"] == pytest.approx(share, abs=0.02)
        assert count["documents_in"] == (
            count["without_score"] + count["not_selected"] + count["not_needed"] + count["used"]
        )
        mine = [r for r in table if r["domain"] == name]
        assert len(mine) == count["copies"]
        assert len({r["key"] for r in mine}) == count["used"]
        assert sum(len(r["text"].split()) for r in mine) == count["tokens"]
    assert manifest["domains"]["books"]["epochs"] > 1
    assert {r["epoch"] for r in table if r["domain"] == "books"} >= {0, 1}
    texts = {}
    for path in (tmp_path / "corpus").rglob("*.jsonl"):
        texts |= {r["id"]: r["text"] for r in map(json.loads, path.read_text().splitlines())}
    assert all(r["text"] == texts[r["id"]] for r in table)
    assert all(r["length"] == len(r["text"]) for r in table)
    assert all(0 < r["inclusion"] <= 0.81 for r in table)


def test_scores_have_a_column_of_their_own(corpus: Corpus, tmp_path: Path) -> None:
    request = BuildRequest(mixture={"web": 1.0}, tokens=500, shards=1)
    build(corpus, tmp_path / "sel", tmp_path / "bare", request)
    assert tuple(rows(tmp_path / "bare").column_names) == DATASET_COLUMNS
    mine = tmp_path / "scores/length"
    for name in ("s/length", "text"):  # moved or renamed, as `score` itself would not
        shutil.copytree(mine, tmp_path / name)
    with pytest.raises(ConfigError, match=r"/text: .* named 'text': every .* another --name"):
        build(corpus, tmp_path / "sel", tmp_path / "out", request, scores=[tmp_path / "text"])
    both = [mine, tmp_path / "s/length"]
    with pytest.raises(ConfigError, match=r"both be the column 'length' .* another --name"):
        build(corpus, tmp_path / "sel", tmp_path / "out", request, scores=both)
    assert not (tmp_path / "out").exists()


def test_shards_are_even_shuffled_and_repeatable(corpus: Corpus, tmp_path: Path) -> None:
    manifest = make(corpus, tmp_path)
    sizes = [f["rows"] for f in manifest["files"]]
    assert max(sizes) - min(sizes) <= 1
    domains = rows(tmp_path / "out")["domain"].to_pylist()
    changes = sum(a != b for a, b in itertools.pairwise(domains))
    assert changes > len(domains) / 4
    again = make(corpus, tmp_path, "again")
    assert again == manifest
    for file in manifest["files"]:
        one, two = (tmp_path / o / "data" / file["name"] for o in ("out", "again"))
        assert (
            hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest()
        )
    assert not (tmp_path / "out/.spool").exists()


def test_json_lines_hold_the_same_rows(corpus: Corpus, tmp_path: Path) -> None:
    make(corpus, tmp_path)
    make(corpus, tmp_path, "lines", format="jsonl.zst")
    lines: list[dict[str, Any]] = []
    for path in sorted((tmp_path / "lines/data").iterdir()):
        with zstandard.open(path, "rt", encoding="utf-8") as file:
            lines += [json.loads(line) for line in file]
    assert lines == rows(tmp_path / "out").to_pylist()


def test_datasets_reads_it(corpus: Corpus, tmp_path: Path) -> None:
    import datasets

    manifest = make(corpus, tmp_path)
    files = sorted(str(p) for p in (tmp_path / "out/data").iterdir())
    loaded = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == manifest["documents"]
    assert loaded[0]["text"] == rows(tmp_path / "out")["text"][0].as_py()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"mixture": {"web": 0.5, "poems": 0.5}}, "50.0% to 'poems', of which nothing was kept"),
        ({"mixture": {"web": 0.5}}, "sum to 1, not 0.5"),
        ({"mixture": {"web": 1.5, "code": -0.5}}, "must be >= 0"),
        ({"tokens": 0}, "must be at least 1"),
        ({"tokens": 2}, "No document fits into 2 tokens"),
        ({"format": "csv"}, "'format' must be one of"),
    ],
)
def test_requests_that_do_not_fit(
    corpus: Corpus, tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(corpus, tmp_path, **request_)


def test_another_dataset_is_not_overwritten(corpus: Corpus, tmp_path: Path) -> None:
    make(corpus, tmp_path)
    with pytest.raises(ConfigError, match=r"another configuration .*request.tokens: 4000 → 3000"):
        make(corpus, tmp_path, tokens=3000)


@pytest.mark.parametrize(
    "options", [{"text_column": "id"}, {"domain_column": "text"}, {"max_document_bytes": 99}]
)
def test_text_is_read_as_it_was_scored(
    corpus: Corpus, tmp_path: Path, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(ConfigError, match=f"scored with {name} = .* Give the same options"):
        make(Corpus(inputs=corpus.inputs, **options), tmp_path)


def test_shards_that_came_or_went(corpus: Corpus, tmp_path: Path, write_shard: WriteShard) -> None:
    new = write_shard("web/new.jsonl", ["x"], id=["new"])
    with pytest.raises(ConfigError, match=r"shard web/new.jsonl was not scored"):
        make(Corpus(inputs=corpus.inputs), tmp_path)
    new.unlink()
    (tmp_path / "corpus/web/0.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"shard web/0.jsonl is no longer in the corpus"):
        make(Corpus(inputs=corpus.inputs), tmp_path)


def test_a_shard_that_failed_stays_out(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard
) -> None:
    write_shard("web/bad.parquet", ["x"]).write_bytes(b"PAR1 cut")
    with_bad = Corpus(inputs=corpus.inputs)
    assert list(score(with_bad, Length(), tmp_path / "scores").failed) == ["web/bad.parquet"]
    select(tmp_path / "scores/length", tmp_path / "sel2", method="random", budget="50%")
    request = BuildRequest(mixture={"web": 0.5, "code": 0.5}, tokens=1000)
    manifest = build(with_bad, tmp_path / "sel2", tmp_path / "out2", request)
    assert manifest["documents"] > 10
    assert "web/bad.parquet" not in manifest["shards_read"]


def test_the_shuffle_knows_nothing_of_the_selection(corpus: Corpus, tmp_path: Path) -> None:
    """With one seed for both, a dataset shuffled by the numbers that selected would be sorted."""
    make(corpus, tmp_path, mixture={"web": 1.0}, tokens=3000)
    paths = sorted((tmp_path / "sel/web").iterdir())
    table = pa.concat_tables([pq.read_table(p, partitioning=None) for p in paths])
    order = dict(zip(table["key"].to_pylist(), table["order"].to_pylist(), strict=True))
    placed = np.array([order[key] for key in rows(tmp_path / "out")["key"].to_pylist()])
    assert len(placed) > 60
    assert abs(np.corrcoef(placed, np.arange(len(placed)))[0, 1]) < 0.35


def test_inclusion_is_how_often_a_document_is_there(corpus: Corpus, tmp_path: Path) -> None:
    """Over seeds, half an epoch holds half of what was kept, long documents as often as short."""
    times: dict[int, int] = {}
    length: dict[int, int] = {}
    for seed in range(60):
        make(corpus, tmp_path, f"o{seed}", mixture={"books": 1.0}, tokens=900, seed=seed)
        table = rows(tmp_path / f"o{seed}")
        stated = set(table["inclusion"].to_pylist())
        assert len(stated) == 1
        for key, text in zip(table["key"].to_pylist(), table["text"].to_pylist(), strict=True):
            times[key] = times.get(key, 0) + 1
            length[key] = len(text)
    expected = stated.pop() / 0.8
    kept = make(corpus, tmp_path, "o0", mixture={"books": 1.0}, tokens=900)["domains"]["books"]
    frequency = sum(times.values()) / 60 / (kept["used"] + kept["not_needed"])
    assert frequency == pytest.approx(expected, abs=0.03)
    counts = np.array([times[k] for k in length])
    assert abs(counts - 60 * expected).max() < 5 * np.sqrt(60 * expected * (1 - expected))


def test_documents_that_changed_since_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "corpus/web/0.jsonl"
    path.write_text(path.read_text().replace("Document", "Another"))
    with pytest.raises(ConfigError, match=r"web/0.jsonl has changed since it was scored"):
        make(Corpus(inputs=corpus.inputs), tmp_path)
