"""Shards that are cut, flipped, mistyped or mangled: a row for each document, or a clear error."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.bad_shard_cases import Case, bomb, cases, cuts, n_lines, sound
from bench.bad_shards import outcome, run
from curate.cli import main
from curate.corpus import Corpus
from curate.errors import ConfigError, CorpusError, ShardError
from curate.readers import jsonl, read, row_counts
from curate.stages.rejects import rejects
from curate.stages.score import score
from curate.tables import ScoreStore
from scorers import TokenPrior

often = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_many_cases_lose_nothing_and_crash_nothing() -> None:
    told = run(2400, seed=0)
    assert told.pop("faults") == []
    assert told.pop("refused") > 1000
    assert told == {"inputs_tried": 2400, "documents_lost": 0, "crashed": 0}


def test_every_place_to_cut_is_noticed(tmp_path: Path) -> None:
    """Of a format that knows where it ends; plain lines count the lines that are left."""
    tried = Counter[str]()
    for case in cuts():
        found = outcome(case, tmp_path)
        assert (found.fault, found.lost) == (None, 0), (case.name, case.about)
        assert bool(found.refused) is case.must_fail, (case.name, case.about)
        tried[case.name] += 1
    assert tried == {name: len(data) for name, data in sound().items()}


@often
@given(
    name=st.sampled_from(sorted(sound())),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=4),
)
def test_whatever_bytes_are_changed(
    tmp_path: Path, name: str, changes: list[tuple[int, bytes]]
) -> None:
    data = bytearray(sound()[name])
    for at, put in changes:
        data[at % len(data) : at % len(data) + len(put)] = put
    n_rows = n_lines(data) if name.endswith(".jsonl") else None
    found = outcome(Case("hypothesis", name, bytes(data), n_rows), tmp_path)
    assert (found.fault, found.lost) == (None, 0)


@often
@given(data=st.binary(max_size=200), name=st.sampled_from(sorted(sound())))
def test_any_bytes_at_all(tmp_path: Path, data: bytes, name: str) -> None:
    n_rows = n_lines(data) if name.endswith(".jsonl") else None
    found = outcome(Case("hypothesis", name, data, n_rows), tmp_path)
    assert (found.fault, found.lost) == (None, 0)


def test_the_stage_itself_over_a_corpus_of_bad_shards(tmp_path: Path, tiny_model: str) -> None:
    """What the reader makes of each shard alone is what the report of a run adds up to."""
    root, documents, refused = tmp_path / "corpus", 0, set()
    for number, case in enumerate(c for c in islice(cases(1), 140) if not c.options):
        found = outcome(case, tmp_path)
        name = f"{number:03d} {case.about}/{case.name}"
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(case.data)
        documents += 0 if found.refused else found.documents
        refused |= {name} if found.refused else set()
    report = score(Corpus(inputs=(str(root),)), TokenPrior(tokenizer=tiny_model), tmp_path / "out")
    assert len(refused) > 20
    assert set(report.failed) == refused
    assert report.documents == documents == report.scored + report.reasons.total()
    (told,) = rejects(tmp_path / "out")
    assert told.failed == report.failed
    assert told.reasons == report.reasons
    assert told.n_documents == documents
    tables = ScoreStore.open(tmp_path / "out" / "token-prior").tables(["row", "reason"])
    rows = {name: table["reason"].to_pylist() for name, table in tables}
    for shard, row, reason, n in told.places:
        assert rows[shard].index(reason) == row
        assert rows[shard].count(reason) == n


def test_the_command_line_over_bad_shards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends with 0, 2 or 3, says why, and has a row for each document it could read."""
    codes = Counter[int]()
    for number, case in enumerate(c for c in islice(cases(2), 0, 2400, 16) if not c.options):
        shard, out = tmp_path / f"{number}" / case.name, tmp_path / f"{number}-out"
        shard.parent.mkdir()
        shard.write_bytes(case.data)
        read_alone = outcome(case, tmp_path)
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "score",
                    "token-prior",
                    str(shard.parent),
                    "--tokenizer",
                    "demo",
                    "--out",
                    str(out),
                ]
            )
        said, about = capsys.readouterr().err, (case.name, case.about)
        code = int(ended.value.code or 0)
        codes[code] += 1
        assert code in (0, 2, 3), (about, said)
        assert bool(said) or not code, about
        assert "Traceback" not in said and "not foreseen" not in said, (about, said)
        if code == 2:
            assert read_alone.refused or not read_alone.documents or "token" in said, (about, said)
        else:
            (told,) = rejects(out)
            assert told.n_documents == read_alone.documents, about
    assert codes[0] > 20 and codes[2] > 20


def test_a_long_line_is_never_held(tmp_path: Path) -> None:
    n_bytes = 2**20 * int(os.environ.get("CURATE_LONG_LINE_MIB", "64"))
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b'{"text": "a"}\n{"text": "')
        for _ in range(n_bytes >> 20):
            file.write(b"x" * 2**20)
        file.write(b'"}\n{"text": "b"}\n')
    corpus = Corpus(inputs=(str(path),), max_document_bytes=1000)
    tracemalloc.start()
    (batch,) = read(corpus.shards[0], corpus, 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert batch.texts == ["a", "", "b"]
    assert batch.reasons == [None, "too_long", None]
    assert batch.n_bytes.tolist() == [1, n_bytes + 13, 1]
    assert peak < 3 * corpus.max_line_bytes < n_bytes


def test_a_line_at_the_limit_is_read(tmp_path: Path) -> None:
    """Escapes may make a line six times as long as the text in it."""
    corpus = Corpus(inputs=(str(tmp_path),), max_document_bytes=2**20)
    text = "\\u0041" * 2**20
    (tmp_path / "a.jsonl").write_text(f'{{"text": "{text}"}}\n{{"text": "{text}x"}}\n')
    (batch,) = read(corpus.shards[0], corpus, 10)
    assert batch.reasons == [None, "too_long"]
    assert batch.texts[0] == "A" * 2**20


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_is_refused_and_the_limit_can_be_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / ("a.jsonl.gz" if kind == "gzip" else "a.jsonl.zst")
    path.write_bytes(bomb(20 * 2**20, kind))
    corpus = Corpus(inputs=(str(path),), max_document_bytes=1000, max_expansion=10)
    (small,) = read(corpus.shards[0], corpus, 10)
    assert small.reasons == ["too_long"]  # up to a size, nothing is taken for a bomb
    monkeypatch.setattr(jsonl, "_FREE_BYTES", 2**20)
    with pytest.raises(ShardError, match=r"10 times its own size.*raise --max-expansion"):
        list(read(corpus.shards[0], corpus, 10))
    raised = Corpus(inputs=(str(path),), max_document_bytes=1000, max_expansion=1e6)
    assert len(next(read(raised.shards[0], raised, 10))) == 1
    assert raised.reading() == corpus.reading()


def test_a_value_that_a_file_repeats_is_not_held_as_often(tmp_path: Path) -> None:
    """A file of kilobytes that would be gigabytes, were all its rows decoded at once."""
    table = pa.table({"text": pa.array(["y" * 2**18] * 2000).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet", store_schema=False)
    sink = pa.OSFile(str(tmp_path / "b.arrow"), "wb")
    with sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    del table
    corpus = Corpus(inputs=(str(tmp_path),), max_document_bytes=1000)
    for shard in corpus.shards:
        before = pa.default_memory_pool().bytes_allocated()
        for batch in read(shard, corpus, 100):
            assert set(batch.reasons) == {"too_long"}
            assert pa.default_memory_pool().bytes_allocated() - before < 64 * 2**20
            assert batch.n_bytes.tolist() == [2**18] * len(batch)


def test_whole_row_groups_and_record_batches_are_counted(tmp_path: Path) -> None:
    table = pa.table({"text": [str(i) for i in range(25)], "n": range(25)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10)
    for name, new in (("b.arrow", pa.ipc.new_file), ("c.arrow", pa.ipc.new_stream)):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=10)
    corpus = Corpus(inputs=(str(tmp_path),))
    assert [row_counts(shard) for shard in corpus.shards] == [[10, 10, 5], [10, 10, 5], None]
    for shard in corpus.shards:
        for first in range(7):
            for n_chunks in (None, 0, 1, 3):
                found = list(read(shard, corpus, 4, first, n_chunks))
                texts = [text for batch in found for text in batch.texts]
                stop = 25 if n_chunks is None else min(25, 4 * (first + n_chunks))
                assert texts == [str(i) for i in range(4 * first, stop)]
                assert [row for batch in found for row in batch.rows] == list(
                    range(4 * first, stop)
                )
                assert all(int(batch.rows[0]) % 4 == 0 for batch in found)


ODD_NAMES = ("a b.jsonl", "ü☃.jsonl", "a\nb.jsonl", "\x1b[31m.jsonl", "a::b.jsonl", "a*[x]?.jsonl")


def test_odd_names_of_files(tmp_path: Path, tiny_model: str) -> None:
    root = tmp_path / "in"
    for name in (*ODD_NAMES, *(f"dir {name}/x.jsonl" for name in ODD_NAMES)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text('{"text": "a"}\n')
    corpus = Corpus(inputs=(str(root),))
    assert len(corpus.shards) == 2 * len(ODD_NAMES)
    out = tmp_path / "out"
    report = score(corpus, TokenPrior(tokenizer=tiny_model), out)
    assert (report.scored, report.failed) == (2 * len(ODD_NAMES), {})
    assert {*tmp_path.iterdir()} == {root, out}
    for name in ODD_NAMES:
        one = Corpus(inputs=(str(root / name),))
        assert [shard.name for shard in one.shards] == [name]


def test_names_that_lead_elsewhere_or_are_too_long(tmp_path: Path) -> None:
    import zipfile

    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("../evil.jsonl", json.dumps({"text": "a"}))
    with pytest.raises(ConfigError, match="lies outside"):
        _ = Corpus(inputs=(f"zip://::{archive}",)).shards
    (tmp_path / ("x" * 245 + ".jsonl")).write_text('{"text": "a"}\n')
    with pytest.raises(ConfigError, match="has a part of 251 bytes"):
        _ = Corpus(inputs=(str(tmp_path),)).shards


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.jsonl")).write_text('{"text": "a"}\n')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        _ = Corpus(inputs=(str(tmp_path),)).shards


def test_links_in_a_circle_and_links_to_nothing(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
    for directory in (root / "web", elsewhere):
        directory.mkdir(parents=True)
        (directory / "x.jsonl").write_text('{"text": "a"}\n')
    (root / "web" / "loop").symlink_to(root)
    (root / "code").symlink_to(elsewhere)
    (elsewhere / "self").symlink_to(elsewhere)
    (root / "itself.jsonl").symlink_to(root / "itself.jsonl")
    (root / "gone.jsonl").symlink_to(root / "nothing.jsonl")
    os.mkfifo(root / "pipe.jsonl")
    corpus = Corpus(inputs=(str(root),))
    assert [shard.name for shard in corpus.shards] == [
        "code/x.jsonl",
        "gone.jsonl",
        "itself.jsonl",
        "pipe.jsonl",
        "web/x.jsonl",
    ]
    for shard in corpus.shards[1:4]:
        with pytest.raises(ShardError, match="cannot be opened"):
            next(read(shard, corpus, 10))
        with pytest.raises(ShardError, match="cannot be opened"):
            _ = shard.fingerprint


def test_a_table_in_the_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "two" / "a.jsonl.parquet").mkdir(parents=True)
    (tmp_path / "two" / "a.jsonl.parquet" / "b.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(CorpusError, match="in a directory named like the table of"):
        _ = Corpus(inputs=(str(tmp_path / "one"), str(tmp_path / "two"))).shards
