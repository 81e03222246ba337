"""Shards of every format, and what becomes of rows that hold no readable text."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate.corpus import Corpus, document_key
from curate.errors import CorpusError, ShardError
from curate.readers import Batch, read
from tests.conftest import WriteShard

TEXTS = ["one", "zwei\nZeilen", "", "three ☃"]


def batches(
    path: Path, chunk_rows: int = 1000, vector_column: str | None = None, **options: object
) -> list[Batch]:
    corpus = Corpus(inputs=(str(path),), **options)  # type: ignore[arg-type]
    every = (read(s, corpus, chunk_rows, vector_column=vector_column) for s in corpus.shards)
    return [batch for batches in every for batch in batches]


def write(path: Path) -> Path:
    """The four texts, in the format the name asks for."""
    lines = "".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(TEXTS))
    table = pa.table({"id": [f"d{i}" for i in range(4)], "text": TEXTS})
    match path.name.split(".", 1)[1]:
        case "parquet":
            pq.write_table(table, path)
        case "jsonl":
            path.write_text(lines)
        case "jsonl.gz":
            path.write_bytes(gzip.compress(lines.encode()))
        case "jsonl.zst":
            path.write_bytes(zstandard.ZstdCompressor().compress(lines.encode()))
        case "arrow":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
                out.write_table(table)
        case "stream.arrow":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as out:
                out.write_table(table)
    return path


@pytest.mark.parametrize(
    "name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.arrow", "a.stream.arrow"]
)
def test_every_format_gives_the_same_documents(tmp_path: Path, name: str) -> None:
    (batch,) = batches(write(tmp_path / name))
    assert batch.texts == TEXTS
    assert batch.ids == ["d0", "d1", "d2", "d3"]
    assert batch.keys.tolist() == [document_key(f"d{i}") for i in range(4)]
    assert batch.n_bytes.tolist() == [len(t.encode()) for t in TEXTS]
    assert batch.reasons == [None] * 4


@pytest.mark.parametrize("cut", [8, 40])
@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.gz", "a.jsonl.zst", "a.arrow"])
def test_a_shard_cut_short_is_named(tmp_path: Path, name: str, cut: int) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ShardError, match=f"{name}: the file is damaged or cut short"):
        batches(path)


def test_bad_lines_keep_their_place_and_get_a_reason(tmp_path: Path) -> None:
    rows = [
        b'{"text": "good"}',
        b"not json",
        b'{"text": "bytes \xff\xfe"}',
        b"[1, 2]",
        b'{"text": null}',
        b'{"other": 1}',
        b'{"text": 7}',
        b'{"text": "\\ud800"}',
        b'{"text": ' + b"[" * 100_000,
        b'{"text": "' + b"x" * 300 + b'"}',
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n\n")
    (batch,) = batches(path, max_document_bytes=200)
    assert batch.reasons == [
        None,
        "invalid_json",
        "invalid_utf8",
        "invalid_json",
        "missing_text",
        "missing_text",
        "missing_text",
        "invalid_utf8",
        "invalid_json",
        "too_long",
    ]
    assert len(batch) == len(rows)


def test_parquet_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    raw = pa.array([b"fine", b"\xff\xfe", None], pa.binary())
    pq.write_table(pa.table({"text": raw}), path)
    (batch,) = batches(path)
    assert batch.reasons == [None, "invalid_utf8", "missing_text"]
    unchecked = pa.StringArray.from_buffers(3, *raw.buffers()[1:], raw.buffers()[0])
    pq.write_table(pa.table({"text": unchecked}), path)
    assert batches(path)[0].reasons == [None, "invalid_utf8", "missing_text"]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_a_missing_column_is_named_with_those_there(write_shard: WriteShard, name: str) -> None:
    path = write_shard(name, ["x"], author=["me"])
    with pytest.raises(ShardError, match=r"no column 'body'. It has 'author', 'text'|'text', 'aut"):
        batches(path, text_column="body")


def test_a_column_of_numbers_is_no_text(write_shard: WriteShard) -> None:
    path = write_shard("a.parquet", ["x"], count=[3])
    with pytest.raises(ShardError, match="column 'count' holds int64, not text"):
        batches(path, text_column="count")


def test_ids_and_domains_from_columns_or_places(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("web/a.parquet", ["x", "y"], topic=["sport", None], nr=[1, 2])
    (plain,) = batches(tmp_path / "corpus")
    assert plain.domains == ["web", "web"]
    assert plain.keys[1] == document_key("web/a.parquet:1")
    (named,) = batches(tmp_path / "corpus", domain_column="topic", id_column="nr")
    assert named.domains == ["sport", "web"]
    assert named.keys[1] == document_key("2")


VECTORS = [[1.0, 2.0], None, [3.0], [1e300, float("nan")], []]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float32()), None],
    ids=["list", "large", "float32", "json"],
)
def test_vectors_of_any_list(tmp_path: Path, kind: pa.DataType | None) -> None:
    path = tmp_path / ("a.parquet" if kind else "a.jsonl")
    if kind:
        pq.write_table(pa.table({"v": pa.array(VECTORS, kind)}), path)
    else:
        path.write_text("".join(json.dumps({"v": v}) + "\n" for v in VECTORS))
    (batch,) = batches(path, vector_column="v")
    assert batch.reasons == [None, "missing_vector", None, None, None]
    found = [None if v is None else v.tolist() for v in batch.vectors]
    assert found[:3] == [[1, 2], None, [3]]
    assert np.isposinf(batch.vectors[3][0])
    assert np.isnan(batch.vectors[3][1])
    assert found[4] == []
    assert batch.n_bytes.tolist() == [0] * 5
    assert batch.texts == [""] * 5


def test_fixed_lists_halves_and_integers(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    kinds = [pa.list_(t, 2) for t in (pa.float16(), pa.float32(), pa.int8())]
    for kind in kinds:
        given = np.array([1, 2], np.float16) if kind == kinds[0] else [1, 2]
        table = pa.table({"v": pa.array([given, None, given], kind), "text": ["ab", "", None]})
        pq.write_table(table.slice(1), path)
        (batch,) = batches(path, vector_column="v")
        assert batch.reasons == ["missing_vector", None]
        assert batch.vectors[1] is not None
        assert batch.vectors[1].tolist() == [1, 2]
        assert batch.n_bytes.tolist() == [0, 0]
        arrow = str(tmp_path / "b.arrow")
        with pa.OSFile(arrow, "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
            out.write_table(table.slice(1))
        assert batches(tmp_path / "b.arrow", vector_column="v")[0].vectors[1].tolist() == [1, 2]


def test_texts_count_beside_vectors_and_are_not_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [b'{"text": "abc", "v": [1]}', b'{"text": "\\ud800", "v": [1]}', b"no json"]
    rows += [b'{"v": "x"}', b'{"v": ["x"]}', b'{"v": [[1], [2]]}', b"\xff"]
    path.write_bytes(b"\n".join(rows))
    (batch,) = batches(path, vector_column="v")
    assert batch.reasons == [
        None,
        None,
        "invalid_json",
        *["missing_vector"] * 3,
        "invalid_utf8",
    ]
    assert batch.n_bytes.tolist()[:2] == [3, 3]


def test_a_column_without_vectors_is_named(tmp_path: Path, write_shard: WriteShard) -> None:
    path = write_shard("a.parquet", ["x"], v=[3])
    with pytest.raises(ShardError, match="column 'v' holds int64, not lists of numbers"):
        batches(path, vector_column="v")
    for name in ("a.parquet", "b.jsonl"):
        path = write_shard(name, ["x"])
        with pytest.raises(ShardError, match=r"no column 'w'.*--vector-column"):
            batches(path, vector_column="w")


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_groups_by_the_string_of_their_value(write_shard: WriteShard, name: str) -> None:
    path = write_shard(name, ["x", "y", "z"], id=["i", "j", "k"], nr=[5, None, 5])
    (batch,) = batches(path, group_column="nr")
    assert batch.groups is not None
    assert batch.groups.tolist() == [document_key(g) for g in ("5", "j", "5")]
    assert batches(path)[0].groups is None
    with pytest.raises(ShardError, match=r"no column 'nrr'.*--group-column"):
        batches(path, group_column="nrr")


def test_chunks_start_at_multiples_whatever_is_skipped(write_shard: WriteShard) -> None:
    path = write_shard("a.jsonl", [f"text {i}" for i in range(10)])
    corpus = Corpus(inputs=(str(path),))
    (shard,) = corpus.shards
    later = list(read(shard, corpus, 4, first_chunk=1))
    assert [b.rows.tolist() for b in later] == [[4, 5, 6, 7], [8, 9]]
    assert later[0].texts == ["text 4", "text 5", "text 6", "text 7"]


def test_inputs_that_hold_nothing(tmp_path: Path, write_shard: WriteShard) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    for given, message in (
        ("empty", "nothing there. Wanted at least one shard"),
        ("other", "none of its 1 files is a shard .* Found notes.txt"),
        ("absent", "no such file or directory"),
        ("*.nothing", "nothing there"),
    ):
        with pytest.raises(CorpusError, match=message):
            _ = Corpus(inputs=(str(tmp_path / given),)).shards


def test_two_shards_of_one_name(write_shard: WriteShard) -> None:
    one, two = write_shard("a/part.jsonl", ["x"]), write_shard("b/part.jsonl", ["y"])
    with pytest.raises(CorpusError, match=r"Two shards have the name 'part\.jsonl'"):
        _ = Corpus(inputs=(str(one), str(two))).shards
    both = Corpus(inputs=(str(one.parent.parent),))
    assert [s.name for s in both.shards] == ["a/part.jsonl", "b/part.jsonl"]


def test_one_file_under_two_names_and_two_under_one_table(
    write_shard: WriteShard, tmp_path: Path
) -> None:
    path = write_shard("a/part.jsonl", ["x"])
    with pytest.raises(CorpusError, match=r"comes in twice, as 'a/part.jsonl' and as 'part.jsonl'"):
        _ = Corpus(inputs=(str(tmp_path / "corpus"), str(path))).shards
    write_shard("a/part.jsonl.parquet", ["x"])
    with pytest.raises(CorpusError, match="Their tables would overwrite each other"):
        _ = Corpus(inputs=(str(tmp_path / "corpus"),)).shards


def test_what_curate_wrote_is_no_shard(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("web/a.jsonl", ["x"])
    write_shard("scores/density/web/a.jsonl.parquet", ["x"])
    (tmp_path / "corpus/scores/density/_config.json").write_text("{}")
    assert [s.name for s in Corpus(inputs=(str(tmp_path / "corpus"),)).shards] == ["web/a.jsonl"]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "first"}\n{"text": "second"}\n')
    assert batches(path)[0].texts == ["first", "second"]


def test_a_file_system_that_is_not_there() -> None:
    with pytest.raises(CorpusError, match="nosuch://x"):
        _ = Corpus(inputs=("nosuch://x",)).shards


def test_globs_urls_and_hidden_files(write_shard: WriteShard, tmp_path: Path) -> None:
    for name in ("web/a.jsonl", "web/_tmp.jsonl", ".cache/b.jsonl", "code/c.jsonl.gz"):
        write_shard(name, ["x"])
    root = tmp_path / "corpus"
    for given in (str(root), f"{root}/*/*", f"file://{root}", f"{root}/**"):
        names = [s.name for s in Corpus(inputs=(given,)).shards]
        assert names == ["code/c.jsonl.gz", "web/a.jsonl"], given


def test_shards_on_a_remote_file_system() -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/web/a.jsonl", b'{"text": "far away"}\n')
    corpus = Corpus(inputs=("memory://bucket",))
    (shard,) = corpus.shards
    assert (shard.name, shard.domain) == ("web/a.jsonl", "web")
    assert next(read(shard, corpus, 10)).texts == ["far away"]
    assert shard.fingerprint.startswith("21:")
