"""Score tables: complete, resumable to the byte, and never silently of another configuration."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, document_key
from curate.demo import MODEL_PATH
from curate.errors import BackendError, ConfigError, CorpusError
from curate.files import only_writer
from curate.shards import LOG
from curate.stages.score import score
from curate.tables import DATASET_COLUMNS, ScoreStore, table_metadata
from scorers import TokenPrior
from scorers.base import Scored, reason_for_empty
from tests.conftest import WriteShard, some_text


class Length:
    """Characters of a text; dies after some batches if asked to."""

    name: ClassVar[str] = "length"
    column: ClassVar[str] = "n_chars"
    unit: ClassVar[str] = "characters"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, dies_after: float = math.inf, option: int = 0) -> None:
        self.batches, self.dies_after, self.option = 0, dies_after, option

    def score(self, texts: Sequence[str]) -> Scored:
        if self.batches >= self.dies_after:
            raise KeyboardInterrupt
        self.batches += 1
        reasons = [reason_for_empty(t) for t in texts]
        value = np.array(
            [math.nan if r else float(len(t)) for t, r in zip(texts, reasons, strict=True)]
        )
        return Scored(
            value, reasons, {"n_tokens": np.array([len(t.split()) for t in texts], np.int32)}
        )

    def config(self) -> dict[str, Any]:
        return {"option": self.option}


def contents(root: Path) -> dict[str, str]:
    """Hash of every file below a directory, but for what runs say of themselves."""
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != LOG
    }


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    write_shard("web/a.jsonl", [some_text(i) for i in range(25)])
    write_shard("web/b.parquet", ["", *(some_text(i) for i in range(9)), None])
    write_shard("code/c.jsonl", ["x = 1"], id=["c0"])
    return Corpus(inputs=(str(tmp_path / "corpus"),))


def test_documents_in_are_scored_or_have_a_reason(corpus: Corpus, tmp_path: Path) -> None:
    report = score(corpus, Length(), tmp_path / "out", chunk_rows=10)
    assert (report.documents, report.scored) == (37, 35)
    assert dict(report.reasons) == {"empty": 1, "missing_text": 1}
    assert report.first["missing_text"] == "web/b.parquet row 10"
    table = pq.read_table(tmp_path / "out/length/web/b.parquet", partitioning=None)
    assert table["row"].to_pylist() == list(range(11))
    assert table["score"].null_count == 2
    assert table["reason"].is_valid().to_pylist() == table["score"].is_null().to_pylist()
    assert table["domain"].to_pylist() == ["web"] * 11
    metadata = table_metadata(tmp_path / "out/length/web/b.parquet")
    assert metadata["rows"] == 11
    assert metadata["unit"] == "characters"
    assert "out" not in str(metadata)


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3, 4, 5])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    corpus: Corpus, tmp_path: Path, dies_after: int
) -> None:
    score(corpus, Length(), tmp_path / "whole", chunk_rows=10)
    with pytest.raises(KeyboardInterrupt):
        score(corpus, Length(dies_after), tmp_path / "resumed", chunk_rows=10)
    second = Length()
    score(corpus, second, tmp_path / "resumed", chunk_rows=10)
    assert second.batches == 6 - dies_after
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_half_a_part_is_not_a_part(corpus: Corpus, tmp_path: Path) -> None:
    score(corpus, Length(), tmp_path / "whole", chunk_rows=10)
    with pytest.raises(KeyboardInterrupt):
        score(corpus, Length(dies_after=3), tmp_path / "resumed", chunk_rows=10)
    parts = tmp_path / "resumed/length/.parts/web/a.jsonl"
    (parts / ".00000002.parquet.tmp").write_bytes(b"PAR1 half")
    score(corpus, Length(), tmp_path / "resumed", chunk_rows=10)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_another_configuration_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    score(corpus, Length(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"another configuration .*option.*0.*1"):
        score(corpus, Length(option=1), tmp_path / "out")


def test_a_changed_shard_is_refused(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard
) -> None:
    score(corpus, Length(), tmp_path / "out")
    write_shard("code/c.jsonl", ["x = 2"], id=["c0"])
    changed = Corpus(inputs=corpus.inputs)
    with pytest.raises(ConfigError, match=r"made from another content of .*code/c.jsonl"):
        score(changed, Length(), tmp_path / "out")


def test_a_broken_shard_is_recorded_and_the_others_go_on(corpus: Corpus, tmp_path: Path) -> None:
    broken = tmp_path / "corpus/web/b.parquet"
    broken.write_bytes(broken.read_bytes()[:-20])
    for scorer in (Length(), TokenPrior(tokenizer=str(MODEL_PATH))):
        report = score(Corpus(inputs=corpus.inputs), scorer, tmp_path / "out")
        assert list(report.failed) == ["web/b.parquet"]
        assert "cut short" in report.failed["web/b.parquet"]
        assert report.documents == report.scored == 26
        assert ScoreStore.open(tmp_path / "out" / scorer.name).shard_names() == [
            "code/c.jsonl",
            "web/a.jsonl",
        ]


def test_no_readable_shard_at_all(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.parquet", ["x"]).write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="No shard could be read"):
        score(Corpus(inputs=(str(tmp_path / "corpus"),)), Length(), tmp_path / "out")


def test_a_wrong_column_can_be_corrected_in_place(corpus: Corpus, tmp_path: Path) -> None:
    wrong = Corpus(inputs=corpus.inputs, text_column="body")
    with pytest.raises(CorpusError, match="no column 'body'"):
        score(wrong, Length(), tmp_path / "out")
    assert score(corpus, Length(), tmp_path / "out").documents == 37


def test_a_second_run_on_the_same_directory_stops(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out/length").mkdir(parents=True)
    with (
        only_writer(tmp_path / "out/length"),
        pytest.raises(ConfigError, match="another run is writing there"),
    ):
        score(corpus, Length(), tmp_path / "out")


def test_where_nothing_can_be_written(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nostore://bucket/out: .*check the URL"):
        score(corpus, Length(), "nostore://bucket/out")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        score(corpus, Length(), tmp_path / "file")


@pytest.mark.parametrize("name", ["a/b", "/abs", "..", ".", "", ".hidden", "_x", *DATASET_COLUMNS])
def test_names_that_tables_cannot_have(corpus: Corpus, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="Give another --name"):
        score(corpus, Length(), tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError]
)
def test_a_scorer_that_fails_says_where(
    corpus: Corpus, tmp_path: Path, error: type[Exception]
) -> None:
    class Fails(Length):
        def score(self, texts: Sequence[str]) -> Scored:
            if self.batches == 1:
                raise error("what went wrong")
            return super().score(texts)

    with pytest.raises(BackendError, match=r"^length on .*a\.jsonl, rows 0 to 9: what went wrong$"):
        score(corpus, Fails(), tmp_path / "out", chunk_rows=10)


def test_a_fit_that_fails_says_where(corpus: Corpus, tmp_path: Path) -> None:
    class Fittable:
        name = "fittable"

        def fit(self, batches: Iterable[Sequence[str]]) -> None:
            for number, _ in enumerate(batches):
                if number == 1:
                    raise ValueError("what went wrong")

        def merge(self, states: Sequence[None]) -> Length:  # noqa: ARG002
            return Length()

    where = r"^fittable on .*a\.jsonl, rows 10 to 19: what went wrong$"
    with pytest.raises(BackendError, match=where):
        score(corpus, Fittable(), tmp_path / "out", chunk_rows=10)


def test_groups_are_columns_of_tables_and_no_part_of_the_reading(
    write_shard: WriteShard, tmp_path: Path
) -> None:
    write_shard("a.jsonl", ["x", "y", "z"], id=["1", "2", "3"], problem=["p", 7, None])
    write_shard("b.jsonl", [], problem=[])
    plain = Corpus(inputs=(str(tmp_path / "corpus"),))
    grouped = Corpus(inputs=plain.inputs, group_column="problem")
    score(grouped, Length(), tmp_path / "out")
    score(plain, Length(), tmp_path / "plain")
    tables = [t for _, t in ScoreStore.open(tmp_path / "out/length").tables(["group", "n_tokens"])]
    expected = [document_key(value) for value in ("p", "7", "3")]  # who has none is alone
    assert [t["group"].to_pylist() for t in tables] == [expected, []]
    assert tables[0].schema == tables[1].schema
    assert grouped.reading() == plain.reading()
    assert "group_column" not in ScoreStore.open(tmp_path / "plain/length").config
    with pytest.raises(ConfigError, match=r"group_column: None → 'problem'"):
        score(grouped, Length(), tmp_path / "plain")


def test_an_empty_shard_has_an_empty_table(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", [])
    write_shard("b.jsonl", ["x"])
    report = score(Corpus(inputs=(str(tmp_path / "corpus"),)), Length(), tmp_path / "out")
    assert report.documents == 1
    assert pq.read_table(tmp_path / "out/length/a.jsonl.parquet", partitioning=None).num_rows == 0


def test_tables_name_the_directory_that_was_meant(corpus: Corpus, tmp_path: Path) -> None:
    score(corpus, Length(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"Did you mean .*out/length\?"):
        ScoreStore.open(tmp_path / "out")
